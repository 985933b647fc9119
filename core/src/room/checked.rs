//! Rows that were checked already, so that each is authenticated once and not at every operation.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Remembers rows, not names: a row that differs from the remembered one in any bit is checked again.
#[derive(Debug)]
pub(super) struct Checked<K, R> {
    rows: Mutex<HashMap<K, R>>,
    /// More than this forgets them all.
    rows_max: usize,
}

impl<K: Eq + Hash, R: Clone + PartialEq> Checked<K, R> {
    pub(super) fn new(rows_max: usize) -> Self {
        Self { rows: Mutex::default(), rows_max }
    }

    /// Whether exactly this row was checked before.
    pub(super) fn knows(&self, key: &K, row: &R) -> bool {
        self.rows().get(key) == Some(row)
    }

    /// Remembers a row that was checked.
    pub(super) fn remember(&self, key: K, row: &R) {
        let mut rows = self.rows();
        if rows.len() >= self.rows_max {
            rows.clear();
        }
        rows.insert(key, row.clone());
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<K, R>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_row_is_known_and_too_many_are_forgotten() {
        let checked = Checked::new(2);
        assert!(!checked.knows(&1, &"a"));
        checked.remember(1, &"a");
        assert!(checked.knows(&1, &"a") && !checked.knows(&1, &"b") && !checked.knows(&2, &"a"));
        checked.remember(1, &"b");
        assert!(checked.knows(&1, &"b") && !checked.knows(&1, &"a"));
        checked.remember(2, &"a");
        checked.remember(3, &"a");
        assert!(checked.knows(&3, &"a") && !checked.knows(&1, &"b") && !checked.knows(&2, &"a"));
    }
}
