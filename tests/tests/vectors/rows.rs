//! Rows as vectors write them, read into the types of the store.

use serde_json::Value;
use strongroom::{
    DeploymentId, Handle, ObjectId, TenantRef,
    store::{ActorRow, DeploymentRow, FolderRow, SecretRow, TenantNumber, TenantRow, VersionRow},
};

use super::{array, bytes, number, text};

fn optional(row: &Value, key: &str) -> Option<u64> {
    (!row[key].is_null()).then(|| number(row, key))
}

fn narrow<T: TryFrom<u64, Error: std::fmt::Debug>>(row: &Value, key: &str) -> T {
    number(row, key).try_into().unwrap()
}

pub(super) fn deployment(row: &Value, mac: [u8; 32]) -> DeploymentRow {
    DeploymentRow {
        deployment: DeploymentId::from_bytes(array(row, "deployment")),
        origin: text(row, "origin").into(),
        generation: narrow(row, "generation"),
        sys_ref: TenantRef::from_bytes(array(row, "sys_ref")),
        profile: bytes(row, "profile"),
        recovery: bytes(row, "recovery"),
        created_at: number(row, "created_at"),
        revision: number(row, "revision"),
        mac,
    }
}

pub(super) fn tenant(row: &Value, mac: [u8; 32]) -> TenantRow {
    TenantRow {
        number: TenantNumber(narrow(row, "number")),
        tenant: TenantRef::from_bytes(array(row, "ref")),
        name_hash: array(row, "name_hash"),
        name: bytes(row, "name"),
        salt: array(row, "salt"),
        root_version: narrow(row, "root_version"),
        key_epoch: narrow(row, "key_epoch"),
        keyring: bytes(row, "keyring"),
        state: narrow(row, "state"),
        settings: bytes(row, "settings"),
        created_at: number(row, "created_at"),
        revision: number(row, "revision"),
        mac,
    }
}

pub(super) fn secret(row: &Value, mac: [u8; 32]) -> SecretRow {
    SecretRow {
        id: ObjectId::from_bytes(array(row, "id")),
        name_hash: array(row, "name_hash"),
        parent_hash: array(row, "parent_hash"),
        name: bytes(row, "name"),
        meta: bytes(row, "meta"),
        enabled: number(row, "enabled") == 1,
        latest: number(row, "latest"),
        current: number(row, "current"),
        pending: optional(row, "pending"),
        previous: optional(row, "previous"),
        settings: bytes(row, "settings"),
        created_at: number(row, "created_at"),
        updated_at: number(row, "updated_at"),
        revision: number(row, "revision"),
        mac,
    }
}

pub(super) fn version(row: &Value, mac: [u8; 32]) -> VersionRow {
    VersionRow {
        secret: ObjectId::from_bytes(array(row, "secret")),
        version: number(row, "version"),
        state: narrow(row, "state"),
        created_at: number(row, "created_at"),
        expires_at: optional(row, "expires_at"),
        value: bytes(row, "value"),
        revision: number(row, "revision"),
        mac,
    }
}

pub(super) fn folder(row: &Value, mac: [u8; 32]) -> FolderRow {
    FolderRow {
        id: ObjectId::from_bytes(array(row, "id")),
        name_hash: array(row, "name_hash"),
        parent_hash: array(row, "parent_hash"),
        name: bytes(row, "name"),
        revision: number(row, "revision"),
        mac,
    }
}

pub(super) fn actor(row: &Value, mac: [u8; 32]) -> ActorRow {
    ActorRow {
        name_hash: array(row, "name_hash"),
        handle: Handle::from_bytes(array(row, "handle")),
        name: bytes(row, "name"),
        revision: number(row, "revision"),
        mac,
    }
}
