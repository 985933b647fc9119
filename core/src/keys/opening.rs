//! Checking and opening many rows: what a key has to do with each of them is done once, and the stack is wiped once.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    hmac::HmacKey,
    keyring::Purpose,
    row::{Authenticated, row_bytes_in, unbelievable},
    tenant_keys::TenantKeys,
};
use crate::{
    Code, Result,
    memory::scrubbed,
    seal::{Opener, Place, SealedHeader, Subject},
};

/// A tenant's keys at work on the rows of one operation. Nothing about a row is remembered for the next.
pub(crate) struct Opening<'k> {
    keys: &'k TenantKeys,
    rows: HmacKey,
    /// The key that the last name was sealed with: as a rule the next one's, too.
    opener: Option<Opener>,
    /// For what is authenticated, which is no secret.
    buffer: Vec<u8>,
}

impl TenantKeys {
    /// Has these keys check and open rows, however many. What `work` returns must hold no key.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child; what `work` says.
    pub(crate) fn opening<R>(&self, work: impl FnOnce(&mut Opening<'_>) -> Result<R>) -> Result<R> {
        let raw = self.keyring().active(Purpose::Metadata).key.expose_key()?;
        scrubbed(|| work(&mut Opening { keys: self, rows: HmacKey::new(raw), opener: None, buffer: Vec::new() }))
    }
}

impl Opening<'_> {
    /// As [`TenantKeys::check_row`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn check_row<R: Authenticated>(&mut self, row: &R) -> Result<()> {
        self.buffer = row_bytes_in(std::mem::take(&mut self.buffer), self.keys.tenant(), row);
        let ours = self.rows.mac(&self.buffer);
        if ours.ct_eq(row.mac()).into() { Ok(()) } else { Err(unbelievable::<R>()) }
    }

    /// As [`TenantKeys::open_name`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn open_name(&mut self, subject: Subject, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let place = Place::name(self.keys.deployment(), self.keys.tenant(), subject);
        let header = SealedHeader::parse(sealed)?;
        let opener = match &mut self.opener {
            Some(opener) if opener.is_for(&header) => opener,
            other => {
                let entry = self.keys.keyring().find(Purpose::SecretData, header.key_id, header.key_version);
                other.insert(Opener::new(entry.ok_or(Code::Integrity)?.sealing())?)
            }
        };
        opener.open(&place, &[], sealed, &mut self.buffer)?.into_name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::ObjectId,
        keys::{
            tenant_keys::tests::{created, seed},
            testing::arena,
        },
        store::FolderRow,
        testing::SeededRandom,
    };

    fn row(keys: &TenantKeys, n: u8) -> FolderRow {
        let id = ObjectId::from_bytes([n; 16]);
        let name = keys.seal_name(Subject::FolderName(id), &[b'a', n], &SeededRandom::new(u64::from(n))).unwrap();
        let row = FolderRow { id, name_hash: [n; 16], parent_hash: [0; 16], name, revision: 1, mac: [0; 32] };
        FolderRow { mac: keys.row_mac(&row).unwrap(), ..row }
    }

    /// Each row and each name by itself: neither what was good before it nor what was bad counts.
    #[test]
    fn one_of_many_is_believed_and_opened_only_as_it_was_written() {
        let arena = arena();
        let (keys, other) = (created(seed(2), &arena).0, created(seed(3), &arena).0);
        let rows: Vec<_> = (1..=3).map(|n| row(&keys, n)).collect();
        let foreign = row(&other, 1);
        keys.opening(|opening| {
            for (row, n) in rows.iter().zip(1..) {
                opening.check_row(row).unwrap();
                assert_eq!(&opening.open_name(Subject::FolderName(row.id), &row.name).unwrap()[..], [b'a', n]);
                let changed = FolderRow { revision: 2, ..row.clone() };
                let refused = [
                    opening.check_row(&changed),
                    opening.check_row(&FolderRow {
                        mac: rows[0].mac,
                        id: ObjectId::from_bytes([9; 16]),
                        ..row.clone()
                    }),
                    opening.check_row(&foreign),
                    opening.open_name(Subject::SecretName(row.id), &row.name).map(drop),
                    opening.open_name(Subject::FolderName(ObjectId::from_bytes([9; 16])), &row.name).map(drop),
                    opening.open_name(Subject::FolderName(row.id), &foreign.name).map(drop),
                    opening.open_name(Subject::FolderName(row.id), &[]).map(drop),
                    opening.open_name(Subject::FolderName(row.id), &row.name[..row.name.len() - 1]).map(drop),
                ];
                for (at, refused) in refused.into_iter().enumerate() {
                    assert_eq!(refused.unwrap_err().code(), Code::Integrity, "row {n}: {at}");
                }
            }
            Ok(())
        })
        .unwrap();
    }
}
