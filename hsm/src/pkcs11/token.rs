//! Finding the token that a URI names, and logging in to it: once.

use cryptoki::{
    context::Pkcs11,
    error::{Error, RvError},
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
};
use strongroom::device::DeviceError;

use super::{fault, module};
use crate::{pin, uri::TokenUri};

/// The one token that a URI names.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    module: Pkcs11,
    slot: Slot,
    /// Without padding.
    pub(crate) label: String,
    /// Without padding.
    pub(crate) serial: String,
}

impl Token {
    /// Finds the one initialised token that has everything the URI asks for.
    pub(crate) fn find(uri: &TokenUri) -> Result<Self, DeviceError> {
        let module = module::load(&uri.module_path)?;
        let slots = module.get_slots_with_token().map_err(|error| fault::classify(&error, "listing the tokens"))?;
        let (mut found, mut blank, mut unreadable) = (Vec::new(), 0, 0);
        for slot in slots {
            if uri.slot_id.is_some_and(|id| id != slot.id()) {
                continue;
            }
            let Ok(info) = module.get_token_info(slot) else {
                unreadable += 1;
                continue;
            };
            // A token that was never initialised has no label yet, so that only its slot or serial can name it.
            if !info.token_initialized() {
                let named = uri.token.is_none()
                    && uri.serial.as_deref().is_none_or(|want| want == trimmed(info.serial_number()));
                blank += usize::from(named && uri.manufacturer.is_none() && uri.model.is_none());
            } else if matches(uri, &info) {
                found.push((slot, info));
            }
        }
        match found.as_slice() {
            [(slot, info)] => Ok(Self {
                module,
                slot: *slot,
                label: trimmed(info.label()).to_owned(),
                serial: trimmed(info.serial_number()).to_owned(),
            }),
            [] if blank > 0 => Err(DeviceError::TokenUninitialized),
            [] if unreadable > 0 => Err(DeviceError::TokenNotFound(format!(
                "none matches `{}`, and {unreadable} did not say which they are",
                uri.selection()
            ))),
            [] => Err(DeviceError::TokenNotFound(format!("none matches `{}`", uri.selection()))),
            several => {
                let serials: Vec<_> = several.iter().map(|(_, info)| trimmed(info.serial_number())).collect();
                Err(DeviceError::TokenAmbiguous(format!(
                    "`{}` is said by serial={}",
                    uri.selection(),
                    serials.join(", serial=")
                )))
            }
        }
    }

    /// Opens a session. Always for writing: some tokens know no other kind, and none needs it less.
    pub(crate) fn session(&self) -> Result<Session, DeviceError> {
        self.module.open_rw_session(self.slot).map_err(|error| fault::classify(&error, "opening a session"))
    }

    /// Opens a session and logs in with the PIN from the URI's source, by one `C_Login`.
    ///
    /// The login holds for all sessions of this process, and until the last of them closes: the
    /// session returned is kept for that. If this process is logged in already, that is success
    /// and the PIN is not looked at.
    pub(crate) fn log_in(&self, uri: &TokenUri) -> Result<Session, DeviceError> {
        let info = self
            .module
            .get_token_info(self.slot)
            .map_err(|error| fault::classify(&error, "reading the token's state"))?;
        if info.user_pin_locked() {
            return Err(DeviceError::PinLocked);
        }
        if !info.user_pin_initialized() {
            return Err(DeviceError::PinUnset);
        }
        if info.user_pin_final_try() {
            tracing::warn!(token = self.label, "one more wrong PIN locks the token");
        }
        let pin = pin::read(&pin::pin_path(uri.pin_source.as_deref())?)?;
        let session = self.session()?;
        #[cfg(feature = "testing")]
        LOGIN_ATTEMPTS.with(|attempts| attempts.set(attempts.get() + 1));
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(fault::classify(&error, "logging in")),
        }
    }
}

fn matches(uri: &TokenUri, info: &TokenInfo) -> bool {
    [
        (&uri.token, info.label()),
        (&uri.serial, info.serial_number()),
        (&uri.manufacturer, info.manufacturer_id()),
        (&uri.model, info.model()),
    ]
    .into_iter()
    .all(|(want, is)| want.as_deref().is_none_or(|want| want == trimmed(is)))
}

/// Without the padding of fixed-width fields: spaces by the standard, NULs by some tokens.
pub(crate) fn trimmed(field: &str) -> &str {
    field.trim_end_matches([' ', '\0'])
}

#[cfg(feature = "testing")]
thread_local! {
    static LOGIN_ATTEMPTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many times this thread has called `C_Login`.
#[cfg(feature = "testing")]
pub(crate) fn login_attempts() -> usize {
    LOGIN_ATTEMPTS.with(std::cell::Cell::get)
}
