//! What one can do with a device that a URI names: provision it, open it, take its keys away.

use std::sync::Arc;

use strongroom::{DeviceProfile, KeyDevice, device::DeviceError};

use crate::{
    KeyIds,
    uri::{DeviceUri, Target},
};

impl DeviceUri {
    /// Makes the root key and the audit key in the device, and says what a deployment must remember of it.
    ///
    /// Idempotent: a key with one of `ids` that is there already is used, a missing one is made, so
    /// that a call which was interrupted is finished by calling again. `check_input` is what the
    /// check value is computed from (`docs/formats.md` §2). After an error, keys that were made already
    /// stay, for another call or for [`DeviceUri::remove`]. Blocks, for seconds on a slow token.
    ///
    /// # Errors
    /// Any [`DeviceError`]; [`DeviceError::WeakToken`] if the token does not keep the root key's
    /// promises (PKCS#11 v3.0 §4.9, §4.10: sensitive, never extractable, not modifiable), in which case the key
    /// that was just made is destroyed; [`DeviceError::FileExists`] if a key file with other keys
    /// stands where the software device's should go.
    pub fn provision(&self, ids: &KeyIds, check_input: &[u8]) -> Result<DeviceProfile, DeviceError> {
        match self.target() {
            #[cfg(feature = "pkcs11")]
            Target::Token(uri) => crate::pkcs11::provision(uri, ids, check_input),
            #[cfg(feature = "software")]
            Target::File(uri) => crate::software::provision(uri, ids, check_input),
            #[cfg(not(all(feature = "pkcs11", feature = "software")))]
            _ => Err(not_built(self)),
        }
    }

    /// Destroys the keys with exactly these ids, and nothing else. Returns how many objects that were.
    ///
    /// For a deployment that was never completed. What the keys protected is lost for ever.
    ///
    /// # Errors
    /// Any [`DeviceError`] of finding the device and logging in to it; none if there is no such key.
    pub fn remove(&self, ids: &KeyIds) -> Result<usize, DeviceError> {
        match self.target() {
            #[cfg(feature = "pkcs11")]
            Target::Token(uri) => crate::pkcs11::remove(uri, ids),
            #[cfg(feature = "software")]
            Target::File(uri) => crate::software::remove(uri, ids),
            #[cfg(not(all(feature = "pkcs11", feature = "software")))]
            _ => Err(not_built(self)),
        }
    }

    /// Opens the device for use, if it is the one that `profile` describes.
    ///
    /// Checks the serial number, that each key is there exactly once, and that the audit key is the
    /// profile's, by a signature. That the root keys answer their check values is the caller's to
    /// check. The PIN is tried once, and forgotten after the login. A process that is logged in to the
    /// token already stays so, and the token does not look at the PIN again (PKCS#11 v3.0 §5.6.8).
    /// Blocks, for seconds on a slow token.
    ///
    /// # Errors
    /// [`DeviceError::WrongToken`] and [`DeviceError::WrongKey`] if the device is another,
    /// [`DeviceError::KeyMissing`] and [`DeviceError::KeyAmbiguous`] if a key is not there exactly
    /// once, [`DeviceError::PinRefused`], [`DeviceError::PinLocked`] and [`DeviceError::PinUnset`]
    /// after the one attempt, and any other [`DeviceError`].
    pub fn open(&self, profile: &DeviceProfile) -> Result<Arc<dyn KeyDevice>, DeviceError> {
        if profile.kind != self.kind() {
            return Err(DeviceError::WrongToken(format!(
                "the deployment was made with a {} device, the URI names a {} device",
                profile.kind,
                self.kind()
            )));
        }
        match self.target() {
            #[cfg(feature = "pkcs11")]
            Target::Token(uri) => Ok(Arc::new(crate::pkcs11::open(uri, profile)?)),
            #[cfg(feature = "software")]
            Target::File(uri) => Ok(Arc::new(crate::software::open(uri, profile)?)),
            #[cfg(not(all(feature = "pkcs11", feature = "software")))]
            _ => Err(not_built(self)),
        }
    }
}

#[cfg(not(all(feature = "pkcs11", feature = "software")))]
fn not_built(uri: &DeviceUri) -> DeviceError {
    DeviceError::Unsupported(format!("this program was built without {} devices", uri.kind()))
}
