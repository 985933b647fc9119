//! Anchors: the newest checkpoint as it is kept outside of the database, with all that it takes to check it.
//!
//! Whoever puts an older database back can put back everything that is in it, but not what is kept elsewhere. An anchor
//! needs no other file: it brings the certificate of the epoch that signed it, and the frontier from which the present
//! root follows with the leaves that came since. Where anchors are kept is not decided here.

use crate::checkpoint::Checkpoint;
use crate::codec::{base64_decode, base64_encode, hex_array, hex_encode, parse_decimal};
use crate::epoch::EpochCertificate;
use crate::error::FormatError;
use crate::note::Note;
use crate::origin::Origin;
use crate::tree::Frontier;
use crate::vkey::RootKey;

const HEADER: &str = "strongroom-anchor/v1";

/// The longest anchor accepted. One of a million commits under the longest origin takes 3 KiB.
pub const ANCHOR_BYTES_MAX: usize = 8 * 1024;

/// An anchor, its signatures **not** verified: [`Anchor::verify`] does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    deployment: [u8; 16],
    origin: Origin,
    frontier: Frontier,
    checkpoint: Vec<u8>,
    certificate: Vec<u8>,
}

impl Anchor {
    /// The anchor of a head log, from what the database has of it. Refuses parts that do not belong together.
    pub fn new(
        deployment: [u8; 16],
        origin: &Origin,
        frontier: Frontier,
        checkpoint: &[u8],
        certificate: &[u8],
    ) -> Result<Self, FormatError> {
        let anchor = Self {
            deployment,
            origin: origin.clone(),
            frontier,
            checkpoint: checkpoint.to_vec(),
            certificate: certificate.to_vec(),
        };
        anchor.parts()?;
        if anchor.write().len() > ANCHOR_BYTES_MAX { Err(malformed("has at most 8 KiB")) } else { Ok(anchor) }
    }

    /// Reads an anchor. There is no other text for the same one.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > ANCHOR_BYTES_MAX {
            return Err(malformed("has at most 8 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("is text"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed("is of version 1"));
        }
        let mut record = |tag: &str| {
            let rest = lines.next().and_then(|line| line.strip_prefix(tag)).and_then(|line| line.strip_prefix(' '));
            rest.ok_or(malformed("has its records, each once and in order"))
        };
        let deployment = hex_array(record("deployment")?).ok_or(malformed("has an id of 32 hex digits"))?;
        let first = Origin::parse(record("origin")?)?;
        let generation = parse_decimal(record("generation")?).and_then(|number| u32::try_from(number).ok());
        let generation = generation.filter(|number| *number > 0).ok_or(malformed("has a generation from 1"))?;
        let mut base64 = |tag| base64_decode(record(tag)?).ok_or(malformed("has its notes and frontier in base64"));
        let frontier = Frontier::from_bytes(&base64("frontier")?)?;
        let (checkpoint, certificate) = (base64("checkpoint")?, base64("epoch")?);
        if (lines.next(), lines.next()) != (Some(""), None) {
            return Err(malformed("ends after `epoch` and a newline"));
        }
        let anchor = Self { deployment, origin: first.at_generation(generation), frontier, checkpoint, certificate };
        anchor.parts()?;
        Ok(anchor)
    }

    /// The file.
    pub fn write(&self) -> String {
        format!(
            "{HEADER}\ndeployment {}\norigin {}\ngeneration {}\nfrontier {}\ncheckpoint {}\nepoch {}\n",
            hex_encode(&self.deployment),
            self.origin.first(),
            self.origin.generation(),
            base64_encode(&self.frontier.to_bytes()),
            base64_encode(&self.checkpoint),
            base64_encode(&self.certificate),
        )
    }

    /// The checkpoint, once the root of trust has signed the epoch, and the epoch the checkpoint.
    ///
    /// Whether that epoch was opened and not closed there is what only the log itself tells.
    pub fn verify(&self, root: &RootKey) -> Result<Checkpoint, FormatError> {
        let root = root.for_origin(&self.origin).ok_or(malformed("is of the root key's deployment"))?;
        let certificate = EpochCertificate::open(&self.certificate, &root, &self.origin)?;
        Checkpoint::open(&self.checkpoint, &certificate.key)
    }

    /// The deployment's id. Nobody has vouched for it before [`Anchor::verify`]; nor for what follows.
    pub fn deployment(&self) -> &[u8; 16] {
        &self.deployment
    }

