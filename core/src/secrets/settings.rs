//! A secret's settings, as its row has them: how many versions it keeps, and the oldest that it still has.
//!
//! They are under the row's MAC, so that a version that is not there was either removed by the limit, or by somebody.

use serde::{Deserialize, Serialize};

use super::{Expiry, expired};
use crate::{Code, Error, Result, clock::Timestamp, limits, store::SecretRow};

/// How many versions a secret keeps: 1 to 1,000. A put beyond it removes the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionLimit(u64);

impl VersionLimit {
    /// That of a secret of which nothing else was said: 10.
    pub const DEFAULT: Self = Self(limits::VERSIONS_DEFAULT);

    /// This many.
    ///
    /// # Errors
    /// `VersionLimitInvalid` for 0 and for more than 1,000.
    pub fn new(versions: u64) -> Result<Self> {
        if (1..=limits::VERSIONS_MAX).contains(&versions) {
            Ok(Self(versions))
        } else {
            Err(Code::VersionLimitInvalid.into())
        }
    }

    /// How many.
    pub fn versions(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for VersionLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a row's `settings` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What was set for this secret.
    pub(super) limit: Option<VersionLimit>,
    /// The versions below this one were removed.
    pub(crate) oldest: u64,
    /// Neither read nor changed, and not listed.
    pub(crate) archived: bool,
    /// Every value of it has to be a certificate: as the sealed type says, but known without opening that.
    pub(super) certificate: bool,
    /// When it expires, in microseconds since 1970.
    pub(super) expires_at: Option<u64>,
    /// A line says that it did.
    pub(super) expired: bool,
}

/// The stored form: keys sorted, and only what is not the default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    archived: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    certificate: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    expired: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_versions: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
    v: u32,
}

impl Settings {
    /// Of a new secret.
    pub(super) const NONE: Self =
        Self { limit: None, oldest: 1, archived: false, certificate: false, expires_at: None, expired: false };

    /// Those of a row that was checked.
    pub(crate) fn of(row: &SecretRow) -> Result<Self> {
        if row.settings.is_empty() {
            return Ok(Self::NONE);
        }
        let unknown = || Error::new(Code::SchemaNewer).detail("the settings of a secret");
        let stored: Stored = serde_json::from_slice(&row.settings).map_err(|error| unknown().caused_by(error))?;
        let limit = stored.max_versions.map(VersionLimit::new).transpose().map_err(|_| unknown())?;
        let oldest = stored.oldest.unwrap_or(1);
        let Stored { archived, certificate, expired, expires_at, v, .. } = stored;
        let is_whole = v == 1 && (1..=row.latest).contains(&oldest) && (expires_at.is_some() || !expired);
        if is_whole { Ok(Self { limit, oldest, archived, certificate, expires_at, expired }) } else { Err(unknown()) }
    }

    /// As a row has them.
    pub(super) fn to_stored(self) -> Result<Vec<u8>> {
        if self == Self::NONE {
            return Ok(Vec::new());
        }
        let (max_versions, oldest) = (self.limit.map(VersionLimit::versions), (self.oldest > 1).then_some(self.oldest));
        let Self { archived, certificate, expired, expires_at, .. } = self;
        serde_json::to_vec(&Stored { archived, certificate, expired, expires_at, max_versions, oldest, v: 1 })
            .map_err(|error| Error::new(Code::Internal).caused_by(error))
    }

    /// When it expires, if no line says yet that it did.
    pub(crate) fn due(self) -> Option<u64> {
        self.expires_at.filter(|_| !self.expired)
    }

    /// Whether its time is over. What a line has said stays so, whatever the clock says then.
    pub(super) fn is_expired(self, now: Timestamp) -> bool {
        self.expired || expired(self.expires_at, now)
    }

    /// Refuses what is archived or expired.
    pub(super) fn demand_alive(self, now: Timestamp) -> Result<()> {
        match self {
            Self { archived: true, .. } => Err(Code::SecretArchived.into()),
            settings if settings.is_expired(now) => Err(Code::SecretExpired.into()),
            _ => Ok(()),
        }
    }

    /// Gives it another time.
    pub(super) fn expire(&mut self, expiry: Expiry, now: Timestamp) -> Result<()> {
        self.expires_at = expiry.moment(now)?;
        self.expired = false;
        Ok(())
    }

