//! Checking what the audit key signed.

use ed25519_dalek::VerifyingKey;
use strongroom::device::Signature;

/// What an audit key signs to show which key it is. Never a signed note: it has no line and no blank line.
pub(crate) const TEST_MESSAGE: &[u8] = b"strongroom/device-test/v1";

/// Whether this key made this signature. Strict (RFC 8032 §5.1.7, and no key or point of small order).
pub(crate) fn verifies(key: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}
