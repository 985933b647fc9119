//! Writing lines: all that is known beforehand is put together where the operation runs, and the writer, who alone knows
//! the order, only splices in epoch, previous hash, position and time.

use super::fields::{ACT_BYTES_MAX, CODE_BYTES_MAX, LOG_BYTES_MAX, TYPE_BYTES_MAX, is_plain};
use super::{INTEGER_MAX, LINE_BYTES_MAX};
use crate::codec::{decimal_into, hex_encode_into};
use crate::hash::Hash;
use crate::origin::LogOrigin;

/// Why a line cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineBuildError {
    /// Empty, too long, or with a character no line may hold.
    #[error("`{0}` is not a plain text of an audit line")]
    Text(&'static str),
    /// Beyond 2^53-1.
    #[error("`{0}` is larger than an audit line may hold")]
    Number(&'static str),
    /// Refused with the code `ok`.
    #[error("a refusal has an error code")]
    Outcome,
}

/// The kind of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A person.
    User,
    /// A program of a tenant.
    Service,
    /// Who runs the deployment.
    Operator,
}

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An actor, by its random handle.
    Actor {
        /// What it is.
        kind: ActorKind,
        /// Its handle.
        handle: [u8; 16],
    },
    /// Strongroom itself.
    System,
}

impl Who {
    fn parts(self) -> (&'static str, [u8; 16]) {
        match self {
            Self::Actor { kind: ActorKind::User, handle } => ("user", handle),
            Self::Actor { kind: ActorKind::Service, handle } => ("service", handle),
            Self::Actor { kind: ActorKind::Operator, handle } => ("operator", handle),
            Self::System => ("system", [0; 16]),
        }
    }
}

/// What was acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// Its type, such as `secret`.
    pub kind: &'a str,
    /// A pseudonym, or a tenant's ref.
    pub id: [u8; 16],
    /// Its version, where it has one.
    pub version: Option<u64>,
}

/// The row that changed: its revision after the change and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowChange {
    /// The first 16 bytes of SHA-256 of the row's MAC.
    pub hash: [u8; 16],
    /// The row's revision.
    pub revision: u64,
}

/// Whether a line begins an effect outside the database or tells a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is about to be done.
    Intent,
    /// It is done, or refused.
    Result,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Well.
    Ok,
    /// With this stable error code.
    Refused(&'a str),
}

/// Builds a [`LineTemplate`]. What every line has is an argument; the rest are methods.
#[derive(Debug, Clone)]
#[must_use]
pub struct LineBuilder<'a> {
    act: &'a str,
    log: &'a LogOrigin,
    who: Who,
    request: [u8; 16],
    phase: Phase,
    detail: Option<Hash>,
    count: Option<u64>,
    object: Option<Object<'a>>,
    pseudonym_key: Option<u32>,
    position: Option<u32>,
    row: Option<RowChange>,
    version_row: Option<RowChange>,
    source: Option<[u8; 16]>,
}

impl<'a> LineBuilder<'a> {
    /// A line of `log` about `act` (such as `secret.get`), asked by `who` in the request of this id.
    pub fn new(act: &'a str, log: &'a LogOrigin, who: Who, request: [u8; 16]) -> Self {
        Self {
            act,
            log,
            who,
            request,
            phase: Phase::Result,
            detail: None,
            count: None,
            object: None,
            pseudonym_key: None,
            position: None,
            row: None,
            version_row: None,
            source: None,
        }
    }

    /// The line begins something outside the database. Default: it tells a result.
    pub fn intent(mut self) -> Self {
        self.phase = Phase::Intent;
        self
    }

    /// The SHA-256 of a document that belongs to the line.
    pub fn detail(mut self, hash: Hash) -> Self {
        self.detail = Some(hash);
        self
    }

    /// How many things the line covers.
    pub fn count(mut self, n: u64) -> Self {
        self.count = Some(n);
        self
    }

    /// What was acted upon.
    pub fn object(mut self, object: Object<'a>) -> Self {
        self.object = Some(object);
        self
    }

    /// The version of the pseudonym key, when the line holds a pseudonym.
    pub fn pseudonym_key(mut self, version: u32) -> Self {
        self.pseudonym_key = Some(version);
        self
    }

    /// With `tenant.create`: the position in the heads tree.
    pub fn position(mut self, position: u32) -> Self {
        self.position = Some(position);
        self
    }

    /// The row that changed.
    pub fn row(mut self, row: RowChange) -> Self {
        self.row = Some(row);
        self
    }

    /// The version row written with it.
    pub fn version_row(mut self, row: RowChange) -> Self {
        self.version_row = Some(row);
        self
    }

    /// Where the request came from, as a pseudonym.
    pub fn source(mut self, ip: [u8; 16]) -> Self {
        self.source = Some(ip);
        self
    }

