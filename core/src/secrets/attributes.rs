//! What kind of secret it is, and how long one value of it is good for.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Code, Error, Result, limits};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What a secret is, as far as its rotation goes. A new secret is [`SecretType::Generic`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretType {
    /// Anything. No interval is recommended.
    #[default]
    Generic,
    /// What a program logs in to a database with. Recommended: every 30 days.
    DatabasePassword,
    /// What stands for an account at somebody's API. Recommended: every 90 days.
    ApiKey,
    /// An X.509 certificate. Every value has to be one; its own end says when to rotate it: see [`RotationInterval`].
    Certificate,
    /// A bearer token. Recommended: every 30 days.
    Token,
    /// A key that SSH logs in with. Recommended: every 180 days.
    SshKey,
}

impl SecretType {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Generic, Self::DatabasePassword, Self::ApiKey, Self::Certificate, Self::Token, Self::SshKey];

    /// The word for it, such as `database-password`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::DatabasePassword => "database-password",
            Self::ApiKey => "api-key",
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::SshKey => "ssh-key",
        }
    }

    /// How often its value should be another one; `None` if nothing is recommended, or if that is for each value to say.
    pub fn interval_recommended(self) -> Option<Duration> {
        let days = match self {
            Self::Generic | Self::Certificate => return None,
            Self::DatabasePassword | Self::Token => 30,
            Self::ApiKey => 90,
            Self::SshKey => 180,
        };
        Some(Duration::from_secs(days * DAY_SECONDS))
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SecretType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| Code::SecretTypeInvalid.into())
    }
}

/// How often a secret's value should be another one: what is recommended for its type, or what was said for it alone.
///
/// For a certificate this is one of two reasons: it is also due before it ends, by a third of the time that it was still
/// good for when it was put, and 30 days at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationInterval(Said);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Never,
    Seconds(u64),
}

impl RotationInterval {
    /// What is recommended for the secret's type: the default.
    pub const OF_TYPE: Self = Self(Said::Nothing);

    /// It is never due, whatever is recommended. A certificate still is before it ends.
    pub const NEVER: Self = Self(Said::Never);

    /// Every so many seconds.
    ///
    /// # Errors
    /// `RotationInvalid` for less than a minute and for more than 3,650 days.
    pub fn seconds(seconds: u64) -> Result<Self> {
        if (limits::ROTATION_SECONDS_MIN..=limits::ROTATION_DAYS_MAX * DAY_SECONDS).contains(&seconds) {
            Ok(Self(Said::Seconds(seconds)))
        } else {
            Err(Code::RotationInvalid.into())
        }
    }

    /// Every so many days.
    ///
    /// # Errors
    /// `RotationInvalid` for 0 and for more than 3,650.
    pub fn days(days: u64) -> Result<Self> {
        Self::seconds(days.saturating_mul(DAY_SECONDS))
    }

    /// The interval that holds for a secret of this type; `None` if there is none.
    pub fn for_type(self, kind: SecretType) -> Option<Duration> {
        match self.0 {
            Said::Nothing => kind.interval_recommended(),
            Said::Never => None,
            Said::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        }
    }

    /// As it is stored: nothing if nothing was said, and 0 for never.
    pub(super) fn to_stored(self) -> Option<u64> {
        match self.0 {
            Said::Nothing => None,
            Said::Never => Some(0),
            Said::Seconds(seconds) => Some(seconds),
        }
    }

    pub(super) fn from_stored(seconds: Option<u64>) -> Result<Self> {
        match seconds {
            None => Ok(Self::OF_TYPE),
            Some(0) => Ok(Self::NEVER),
            Some(seconds) => Self::seconds(seconds),
        }
    }
}

/// `default`, `never`, or a number with the largest unit that it is a multiple of: `30d`, `12h`, `90m`, `61s`.
impl fmt::Display for RotationInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = match self.0 {
            Said::Nothing => return f.pad("default"),
            Said::Never => return f.pad("never"),
            Said::Seconds(seconds) => seconds,
        };
        let units = [(DAY_SECONDS, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];
        let (size, unit) = units.into_iter().find(|(size, _)| seconds % size == 0).unwrap_or((1, "s"));
        f.pad(&format!("{}{unit}", seconds / size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_word() {
        for kind in SecretType::ALL {
            assert_eq!(kind.as_str().parse::<SecretType>().unwrap(), kind);
        }
        for refused in ["", "Generic", "api_key", "api-key ", "password"] {
            assert_eq!(refused.parse::<SecretType>().unwrap_err().code(), Code::SecretTypeInvalid, "case: {refused:?}");
        }
        assert_eq!(SecretType::default(), SecretType::Generic);
    }

    #[test]
    fn an_interval_is_within_its_bounds() {
        let most = 3_650 * DAY_SECONDS;
        for (seconds, is_valid) in [(0, false), (59, false), (60, true), (most, true), (most + 1, false)] {
            assert_eq!(RotationInterval::seconds(seconds).is_ok(), is_valid, "{seconds}");
        }
        for (days, is_valid) in [(0, false), (1, true), (3_650, true), (3_651, false), (u64::MAX, false)] {
            assert_eq!(RotationInterval::days(days).is_ok(), is_valid, "{days}");
        }
        assert_eq!(RotationInterval::seconds(0).unwrap_err().code(), Code::RotationInvalid);
    }

    #[test]
    fn what_is_said_goes_before_what_is_recommended() {
        let days = |days| Some(Duration::from_secs(days * DAY_SECONDS));
        for (kind, recommended) in [
            (SecretType::Generic, None),
            (SecretType::DatabasePassword, days(30)),
            (SecretType::ApiKey, days(90)),
            (SecretType::Certificate, None),
            (SecretType::Token, days(30)),
            (SecretType::SshKey, days(180)),
        ] {
            assert_eq!(RotationInterval::OF_TYPE.for_type(kind), recommended, "{kind}");
            assert_eq!(RotationInterval::NEVER.for_type(kind), None, "{kind}");
            assert_eq!(RotationInterval::days(7).unwrap().for_type(kind), days(7), "{kind}");
        }
    }

    #[test]
    fn it_prints_in_the_largest_unit_and_is_stored_as_seconds() {
        let seconds = |seconds| RotationInterval::seconds(seconds).unwrap();
        for (interval, text, stored) in [
            (RotationInterval::OF_TYPE, "default", None),
            (RotationInterval::NEVER, "never", Some(0)),
            (RotationInterval::days(30).unwrap(), "30d", Some(2_592_000)),
            (seconds(12 * 3_600), "12h", Some(43_200)),
            (seconds(90 * 60), "90m", Some(5_400)),
            (seconds(61), "61s", Some(61)),
        ] {
            assert_eq!((interval.to_string().as_str(), interval.to_stored()), (text, stored));
            assert_eq!(RotationInterval::from_stored(stored).unwrap(), interval);
        }
        assert!(RotationInterval::from_stored(Some(59)).is_err());
    }
}
