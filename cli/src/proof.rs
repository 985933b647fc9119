//! `audit prove` and `audit verify-proof`: single lines proven to somebody else, and that held against a receipt.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Serialize};
use strongroom::{Code, Error, Prove, Timestamp};
use strongroom_log::{
    EntryProof, EntryProofError, PROOF_FILE_BYTES_MAX, ProvenEntry, Receipt, ReceiptMismatch, RootKey,
};

use crate::{
    app::App,
    audit::{Which, parse_root},
    failure::Failure,
    files::Target,
    input,
    output::{self, ReceiptJson, Table},
    progress,
};

/// Prove to somebody else that one line stands in the log
///
/// The proof is a small text file. Whoever has the root key verifies it offline with `audit verify-proof`: that
/// this line is in this log, under a checkpoint that the device vouches for. It tells nothing of other lines
/// or other tenants, and names nobody: handles and keyed hashes, as they are stored.
///
/// With a receipt that was kept (`-o json` prints it with every reply), the line that it is of is proven, or
/// the log contradicts it; then it was changed. Lines of a generation that a restore has ended are not proven
/// singly. Proving is recorded too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit prove --tenant acme 42 --file line-42.proof
  strongroom audit prove --deployment 7 > line-7.proof
  strongroom secret put db/password -o json < password | jq .receipt > kept.json
  strongroom audit prove --receipt kept.json --file kept.proof")]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    which: Which,
    /// The line, as `audit show` numbers it
    #[arg(required_unless_present = "receipt", conflicts_with = "receipt")]
    seq: Option<u64>,
    /// Prove the line of this receipt: a JSON file with it, or with a reply that has it
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Write the proof to this new file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    force: bool,
}

#[derive(Serialize)]
struct ProveReply<'a> {
    log: &'a str,
    seq: u64,
    leaf: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    receipt: ReceiptJson<'a>,
}

impl ProveArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let line = match (&self.receipt, self.seq) {
            (Some(file), _) => Prove::from(read_receipt(file)?),
            (None, seq) => Prove::from(seq.unwrap_or_default()),
        };
        let target = Target::new(self.file.as_deref(), self.force)?;
        let spinner = progress::spinner("proving");
        let made = self.which.in_audit(app, async |audit| Ok(audit.prove(line).await?));
        spinner.finish_and_clear();
        let made = made?;
        let text = made.proof.write();
        let line = made.proof.unverified_line();
        let parsed = strongroom_log::parse_line(line.as_bytes()).map_err(output::internal)?;
        let receipt = &made.receipt;
        let mut reply = ProveReply {
            log: parsed.log,
            seq: parsed.seq,
            leaf: strongroom_log::leaf_hash(line.as_bytes()).to_string(),
            proof: None,
            file: None,
            receipt: receipt.into(),
        };
        let Target::File { path, .. } = target else {
            reply.proof = Some(&text);
            return app.out.reply(&reply, || text.clone());
        };
        target.write(text.as_bytes())?;
        reply.file = Some(path.display().to_string());
        app.out.done(&reply, || {
            let (file, bytes) = (path.display(), text.len());
            format!("wrote {file}, {bytes} bytes, the proof of line {} {}", reply.seq, output::recorded(receipt))
        })
    }
}

/// Verify a proof that `audit prove` wrote, with nothing but the root key
///
/// It needs no deployment, no device and no network. What is proven is that the line stands in the log, not
/// that the log is whole: `audit verify` of a bundle does that.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit verify-proof line-42.proof --root 'example.com/keys/root+1a2b3c4d+…'
  strongroom audit verify-proof kept.proof --root \"$ROOT\" --receipt kept.json
  strongroom audit verify-proof - --root \"$ROOT\" -o json < line-42.proof | jq -r .line

Exit codes: 0 proven; 5 no proof, or no receipt of this line; 8 it does not hold, or the receipt contradicts it.")]
pub(crate) struct VerifyProofArgs {
    /// The proof; - for stdin
    file: PathBuf,
    /// The root key: the vkey that `init` printed, or the public key in hex
    #[arg(long, value_name = "VKEY", env = "STRONGROOM_ROOT_KEY", hide_env_values = true)]
    root: String,
    /// A receipt that was kept, which must be of this line: a JSON file with it, or with a reply that has it
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
}

