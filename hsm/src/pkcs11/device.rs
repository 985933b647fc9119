//! A token as a key device.

use std::{io, sync::Mutex, time::Instant};

use cryptoki::{
    error::Error,
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::{Session, SessionState},
};
use strongroom::{
    DeviceProfile, KeyDevice,
    device::{
        BoxFuture, DOCUMENT_BYTES_MAX, DeviceError, DeviceIdentity, Health, PRF_INPUT_BYTES_MAX, Prk, RootVersion,
        SIGN_INPUT_BYTES_MAX, Signature,
    },
    scrub_stack,
};
use zeroize::Zeroize;

use super::{
    fault::{self, Remedy},
    object,
    pool::{Answer, Hand, Pool, Work},
    token::Token,
};
use crate::{
    signature::{self, TEST_MESSAGE},
    uri::TokenUri,
};

/// Threads with a session each. Two cores are busy with two; a network HSM gains from more.
const WORKERS: usize = 4;

/// A PKCS#11 token in use.
#[derive(Debug)]
pub(crate) struct TokenDevice {
    identity: DeviceIdentity,
    pool: Pool,
    /// Holds the login while workers replace their sessions. Dropped after them.
    _anchor: Mutex<Session>,
}

/// Opens the token that the URI names, if it is the profile's.
pub(crate) fn open(uri: &TokenUri, profile: &DeviceProfile) -> Result<TokenDevice, DeviceError> {
    let token = Token::find(uri)?;
    if token.serial.as_bytes() != profile.serial {
        return Err(DeviceError::WrongToken(format!(
            "its serial number is {}, the deployment's token has {}",
            token.serial,
            String::from_utf8_lossy(&profile.serial)
        )));
    }
    let keys = Keys {
        roots: profile.roots.iter().map(|root| (RootVersion(root.v), root.id)).collect(),
        audit: profile.audit.id,
        audit_key: profile.audit.key,
    };
    let identity = DeviceIdentity {
        kind: "pkcs11".into(),
        serial: token.serial.clone().into_bytes(),
        token: token.label.clone().into_bytes(),
        audit_key: keys.audit_key,
        roots: keys.roots.iter().map(|(version, _)| *version).collect(),
    };
    let anchor = token.log_in(uri)?;
    let mut hands =
        (0..WORKERS).map(|_| TokenHand::open(token.clone(), keys.clone())).collect::<Result<Vec<_>, _>>()?;
    hands[0].work(&Work::Sign { message: TEST_MESSAGE.to_vec() })?;
    let pool = Pool::start(hands)
        .map_err(|error: io::Error| DeviceError::Unavailable(format!("starting a thread: {error}")))?;
    Ok(TokenDevice { identity, pool, _anchor: Mutex::new(anchor) })
}

impl KeyDevice for TokenDevice {
    fn prf(&self, root: RootVersion, input: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
        Box::pin(async move {
            if input.len() > PRF_INPUT_BYTES_MAX {
                return Err(too_long(PRF_INPUT_BYTES_MAX));
            }
            if !self.identity.roots.contains(&root) {
                return Err(DeviceError::KeyMissing(format!("root key {}", root.0)));
            }
            match self.pool.submit(Work::Prf { root, input }, deadline).await? {
                Answer::Prk(prk) => Ok(prk),
                _ => unreachable!("a PRF answers a PRK"),
            }
        })
    }

    fn sign(&self, message: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
        Box::pin(async move {
            if message.len() > SIGN_INPUT_BYTES_MAX {
                return Err(too_long(SIGN_INPUT_BYTES_MAX));
            }
            match self.pool.submit(Work::Sign { message }, deadline).await? {
                Answer::Signature(signature) => Ok(signature),
                _ => unreachable!("signing answers a signature"),
            }
        })
    }

    fn read_document(
        &self,
        deployment: [u8; 16],
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, DeviceError>> {
        Box::pin(async move {
            match self.pool.submit(Work::ReadDocument { name: object::document_name(&deployment) }, deadline).await? {
                Answer::Document(document) => Ok(document),
                _ => unreachable!("reading answers a document"),
            }
        })
    }

    fn write_document(
        &self,
        deployment: [u8; 16],
        document: Vec<u8>,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), DeviceError>> {
        Box::pin(async move {
            if document.len() > DOCUMENT_BYTES_MAX {
                return Err(too_long(DOCUMENT_BYTES_MAX));
            }
            let work = Work::WriteDocument { name: object::document_name(&deployment), document };
            match self.pool.submit(work, deadline).await? {
                Answer::Written => Ok(()),
                _ => unreachable!("writing answers that it is written"),
            }
        })
    }

    fn identity(&self) -> DeviceIdentity {
        self.identity.clone()
    }

    fn health(&self) -> Health {
        self.pool.health()
    }
}

fn too_long(bytes_max: usize) -> DeviceError {
    DeviceError::Unsupported(format!("an input of more than {bytes_max} bytes"))
}

/// Which objects of the token are a deployment's keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) roots: Vec<(RootVersion, [u8; 16])>,
    pub(crate) audit: [u8; 16],
    /// The audit key's public half, as the deployment remembers it.
    pub(crate) audit_key: [u8; 32],
}

/// One session and the handles of the keys in it. Owned by one thread at a time.
#[derive(Debug)]
pub(crate) struct TokenHand {
    token: Token,
    keys: Keys,
    session: Session,
    roots: Vec<(RootVersion, ObjectHandle)>,
    audit: ObjectHandle,
}

