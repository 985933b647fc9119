//! A program's configuration file: its password is made if there is none yet, and put where the template says.
//!
//! ```text
//! config-file <data folder> <tenant> <file>
//! config-file /var/lib/strongroom acme app.toml
//! ```
//!
//! Nobody sees the password: not who runs this, and not the log, which has a line for each step.

#![allow(clippy::print_stdout, reason = "a program for a terminal: this is where its results go")]

use std::{env, error::Error, fs::OpenOptions as FileOptions, io::Write as _, path::Path, sync::Arc};

use strongroom::{
    Actor, Class, Context, Deployment, Generate, OpenOptions, PasswordPolicy, Put, TenantId, Version,
    transfer::template::Template,
};
use strongroom_hsm::open_deployment;

/// `| url` for what stands in a URL, `| json` for a string of TOML: whatever the value is, it stays one value there.
const TEMPLATE: &str = r#"
[database]
url = "postgres://app:{{ secret "app/db/password" | url }}@db/app"
password = {{ secret "app/db/password" | json }}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, tenant, file] = arguments.as_slice() else {
        return Err("usage: config-file <data folder> <tenant> <file>".into());
    };
    pollster::block_on(write_config(&Deployment::at(data), &tenant.parse()?, Path::new(file)))
}

async fn write_config(deployment: &Deployment, tenant: &TenantId, file: &Path) -> Result<(), Box<dyn Error>> {
    strongroom::harden_process()?;
    let room = open_deployment(deployment, OpenOptions::default()).await?;
    let secrets = room.tenant(tenant).acting_as(Context::new(Actor::service("deployer")?)).secrets();

    let password = Generate::password(&PasswordPolicy::new(32))?;
    // Version 0: only if there is none yet. Of several who try at once, one makes it.
    let only_new = Put::default().expect(Version(0));
    match secrets.generate(&"app/db/password".parse()?, &password, only_new).await {
        Ok(made) => println!("made a password of {} bits, {}", password.entropy_bits(), made.receipt),
        Err(error) if error.class() == Class::Conflict => println!("there is a password already"),
        Err(error) => return Err(error.into()),
    }

    // All secrets of the template are read in one operation, or none is.
    let rendered = secrets.render(&Arc::new(Template::parse(TEMPLATE.as_bytes())?)).await?;
    let mut options = FileOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(&rendered.document)?;
    println!("wrote {} with {} secrets, {}", file.display(), rendered.secrets.len(), rendered.receipt);

    room.close()?;
    Ok(())
}
