//! Reading bundles: from pieces of any size to records, and from records to a verifier's calls.
//!
//! The input is a stranger's. A record has a limit, a proof has a limit, and nothing is kept but the record being read.

use super::{FULL, TENANT};
use crate::codec::{base64_decode, hex_array, parse_decimal};
use crate::hash::Hash;
use crate::heads::LogStatus;
use crate::note::NOTE_BYTES_MAX;
use crate::origin::{Origin, PreviousGeneration};
use crate::report::*;
use crate::verify::{Memory, TenantVerifier, Verifier};
use crate::vkey::RootKey;

/// The longest record: a note of the largest size in base64, and its tag.
pub const RECORD_BYTES_MAX: usize = NOTE_BYTES_MAX / 3 * 4 + 64;

/// The most hashes in a proof: trees have fewer than 2^64 leaves.
const PROOF_HASHES_MAX: usize = 64;

/// Verifies a bundle against a root key and what was kept of the log: a [`Memory`], or a checkpoint's note if there is one.
#[must_use]
pub fn verify(bundle: &[u8], root: &RootKey, memory: impl Into<Memory>) -> Report {
    let mut reader = BundleReader::new(root, memory);
    reader.feed(bundle);
    reader.finish()
}

/// Verifies a bundle that comes in pieces, in memory that does not grow with its lines.
#[derive(Debug)]
pub struct BundleReader {
    root: RootKey,
    /// Until there is a verifier that takes it.
    memory: Memory,
    /// The beginning of a record whose end has not come.
    partial: Vec<u8>,
    /// The record being read is over the limit and is dropped up to its end.
    skipping: bool,
    state: State,
    records: u64,
    lines: u64,
    ended: bool,
    findings: Findings,
}

#[derive(Debug)]
enum State {
    Start,
    /// The first record was read.
    Header {
        full: bool,
    },
    Full(Box<Verifier>),
    Tenant(Box<TenantVerifier>),
    /// Nothing that follows can be understood.
    Refused,
}

impl BundleReader {
    /// Starts reading, to verify against a root key and what was kept of the log: a [`Memory`], or a checkpoint's note if
    /// there is one.
    pub fn new(root: &RootKey, memory: impl Into<Memory>) -> Self {
        Self {
            root: root.clone(),
            memory: memory.into(),
            partial: Vec::new(),
            skipping: false,
            state: State::Start,
            records: 0,
            lines: 0,
            ended: false,
            findings: Findings::default(),
        }
    }

    /// Takes the next piece, of any size.
    pub fn feed(&mut self, mut piece: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (record, rest) = (&piece[..end], &piece[end + 1..]);
            piece = rest;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.partial.is_empty() && record.len() <= RECORD_BYTES_MAX {
                self.record(record);
            } else if self.keep(record) {
                let whole = std::mem::take(&mut self.partial);
                self.record(&whole);
                self.partial = whole;
                self.partial.clear();
            } else {
                self.skipping = false;
            }
        }
        if !self.skipping {
            self.keep(piece);
        }
    }

    /// Adds to the record being read, or begins to drop it.
    fn keep(&mut self, piece: &[u8]) -> bool {
        if self.partial.len() + piece.len() <= RECORD_BYTES_MAX {
            self.partial.extend_from_slice(piece);
            return true;
        }
        self.partial = Vec::new();
        self.skipping = true;
        self.records += 1;
        self.malformed("is longer than any record");
        false
    }

    /// Says what was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if !self.partial.is_empty() && self.ended {
            self.records += 1;
            self.malformed("follows the end");
        }
        let ended = self.ended;
        match self.state {
            State::Full(mut verifier) => {
                if !ended {
                    verifier.truncate();
                }
                verifier.finish()
            }
            State::Tenant(mut verifier) => {
                if !ended {
                    verifier.truncate();
                }
                verifier.finish()
            }
            State::Start | State::Header { .. } | State::Refused => {
                if !matches!(self.state, State::Refused) {
                    self.findings.add(BUNDLE_TRUNCATED, &At::default(), "the bundle stops before it begins");
                }
                Report::of_nothing(&self.root, &self.memory, self.findings)
            }
        }
    }

    fn record(&mut self, record: &[u8]) {
        self.records += 1;
        if self.ended {
            return self.malformed("follows the end");
        }
        // Most records are lines: they are not looked at here, not even whether they are text.
        if let Some(line) = record.strip_prefix(b"line ") {
            self.lines += 1;
            match &mut self.state {
                State::Full(verifier) => return verifier.line(line),
                State::Tenant(verifier) => return verifier.line(line),
                _ => {}
            }
        }
        let Ok(text) = std::str::from_utf8(record) else { return self.malformed("is not text") };
        let (tag, rest) = text.split_once(' ').unwrap_or((text, ""));
        match &mut self.state {
            State::Start => match text {
                FULL => self.state = State::Header { full: true },
                TENANT => self.state = State::Header { full: false },
                _ => {
                    self.findings.add(BUNDLE_VERSION, &At::default(), "the first record is not that of a bundle");
                    self.state = State::Refused;
                }
            },
            State::Header { full } => match Origin::parse(rest) {
                Ok(origin) if tag == "origin" => {
                    let (root, findings) = (&self.root, std::mem::take(&mut self.findings));
                    let memory = std::mem::take(&mut self.memory);
                    self.state = if *full {
                        State::Full(Box::new(Verifier::with_findings(&origin, root, memory, findings)))
                    } else {
                        State::Tenant(Box::new(TenantVerifier::with_findings(&origin, root, memory, findings)))
                    };
                }
                _ => {
                    self.malformed("is not the origin");
                    self.state = State::Refused;
                }
            },
            State::Full(_) | State::Tenant(_) if tag == "end" => {
                self.ended = true;
                let lines = self.lines;
                match parse_decimal(rest) {
                    Some(count) if count == lines => {}
                    Some(count) => {
                        let detail = Detail::unequal("it holds another number of lines than it says", count, lines);
                        self.add_finding(BUNDLE_COUNT, detail);
                    }
                    None => self.malformed("has no count"),
                }
            }
            State::Full(verifier) => {
                if full_record(verifier, tag, rest).is_none() {
                    self.malformed("is no record of a full bundle");
                }
            }
            State::Tenant(verifier) => {
                if tenant_record(verifier, tag, rest).is_none() {
                    self.malformed("is no record of one log's bundle");
                }
            }
            State::Refused => {}
        }
    }

    #[cfg_attr(feature = "testing", track_caller)]
    fn malformed(&mut self, why: &str) {
        self.add_finding(BUNDLE_RECORD, format!("record {} {why}", self.records).into());
    }

    #[cfg_attr(feature = "testing", track_caller)]
    fn add_finding(&mut self, code: FindingCode, detail: Detail) {
        match &mut self.state {
            State::Full(verifier) => verifier.add_finding(code, detail),
            State::Tenant(verifier) => verifier.add_finding(code, detail),
            _ => self.findings.keep(code, &At { place: self.records, ..At::default() }, detail),
        }
    }
}

