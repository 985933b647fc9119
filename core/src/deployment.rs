//! The data folder: where a deployment's database and configuration are, and what `init` left there.
//!
//! ```text
//! strongroom.db   the database
//! config.toml     device URI, anchors and limits, never a secret
//! processes/      a locked file for each process that has it open
//! login.refused   only until the audit log has the logins that the device refused
//! init.intent     only while `init` runs, or after it was interrupted
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    AnchorPlace, Code, DeviceProfile, Error, Result,
    store::{Maintenance, SqliteStore, Store as _},
};

/// A deployment's data folder. Holding one opens nothing.
#[derive(Clone, Debug)]
pub struct Deployment {
    folder: PathBuf,
}

/// What `config.toml` says. Unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The key device, as a URI that names no secret.
    pub device: String,
    /// Goes on where memory for keys cannot be locked.
    #[serde(default)]
    pub allow_unlocked_memory: bool,
    /// The anchors of the audit log, as the deployment records them too: see [`crate::Admin::add_anchor`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<AnchorPlace>,
}

impl Config {
    /// Reads what `config.toml` holds.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
            });
            Error::new(Code::ConfigInvalid).detail(format!("line {line}: {}", error.message()))
        })
    }
}

impl Deployment {
    /// The deployment in this folder. No I/O.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.folder.join("strongroom.db")
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The file that says that an `init` was begun.
    pub(crate) fn intent_file(&self) -> PathBuf {
        self.folder.join("init.intent")
    }

    /// Where each process that has the deployment open holds a lock.
    pub(crate) fn processes_folder(&self) -> PathBuf {
        self.folder.join("processes")
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// `DeploymentMissing`, `DeploymentUnfinished`, `ConfigInvalid` with the line, `FileUnreadable`.
    pub fn config(&self) -> Result<Config> {
        let text = match fs::read_to_string(self.config_file()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(self.missing()),
            Err(error) => return Err(unreadable(&self.config_file(), error)),
        };
        Config::parse(&text)
    }

    /// What the deployment remembers of its device. Not authenticated yet: [`crate::Strongroom::open`] does that.
    ///
    /// # Errors
    /// As [`crate::Strongroom::open`], as far as the database is concerned.
    pub fn profile(&self) -> Result<DeviceProfile> {
        self.demand()?;
        let store = SqliteStore::open(&self.database(), Maintenance::Inline)?;
        let row = store.snapshot()?.deployment()?.ok_or(Code::DeploymentUnfinished)?;
        DeviceProfile::from_bytes(&row.profile)
    }

    /// Refuses where there is no complete deployment.
    pub(crate) fn demand(&self) -> Result<()> {
        match fs::metadata(self.database()) {
            // The database appears under its name when it is complete; to SQLite an empty file is a new one.
            Ok(file) if file.len() == 0 => Err(Error::new(Code::StoreDamaged).detail("it is empty")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.missing()),
            Err(error) => Err(unreadable(&self.database(), error)),
        }
    }

    fn missing(&self) -> Error {
        let code = if self.intent_file().exists() { Code::DeploymentUnfinished } else { Code::DeploymentMissing };
        Error::new(code).detail(self.folder.display().to_string())
    }

    /// Makes the folder, for its owner alone.
    pub(crate) fn create_folder(&self) -> Result<()> {
        create_private_folder(&self.folder)
    }

    pub(crate) fn write_config(&self, config: &Config) -> Result<()> {
        let body = toml::to_string(config).map_err(|error| Error::new(Code::Internal).caused_by(error))?;
        let text = format!(
            "# Strongroom's configuration. No secret belongs here: name where the PIN is, not the PIN.\n{body}"
        );
        write_durably(&self.config_file(), text.as_bytes())
    }
}

/// Makes a folder for its owner alone, if there is none.
pub(crate) fn create_private_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|error| unwritable(folder, error))
}

/// Writes a file so that after a crash it is there whole, or as it was before.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| unwritable(path, error))?;
    sync_folder_of(path)
}

/// Makes a change of names in a folder durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(folder, error))
}

pub(crate) fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::FileUnreadable).detail(format!("{}: {}", path.display(), error.kind())).caused_by(error)
}

pub(crate) fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::StoreReadOnly,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::StoreFull,
        _ => Code::FileUnreadable,
    };
    Error::new(code).detail(format!("{}: {}", path.display(), error.kind())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(folder.path());
        assert_eq!(deployment.config().unwrap_err().code(), Code::DeploymentMissing);
        let config = Config { device: "software:/k?passphrase-source=file:/p".into(), ..Config::default() };
        deployment.write_config(&config).unwrap();
        assert_eq!(deployment.config().unwrap(), config);
        let anchored = Config { anchors: vec!["file:/mnt/log/anchor".parse().unwrap()], ..config };
        deployment.write_config(&anchored).unwrap();
        assert_eq!(deployment.config().unwrap(), anchored);
        fs::write(deployment.config_file(), "device = \"x\"\nanchors = [\"anchor\"]\n").unwrap();
        assert_eq!(deployment.config().unwrap_err().code(), Code::ConfigInvalid);
        fs::write(deployment.config_file(), "device = \"x\"\n\nunknown = 1\n").unwrap();
        let error = deployment.config().unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
        assert!(error.details().unwrap().starts_with("line 3"), "{error}");
        fs::write(deployment.intent_file(), "").unwrap();
        fs::remove_file(deployment.config_file()).unwrap();
        assert_eq!(deployment.config().unwrap_err().code(), Code::DeploymentUnfinished);
    }
}