    /// Checks everything once and lays out the line's fragments.
    pub fn finish(self, outcome: Outcome<'_>) -> Result<LineTemplate, LineBuildError> {
        let text = |key, text: &str, bytes_max| {
            if is_plain(text, bytes_max) { Ok(()) } else { Err(LineBuildError::Text(key)) }
        };
        let number = |key, n: u64| {
            if n <= INTEGER_MAX { Ok(()) } else { Err(LineBuildError::Number(key)) }
        };
        text("act", self.act, ACT_BYTES_MAX)?;
        text("log", self.log.as_str(), LOG_BYTES_MAX)?;
        let (code, ok) = match outcome {
            Outcome::Ok => ("ok", true),
            Outcome::Refused("ok") => return Err(LineBuildError::Outcome),
            Outcome::Refused(code) => (code, false),
        };
        text("res", code, CODE_BYTES_MAX)?;
        number("n", self.count.unwrap_or(0))?;
        for (key, row) in [("row", self.row), ("vrow", self.version_row)] {
            number(key, row.map_or(0, |row| row.revision))?;
        }
        if let Some(object) = self.object {
            text("obj", object.kind, TYPE_BYTES_MAX)?;
            number("obj", object.version.unwrap_or(0))?;
        }

        let mut w = Fragments(Vec::with_capacity(640));
        w.raw("{\"act\":\"").raw(self.act);
        if let Some(hash) = self.detail {
            w.raw("\",\"det\":\"").hex(hash.as_bytes());
        }
        w.raw("\",\"ep\":");
        let epoch = w.cut();
        w.raw(",\"log\":\"").raw(self.log.as_str()).raw("\"");
        if let Some(n) = self.count {
            w.raw(",\"n\":").int(n);
        }
        if let Some(object) = self.object {
            w.raw(",\"obj\":{\"id\":\"").hex(&object.id).raw("\",\"t\":\"").raw(object.kind).raw("\"");
            if let Some(version) = object.version {
                w.raw(",\"ver\":").int(version);
            }
            w.raw("}");
        }
        w.raw(match self.phase {
            Phase::Intent => ",\"ph\":\"intent\"",
            Phase::Result => ",\"ph\":\"result\"",
        });
        if let Some(version) = self.pseudonym_key {
            w.raw(",\"pk\":").int(version.into());
        }
        if let Some(position) = self.position {
            w.raw(",\"pos\":").int(position.into());
        }
        w.raw(",\"prev\":\"");
        let prev = w.cut();
        w.raw("\",\"res\":{\"code\":\"").raw(code).raw(if ok { "\",\"ok\":true}" } else { "\",\"ok\":false}" });
        w.raw(",\"rid\":\"").hex(&self.request).raw("\"");
        w.row(",\"row\":{\"h\":\"", self.row);
        w.raw(",\"seq\":");
        let seq = w.cut();
        if let Some(ip) = self.source {
            w.raw(",\"src\":{\"ip\":\"").hex(&ip).raw("\"}");
        }
        w.raw(",\"ts\":");
        let time = w.cut();
        w.raw(",\"v\":1");
        w.row(",\"vrow\":{\"h\":\"", self.version_row);
        let (kind, handle) = self.who.parts();
        w.raw(",\"who\":{\"id\":\"").hex(&handle).raw("\",\"t\":\"").raw(kind).raw("\"}}");
        debug_assert!(w.0.len() + SPLICED_BYTES_MAX <= LINE_BYTES_MAX, "the fields' limits keep a line within its own");
        Ok(LineTemplate { bytes: w.0, epoch, prev, seq, time })
    }
}

/// The most that splicing adds: a u32, a hash in hex and two integers.
const SPLICED_BYTES_MAX: usize = 10 + 64 + 16 + 16;

struct Fragments(Vec<u8>);

impl Fragments {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn hex<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut Self {
        hex_encode_into(bytes, &mut self.0);
        self
    }

    fn int(&mut self, n: u64) -> &mut Self {
        decimal_into(n, &mut self.0);
        self
    }

    fn row(&mut self, start: &str, row: Option<RowChange>) {
        if let Some(row) = row {
            self.raw(start).hex(&row.hash).raw("\",\"rev\":").int(row.revision).raw("}");
        }
    }

    fn cut(&self) -> usize {
        self.0.len()
    }
}

/// A line but for what only the writer knows. Cheap to splice, and more than once if a commit is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineTemplate {
    bytes: Vec<u8>,
    epoch: usize,
    prev: usize,
    seq: usize,
    time: usize,
}

