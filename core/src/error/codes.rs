//! Every error code: its class, what it says, and what to do about it.
//!
//! One table, so that codes cannot drift apart from their documentation: `docs/errors.md` is
//! printed from it. A code is never renamed and never reused for something else.

use super::Class;

macro_rules! codes {
    ($($variant:ident $name:literal $class:ident $sentence:literal $remedy:literal;)*) => {
        /// The stable name of what went wrong. See `docs/errors.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: ", $sentence)] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, such as `SR-SECRET-NOT-FOUND`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What a caller can do about it: the one closed question outer layers ask.
            pub fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// What happened, in one sentence without any caller's data.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// The next step.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    SecretNotFound "SR-SECRET-NOT-FOUND" Absent "no such secret" "check the path with `strongroom secret list`";
    VersionNotFound "SR-SECRET-VERSION-NOT-FOUND" Absent "the secret has no such version" "list its versions with `strongroom secret versions`";
    VersionUnavailable "SR-SECRET-VERSION-UNAVAILABLE" Absent "this version is disabled or deleted" "read another version, or put a new one; one that is deleted comes back with `strongroom secret undelete`, one that is disabled with `strongroom secret enable --version`";
    VersionExpired "SR-SECRET-VERSION-EXPIRED" Absent "the time of this version is over" "put a new one, read another one, or give it more time with `strongroom secret extend`";
    VersionDestroyed "SR-SECRET-VERSION-DESTROYED" Absent "the version is gone for ever: destroyed, or removed by the secret's version limit" "read another version, or put a new one; only a backup that was made before has it still";
    StageEmpty "SR-SECRET-STAGE-EMPTY" Absent "no version of the secret is in this stage" "list its versions and their stages with `strongroom secret versions`; `secret put --stage pending` makes one pending";
    VersionsFull "SR-SECRET-VERSIONS-FULL" Limited "another pending version would push the current one out of the version limit" "promote the pending version with `strongroom secret promote`, or raise the limit with --max-versions";
    VersionsInvalid "SR-SECRET-VERSIONS-INVALID" Invalid "the list of versions is empty or too long" "name 1 to 100 versions";
    SecretDisabled "SR-SECRET-DISABLED" Denied "the secret is disabled" "enable it first: `strongroom secret enable`";
    SecretExpired "SR-SECRET-EXPIRED" Denied "the time of the secret is over" "give it more time with `strongroom secret update --ttl`, or put it with one";
    SecretArchived "SR-SECRET-ARCHIVED" Denied "the secret is archived" "bring it back with `strongroom secret unarchive`";
    ExpiryInvalid "SR-SECRET-EXPIRY-INVALID" Invalid "the time of expiry is not within its bounds" "give a time that is to come, at most 36,500 days from now, such as 12h, 30d or 2030-01-31T12:00:00Z, or `never`";
    TryRejected "SR-SECRET-TRY-REJECTED" Denied "every version that was offered was rejected" "see what the other side knows; list the versions with `strongroom secret versions`, and go back to one with `strongroom secret promote --stage previous`";
    TryStopped "SR-SECRET-TRY-STOPPED" Unavailable "the check ended before it could tell whether the value is right" "make sure that the other side can be reached, and try again";
    SecretConflict "SR-SECRET-CONFLICT" Conflict "the secret changed since it was read" "read it again and retry with its present version";
    SecretExists "SR-SECRET-EXISTS" Conflict "there is a secret at the other path already" "name another path; nothing is overwritten";
    SecretTooLarge "SR-SECRET-TOO-LARGE" Invalid "the value is larger than the limit" "store at most 65,536 bytes, or store a reference";
    ValueInvalid "SR-SECRET-VALUE-INVALID" Invalid "the value is not what its type says" "give valid UTF-8 text or JSON, or store it as binary";
    VersionLimitInvalid "SR-SECRET-VERSION-LIMIT-INVALID" Invalid "the version limit is outside its bounds" "let the secret keep 1 to 1,000 versions";
    PatchInvalid "SR-SECRET-PATCH-INVALID" Invalid "the patch is not a JSON merge patch" "give JSON as in RFC 7396, nested at most 32 deep, with no name twice in one object";
    PatchUnsuitable "SR-SECRET-PATCH-UNSUITABLE" Invalid "the value cannot be patched: it is not JSON, or has a name twice in one object" "put the whole value with `strongroom secret put --json`";
    PathInvalid "SR-PATH-INVALID" Invalid "the path is not valid" "use 1 to 255 bytes, at most 16 segments of [A-Za-z0-9_.-] separated by /; a segment is never empty and never just one or two dots";
    LabelInvalid "SR-LABEL-INVALID" Invalid "a label or description is not valid" "use at most 64 labels; names of 1 to 63 bytes of [A-Za-z0-9_.-], values and descriptions without control characters within their limits";
    SecretTypeInvalid "SR-SECRET-TYPE-INVALID" Invalid "there is no such type of secret" "use generic, database-password, api-key, certificate, token or ssh-key";
    OwnerInvalid "SR-SECRET-OWNER-INVALID" Invalid "the owner is not valid" "use at most 255 bytes without control characters";
    RotationInvalid "SR-SECRET-ROTATION-INVALID" Invalid "the rotation interval is not valid or outside its bounds" "use 1 minute to 3,650 days, such as 12h or 30d, or never, or default for what is recommended for the type";
    CertificateInvalid "SR-SECRET-CERTIFICATE-INVALID" Invalid "the secret is a certificate, and the value is none" "give an X.509 certificate in PEM or DER, or give the secret another type with --type";
    EnvironmentInvalid "SR-ENVIRONMENT-INVALID" Invalid "the environment name is not valid" "use one path segment of [A-Za-z0-9_.-]";
    FolderFull "SR-FOLDER-FULL" Limited "the folder holds the most entries allowed" "spread the secrets over sub-folders; a folder holds 10,000 entries";
    CursorInvalid "SR-CURSOR-INVALID" Invalid "the page cursor is not one of ours" "start the listing again without a cursor";
    LimitInvalid "SR-LIMIT-INVALID" Invalid "the page size is outside its limits" "ask for 1 to 1,000 entries, or to 10,000 of a folder";
    LeaseInvalid "SR-LEASE-INVALID" Invalid "the limits of the lease are outside what is allowed" "ask for 1 to 1,000,000,000 reads, 1 second to 1 hour, and 1 byte to 1 TiB";
    LeaseDenied "SR-LEASE-DENIED" Denied "the tenant's settings allow no leases" "get the secret itself, or ask an operator: `strongroom tenant set NAME --leases on`";
    LeaseLimit "SR-LEASE-LIMIT" Limited "too many secrets are under lease in this process" "close leases that nobody needs; 4,096 secrets may be under lease at a time";
    LeaseExhausted "SR-LEASE-EXHAUSTED" Limited "the reads or bytes of the lease are used up" "open another lease, with higher limits if need be";
    LeaseExpired "SR-LEASE-EXPIRED" Limited "the time of the lease is over" "open another lease";
    LeaseEnded "SR-LEASE-ENDED" Conflict "what the lease was of has changed" "open another lease, which has the present value";
    LeaseUnchecked "SR-LEASE-UNCHECKED" Unavailable "for a second nobody could look whether the secret has changed" "try again in a moment, or get the secret itself";
    ImportMalformed "SR-IMPORT-MALFORMED" Invalid "the import is malformed; nothing was imported" "mend the line that is named";
    ImportTooLarge "SR-IMPORT-TOO-LARGE" Limited "the import is larger than the limit; nothing was imported" "import at most 10,000 entries and 16 MiB at a time";
    ExportUnsuitable "SR-EXPORT-UNSUITABLE" Invalid "a secret cannot be written in this form; nothing was written" "export as JSON, or rename or leave out the secret that is named";
    EnvironmentCollision "SR-RUN-COLLISION" Conflict "two secrets would become the same environment variable" "rename one of them, or choose a narrower prefix";
    GenerateInvalid "SR-GENERATE-INVALID" Invalid "what should be generated is not within the limits" "generate passwords of 8 to 256 characters and at least 64 bits of entropy, 16 to 1,024 bytes, or keys of an algorithm that --help names";
    TemplateInvalid "SR-TEMPLATE-INVALID" Invalid "the template is not valid; nothing was written" "mend the line that is named; a placeholder is {{ secret \"PATH\" }}, with | json, shell, url or base64 before the braces if the value needs it";
    TemplateTooLarge "SR-TEMPLATE-TOO-LARGE" Limited "the template or what becomes of it is larger than the limit; nothing was written" "split it: a template has at most 1 MiB and 1,000 placeholders, and the document 16 MiB";
    TenantNotFound "SR-TENANT-NOT-FOUND" Absent "no such tenant" "check the name with `strongroom tenant list`";
    TenantExists "SR-TENANT-EXISTS" Conflict "a tenant of this name exists, or did" "choose another name; names are never used twice";
    TenantClosed "SR-TENANT-CLOSED" Denied "the tenant is closed" "a closed tenant cannot be used again; create another";
    TenantSuspended "SR-TENANT-SUSPENDED" Denied "the tenant is suspended" "an operator must resume it first: `strongroom tenant resume NAME`";
    TenantActive "SR-TENANT-ACTIVE" Conflict "the tenant is not suspended" "there is nothing to resume";
    QuotaExceeded "SR-TENANT-QUOTA-EXCEEDED" Limited "a quota of the tenant is used up; nothing was stored" "delete secrets or destroy versions that nobody needs, or ask an operator: `strongroom tenant set NAME --max-secrets N --max-bytes N`";
    RateLimited "SR-TENANT-RATE-LIMITED" Limited "the tenant is asked for more than its quota allows; nothing was done" "wait, then try again more slowly; a day's audit lines begin anew at 00:00 UTC; an operator can allow more: `strongroom tenant set NAME --max-rate N --max-audit-bytes N`";
    QuotaInvalid "SR-TENANT-QUOTA-INVALID" Invalid "a quota is outside its bounds" "allow at most 1,000,000,000 secrets, 1 PiB, and 1 to 1,000,000 operations per second";
    TenantInvalid "SR-TENANT-INVALID" Invalid "the tenant name is not valid" "use 1 to 63 bytes of [a-z0-9-], beginning and ending with a letter or digit; `sys` is reserved";
    ActorInvalid "SR-ACTOR-INVALID" Invalid "the actor is not valid" "use `user:`, `service:` or `operator:` and 1 to 128 bytes of printable ASCII without spaces";
    ContextInvalid "SR-CONTEXT-INVALID" Invalid "the request id or address is not valid" "use a request id of 32 hex digits and an IP address";
    OriginInvalid "SR-ORIGIN-INVALID" Invalid "the log origin is not valid" "use a schema-less URL of at most 128 bytes, such as example.com/keys";
    Integrity "SR-INTEGRITY" Integrity "stored data was changed outside Strongroom" "stop, keep a copy of the database, run `strongroom audit verify`, then restore a backup";
    LogBroken "SR-AUDIT-BROKEN" Integrity "the audit log does not verify" "keep a copy of the database and of the report; compare with the last known checkpoint and backups";
    LogRolledBack "SR-AUDIT-ROLLED-BACK" Integrity "the audit log is behind a checkpoint that is remembered" "an older database was put in place: find the newer one, or restore with `strongroom backup restore`";
    StateDiffers "SR-STATE-DIFFERS" Integrity "stored rows are not those that the audit log speaks of last" "keep a copy of the database and of the report; the findings say which rows were put back, taken away or hidden; compare with backups";
    EffectUnknown "SR-EFFECT-UNKNOWN" Unavailable "the process that did this ended before it recorded what became of it" "look at what the act names (a backup, an export): it may be there, whole or in part; remove it, or do it again";
    AnchorMissing "SR-ANCHOR-MISSING" Unavailable "an anchor of the audit log is missing" "bring back the volume that it is on; if it is gone for good, start once with --accept-missing-anchor, which is recorded";
    AnchorUnusable "SR-ANCHOR-UNUSABLE" Unavailable "an anchor of the audit log cannot be read or written" "check its volume, and the owner and mode of the file and its folder; to start without it once, give --accept-missing-anchor, which is recorded";
    AnchorInvalid "SR-ANCHOR-INVALID" Integrity "an anchor of the audit log is not one that this deployment wrote" "keep it as evidence and find out who changed it; with the file moved away, start once with --accept-missing-anchor, which is recorded";
    AnchorForeign "SR-ANCHOR-FOREIGN" Integrity "the anchor belongs to another deployment" "name another file; each deployment needs anchors of its own";
    AnchorSetChanged "SR-ANCHOR-SET-CHANGED" Integrity "config.toml does not name the anchors that the deployment records" "find out who changed config.toml, and name there what is recorded; anchors are added and removed with `strongroom anchor`";
    AnchorExists "SR-ANCHOR-EXISTS" Conflict "there is such an anchor, or a file where it should go" "name another file; nothing is overwritten";
    AnchorNotFound "SR-ANCHOR-NOT-FOUND" Absent "the deployment has no such anchor" "list them with `strongroom anchor list`";
    AnchorNameInvalid "SR-ANCHOR-NAME-INVALID" Invalid "the name of an anchor is not valid" "use device, or file: and an absolute path of at most 1,024 bytes, outside of the data folder";
    AnchorsUnsaid "SR-ANCHOR-CHOICE" Invalid "the backup names anchors, and nothing says whose they shall be" "give --keep-anchors if the restored deployment takes the place of the one that was backed up, which then opens no more; for a drill beside it --no-anchors, or --anchor with another file";
    AnchorLimit "SR-ANCHOR-LIMIT" Limited "the deployment has the most anchors allowed" "remove one first; there can be 8";
    QueryInvalid "SR-AUDIT-QUERY-INVALID" Invalid "the query is not valid" "give an act such as secret.get, and a beginning that is before the end; times are RFC 3339 or an age such as 2h";
    IndexWrong "SR-AUDIT-INDEX-WRONG" Integrity "an index of the audit log is not that of its lines" "queries may miss lines: build it anew with `strongroom audit check-index --repair`, and ask who changed the database";
    BundleInvalid "SR-AUDIT-BUNDLE-INVALID" Invalid "this is not an audit bundle" "give a file written by `strongroom audit export`";
    RootKeyInvalid "SR-AUDIT-ROOT-INVALID" Invalid "this is not a root verification key" "give the vkey that `strongroom init` or `strongroom status` prints";
    LineNotFound "SR-AUDIT-LINE-NOT-FOUND" Absent "the log has no such line" "look at its lines with `strongroom audit show`";
    GenerationEnded "SR-AUDIT-GENERATION-ENDED" Absent "the line is of a generation of the log that has ended, of which single lines are not proven" "export the whole log with `strongroom audit export --deployment`: its bundle has all generations";
    ProofInvalid "SR-AUDIT-PROOF-INVALID" Invalid "this is not a proof of an audit line" "give a file written by `strongroom audit prove`";
    ProofBroken "SR-AUDIT-PROOF-BROKEN" Integrity "the proof does not verify" "ask for another one, and keep this one: it may be evidence";
    ReceiptInvalid "SR-AUDIT-RECEIPT-INVALID" Invalid "this is not a receipt, or it is of something else" "give the receipt as it came with the reply (`-o json`), and the log and line that it names";
    ReceiptContradicted "SR-AUDIT-RECEIPT-CONTRADICTED" Integrity "the receipt and the audit log contradict each other" "keep the receipt and a copy of the database or of the proof, which are evidence; compare with backups and the last known checkpoint";
    DevicePinRefused "SR-DEVICE-PIN-REFUSED" Denied "the device refused the PIN or passphrase; it was tried once" "correct the PIN source before the next start: every further try may lock the token";
    DevicePinLocked "SR-DEVICE-PIN-LOCKED" Denied "the token's PIN is locked" "unlock it with the security officer's PIN and the HSM's own tools";
    DevicePinUnset "SR-DEVICE-PIN-UNSET" Denied "the token has no user PIN yet" "set one with the HSM's own tools";
    DeviceUriInvalid "SR-DEVICE-URI-INVALID" Invalid "the device URI is not valid" "write pkcs11:token=NAME?module-path=/path/lib.so&pin-source=file:/path or software:/path?passphrase-source=file:/path";
    DeviceModule "SR-DEVICE-MODULE" Unavailable "the PKCS#11 module cannot be loaded" "check module-path and that the library and its configuration are installed and readable";
    DeviceTokenNotFound "SR-DEVICE-TOKEN-NOT-FOUND" Unavailable "no such token" "check the token's label or serial with `strongroom hsm doctor`";
    DeviceTokenAmbiguous "SR-DEVICE-TOKEN-AMBIGUOUS" Invalid "more than one token matches" "add serial=… to the device URI";
    DeviceTokenUninitialized "SR-DEVICE-TOKEN-UNINITIALIZED" Unavailable "the token is not initialised" "initialise it with the HSM's own tools";
    DeviceWrongToken "SR-DEVICE-WRONG-TOKEN" Unavailable "this is not the token that the deployment was made with" "name the right token in the device URI";
    DeviceWrongKey "SR-DEVICE-WRONG-KEY" Integrity "a key in the device is not the one that the deployment was made with" "stop; the token was re-initialised or replaced: restore the token's own backup";
    DeviceKeyMissing "SR-DEVICE-KEY-MISSING" Unavailable "a key of the deployment is not in the device" "restore the token's own backup; Strongroom never makes a new root key on its own";
    DeviceKeyAmbiguous "SR-DEVICE-KEY-AMBIGUOUS" Integrity "two objects in the device have the key id of one key" "remove the copy that is not yours with the HSM's own tools";
    DeviceWeakToken "SR-DEVICE-WEAK-TOKEN" Denied "the token does not protect the key as it must" "use a token that enforces sensitive, non-extractable, non-modifiable keys";
    DeviceUnsupported "SR-DEVICE-UNSUPPORTED" Unavailable "the device lacks a mechanism that is needed" "use a token with HMAC-SHA256 and Ed25519";
    DeviceTimeout "SR-DEVICE-TIMEOUT" Unavailable "the device did not answer in time" "try again; look at the device's health if it persists";
    DeviceUnavailable "SR-DEVICE-UNAVAILABLE" Unavailable "the key device cannot be used" "look at the device's health, then start again";
    DeviceWrongAnswer "SR-DEVICE-WRONG-ANSWER" Integrity "the device answered the same question in two ways" "stop using the device and look at its health";
    DeviceFile "SR-DEVICE-FILE" Unavailable "the software device's key file or passphrase source cannot be used" "check that the file exists, is readable and has mode 0600 or stricter";
    DeviceFileExists "SR-DEVICE-FILE-EXISTS" Conflict "the software device's key file exists already" "name another file; an existing key file is never overwritten";
    DeploymentMissing "SR-DEPLOYMENT-MISSING" Absent "there is no deployment here" "make one with `strongroom init`, or name its folder with --data";
    DeploymentExists "SR-DEPLOYMENT-EXISTS" Conflict "there is a deployment here already" "name another folder with --data";
    DeploymentUnfinished "SR-DEPLOYMENT-UNFINISHED" Conflict "an earlier init did not finish" "run the same `strongroom init` again to finish it";
    DeploymentForeign "SR-DEPLOYMENT-FOREIGN" Integrity "the database belongs to another deployment" "use the device and the folder that belong together";
    RecoveryRequired "SR-RECOVERY-REQUIRED" Invalid "init needs a decision about recovery" "give --no-recovery, knowing that losing the token then loses everything";
    SchemaNewer "SR-STORE-SCHEMA-NEWER" Unavailable "the database was written by a newer version" "upgrade this program; it never guesses at a newer schema";
    SchemaDrift "SR-STORE-SCHEMA-DRIFT" Integrity "the database's schema is not the one that its record names" "restore a backup";
    StoreDamaged "SR-STORE-DAMAGED" Integrity "the database file is damaged" "keep a copy, then restore a backup with `strongroom backup restore`";
    StoreFull "SR-STORE-FULL" Unavailable "the disk is full; nothing was changed" "free some space and try again";
    StoreReadOnly "SR-STORE-READ-ONLY" Unavailable "the data folder cannot be written" "check the folder's owner and mode, and that its file system is not mounted read-only";
    StoreBusy "SR-STORE-BUSY" Unavailable "another process holds the database" "try again";
    StoreUnavailable "SR-STORE-UNAVAILABLE" Unavailable "the database cannot be used" "look at the cause, then start again";
    QueueFull "SR-QUEUE-FULL" Limited "too many operations are waiting" "try again in a moment, or slow down";
    Closed "SR-CLOSED" Unavailable "the deployment was closed in this process" "open it again";
    EpochExpired "SR-EPOCH-EXPIRED" Unavailable "the signing epoch is over and the device did not certify a new one" "look at the device's health; service resumes by itself when it answers";
    ClockStepped "SR-CLOCK-STEPPED" Unavailable "the system clock is far from where it should be" "correct the clock";
    MemoryLocked "SR-MEMORY-UNLOCKABLE" Unavailable "memory for keys cannot be locked" "raise RLIMIT_MEMLOCK, or decide for --allow-unlocked-memory";
    MemoryFull "SR-MEMORY-FULL" Limited "the locked memory for keys is full" "try again in a moment, or raise the arena's size";
    BackupInvalid "SR-BACKUP-INVALID" Integrity "the backup does not verify" "use another backup, and keep this one for inspection";
    BackupExists "SR-BACKUP-EXISTS" Conflict "a file stands where the new one should go" "name another file; nothing is overwritten";
    FileUnreadable "SR-FILE-UNREADABLE" Invalid "a file cannot be read or written" "check its path and permissions";
    ConfigInvalid "SR-CONFIG-INVALID" Invalid "config.toml is not valid" "mend the line that is named";
    RandomUnavailable "SR-RANDOM-UNAVAILABLE" Unavailable "the system's random source does not answer" "look at the system; nothing is done without randomness";
    Internal "SR-INTERNAL" Internal "an error of ours" "please report it, with the diagnostic log";
}
