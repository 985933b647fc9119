//! A deployment on a cheap software device with known keys, or on a real SoftHSM token.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use strongroom::{
    ActingTenant, Actor, Admin, Code, Config, Context, Deployment, Error, Init, KeyDevice, OpenOptions, Recovery,
    Strongroom,
    device::{BoxFuture, DeviceError, DeviceIdentity, Health, Prk, RootVersion, Signature},
};
use strongroom_hsm::{DeviceUri, KeyIds};
use tempfile::TempDir;

/// A deployment in a temporary folder.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) deployment: Deployment,
    pub(crate) uri: DeviceUri,
}

pub(crate) const ROOT: [u8; 32] = [0x52; 32];
pub(crate) const AUDIT_SEED: [u8; 32] = [0xa5; 32];

impl Place {
    /// On a key file with known keys.
    pub(crate) fn software() -> (Self, Strongroom) {
        Self::on(tempfile::tempdir().unwrap(), Self::key_file)
    }

    /// The same where syncs cost nothing, if there is such a place: for tests that make many and cut no power.
    pub(crate) fn in_memory() -> (Self, Strongroom) {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::on(folder.unwrap(), Self::key_file)
    }

    fn key_file(folder: &Path, ids: &KeyIds) -> Result<DeviceUri, DeviceError> {
        strongroom_hsm::testing::software_with(folder, ids, &ROOT, &AUDIT_SEED)
    }

    /// On a token of its own; `None`, which is recorded as a skip, without SoftHSM.
    pub(crate) fn token() -> Option<(Self, Strongroom)> {
        let hsm = strongroom_hsm::testing::SoftHsm::for_this_process()?;
        Some(Self::on(tempfile::tempdir().unwrap(), |_, _| hsm.token("strongroom", "1234-5678").parse()))
    }

    /// On the device that this makes, in a folder and with these ids.
    fn on(folder: TempDir, make: impl FnOnce(&Path, &KeyIds) -> Result<DeviceUri, DeviceError>) -> (Self, Strongroom) {
        let device_folder = folder.path().join("device");
        std::fs::create_dir(&device_folder).unwrap();
        let mut made = None;
        let deployment = Deployment::at(folder.path().join("data"));
        let placeholder = Config { device: "software:given by the test".into(), ..Config::default() };
        let init = Init::new(placeholder, Recovery::None, operator());
        let (room, _) =
            pollster::block_on(Strongroom::init(&deployment, init, OpenOptions::default(), |keys, check| {
                let ids = KeyIds { root: *keys.root.as_bytes(), audit: *keys.audit.as_bytes() };
                let uri = make(&device_folder, &ids)?;
                let profile = uri.provision(&ids, check)?;
                let device = uri.open(&profile)?;
                made = Some(uri);
                Ok((profile, device))
            }))
            .unwrap();
        (Self { folder, deployment, uri: made.unwrap() }, room)
    }

    /// Opens it again.
    pub(crate) fn open(&self) -> Result<Strongroom, Error> {
        pollster::block_on(Strongroom::open(&self.deployment, self.device()?))
    }

    /// The device, opened anew.
    pub(crate) fn device(&self) -> Result<Arc<dyn KeyDevice>, Error> {
        Ok(self.uri.open(&self.deployment.profile()?)?)
    }

    /// The database, for a thief.
    pub(crate) fn thief(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.deployment.database()).unwrap()
    }
}

pub(crate) fn operator() -> Context {
    Context::new(Actor::operator("olga").unwrap())
}

pub(crate) fn billing() -> Context {
    Context::new(Actor::service("billing").unwrap())
}

pub(crate) fn admin(room: &Strongroom) -> Admin {
    room.admin(operator())
}

/// A tenant that exists, as the billing service.
pub(crate) fn tenant(room: &Strongroom, name: &str) -> ActingTenant {
    let id = name.parse().unwrap();
    match pollster::block_on(admin(room).create_tenant(&id)) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.code(), Code::TenantExists, "{error}"),
    }
    room.tenant(&id).acting_as(billing())
}

/// A device that signs nothing while it is away.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) inner: Arc<dyn KeyDevice>,
    pub(crate) away: AtomicBool,
}

impl KeyDevice for Away {
    fn prf(&self, root: RootVersion, input: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Prk, DeviceError>> {
        self.inner.prf(root, input, deadline)
    }

    fn sign(&self, message: Vec<u8>, deadline: Instant) -> BoxFuture<'_, Result<Signature, DeviceError>> {
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(DeviceError::Unavailable("away".to_owned())) });
        }
        self.inner.sign(message, deadline)
    }

    fn identity(&self) -> DeviceIdentity {
        self.inner.identity()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }
}
