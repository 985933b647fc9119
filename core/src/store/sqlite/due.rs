//! What is due to expire: two small indexes, of what has a time and no line yet that says it is over.

use rusqlite::{Connection, params};

use super::{fault::Fault, rows::number};
use crate::{
    Result,
    store::{DueRow, TenantNumber, sqlite::SqliteStore},
};

/// The state of a tenant that takes lines.
const ACTIVE: u8 = 1;

/// `CROSS JOIN` keeps SQLite from beginning with another table than the one whose index has what is due.
const OF_VERSIONS: &str = "SELECT v.tenant, s.name_hash FROM secret_versions AS v
     CROSS JOIN tenants AS t ON t.number = v.tenant AND t.state = ?3
     CROSS JOIN secrets AS s ON s.tenant = v.tenant AND s.id = v.secret
     WHERE v.expires_at <= ?1 AND v.state = 1 ORDER BY v.expires_at LIMIT ?2";
const OF_SECRETS: &str = "SELECT s.tenant, s.name_hash FROM secrets AS s
     CROSS JOIN tenants AS t ON t.number = s.tenant AND t.state = ?3
     WHERE s.expires_at <= ?1 ORDER BY s.expires_at LIMIT ?2";

/// Secrets with something that is due, `limit` at most.
pub(super) fn due(store: &SqliteStore, now: u64, limit: usize) -> Result<Vec<DueRow>> {
    let reader = store.reader()?;
    find(&reader, now, limit).map_err(|fault| store.place.blame(fault))
}

fn find(connection: &Connection, now: u64, limit: usize) -> Result<Vec<DueRow>, Fault> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let mut found: Vec<DueRow> = Vec::new();
    for sql in [OF_VERSIONS, OF_SECRETS] {
        let left = number(limit.saturating_sub(found.len()) as u64)?;
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query(params![now, left, ACTIVE])?;
        while let Some(row) = rows.next()? {
            let name_hash = row.get_ref(1)?.as_blob().ok().and_then(|hash| hash.try_into().ok());
            let name_hash = name_hash.ok_or_else(|| Fault::damaged("the hash of a name"))?;
            let due = DueRow { tenant: TenantNumber(row.get(0)?), name_hash };
            // Versions of one secret follow upon each other as a rule.
            if found.last() != Some(&due) {
                found.push(due);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody scans: each begins with the index of what is to expire.
    #[test]
    fn what_is_due_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::create(&folder.path().join("strongroom.db")).unwrap();
        let reader = store.reader().unwrap();
        for (sql, index) in [(OF_VERSIONS, "versions_to_expire"), (OF_SECRETS, "secrets_to_expire")] {
            let mut explain = reader.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = explain.query_map(params![1, 1, ACTIVE], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(steps[0].contains(&format!("INDEX {index} (expires_at<?)")), "{steps:?}");
            assert!(steps.iter().all(|step| !step.contains("SCAN") && !step.contains("TEMP")), "{steps:?}");
        }
    }
}
