//! Every limit on what callers name, store, list and import, with its unit in its name.
//!
//! A limit is inclusive: `…_MAX` is the last value that is let through. Limits of the key device
//! stand with its seam ([`crate::device`]).

/// Longest secret path, in bytes, with its slashes. A folder's path has the same limit.
pub const PATH_BYTES_MAX: usize = 255;

/// Most segments in a secret path, the secret's own name included.
pub const PATH_SEGMENTS_MAX: usize = 16;

/// Longest tenant name, in bytes: a DNS label, so that a tenant can become a host name.
pub const TENANT_NAME_BYTES_MAX: usize = 63;

/// Longest name of an actor, in bytes, without its kind and the colon.
pub const ACTOR_NAME_BYTES_MAX: usize = 128;

/// Length of a request id, in bytes; twice as many hex digits.
pub const REQUEST_ID_BYTES: usize = 16;

/// Longest log origin, in bytes, before anything is added for a tenant or a generation.
pub const ORIGIN_BYTES_MAX: usize = 128;

/// Largest secret value, in bytes, whatever its kind.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;

/// Most labels on one secret.
pub const LABELS_MAX: usize = 64;

/// Longest name of a label, in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 63;

/// Longest value of a label, in bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 255;

/// Most entries directly in one folder, secrets and sub-folders together: they are sorted in memory.
pub const FOLDER_ENTRIES_MAX: usize = 10_000;

/// Smallest page of a listing, in entries.
pub const PAGE_ENTRIES_MIN: usize = 1;

/// Largest page of a listing, in entries.
pub const PAGE_ENTRIES_MAX: usize = 1_000;

/// Lines that one page of a query compares in vain. A page that ends before it is full has a cursor for the rest.
pub const QUERY_MISSES_MAX: usize = 4_096;

/// Audit lines that one call for statistics looks at, the newest first.
pub const STATS_LINES_MAX: u64 = 1024 * 1024;

/// Actors or secrets that one call for statistics keeps apart. It counts no further line beyond this.
pub const STATS_GROUPS_MAX: usize = 65_536;

/// Most secrets in one import: they are stored in one transaction.
pub const IMPORT_ENTRIES_MAX: usize = 10_000;

/// Largest document to import, in bytes.
pub const IMPORT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest YAML document to import, in bytes. Its library keeps all parts of a `{…}` or `[…]` at the top until it has
/// seen the end, at up to 270 bytes for each byte.
pub const IMPORT_YAML_BYTES_MAX: usize = 1024 * 1024;

/// Deepest nesting of objects, mappings or tables in a document to import, the document itself included; and of lists in
/// a YAML or TOML document.
pub const IMPORT_DEPTH_MAX: usize = PATH_SEGMENTS_MAX;

/// Operations that may be under way in a process. More callers than this wait for a place.
pub const OPERATIONS_MAX: usize = 4_096;

/// Audit lines in one commit, unless a single operation has more.
pub const COMMIT_LINES_MAX: usize = 1_024;

/// Bytes of audit lines in one commit, unless a single operation has more.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;

/// Differences between rows and log that one state check lists; the rest are counted.
pub const STATE_FINDINGS_MAX: usize = 100;

/// Tenant names whose place is remembered. More than this forgets them all.
pub const TENANT_NAMES_CACHED_MAX: usize = 100_000;

/// Actors whose rows are remembered as checked. More than this forgets them all.
pub const ACTORS_CHECKED_MAX: usize = 65_536;

/// Tenants whose rows are remembered as checked, under 1 KiB each. More than this forgets them all.
pub const TENANTS_CHECKED_MAX: usize = 8_192;

/// How often an operation is computed again because what it read has changed.
pub const STALE_ATTEMPTS_MAX: usize = 32;

/// Most reads under one lease.
pub const LEASE_READS_MAX: u64 = 1_000_000_000;

/// Longest time of one lease, in seconds.
pub const LEASE_SECONDS_MAX: u32 = 3_600;

/// Most bytes that may be read under one lease.
pub const LEASE_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;

/// Most secrets that are under lease in a process at a time.
pub const LEASED_SECRETS_MAX: usize = 4_096;

/// Most anchors of a deployment.
pub const ANCHORS_MAX: usize = 8;

/// Longest path of an anchor's file, in bytes.
pub const ANCHOR_PATH_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    /// The remedies tell users the numbers; they must not drift apart.
    #[test]
    fn the_remedies_state_these_limits() {
        for (code, numbers) in [
            (Code::PathInvalid, [PATH_BYTES_MAX, PATH_SEGMENTS_MAX]),
            (Code::SecretTooLarge, [VALUE_BYTES_MAX, VALUE_BYTES_MAX]),
            (Code::LabelInvalid, [LABELS_MAX, LABEL_NAME_BYTES_MAX]),
            (Code::FolderFull, [FOLDER_ENTRIES_MAX, FOLDER_ENTRIES_MAX]),
            (Code::LimitInvalid, [PAGE_ENTRIES_MIN, PAGE_ENTRIES_MAX]),
            (Code::ImportTooLarge, [IMPORT_ENTRIES_MAX, IMPORT_BYTES_MAX / (1024 * 1024)]),
            (Code::TenantInvalid, [1, TENANT_NAME_BYTES_MAX]),
            (Code::ActorInvalid, [1, ACTOR_NAME_BYTES_MAX]),
            (Code::ContextInvalid, [2 * REQUEST_ID_BYTES, 2 * REQUEST_ID_BYTES]),
            (Code::OriginInvalid, [ORIGIN_BYTES_MAX, ORIGIN_BYTES_MAX]),
            (Code::AnchorNameInvalid, [ANCHOR_PATH_BYTES_MAX, ANCHOR_PATH_BYTES_MAX]),
            (Code::LeaseInvalid, [1_000_000_000, LEASE_SECONDS_MAX as usize / 3_600]),
            (Code::LeaseLimit, [LEASED_SECRETS_MAX, LEASED_SECRETS_MAX]),
            (Code::AnchorLimit, [ANCHORS_MAX, ANCHORS_MAX]),
        ] {
            let remedy = code.remedy().replace(',', "");
            for number in numbers {
                let stated = remedy.split(|c: char| !c.is_ascii_digit()).any(|word| word == number.to_string());
                assert!(stated, "{}: {number} is not in {:?}", code.name(), code.remedy());
            }
        }
    }
}