    /// The origin, in the generation of the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The head log: its size, its root, and what is needed to go on from there.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// Demands that all parts are of the same deployment, generation and head.
    fn parts(&self) -> Result<(), FormatError> {
        let checkpoint = Checkpoint::parse(Note::parse(&self.checkpoint)?.unverified_text())?;
        let certificate = EpochCertificate::parse(Note::parse(&self.certificate)?.unverified_text(), &self.origin)?;
        if checkpoint.origin != self.origin.heads() {
            return Err(malformed("has a checkpoint of its generation"));
        }
        if certificate.deployment != self.deployment {
            return Err(malformed("has a certificate of its deployment"));
        }
        if checkpoint.size == 0 || checkpoint.size != self.frontier.size() || checkpoint.root != self.frontier.root() {
            return Err(malformed("has the frontier of its checkpoint"));
        }
        Ok(())
    }
}

fn malformed(rule: &'static str) -> FormatError {
    FormatError::new("anchor", rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{empty_root, leaf_hash};
    use crate::note::sign_note;
    use crate::vkey::VerifyingKey;
    use ed25519_dalek::{Signer, SigningKey};

    struct Parts {
        root: RootKey,
        deployment: [u8; 16],
        origin: Origin,
        frontier: Frontier,
        checkpoint: String,
        certificate: String,
    }

    fn frontier(size: u64) -> Frontier {
        let mut frontier = Frontier::new();
        (0..size).for_each(|leaf| frontier.append(leaf_hash(&leaf.to_be_bytes())));
        frontier
    }

    /// The head of a log of `size` commits, signed as a room does.
    fn parts(first: &str, generation: u32, frontier: Frontier) -> Parts {
        let (token, epoch) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let origin = Origin::parse(first).unwrap().at_generation(generation);
        let root = RootKey::of(&origin, token.verifying_key().as_bytes()).unwrap();
        let key = VerifyingKey::new(&origin.heads(), epoch.verifying_key().as_bytes()).unwrap();
        let certificate = EpochCertificate {
            origin: origin.clone(),
            deployment: [0xd0; 16],
            epoch: 7,
            key: key.clone(),
            opened: 1,
            ends: 2,
            hard_limit: 3,
            seen_size: 0,
            seen_root: empty_root(),
            boot: [0xb0; 16],
        };
        let checkpoint = Checkpoint { origin: origin.heads(), size: frontier.size(), root: frontier.root() };
        let named = root.for_origin(&origin).unwrap();
        Parts {
            certificate: sign_note(&certificate.text(), &named, |text| token.sign(text).to_bytes()).unwrap(),
            checkpoint: checkpoint.sign(&key, |text| epoch.sign(text).to_bytes()).unwrap(),
            deployment: [0xd0; 16],
            root,
            origin,
            frontier,
        }
    }

    impl Parts {
        fn anchor(&self) -> Result<Anchor, FormatError> {
            let (checkpoint, certificate) = (self.checkpoint.as_bytes(), self.certificate.as_bytes());
            Anchor::new(self.deployment, &self.origin, self.frontier.clone(), checkpoint, certificate)
        }
    }

    #[test]
    fn an_anchor_is_read_as_it_is_written_and_verifies() {
        for (generation, size) in [(1, 1), (1, 300), (2, 7)] {
            let parts = parts("example.com/keys", generation, frontier(size));
            let anchor = parts.anchor().unwrap();
            let text = anchor.write();
            assert_eq!(Anchor::parse(text.as_bytes()).as_ref(), Ok(&anchor));
            let checkpoint = anchor.verify(&parts.root).unwrap();
            assert_eq!((checkpoint.size, checkpoint.root), (size, frontier(size).root()));
            assert_eq!((anchor.deployment(), anchor.origin()), (&[0xd0; 16], &parts.origin));
            assert_eq!(anchor.frontier().size(), size);

            let other = RootKey::of(&Origin::parse("other").unwrap(), &[9; 32]);
            assert!(other.is_err() || anchor.verify(&other.unwrap()).is_err());
            let stranger = SigningKey::from_bytes(&[3; 32]).verifying_key().to_bytes();
            assert!(anchor.verify(&RootKey::of(&parts.origin, &stranger).unwrap()).is_err());
        }
    }

    /// The longest origin, and the head log with the most subtrees that a log can have in practice and beyond.
    #[test]
    fn every_anchor_of_ours_fits() {
        let bytes = [&((1_u64 << 53) - 1).to_be_bytes()[..], &[7; 32 * 53]].concat();
        let largest = parts(&"x".repeat(128), u32::MAX, Frontier::from_bytes(&bytes).unwrap());
        let length = largest.anchor().unwrap().write().len();
        assert!(length < ANCHOR_BYTES_MAX * 3 / 4, "{length}");
        let million = parts(&"x".repeat(128), 1, frontier((1 << 10) - 1)).anchor().unwrap().write().len();
        assert!(million < 3 * 1024, "{million}");
    }

    #[test]
    fn anchors_are_read_strictly() {
        let good = parts("d", 1, frontier(3)).anchor().unwrap().write();
        let of = |other: Parts, tag: &str| {
            let bytes = if tag == "epoch" { other.certificate } else { other.checkpoint };
            let line = good.lines().find(|line| line.starts_with(tag)).unwrap();
            good.replace(line, &format!("{tag} {}", base64_encode(bytes.as_bytes())))
        };
        let with = |tag: &str, rest: &str| {
            let line = good.lines().find(|line| line.starts_with(tag)).unwrap();
            good.replace(line, &format!("{tag} {rest}"))
        };
        let (first, rest) = good.split_once('\n').unwrap();
        for (name, text) in [
            ("nothing", String::new()),
            ("another version", good.replace("/v1", "/v2")),
            ("no last newline", good.trim_end().to_owned()),
            ("more after the end", format!("{good}\n")),
            ("a record twice", format!("{first}\n{}\n{rest}", rest.lines().next().unwrap())),
            ("a record missing", good.replace("generation 1\n", "")),
            ("carriage returns", good.replace('\n', "\r\n")),
            ("a short id", with("deployment", "d0d0")),
            ("an id in capitals", with("deployment", &"D0".repeat(16))),
            ("another deployment's id", with("deployment", &"ab".repeat(16))),
            ("no origin", with("origin", "")),
            ("another origin", with("origin", "e")),
            ("generation 0", with("generation", "0")),
            ("generation 01", with("generation", "01")),
            ("a generation beyond 2^32", with("generation", "4294967296")),
            ("another generation", with("generation", "2")),
            ("a frontier that is none", with("frontier", "AAAA")),
            ("no frontier", with("frontier", &base64_encode(&Frontier::new().to_bytes()))),
            ("another frontier", with("frontier", &base64_encode(&frontier(2).to_bytes()))),
            ("base64 without padding", good.replace('=', "")),
            ("another checkpoint", of(parts("d", 1, frontier(2)), "checkpoint")),
            ("the checkpoint of another origin", of(parts("e", 1, frontier(3)), "checkpoint")),
            ("the checkpoint of another generation", of(parts("d", 2, frontier(3)), "checkpoint")),
            ("the certificate of another origin", of(parts("e", 1, frontier(3)), "epoch")),
            ("the certificate of another generation", of(parts("d", 2, frontier(3)), "epoch")),
            ("a note that is none", with("checkpoint", &base64_encode(b"d/heads\n3\n\n"))),
        ] {
            assert!(text != good && Anchor::parse(text.as_bytes()).is_err(), "case: {name}");
        }
        assert!(Anchor::parse(&[good.as_bytes(), &[0xff]].concat()).is_err());
        assert!(parts("d", 1, Frontier::new()).anchor().is_err(), "of an empty log");
    }

    #[test]
    fn the_limit_is_tried_on_both_sides() {
        let parts = parts("d", 1, frontier(3));
        // Signatures of other keys, such as witnesses', may stand under a checkpoint.
        let length = |checkpoint: &str| {
            Parts {
                checkpoint: checkpoint.to_owned(),
                root: parts.root.clone(),
                origin: parts.origin.clone(),
                certificate: parts.certificate.clone(),
                frontier: parts.frontier.clone(),
                ..parts
            }
            .anchor()
            .map(|anchor| anchor.write().len())
        };
        let with = |bytes: usize| format!("{}\u{2014} w {}\n", parts.checkpoint, base64_encode(&vec![9; bytes]));
        let fits = (4..).take_while(|bytes| length(&with(*bytes + 1)).is_ok()).last().unwrap();
        let longest = length(&with(fits)).unwrap();
        assert!((ANCHOR_BYTES_MAX - 8..=ANCHOR_BYTES_MAX).contains(&longest), "{longest}");
        let text = parts.anchor().unwrap().write();
        let checkpoint = text.lines().find(|line| line.starts_with("checkpoint")).unwrap();
        let long = text.replace(checkpoint, &format!("checkpoint {}", base64_encode(with(fits + 3).as_bytes())));
        assert_eq!(Anchor::parse(long.as_bytes()), Err(malformed("has at most 8 KiB")));
    }

    #[test]
    fn a_signature_that_was_changed_is_found() {
        let parts = parts("d", 1, frontier(3));
        let text = parts.anchor().unwrap().write();
        let anchor = Anchor::parse(text.as_bytes()).unwrap();
        for note in [&anchor.checkpoint, &anchor.certificate] {
            let mut changed = note.clone();
            let at = changed.len() - 8;
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let text = text.replace(&base64_encode(note), &base64_encode(&changed));
            assert!(Anchor::parse(text.as_bytes()).unwrap().verify(&parts.root).is_err());
        }
    }
}
