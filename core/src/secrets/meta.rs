//! What a secret says about itself besides its value: a description, labels, its type, an owner, and how long a value of
//! it is good for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{RotationInterval, SecretType, certificate};
use crate::{
    Code, Description, Error, Labels, ObjectId, Owner, Result, SecretValue,
    clock::Timestamp,
    keys::{IndexHash, IndexKind, TenantKeys},
    random::Random,
    seal::Subject,
    store::SecretRow,
};
use strongroom_log::Enc;

/// A secret's description, labels and other attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// What it is, for people.
    pub description: Description,
    /// By which it can be found.
    pub labels: Labels,
    /// What kind of secret it is.
    pub secret_type: SecretType,
    /// Who answers for it.
    pub owner: Owner,
    /// How often its value should be another one.
    pub rotation_interval: RotationInterval,
    /// Of a certificate, when each version ends that has a stage, as far as it is known.
    not_after: BTreeMap<u64, Timestamp>,
}

/// The stored form: keys sorted, and only what is not the default, but for the first two.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    description: String,
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_after: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotate_seconds: Option<u64>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    secret_type: Option<String>,
}

/// What is to change of it; what is not there stays.
#[derive(Clone, Debug, Default)]
pub(super) struct MetaChange {
    pub(super) description: Option<Description>,
    pub(super) labels: Option<Labels>,
    pub(super) secret_type: Option<SecretType>,
    pub(super) owner: Option<Owner>,
    pub(super) rotation_interval: Option<RotationInterval>,
}

impl MetaChange {
    /// Whether all stays.
    pub(super) fn is_none(&self) -> bool {
        let Self { description, labels, secret_type, owner, rotation_interval } = self;
        description.is_none()
            && labels.is_none()
            && secret_type.is_none()
            && owner.is_none()
            && rotation_interval.is_none()
    }

    /// What becomes of it.
    pub(super) fn of(&self, before: Meta) -> Meta {
        Meta {
            description: self.description.clone().unwrap_or(before.description),
            labels: self.labels.clone().unwrap_or(before.labels),
            secret_type: self.secret_type.unwrap_or(before.secret_type),
            owner: self.owner.clone().unwrap_or(before.owner),
            rotation_interval: self.rotation_interval.unwrap_or(before.rotation_interval),
            not_after: before.not_after,
        }
    }
}

impl Meta {
    /// Seals it for a secret.
    pub(super) fn seal(&self, keys: &TenantKeys, id: ObjectId, random: &dyn Random) -> Result<Vec<u8>> {
        keys.seal_name(Subject::SecretMeta(id), &self.to_stored()?, random)
    }

    /// Opens what is stored with a secret whose row was checked.
    pub(crate) fn open(keys: &TenantKeys, row: &SecretRow) -> Result<Self> {
        Self::from_stored(&keys.open_name(Subject::SecretMeta(row.id), &row.meta)?)
    }

    /// What is sealed.
    pub(crate) fn to_stored(&self) -> Result<Zeroizing<Vec<u8>>> {
        let is_default = self.secret_type == SecretType::default();
        let stored = Stored {
            description: self.description.as_str().to_owned(),
            labels: self.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
            not_after: self.not_after.iter().map(|(version, at)| (*version, at.0)).collect(),
            owner: self.owner.as_str().to_owned(),
            rotate_seconds: self.rotation_interval.to_stored(),
            secret_type: (!is_default).then(|| self.secret_type.as_str().to_owned()),
        };
        let json = serde_json::to_vec(&stored).map_err(|error| Error::new(Code::Internal).caused_by(error))?;
        Ok(Zeroizing::new(json))
    }

    /// Reads what was sealed.
    pub(crate) fn from_stored(opened: &[u8]) -> Result<Self> {
        let read = || -> Result<Self> {
            let stored: Stored = serde_json::from_slice(opened).map_err(|_| Code::Integrity)?;
            Ok(Self {
                description: stored.description.parse()?,
                labels: Labels::parse(stored.labels)?,
                secret_type: stored.secret_type.map_or(Ok(SecretType::default()), |word| word.parse())?,
                owner: stored.owner.parse()?,
                rotation_interval: RotationInterval::from_stored(stored.rotate_seconds)?,
                not_after: stored.not_after.into_iter().map(|(version, at)| (version, Timestamp(at))).collect(),
            })
        };
        read().map_err(|_| Code::Integrity.into())
    }

    /// The keyed hashes by which a secret with it is found: one for each label, for the owner if it has one, and for the
    /// type if it has one. The last is what most secrets are found by.
    pub(crate) fn index_hashes(&self, keys: &TenantKeys) -> Result<Vec<IndexHash>> {
        let mut hashes = self
            .labels
            .iter()
            .map(|(name, value)| {
                let label = Enc::nested().field(name.as_str()).field(value.as_str()).finish();
                keys.index(IndexKind::Label, &label)
            })
            .collect::<Result<Vec<_>>>()?;
        if !self.owner.is_empty() {
            hashes.push(keys.index(IndexKind::Owner, self.owner.as_str().as_bytes())?);
        }
        if self.secret_type != SecretType::default() {
            hashes.push(keys.index(IndexKind::SecretType, self.secret_type.as_str().as_bytes())?);
        }
        Ok(hashes)
    }

    /// Whether every value of the secret has to be a certificate.
    pub(super) fn is_certificate(&self) -> bool {
        self.secret_type == SecretType::Certificate
    }

