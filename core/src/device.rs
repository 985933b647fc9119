//! What a key device is, as the core needs it: evaluate the root PRF, sign with the audit key, say who it is.
//!
//! Object-safe, asynchronous, bytes only, with deadlines, so that one can be written in any
//! language. How a token is found, logged in to and provisioned is left to the device's own crate.

use std::{fmt, future::Future, pin::Pin, time::Instant};

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Code, Error};

/// A future that a device answers with.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Number of a root key, from 1. A root key is never changed in place: a new one has a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootVersion(pub u32);

impl RootVersion {
    /// The version that `init` makes.
    pub const FIRST: Self = Self(1);
}

/// Length of the PRF's output, in bytes.
pub const PRF_BYTES: usize = 32;

/// Longest PRF input a device must take, in bytes. Ours are under 200.
pub const PRF_INPUT_BYTES_MAX: usize = 1024;

/// Longest message a device must sign, in bytes. An epoch certificate is under 1 KiB.
pub const SIGN_INPUT_BYTES_MAX: usize = 16 * 1024;

/// Longest document that a device is asked to keep, in bytes: that of an anchor.
pub const DOCUMENT_BYTES_MAX: usize = strongroom_log::ANCHOR_BYTES_MAX;

/// An answer of the root PRF: a tenant's pseudo-random key.
///
/// Boxed, so that a move leaves nothing behind, and wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Prk(Box<[u8; PRF_BYTES]>);

impl Prk {
    /// Takes an answer of the device over. The caller wipes what it copied from.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut prk = Box::new([0; PRF_BYTES]);
        if bytes.len() != PRF_BYTES {
            return None;
        }
        prk.copy_from_slice(bytes);
        Some(Self(prk))
    }

    /// The raw key. Named so that `grep expose_key` finds every use.
    pub fn expose_key(&self) -> &[u8; PRF_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Prk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prk").finish_non_exhaustive()
    }
}

/// An Ed25519 signature (RFC 8032).
pub type Signature = [u8; 64];

/// Whether a device is well. `Down` and `WrongKey` refuse service to tenants whose keys are not cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It answered its check value.
    Ok,
    /// It answers, but not as it should; what it said last may be old.
    Degraded,
    /// It does not answer.
    Down,
    /// It answers with another key.
    WrongKey,
}

/// Who a device says it is. Compared with the deployment's profile before anything is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The kind: `pkcs11` or `software`.
    pub kind: String,
    /// The token's serial number, without padding.
    pub serial: Vec<u8>,
    /// The token's label, without padding.
    pub token: Vec<u8>,
    /// The public half of the audit key R.
    pub audit_key: [u8; 32],
    /// The root versions it holds.
    pub roots: Vec<RootVersion>,
}

