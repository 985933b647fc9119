//! A part of a tenant that a handle can be confined to: `dev`, `prod`.

use super::{Folder, name_type, segment};
use crate::{Code, Error, Result, limits};

name_type! {
    /// The name of an environment: one path segment, and the folder of that name at the root.
    ///
    /// 1 to 255 bytes of `[A-Za-z0-9_.-]`, not `.` or `..`; else [`Code::EnvironmentInvalid`].
    Environment, parsed by parse
}

fn parse(text: &str) -> Result<&str> {
    let refuse = |detail: String| Err(Error::new(Code::EnvironmentInvalid).detail(detail));
    if text.len() > limits::PATH_BYTES_MAX {
        return refuse(format!("it has {} bytes, {} are allowed", text.len(), limits::PATH_BYTES_MAX));
    }
    match segment::check(text) {
        Ok(()) => Ok(text),
        Err(fault) => refuse(format!("it {fault}")),
    }
}

impl Environment {
    /// The folder that everything of this environment is in.
    pub fn folder(&self) -> Folder {
        Folder::of_checked(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_one_segment() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for allowed in ["dev", "Prod-2_x.y", &longest] {
            let environment: Environment = allowed.parse().unwrap();
            assert_eq!(environment.folder().as_str(), allowed);
        }
        for refused in ["", ".", "..", "a/b", "dev/", "/", "de v", "dev\n", "d\u{e9}v", &too_long] {
            assert_eq!(
                refused.parse::<Environment>().unwrap_err().code(),
                Code::EnvironmentInvalid,
                "case: {refused:?}"
            );
        }
    }
}