impl TokenHand {
    /// Opens a session and finds each key in it, exactly once.
    pub(crate) fn open(token: Token, keys: Keys) -> Result<Self, DeviceError> {
        let session = token.session()?;
        let (roots, audit) = find_keys(&session, &keys)?;
        Ok(Self { token, keys, session, roots, audit })
    }

    /// Evaluates or signs, once.
    fn attempt(&self, work: &Work) -> Result<Answer, Failure> {
        match work {
            Work::Prf { root, input } => {
                let Some((_, key)) = self.roots.iter().find(|(version, _)| version == root) else {
                    return Err(DeviceError::KeyMissing(format!("root key {}", root.0)).into());
                };
                let mut value = self.session.sign(&object::PRF, *key, input)?;
                let prk = Prk::from_slice(&value);
                value.zeroize();
                prk.map(Answer::Prk)
                    .ok_or_else(|| DeviceError::WrongAnswer("an HMAC-SHA256 that is not 32 bytes long".into()).into())
            }
            Work::Sign { message } => {
                let value = self.session.sign(&object::eddsa(), self.audit, message)?;
                // Never handed out unseen: the key behind the handle may have been replaced.
                match value.try_into() {
                    Ok(signature) if signature::verifies(&self.keys.audit_key, message, &signature) => {
                        Ok(Answer::Signature(signature))
                    }
                    _ => {
                        Err(DeviceError::WrongKey("the audit key signs as another key than the deployment's".into())
                            .into())
                    }
                }
            }
            Work::ReadDocument { name } => {
                let Some((_, object)) = self.documents(name)?.pop() else { return Ok(Answer::Document(None)) };
                match self.session.get_attributes(object, &[AttributeType::Value])?.pop() {
                    Some(Attribute::Value(value)) if value.len() <= DOCUMENT_BYTES_MAX => {
                        Ok(Answer::Document(Some(value)))
                    }
                    _ => Err(DeviceError::WrongAnswer(format!("{name} has no value of ours")).into()),
                }
            }
            // Not changed in place, which some tokens refuse: the new one is there before the old one goes.
            Work::WriteDocument { name, document } => {
                let before = self.documents(name)?;
                let number = before.last().map_or(1, |(number, _)| number.saturating_add(1));
                self.session.create_object(&object::document_template(name, number, document))?;
                for (_, object) in before {
                    self.session.destroy_object(object)?;
                }
                Ok(Answer::Written)
            }
        }
    }

    /// The objects of this name, the newest last: more than one only if somebody was interrupted, or reads meanwhile.
    fn documents(&self, name: &str) -> Result<Vec<(u64, ObjectHandle)>, Failure> {
        let mut found = Vec::new();
        for object in self.session.find_objects(&object::document_search())? {
            let label = self.session.get_attributes(object, &[AttributeType::Label])?.pop();
            let Some(Attribute::Label(label)) = label else { continue };
            if let Some(number) = object::document_number(name, &label) {
                found.push((number, object));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// Makes the session usable again without logging in, or says why it is not.
    fn recover(&mut self, remedy: Remedy) -> Result<(), DeviceError> {
        if remedy == Remedy::Reopen {
            self.session = self.token.session()?;
        }
        let info = self.session.get_session_info().map_err(|error| fault::classify(&error, "asking for the login"))?;
        if !matches!(info.session_state(), SessionState::RwUser | SessionState::RoUser) {
            return Err(DeviceError::Unavailable(fault::logged_out()));
        }
        (self.roots, self.audit) = find_keys(&self.session, &self.keys)?;
        Ok(())
    }
}

impl Hand for TokenHand {
    fn work(&mut self, work: &Work) -> Result<Answer, DeviceError> {
        let doing = match work {
            Work::Prf { .. } => "deriving a key",
            Work::Sign { .. } => "signing",
            Work::ReadDocument { .. } => "reading a document",
            Work::WriteDocument { .. } => "writing a document",
        };
        let answer = match self.attempt(work) {
            Err(Failure::Token(error)) if fault::remedy(&error) != Remedy::None => {
                // All operations are idempotent: once more is safe, and only once.
                self.recover(fault::remedy(&error))
                    .and_then(|()| self.attempt(work).map_err(|again| again.explain(doing)))
            }
            other => other.map_err(|failure| failure.explain(doing)),
        };
        scrub_stack();
        answer
    }
}

/// Why an attempt failed: what the token said, or what we think of its answer.
enum Failure {
    Token(Error),
    Answer(DeviceError),
}

impl Failure {
    fn explain(self, doing: &str) -> DeviceError {
        match self {
            Self::Token(error) => fault::classify(&error, doing),
            Self::Answer(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Self::Answer(error)
    }
}

type Handles = (Vec<(RootVersion, ObjectHandle)>, ObjectHandle);

fn find_keys(session: &Session, keys: &Keys) -> Result<Handles, DeviceError> {
    let roots = keys
        .roots
        .iter()
        .map(|(version, id)| {
            let what = format!("root key {}", version.0);
            object::find_one(session, ObjectClass::SECRET_KEY, id, &what).map(|object| (*version, object))
        })
        .collect::<Result<_, _>>()?;
    let audit = object::find_one(session, ObjectClass::PRIVATE_KEY, &keys.audit, "the audit key")?;
    Ok((roots, audit))
}
