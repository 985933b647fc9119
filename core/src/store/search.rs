//! What audit lines are found by: keys taken from the line itself, and a search by them.
//!
//! A key is cut to eight bytes, and the index that finds it is nobody's evidence. A search gives
//! candidates: whoever asks compares each line, which is what counts.

use memchr::memmem::Finder;
use sha2::{Digest, Sha256};
use strongroom_log::{hex_array, hex_encode, parse_line};

use super::{LineRow, TenantNumber};

/// One thing that a line is found by: of which sort, and its first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineKey {
    /// As it is stored; see [`LineKey::sort`].
    pub(crate) kind: u8,
    pub(crate) key: u64,
}

/// The names of the sorts, by their numbers.
const SORTS: [&str; 6] = ["any", "actor", "object", "request", "act", "outcome"];

impl LineKey {
    /// What every line has.
    pub const ANY: Self = Self { kind: 0, key: 0 };

    /// Who acted: `who.id`.
    pub fn actor(handle: &[u8; 16]) -> Self {
        Self { kind: 1, key: first_eight(handle) }
    }

    /// What was acted upon: `obj.id`.
    pub fn object(id: &[u8; 16]) -> Self {
        Self { kind: 2, key: first_eight(id) }
    }

    /// In which request: `rid`.
    pub fn request(id: &[u8; 16]) -> Self {
        Self { kind: 3, key: first_eight(id) }
    }

    /// What was asked: `act`.
    pub fn act(act: &str) -> Self {
        Self { kind: 4, key: first_eight(&Sha256::digest(act.as_bytes())) }
    }

    /// Whether it was done: `res.ok`.
    pub fn outcome(ok: bool) -> Self {
        Self { kind: 5, key: ok.into() }
    }

    /// Its sort, in a word.
    pub fn sort(self) -> &'static str {
        SORTS.get(usize::from(self.kind)).copied().unwrap_or("unknown")
    }

    /// All keys of a line. One that cannot be read has only [`Self::ANY`]: it is there, and verification finds it.
    pub fn all_of(line: &[u8]) -> impl Iterator<Item = Self> {
        let line = parse_line(line).ok();
        let of_line = line.map(|line| {
            [
                hex_array(line.who_id).map(|handle| Self::actor(&handle)),
                line.obj.map(|object| Self::object(&object.id_bytes())),
                hex_array(line.rid).map(|id| Self::request(&id)),
                Some(Self::act(line.act)),
                Some(Self::outcome(line.ok)),
            ]
        });
        [Self::ANY].into_iter().chain(of_line.into_iter().flatten().flatten())
    }
}

fn first_eight(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// Reads lines one by one for what is looked for, and most of them only as far as it takes to see that it is not
/// there: handles and ids stand in a line in hex, and looking for that is ten times cheaper than reading the line.
pub(crate) struct Sieve<'a> {
    keys: &'a [Vec<LineKey>],
    /// For each set of ids, what one of stands in each line that is meant.
    digits: Vec<Vec<Finder<'static>>>,
}

impl<'a> Sieve<'a> {
    pub(crate) fn new(keys: &'a [Vec<LineKey>]) -> Self {
        let is_id = |key: &LineKey| (1..=3).contains(&key.kind);
        let digits_of = |key: &LineKey| Finder::new(hex_encode(&key.key.to_be_bytes()).as_bytes()).into_owned();
        let of_ids = keys.iter().filter(|any_of| any_of.iter().all(is_id));
        Self { keys, digits: of_ids.map(|any_of| any_of.iter().map(digits_of).collect()).collect() }
    }

    /// Whether a line has a key of each set.
    pub(crate) fn takes(&self, line: &[u8]) -> bool {
        if !self.digits.iter().all(|any_of| any_of.iter().any(|digits| digits.find(line).is_some())) {
            return false;
        }
        let keys: Vec<_> = LineKey::all_of(line).collect();
        self.keys.iter().all(|any_of| any_of.iter().any(|key| keys.contains(key)))
    }
}

/// In which order lines are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The last line first.
    #[default]
    NewestFirst,
    /// In the order of the log.
    OldestFirst,
}

/// Which lines of one log to look for, in all its generations.
#[derive(Clone, Copy, Debug)]
pub struct LineSearch<'a> {
    /// Whose log.
    pub tenant: TenantNumber,
    /// A line has a key of each of these sets. Without any, every line is found.
    pub keys: &'a [Vec<LineKey>],
    /// Lines numbered over this.
    pub after: u64,
    /// And not over this.
    pub until: u64,
    /// Which first.
    pub order: Order,
    /// How many at most.
    pub lines_max: usize,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinesFound {
    /// Candidates, in the order asked for.
    pub lines: Vec<LineRow>,
    /// If not all was looked through: how far, this number included.
    pub looked_to: Option<u64>,
}

/// What a count gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesCounted {
    /// Candidates.
    pub lines: u64,
    /// If not all was looked through: how far, this number included.
    pub looked_to: Option<u64>,
}

/// A part of the index, for looking whether it is right and for building it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexPart {
    /// The entries of a slice of lines; the first slice is 0.
    Slice(u64),
    /// Entries that belong to no line, and how far the index says it goes.
    Strays,
}

/// What a look at a part of the index gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexCheck {
    /// Lines that were compared.
    pub lines: u64,
    /// Whether there is a slice after this.
    pub more: bool,
    /// Where index and lines differ.
    pub findings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_sort_and_its_first_eight_bytes() {
        let mut id = [7; 16];
        let key = LineKey::actor(&id);
        assert_eq!((key.sort(), key.key), ("actor", 0x0707_0707_0707_0707));
        assert_ne!(key, LineKey::object(&id));
        id[15] = 0;
        assert_eq!(key, LineKey::actor(&id), "a candidate, which is compared");
        id[7] = 0;
        assert_ne!(key, LineKey::actor(&id));
        assert_eq!(LineKey::act("a").sort(), "act");
        assert!(LineKey::all_of(b"no line").eq([LineKey::ANY]));
    }
}
