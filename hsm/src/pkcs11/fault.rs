//! What a token's return code means, and what to do about it.

use cryptoki::error::{Error, RvError};
use strongroom::device::DeviceError;

/// What may put a failed call right, short of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The session is gone or stuck: open another.
    Reopen,
    /// Perhaps the login or the object's handle is gone: ask, and look the object up again.
    Refind,
    /// Nothing we may do on our own.
    None,
}

/// What may help after this error. The call must be idempotent.
pub(crate) fn remedy(error: &Error) -> Remedy {
    match error {
        Error::Pkcs11(code, _) => match code {
            RvError::SessionHandleInvalid | RvError::SessionClosed | RvError::OperationActive => Remedy::Reopen,
            // The last two are what some libraries say when somebody logged out.
            RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::KeySizeRange
            | RvError::GeneralError => Remedy::Refind,
            _ => Remedy::None,
        },
        _ => Remedy::None,
    }
}

/// The error as the core knows it. `doing` says what was tried, as in "signing".
pub(crate) fn classify(error: &Error, doing: &str) -> DeviceError {
    let Error::Pkcs11(code, function) = error else {
        return DeviceError::Unavailable(format!("{doing}: the library's answer cannot be understood: {error}"));
    };
    let said = format!("{doing}: {function:?} answered {code:?}");
    match code {
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => DeviceError::PinRefused,
        RvError::PinLocked => DeviceError::PinLocked,
        RvError::UserPinNotInitialized => DeviceError::PinUnset,
        RvError::PinExpired => DeviceError::Unavailable(format!("{said}; set a new PIN with the HSM's own tools")),
        RvError::UserAnotherAlreadyLoggedIn | RvError::UserTooManyTypes | RvError::SessionReadWriteSoExists => {
            DeviceError::Unavailable(format!("{said}; this process is logged in to the token as another user"))
        }
        RvError::UserNotLoggedIn => DeviceError::Unavailable(logged_out()),
        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::FunctionNotSupported
        | RvError::CurveNotSupported
        | RvError::DomainParamsInvalid
        | RvError::KeySizeRange
        | RvError::KeyTypeInconsistent
        | RvError::KeyFunctionNotPermitted => DeviceError::Unsupported(said),
        RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid => DeviceError::KeyMissing(said),
        RvError::TokenNotPresent | RvError::TokenNotRecognized | RvError::SlotIdInvalid | RvError::DeviceRemoved => {
            DeviceError::Unavailable(format!("{said}; the token is gone: is it plugged in, is the HSM reachable?"))
        }
        RvError::SessionReadOnly | RvError::TokenWriteProtected => {
            DeviceError::Unavailable(format!("{said}; the token cannot be written"))
        }
        RvError::SessionCount => DeviceError::Unavailable(format!(
            "{said}; the token has no more sessions: close other programs that use it"
        )),
        RvError::DeviceMemory => DeviceError::Unavailable(format!("{said}; the token is full")),
        RvError::CryptokiNotInitialized => DeviceError::Unavailable(format!(
            "{said}; the library was finalised by other code in this process, or the process forked: start again"
        )),
        RvError::GeneralError | RvError::FunctionFailed => DeviceError::Unavailable(format!(
            "{said}; the token's storage may be full, read-only or gone: look at the HSM's own log"
        )),
        _ => DeviceError::Unavailable(said),
    }
}

/// Said when the login is gone. A PIN is tried once per start, so that a changed PIN cannot lock the token.
pub(crate) fn logged_out() -> String {
    "the token logged this process out; start again to log in".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;
    use strongroom::Code;

    #[test]
    fn a_return_code_becomes_what_a_caller_can_act_on() {
        for (code, want, remedy_wanted) in [
            (RvError::PinIncorrect, Code::DevicePinRefused, Remedy::None),
            (RvError::PinLenRange, Code::DevicePinRefused, Remedy::None),
            (RvError::PinLocked, Code::DevicePinLocked, Remedy::None),
            (RvError::UserPinNotInitialized, Code::DevicePinUnset, Remedy::None),
            (RvError::SessionHandleInvalid, Code::DeviceUnavailable, Remedy::Reopen),
            (RvError::ObjectHandleInvalid, Code::DeviceKeyMissing, Remedy::Refind),
            (RvError::UserNotLoggedIn, Code::DeviceUnavailable, Remedy::Refind),
            (RvError::MechanismInvalid, Code::DeviceUnsupported, Remedy::None),
            (RvError::DeviceRemoved, Code::DeviceUnavailable, Remedy::None),
            (RvError::GeneralError, Code::DeviceUnavailable, Remedy::Refind),
            (RvError::VendorDefined(0x8000_0001), Code::DeviceUnavailable, Remedy::None),
        ] {
            let error = Error::Pkcs11(code, Function::Sign);
            assert_eq!(classify(&error, "signing").code(), want, "{code:?}");
            assert_eq!(remedy(&error), remedy_wanted, "{code:?}");
        }
        let unreadable = classify(&Error::InvalidValue, "reading");
        assert_eq!(unreadable.code(), Code::DeviceUnavailable);
    }
}