impl LineTemplate {
    /// Appends the line to `out`: in this epoch, after the line whose leaf hash is `prev`, at `seq`, at `time`.
    ///
    /// Nothing is appended if a number is larger than a line may hold.
    pub fn splice(
        &self,
        epoch: u32,
        prev: &Hash,
        seq: u64,
        time: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), LineBuildError> {
        for (key, n) in [("seq", seq), ("ts", time)] {
            if n > INTEGER_MAX {
                return Err(LineBuildError::Number(key));
            }
        }
        out.reserve(self.bytes.len() + SPLICED_BYTES_MAX);
        out.extend_from_slice(&self.bytes[..self.epoch]);
        decimal_into(epoch.into(), out);
        out.extend_from_slice(&self.bytes[self.epoch..self.prev]);
        hex_encode_into(prev.as_bytes(), out);
        out.extend_from_slice(&self.bytes[self.prev..self.seq]);
        decimal_into(seq, out);
        out.extend_from_slice(&self.bytes[self.seq..self.time]);
        decimal_into(time, out);
        out.extend_from_slice(&self.bytes[self.time..]);
        Ok(())
    }

    /// The most bytes that a splice can append.
    pub fn line_bytes_max(&self) -> usize {
        self.bytes.len() + SPLICED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::empty_root;
    use crate::origin::Origin;

    const HANDLE: [u8; 16] = [0xaa; 16];

    fn log() -> LogOrigin {
        Origin::parse("d").unwrap().sys()
    }

    #[test]
    fn a_full_line_has_every_key_in_order() {
        let log = log();
        let who = Who::Actor { kind: ActorKind::Service, handle: HANDLE };
        let template = LineBuilder::new("tenant.create", &log, who, [0xbb; 16])
            .detail(empty_root())
            .count(2)
            .object(Object { kind: "tenant", id: [0xcc; 16], version: Some(3) })
            .pseudonym_key(4)
            .position(5)
            .row(RowChange { hash: [0xdd; 16], revision: 6 })
            .version_row(RowChange { hash: [0xee; 16], revision: 7 })
            .source([0xff; 16])
            .finish(Outcome::Ok)
            .unwrap();
        let mut line = b"kept ".to_vec();
        template.splice(8, &Hash::from([0x11; 32]), 9, 10, &mut line).unwrap();
        let hex = |pair: &str| pair.repeat(16);
        let want = format!(
            r#"kept {{"act":"tenant.create","det":"{det}","ep":8,"log":"d/sys","n":2,"obj":{{"id":"{c}","t":"tenant","ver":3}},"ph":"result","pk":4,"pos":5,"prev":"{prev}","res":{{"code":"ok","ok":true}},"rid":"{b}","row":{{"h":"{d}","rev":6}},"seq":9,"src":{{"ip":"{f}"}},"ts":10,"v":1,"vrow":{{"h":"{e}","rev":7}},"who":{{"id":"{a}","t":"service"}}}}"#,
            det = empty_root(),
            prev = "11".repeat(32),
            a = hex("aa"),
            b = hex("bb"),
            c = hex("cc"),
            d = hex("dd"),
            e = hex("ee"),
            f = hex("ff"),
        );
        assert_eq!(String::from_utf8(line).unwrap(), want);
        assert!(want.len() - 5 <= template.line_bytes_max());
    }

    #[test]
    fn what_no_line_can_hold_is_refused_when_it_is_built() {
        let log = log();
        let line = |act| LineBuilder::new(act, &log, Who::System, [0; 16]);
        let object = |kind, version| Object { kind, id: [0; 16], version };
        let (longest, too_long) = ("a".repeat(64), "a".repeat(65));
        for (name, got, want) in [
            ("longest act", line(&longest).finish(Outcome::Ok), Ok(())),
            ("act too long", line(&too_long).finish(Outcome::Ok), Err(LineBuildError::Text("act"))),
            ("empty act", line("").finish(Outcome::Ok), Err(LineBuildError::Text("act"))),
            ("quote", line("a\"b").finish(Outcome::Ok), Err(LineBuildError::Text("act"))),
            ("backslash", line("a").finish(Outcome::Refused("\\")), Err(LineBuildError::Text("res"))),
            ("newline", line("a").object(object("\n", None)).finish(Outcome::Ok), Err(LineBuildError::Text("obj"))),
            ("not ASCII", line("ä").finish(Outcome::Ok), Err(LineBuildError::Text("act"))),
            ("refused with ok", line("a").finish(Outcome::Refused("ok")), Err(LineBuildError::Outcome)),
            ("largest n", line("a").count(INTEGER_MAX).finish(Outcome::Ok), Ok(())),
            ("n too large", line("a").count(INTEGER_MAX + 1).finish(Outcome::Ok), Err(LineBuildError::Number("n"))),
            (
                "version",
                line("a").object(object("t", Some(u64::MAX))).finish(Outcome::Ok),
                Err(LineBuildError::Number("obj")),
            ),
        ] {
            assert_eq!(got.map(drop), want, "case: {name}");
        }
        let template = line("a").finish(Outcome::Ok).unwrap();
        let mut out = Vec::new();
        assert_eq!(template.splice(0, &empty_root(), INTEGER_MAX + 1, 0, &mut out), Err(LineBuildError::Number("seq")));
        assert_eq!(template.splice(0, &empty_root(), 0, u64::MAX, &mut out), Err(LineBuildError::Number("ts")));
        assert_eq!(out, b"");
    }
}
