//! A deployment with its device: making, opening and abandoning one, as every program does.

use std::sync::Arc;

use strongroom::{
    Code, Config, Context, Deployment, Error, Init, KeyDevice, OpenOptions, Origin, Receipt, Recovery, Result,
    Strongroom,
};

use crate::{DeviceUri, KeyIds};

/// Makes a deployment on the device that `config` names, or finishes one whose making was interrupted.
///
/// `recovery` has no default: it says what happens when the token is lost. `origin` is what the logs are
/// called, for ever. Blocks, for seconds on a slow token.
///
/// If the device is not found or refuses the PIN, no key was made, and the attempt is forgotten: a
/// corrected URI begins anew. After any other failure the same call finishes it.
///
/// # Errors
/// As [`Strongroom::init`]; `DeviceUriInvalid` before anything is written.
pub async fn initialize(
    deployment: &Deployment,
    config: Config,
    recovery: Recovery,
    origin: Option<Origin>,
    context: Context,
    options: OpenOptions,
) -> Result<(Strongroom, Receipt)> {
    let uri: DeviceUri = config.device.parse()?;
    let options = options.allow_unlocked_memory(config.allow_unlocked_memory);
    let init = Init::new(config, recovery, context);
    let init = match origin {
        Some(origin) => init.origin(origin),
        None => init,
    };
    let mut is_provisioned = false;
    let is_first_attempt = Strongroom::interrupted_init(deployment).is_err();
    let made = Strongroom::init(deployment, init, options, |keys, check_input| {
        let ids = KeyIds { root: *keys.root.as_bytes(), audit: *keys.audit.as_bytes() };
        let profile = deployment.log_in(|| uri.provision(&ids, check_input))?;
        is_provisioned = true;
        let device = deployment.log_in(|| uri.open(&profile))?;
        Ok((profile, device))
    })
    .await;
    if let Err(error) = &made
        && is_first_attempt
        && !is_provisioned
        && is_before_login(error.code())
    {
        Strongroom::abandon_init(deployment)?;
    }
    made
}

/// Whether a device that failed with this code was asked for no key yet.
fn is_before_login(code: Code) -> bool {
    matches!(
        code,
        Code::DeviceModule
            | Code::DeviceTokenNotFound
            | Code::DeviceTokenAmbiguous
            | Code::DeviceTokenUninitialized
            | Code::DevicePinRefused
            | Code::DevicePinLocked
            | Code::DevicePinUnset
    )
}

/// Opens a deployment with the device and the decisions in its `config.toml`.
///
/// # Errors
/// As [`open_device`] and [`Strongroom::open`].
pub async fn open_deployment(deployment: &Deployment, options: OpenOptions) -> Result<Strongroom> {
    let options = options.allow_unlocked_memory(deployment.config()?.allow_unlocked_memory);
    Strongroom::open_with(deployment, open_device(deployment)?, options).await
}

/// Opens the device that a deployment's `config.toml` names, if it is the one that its database remembers. A login that
/// the device refuses is noted for the audit log: see [`Deployment::log_in`].
///
/// # Errors
/// `DeploymentMissing`, `DeploymentUnfinished`, `ConfigInvalid`; what [`DeviceUri::open`] says.
pub fn open_device(deployment: &Deployment) -> Result<Arc<dyn KeyDevice>> {
    let uri: DeviceUri = deployment.config()?.device.parse()?;
    let profile = deployment.profile()?;
    deployment.log_in(|| uri.open(&profile))
}

/// Takes the keys of an interrupted `init` out of the device, exactly those, and forgets it. Returns how
/// many objects that were.
///
/// # Errors
/// `DeploymentMissing` if no `init` was interrupted here; `DeploymentExists` if it was as good as done,
/// in which case nothing is touched; what [`DeviceUri::remove`] says.
pub fn abandon_init(deployment: &Deployment) -> Result<usize> {
    let (uri, keys) = Strongroom::interrupted_init(deployment)?;
    // The keys of a database that is complete must not be taken from it.
    if deployment.database().exists() {
        return Err(Error::new(Code::DeploymentExists).detail("it is complete: run the same init again"));
    }
    let uri: DeviceUri = uri.parse()?;
    let ids = KeyIds { root: *keys.root.as_bytes(), audit: *keys.audit.as_bytes() };
    let removed = deployment.log_in(|| uri.remove(&ids))?;
    Strongroom::abandon_init(deployment)?;
    Ok(removed)
}
