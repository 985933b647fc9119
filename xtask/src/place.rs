//! Where things are: the clone, the build folder, the cache, and cargo itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stop::{Result, Stop, While};

/// The clone this command was started in.
///
/// Asked at run time: clones that share a build folder may run each other's xtask.
pub(crate) fn root() -> PathBuf {
    let xtask =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map(Path::to_path_buf).expect("xtask/ is a folder of the clone")
}

/// The build folder, whoever chose it: this program stands in `<target>/debug/xtask`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = env::current_exe().doing("cannot tell where xtask was built")?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_path_buf).ok_or_else(|| Stop::new("xtask was built in no folder"))
}

/// Tools, the Python environment: what is costly to fetch, shared by all clones.
pub(crate) fn cache() -> Result<PathBuf> {
    let home = env::var_os("HOME").ok_or_else(|| Stop::new("HOME is not set"))?;
    let cache = PathBuf::from(home).join(".cache/strongroom");
    std::fs::create_dir_all(&cache).doing(format_args!("cannot create {}", cache.display()))?;
    Ok(cache)
}

/// The cargo that started us, to be run at the top of the clone.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()?);
    Ok(cargo)
}

/// `CI=true`: nobody is watching, so nothing may be skipped in silence.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}
