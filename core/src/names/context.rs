//! On whose behalf, in which request and from where an operation comes.

use std::{fmt, net::IpAddr, str::FromStr};

use super::Actor;
use crate::{Code, Error, Result, limits};

/// The id of a request, which joins an audit line with other systems' logs.
///
/// 16 bytes, written as 32 lower-case hex digits and read in either case. The caller brings it, as in
/// a W3C trace id, or makes a random one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; limits::REQUEST_ID_BYTES]);

impl RequestId {
    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; limits::REQUEST_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; limits::REQUEST_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for RequestId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::new(Code::ContextInvalid).detail("a request id has exactly 32 hex digits");
        if text.len() != 2 * limits::REQUEST_ID_BYTES {
            return Err(refused());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = [0; limits::REQUEST_ID_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(refused)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<&str> for RequestId {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

/// Who acts, and what is known of the request: bound once to a handle, and recorded with all it does.
///
/// ```
/// # use strongroom::{Actor, Context};
/// let context = Context::new(Actor::service("billing")?)
///     .request("4bf92f3577b34da6a3ce929d0e0e4736".parse()?)
///     .source([192, 0, 2, 7].into());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    actor: Actor,
    request: Option<RequestId>,
    source: Option<IpAddr>,
    /// It tells what became of something that was begun: no quota refuses that.
    pub(crate) ends_effect: bool,
}

impl Context {
    /// An actor, and nothing else known.
    pub fn new(actor: Actor) -> Self {
        Self { actor, request: None, source: None, ends_effect: false }
    }

    /// Adds the request's id. Default: each operation gets a random one.
    #[must_use]
    pub fn request(mut self, id: RequestId) -> Self {
        self.request = Some(id);
        self
    }

    /// Adds the address that the request came from. An IPv4 address in IPv6 form becomes IPv4, so that
    /// one address has one pseudonym. Default: none is recorded.
    #[must_use]
    pub fn source(mut self, address: IpAddr) -> Self {
        self.source = Some(address.to_canonical());
        self
    }

    /// The same, for the result of what was begun.
    #[must_use]
    pub(crate) fn ending_effect(mut self) -> Self {
        self.ends_effect = true;
        self
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The request's id, if the caller gave one.
    pub fn request_id(&self) -> Option<RequestId> {
        self.request
    }

    /// Where the request came from, if the caller said so.
    pub fn source_address(&self) -> Option<IpAddr> {
        self.source
    }
}

impl From<Actor> for Context {
    fn from(actor: Actor) -> Self {
        Self::new(actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_32_hex_digits() {
        let text = "00ff2f3577b34da6a3ce929d0e0e4736";
        let id: RequestId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.as_bytes()[..3], [0x00, 0xff, 0x2f]);
        assert_eq!(text.to_uppercase().parse::<RequestId>().unwrap(), id);
        assert_eq!(RequestId::from_bytes(*id.as_bytes()), id);
        for refused in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replace('f', "g"),
            &text.replace("ff", "+f"),
            &text.replace("ff", "\u{e9}"),
        ] {
            assert_eq!(refused.parse::<RequestId>().unwrap_err().code(), Code::ContextInvalid, "case: {refused:?}");
        }
    }

    #[test]
    fn a_context_says_what_it_was_given() {
        let actor = Actor::service("billing").unwrap();
        let bare = Context::from(actor.clone());
        assert_eq!((bare.actor(), bare.request_id(), bare.source_address()), (&actor, None, None));

        let id = RequestId::from_bytes([7; 16]);
        let full = bare.request(id).source("::ffff:192.0.2.7".parse().unwrap());
        assert_eq!(full.request_id(), Some(id));
        assert_eq!(full.source_address(), Some("192.0.2.7".parse().unwrap()));
    }
}
