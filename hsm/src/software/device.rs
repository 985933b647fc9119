//! The software device in use. It answers at once, on the caller's thread.

use std::time::Instant;

use strongroom::{
    DeviceProfile, KeyDevice,
    device::{
        BoxFuture, DeviceError, DeviceIdentity, Health, PRF_INPUT_BYTES_MAX, Prk, RootVersion, SIGN_INPUT_BYTES_MAX,
        Signature,
    },
};

use super::keys::{HeldKeys, KeyBox};
use crate::signature::{TEST_MESSAGE, verifies};

/// Keys in memory.
#[derive(Debug)]
pub(crate) struct SoftwareDevice {
    identity: DeviceIdentity,
    roots: Vec<(RootVersion, KeyBox)>,
    audit: KeyBox,
}

impl SoftwareDevice {
    /// Takes the profile's keys out of the file's.
    pub(super) fn new(keys: HeldKeys, serial: [u8; 16], profile: &DeviceProfile) -> Result<Self, DeviceError> {
        if profile.serial != serial {
            return Err(DeviceError::WrongToken(
                "this key file is not the one that the deployment was made with".into(),
            ));
        }
        let HeldKeys { roots: mut held, audit: (audit_id, audit) } = keys;
        let mut roots = Vec::new();
        for root in &profile.roots {
            let Some(at) = held.iter().position(|(id, _)| *id == root.id) else {
                return Err(DeviceError::KeyMissing(format!("root key {}", root.v)));
            };
            roots.push((RootVersion(root.v), held.swap_remove(at).1));
        }
        if audit_id != profile.audit.id {
            return Err(DeviceError::KeyMissing("the audit key".into()));
        }
        if !verifies(&profile.audit.key, TEST_MESSAGE, &audit.sign(TEST_MESSAGE)) {
            return Err(DeviceError::WrongKey("the audit key signs as another key than the deployment's".into()));
        }
        let identity = DeviceIdentity {
            kind: "software".into(),
            serial: serial.to_vec(),
            token: Vec::new(),
            audit_key: profile.audit.key,
            roots: roots.iter().map(|(version, _)| *version).collect(),
        };
        Ok(Self { identity, roots, audit })
    }
}

impl KeyDevice for SoftwareDevice {
    fn prf(&self, root: RootVersion, input: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
        Box::pin(async move {
            check_call(input.len(), PRF_INPUT_BYTES_MAX, deadline)?;
            match self.roots.iter().find(|(version, _)| *version == root) {
                Some((_, key)) => Ok(key.hmac(&input)),
                None => Err(DeviceError::KeyMissing(format!("root key {}", root.0))),
            }
        })
    }

    fn sign(&self, message: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
        Box::pin(async move {
            check_call(message.len(), SIGN_INPUT_BYTES_MAX, deadline)?;
            Ok(self.audit.sign(&message))
        })
    }

    fn identity(&self) -> DeviceIdentity {
        self.identity.clone()
    }

    fn health(&self) -> Health {
        Health::Ok
    }
}

fn check_call(bytes: usize, bytes_max: usize, deadline: Instant) -> Result<(), DeviceError> {
    if bytes > bytes_max {
        Err(DeviceError::Unsupported(format!("an input of more than {bytes_max} bytes")))
    } else if deadline <= Instant::now() {
        Err(DeviceError::Timeout)
    } else {
        Ok(())
    }
}
