//! Reading the stored log in its order, for whoever verifies or exports it.
//!
//! The order is that of the full bundle (`docs/formats.md` §8): per generation its starting logs, then
//! each commit with the lines it wrote, certificates where the head log they have seen is reached, and
//! the newest checkpoint. What is read is handed on unchecked.

use strongroom_log::{EpochCertificate, FullBundleWriter, Hash, LogStatus, Note, Origin, PreviousGeneration, Verifier};

use crate::{
    Code, Error, Result,
    store::{CommitRow, EpochRow, GenerationRow, LineRow, Snapshot, TenantNumber},
};

/// Commits and lines read at a time.
const CHUNK: usize = 1_024;

/// Takes the records of the log, in order.
pub(super) trait Records {
    fn generation(&mut self, number: u32, previous: Option<&PreviousGeneration>);
    fn tenant(&mut self, position: u32, tenant_ref: &[u8; 16], status: LogStatus);
    fn epoch(&mut self, note: &[u8]);
    fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]);
    fn line(&mut self, row: &LineRow);
    fn checkpoint(&mut self, note: &[u8]);
    /// After each chunk: how many lines of how many have been read.
    fn progress(&mut self, lines: u64, of: u64) -> Result<()>;
}

impl Records for Verifier {
    fn generation(&mut self, number: u32, previous: Option<&PreviousGeneration>) {
        Self::generation(self, number, previous.copied());
    }

    fn tenant(&mut self, position: u32, tenant_ref: &[u8; 16], status: LogStatus) {
        Self::tenant(self, position, *tenant_ref, status);
    }

    fn epoch(&mut self, note: &[u8]) {
        Self::epoch(self, note);
    }

    fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]) {
        Self::commit(self, leaf, blind);
    }

    fn line(&mut self, row: &LineRow) {
        Self::line(self, &row.line);
    }

    fn checkpoint(&mut self, note: &[u8]) {
        Self::checkpoint(self, note);
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

/// Writes a bundle to a file as it goes.
pub(super) struct ToFile<'a, W> {
    pub(super) bundle: FullBundleWriter,
    pub(super) file: &'a mut W,
}

impl<W: std::io::Write> Records for ToFile<'_, W> {
    fn generation(&mut self, number: u32, previous: Option<&PreviousGeneration>) {
        self.bundle.generation(number, previous);
    }

    fn tenant(&mut self, position: u32, tenant_ref: &[u8; 16], status: LogStatus) {
        self.bundle.tenant(position, tenant_ref, status);
    }

    fn epoch(&mut self, note: &[u8]) {
        self.bundle.epoch(note);
    }

    fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]) {
        self.bundle.commit(leaf, blind);
    }

    fn line(&mut self, row: &LineRow) {
        self.bundle.line(&row.line);
    }

    fn checkpoint(&mut self, note: &[u8]) {
        self.bundle.checkpoint(note);
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<()> {
        let bytes = self.bundle.take();
        self.file
            .write_all(&bytes)
            .map_err(|error| Error::new(Code::FileUnreadable).detail("the bundle").caused_by(error))
    }
}

