//! A deployment on a cheap software device with known keys, or on a real SoftHSM token.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use strongroom::{
    ActingTenant, Actor, Admin, Code, Config, Context, Deployment, Error, Init, KeyDevice, OpenOptions, Recovery,
    Strongroom,
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
        let folder = tempfile::tempdir().unwrap();
        let device_folder = folder.path().join("device");
        std::fs::create_dir(&device_folder).unwrap();
        let mut made = None;
        let deployment = Deployment::at(folder.path().join("data"));
        let placeholder = Config { device: "software:given by the test".into(), ..Config::default() };
        let init = Init::new(placeholder, Recovery::None, operator());
        let (room, _) =
            pollster::block_on(Strongroom::init(&deployment, init, OpenOptions::default(), |keys, check| {
                let ids = KeyIds { root: *keys.root.as_bytes(), audit: *keys.audit.as_bytes() };
                let uri = strongroom_hsm::testing::software_with(&device_folder, &ids, &ROOT, &AUDIT_SEED)?;
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
