//! An operator's view: a tenant with quotas, what it stores found by its labels, and what the process has counted.
//!
//! ```text
//! tenants <data folder> <name of a new tenant>
//! tenants /var/lib/strongroom globex
//! ```

#![allow(clippy::print_stdout, reason = "a program for a terminal: this is where its results go")]

use std::{
    env,
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use strongroom::{
    Actor, After, Code, Context, Deployment, Folder, Labels, OpenOptions, Put, Search, SecretType, SecretValue,
    Secrets, TenantChange, TenantId, Timestamp,
};
use strongroom_hsm::open_deployment;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, tenant] = arguments.as_slice() else {
        return Err("usage: tenants <data folder> <name of a new tenant>".into());
    };
    pollster::block_on(tenants(&Deployment::at(data), &tenant.parse()?))
}

async fn tenants(deployment: &Deployment, tenant: &TenantId) -> Result<(), Box<dyn Error>> {
    strongroom::harden_process()?;
    let room = open_deployment(deployment, OpenOptions::default()).await?;
    let admin = room.admin(Context::new(Actor::operator("olga")?));
    admin.create_tenant(tenant).await?;
    // What is not named stays as it is: leases stay allowed, and there is no bound on audit bytes.
    let quotas = TenantChange::default().max_secrets(Some(3)).max_bytes(Some(64 * 1024)).max_rate(Some(1_000));
    admin.set_tenant(tenant, quotas).await?;

    let secrets = room.tenant(tenant).acting_as(Context::new(Actor::service("deployer")?)).secrets();
    fill(&secrets).await?;
    find(&secrets).await?;

    // Exact, over all processes: it is counted in the transaction that stores.
    let (info, _) = admin.show_tenant(tenant).await?;
    println!("{tenant} uses {} secrets, {} bytes", info.usage.secrets, info.usage.bytes);

    // What this process did, for Prometheus: names of tenants, never of secrets.
    let counted = room.metrics();
    println!("{} done, {} refused", counted.tenant(tenant).allowed, counted.tenant(tenant).refused);
    let text = counted.to_openmetrics()?;
    let line = text.lines().find(|line| line.starts_with("secrets_retrieved_total") || line.starts_with("# TYPE"));
    println!("{} lines of metrics, such as: {}", text.lines().count(), line.unwrap_or_default());
    room.close()?;
    Ok(())
}

/// Stores until the quota is used up.
async fn fill(secrets: &Secrets) -> Result<(), Box<dyn Error>> {
    for name in ["api-key", "password", "token", "one-too-many"] {
        let labels = Labels::parse([("team", "web"), ("name", name)])?;
        let about = Put::default().labels(labels).secret_type(SecretType::Token);
        match secrets.put(&format!("shop/{name}").parse()?, SecretValue::text("value")?, about).await {
            Ok(put) => println!("shop/{name} version {}", put.version),
            Err(error) if error.code() == Code::QuotaExceeded => println!("shop/{name}: {error}; {}", error.remedy()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// All that the team has that is due within 31 days.
async fn find(secrets: &Secrets) -> Result<(), Box<dyn Error>> {
    let by = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(31 * 24 * 60 * 60);
    let due = Search::below(Folder::root())
        .labels(Labels::parse([("team", "web")])?)
        .due_before(Timestamp(u64::try_from(by.as_micros())?));
    let mut after = After::start();
    loop {
        let page = secrets.search(&due, after, 2).await?;
        for found in &page.secrets {
            println!("due: {}, version {}", found.path, found.current);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}
