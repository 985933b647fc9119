//! A tenant's keys: cold, from the device, and warm, from the cache.
//!
//! Cold is what the first operation on a tenant pays: the device evaluates its PRF on a thread of its
//! own, and the keyring is unsealed under the answer. The token runs in a process of its own, because
//! SoftHSM reads its configuration from the environment.

use std::{
    env, fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use pollster::block_on;
use serde::{Deserialize, Serialize};
use strongroom::{
    Arena, CACHE_TTL_DEFAULT, KeyCache, KeyDevice, Locking, SystemClock, SystemRandom, TenantKeys, Timestamp,
};
use strongroom_hsm::{DeviceUri, KeyIds};

use crate::{
    Effort, Result, deployment,
    sample::{nanos, per_call, percentile},
    seal::seed,
};

const DEADLINE: Duration = Duration::from_secs(10);

/// One device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) device: String,
    pub(crate) samples: usize,
    /// The device's answer alone.
    pub(crate) prf_p50_ns: u64,
    /// The answer, and the keyring unsealed under it.
    pub(crate) cold_p50_ns: u64,
    pub(crate) cold_p99_ns: u64,
    /// Found in the cache.
    pub(crate) warm_ns: f64,
}

/// The software device here, and a token in a child process; `None` of it without SoftHSM.
pub(crate) fn measure(effort: Effort, folder: &Path) -> Result<(Keys, Option<Keys>)> {
    let software = measure_device("software".to_owned(), &deployment::software_uri(folder)?, effort)?;
    Ok((software, token(effort, folder)?))
}

/// In the child: the token that this URI names.
pub(crate) fn child(uri: &str, effort: Effort) -> Result<Keys> {
    measure_device("SoftHSM token".to_owned(), uri, effort)
}

fn measure_device(device_name: String, uri: &str, effort: Effort) -> Result<Keys> {
    let uri: DeviceUri = uri.parse()?;
    let profile = uri.provision(&KeyIds { root: [1; 16], audit: [2; 16] }, b"bench")?;
    let device = uri.open(&profile)?;
    let arena = Arena::new(strongroom::ARENA_BYTES_DEFAULT, Locking::Allow)?;
    let seed = seed(7);
    let ask = |device: &Arc<dyn KeyDevice>| {
        block_on(device.prf(seed.root.version, seed.prf_input(), Instant::now() + DEADLINE))
    };
    let (_, keyring) = TenantKeys::create(seed, &ask(&device)?, &ask(&device)?, &arena, &SystemRandom, Timestamp(1))?;

    let samples = if effort.is_quick() { 300 } else { 3_000 };
    let (mut prf, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let since = Instant::now();
        let prk = ask(&device)?;
        prf.push(nanos(since));
        black_box(TenantKeys::unseal(seed, &prk, &keyring, &arena)?);
        cold.push(nanos(since));
    }
    prf.sort_unstable();
    cold.sort_unstable();

    let cache = KeyCache::new(Arc::new(SystemClock::new()), CACHE_TTL_DEFAULT);
    cache.insert(Arc::new(TenantKeys::unseal(seed, &ask(&device)?, &keyring, &arena)?));
    let warm_ns = per_call(Duration::from_millis(100), 256, || drop(black_box(cache.find(black_box(seed.tenant)))));
    Ok(Keys {
        device: device_name,
        samples,
        prf_p50_ns: percentile(&prf, 0.5),
        cold_p50_ns: percentile(&cold, 0.5),
        cold_p99_ns: percentile(&cold, 0.99),
        warm_ns,
    })
}

/// Makes a private token and measures it in a child of ours.
fn token(effort: Effort, folder: &Path) -> Result<Option<Keys>> {
    let Some(module) = softhsm_module() else { return Ok(None) };
    let tokens = folder.join("tokens");
    fs::create_dir(&tokens)?;
    let conf = folder.join("softhsm2.conf");
    fs::write(
        &conf,
        format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display()),
    )?;
    let pin = folder.join("pin");
    deployment::write_private(&pin, "bench-1234\n")?;
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            "bench",
            "--so-pin",
            "so-123456",
            "--pin",
            "bench-1234",
            "--module",
        ])
        .arg(&module)
        .env("SOFTHSM2_CONF", &conf)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let uri = format!("pkcs11:token=bench?module-path={}&pin-source=file:{}", module.display(), pin.display());
    let output = Command::new(env::current_exe()?)
        .args(effort.argument())
        .args(["child-token", &uri])
        .env("SOFTHSM2_CONF", &conf)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the child that measures the token failed".into());
    }
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// Where SoftHSM is installed: `$STRONGROOM_TEST_PKCS11`, else where Linux distributions have it.
fn softhsm_module() -> Option<PathBuf> {
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path());
    env::var_os("STRONGROOM_TEST_PKCS11").map(PathBuf::from).or_else(|| {
        ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
            .map(PathBuf::from)
            .into_iter()
            .chain(multiarch)
            .map(|folder| folder.join("softhsm/libsofthsm2.so"))
            .find(|path| path.exists())
    })
}