/// A device that holds root keys and the audit key, and lets neither out.
///
/// Usable concurrently. Every call ends by its deadline, with an answer or [`DeviceError::Timeout`].
/// A login is tried once; a refused PIN is never tried again. An implementation passes the test kit
/// in [`crate::testing::device`].
pub trait KeyDevice: Send + Sync + fmt::Debug {
    /// Evaluates HMAC-SHA256 under the root key of this version. Deterministic.
    fn prf(&self, root: RootVersion, input: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>>;

    /// Signs with the audit key, Ed25519 as in RFC 8032 (no prehash, no context).
    fn sign(&self, message: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>>;

    /// Gives the document that the device keeps for this deployment, if there is one. No secret.
    ///
    /// A device need not be able to: by default it is [`DeviceError::Unsupported`].
    fn read_document(
        &self,
        deployment: [u8; 16],
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, DeviceError>> {
        let _ = (deployment, deadline);
        Box::pin(async { Err(no_documents()) })
    }

    /// Keeps a document for this deployment, in place of the one before. Durable when it answers.
    ///
    /// By default [`DeviceError::Unsupported`], as [`KeyDevice::read_document`].
    fn write_document(
        &self,
        deployment: [u8; 16],
        document: Vec<u8>,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<(), DeviceError>> {
        let _ = (deployment, document, deadline);
        Box::pin(async { Err(no_documents()) })
    }

    /// Who it is. Known since it was opened; no call to the token.
    fn identity(&self) -> DeviceIdentity;

    /// How it was when it was last asked. No call to the token.
    fn health(&self) -> Health;
}

fn no_documents() -> DeviceError {
    DeviceError::Unsupported("it keeps no documents".to_owned())
}

/// Why a device did not do what it was asked. Texts name configuration only, never a PIN or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The PIN or passphrase was wrong. It was tried once and will not be tried again.
    #[error("the device refused the PIN")]
    PinRefused,
    /// The token has locked its PIN.
    #[error("the token's PIN is locked")]
    PinLocked,
    /// The token has no user PIN.
    #[error("the token has no user PIN")]
    PinUnset,
    /// The URI or its sources are wrong.
    #[error("device URI: {0}")]
    Uri(String),
    /// The vendor's library cannot be loaded or initialised.
    #[error("module: {0}")]
    Module(String),
    /// No token matches the URI.
    #[error("no such token: {0}")]
    TokenNotFound(String),
    /// More than one token matches the URI.
    #[error("tokens match: {0}")]
    TokenAmbiguous(String),
    /// The token was never initialised.
    #[error("the token is not initialised")]
    TokenUninitialized,
    /// Another token than the profile's.
    #[error("wrong token: {0}")]
    WrongToken(String),
    /// A key with the right id that is not the right key.
    #[error("wrong key: {0}")]
    WrongKey(String),
    /// It answered one question in two ways, or with something that is no answer.
    #[error("wrong answer: {0}")]
    WrongAnswer(String),
    /// A key that should be there is not.
    #[error("key missing: {0}")]
    KeyMissing(String),
    /// More than one object has a key's id.
    #[error("key ambiguous: {0}")]
    KeyAmbiguous(String),
    /// The token does not keep the promises of the key's template.
    #[error("weak token: {0}")]
    WeakToken(String),
    /// A mechanism is missing.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// A key file or passphrase source cannot be used.
    #[error("{0}")]
    File(String),
    /// A key file stands where a new one should go.
    #[error("{0}")]
    FileExists(String),
    /// No answer by the deadline.
    #[error("no answer in time")]
    Timeout,
    /// Anything else that makes the device unusable now.
    #[error("{0}")]
    Unavailable(String),
}

impl DeviceError {
    /// The stable code of this error.
    pub fn code(&self) -> Code {
        match self {
            Self::PinRefused => Code::DevicePinRefused,
            Self::PinLocked => Code::DevicePinLocked,
            Self::PinUnset => Code::DevicePinUnset,
            Self::Uri(_) => Code::DeviceUriInvalid,
            Self::Module(_) => Code::DeviceModule,
            Self::TokenNotFound(_) => Code::DeviceTokenNotFound,
            Self::TokenAmbiguous(_) => Code::DeviceTokenAmbiguous,
            Self::TokenUninitialized => Code::DeviceTokenUninitialized,
            Self::WrongToken(_) => Code::DeviceWrongToken,
            Self::WrongKey(_) => Code::DeviceWrongKey,
            Self::WrongAnswer(_) => Code::DeviceWrongAnswer,
            Self::KeyMissing(_) => Code::DeviceKeyMissing,
            Self::KeyAmbiguous(_) => Code::DeviceKeyAmbiguous,
            Self::WeakToken(_) => Code::DeviceWeakToken,
            Self::Unsupported(_) => Code::DeviceUnsupported,
            Self::File(_) => Code::DeviceFile,
            Self::FileExists(_) => Code::DeviceFileExists,
            Self::Timeout => Code::DeviceTimeout,
            Self::Unavailable(_) => Code::DeviceUnavailable,
        }
    }
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        let detail = match &error {
            DeviceError::Uri(text)
            | DeviceError::Module(text)
            | DeviceError::TokenNotFound(text)
            | DeviceError::TokenAmbiguous(text)
            | DeviceError::WrongToken(text)
            | DeviceError::WrongKey(text)
            | DeviceError::WrongAnswer(text)
            | DeviceError::KeyMissing(text)
            | DeviceError::KeyAmbiguous(text)
            | DeviceError::WeakToken(text)
            | DeviceError::Unsupported(text)
            | DeviceError::File(text)
            | DeviceError::FileExists(text)
            | DeviceError::Unavailable(text) => Some(text.clone()),
            _ => None,
        };
        let mapped = Error::new(error.code()).caused_by(error);
        match detail {
            Some(detail) => mapped.detail(detail),
            None => mapped,
        }
    }
}
