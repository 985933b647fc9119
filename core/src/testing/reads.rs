//! All that is read from a snapshot, as a list: for a store that wraps another one.

/// Hands the methods of [`crate::store::Snapshot`] to a macro.
macro_rules! reads {
    ($with:ident) => {
        $with! {
            deployment() -> Option<DeploymentRow>;
            tenant(number: TenantNumber) -> Option<TenantRow>;
            tenant_by_name(name_hash: &IndexHash) -> Option<TenantRow>;
            tenant_by_ref(tenant: &TenantRef) -> Option<TenantRow>;
            tenants() -> Vec<TenantRow>;
            secret(tenant: TenantNumber, name_hash: &IndexHash) -> Option<SecretRow>;
            secrets_in(tenant: TenantNumber, parent_hash: &IndexHash, limit: usize) -> Vec<SecretRow>;
            folder_entries(tenant: TenantNumber, parent_hash: &IndexHash) -> u64;
            folders_in(tenant: TenantNumber, parent_hash: &IndexHash, limit: usize) -> Vec<FolderRow>;
            folder(tenant: TenantNumber, name_hash: &IndexHash) -> Option<FolderRow>;
            version(tenant: TenantNumber, secret: &SecretRow, version: u64) -> Option<VersionRow>;
            versions(tenant: TenantNumber, secret: &SecretRow) -> Vec<VersionRow>;
            secrets_labelled(tenant: TenantNumber, label_hashes: &[IndexHash], limit: usize) -> Vec<SecretRow>;
            secrets_after(tenant: TenantNumber, after: Option<&ObjectId>, limit: usize) -> Vec<SecretRow>;
            folders_after(tenant: TenantNumber, after: Option<&IndexHash>, limit: usize) -> Vec<FolderRow>;
            labels_of(tenant: TenantNumber, secret: &ObjectId) -> Vec<IndexHash>;
            versions_astray() -> u64;
            actor(tenant: TenantNumber, name_hash: &IndexHash) -> Option<ActorRow>;
            actor_by_handle(tenant: TenantNumber, handle: &Handle) -> Option<ActorRow>;
            head() -> Option<HeadRow>;
            log_heads() -> Vec<LogHeadRow>;
            log_head(tenant: TenantNumber) -> Option<LogHeadRow>;
            generations() -> Vec<GenerationRow>;
            generation_tenants(generation: u32) -> Vec<(TenantNumber, TenantRef, u8)>;
            epochs(after: u32, limit: usize) -> Vec<EpochRow>;
            epochs_open() -> Vec<EpochRow>;
            intents(limit: usize) -> Vec<IntentRow>;
            epoch_last() -> u32;
            tenants_with_lines(after: u64) -> Vec<TenantNumber>;
            commits(after: u64, limit: usize) -> Vec<CommitRow>;
            lines(after: u64, limit: usize) -> Vec<LineRow>;
            lines_of(tenant: TenantNumber, generation: u32, from: u64, limit: usize) -> Vec<LineRow>;
            search(search: &LineSearch<'_>) -> LinesFound;
            count(search: &LineSearch<'_>) -> LinesCounted;
            check_index(part: IndexPart) -> IndexCheck;
        }
    };
}

pub(super) use reads;
