//! Values going out into files: for their owner alone, whole or not at all, over nothing that is there.

use std::{
    io::{self, Write as _},
    path::Path,
};

use strongroom::{Code, Error};

use crate::{failure::Failure, output};

/// Where a result goes that may be a secret.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    Stdout,
    File { path: &'a Path, force: bool },
}

impl<'a> Target<'a> {
    /// What `--file` and `--force` say. A file that stands in the way is refused now, before anything is read.
    pub(crate) fn new(file: Option<&'a Path>, force: bool) -> Result<Self, Failure> {
        match file.filter(|path| path.as_os_str() != "-") {
            None => Ok(Self::Stdout),
            Some(path) => {
                let target = Self::File { path, force };
                target.check()?;
                Ok(target)
            }
        }
    }

    fn check(self) -> Result<(), Failure> {
        let Self::File { path, force } = self else { return Ok(()) };
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unwritable(path, &error)),
            // Only a file is replaced: a link, a device or a folder is something that somebody relies on.
            Ok(found) if force && found.is_file() => Ok(()),
            Ok(found) if found.is_file() => {
                Err(Failure::usage(format!("{} is there already; --force replaces it", path.display())))
            }
            Ok(_) => Err(Failure::usage(format!("{} is there already, and is no ordinary file", path.display()))),
        }
    }

    /// Writes the bytes, with mode 0600 if it is a file, which appears only when complete and synced.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        self.check()?;
        let Self::File { path, force } = self else { return output::to_stdout(bytes) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            let mut beside = tempfile::Builder::new().prefix(".strongroom-").tempfile_in(folder)?;
            beside.write_all(bytes)?;
            beside.as_file().sync_all()?;
            if force {
                beside.persist(path)?
            } else {
                beside.persist_noclobber(path)?
            };
            Ok(())
        };
        write().map_err(|error| unwritable(path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Error::new(Code::FileUnreadable).detail(format!("{}: {}", path.display(), error.kind())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_never_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        Target::new(Some(&path), false).unwrap().write(b"one").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(matches!(Target::new(Some(&path), false), Err(Failure::Usage(_))));
        Target::new(Some(&path), true).unwrap().write(b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(Target::new(Some(folder.path()), true).is_err(), "a folder");
        let late = Target::File { path: &path, force: false };
        assert!(late.write(b"three").is_err(), "one that came in between");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
