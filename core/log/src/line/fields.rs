//! The keys of a line: their order, their types, their limits.
//!
//! A key added to a later version is a row here and a field of [`super::Line`].

use super::INTEGER_MAX;

/// Where the value of a key is kept while a line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Act,
    Det,
    Ep,
    Log,
    N,
    ObjId,
    ObjType,
    ObjVersion,
    Phase,
    PseudonymKey,
    Position,
    Prev,
    ResCode,
    ResOk,
    Rid,
    RowHash,
    RowRevision,
    Seq,
    SrcIp,
    Ts,
    V,
    VersionRowHash,
    VersionRowRevision,
    WhoId,
    WhoType,
}

pub(super) const SLOTS: usize = Slot::WhoType as usize + 1;

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    /// An integer up to this.
    Int(u64),
    /// `true` or `false`.
    Bool,
    /// 1 to so many bytes of the plain alphabet.
    Text(usize),
    /// Exactly so many lower-case hex digits.
    Hex(usize),
    /// One of these.
    Word(&'static [&'static str]),
    /// An object with these keys.
    Object(&'static [Field]),
}

/// One key.
#[derive(Debug)]
pub(super) struct Field {
    /// As it stands in the line: `"key":`.
    pub(super) token: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// Unused for objects, whose keys have slots of their own.
    pub(super) slot: Slot,
}

const fn must(token: &'static str, kind: Kind, slot: Slot) -> Field {
    Field { token, kind, required: true, slot }
}

const fn may(token: &'static str, kind: Kind, slot: Slot) -> Field {
    Field { token, kind, required: false, slot }
}

pub(super) const ACT_BYTES_MAX: usize = 64;
pub(super) const CODE_BYTES_MAX: usize = 64;
pub(super) const TYPE_BYTES_MAX: usize = 32;
pub(super) const LOG_BYTES_MAX: usize = 255;
const U32: Kind = Kind::Int(u32::MAX as u64);
const INT: Kind = Kind::Int(INTEGER_MAX);

pub(super) const PHASES: &[&str] = &["intent", "result"];
pub(super) const ACTORS: &[&str] = &["operator", "service", "system", "user"];

/// A line's keys, in the order RFC 8785 gives them.
pub(super) static LINE: &[Field] = &[
    must("\"act\":", Kind::Text(ACT_BYTES_MAX), Slot::Act),
    may("\"det\":", Kind::Hex(64), Slot::Det),
    must("\"ep\":", U32, Slot::Ep),
    must("\"log\":", Kind::Text(LOG_BYTES_MAX), Slot::Log),
    may("\"n\":", INT, Slot::N),
    may(
        "\"obj\":",
        Kind::Object(&[
            must("\"id\":", Kind::Hex(32), Slot::ObjId),
            must("\"t\":", Kind::Text(TYPE_BYTES_MAX), Slot::ObjType),
            may("\"ver\":", INT, Slot::ObjVersion),
        ]),
        Slot::ObjId,
    ),
    must("\"ph\":", Kind::Word(PHASES), Slot::Phase),
    may("\"pk\":", U32, Slot::PseudonymKey),
    may("\"pos\":", U32, Slot::Position),
    must("\"prev\":", Kind::Hex(64), Slot::Prev),
    must(
        "\"res\":",
        Kind::Object(&[
            must("\"code\":", Kind::Text(CODE_BYTES_MAX), Slot::ResCode),
            must("\"ok\":", Kind::Bool, Slot::ResOk),
        ]),
        Slot::ResOk,
    ),
    must("\"rid\":", Kind::Hex(32), Slot::Rid),
    may(
        "\"row\":",
        Kind::Object(&[must("\"h\":", Kind::Hex(32), Slot::RowHash), must("\"rev\":", INT, Slot::RowRevision)]),
        Slot::RowHash,
    ),
    must("\"seq\":", INT, Slot::Seq),
    may("\"src\":", Kind::Object(&[must("\"ip\":", Kind::Hex(32), Slot::SrcIp)]), Slot::SrcIp),
    must("\"ts\":", INT, Slot::Ts),
    must("\"v\":", U32, Slot::V),
    may(
        "\"vrow\":",
        Kind::Object(&[
            must("\"h\":", Kind::Hex(32), Slot::VersionRowHash),
            must("\"rev\":", INT, Slot::VersionRowRevision),
        ]),
        Slot::VersionRowHash,
    ),
    must(
        "\"who\":",
        Kind::Object(&[must("\"id\":", Kind::Hex(32), Slot::WhoId), must("\"t\":", Kind::Word(ACTORS), Slot::WhoType)]),
        Slot::WhoId,
    ),
];

/// Whether a byte may stand in a string: printable ASCII without `"` and `\`, so that nothing is ever escaped.
pub(super) static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// Whether `text` may stand in a line as it is.
pub(super) fn is_plain(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_sorted(fields: &[Field]) {
        for pair in fields.windows(2) {
            assert!(pair[0].token < pair[1].token, "{} before {}", pair[0].token, pair[1].token);
        }
        for field in fields {
            if let Kind::Object(inner) = &field.kind {
                assert!(inner[0].required, "an object has a key that tells whether it is there");
                assert_sorted(inner);
            }
        }
    }

    #[test]
    fn keys_stand_in_canonical_order() {
        assert_sorted(LINE);
    }
}