    /// The limit that holds.
    pub(super) fn limit(self) -> VersionLimit {
        self.limit.unwrap_or(VersionLimit::DEFAULT)
    }

    /// Those of a new secret that keeps as many versions.
    pub(super) fn of_a_copy(self) -> Self {
        Self { oldest: 1, ..self }
    }

    /// Moves the oldest version up, so that no more than the limit are left with `latest` as the newest. Says how
    /// many that removes.
    pub(super) fn make_room(&mut self, latest: u64) -> u64 {
        let oldest = self.oldest.max((latest + 1).saturating_sub(self.limit().0));
        oldest - std::mem::replace(&mut self.oldest, oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store::secret_row;

    fn of(settings: &[u8]) -> Result<Settings> {
        Settings::of(&SecretRow { settings: settings.to_vec(), latest: 9, ..secret_row(1, [0; 16]) })
    }

    #[test]
    fn a_limit_is_within_its_bounds() {
        for (versions, is_valid) in [(0, false), (1, true), (1_000, true), (1_001, false), (u64::MAX, false)] {
            let limit = VersionLimit::new(versions);
            assert_eq!(limit.is_ok(), is_valid, "{versions}");
            assert!(limit.is_ok_and(|limit| limit.versions() == versions) == is_valid);
        }
        assert_eq!(VersionLimit::new(0).unwrap_err().code(), Code::VersionLimitInvalid);
        assert_eq!(VersionLimit::DEFAULT.to_string(), "10");
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let limit = |versions| Some(VersionLimit::new(versions).unwrap());
        for (settings, stored) in [
            (Settings::NONE, ""),
            (Settings { limit: limit(3), ..Settings::NONE }, r#"{"max_versions":3,"v":1}"#),
            (Settings { limit: limit(10), oldest: 9, ..Settings::NONE }, r#"{"max_versions":10,"oldest":9,"v":1}"#),
            (Settings { oldest: 2, ..Settings::NONE }, r#"{"oldest":2,"v":1}"#),
            (Settings { archived: true, ..Settings::NONE }, r#"{"archived":true,"v":1}"#),
            (Settings { certificate: true, ..Settings::NONE }, r#"{"certificate":true,"v":1}"#),
            (Settings { expires_at: Some(7), ..Settings::NONE }, r#"{"expires_at":7,"v":1}"#),
            (
                Settings {
                    limit: limit(3),
                    oldest: 2,
                    archived: true,
                    certificate: true,
                    expires_at: Some(7),
                    expired: true,
                },
                r#"{"archived":true,"certificate":true,"expired":true,"expires_at":7,"max_versions":3,"oldest":2,"v":1}"#,
            ),
        ] {
            assert_eq!(settings.to_stored().unwrap(), stored.as_bytes());
            assert_eq!(of(stored.as_bytes()).unwrap(), settings, "{stored}");
        }
        for other in [
            "{}",
            "{\"v\":2}",
            "{\"oldest\":0,\"v\":1}",
            "{\"oldest\":10,\"v\":1}",
            "{\"max_versions\":0,\"v\":1}",
            "{\"max_versions\":1001,\"v\":1}",
            "{\"more\":1,\"v\":1}",
            "{\"expired\":true,\"v\":1}",
            "{\"expires_at\":-1,\"v\":1}",
            "x",
        ] {
            assert_eq!(of(other.as_bytes()).unwrap_err().code(), Code::SchemaNewer, "{other}");
        }
    }

    #[test]
    fn room_is_made_for_exactly_the_limit() {
        let mut settings = Settings { limit: Some(VersionLimit::new(3).unwrap()), ..Settings::NONE };
        let removed: Vec<_> = (1..=5).map(|latest| settings.make_room(latest)).collect();
        assert_eq!((removed, settings.oldest), (vec![0, 0, 0, 1, 1], 3));
        settings.limit = Some(VersionLimit::new(1).unwrap());
        assert_eq!((settings.make_room(6), settings.oldest), (3, 6));
        settings.limit = None;
        assert_eq!((settings.make_room(7), settings.oldest), (0, 6), "what is gone stays gone");
    }
}
