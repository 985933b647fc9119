//! Opening a lease: one secret, or a folder with everything below it.

use std::{sync::Arc, time::Duration};

use super::{
    Secrets, Version,
    export::below,
    find,
    get::{demand_readable, is_withheld, open_stored, readable_version},
};
use crate::{
    Code, Error, Folder, FolderLease, Lease, LeaseLimits, RequestId, Result, SecretPath, TenantSettings,
    audit::Receipt,
    clock::{Clock as _, Timestamp},
    keys::PseudonymKind,
    lease::{Grant, Held, Opened},
    limits,
    room::{LineFacts, Named, Part, Step},
};

impl Secrets {
    /// Opens a lease on the current version of a secret. The line that records it is durable when this returns.
    ///
    /// Its lines have an id of their own as their request, which is the lease's, whatever the context says.
    ///
    /// # Errors
    /// `LeaseInvalid`, `LeaseLimit`; `MemoryFull` if the value does not fit into locked memory; otherwise as [`Secrets::get`].
    pub async fn lease(&self, path: &SecretPath, limits: LeaseLimits) -> Result<Lease> {
        let (shown, full) = (path.clone(), self.full(path));
        let (grant, receipt) = self
            .open(limits, move |step| {
                let full = full.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, full.as_str().as_bytes())?;
                limits.check()?;
                let reservation = step.room.leases.reserve(1)?;
                let (held, expires_at) = hold(step, full, shown.clone())?;
                step.version(held.version.0);
                let opened =
                    Opened { object: step.line.object, tenant: step.tenant.number, held: vec![held], reservation };
                Ok((opened, expires_at))
            })
            .await?;
        let version = grant.1;
        Ok(Lease::new(Arc::clone(&self.room), grant.0, version, receipt))
    }

    /// Opens one lease on the current versions of all secrets in a folder and below it, those left out that are
    /// disabled, archived or expired, or whose version cannot be read. A line for each says which, with the id of the lease as its request.
    ///
    /// # Errors
    /// `LeaseInvalid`, `LeaseLimit`; `MemoryFull` if the values do not fit into locked memory; `Integrity`.
    pub async fn lease_folder(&self, folder: &Folder, limits: LeaseLimits) -> Result<FolderLease> {
        let folder = self.full_folder(folder);
        let (grant, receipt) = self
            .open(limits, move |step| {
                let folder = folder.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Folder, folder.as_str().as_bytes())?;
                limits.check()?;
                let (_, mut paths) = below(step, folder, limits::LEASED_SECRETS_MAX)?.ok_or(Code::LeaseLimit)?;
                let reservation = step.room.leases.reserve(paths.len())?;
                paths.sort();
                let (mut all, mut first) = (Vec::with_capacity(paths.len()), None);
                for path in paths {
                    let shown = super::relative(path.clone(), folder)?;
                    let (held, expires_at) = match hold(step, &path, shown) {
                        Ok(held) => held,
                        Err(error) if is_withheld(&error) => continue,
                        Err(error) => return Err(error),
                    };
                    let mut named = step.pseudonym(PseudonymKind::Secret, path.as_str().as_bytes())?;
                    named.version = Some(held.version.0);
                    let line = LineFacts { object: Some(named), ..LineFacts::default() };
                    step.parts.push(Part { act: "lease.secret", line, elsewhere: None });
                    first = first.into_iter().chain(expires_at).min();
                    all.push(held);
                }
                let opened = Opened { object: step.line.object, tenant: step.tenant.number, held: all, reservation };
                Ok((opened, first))
            })
            .await?;
        Ok(FolderLease::new(Arc::clone(&self.room), grant.0, receipt))
    }

    /// Records the opening, and has the room keep what is held.
    async fn open(
        &self,
        limits: LeaseLimits,
        hold: impl Fn(&mut Step<'_>) -> Result<(Opened, Option<Timestamp>)> + Send + Sync + 'static,
    ) -> Result<((Arc<Grant>, Version), Receipt)> {
        let room = &self.room;
        let id = RequestId::from_bytes(room.random.array()?);
        let context = self.context.clone().request(id);
        let since = room.clock.monotonic();
        let ((opened, time), receipt) = room
            .operate("secret.lease", &self.target(), &context, move |step| {
                // First what is asked for, so that the line names it.
                let held = hold(step);
                if !TenantSettings::from_row(step.tenant)?.leases {
                    return Err(Code::LeaseDenied.into());
                }
                let (opened, ends_at) = held?;
                let time = time_of(limits, step.now, ends_at);
                step.line.count = Some(limits.reads);
                let until = step.now.after(time);
                let named = Named { kind: "lease", id: *id.as_bytes(), version: Some(until.0), pseudonym_key: None };
                let line = LineFacts { object: Some(named), count: Some(limits.bytes), ..LineFacts::default() };
                step.parts.push(Part { act: "lease.limit", line, elsewhere: None });
                step.begins_effect();
                Ok((opened, time))
            })
            .await?;
        let version = opened.held.first().map_or(Version(0), |held| held.version);
        // From before the line: what it says is never exceeded.
        let grant = Arc::new(Grant::new((self.target(), context, id), (limits, since + time), opened));
        room.leases.keep(room, &grant, since)?;
        Ok(((grant, version), receipt))
    }
}

/// The lease's time, or what is left of a version's, if that is less.
fn time_of(limits: LeaseLimits, now: Timestamp, ends_at: Option<Timestamp>) -> Duration {
    let left = ends_at.map(|at| Duration::from_micros(at.0.saturating_sub(now.0)));
    Duration::from_secs(limits.seconds.into()).min(left.unwrap_or(Duration::MAX))
}

/// Copies a current value into locked memory. With it, when it or its version expires, whichever comes first.
fn hold(step: &mut Step<'_>, path: &SecretPath, shown: SecretPath) -> Result<(Held, Option<Timestamp>)> {
    let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
    let settings = demand_readable(&row, step.now)?;
    let stored = readable_version(step, &row, row.current)?;
    let value = open_stored(step, &stored)?;
    let held = Held {
        path: shown,
        id: row.id,
        name_hash: row.name_hash,
        revision: row.revision,
        version: Version(row.current),
        version_revision: stored.revision,
        kind: value.kind(),
        value: value.expose(|bytes| step.room.lock_bytes(bytes))?,
    };
    let first = settings.expires_at.into_iter().chain(stored.expires_at).min();
    Ok((held, first.map(Timestamp)))
}
