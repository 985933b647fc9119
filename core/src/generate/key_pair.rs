//! Key pairs, in the forms that other programs read.

use std::{fmt, str::FromStr};

use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey, KeypairBytes, spki::der::pem::LineEnding},
};
use zeroize::Zeroizing;

use super::{Made, text};
use crate::{Code, Error, Result, random::Random};

/// How often a private key is drawn before we give up: one of P-256 does not fit once in 2³² times.
const ATTEMPTS_MAX: usize = 16;

/// What a key pair is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032, RFC 8410).
    Ed25519,
    /// The NIST curve P-256 (RFC 5480), for ECDSA or ECDH.
    P256,
}

impl KeyAlgorithm {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
        }
    }

    pub(super) fn make(self, random: &dyn Random) -> Result<Made> {
        let mut bytes = Zeroizing::new([0; 32]);
        let encoded = match self {
            Self::Ed25519 => {
                random.fill(&mut *bytes)?;
                let key = SigningKey::from_bytes(&bytes);
                // Without the public key beside it, which is PKCS#8 of version 2: OpenSSL before 3.0 refuses that.
                let private = KeypairBytes { secret_key: *bytes, public_key: None };
                (private.to_pkcs8_pem(LineEnding::LF), key.verifying_key().to_public_key_pem(LineEnding::LF))
            }
            Self::P256 => {
                let key = p256_key(random, &mut bytes)?;
                (key.to_pkcs8_pem(LineEnding::LF), key.public_key().to_public_key_pem(LineEnding::LF))
            }
        };
        let (Ok(mut private), Ok(public)) = encoded else { return Err(Code::Internal.into()) };
        let value = text(Zeroizing::new(std::mem::take(&mut *private).into_bytes()))?;
        Ok(Made { value, public: Some(public) })
    }
}

/// A number from 1 to the order of the curve, less one: what is outside is drawn again.
fn p256_key(random: &dyn Random, bytes: &mut Zeroizing<[u8; 32]>) -> Result<p256::SecretKey> {
    for _ in 0..ATTEMPTS_MAX {
        random.fill(&mut **bytes)?;
        if let Ok(key) = p256::SecretKey::from_slice(&**bytes) {
            return Ok(key);
        }
    }
    Err(Error::new(Code::RandomUnavailable).detail("no number that was drawn is a private key"))
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Ed25519, Self::P256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| Error::new(Code::GenerateInvalid).detail("the algorithm is not ed25519 or p256"))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};

    use super::*;
    use crate::testing::SeededRandom;

    fn made(algorithm: KeyAlgorithm, seed: u64) -> (String, String) {
        let made = algorithm.make(&SeededRandom::new(seed)).unwrap();
        (made.value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap()), made.public.unwrap())
    }

    fn drawn(seed: u64) -> [u8; 32] {
        let random: &dyn Random = &SeededRandom::new(seed);
        random.array().unwrap()
    }

    #[test]
    fn ed25519_keys_are_read_back() {
        let (private, public) = made(KeyAlgorithm::Ed25519, 1);
        let key = SigningKey::from_pkcs8_pem(&private).unwrap();
        assert_eq!(key.to_bytes(), drawn(1));
        let verifying = ed25519_dalek::VerifyingKey::from_public_key_pem(&public).unwrap();
        assert_eq!(verifying, key.verifying_key());
        // RFC 8410 §10.3: version 1 is 48 bytes, the shortest form, which every reader takes.
        assert_eq!(private.lines().map(str::len).collect::<Vec<_>>(), [27, 64, 25]);
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI"));
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA"));
        assert_ne!(private, made(KeyAlgorithm::Ed25519, 2).0);
    }

    #[test]
    fn p256_keys_are_read_back() {
        let (private, public) = made(KeyAlgorithm::P256, 1);
        let key = p256::SecretKey::from_pkcs8_pem(&private).unwrap();
        assert_eq!(key.to_bytes().as_slice(), drawn(1));
        assert_eq!(p256::PublicKey::from_public_key_pem(&public).unwrap(), key.public_key());
        assert_ne!(private, made(KeyAlgorithm::P256, 2).0);
    }

    /// What has to be drawn again, and its neighbours: the order of the curve is FIPS 186-5's, SP 800-186 §3.2.1.3.
    #[test]
    fn only_numbers_below_the_order_are_private_keys() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&order[at..at + 2], 16).unwrap()).collect();
        let near = |by: i8| {
            let mut bytes = order.clone();
            bytes[31] = bytes[31].wrapping_add_signed(by);
            bytes
        };
        let mut one = vec![0; 32];
        one[31] = 1;
        for (bytes, is_key) in [
            (vec![0; 32], false),
            (one, true),
            (near(-1), true),
            (near(0), false),
            (near(1), false),
            (vec![0xff; 32], false),
        ] {
            assert_eq!(p256::SecretKey::from_slice(&bytes).is_ok(), is_key, "{bytes:x?}");
        }
    }

    #[test]
    fn algorithms_have_words() {
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::P256] {
            assert_eq!(algorithm.to_string().parse::<KeyAlgorithm>().unwrap(), algorithm);
        }
        assert_eq!("rsa".parse::<KeyAlgorithm>().unwrap_err().code(), Code::GenerateInvalid);
    }
}