    /// Looks at the value that a version of the secret has or gets. `CertificateInvalid` if it should be a certificate
    /// and is none.
    pub(super) fn note_value(&mut self, version: u64, value: &SecretValue) -> Result<()> {
        if self.is_certificate() {
            let not_after = value.expose(certificate::not_after).ok_or(Code::CertificateInvalid)?;
            self.not_after.insert(version, not_after);
        }
        Ok(())
    }

    /// Forgets what is known of versions that have no stage, and so cannot become current; and of all of them if it is no
    /// certificate.
    pub(super) fn forget_others(&mut self, row: &SecretRow) {
        let staged = [Some(row.current), row.pending, row.previous];
        let is_certificate = self.is_certificate();
        self.not_after.retain(|version, _| is_certificate && staged.contains(&Some(*version)));
    }

    /// The same, of another secret whose only version has this value. `CertificateInvalid` as of a put.
    pub(super) fn of_a_copy(mut self, value: &SecretValue) -> Result<Self> {
        self.not_after.clear();
        self.note_value(1, value)?;
        Ok(self)
    }

    /// Of a certificate, when this version of it ends, if that is known.
    pub(super) fn not_after(&self, version: u64) -> Option<Timestamp> {
        self.not_after.get(&version).copied()
    }

    /// When a version that was put at this time is due for rotation: by the interval, and of a certificate by its end,
    /// whichever comes first.
    pub(super) fn rotate_by(&self, version: u64, put_at: Timestamp) -> Option<Timestamp> {
        let by_interval = self.rotation_interval.for_type(self.secret_type).map(|interval| put_at.after(interval));
        let by_end = self.not_after(version).map(|end| certificate::rotate_by(put_at, end));
        by_interval.into_iter().chain(by_end).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store::secret_row;

    #[test]
    fn what_is_stored_is_read_back() {
        let plain = r#"{"description":"","labels":{}}"#;
        assert_eq!(&Meta::default().to_stored().unwrap()[..], plain.as_bytes(), "as before there were attributes");
        let meta = Meta {
            description: "for www".parse().unwrap(),
            labels: Labels::parse([("team", "web")]).unwrap(),
            secret_type: SecretType::Certificate,
            owner: "web".parse().unwrap(),
            rotation_interval: RotationInterval::days(1).unwrap(),
            not_after: [(3, Timestamp(5)), (12, Timestamp(4))].into(),
        };
        let stored = concat!(
            r#"{"description":"for www","labels":{"team":"web"},"not_after":[[3,5],[12,4]],"#,
            r#""owner":"web","rotate_seconds":86400,"type":"certificate"}"#
        );
        assert_eq!(&meta.to_stored().unwrap()[..], stored.as_bytes());
        for (stored, meta) in [(stored, meta), (plain, Meta::default())] {
            assert_eq!(Meta::from_stored(stored.as_bytes()).unwrap(), meta);
        }
        for other in [
            "{}",
            r#"{"description":"","labels":{},"more":1}"#,
            r#"{"description":"","labels":{},"type":"other"}"#,
            r#"{"description":"","labels":{},"rotate_seconds":59}"#,
            r#"{"description":"","labels":{},"owner":"\n"}"#,
            r#"{"description":"","labels":{},"not_after":[[1]]}"#,
        ] {
            assert_eq!(Meta::from_stored(other.as_bytes()).unwrap_err().code(), Code::Integrity, "{other}");
        }
    }

    #[test]
    fn it_is_due_by_what_comes_first() {
        let day = 24 * 60 * 60 * 1_000_000;
        let of = |secret_type, rotation_interval, end: Option<u64>| Meta {
            secret_type,
            rotation_interval,
            not_after: end.map(|end| (2, Timestamp(end * day))).into_iter().collect(),
            ..Meta::default()
        };
        let days = |days| RotationInterval::days(days).unwrap();
        let (of_type, never) = (RotationInterval::OF_TYPE, RotationInterval::NEVER);
        let certificate = SecretType::Certificate;
        for (name, meta, due) in [
            ("nothing is said", of(SecretType::Generic, of_type, None), None),
            ("recommended", of(SecretType::Token, of_type, None), Some(40)),
            ("said", of(SecretType::Token, days(3), None), Some(13)),
            ("never", of(SecretType::Token, never, None), None),
            ("30 days before the end", of(certificate, of_type, Some(375)), Some(345)),
            ("a third before the end", of(certificate, never, Some(70)), Some(50)),
            ("the interval is first", of(certificate, days(3), Some(70)), Some(13)),
            ("the end is first", of(certificate, days(50), Some(70)), Some(50)),
            ("it had ended before", of(certificate, of_type, Some(5)), Some(5)),
            ("the end is not known", of(certificate, of_type, None), None),
        ] {
            assert_eq!(meta.rotate_by(2, Timestamp(10 * day)), due.map(|due| Timestamp(due * day)), "case: {name}");
        }
        let row = SecretRow { current: 2, ..secret_row(1, [0; 16]) };
        let mut meta = of(certificate, of_type, Some(70));
        meta.not_after.insert(1, Timestamp(1));
        meta.forget_others(&row);
        assert_eq!(meta.not_after.len(), 1);
        meta.secret_type = SecretType::Token;
        meta.forget_others(&row);
        assert!(meta.not_after.is_empty());
    }
}
