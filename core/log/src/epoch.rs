//! Epoch certificates: the device's word that a short-lived key may sign commits, from when and until when.
//!
//! A certificate alone lets nobody sign: its epoch must also be opened by a line in `sys`. That is for the verifier.

use crate::codec::{base64_decode, base64_encode, hex_array, hex_encode, parse_decimal};
use crate::error::FormatError;
use crate::hash::{Hash, sha256};
use crate::note::Note;
use crate::origin::Origin;
use crate::vkey::VerifyingKey;

const HEADER: &str = "strongroom-epoch/v1";

/// What the device certifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochCertificate {
    /// The deployment and generation whose commits the epoch may sign.
    pub origin: Origin,
    /// The deployment's id.
    pub deployment: [u8; 16],
    /// The epoch's number.
    pub epoch: u32,
    /// The key, named as [`Origin::heads`] says.
    pub key: VerifyingKey,
    /// When it was opened, in microseconds.
    pub opened: u64,
    /// When it should be replaced.
    pub ends: u64,
    /// After when nothing it signs counts.
    pub hard_limit: u64,
    /// The size of the head log its opener had before it.
    pub seen_size: u64,
    /// And the root.
    pub seen_root: Hash,
    /// The opener's random boot id.
    pub boot: [u8; 16],
}

/// The hash of a signed certificate, by which lines name the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochFingerprint(Hash);

impl EpochFingerprint {
    /// Of a certificate's note.
    pub fn of(note: &[u8]) -> Self {
        Self(sha256(note))
    }

    /// The whole hash: `det` of the line `epoch.open`.
    pub fn hash(&self) -> Hash {
        self.0
    }

    /// Its first 16 bytes: `obj.id` of the lines `epoch.open` and `epoch.close`.
    pub fn id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0.as_bytes()[..16]);
        id
    }
}

impl EpochCertificate {
    /// The text that the device signs; [`crate::write_note`] makes the note of it.
    pub fn text(&self) -> String {
        format!(
            "{}\n{HEADER}\ndeployment {}\nepoch {}\nkey {}\nopened {}\nends {}\nhard-limit {}\nseen {} {}\nboot {}\n",
            self.origin.epochs(),
            hex_encode(&self.deployment),
            self.epoch,
            self.key,
            self.opened,
            self.ends,
            self.hard_limit,
            self.seen_size,
            base64_encode(self.seen_root.as_bytes()),
            hex_encode(&self.boot),
        )
    }

    /// Reads a text of the deployment whose generation is `origin`.
    pub fn parse(text: &str, origin: &Origin) -> Result<Self, FormatError> {
        let malformed = |rule| FormatError::new("epoch certificate", rule);
        let mut lines = text.strip_suffix('\n').ok_or(malformed("ends in a newline"))?.split('\n');
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).ok_or(());
        let missing = |()| malformed("has its lines in order");
        let number = |text: &str| parse_decimal(text).ok_or(malformed("has plain numbers"));
        let id = |text: &str| hex_array::<16>(text).ok_or(malformed("has ids of 32 hex digits"));

