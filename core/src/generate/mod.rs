//! Values that are made here, so that nobody has to see them: passwords, UUIDs, random bytes, key pairs.
//!
//! A [`Generate`] says what to make and is within its limits from the start. All of it is drawn from the room's random
//! source, without bias: what does not fit is drawn again, never reduced. Storing it is left to [`crate::Secrets`].

mod key_pair;
mod password;

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

pub use key_pair::KeyAlgorithm;
pub use password::{CharacterClass, PasswordPolicy};

use crate::{Code, Error, Result, SecretValue, ValueKind, limits, memory::scrubbed, random::Random};

/// What to make: one of the constructors' kinds, within its limits.
///
/// Its text says all of it in one line, such as `password length=24 classes=lower,upper,digit,symbol`; the hash of that
/// stands in the audit log.
///
/// ```
/// # use strongroom::{Code, Generate, PasswordPolicy};
/// let password = Generate::password(&PasswordPolicy::new(24).exclude_look_alikes())?;
/// assert!(password.entropy_bits() >= 150);
/// let weak = Generate::password(&PasswordPolicy::new(8)).unwrap_err();
/// assert_eq!(weak.code(), Code::GenerateInvalid);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Password(PasswordPolicy),
    Uuid,
    Bytes(usize, ByteEncoding),
    KeyPair(KeyAlgorithm),
}

/// How random bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ByteEncoding {
    /// Lower-case hex digits: text.
    Hex,
    /// Base64 of RFC 4648 §4, with padding: text.
    Base64,
    /// Base64 of RFC 4648 §5, for URLs and file names, without padding: text.
    Base64Url,
    /// The bytes themselves: a binary value.
    Raw,
}

/// What was made.
pub(crate) struct Made {
    /// The secret.
    pub(crate) value: SecretValue,
    /// What belongs to it and is no secret.
    pub(crate) public: Option<String>,
}

impl Generate {
    /// A password by these rules.
    ///
    /// # Errors
    /// `GenerateInvalid` if it would be shorter or longer than the limits, or easier to guess than 64 bits.
    pub fn password(policy: &PasswordPolicy) -> Result<Self> {
        policy.check()?;
        Ok(Self(Kind::Password(policy.clone())))
    }

    /// A UUID of version 4 (RFC 9562): 122 random bits.
    pub fn uuid() -> Self {
        Self(Kind::Uuid)
    }

    /// So many random bytes.
    ///
    /// # Errors
    /// `GenerateInvalid` for fewer than 16 or more than 1,024.
    pub fn bytes(count: usize, encoding: ByteEncoding) -> Result<Self> {
        if !(limits::GENERATED_BYTES_MIN..=limits::GENERATED_BYTES_MAX).contains(&count) {
            return Err(Error::new(Code::GenerateInvalid).detail(format!("{count} bytes")));
        }
        Ok(Self(Kind::Bytes(count, encoding)))
    }

    /// A key pair: the private key in PKCS#8, the public key beside it, both as PEM.
    pub fn key_pair(algorithm: KeyAlgorithm) -> Self {
        Self(Kind::KeyPair(algorithm))
    }

    /// How hard it is to guess: the binary logarithm, rounded down, of how many there are that are equally likely.
    /// For a key pair, its security level.
    pub fn entropy_bits(&self) -> u32 {
        match &self.0 {
            Kind::Password(policy) => policy.entropy_bits(),
            Kind::Uuid => 122,
            Kind::Bytes(count, _) => 8 * *count as u32,
            Kind::KeyPair(_) => 128,
        }
    }

    /// Whether it has a public part too.
    pub fn has_public_part(&self) -> bool {
        matches!(self.0, Kind::KeyPair(_))
    }

    /// Makes one.
    pub(crate) fn make(&self, random: &dyn Random) -> Result<Made> {
        scrubbed(|| match &self.0 {
            Kind::Password(policy) => Ok(Made { value: text(policy.draw(random)?)?, public: None }),
            Kind::Uuid => {
                let mut bytes = Zeroizing::new([0; 16]);
                random.fill(&mut *bytes)?;
                Ok(Made { value: text(uuid(&mut bytes))?, public: None })
            }
            Kind::Bytes(count, encoding) => {
                let mut bytes = Zeroizing::new(vec![0; *count]);
                random.fill(&mut bytes)?;
                Ok(Made { value: encoding.write(bytes)?, public: None })
            }
            Kind::KeyPair(algorithm) => algorithm.make(random),
        })
    }
}

impl fmt::Display for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Password(policy) => policy.fmt(f),
            Kind::Uuid => f.write_str("uuid version=4"),
            Kind::Bytes(count, encoding) => write!(f, "bytes count={count} encoding={encoding}"),
            Kind::KeyPair(algorithm) => write!(f, "key-pair algorithm={algorithm}"),
        }
    }
}

