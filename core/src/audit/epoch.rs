//! Signing epochs: short-lived keys that sign commits, each certified once by the device's audit key.
//!
//! An epoch's key lives in locked memory and nowhere else. When its time is up the next is certified;
//! if the device is away then, the old one goes on, degraded and recorded, to its hard limit, after
//! which nothing is signed and so nothing is done.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use strongroom_log::{
    EpochCertificate, EpochFingerprint, Hash, INTEGER_MAX, LineBuilder, LineTemplate, LogOrigin, Note, Object, Origin,
    Outcome, RootKey, VerifyingKey, Who, write_note,
};

use crate::{
    Code, Error, KeyDevice, Result,
    clock::{ClockStep, Timestamp},
    keys::LockedSigner,
    memory::Arena,
    random::Random,
    runtime::block_on,
    store::{EpochRow, IntentRow},
};

/// How long an epoch signs before it is replaced.
pub(crate) const EPOCH_LENGTH: Duration = Duration::from_secs(15 * 60);

/// How long it may go on beyond that while the device is away: as long as tenants' keys stay cached.
pub(crate) const EPOCH_GRACE: Duration = Duration::from_secs(15 * 60);

/// How long the device has for a certificate.
const CERTIFY_TIMEOUT: Duration = Duration::from_secs(10);

/// An epoch of this process.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) id: u32,
    pub(super) key: VerifyingKey,
    signer: LockedSigner,
    pub(super) opened: Timestamp,
    pub(super) ends: Timestamp,
    pub(super) hard_limit: Timestamp,
    pub(super) certificate: Vec<u8>,
    fingerprint: EpochFingerprint,
}

/// What a certificate says besides the key.
pub(super) struct Opening<'a> {
    pub(super) origin: &'a Origin,
    pub(super) deployment: [u8; 16],
    pub(super) id: u32,
    pub(super) now: Timestamp,
    pub(super) seen_size: u64,
    pub(super) seen_root: Hash,
    pub(super) boot: [u8; 16],
}

impl Epoch {
    /// Makes a key and has the device certify it. Nothing counts until its line is committed.
    pub(super) fn open(
        opening: &Opening<'_>,
        device: &dyn KeyDevice,
        arena: &Arc<Arena>,
        random: &dyn Random,
    ) -> Result<Self> {
        let signer = LockedSigner::generate(arena, random)?;
        let key = VerifyingKey::new(&opening.origin.heads(), &signer.public_key()).map_err(internal)?;
        let after = |length: Duration| Timestamp(opening.now.0 + length.as_micros() as u64);
        let certificate = EpochCertificate {
            origin: opening.origin.clone(),
            deployment: opening.deployment,
            epoch: opening.id,
            key: key.clone(),
            opened: opening.now.0,
            ends: after(EPOCH_LENGTH).0,
            hard_limit: after(EPOCH_LENGTH + EPOCH_GRACE).0,
            seen_size: opening.seen_size,
            seen_root: opening.seen_root,
            boot: opening.boot,
        };
        let text = certificate.text();
        let root = RootKey::of(opening.origin, &device.identity().audit_key)
            .ok()
            .and_then(|root| root.for_origin(opening.origin))
            .ok_or(Code::DeviceWrongKey)?;
        let signature = block_on(device.sign(text.clone().into_bytes(), Instant::now() + CERTIFY_TIMEOUT))?;
        if !root.verifies(text.as_bytes(), &signature) {
            return Err(Error::new(Code::DeviceWrongAnswer).detail("the signature of an epoch certificate"));
        }
        let note = write_note(&text, &root, &signature).map_err(internal)?.into_bytes();
        Ok(Self {
            id: opening.id,
            key,
            signer,
            opened: opening.now,
            ends: Timestamp(certificate.ends),
            hard_limit: Timestamp(certificate.hard_limit),
            fingerprint: EpochFingerprint::of(&note),
            certificate: note,
        })
    }

    /// The row that the opening commit stores.
    pub(super) fn row(&self, generation: u32) -> EpochRow {
        EpochRow {
            id: self.id,
            generation,
            certificate: self.certificate.clone(),
            hard_limit: self.hard_limit.0,
            closed: false,
            checkpoint: None,
        }
    }

    /// The line that the opening commit writes to `sys`.
    pub(super) fn opened_line(&self, origin: &Origin, request: [u8; 16]) -> Result<LineTemplate> {
        LineBuilder::new("epoch.open", &origin.sys(), Who::System, request)
            .object(Object { kind: "epoch", id: self.fingerprint.id(), version: Some(self.id.into()) })
            .detail(self.fingerprint.hash())
            .finish(Outcome::Ok)
            .map_err(internal)
    }

    /// Signs the text of a note.
    pub(super) fn sign(&self, text: &str) -> Result<[u8; 64]> {
        self.signer.sign(text.as_bytes())
    }
}

/// The line that closes an epoch, of this process or of one that is gone.
pub(super) fn closed_line(origin: &Origin, id: u32, certificate: &[u8], request: [u8; 16]) -> Result<LineTemplate> {
    let fingerprint = EpochFingerprint::of(certificate);
    LineBuilder::new("epoch.close", &origin.sys(), Who::System, request)
        .object(Object { kind: "epoch", id: fingerprint.id(), version: Some(id.into()) })
        .finish(Outcome::Ok)
        .map_err(internal)
}

/// A line of the system about itself: that it did something, or why it could not.
pub(super) fn own_line(origin: &Origin, act: &str, refused: Option<Code>, request: [u8; 16]) -> Result<LineTemplate> {
    LineBuilder::new(act, &origin.sys(), Who::System, request)
        .finish(refused.map_or(Outcome::Ok, |code| Outcome::Refused(code.name())))
        .map_err(internal)
}

/// The boot id of the process that opened an epoch, as its certificate has it. Not verified: it only decides which
/// intents are left alone.
pub(super) fn boot_of(certificate: &[u8], origin: &Origin) -> Option<[u8; 16]> {
    let note = Note::parse(certificate).ok()?;
    Some(EpochCertificate::parse(note.unverified_text(), origin).ok()?.boot)
}

/// The line that says that nobody knows what became of something begun outside the database.
pub(super) fn unknown_line(log: &LogOrigin, intent: &IntentRow) -> Result<LineTemplate> {
    LineBuilder::new(&intent.act, log, Who::System, intent.request)
        .finish(Outcome::Refused(Code::EffectUnknown.name()))
        .map_err(internal)
}

/// The line that says that the wall clock jumped: what it said, and what was expected.
pub(super) fn clock_line(origin: &Origin, step: ClockStep, request: [u8; 16]) -> Result<LineTemplate> {
    let id = u128::from(step.expected.0).to_be_bytes();
    LineBuilder::new("clock.step", &origin.sys(), Who::System, request)
        .object(Object { kind: "clock", id, version: Some(step.wall.0.min(INTEGER_MAX)) })
        .finish(Outcome::Ok)
        .map_err(internal)
}

pub(super) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Code::Internal).caused_by(error)
}