        if field("").map_err(missing)? != origin.epochs() {
            return Err(malformed("is of this deployment and generation"));
        }
        if field("").map_err(missing)? != HEADER {
            return Err(malformed("is of version 1"));
        }
        let deployment = id(field("deployment ").map_err(missing)?)?;
        let epoch = number(field("epoch ").map_err(missing)?)?;
        let epoch = u32::try_from(epoch).map_err(|_| malformed("has an epoch below 2^32"))?;
        let key: VerifyingKey = field("key ").map_err(missing)?.parse()?;
        let opened = number(field("opened ").map_err(missing)?)?;
        let ends = number(field("ends ").map_err(missing)?)?;
        let hard_limit = number(field("hard-limit ").map_err(missing)?)?;
        let (size, root) =
            field("seen ").map_err(missing)?.split_once(' ').ok_or(malformed("saw a size and a root"))?;
        let seen_size = number(size)?;
        let seen_root =
            base64_decode(root).and_then(|root| Hash::from_slice(&root)).ok_or(malformed("saw a root of 32 bytes"))?;
        let boot = id(field("boot ").map_err(missing)?)?;
        if field("").is_ok() {
            return Err(malformed("has ten lines"));
        }
        if key.name() != origin.heads() {
            return Err(malformed("names its key after the head log"));
        }
        if !(opened <= ends && ends <= hard_limit) {
            return Err(malformed("opens before it ends, and ends before its hard limit"));
        }
        Ok(Self {
            origin: origin.clone(),
            deployment,
            epoch,
            key,
            opened,
            ends,
            hard_limit,
            seen_size,
            seen_root,
            boot,
        })
    }

    /// The certificate in a note, once the root of trust has signed it.
    pub fn open(note: &[u8], root: &VerifyingKey, origin: &Origin) -> Result<Self, FormatError> {
        Self::parse(Note::parse(note)?.verify(&[root])?, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::empty_root;
    use crate::note::sign_note;
    use ed25519_dalek::{Signer, SigningKey};

    fn certificate(origin: &Origin) -> EpochCertificate {
        let public_key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
        EpochCertificate {
            origin: origin.clone(),
            deployment: [0xd0; 16],
            epoch: 7,
            key: VerifyingKey::new(&origin.heads(), &public_key).unwrap(),
            opened: 10,
            ends: 20,
            hard_limit: 30,
            seen_size: 0,
            seen_root: empty_root(),
            boot: [0xb0; 16],
        }
    }

    #[test]
    fn the_text_is_read_as_it_is_written() {
        let origin = Origin::parse("example.com/keys").unwrap().at_generation(2);
        let certificate = certificate(&origin);
        let text = certificate.text();
        assert!(text.starts_with("example.com/keys/g2/epochs\nstrongroom-epoch/v1\ndeployment d0d0"));
        assert_eq!(EpochCertificate::parse(&text, &origin).as_ref(), Ok(&certificate));
        assert!(EpochCertificate::parse(&text, &origin.at_generation(1)).is_err(), "another generation");
        for (name, text) in [
            ("another version", text.replace("/v1", "/v2")),
            ("upper case", text.replace("d0d0", "D0D0")),
            ("leading zero", text.replace("epoch 7", "epoch 07")),
            ("epoch too large", text.replace("epoch 7", "epoch 4294967296")),
            ("key of another name", text.replace("/heads+", "/tails+")),
            ("a line missing", text.replace("ends 20\n", "")),
            ("a line twice", text.replace("ends 20\n", "ends 20\nends 20\n")),
            ("lines swapped", text.replace("opened 10\nends 20", "ends 20\nopened 10")),
            ("ends before it opens", text.replace("ends 20", "ends 9")),
            ("hard limit before the end", text.replace("hard-limit 30", "hard-limit 19")),
            ("no root seen", text.replace("seen 0 ", "seen 0")),
            ("a line more", format!("{text}more\n")),
            ("an empty line more", format!("{text}\n")),
            ("no last newline", text.trim_end().to_owned()),
            ("empty", String::new()),
        ] {
            assert!(EpochCertificate::parse(&text, &origin).is_err(), "case: {name}");
        }
    }

    #[test]
    fn only_the_root_of_trust_certifies() {
        let origin = Origin::parse("d").unwrap();
        let (root, thief) = (SigningKey::from_bytes(&[8; 32]), SigningKey::from_bytes(&[9; 32]));
        let key_of = |signer: &SigningKey| {
            VerifyingKey::new(&origin.root_key_name(), signer.verifying_key().as_bytes()).unwrap()
        };
        let certificate = certificate(&origin);
        let note = |signer: &SigningKey| {
            sign_note(&certificate.text(), &key_of(signer), |message| signer.sign(message).to_bytes()).unwrap()
        };
        assert_eq!(EpochCertificate::open(note(&root).as_bytes(), &key_of(&root), &origin).as_ref(), Ok(&certificate));
        assert!(EpochCertificate::open(note(&thief).as_bytes(), &key_of(&root), &origin).is_err());
        let fingerprint = EpochFingerprint::of(note(&root).as_bytes());
        assert_eq!(fingerprint.hash().as_bytes()[..16], fingerprint.id());
    }
}
