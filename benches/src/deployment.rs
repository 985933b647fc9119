//! A deployment to measure: on a software device, with tenants and secrets in it.

use std::{fs, path::Path};

use pollster::block_on;
use strongroom::{
    Actor, Admin, Config, Context, Deployment, Get, Lease, LeaseLimits, OpenOptions, Put, Recovery, SecretPath,
    SecretValue, Secrets, Strongroom,
};

use crate::Result;

/// Tenants that the callers share, where nothing else is said.
pub(crate) const TENANTS: usize = 16;
/// Secrets that each caller puts and gets in turn.
const SECRETS_PER_CALLER: usize = 16;
/// Bytes of each value.
pub(crate) const VALUE_BYTES: usize = 100;

/// An open deployment.
pub(crate) struct Bench {
    pub(crate) room: Strongroom,
    pub(crate) deployment: Deployment,
    tenants: usize,
}

/// What one caller works with: a tenant, and secrets nobody else puts.
pub(crate) struct Caller {
    secrets: Secrets,
    paths: Vec<SecretPath>,
}

impl Bench {
    /// Makes one in this folder, with so many tenants.
    pub(crate) fn make(folder: &Path, tenants: usize) -> Result<Self> {
        let deployment = Deployment::at(folder.join("data"));
        let config = Config { device: software_uri(folder)?, allow_unlocked_memory: true, ..Config::default() };
        let (room, _) = block_on(strongroom_hsm::initialize(
            &deployment,
            config,
            Recovery::None,
            None,
            operator()?,
            OpenOptions::default(),
        ))?;
        let bench = Self { room, deployment, tenants };
        for number in 0..tenants {
            block_on(bench.admin()?.create_tenant(&tenant(number).parse()?))?;
        }
        Ok(bench)
    }

    /// Opens the one in this folder, which has so many tenants.
    pub(crate) fn open(folder: &Path, tenants: usize) -> Result<Self> {
        let deployment = Deployment::at(folder.join("data"));
        let room = block_on(strongroom_hsm::open_deployment(&deployment, OpenOptions::default()))?;
        Ok(Self { room, deployment, tenants })
    }

    pub(crate) fn admin(&self) -> Result<Admin> {
        Ok(self.room.admin(operator()?))
    }

    /// The caller of this number. Its secrets are there after [`Caller::prepare`].
    pub(crate) fn caller(&self, number: usize) -> Result<Caller> {
        let context = Context::new(Actor::service("bench")?);
        let secrets = self.room.tenant(&tenant(number % self.tenants).parse()?).acting_as(context).secrets();
        let paths = (0..SECRETS_PER_CALLER)
            .map(|secret| format!("prod/caller-{number}/secret-{secret}").parse())
            .collect::<std::result::Result<_, _>>()?;
        Ok(Caller { secrets, paths })
    }

    /// Commits and lines of the log so far. Asking adds one of each.
    pub(crate) fn counts(&self) -> Result<(u64, u64)> {
        let head = block_on(self.admin()?.status())?.head;
        Ok((head.commits, head.lines))
    }
}

impl Caller {
    /// Puts each secret once.
    pub(crate) fn prepare(&self) -> Result<()> {
        (0..SECRETS_PER_CALLER as u64).try_for_each(|call| self.put(call))
    }

    /// Puts a new version of the secret whose turn it is.
    pub(crate) async fn put_soon(&self, call: u64) -> Result<()> {
        let value = SecretValue::binary(vec![0x61; VALUE_BYTES])?;
        self.secrets.put(self.path(call), value, Put::default()).await?;
        Ok(())
    }

    /// Gets the current version of the secret whose turn it is.
    pub(crate) async fn get_soon(&self, call: u64) -> Result<()> {
        self.secrets.get(self.path(call), Get::current()).await?;
        Ok(())
    }

    /// [`Self::put_soon`], waiting for it.
    pub(crate) fn put(&self, call: u64) -> Result<()> {
        block_on(self.put_soon(call))
    }

    /// [`Self::get_soon`], waiting for it.
    pub(crate) fn get(&self, call: u64) -> Result<()> {
        block_on(self.get_soon(call))
    }

    /// A lease on the first secret.
    pub(crate) async fn lease(&self, limits: LeaseLimits) -> Result<Lease> {
        Ok(self.secrets.lease(self.path(0), limits).await?)
    }

    fn path(&self, call: u64) -> &SecretPath {
        &self.paths[call as usize % SECRETS_PER_CALLER]
    }
}

fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

fn operator() -> Result<Context> {
    Ok(Context::new(Actor::operator("bench")?))
}

/// A software device in this folder that is not made yet, with its passphrase.
pub(crate) fn software_uri(folder: &Path) -> Result<String> {
    let (key, pass) = (folder.join("device.key"), folder.join("device.pass"));
    write_private(&pass, "correct horse battery staple")?;
    Ok(format!("software:{}?passphrase-source=file:{}", key.display(), pass.display()))
}

/// A file for its owner alone.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}
