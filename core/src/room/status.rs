//! What an operator sees at a glance.

use super::{Admin, operation::Target};
use crate::{
    AnchorStatus, Code, DeploymentId, Error, Result,
    audit::Receipt,
    clock::Timestamp,
    device::{DeviceIdentity, Health},
    store::StoreFacts,
};

/// The state of a deployment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The deployment's id.
    pub deployment: DeploymentId,
    /// Origin of its logs.
    pub origin: String,
    /// The root verification key, as a vkey.
    pub root_key: String,
    /// When `init` ran.
    pub created_at: Timestamp,
    /// Version of this library.
    pub version: &'static str,
    /// The key device.
    pub device: DeviceIdentity,
    /// How the device was when it was last asked.
    pub health: Health,
    /// Whether memory for keys is locked.
    pub memory_locked: bool,
    /// Tenants, closed ones too, without `sys`.
    pub tenants: u64,
    /// Of them, closed.
    pub tenants_closed: u64,
    /// The store.
    pub store: StoreFacts,
    /// The head of the audit log before this operation.
    pub head: AuditHead,
    /// What remembers the audit log outside of the database.
    pub anchors: Vec<AnchorStatus>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

/// The head of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Generation of the log.
    pub generation: u32,
    /// Commits of this generation.
    pub commits: u64,
    /// Lines of this generation.
    pub lines: u64,
    /// The signing epoch of the last commit.
    pub epoch: u32,
    /// When the last commit was made.
    pub time: Timestamp,
    /// The newest checkpoint: a C2SP signed note.
    pub checkpoint: String,
}

impl Admin {
    /// Shows counts, the device, the head of the log, the schema and versions.
    ///
    /// # Errors
    /// What the store says.
    pub async fn status(&self) -> Result<Status> {
        let room = &self.room;
        let facts = room.readers.run(|store| store.facts()).await?;
        let ((tenants, tenants_closed, head, created_at), receipt) = room
            .operate("status.show", &Target::Sys, &self.context, |step| {
                let rows = step.snapshot.tenants()?;
                let closed = rows.iter().filter(|row| row.state == super::TenantState::Closed.number()).count();
                let head = step.snapshot.head()?.ok_or(Code::Integrity)?;
                let deployment = step.snapshot.deployment()?.ok_or(Code::Integrity)?;
                step.keys.check_row(&deployment)?;
                let head = AuditHead {
                    generation: head.generation,
                    commits: head.commits,
                    lines: head.lines,
                    epoch: head.epoch,
                    time: Timestamp(head.time),
                    checkpoint: String::from_utf8(head.checkpoint)
                        .map_err(|_| Error::new(Code::StoreDamaged).detail("the newest checkpoint"))?,
                };
                Ok((rows.len() as u64, closed as u64, head, Timestamp(deployment.created_at)))
            })
            .await?;
        Ok(Status {
            deployment: room.deployment,
            origin: room.origin.as_str().to_owned(),
            root_key: room.root_key.to_string(),
            created_at,
            version: env!("CARGO_PKG_VERSION"),
            device: room.device.identity(),
            health: room.device.health(),
            memory_locked: room.arena.is_locked(),
            tenants,
            tenants_closed,
            store: facts,
            head,
            anchors: room.anchors.status(),
            receipt,
        })
    }
}
