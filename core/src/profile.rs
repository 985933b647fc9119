//! The device profile: what a deployment remembers of its device, and demands of it at every start.
//!
//! Written once by `init` and stored in the deployment's authenticated row. The PRF is part of a
//! root key's identity and is never chosen again for an existing root.

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result, device::RootVersion};

/// What a deployment remembers of its device. `docs/formats.md` §9 has the stored form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceProfile {
    /// The audit key R.
    pub audit: AuditKeyProfile,
    /// The kind of device: `pkcs11` or `software`.
    pub kind: String,
    /// The root keys, oldest first.
    pub roots: Vec<RootProfile>,
    /// The token's serial number, without padding.
    #[serde(with = "hex_bytes")]
    pub serial: Vec<u8>,
    /// The token's label, without padding.
    #[serde(with = "hex_bytes")]
    pub token: Vec<u8>,
    /// Version of this format: 1.
    pub v: u8,
}

/// The audit key as the profile holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditKeyProfile {
    /// The signature algorithm: `ed25519`.
    pub alg: String,
    /// The key's id in the device (CKA_ID).
    #[serde(with = "hex_array")]
    pub id: [u8; 16],
    /// The public key.
    #[serde(with = "hex_array")]
    pub key: [u8; 32],
}

/// One root key as the profile holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootProfile {
    /// The check value that the key must answer (`docs/formats.md` §2).
    #[serde(with = "hex_array")]
    pub check: [u8; 32],
    /// The key's id in the device (CKA_ID).
    #[serde(with = "hex_array")]
    pub id: [u8; 16],
    /// The PRF: `hmac-sha256`, output 32 bytes.
    pub prf: String,
    /// The root version.
    pub v: u32,
}

impl DeviceProfile {
    /// The only version of the format.
    pub const VERSION: u8 = 1;

    /// The stored form: canonical JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a profile holds only strings, numbers and lists")
    }

    /// Reads the stored form, and nothing but it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let profile: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(Code::StoreDamaged).detail("device profile").caused_by(error))?;
        let known = profile.v == Self::VERSION
            && profile.audit.alg == "ed25519"
            && !profile.roots.is_empty()
            && profile.roots.iter().all(|root| root.prf == "hmac-sha256");
        if known { Ok(profile) } else { Err(Error::new(Code::SchemaNewer).detail("device profile")) }
    }

    /// The profile of one root version.
    pub fn root(&self, version: RootVersion) -> Option<&RootProfile> {
        self.roots.iter().find(|root| root.v == version.0)
    }

    /// The newest root version: the one that new tenants are derived from.
    pub fn newest_root(&self) -> RootVersion {
        RootVersion(self.roots.iter().map(|root| root.v).max().expect("a profile has a root"))
    }
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&strongroom_log::hex_encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pairs = text.as_bytes().chunks(2).map(|pair| strongroom_log::hex_array(pair).map(|[byte]| byte));
        pairs.collect::<Option<_>>().ok_or_else(|| D::Error::custom("not hex"))
    }
}

mod hex_array {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        super::hex_bytes::serialize(bytes, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        strongroom_log::hex_array(text).ok_or_else(|| D::Error::custom("not hex of this length"))
    }
}
