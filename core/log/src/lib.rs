//! Strongroom's audit log as a format: what each byte is, and how to tell that none has changed.
//!
//! Lines, trees, heads, commits, signed notes, epoch certificates and bundles, as `docs/formats.md` lays them down, with
//! the verification of all of them. The service writes its log with these types, and the offline verifier links nothing
//! else: there is no I/O here, no database, no device, no clock and no randomness. Those are arguments.

#![forbid(unsafe_code)]

mod anchor;
mod bundle;
mod checkpoint;
mod codec;
mod commit;
mod enc;
mod entry_proof;
mod epoch;
mod error;
mod hash;
mod heads;
mod labels;
mod line;
mod note;
mod origin;
mod proof;
mod prover;
mod receipt;
mod report;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;
mod verify;
mod vkey;

pub use anchor::{ANCHOR_BYTES_MAX, Anchor};
pub use bundle::{BundleReader, FullBundleWriter, RECORD_BYTES_MAX, TenantBundleWriter, TenantProof, verify};
pub use checkpoint::Checkpoint;
pub use codec::{base64_decode, base64_encode, hex_array, hex_encode, hex_encode_into};
pub use commit::{COMMIT_LEAF_BYTES, CommitLeaf, stats_hash};
pub use enc::Enc;
pub use entry_proof::{
    EntryProof, EntryProofError, PROOF_BYTES_MAX, PROOF_FILE_BYTES_MAX, ProvenEntry, ReceiptMismatch,
};
pub use epoch::{EpochCertificate, EpochFingerprint};
pub use error::FormatError;
pub use hash::{Hash, empty_root, leaf_hash, node_hash, sha256};
pub use heads::{HEADS_LEAVES_MAX, HEADS_LEAVES_MIN, HeadsTree, LogStatus, TenantHead};
pub use labels::Label;
pub use line::{
    ActorKind, INTEGER_MAX, LINE_BYTES_MAX, Line, LineBuildError, LineBuilder, LineError, LineObject, LineReason,
    LineTemplate, Object, Outcome, Phase, RowChange, Who, parse_line,
};
pub use note::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError, sign_note, verify_note, write_note};
pub use origin::{LogOrigin, ORIGIN_BYTES_MAX, Origin, PreviousGeneration, genesis_hash};
pub use proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use prover::InclusionProver;
pub use receipt::Receipt;
pub use report::{
    Completeness, FINDING_CODES, FINDINGS_MAX, Finding, FindingCode, Range, Remembered, Report, ReportText, Verdict,
};
pub use tree::{Frontier, tree_root};
pub use verify::{Memory, TenantVerifier, Verifier};
pub use vkey::{RootKey, VerifyingKey};
