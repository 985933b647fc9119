//! Who acts.

use std::{fmt, str::FromStr};

use crate::{Code, Error, Result, limits};

/// What sort of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ActorKind {
    /// A person who uses what a tenant stores.
    User,
    /// A program.
    Service,
    /// A person who runs the deployment.
    Operator,
    /// Strongroom itself. Nobody else can be it.
    System,
}

impl ActorKind {
    /// The word for it in text and in audit lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who acts: a kind and a name, written `service:billing`.
///
/// A name has 1 to 128 bytes of printable ASCII without spaces, quotes (`"`, `'` and the backtick) and
/// backslash; else [`Code::ActorInvalid`]. It may hold colons: only the first one separates.
///
/// ```
/// # use strongroom::Actor;
/// assert_eq!(Actor::service("billing")?, "service:billing".parse()?);
/// assert!("system:core".parse::<Actor>().is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    kind: ActorKind,
    name: Box<str>,
}

impl Actor {
    /// A person who uses what a tenant stores.
    pub fn user(name: &str) -> Result<Self> {
        Self::checked(ActorKind::User, name)
    }

    /// A program.
    pub fn service(name: &str) -> Result<Self> {
        Self::checked(ActorKind::Service, name)
    }

    /// A person who runs the deployment.
    pub fn operator(name: &str) -> Result<Self> {
        Self::checked(ActorKind::Operator, name)
    }

    /// Strongroom itself, for what it does on its own. It has no name.
    #[cfg_attr(not(test), expect(dead_code, reason = "the first operation of its own takes this line away"))]
    pub(crate) fn system() -> Self {
        Self { kind: ActorKind::System, name: "".into() }
    }

    fn checked(kind: ActorKind, name: &str) -> Result<Self> {
        let refuse = |detail: String| Err(Error::new(Code::ActorInvalid).detail(detail));
        if name.is_empty() {
            return refuse("the name is empty".into());
        }
        if name.len() > limits::ACTOR_NAME_BYTES_MAX {
            return refuse(format!("the name has {} bytes, {} are allowed", name.len(), limits::ACTOR_NAME_BYTES_MAX));
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\')) {
            return refuse("the name has a space, quote, backslash or a character that is not printable ASCII".into());
        }
        Ok(Self { kind, name: name.into() })
    }

    /// What sort of actor it is.
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    /// The name without the kind; empty for the system.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ActorKind::System => f.write_str(self.kind.as_str()),
            kind => write!(f, "{kind}:{}", self.name),
        }
    }
}

impl FromStr for Actor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("user", name)) => Self::user(name),
            Some(("service", name)) => Self::service(name),
            Some(("operator", name)) => Self::operator(name),
            Some(("system", _)) => Err(Error::new(Code::ActorInvalid).detail("nobody can act as the system")),
            Some(_) => Err(Error::new(Code::ActorInvalid).detail("the kind is not user, service or operator")),
            None => Err(Error::new(Code::ActorInvalid).detail("there is no colon after the kind")),
        }
    }
}

impl TryFrom<&str> for Actor {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_back_as_it_is_shown() {
        let longest = "a".repeat(128);
        for (actor, text) in [
            (Actor::user("anna@example.com"), "user:anna@example.com".to_owned()),
            (Actor::service("spiffe://example.com/billing"), "service:spiffe://example.com/billing".to_owned()),
            (Actor::operator("!~"), "operator:!~".to_owned()),
            (Actor::user(&longest), format!("user:{longest}")),
        ] {
            let actor = actor.unwrap();
            assert_eq!(actor.to_string(), text);
            assert_eq!(text.parse::<Actor>().unwrap(), actor);
        }
    }

    #[test]
    fn an_actor_is_parsed_strictly() {
        let too_long = "a".repeat(129);
        for name in ["", " ", "a b", "a\"", "a'", "a`", "a\\", "a\n", "a\0", "\u{7f}", "\u{e9}", &too_long] {
            for made in [Actor::user(name), Actor::service(name), Actor::operator(name), format!("user:{name}").parse()]
            {
                assert_eq!(made.unwrap_err().code(), Code::ActorInvalid, "case: {name:?}");
            }
        }
        for text in ["", "user", "billing", ":a", "User:a", " user:a", "admin:a", "user :a"] {
            assert_eq!(text.parse::<Actor>().unwrap_err().code(), Code::ActorInvalid, "case: {text:?}");
        }
    }

    #[test]
    fn nobody_can_be_the_system() {
        let system = Actor::system();
        assert_eq!((system.to_string().as_str(), system.name(), system.kind()), ("system", "", ActorKind::System));
        for text in ["system", "system:", "system:core"] {
            assert!(text.parse::<Actor>().is_err(), "case: {text}");
        }
        assert_ne!(Actor::user("system").unwrap(), system);
    }
}