/// Reads the whole log, of all generations, up to the head that the snapshot shows.
pub(super) fn replay(snapshot: &mut dyn Snapshot, origin: &Origin, to: &mut dyn Records) -> Result<()> {
    let head = snapshot.head()?;
    let total = head.as_ref().map_or(0, |head| head.last_seq);
    let generations = snapshot.generations()?;
    let sys = snapshot.deployment()?.ok_or(Code::DeploymentUnfinished)?.sys_ref;
    let mut lines = Lines { snapshot_lines: Vec::new(), next: 0, read_to: 0 };
    for (index, generation) in generations.iter().enumerate() {
        let last = generations.get(index + 1);
        to.generation(generation.number, previous(generation).as_ref());
        if generation.number == 1 {
            to.tenant(TenantNumber::SYS.0, sys.as_bytes(), LogStatus::Open);
        } else {
            for (number, tenant, status) in snapshot.generation_tenants(generation.number)? {
                to.tenant(number.0, tenant.as_bytes(), LogStatus::from_code(status).unwrap_or(LogStatus::Closed));
            }
        }
        let mut epochs = epochs_of(snapshot, &origin.at_generation(generation.number))?.into_iter().peekable();
        let end = last.map_or(u64::MAX, |next| next.after_commit);
        let (mut after, mut size) = (generation.after_commit, 0);
        lines.read_to = generation.after_seq;
        lines.snapshot_lines.clear();
        lines.next = 0;
        'commits: loop {
            let commits = snapshot.commits(after, CHUNK)?;
            if commits.is_empty() {
                break;
            }
            for commit in &commits {
                if commit.id > end {
                    break 'commits;
                }
                while let Some((_, row)) = epochs.next_if(|(seen, _)| *seen <= size) {
                    to.epoch(&row.certificate);
                }
                to.commit(&commit.leaf, &commit.blind);
                lines.up_to(snapshot, commit, to)?;
                after = commit.id;
                size += 1;
            }
            to.progress(lines.read_to, total)?;
        }
        // Lines that no commit owns are somebody's addition: the verifier is to see them.
        let line_end = last.map_or(u64::MAX, |next| next.after_seq);
        lines.rest(snapshot, line_end, to)?;
        for (_, row) in epochs {
            to.epoch(&row.certificate);
        }
        let checkpoint = match last {
            Some(_) => generation.checkpoint.clone(),
            None => head.as_ref().map(|head| head.checkpoint.clone()).unwrap_or_default(),
        };
        to.checkpoint(&checkpoint);
        to.progress(lines.read_to, total)?;
    }
    Ok(())
}

/// The certificates of a generation, with the size of the head log that each has seen, in that order.
fn epochs_of(snapshot: &mut dyn Snapshot, origin: &Origin) -> Result<Vec<(u64, EpochRow)>> {
    let (mut epochs, mut after) = (Vec::new(), 0);
    loop {
        let rows = snapshot.epochs(after, CHUNK)?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in rows.into_iter().filter(|row| row.generation == origin.generation()) {
            // Not verified here. What cannot be read comes last, where the verifier says what is wrong with it.
            let seen = Note::parse(&row.certificate)
                .ok()
                .and_then(|note| EpochCertificate::parse(note.unverified_text(), origin).ok())
                .map_or(u64::MAX, |certificate| certificate.seen_size);
            epochs.push((seen, row));
        }
    }
    epochs.sort_by_key(|(seen, row)| (*seen, row.id));
    Ok(epochs)
}

fn previous(generation: &GenerationRow) -> Option<PreviousGeneration> {
    generation.previous_root.map(|root| PreviousGeneration { size: generation.previous_size, root: Hash::from(root) })
}

/// Lines, read ahead a chunk at a time.
struct Lines {
    snapshot_lines: Vec<LineRow>,
    next: usize,
    read_to: u64,
}

impl Lines {
    /// Hands on the lines of one commit.
    fn up_to(&mut self, snapshot: &mut dyn Snapshot, commit: &CommitRow, to: &mut dyn Records) -> Result<()> {
        self.hand_on(snapshot, commit.last_seq, to)
    }

    fn rest(&mut self, snapshot: &mut dyn Snapshot, end: u64, to: &mut dyn Records) -> Result<()> {
        self.hand_on(snapshot, end, to)
    }

    fn hand_on(&mut self, snapshot: &mut dyn Snapshot, end: u64, to: &mut dyn Records) -> Result<()> {
        loop {
            if self.next == self.snapshot_lines.len() {
                self.snapshot_lines = snapshot.lines(self.read_to, CHUNK)?;
                self.next = 0;
            }
            let Some(row) = self.snapshot_lines.get(self.next).filter(|row| row.seq <= end) else { return Ok(()) };
            to.line(row);
            self.read_to = row.seq;
            self.next += 1;
        }
    }
}
