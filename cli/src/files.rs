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
        self.write_for(Access::default(), bytes)
    }

    /// The same, for whom it says. Who else it is for has been settled before there is anything in the file.
    pub(crate) fn write_for(self, access: Access, bytes: &[u8]) -> Result<(), Failure> {
        self.check()?;
        let Self::File { path, force } = self else { return output::to_stdout(bytes) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            let mut beside = tempfile::Builder::new().prefix(".strongroom-").tempfile_in(folder)?;
            access.give(beside.as_file())?;
            beside.write_all(bytes)?;
            beside.as_file().sync_all()?;
            if force {
                beside.persist(path)?
            } else {
                beside.persist_noclobber(path)?
            };
            sync(folder)
        };
        write().map_err(|error| unwritable(path, &error))
    }
}

/// Makes the new name durable. Whoever may put files into a folder but not read it cannot do that.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    match std::fs::File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where a folder cannot be opened as a file, the system sees to it.
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Who may do what with a file, besides the superuser.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    #[cfg(unix)]
    mode: Option<u32>,
    #[cfg(unix)]
    owner: Option<(u32, Option<u32>)>,
}

#[cfg(unix)]
impl Access {
    /// A mode in octal digits, such as 0640, and an owner as USER or USER:GROUP, by name or number.
    pub(crate) fn parse(mode: Option<&str>, owner: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { mode: mode.map(parse_mode).transpose()?, owner: owner.map(parse_owner).transpose()? })
    }

    /// The owner first: giving a file away takes some bits of its mode back. Until then nobody else has any.
    fn give(self, file: &std::fs::File) -> io::Result<()> {
        use std::os::unix::fs::{PermissionsExt as _, fchown};
        if let Some((user, group)) = self.owner {
            fchown(file, Some(user), group)?;
        }
        match self.mode {
            Some(mode) => file.set_permissions(std::fs::Permissions::from_mode(mode)),
            None => Ok(()),
        }
    }
}

#[cfg(not(unix))]
impl Access {
    pub(crate) fn parse(mode: Option<&str>, owner: Option<&str>) -> Result<Self, Failure> {
        match (mode, owner) {
            (None, None) => Ok(Self::default()),
            _ => Err(Failure::usage("this system has no such modes and owners")),
        }
    }

    fn give(self, _file: &std::fs::File) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
fn parse_mode(text: &str) -> Result<u32, Failure> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if is_octal && mode & !0o770 == 0 => Ok(mode),
        Ok(_) if is_octal => Err(Failure::usage("secrets are not for everybody: give a mode of at most 0770")),
        _ => Err(Failure::usage("a mode is three or four octal digits, such as 0640")),
    }
}

#[cfg(unix)]
fn parse_owner(text: &str) -> Result<(u32, Option<u32>), Failure> {
    use nix::unistd::{Group, User};
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let named = |found: Option<u32>, name: &str, what: &str| {
        found
            // The highest number stands for "as it was".
            .or_else(|| name.parse().ok().filter(|number| *number != u32::MAX))
            .ok_or_else(|| Failure::usage(format!("there is no {what} {name}")))
    };
    let user = named(User::from_name(user).ok().flatten().map(|user| user.uid.as_raw()), user, "user")?;
    let group = match group {
        Some(group) => {
            Some(named(Group::from_name(group).ok().flatten().map(|group| group.gid.as_raw()), group, "group")?)
        }
        None => None,
    };
    Ok((user, group))
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

    #[cfg(unix)]
    #[test]
    fn a_file_is_for_whom_it_says() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let me = nix::unistd::getuid().as_raw();
        for (mode, owner) in [
            ("0400", None),
            ("640", Some(me.to_string())),
            ("0770", Some(format!("{me}:{}", nix::unistd::getgid().as_raw()))),
        ] {
            let access = Access::parse(Some(mode), owner.as_deref()).unwrap();
            Target::new(Some(&path), true).unwrap().write_for(access, b"one").unwrap();
            let found = path.metadata().unwrap();
            assert_eq!(found.permissions().mode() & 0o7777, u32::from_str_radix(mode, 8).unwrap());
            assert_eq!(found.uid(), me);
        }
        for refused in ["0644", "0601", "7", "4600", "00640", "rw", "+600", "0680", ""] {
            assert!(matches!(Access::parse(Some(refused), None), Err(Failure::Usage(_))), "case: {refused}");
        }
        for refused in ["no such user", "", ":", "0:no such group", "-1", "4294967295", "4294967296"] {
            assert!(matches!(Access::parse(None, Some(refused)), Err(Failure::Usage(_))), "case: {refused}");
        }
        if me != 0 {
            let others = Access::parse(None, Some("0")).unwrap();
            assert!(Target::new(Some(&path), true).unwrap().write_for(others, b"two").is_err());
            assert_eq!(std::fs::read(&path).unwrap(), b"one");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
