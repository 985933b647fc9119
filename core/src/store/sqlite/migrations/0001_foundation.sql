-- The foundation. What may never be rewritten is here from the first migration on.
--
-- Times are microseconds since 1970. Names, labels and values are sealed; the columns ending in _hash
-- are keyed hashes that only find a candidate, which is opened and compared before it is believed.
-- Every mutable row carries a revision and a MAC over all columns that matter (docs/formats.md §5).

-- One row: whose database this is.
CREATE TABLE deployment (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    deployment BLOB    NOT NULL CHECK (length(deployment) = 16),
    origin     TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    sys_ref    BLOB    NOT NULL CHECK (length(sys_ref) = 16),
    profile    BLOB    NOT NULL,
    recovery   BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    mac        BLOB    NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- `number` is the tenant's position in the heads tree: random, never used twice. `sys` has 0.
CREATE TABLE tenants (
    number       INTEGER PRIMARY KEY,
    ref          BLOB    NOT NULL UNIQUE CHECK (length(ref) = 16),
    name_hash    BLOB    NOT NULL UNIQUE CHECK (length(name_hash) = 16),
    name         BLOB    NOT NULL,
    salt         BLOB    NOT NULL CHECK (length(salt) = 32),
    root_version INTEGER NOT NULL,
    key_epoch    INTEGER NOT NULL,
    keyring      BLOB    NOT NULL,
    state        INTEGER NOT NULL,
    settings     BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    mac          BLOB    NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Keyed by what a secret is found by: to get or put one is one way down the tree.
-- In the order of folders: what one lists lies side by side, however many secrets the tenant has elsewhere.
CREATE TABLE secrets (
    tenant      INTEGER NOT NULL REFERENCES tenants (number),
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    name_hash   BLOB    NOT NULL CHECK (length(name_hash) = 16),
    parent_hash BLOB    NOT NULL CHECK (length(parent_hash) = 16),
    name        BLOB    NOT NULL,
    meta        BLOB    NOT NULL,
    enabled     INTEGER NOT NULL,
    latest      INTEGER NOT NULL,
    current     INTEGER NOT NULL,
    pending     INTEGER,
    previous    INTEGER,
    settings    BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    mac         BLOB    NOT NULL CHECK (length(mac) = 32),
    newest      INTEGER,
    expires_at  INTEGER,
    PRIMARY KEY (tenant, parent_hash, name_hash)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX secrets_by_name ON secrets (tenant, name_hash);
CREATE UNIQUE INDEX secrets_by_id ON secrets (tenant, id);
-- The same as the key, without the rows: to count what is in a folder.
CREATE INDEX secrets_by_parent ON secrets (tenant, parent_hash);
-- What is to expire: `expires_at` is that of `settings`, which the MAC is over, and NULL once it is recorded. It only
-- finds candidates.
CREATE INDEX secrets_to_expire ON secrets (expires_at) WHERE expires_at IS NOT NULL;

-- Append only, like the lines below, and for the same reason: versions kept in the order of their secrets
-- cost a commit a page for each, and splits. `secrets.newest` is the `seq` of a secret's newest version,
-- and `before` that of the version before it, which is always the smaller number.
CREATE TABLE secret_versions (
    seq        INTEGER PRIMARY KEY,
    before     INTEGER,
    tenant     INTEGER NOT NULL,
    secret     BLOB    NOT NULL CHECK (length(secret) = 16),
    version    INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    value      BLOB    NOT NULL,
    revision   INTEGER NOT NULL,
    mac        BLOB    NOT NULL CHECK (length(mac) = 32)
) STRICT;

-- Those that are enabled and expire. A version without a time costs its commit nothing.
CREATE INDEX versions_to_expire ON secret_versions (expires_at) WHERE expires_at IS NOT NULL AND state = 1;

-- Folders exist while something is in them.
CREATE TABLE folders (
    tenant      INTEGER NOT NULL REFERENCES tenants (number),
    name_hash   BLOB    NOT NULL CHECK (length(name_hash) = 16),
    parent_hash BLOB    NOT NULL CHECK (length(parent_hash) = 16),
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    name        BLOB    NOT NULL,
    revision    INTEGER NOT NULL,
    mac         BLOB    NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (tenant, name_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX folders_by_parent ON folders (tenant, parent_hash);

CREATE TABLE secret_labels (
    tenant     INTEGER NOT NULL,
    label_hash BLOB    NOT NULL CHECK (length(label_hash) = 16),
    secret     BLOB    NOT NULL,
    PRIMARY KEY (tenant, label_hash, secret),
    FOREIGN KEY (tenant, secret) REFERENCES secrets (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX secret_labels_by_secret ON secret_labels (tenant, secret);

-- Who a handle in the audit log stands for. Deleting a row forgets the person and breaks no chain.
CREATE TABLE actors (
    tenant    INTEGER NOT NULL REFERENCES tenants (number),
    name_hash BLOB    NOT NULL CHECK (length(name_hash) = 16),
    handle    BLOB    NOT NULL CHECK (length(handle) = 16),
    name      BLOB    NOT NULL,
    revision  INTEGER NOT NULL,
    mac       BLOB    NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (tenant, name_hash),
    UNIQUE (tenant, handle)
) STRICT, WITHOUT ROWID;

-- The lines of all logs in the order of their commits. Append only: no index but the key is kept in a
-- commit, because a b-tree by tenant costs four times the append (300,000 against 66,000 rows a second).
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL,
    log_seq INTEGER NOT NULL,
    line    BLOB    NOT NULL
) STRICT;

-- Where a log's lines are. It lags behind; whoever reads it adds the tail beyond `index_progress`.
CREATE TABLE audit_by_log (
    tenant     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    log_seq    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (tenant, generation, log_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE index_progress (
    name TEXT    PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which lines have a key: who acted, on what, in which request, what was asked, what came of it. In runs of
-- 4,096 lines (run 0 has the lines 1 to 4,096), each stored once and whole, so that random keys touch no old page.
-- `key` is the first eight bytes of a handle, id or hash; `lines` are places in the run (docs/formats.md §5).
CREATE TABLE audit_by_key (
    run    INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    key    INTEGER NOT NULL,
    lines  BLOB    NOT NULL,
    PRIMARY KEY (run, tenant, kind, key)
) STRICT, WITHOUT ROWID;

INSERT INTO index_progress (name, seq) VALUES ('audit_by_log', 0), ('audit_by_key', 0);

-- The head of each log of the current generation: size, compact frontier, last leaf hash. And what its tenant uses:
-- secrets, bytes of their sealed values, bytes of audit lines on one day. What changes that has a line, and so this row
-- is written with it anyway; a table of its own would cost a commit a page more.
CREATE TABLE log_heads (
    tenant      INTEGER PRIMARY KEY,
    ref         BLOB    NOT NULL CHECK (length(ref) = 16),
    size        INTEGER NOT NULL,
    frontier    BLOB    NOT NULL,
    prev        BLOB    NOT NULL,
    time        INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    secrets     INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    audit_bytes INTEGER NOT NULL
) STRICT;

-- One leaf per commit, and where the commit's lines end.
CREATE TABLE head_log (
    id       INTEGER PRIMARY KEY,
    leaf     BLOB    NOT NULL,
    blind    BLOB    NOT NULL CHECK (length(blind) = 16),
    last_seq INTEGER NOT NULL
) STRICT;

-- One row: the head of everything. All writers, of all processes, take turns at it.
CREATE TABLE head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    generation  INTEGER NOT NULL,
    commits     INTEGER NOT NULL,
    frontier    BLOB    NOT NULL,
    last_commit INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    tenants     INTEGER NOT NULL,
    lines       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    checkpoint  BLOB    NOT NULL
) STRICT;

-- A generation begins with a deployment or with a restore. Its first line and commit come after these.
CREATE TABLE generations (
    number        INTEGER PRIMARY KEY,
    after_seq     INTEGER NOT NULL,
    after_commit  INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    previous_size INTEGER NOT NULL,
    previous_root BLOB,
    reason        BLOB    NOT NULL,
    checkpoint    BLOB    NOT NULL
) STRICT;

-- The heads tree that a later generation starts with.
CREATE TABLE generation_tenants (
    generation INTEGER NOT NULL,
    tenant     INTEGER NOT NULL,
    ref        BLOB    NOT NULL,
    status     INTEGER NOT NULL,
    PRIMARY KEY (generation, tenant)
) STRICT, WITHOUT ROWID;

-- What is being done outside the database, and has a line that says so and none yet of what became of it.
CREATE TABLE intents (
    tenant  INTEGER NOT NULL REFERENCES tenants (number),
    request BLOB    NOT NULL CHECK (length(request) = 16),
    act     TEXT    NOT NULL,
    boot    BLOB    NOT NULL CHECK (length(boot) = 16),
    PRIMARY KEY (tenant, request, act)
) STRICT, WITHOUT ROWID;

-- Signing epochs: the certificate, and the last checkpoint each one signed.
CREATE TABLE epochs (
    id          INTEGER PRIMARY KEY,
    generation  INTEGER NOT NULL,
    certificate BLOB    NOT NULL,
    hard_limit  INTEGER NOT NULL,
    closed      INTEGER NOT NULL,
    checkpoint  BLOB
) STRICT;

CREATE INDEX epochs_open ON epochs (id) WHERE closed = 0;
