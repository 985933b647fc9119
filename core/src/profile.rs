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
        if !known {
            return Err(Error::new(Code::SchemaNewer).detail("device profile"));
        }
        // JSON says one thing in many ways. Ours is the one that we write.
        if profile.to_bytes() == bytes {
            Ok(profile)
        } else {
            Err(Error::new(Code::StoreDamaged).detail("device profile"))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_that_we_write_is_read() {
        let profile = DeviceProfile {
            audit: AuditKeyProfile { alg: "ed25519".into(), id: [1; 16], key: [2; 32] },
            kind: "software".into(),
            roots: vec![RootProfile { check: [3; 32], id: [4; 16], prf: "hmac-sha256".into(), v: 1 }],
            serial: vec![5; 16],
            token: Vec::new(),
            v: DeviceProfile::VERSION,
        };
        let text = String::from_utf8(profile.to_bytes()).unwrap();
        assert_eq!(DeviceProfile::from_bytes(text.as_bytes()).unwrap(), profile);
        let later = text.replace("\"v\":1}", "\"v\":2}").replacen("\"v\":2}", "\"v\":1}", 1);
        for (name, text, code) in [
            ("a space", text.replace(":", ": "), Code::StoreDamaged),
            ("a newline after it", format!("{text}\n"), Code::StoreDamaged),
            ("an escape", text.replace("software", "s\\u006fftware"), Code::StoreDamaged),
            (
                "another order",
                text.replace("\"kind\":\"software\",", "").replacen('{', "{\"kind\":\"software\",", 1),
                Code::StoreDamaged,
            ),
            ("another key", text.replacen('{', "{\"x\":1,", 1), Code::StoreDamaged),
            ("a later version", later, Code::SchemaNewer),
            ("another PRF", text.replace("hmac-sha256", "hmac-sha512"), Code::SchemaNewer),
        ] {
            assert_eq!(DeviceProfile::from_bytes(text.as_bytes()).unwrap_err().code(), code, "case: {name}");
        }
    }
}
