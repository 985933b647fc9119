//! The names that users give: parsed once, at the edge, and only held as these types inside.
//!
//! Each type has one textual form, so that equal names have equal keyed hashes. What a parser refuses
//! never becomes an operation; its error names the rule that was broken and where, and never repeats
//! the text, which may hold anything.

mod actor;
mod context;
mod description;
mod environment;
mod folder;
mod labels;
mod origin;
mod owner;
mod path;
mod segment;
mod tenant;

pub use actor::{Actor, ActorKind};
pub use context::{Context, RequestId};
pub use description::Description;
pub use environment::Environment;
pub use folder::Folder;
pub use labels::{LabelName, LabelValue, Labels};
pub use origin::Origin;
pub use owner::Owner;
pub use path::SecretPath;
pub use tenant::TenantId;

/// Declares a name: text that only its parser can make. `$parse` takes any text and gives its one
/// form, or an error.
macro_rules! name_type {
    ($(#[$attribute:meta])* $name:ident, parsed by $parse:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text, in its one form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                $parse(text).map(|text| Self(text.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::Error;

            fn try_from(text: &str) -> $crate::Result<Self> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Error;

            fn try_from(text: String) -> $crate::Result<Self> {
                text.parse()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
use name_type;
