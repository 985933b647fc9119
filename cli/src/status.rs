//! `status`: the deployment at a glance.

use clap::Args;
use serde::Serialize;
use strongroom::device::Health;

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Show the deployment: device, tenants, audit log, database
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom status
  strongroom status -o json | jq -r .root_key")]
pub(crate) struct Status {}

#[derive(Serialize)]
struct Reply<'a> {
    deployment: String,
    origin: &'a str,
    root_key: &'a str,
    created: String,
    version: &'static str,
    device: DeviceJson,
    memory_locked: bool,
    tenants: u64,
    tenants_closed: u64,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct DeviceJson {
    kind: String,
    token: String,
    serial: String,
    health: &'static str,
    root_versions: Vec<u32>,
}

impl Status {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        Ok(())
    }
}