fn text(bytes: Zeroizing<Vec<u8>>) -> Result<SecretValue> {
    SecretValue::from_kind(ValueKind::Text, bytes)
}

/// Sixteen random bytes as a UUID: version and variant take six bits of them.
fn uuid(bytes: &mut [u8; 16]) -> Zeroizing<Vec<u8>> {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = Zeroizing::new(Vec::with_capacity(36));
    for (place, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            text.push(b'-');
        }
        text.extend_from_slice(&hex(*byte));
    }
    text
}

fn hex(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)])
}

impl ByteEncoding {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Raw => "raw",
        }
    }

    fn write(self, bytes: Zeroizing<Vec<u8>>) -> Result<SecretValue> {
        let engine = match self {
            Self::Raw => return SecretValue::from_kind(ValueKind::Binary, bytes),
            Self::Hex => {
                let mut digits = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
                bytes.iter().for_each(|byte| digits.extend_from_slice(&hex(*byte)));
                return text(digits);
            }
            Self::Base64 => STANDARD,
            Self::Base64Url => URL_SAFE_NO_PAD,
        };
        let mut encoded = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
        let length = engine.encode_slice(&*bytes, &mut encoded).expect("four characters for each three bytes fit");
        encoded.truncate(length);
        text(encoded)
    }
}

impl fmt::Display for ByteEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ByteEncoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Hex, Self::Base64, Self::Base64Url, Self::Raw]
            .into_iter()
            .find(|encoding| encoding.as_str() == text)
            .ok_or_else(|| {
                Error::new(Code::GenerateInvalid).detail("the encoding is not hex, base64, base64url or raw")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    fn made(generate: &Generate, seed: u64) -> (Vec<u8>, ValueKind) {
        let made = generate.make(&SeededRandom::new(seed)).unwrap();
        assert!(made.public.is_none());
        (made.value.expose(<[u8]>::to_vec), made.value.kind())
    }

    #[test]
    fn uuids_have_their_form() {
        assert_eq!(*uuid(&mut [0; 16]), b"00000000-0000-4000-8000-000000000000");
        assert_eq!(*uuid(&mut [0xff; 16]), b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        let (text, kind) = made(&Generate::uuid(), 1);
        assert_eq!((text.len(), kind), (36, ValueKind::Text));
        assert_ne!(text, made(&Generate::uuid(), 2).0);
    }

    #[test]
    fn bytes_are_written_as_asked() {
        let all = [ByteEncoding::Hex, ByteEncoding::Base64, ByteEncoding::Base64Url, ByteEncoding::Raw];
        let [hex, base64, url, raw] = all.map(|encoding| made(&Generate::bytes(32, encoding).unwrap(), 7));
        let hex_of_raw: String = raw.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((raw.1, raw.0.len(), hex.0), (ValueKind::Binary, 32, hex_of_raw.into_bytes()));
        assert_eq!((STANDARD.decode(&base64.0).unwrap(), base64.0.len()), (raw.0.clone(), 44));
        assert_eq!((URL_SAFE_NO_PAD.decode(&url.0).unwrap(), url.0.len()), (raw.0, 43));
        for encoding in all {
            assert_eq!(encoding.to_string().parse::<ByteEncoding>().unwrap(), encoding);
        }
        assert_eq!("HEX".parse::<ByteEncoding>().unwrap_err().code(), Code::GenerateInvalid);
    }

    #[test]
    fn the_limits_are_the_last_counts_allowed() {
        for (count, is_allowed) in [(15, false), (16, true), (1_024, true), (1_025, false)] {
            let bytes = Generate::bytes(count, ByteEncoding::Hex);
            assert_eq!(bytes.as_ref().map_err(Error::code).err(), (!is_allowed).then_some(Code::GenerateInvalid));
            if let Ok(bytes) = bytes {
                assert_eq!((made(&bytes, 1).0.len(), bytes.entropy_bits()), (2 * count, 8 * count as u32));
            }
        }
    }

    #[test]
    fn what_is_made_is_said_in_one_line() {
        let policy = PasswordPolicy::new(20).without(CharacterClass::Symbol).exclude("xX");
        for (generate, want) in [
            (Generate::password(&policy).unwrap(), "password length=20 classes=lower,upper,digit excluded=Xx"),
            (Generate::uuid(), "uuid version=4"),
            (Generate::bytes(32, ByteEncoding::Base64).unwrap(), "bytes count=32 encoding=base64"),
            (Generate::key_pair(KeyAlgorithm::P256), "key-pair algorithm=p256"),
        ] {
            assert_eq!(generate.to_string(), want);
        }
    }
}
