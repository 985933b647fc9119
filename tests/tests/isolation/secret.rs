//! What one secret is, told in plain values: its versions, their lives, and what it says about itself.

use std::collections::BTreeMap;

use strongroom::{Code, SecretType, ValueKind};

/// A value, or what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Known(ValueKind, String),
    /// Made where it is stored, so many bytes long, and not read yet.
    Unseen(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Enabled,
    Disabled,
    Deleted,
    Destroyed,
    Expired,
}

/// One version.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) value: Value,
    pub(crate) life: Life,
    pub(crate) expires_at: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// Those that the limit left.
    pub(crate) versions: BTreeMap<u64, Stored>,
    pub(crate) latest: u64,
    pub(crate) current: u64,
    pub(crate) pending: Option<u64>,
    pub(crate) previous: Option<u64>,
    pub(crate) limit: u64,
    pub(crate) revision: u64,
    /// Its description, which is the value of its one label, too.
    pub(crate) note: Option<String>,
    pub(crate) kind: SecretType,
    pub(crate) owner: String,
    pub(crate) is_enabled: bool,
    pub(crate) is_archived: bool,
    pub(crate) expires_at: Option<u64>,
    /// A line says that it did.
    pub(crate) has_expired: bool,
}

/// Which version.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Current,
    Pending,
    Previous,
    Number(u64),
}

/// Until when: not said, for ever, or a moment.
pub(crate) type Until = Option<Option<u64>>;

/// What is said about a secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) note: Option<String>,
    pub(crate) kind: Option<SecretType>,
    pub(crate) owner: Option<String>,
}

/// A moment that is to come.
pub(crate) fn to_come(until: Option<u64>, now: u64) -> Result<Option<u64>, Code> {
    if until.is_some_and(|at| at <= now) { Err(Code::ExpiryInvalid) } else { Ok(until) }
}

fn is_over(expires_at: Option<u64>, now: u64) -> bool {
    expires_at.is_some_and(|at| at <= now)
}

impl Stored {
    pub(crate) fn new(value: Value, expires_at: Option<u64>) -> Self {
        Self { value, life: Life::Enabled, expires_at }
    }

    /// It has expired, and no line says so yet.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.life == Life::Enabled && is_over(self.expires_at, now)
    }

    /// Its sealed bytes: padded, with what a seal takes.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match &self.value {
            Value::Known(_, text) => text.len(),
            Value::Unseen(bytes) => *bytes,
        };
        if self.life == Life::Destroyed { 0 } else { 62 + (5 + bytes as u64).next_multiple_of(32) }
    }
}

impl Secret {
    pub(crate) fn new() -> Self {
        Self {
            versions: BTreeMap::new(),
            latest: 0,
            current: 0,
            pending: None,
            previous: None,
            limit: strongroom::limits::VERSIONS_DEFAULT,
            revision: 0,
            note: None,
            kind: SecretType::Generic,
            owner: String::new(),
            is_enabled: true,
            is_archived: false,
            expires_at: None,
            has_expired: false,
        }
    }

    /// A new one that says the same, with this as its first version.
    pub(crate) fn copy(&self, version: u64) -> Self {
        let stored = Stored { life: Life::Enabled, ..self.versions[&version].clone() };
        Self {
            versions: BTreeMap::from([(1, stored)]),
            latest: 1,
            current: 1,
            pending: None,
            previous: None,
            revision: 1,
            is_enabled: true,
            ..self.clone()
        }
    }

    /// Whether it has a version in this life.
    pub(crate) fn has(&self, life: Life) -> bool {
        self.versions.values().any(|stored| stored.life == life)
    }

    pub(crate) fn oldest(&self) -> u64 {
        *self.versions.first_key_value().unwrap().0
    }

    pub(crate) fn say(&mut self, said: &Said) {
        self.note = said.note.clone().or(self.note.take());
        self.kind = said.kind.unwrap_or(self.kind);
        self.owner = said.owner.clone().unwrap_or(std::mem::take(&mut self.owner));
    }

    /// Gives it another time.
    pub(crate) fn live_until(&mut self, until: Until, now: u64) -> Result<(), Code> {
        if let Some(until) = until {
            self.expires_at = to_come(until, now)?;
            self.has_expired = false;
        }
        Ok(())
    }

    /// Removes what is beyond the limit, which may be a new one; gives how many.
    pub(crate) fn keep_to(&mut self, limit: Option<u64>) -> Result<u64, Code> {
        self.limit = limit.unwrap_or(self.limit);
        let before = self.versions.len();
        while self.versions.len() as u64 > self.limit {
            self.versions.pop_first();
        }
        let oldest = self.oldest();
        if self.current < oldest {
            return Err(Code::VersionsFull);
        }
        self.pending = self.pending.filter(|pending| *pending >= oldest);
        self.previous = self.previous.filter(|previous| *previous >= oldest);
        Ok((before - self.versions.len()) as u64)
    }

    pub(crate) fn in_stage(&self, stage: Which) -> Result<u64, Code> {
        let version = match stage {
            Which::Current => Some(self.current),
            Which::Pending => self.pending,
            Which::Previous => self.previous,
            Which::Number(version) => Some(version),
        };
        version.ok_or(Code::StageEmpty)
    }

    pub(crate) fn stored(&self, version: u64) -> Result<&Stored, Code> {
        match self.versions.get(&version) {
            Some(stored) => Ok(stored),
            None if (1..=self.latest).contains(&version) => Err(Code::VersionDestroyed),
            None => Err(Code::VersionNotFound),
        }
    }

    /// A version's value, whatever holds for the whole secret.
    pub(crate) fn value_of(&self, version: u64, now: u64) -> Result<&Value, Code> {
        let stored = self.stored(version)?;
        match stored.life {
            Life::Enabled if !is_over(stored.expires_at, now) => Ok(&stored.value),
            Life::Enabled | Life::Expired => Err(Code::VersionExpired),
            Life::Deleted | Life::Disabled => Err(Code::VersionUnavailable),
            Life::Destroyed => Err(Code::VersionDestroyed),
        }
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.has_expired || is_over(self.expires_at, now)
    }

    /// It has expired, and no line says so yet.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        !self.has_expired && is_over(self.expires_at, now)
    }

    pub(crate) fn demand_alive(&self, now: u64) -> Result<(), Code> {
        match (self.is_archived, self.is_expired(now)) {
            (true, _) => Err(Code::SecretArchived),
            (false, true) => Err(Code::SecretExpired),
            (false, false) => Ok(()),
        }
    }

    pub(crate) fn demand_readable(&self, now: u64) -> Result<(), Code> {
        if !self.is_enabled && !self.is_archived { Err(Code::SecretDisabled) } else { self.demand_alive(now) }
    }

    /// A value that may be read.
    pub(crate) fn readable(&self, version: u64, now: u64) -> Result<&Value, Code> {
        self.demand_readable(now)?;
        self.value_of(version, now)
    }
}
