//! What an anchor says about the log that is found: its beginning, or more than there is.

use strongroom_log::{Anchor, Hash, leaf_hash, sha256};

use super::{AnchorPlace, file, keeper::Facts};
use crate::{
    Code, DeploymentId, Error, Result,
    store::{GenerationRow, Snapshot},
};

/// Commits read at a time.
const CHUNK: usize = 1_024;

/// What an anchor remembers, and the hash of its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knowledge {
    pub(crate) generation: u32,
    pub(crate) size: u64,
    pub(crate) hash: Hash,
}

/// An anchor that this deployment wrote.
#[derive(Debug)]
pub(crate) enum Examined {
    /// The log begins with what it remembers.
    Begins(Knowledge),
    /// The log does not: an older database, or another course of things.
    Beyond(Knowledge, Error),
}

/// Reads an anchor and compares it with the log.
pub(crate) fn examine(place: &AnchorPlace, facts: &Facts) -> Result<Examined> {
    let bytes = file::read(place, facts)?.ok_or_else(|| missing(place))?;
    let anchor = authentic(place, &bytes, facts)?;
    let (generation, size) = (anchor.origin().generation(), anchor.frontier().size());
    let knowledge = Knowledge { generation, size, hash: sha256(&bytes) };
    // Only now, so that what another process writes to both meanwhile makes the log longer, not the anchor.
    let mut snapshot = facts.store.snapshot()?;
    Ok(match is_beginning(&anchor, &mut *snapshot)? {
        true => Examined::Begins(knowledge),
        false => Examined::Beyond(knowledge, beyond(place, &anchor, &mut *snapshot)?),
    })
}

/// The anchor, if this deployment wrote it.
pub(super) fn authentic(place: &AnchorPlace, bytes: &[u8], facts: &Facts) -> Result<Anchor> {
    let invalid = |error| Error::new(Code::AnchorInvalid).detail(format!("{place}: {error}"));
    let anchor = Anchor::parse(bytes).map_err(invalid)?;
    if anchor.deployment() != facts.deployment.as_bytes() || anchor.origin().first() != facts.origin.first() {
        return Err(Error::new(Code::AnchorForeign).detail(place.to_string()));
    }
    anchor.verify(&facts.root_key).map_err(invalid)?;
    Ok(anchor)
}

pub(super) fn missing(place: &AnchorPlace) -> Error {
    Error::new(Code::AnchorMissing).detail(place.to_string())
}

/// Refuses an anchor's place where there is a file, before a deployment is made; unless an earlier `init` of the same
/// deployment left it.
pub(crate) fn demand_free(place: &AnchorPlace, own: Option<DeploymentId>) -> Result<()> {
    // In the device it has the deployment's id for a name, which is new.
    let Some(path) = place.path() else { return Ok(()) };
    let Some(bytes) = file::read_file(place, path)? else { return Ok(()) };
    match Anchor::parse(&bytes) {
        Ok(anchor) if own.is_some_and(|own| own.as_bytes() == anchor.deployment()) => Ok(()),
        _ => Err(Error::new(Code::AnchorExists).detail(place.to_string())),
    }
}

/// Whether the log begins with what the anchor remembers: from its frontier on, the leaves that are stored must lead to
/// the root that the log has, or in an earlier generation ended with.
fn is_beginning(anchor: &Anchor, snapshot: &mut dyn Snapshot) -> Result<bool> {
    let generation = anchor.origin().generation();
    let Some(head) = snapshot.head()? else { return Ok(false) };
    let generations = snapshot.generations()?;
    let of = |number: u32| generations.iter().find(|row: &&GenerationRow| row.number == number);
    let Some(own) = of(generation) else { return Ok(false) };
    let (size, root) = if generation == head.generation {
        (head.commits, crate::audit::read_frontier(&head.frontier)?.root())
    } else {
        let Some(next) = of(generation.saturating_add(1)) else { return Ok(false) };
        let Some(root) = next.previous_root else { return Ok(false) };
        (next.previous_size, Hash::from(root))
    };
    let mut frontier = anchor.frontier().clone();
    while frontier.size() < size {
        let commits = snapshot.commits(own.after_commit.saturating_add(frontier.size()), CHUNK)?;
        if commits.is_empty() {
            return Ok(false);
        }
        let left = usize::try_from(size - frontier.size()).unwrap_or(usize::MAX);
        for commit in commits.iter().take(left) {
            frontier.append(leaf_hash(&commit.leaf));
        }
    }
    Ok(frontier.size() == size && frontier.root() == root)
}

fn beyond(place: &AnchorPlace, anchor: &Anchor, snapshot: &mut dyn Snapshot) -> Result<Error> {
    let (generation, size) = (anchor.origin().generation(), anchor.frontier().size());
    let found = snapshot.head()?.map_or((0, 0), |head| (head.generation, head.commits));
    let (here, last) = found;
    Ok(Error::new(Code::LogRolledBack).detail(format!(
        "{place} remembers {size} commits of generation {generation}; here are {last} of generation {here}, or others"
    )))
}
