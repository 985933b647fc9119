//! The first five minutes in Rust: open a deployment, act for a tenant, read secrets.
//!
//! ```console
//! $ first-steps /var/lib/strongroom acme prod
//! ```
//!
//! Prints names, lengths and receipts, never values.

#![allow(clippy::print_stdout, reason = "a program for people speaks on the terminal")]

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use strongroom::{Actor, Context, Deployment, Error, Folder, Get, OpenOptions, Result, TenantId};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [data, tenant, folder] = &arguments[..] else {
        println!("usage: first-steps DATA TENANT FOLDER");
        return ExitCode::from(2);
    };
    // Strongroom needs no async runtime. Any one will do; here the main thread waits.
    match pollster::block_on(read_all(data, tenant, folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

async fn read_all(data: &str, tenant: &str, folder: &str) -> Result<()> {
    // The device is named in the deployment's config.toml; its PIN is where the URI says.
    let deployment = Deployment::at(data);
    let room = strongroom_hsm::open_deployment(&deployment, OpenOptions::default()).await?;

    // Nothing is done without an actor: it stands in the audit log, with every operation.
    let tenant: TenantId = tenant.parse()?;
    let acme = room.tenant(&tenant).acting_as(Context::new(Actor::service("first-steps")?));

    // One operation, one line in the log, however many secrets it reads.
    let folder: Folder = folder.parse()?;
    let exported = acme.secrets().export(&folder).await?;
    println!("{} secrets in {folder}, recorded as {}", exported.secrets.len(), exported.receipt);

    // And one by one: each read is durable in the log before its value is released.
    let mut times = Vec::new();
    for secret in &exported.secrets {
        let path = folder.join(secret.path.as_str())?;
        let begun = Instant::now();
        let read = acme.secrets().get(&path, Get::current()).await?;
        times.push(begun.elapsed());
        // A value is exposed for as long as this closure runs, and wiped when `read` is dropped.
        assert!(read.value.matches(&secret.value), "a value is the same either way");
    }
    let (p50, worst) = median(times);
    println!("each read again by itself: {p50:?} in the middle, {worst:?} at worst, every one synced and signed");
    room.close()
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle, times.last().copied().unwrap_or_default())
}

/// Every error has a stable code, a class for the exit code, and a next step.
fn report(error: &Error) -> ExitCode {
    println!("{}: {error}\n  next: {}", error.code().name(), error.remedy());
    ExitCode::from(error.class().exit_code())
}
