//! What the lines of one log say of rows, in their order, with the chain checked on the way.

use std::fmt;

use strongroom_log::{Frontier, Hash, Line, hex_encode, leaf_hash, parse_line};

use super::parse_hash;
use crate::{Code, Error, Result, audit::log_origin, keys::RowHash, room::Step, store::TenantNumber};

/// Lines read at a time.
const CHUNK: usize = 1_024;

/// The last that the lines say of a row.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) hash: RowHash,
    pub(super) revision: u64,
    generation: u32,
    seq: u64,
}

impl Logged {
    /// Of a line's `row` or `vrow`.
    pub(super) fn new(row: (&str, u64), at: Position) -> Self {
        Self { hash: parse_hash(row.0), revision: row.1, generation: at.generation, seq: at.seq }
    }

    /// Whether this line comes after that one.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        (self.generation, self.seq) > (other.generation, other.seq)
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} names revision {}", self.seq, self.revision)?;
        if self.generation > 1 { write!(f, " (generation {})", self.generation) } else { Ok(()) }
    }
}

/// Where a line is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    generation: u32,
    seq: u64,
}

/// Reads the log of the step's tenant through all generations, and hands on the lines of what was done.
/// Says how many lines there are.
pub(super) fn read(step: &mut Step<'_>, mut take: impl FnMut(&Line<'_>, Position)) -> Result<u64> {
    let (number, tenant) = (step.tenant.number, step.tenant.tenant);
    let mut lines = 0;
    for generation in step.snapshot.generations()? {
        let generation = generation.number;
        let origin = log_origin(number, tenant, &step.room.origin.at_generation(generation));
        let mut chain = Chain { frontier: Frontier::new(), prev: None };
        loop {
            let from = chain.frontier.size();
            let rows = step.snapshot.lines_of(number, generation, from, CHUNK)?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let seq = chain.frontier.size();
                let line = parse_line(&row.line).ok().filter(|line| line.seq == seq && line.log == origin.as_str());
                let line = line.filter(|line| chain.continues(line)).ok_or_else(|| broken(generation, seq))?;
                if line.ok && line.ph == strongroom_log::Phase::Result {
                    take(&line, Position { generation, seq });
                }
                chain.append(&row.line);
            }
        }
        lines += chain.frontier.size();
        if generation == step.room.origin.generation() {
            whole(step, number, &chain.frontier)?;
        }
    }
    Ok(lines)
}

/// Refuses a log whose lines are not those of its stored head.
fn whole(step: &mut Step<'_>, number: TenantNumber, ours: &Frontier) -> Result<()> {
    let head = step.snapshot.log_head(number)?;
    if head.is_some_and(|head| head.frontier == ours.to_bytes()) {
        return Ok(());
    }
    Err(broken(step.room.origin.generation(), ours.size()))
}

fn broken(generation: u32, seq: u64) -> Error {
    let generation = if generation > 1 { format!(" of generation {generation}") } else { String::new() };
    Error::new(Code::LogBroken).detail(format!("line {seq}{generation}: the state cannot be compared with it"))
}

struct Chain {
    frontier: Frontier,
    prev: Option<Hash>,
}

impl Chain {
    /// Whether a line names the one before it. What the first one names is for the verifier to say.
    fn continues(&self, line: &Line<'_>) -> bool {
        self.prev.is_none_or(|prev| line.prev == hex_encode(prev.as_bytes()))
    }

    fn append(&mut self, line: &[u8]) {
        let leaf = leaf_hash(line);
        self.frontier.append(leaf);
        self.prev = Some(leaf);
    }
}
