//! For tests of the verifier itself: what happens to its verdicts when one of its checks says nothing.
//!
//! A check is a place in the source that adds a finding. It is known by that place, so that a new check is known too, and
//! nobody keeps a list.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::Location;

/// A check: the file and line of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line.
    pub line: u32,
}

thread_local! {
    static SILENCED: RefCell<Vec<Check>> = const { RefCell::new(Vec::new()) };
    static SPOKEN: RefCell<BTreeSet<Check>> = const { RefCell::new(BTreeSet::new()) };
}

/// Silences these checks on this thread, and only these, while `work` runs.
pub fn without_checks<T>(checks: &[Check], work: impl FnOnce() -> T) -> T {
    SILENCED.set(checks.to_vec());
    let result = work();
    SILENCED.take();
    result
}

/// The checks on this thread that have found something, silenced or not, while `work` ran.
pub fn checks_of<T>(work: impl FnOnce() -> T) -> (T, BTreeSet<Check>) {
    SPOKEN.take();
    let result = work();
    (result, SPOKEN.take())
}

/// Notes that a check found something, and says whether it is to stay silent.
pub(crate) fn is_silenced(at: &'static Location<'static>) -> bool {
    let check = Check { file: at.file(), line: at.line() };
    SPOKEN.with_borrow_mut(|spoken| spoken.insert(check));
    SILENCED.with_borrow(|silenced| silenced.contains(&check))
}
