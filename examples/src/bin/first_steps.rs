//! The first five minutes with Strongroom as a library: open a deployment, list a folder, get a secret.
//!
//! ```text
//! first-steps <data folder> <tenant> <folder>
//! first-steps /var/lib/strongroom acme prod
//! ```
//!
//! It prints names, lengths and the receipt, never a value.

#![allow(clippy::print_stdout, reason = "a program for a terminal: this is where its results go")]

use std::{env, error::Error};

use strongroom::{Actor, After, Context, Deployment, Entry, Folder, Get, OpenOptions, TenantId};
use strongroom_hsm::open_deployment;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, tenant, folder] = arguments.as_slice() else {
        return Err("usage: first-steps <data folder> <tenant> <folder>".into());
    };
    // Names are parsed once, at the edge. From here on no text can be taken for a tenant or a folder.
    let tenant: TenantId = tenant.parse()?;
    let folder: Folder = folder.parse()?;
    // The API is async and needs no particular runtime: use the one you have, or, as here, just wait.
    pollster::block_on(first_steps(&Deployment::at(data), &tenant, &folder))
}

async fn first_steps(deployment: &Deployment, tenant: &TenantId, folder: &Folder) -> Result<(), Box<dyn Error>> {
    // Keys will be in this process's memory: keep them out of core dumps and debuggers.
    strongroom::harden_process()?;

    // `config.toml` in the folder names the device. Opening checks that token, keys and database belong
    // together. A server opens once and keeps the room; it is cheap to clone.
    let room = open_deployment(deployment, OpenOptions::default()).await?;

    // Nothing can be asked of a tenant before it is said who asks: this name goes into the audit log.
    let billing = Context::new(Actor::service("billing")?);
    let secrets = room.tenant(tenant).acting_as(billing).secrets();

    // A folder comes in pages, sorted by name.
    let (mut after, mut count, mut bytes) = (After::start(), 0, 0);
    let mut shown = 0;
    loop {
        let page = secrets.list(folder, after, 100).await?;
        for entry in page.entries {
            let Entry::Secret(path) = entry else { continue };
            let secret = secrets.get(&path, Get::current()).await?;
            // `expose` lends the bytes for as long as the closure runs; they are wiped when `secret` goes.
            let length = secret.value.expose(|value| value.len());
            count += 1;
            bytes += length;
            if shown < 3 {
                shown += 1;
                println!("{path}: version {}, {length} bytes", secret.version);
                // Keep the receipt, and whoever runs the log can never deny that this was recorded.
                println!("  receipt {}", secret.receipt);
            }
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    println!("{count} secrets, {bytes} bytes in all");

    // Writes the closing line of the log and wipes the keys.
    room.close()?;
    Ok(())
}
