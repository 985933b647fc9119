//! A secret that is read very often: one line for the lease, none for the reads, one with the counts.
//!
//! ```text
//! lease <data folder> <tenant>
//! lease /var/lib/strongroom acme
//! ```
//!
//! It leaves `examples/lease/key` behind.

#![allow(clippy::print_stdout, reason = "a program for a terminal: this is where its results go")]

use std::{
    env,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use strongroom::{
    Actor, Code, Context, Deployment, Lease, LeaseLimits, OpenOptions, Put, SecretPath, SecretValue, TenantId,
};
use strongroom_hsm::open_deployment;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, tenant] = arguments.as_slice() else { return Err("usage: lease <data folder> <tenant>".into()) };
    pollster::block_on(under_lease(&Deployment::at(data), &tenant.parse()?))
}

async fn under_lease(deployment: &Deployment, tenant: &TenantId) -> Result<(), Box<dyn Error>> {
    strongroom::harden_process()?;
    let room = open_deployment(deployment, OpenOptions::default()).await?;
    let secrets = room.tenant(tenant).acting_as(Context::new(Actor::service("gateway")?)).secrets();
    let path: SecretPath = "examples/lease/key".parse()?;
    secrets.put(&path, SecretValue::text("a key for webhooks")?, Put::default()).await?;

    // The limits are what an auditor sees before the first read: as much as the work needs, and no more.
    let limits = LeaseLimits { reads: 10_000, seconds: 60, ..LeaseLimits::default() };
    let lease = secrets.lease(&path, limits).await?;
    let (start, mut bytes) = (Instant::now(), 0);
    for _ in 0..1_000 {
        bytes += lease.read()?.expose(<[u8]>::len);
    }
    println!("1000 reads, {bytes} bytes, {:?} each", start.elapsed() / 1_000);

    // Somebody rotates the key, in this process or another: the lease ends, and the value is wiped.
    secrets.put(&path, SecretValue::text("another key")?, Put::default()).await?;
    println!("ended by the change: {}", ends_within(&lease, Duration::from_secs(2))?);
    let closed = lease.close().await?;
    println!("recorded: {} reads, {}", closed.counts.reads, closed.receipt);

    // A new lease has the new value; this is the whole error handling that a reader needs.
    let again = secrets.lease(&path, LeaseLimits { reads: 1, ..LeaseLimits::default() }).await?;
    let version = again.version();
    again.read()?;
    match again.read() {
        Err(error) if error.code() == Code::LeaseExhausted => println!("version {version}: {error}"),
        other => return Err(format!("not expected: {other:?}").into()),
    }
    again.close().await?;
    room.close()?;
    Ok(())
}

/// Whether the lease ends in this time because of a change.
fn ends_within(lease: &Lease, most: Duration) -> Result<bool, Box<dyn Error>> {
    let start = Instant::now();
    while start.elapsed() < most {
        match lease.read() {
            Ok(_) => thread::sleep(Duration::from_millis(10)),
            Err(error) if error.code() == Code::LeaseEnded => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}
