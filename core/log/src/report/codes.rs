//! The kinds of findings. Their codes are stable, listed here once and never reused.

use super::Verdict;

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingCode {
    /// Its stable name.
    pub name: &'static str,
    /// What it means for the verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub sentence: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal, $verdict:ident, $sentence:literal;)*) => {
        $(pub(crate) const $constant: FindingCode =
            FindingCode { name: $name, verdict: Verdict::$verdict, sentence: $sentence };)*

        /// Every kind of finding there is.
        pub const FINDING_CODES: &[FindingCode] = &[$($constant),*];
    };
}

codes! {
    BUNDLE_COUNT = "BUNDLE-COUNT", Tampered, "the bundle holds another number of lines than it says";
    BUNDLE_RECORD = "BUNDLE-RECORD", Tampered, "a record of the bundle is malformed or out of place";
    BUNDLE_TRUNCATED = "BUNDLE-TRUNCATED", Incomplete, "the bundle stops before its end";
    BUNDLE_VERSION = "BUNDLE-VERSION", Unverifiable, "this is no bundle of a version we know";
    CHECKPOINT_FORMAT = "CHECKPOINT-FORMAT", Tampered, "the checkpoint is malformed";
    CHECKPOINT_MISSING = "CHECKPOINT-MISSING", Incomplete, "no checkpoint covers the commits";
    CHECKPOINT_ORIGIN = "CHECKPOINT-ORIGIN", Tampered, "the checkpoint is another log's";
    CHECKPOINT_ROOT = "CHECKPOINT-ROOT", Tampered, "the commits are not those the checkpoint signs";
    CHECKPOINT_SIGNATURE = "CHECKPOINT-SIGNATURE", Tampered, "the checkpoint is not signed by the epoch of its last commit";
    CHECKPOINT_SIZE = "CHECKPOINT-SIZE", Tampered, "the checkpoint signs another number of commits";
    COMMIT_EMPTY = "COMMIT-EMPTY", Tampered, "a commit has no lines";
    COMMIT_FORMAT = "COMMIT-FORMAT", Tampered, "a commit's leaf is malformed";
    COMMIT_HEADS = "COMMIT-HEADS", Tampered, "the lines up to a commit are not those it signs";
    COMMIT_PROOF = "COMMIT-PROOF", Tampered, "the commit is not proven to be the checkpoint's last";
    COMMIT_SEQ = "COMMIT-SEQ", Tampered, "a commit is missing, repeated or out of order";
    COMMIT_STATS = "COMMIT-STATS", Tampered, "a commit counts other tenants or lines than there are";
    COMMIT_TIME = "COMMIT-TIME", Tampered, "a commit is older than the one before it";
    EPOCH_CLOSED = "EPOCH-CLOSED", Tampered, "an epoch signs after it was closed";
    EPOCH_DUPLICATE = "EPOCH-DUPLICATE", Tampered, "an epoch is certified or opened twice";
    EPOCH_EXPIRED = "EPOCH-EXPIRED", Tampered, "an epoch signs before it opens or after its hard limit";
    EPOCH_FORMAT = "EPOCH-FORMAT", Tampered, "an epoch certificate is malformed or another deployment's";
    EPOCH_SEEN = "EPOCH-SEEN", Tampered, "an epoch certificate saw another log than this";
    EPOCH_SIGNATURE = "EPOCH-SIGNATURE", Tampered, "an epoch certificate is not signed by the root key";
    EPOCH_UNCERTIFIED = "EPOCH-UNCERTIFIED", Tampered, "an epoch has no certificate";
    EPOCH_UNOPENED = "EPOCH-UNOPENED", Tampered, "an epoch signs without a line that opens it";
    FORK = "FORK", Tampered, "the log differs from what was kept of it";
    GENERATION = "GENERATION", Tampered, "a generation does not continue the one before it";
    GENERATION_MISSING = "GENERATION-MISSING", Incomplete, "there is no generation, or not the first";
    HEAD_PROOF = "HEAD-PROOF", Tampered, "the head is not proven to be in the commit";
    HEAD_ROOT = "HEAD-ROOT", Tampered, "the lines are not those the head signs";
    HEAD_SIZE = "HEAD-SIZE", Tampered, "the head signs another number of lines";
    LINE_CHAIN = "LINE-CHAIN", Tampered, "a line and the hash that the next one carries of it differ";
    LINE_EPOCH = "LINE-EPOCH", Tampered, "a line names another epoch than its commit";
    LINE_FORMAT = "LINE-FORMAT", Tampered, "a line is not in canonical form";
    LINE_GENESIS = "LINE-GENESIS", Tampered, "a log does not start from its genesis hash";
    LINE_LOG = "LINE-LOG", Tampered, "a line is of a log that nothing explains";
    LINE_ORIGIN = "LINE-ORIGIN", Tampered, "a line is another deployment's or generation's";
    LINE_SEQ = "LINE-SEQ", Tampered, "a line is missing, repeated or out of order";
    LINE_TIME = "LINE-TIME", Tampered, "a line's time is not its commit's, or runs backwards";
    LINE_VERSION = "LINE-VERSION", Unverifiable, "a line is of a later version";
    RECEIPT_LINE = "RECEIPT-LINE", Tampered, "the line that a receipt was given for is missing or another";
    RECEIPT_ORIGIN = "RECEIPT-ORIGIN", Unverifiable, "a receipt is another deployment's";
    RECEIPT_SIGNATURE = "RECEIPT-SIGNATURE", Unverifiable, "a receipt is not signed by its epoch of this log";
    RECORD_MISSING = "RECORD-MISSING", Incomplete, "a record that every such bundle has is missing";
    REMEMBERED_FORMAT = "REMEMBERED-FORMAT", Unverifiable, "the remembered checkpoint is malformed";
    REMEMBERED_ORIGIN = "REMEMBERED-ORIGIN", Unverifiable, "the remembered checkpoint is another deployment's";
    REMEMBERED_SIGNATURE = "REMEMBERED-SIGNATURE", Unverifiable, "the remembered checkpoint is not signed by an epoch of this log";
    ROLLBACK = "ROLLBACK", Tampered, "the log is shorter than what was kept of it";
    ROOT_KEY = "ROOT-KEY", Unverifiable, "the certificates are not signed by the root key given";
    TENANT_SET = "TENANT-SET", Tampered, "the set of tenants changes in a way nothing explains";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_sorted() {
        for pair in FINDING_CODES.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }
}
