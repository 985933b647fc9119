//! The ids of a deployment's keys in its device.

/// The ids (CKA_ID) of the objects that a deployment has in its device: 16 random bytes each.
///
/// They are written down before the device is asked for a key, so that what a crash leaves behind
/// can be found again. No other object of the device is ever adopted, changed or destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyIds {
    /// The root key, version 1.
    pub root: [u8; 16],
    /// The audit key, both halves.
    pub audit: [u8; 16],
}