/// Hands one record to the verifier; `None` if it has not the form its tag asks for.
fn full_record(verifier: &mut Verifier, tag: &str, rest: &str) -> Option<()> {
    match tag {
        "generation" => {
            let (k, previous) = generation(rest)?;
            verifier.generation(k, previous);
        }
        "tenant" => {
            let [position, tenant_ref, status] = split(rest)?;
            verifier.tenant(u32_from(position)?, hex_array(tenant_ref)?, status_from(status)?);
        }
        "epoch" => verifier.epoch(&base64_decode(rest)?),
        "commit" => {
            let [leaf, blind] = split(rest)?;
            verifier.commit(&base64_decode(leaf)?, &hex_array(blind)?);
        }
        "checkpoint" => verifier.checkpoint(&base64_decode(rest)?),
        _ => return None,
    }
    Some(())
}

fn tenant_record(verifier: &mut TenantVerifier, tag: &str, rest: &str) -> Option<()> {
    match tag {
        "generation" => {
            let (k, previous) = generation(rest)?;
            verifier.generation(k, previous);
        }
        "epoch" => verifier.epoch(&base64_decode(rest)?),
        "log" => {
            let [position, tenant_ref] = split(rest)?;
            verifier.log(u32_from(position)?, hex_array(tenant_ref)?);
        }
        "head" => {
            let [size, root, status] = split(rest)?;
            verifier.head(parse_decimal(size)?, hash_from(root)?, status_from(status)?);
        }
        "heads-proof" => {
            let (size, proof) = rest.split_once(' ').unwrap_or((rest, ""));
            verifier.heads_proof(parse_decimal(size)?, hashes_from(proof)?);
        }
        "commit-leaf" => verifier.commit_leaf(&base64_decode(rest)?),
        "commit-proof" => verifier.commit_proof(hashes_from(rest)?),
        "checkpoint" => verifier.checkpoint(&base64_decode(rest)?),
        _ => return None,
    }
    Some(())
}

fn split<const N: usize>(rest: &str) -> Option<[&str; N]> {
    let mut parts = rest.split(' ');
    let mut fields = [""; N];
    for field in &mut fields {
        *field = parts.next()?;
    }
    parts.next().is_none().then_some(fields)
}

fn generation(rest: &str) -> Option<(u32, Option<PreviousGeneration>)> {
    let [k, size, root] = split(rest)?;
    let previous = match (size, root) {
        ("0", "-") => None,
        _ => Some(PreviousGeneration { size: parse_decimal(size)?, root: hash_from(root)? }),
    };
    Some((u32_from(k)?, previous))
}

fn u32_from(text: &str) -> Option<u32> {
    u32::try_from(parse_decimal(text)?).ok()
}

fn status_from(text: &str) -> Option<LogStatus> {
    LogStatus::from_code(u8::try_from(parse_decimal(text)?).ok()?)
}

fn hash_from(text: &str) -> Option<Hash> {
    Hash::from_slice(&base64_decode(text)?)
}

/// A proof's hashes; `""` is a proof of none.
fn hashes_from(text: &str) -> Option<Vec<Hash>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let hashes: Vec<_> = text.split(' ').take(PROOF_HASHES_MAX + 1).map(hash_from).collect::<Option<_>>()?;
    (hashes.len() <= PROOF_HASHES_MAX).then_some(hashes)
}