#[derive(Serialize)]
struct ProvenReply<'a> {
    ok: bool,
    root: String,
    log: &'a str,
    seq: u64,
    leaf: String,
    time: String,
    act: &'a str,
    code: &'a str,
    line: &'a str,
    commits: u64,
    commit_time: String,
    checkpoint: &'a str,
    /// Whether a receipt was given; if so, it is of this line.
    of_receipt: bool,
}

#[derive(Serialize)]
struct RefusedReply {
    ok: bool,
    finding: &'static str,
    detail: String,
}

/// What is wrong: with the proof, or with the receipt beside it.
enum Refused {
    Proof(EntryProofError),
    Receipt(ReceiptMismatch),
}

impl VerifyProofArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let root = parse_root(&self.root)?;
        let receipt = self.receipt.as_deref().map(read_receipt).transpose()?;
        let bytes = read_proof(&self.file)?;
        let refused = match EntryProof::parse(&bytes) {
            Ok(proof) => match hold(&proof, &root, receipt.as_ref()) {
                Ok(proven) => return reply(app, &proven, &root, receipt.is_some()),
                Err(refused) => refused,
            },
            Err(error) if error.is_no_proof() => return Err(Error::new(Code::ProofInvalid).into()),
            Err(error) => Refused::Proof(error),
        };
        let (finding, detail, code) = match refused {
            Refused::Proof(error) => (error.code(), error.to_string(), Code::ProofBroken),
            Refused::Receipt(mismatch) if mismatch.is_contradiction() => {
                (mismatch.code(), mismatch.to_string(), Code::ReceiptContradicted)
            }
            Refused::Receipt(mismatch) => (mismatch.code(), mismatch.to_string(), Code::ReceiptInvalid),
        };
        let reply = RefusedReply { ok: false, finding, detail };
        app.out.reply(&reply, || format!("NOT PROVEN\n  {finding}: {}\n", reply.detail))?;
        Err(Error::new(code).detail(finding).into())
    }
}

fn hold<'a>(proof: &'a EntryProof, root: &RootKey, receipt: Option<&Receipt>) -> Result<ProvenEntry<'a>, Refused> {
    let proven = proof.verify(root).map_err(Refused::Proof)?;
    match receipt.map(|receipt| proven.matches(receipt)) {
        Some(Err(mismatch)) => Err(Refused::Receipt(mismatch)),
        _ => Ok(proven),
    }
}

fn reply(app: &App, proven: &ProvenEntry<'_>, root: &RootKey, receipt: bool) -> Result<(), Failure> {
    let (line, commits) = (proven.parsed(), proven.checkpoint().size);
    let (time, commit_time) = (Timestamp(line.ts), Timestamp(proven.commit_time()));
    let json = ProvenReply {
        ok: true,
        root: root.to_string(),
        log: line.log,
        seq: line.seq,
        leaf: proven.leaf().to_string(),
        time: output::exact_time(time),
        act: line.act,
        code: line.code,
        line: proven.line(),
        commits,
        commit_time: output::exact_time(commit_time),
        checkpoint: proven.checkpoint_note(),
        of_receipt: receipt,
    };
    app.out.reply(&json, || {
        let mut table = Table::new();
        table.row(["log", line.log]);
        table.row(["line", &line.seq.to_string()]);
        table.row(["time", &output::time(time)]);
        table.row(["what", &format!("{} {}", line.act, line.code)]);
        table.row(["leaf", &json.leaf]);
        table.row([
            "under",
            &format!("{}, the last at {}", output::count(commits, "commit"), output::time(commit_time)),
        ]);
        table.row(["root key", &json.root]);
        table.row(["receipt", if receipt { "it is of this line" } else { "none given" }]);
        format!("PROVEN\n\n{}\n{}\n", table.finish(), proven.line())
    })
}

/// A reply as far as it is read: it may have a secret's value in it, of which no copy is made.
#[derive(Deserialize)]
struct Reply {
    receipt: Receipt,
}

/// A receipt, alone or in the reply that it came with.
fn read_receipt(file: &Path) -> Result<Receipt, Failure> {
    let document = input::read_reply(file)?;
    serde_json::from_slice::<Reply>(&document)
        .map(|reply| reply.receipt)
        .or_else(|_| serde_json::from_slice(&document))
        .map_err(|_| Error::new(Code::ReceiptInvalid).detail(file.display().to_string()).into())
}

/// Reads a proof, and of a file that is longer than any not more than shows that.
fn read_proof(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let unreadable = |error: std::io::Error| {
        Error::new(Code::FileUnreadable).detail(format!("{}: {}", file.display(), error.kind()))
    };
    input::open(file)?.take(PROOF_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
