//! Key devices behind a vendor's PKCS#11 library.
//!
//! A token is found ([`token`]), logged in to once, and its keys are made ([`provision`]) or used
//! ([`device`]). Sessions are owned by threads ([`pool`]) and never shared: several libraries crash
//! when they are. What a return code means is decided in one place ([`fault`]).

mod device;
mod fault;
mod module;
mod object;
mod pool;
mod provision;
mod token;

pub(crate) use device::open;
pub(crate) use module::load;
pub(crate) use provision::{provision, remove};
#[cfg(feature = "testing")]
pub(crate) use token::login_attempts;
pub(crate) use token::trimmed;
