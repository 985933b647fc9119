//! Secrets as the environment variables of a command.
//!
//! A variable's name is the secret's last segment in upper case, with `-` and `.` turned into `_`, however
//! deep the secret is: `prod/api/db-password` becomes `DB_PASSWORD`. The folder does not stand in the
//! name, so two secrets can want the same one; that is refused, since either choice would be wrong for
//! someone. A name that would begin with a digit is refused too: programs could read it, but shells
//! drop such variables without a word.
//!
//! Whoever may write secrets here decides the command's environment, `PATH` and `LD_PRELOAD` included.

use std::collections::{HashMap, hash_map};

use super::{unsuitable_path, unsuitable_value};
use crate::{Code, Error, Result, SecretPath, SecretValue, ValueKind};

/// One environment variable.
#[derive(Debug)]
#[non_exhaustive]
pub struct Variable {
    /// Its name, such as `DB_PASSWORD`.
    pub name: String,
    /// Its value: text or JSON without a NUL.
    pub value: SecretValue,
}

/// The names of the variables that these secrets become, in the same order. Needs no values, and so can
/// refuse before any secret is read.
///
/// [`Code::EnvironmentCollision`] with both paths if two become the same; [`Code::ExportUnsuitable`] if a name
/// would begin with a digit.
///
/// ```
/// # use strongroom::transfer::environment;
/// assert_eq!(environment::names([&"prod/api/db-password".parse()?])?, ["DB_PASSWORD"]);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn names<'a>(paths: impl IntoIterator<Item = &'a SecretPath>) -> Result<Vec<String>> {
    let mut taken = HashMap::new();
    paths
        .into_iter()
        .map(|path| {
            let name = path.name().to_ascii_uppercase().replace(['-', '.'], "_");
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                let why = "would become a variable that begins with a digit, which shells drop; rename it";
                return Err(unsuitable_path(path, why));
            }
            match taken.entry(name.clone()) {
                hash_map::Entry::Vacant(free) => drop(free.insert(path)),
                hash_map::Entry::Occupied(first) => {
                    let detail = format!("{} and {path} would both be {name}", first.get());
                    return Err(Error::new(Code::EnvironmentCollision).detail(detail));
                }
            }
            Ok(name)
        })
        .collect()
}

/// The variables that these secrets become, in the same order.
///
/// Errors as [`names`]; [`Code::ExportUnsuitable`] with the path for a binary value, or one with a NUL.
pub fn variables(secrets: impl IntoIterator<Item = (SecretPath, SecretValue)>) -> Result<Vec<Variable>> {
    let (paths, values): (Vec<_>, Vec<_>) = secrets.into_iter().unzip();
    let names = names(&paths)?;
    let check = |((path, name), value): ((&SecretPath, String), SecretValue)| {
        if value.kind() == ValueKind::Binary {
            return Err(unsuitable_value(path, "is binary, which no environment variable can hold"));
        }
        if value.expose(|bytes| bytes.contains(&0)) {
            return Err(unsuitable_value(path, "has a NUL, which no environment variable can hold"));
        }
        Ok(Variable { name, value })
    };
    paths.iter().zip(names).zip(values).map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> SecretPath {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_segment_becomes_the_name() {
        for (secret, name) in [
            ("prod/api/db-password", "DB_PASSWORD"),
            ("KEY", "KEY"),
            ("a/key.v2", "KEY_V2"),
            ("a/_2fa", "_2FA"),
            ("a/.env", "_ENV"),
            ("a/-", "_"),
        ] {
            assert_eq!(names([&path(secret)]).unwrap(), [name]);
        }
        let error = names([&path("a/2fa")]).unwrap_err();
        let want = "a/2fa would become a variable that begins with a digit, which shells drop; rename it";
        assert_eq!((error.code(), error.details()), (Code::ExportUnsuitable, Some(want)));
    }

    #[test]
    fn a_collision_names_both_paths() {
        for (first, second) in [("a/k-1", "a/k.1"), ("a/k_1", "a/K_1"), ("a/k-1", "b/k-1"), ("k-1", "a/b/k_1")] {
            let error = names([&path(first), &path("other"), &path(second)]).unwrap_err();
            let want = format!("{first} and {second} would both be K_1");
            assert_eq!((error.code(), error.details()), (Code::EnvironmentCollision, Some(want.as_str())));
        }
    }

    #[test]
    fn values_must_fit_into_the_environment() {
        let found = variables([
            (path("a/text"), SecretValue::text("x\n$y").unwrap()),
            (path("a/json"), SecretValue::json("{\"a\": 1}").unwrap()),
        ])
        .unwrap();
        let shown: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.value.expose(<[u8]>::to_vec))).collect();
        assert_eq!(shown, [("TEXT", b"x\n$y".to_vec()), ("JSON", b"{\"a\": 1}".to_vec())]);

        for (value, detail) in [
            (SecretValue::binary(b"plain".to_vec()), "a/k is binary, which no environment variable can hold"),
            (SecretValue::text("s3cr3t\0"), "a/k has a NUL, which no environment variable can hold"),
        ] {
            let error = variables([(path("a/k"), value.unwrap())]).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::ExportUnsuitable, Some(detail)));
        }
    }
}
