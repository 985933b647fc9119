//! HMAC-SHA256 and HKDF-Expand under locked keys, leaving no copy behind.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    Result,
    memory::{KEY_BYTES, LockedKey, scrubbed},
};

/// HMAC-SHA256 of a message.
pub(super) fn hmac_sha256(key: &LockedKey, message: &[u8]) -> Result<[u8; 32]> {
    let raw = key.expose_key()?;
    Ok(scrubbed(|| mac(raw, message)))
}

/// HMAC-SHA256 under one key, for many messages. It is as good as the key: on the stack, inside [`scrubbed`].
pub(super) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    pub(super) fn new(raw: &[u8; KEY_BYTES]) -> Self {
        Self(keyed(raw))
    }

    /// Of one message.
    pub(super) fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }
}

/// HKDF-Expand (RFC 5869 §2.3) for one key, written where it will live.
pub(super) fn expand_into(prk: &[u8; KEY_BYTES], info: &[u8], key: &mut [u8; KEY_BYTES]) {
    scrubbed(|| {
        let hkdf = Hkdf::<Sha256>::from_prk(prk).expect("a PRK is as long as the hash");
        hkdf.expand(info, key).expect("one block is never too long");
    });
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(message).finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_log::hex_encode;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 4231, test cases 1, 2, 3, 4, 6 and 7 (5 is a truncation).
    #[test]
    fn hmac_rfc_4231() {
        for (key, message, want) in [
            (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            ((1..=25).collect(), vec![0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex_encode(&mac(&key, &message)), want);
        }
    }

    /// RFC 5869, test case 1, step 2: the first 32 of its 42 bytes, which do not depend on the length.
    #[test]
    fn expand_rfc_5869() {
        let prk = bytes("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
        let mut key = [0; KEY_BYTES];
        expand_into(&prk.try_into().unwrap(), &bytes("f0f1f2f3f4f5f6f7f8f9"), &mut key);
        assert_eq!(hex_encode(&key), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn locked_keys_give_the_same() {
        let key = crate::keys::testing::key(&[0x0b; 32]);
        assert_eq!(hmac_sha256(&key, b"Hi There").unwrap(), mac(&[0x0b; 32], b"Hi There"));
        let again = HmacKey::new(&[0x0b; 32]);
        for message in [&b"Hi There"[..], b"", b"Hi There"] {
            assert_eq!(again.mac(message), mac(&[0x0b; 32], message), "whatever came before");
        }
    }
}
