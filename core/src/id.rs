//! Identifiers: sixteen bytes each, and a type each, so that none can be taken for another.

use std::{fmt, str::FromStr};

use strongroom_log::hex_array;

use crate::{Result, clock::Clock, random::Random};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// From a slice; `None` unless it has 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        /// 32 lower-case hex digits, and nothing else.
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                hex_array(text).map(Self).ok_or(IdError)
            }
        }
    )*};
}

macro_rules! random_ids {
    ($($name:ident)*) => {$(
        impl $name {
            /// A new one: 16 random bytes.
            pub fn random(random: &dyn Random) -> Result<Self> {
                random.array().map(Self)
            }
        }
    )*};
}

ids! {
    /// A deployment: random, for ever.
    DeploymentId;
    /// A tenant inside keys, rows and logs: random, for ever, and not its name.
    TenantRef;
    /// A key in a keyring or a device.
    KeyId;
    /// A secret or a folder: a UUIDv7 (RFC 9562).
    ObjectId;
    /// Stands for an actor in audit lines: random, forgettable.
    Handle;
}

random_ids! { DeploymentId TenantRef KeyId Handle }

impl Handle {
    /// Stands for Strongroom itself, when nobody asked.
    pub const SYSTEM: Self = Self([0; 16]);
}

impl ObjectId {
    /// A new one: milliseconds and 74 random bits (RFC 9562 §5.7).
    pub fn new(clock: &dyn Clock, random: &dyn Random) -> Result<Self> {
        let mut bytes: [u8; 16] = random.array()?;
        let milliseconds = clock.now().milliseconds().to_be_bytes();
        bytes[..6].copy_from_slice(&milliseconds[2..]);
        bytes[6] = 0x70 | bytes[6] & 0x0F;
        bytes[8] = 0x80 | bytes[8] & 0x3F;
        Ok(Self(bytes))
    }
}

/// A text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 lower-case hex digits")]
pub struct IdError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        testing::{ManualClock, SeededRandom},
    };

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = TenantRef::random(&SeededRandom::new(1)).unwrap();
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(format!("{id:?}"), format!("TenantRef({text})"));
        for wrong in [&text[1..], &format!("{text}0"), &text.to_uppercase(), &text.replace(&text[..1], "g"), ""] {
            assert_eq!(wrong.parse::<TenantRef>(), Err(IdError), "{wrong}");
        }
        assert_eq!(TenantRef::from_slice(id.as_bytes()), Some(id));
        assert_eq!(TenantRef::from_slice(&id.as_bytes()[..15]), None);
    }

    #[test]
    fn object_ids_are_version_7_and_sort_by_time() {
        let (clock, random) = (ManualClock::at(Timestamp(0x0123_4567_89AB * 1000 + 999)), SeededRandom::new(1));
        let first = ObjectId::new(&clock, &random).unwrap();
        assert_eq!(first.0[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB]);
        assert_eq!((first.0[6] >> 4, first.0[8] >> 6), (7, 0b10));
        clock.advance(std::time::Duration::from_micros(1));
        assert!(ObjectId::new(&clock, &random).unwrap() > first);
    }
}
