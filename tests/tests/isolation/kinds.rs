//! All kinds of calls, in a table: one more operation of a tenant is one more row, or has its reason below.

use crate::{life, log, looks, model::State, secrets, tenants, turn::Turn};

/// One kind of call.
pub(crate) struct Kind {
    /// The act that its lines have.
    pub(crate) act: &'static str,
    /// How often it is called, against the others.
    pub(crate) weight: usize,
    /// A state in which tenants are asked more often than others.
    pub(crate) of: State,
    /// Calls it and holds what came against the model. Whether it was done.
    pub(crate) call: fn(&mut Turn<'_>) -> bool,
}

macro_rules! kinds {
    ($($act:literal $call:path, $weight:literal of $of:ident;)*) => {
        pub(crate) const KINDS: &[Kind] = &[$(Kind { act: $act, weight: $weight, of: State::$of, call: $call },)*];
    };
}

kinds! {
    "secret.put" secrets::put, 16 of Active;
    "secret.put-pending" secrets::put_pending, 6 of Active;
    "secret.get" secrets::get, 10 of Active;
    "secret.patch" secrets::patch, 4 of Active;
    "secret.promote" secrets::promote, 4 of Active;
    "secret.delete" secrets::delete, 3 of Active;
    "secret.delete-version" secrets::delete_versions, 4 of Active;
    "secret.undelete" secrets::undelete_versions, 3 of Active;
    "secret.destroy" secrets::destroy_versions, 3 of Active;
    "secret.enable-version" secrets::enable_versions, 3 of Active;
    "secret.disable-version" secrets::disable_versions, 3 of Active;
    "secret.versions" secrets::versions, 4 of Active;
    "secret.describe" secrets::describe, 3 of Active;
    "secret.update" secrets::update, 4 of Active;
    "secret.list" secrets::list, 4 of Active;
    "secret.export" secrets::export, 3 of Active;
    "secret.import" secrets::import, 5 of Active;
    "secret.generate" secrets::generate, 3 of Active;
    "secret.render" secrets::render, 4 of Active;
    "secret.lease" secrets::lease, 3 of Active;
    "secret.lease" secrets::lease_folder, 3 of Active;
    "secret.try" life::try_current, 4 of Active;
    "secret.enable" life::enable, 4 of Active;
    "secret.disable" life::disable, 3 of Active;
    "secret.archive" life::archive, 3 of Active;
    "secret.unarchive" life::unarchive, 4 of Active;
    "secret.extend-version" life::extend, 4 of Active;
    "secret.copy" life::copy, 4 of Active;
    "secret.move" life::rename, 4 of Active;
    "secret.search" looks::search, 4 of Active;
    "secret.history" looks::history, 4 of Active;
    "secret.usage" looks::usage, 3 of Active;
    "audit.show" log::show, 4 of Active;
    "audit.query" log::query, 4 of Active;
    "audit.stats" log::stats, 3 of Active;
    "audit.watch" log::watch, 3 of Active;
    "audit.verify" log::verify, 3 of Active;
    "audit.check-state" log::check_state, 3 of Active;
    "audit.export" log::export, 3 of Active;
    "audit.prove" log::prove, 3 of Active;
    "tenant.create" tenants::create, 3 of Absent;
    "tenant.suspend" tenants::suspend, 3 of Suspended;
    "tenant.resume" tenants::resume, 3 of Suspended;
    "tenant.close" tenants::close, 3 of Closed;
    "tenant.set" tenants::set, 3 of Active;
    "tenant.show" tenants::show, 3 of Active;
}

/// Acts on a tenant that are not among them, and why.
pub(crate) const NOT_HERE: &[(&str, &str)] = &[];
