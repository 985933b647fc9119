//! Key devices for Strongroom: where root keys live.
//!
//! Two kinds, both behind [`strongroom::KeyDevice`]: a PKCS#11 token (feature `pkcs11`), and a key
//! file for laptops and tests (feature `software`), which is not an HSM and says so at every start.
//! Both are named by a [`DeviceUri`], made with [`DeviceUri::provision`] and used with
//! [`DeviceUri::open`]:
//!
//! ```no_run
//! # fn main() -> Result<(), strongroom::device::DeviceError> {
//! use strongroom_hsm::{DeviceUri, KeyIds};
//!
//! let uri: DeviceUri = "pkcs11:token=prod?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin".parse()?;
//! let profile = uri.provision(&KeyIds { root: [1; 16], audit: [2; 16] }, b"what the check value is computed from")?;
//! let device = uri.open(&profile)?;
//! # Ok(())
//! # }
//! ```
//!
//! This is the only crate that loads a vendor's library. What is derived from the keys, and what is
//! stored, is left to `strongroom`.

#[cfg(not(any(feature = "pkcs11", feature = "software")))]
compile_error!("a key device needs feature `pkcs11` or `software`");

mod deployment;
#[cfg(feature = "pkcs11")]
mod doctor;
mod entry;
mod key_ids;
mod pin;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod signature;
#[cfg(feature = "software")]
mod software;
#[cfg(feature = "testing")]
pub mod testing;
mod uri;

pub use deployment::{abandon_init, initialize, open_deployment, open_device};
#[cfg(feature = "pkcs11")]
pub use doctor::{DoctorReport, LibraryReport, MechanismReport, SlotReport, TokenReport, doctor};
pub use key_ids::KeyIds;
pub use uri::DeviceUri;
