//! The life of a password: put, rotated without an outage, tried, deleted and brought back, and over when its time is.
//!
//! ```text
//! life <data folder> <tenant>
//! life /var/lib/strongroom acme
//! ```
//!
//! It leaves `examples/life/password` behind, and prints no value. What it did is in `strongroom secret history`.

#![allow(clippy::print_stdout, reason = "a program for a terminal: this is where its results go")]

use std::{env, error::Error, time::Duration};

use strongroom::{
    Actor, Code, Context, Deployment, Expiry, Get, History, OpenOptions, Promote, Put, SecretPath, SecretType,
    SecretValue, Secrets, TenantId, Verdict,
};
use strongroom_hsm::open_deployment;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, tenant] = arguments.as_slice() else { return Err("usage: life <data folder> <tenant>".into()) };
    pollster::block_on(life(&Deployment::at(data), &tenant.parse()?))
}

async fn life(deployment: &Deployment, tenant: &TenantId) -> Result<(), Box<dyn Error>> {
    strongroom::harden_process()?;
    let room = open_deployment(deployment, OpenOptions::default()).await?;
    let secrets = room.tenant(tenant).acting_as(Context::new(Actor::service("rotator")?)).secrets();
    let path: SecretPath = "examples/life/password".parse()?;

    // What it is says how often it should be another one: a database password, every 30 days.
    let about = Put::default().secret_type(SecretType::DatabasePassword).owner("payments".parse()?);
    let old = secrets.put(&path, SecretValue::text("the old one")?, about).await?.version;
    rotate(&secrets, &path).await?;

    // A version that is deleted is read by nobody, until it is brought back.
    secrets.delete_versions(&path, &[old]).await?;
    let refused = secrets.get(&path, Get::version(old)).await.err().ok_or("a deleted version was read")?;
    secrets.undelete_versions(&path, &[old]).await?;
    secrets.get(&path, Get::version(old)).await?;
    println!("version {old}: {refused}, then brought back");

    // From now on each version lives for twelve hours: what is over is refused at once, by the clock.
    let short = Put::default().version_expires(Expiry::In(Duration::from_secs(12 * 60 * 60)));
    let last = secrets.put(&path, SecretValue::text("for half a day")?, short).await?.version;
    let known = secrets.describe(&path).await?;
    println!("version {last} may be read for twelve hours: {}", known.current_expires_at.is_some());

    let events = secrets.history(&path, &History::new(), 100).await?.events;
    println!("{} events, the last of them: {}", events.len(), events.first().ok_or("there is no history")?.kind);
    room.close()?;
    Ok(())
}

/// The new value is there before anybody uses it, and the old one for as long as somebody may need it.
async fn rotate(secrets: &Secrets, path: &SecretPath) -> Result<(), Box<dyn Error>> {
    let pending = secrets.put_pending(path, SecretValue::text("the new one")?, Put::default()).await?.version;
    // Here the other side is told: it gets the pending value, and accepts both for a while.
    let promoted = secrets.promote(path, Promote::pending().expect(pending)).await?;
    println!("version {} is current, {} was before", promoted.version, promoted.previous);

    // A database that was not told yet knows the old one. Which was right is in the log.
    let tried = secrets
        .try_current(path, |password, _| match log_in(password) {
            Ok(session) => Verdict::Accept(session),
            Err(Refused) => Verdict::Reject,
        })
        .await?;
    println!("{} with version {}, the {} one", tried.outcome, tried.accepted.version, tried.accepted.stage.as_str());

    // One that knows neither: an error with a code to decide by.
    let nowhere = secrets.try_current(path, |_, _| Verdict::<()>::Reject).await;
    match nowhere {
        Err(error) if error.code() == Code::TryRejected => println!("elsewhere: {error}"),
        other => return Err(format!("not expected: {other:?}").into()),
    }
    Ok(())
}

struct Refused;

/// Stands for a database that still knows the old password.
fn log_in(password: &SecretValue) -> Result<&'static str, Refused> {
    if password.expose(|bytes| bytes == b"the old one") { Ok("logged in") } else { Err(Refused) }
}
