//! What a secret says about itself besides its value: a description and labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Code, Description, Error, Labels, ObjectId, Result,
    keys::{IndexHash, IndexKind, TenantKeys},
    random::Random,
    seal::Subject,
    store::SecretRow,
};
use strongroom_log::Enc;

/// A secret's description and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// What it is, for people.
    pub description: Description,
    /// By which it can be found.
    pub labels: Labels,
}

/// The stored form: keys sorted, nothing else.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    description: String,
    labels: BTreeMap<String, String>,
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
        let stored = Stored {
            description: self.description.as_str().to_owned(),
            labels: self.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        };
        let json = serde_json::to_vec(&stored).map_err(|error| Error::new(Code::Internal).caused_by(error))?;
        Ok(Zeroizing::new(json))
    }

    /// Reads what was sealed.
    pub(crate) fn from_stored(opened: &[u8]) -> Result<Self> {
        let stored: Stored = serde_json::from_slice(opened).map_err(|_| Code::Integrity)?;
        Ok(Self {
            description: stored.description.parse().map_err(|_| Code::Integrity)?,
            labels: Labels::parse(stored.labels).map_err(|_| Code::Integrity)?,
        })
    }

    /// The keyed hashes by which its labels are found.
    pub(crate) fn label_hashes(&self, keys: &TenantKeys) -> Result<Vec<IndexHash>> {
        self.labels
            .iter()
            .map(|(name, value)| {
                let label = Enc::nested().field(name.as_str()).field(value.as_str()).finish();
                keys.index(IndexKind::Label, &label)
            })
            .collect()
    }
}
