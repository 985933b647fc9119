//! What can be said of a secret besides its value: when it is put, generated or updated.

use std::time::UNIX_EPOCH;

use clap::{Args, ValueEnum};
use strongroom::{
    Code, Description, Error, Expiry, Labels, Owner, RotationInterval, SecretType, Timestamp, VersionLimit,
};

use crate::failure::Failure;

/// What can be said of a secret. What is not said stays as it was.
#[derive(Args, Debug)]
#[command(next_help_heading = "What is said of the secret")]
pub(crate) struct About {
    /// What it is for, one line [default: as it was]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A label; may be given several times, and replaces all there were [default: as they were]
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// What kind of secret it is, which says how often to rotate it [default: as it was, generic at first]
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    secret_type: Option<TypeArg>,
    /// Who answers for it; an empty text for nobody [default: as it was]
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// How often its value should be another one, such as 12h or 30d; `never`, or `default` for what its type says
    /// [default: as it was]
    #[arg(long, value_name = "INTERVAL")]
    rotate_every: Option<String>,
    /// For how long the whole secret may be read, from now on, such as 12h or 30d; or until when, as RFC 3339; or `never`
    /// for no end [default: as it was, without an end at first]
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    /// How many versions to keep, 1 to 1000; the oldest ones beyond that are removed for ever [default: as it was, 10 at first]
    #[arg(long, value_name = "VERSIONS")]
    max_versions: Option<u64>,
}

/// The types, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeArg {
    /// Anything; no interval is recommended
    Generic,
    /// Rotated every 30 days
    DatabasePassword,
    /// Rotated every 90 days
    ApiKey,
    /// X.509 in PEM or DER; due 30 days before it ends, or a third of its time if it is short
    Certificate,
    /// Rotated every 30 days
    Token,
    /// Rotated every 180 days
    SshKey,
}

impl From<TypeArg> for SecretType {
    fn from(word: TypeArg) -> Self {
        match word {
            TypeArg::Generic => Self::Generic,
            TypeArg::DatabasePassword => Self::DatabasePassword,
            TypeArg::ApiKey => Self::ApiKey,
            TypeArg::Certificate => Self::Certificate,
            TypeArg::Token => Self::Token,
            TypeArg::SshKey => Self::SshKey,
        }
    }
}

/// The same, parsed.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) description: Option<Description>,
    pub(super) labels: Option<Labels>,
    pub(super) secret_type: Option<SecretType>,
    pub(super) owner: Option<Owner>,
    pub(super) rotation_interval: Option<RotationInterval>,
    pub(super) max_versions: Option<VersionLimit>,
    pub(super) expiry: Option<Expiry>,
}

impl About {
    pub(super) fn said(&self) -> Result<Said, Failure> {
        let labels = if self.label.is_empty() { None } else { Some(labels(&self.label)?) };
        Ok(Said {
            description: self.description.as_deref().map(str::parse).transpose()?,
            labels,
            secret_type: self.secret_type.map(SecretType::from),
            owner: self.owner.as_deref().map(str::parse).transpose()?,
            rotation_interval: self.rotate_every.as_deref().map(interval).transpose()?,
            max_versions: self.max_versions.map(VersionLimit::new).transpose()?,
            expiry: self.ttl.as_deref().map(expiry).transpose()?,
        })
    }

    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.description.is_none()
            && self.label.is_empty()
            && self.secret_type.is_none()
            && self.owner.is_none()
            && self.rotate_every.is_none()
            && self.max_versions.is_none()
            && self.ttl.is_none()
    }
}

/// Labels, each given as `NAME=VALUE`.
pub(super) fn labels(given: &[String]) -> Result<Labels, Failure> {
    let pairs: Option<Vec<_>> = given.iter().map(|label| label.split_once('=')).collect();
    let pairs = pairs.ok_or_else(|| Error::new(Code::LabelInvalid).detail("a label is given as NAME=VALUE"))?;
    Ok(Labels::parse(pairs)?)
}

/// So long from now on, a moment, or `never`.
pub(super) fn expiry(text: &str) -> Result<Expiry, Failure> {
    let odd =
        || Error::new(Code::ExpiryInvalid).detail("neither a number with a unit, nor a moment of RFC 3339, nor never");
    if text == "never" {
        return Ok(Expiry::Never);
    }
    if let Ok(time) = humantime::parse_duration(text) {
        return Ok(Expiry::In(time));
    }
    let at = humantime::parse_rfc3339_weak(text).map_err(|_| odd())?;
    let since = at.duration_since(UNIX_EPOCH).map_err(|_| odd())?;
    Ok(Expiry::At(Timestamp(u64::try_from(since.as_micros()).map_err(|_| odd())?)))
}

/// A number with a unit, `never` or `default`.
fn interval(text: &str) -> Result<RotationInterval, Failure> {
    match text {
        "never" => return Ok(RotationInterval::NEVER),
        "default" => return Ok(RotationInterval::OF_TYPE),
        _ => {}
    }
    let odd = || Error::new(Code::RotationInvalid).detail("neither a number with a unit, nor never, nor default");
    let interval = humantime::parse_duration(text).map_err(|_| odd())?;
    if interval.subsec_nanos() > 0 {
        return Err(Error::new(Code::RotationInvalid).detail("it is not a whole number of seconds").into());
    }
    Ok(RotationInterval::seconds(interval.as_secs())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_with_a_unit_or_a_word() {
        for (text, shown) in [
            ("30d", "30d"),
            ("12h", "12h"),
            ("1day 12h", "36h"),
            ("60s", "1m"),
            ("3650d", "3650d"),
            ("never", "never"),
            ("default", "default"),
        ] {
            assert_eq!(interval(text).unwrap().to_string(), shown, "case: {text}");
        }
        for refused in ["", "30", "-1d", "59s", "3651d", "90500ms", "Never", "30 d x", "99999999999999999999d"] {
            let code = match interval(refused) {
                Err(Failure::Product(error)) => error.code(),
                other => panic!("case {refused:?}: {other:?}"),
            };
            assert_eq!(code, Code::RotationInvalid, "case: {refused:?}");
        }
    }

    #[test]
    fn a_time_to_live_is_a_number_with_a_unit_a_moment_or_never() {
        let day = std::time::Duration::from_secs(86_400);
        for (text, want) in [
            ("1d", Expiry::In(day)),
            ("12h 12h", Expiry::In(day)),
            ("never", Expiry::Never),
            ("1970-01-02T00:00:00Z", Expiry::At(Timestamp(86_400_000_000))),
            ("1970-01-02 00:00:00.5", Expiry::At(Timestamp(86_400_500_000))),
        ] {
            assert_eq!(expiry(text).unwrap(), want, "case: {text}");
        }
        for refused in ["", "30", "-1d", "1d x", "Never", "1969-12-31T23:59:59Z", "tomorrow"] {
            let code = match expiry(refused) {
                Err(Failure::Product(error)) => error.code(),
                other => panic!("case {refused:?}: {other:?}"),
            };
            assert_eq!(code, Code::ExpiryInvalid, "case: {refused:?}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_library() {
        for word in TypeArg::value_variants() {
            let name = word.to_possible_value().unwrap();
            assert_eq!(SecretType::from(*word).as_str(), name.get_name());
        }
        assert_eq!(TypeArg::value_variants().len(), SecretType::ALL.len());
    }
}
