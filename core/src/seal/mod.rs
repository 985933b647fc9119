//! Sealing: bytes that open only under their key and in their place.
//!
//! XAES-256-GCM with a random nonce. The associated data names the place (deployment, tenant, kind,
//! object, version) and the key, so a ciphertext moved elsewhere does not open. `docs/formats.md` §3
//! has every byte. Which key seals what is decided above ([`crate::TenantKeys`]).

mod content;
mod header;

use strongroom_log::{Enc, Label};
use xaes_256_gcm::{
    Xaes256Gcm,
    aead::{AeadInOut, KeyInit, array::Array, inout::InOutBuf},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Code, Error, Result,
    id::{DeploymentId, Handle, KeyId, ObjectId, TenantRef},
    memory::{KEY_BYTES, LockedKey, scrubbed},
    random::Random,
};

#[cfg(any(test, feature = "testing"))]
pub(crate) use content::decode;
pub(crate) use content::{Content, Opened};
pub use header::SealedHeader;
use header::{ALGORITHM_XAES_256_GCM, HEADER_BYTES, NONCE_BYTES};

/// Length of the authentication tag, in bytes.
const TAG_BYTES: usize = 16;

/// What sealing adds to the encoded content, in bytes.
pub(crate) const SEALED_OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// What has a sealed name or other text. Part of the associated data, so that nothing opens as something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A secret's path.
    SecretName(ObjectId),
    /// A secret's description and labels.
    SecretMeta(ObjectId),
    /// A folder's path.
    FolderName(ObjectId),
    /// An actor's type and name.
    ActorName(Handle),
    /// A tenant's name. Sealed by `sys`.
    TenantName(TenantRef),
    /// Why a log generation was opened. Sealed by `sys`, whose ref this is.
    GenerationReason(TenantRef),
}

/// Where sealed bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    deployment: DeploymentId,
    /// The tenant whose key seals.
    tenant: TenantRef,
    kind: &'static str,
    format: u8,
    object: [u8; 16],
    version: u64,
}

impl Place {
    /// The place of a tenant's keyring.
    pub(crate) fn keyring(deployment: DeploymentId, tenant: TenantRef, epoch: u32) -> Self {
        let (object, version) = (*tenant.as_bytes(), u64::from(epoch));
        Self { deployment, tenant, kind: "keyring", format: header::FORMAT_WRAPPED_KEY, object, version }
    }

    /// The place of one version of a secret's value.
    pub(crate) fn value(deployment: DeploymentId, tenant: TenantRef, secret: ObjectId, version: u64) -> Self {
        let object = *secret.as_bytes();
        Self { deployment, tenant, kind: "secret.value", format: header::FORMAT_STORED_VALUE, object, version }
    }

    /// The place of a name or other text; of a tenant's name `tenant` is `sys`, whose key seals it.
    pub(crate) fn name(deployment: DeploymentId, tenant: TenantRef, subject: Subject) -> Self {
        let (kind, object) = match subject {
            Subject::SecretName(secret) => ("secret.name", *secret.as_bytes()),
            Subject::SecretMeta(secret) => ("secret.meta", *secret.as_bytes()),
            Subject::FolderName(folder) => ("folder.name", *folder.as_bytes()),
            Subject::ActorName(handle) => ("actor.name", *handle.as_bytes()),
            Subject::TenantName(named) => ("tenant.name", *named.as_bytes()),
            Subject::GenerationReason(sys) => ("generation.reason", *sys.as_bytes()),
        };
        Self { deployment, tenant, kind, format: header::FORMAT_STORED_VALUE, object, version: 0 }
    }
}

/// A key to seal or open with, and how sealed bytes name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealingKey<'a> {
    /// Its id.
    pub(crate) id: KeyId,
    /// Its version.
    pub(crate) version: u32,
    /// The key.
    pub(crate) key: &'a LockedKey,
}

/// Seals a content. Everything but keyrings.
///
/// # Errors
/// [`Code::RandomUnavailable`]; [`Code::Closed`] in a forked child.
pub(crate) fn seal(
    key: SealingKey<'_>,
    place: &Place,
    context: &[u8],
    content: Content<'_>,
    random: &dyn Random,
) -> Result<Vec<u8>> {
    seal_with(key, place, context, content.encoded_bytes(), |out| content.encode_into(out), random)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`Code::Integrity`], whatever is wrong: key, place, context, header or bytes.
pub(crate) fn open(key: SealingKey<'_>, place: &Place, context: &[u8], sealed: &[u8]) -> Result<Opened> {
    content::decode(open_raw(key, place, context, sealed)?)
}

/// Seals bytes as they are: a keyring has a form of its own.
pub(crate) fn seal_raw(key: SealingKey<'_>, place: &Place, plaintext: &[u8], random: &dyn Random) -> Result<Vec<u8>> {
    seal_with(key, place, &[], plaintext.len(), |out| out.extend_from_slice(plaintext), random)
}

/// Opens bytes as they are.
pub(crate) fn open_raw(
    key: SealingKey<'_>,
    place: &Place,
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let raw = key.key.expose_key()?;
    let mut taken = Taken::apart(sealed, (key.id, key.version), place, context, Vec::new())?;
    scrubbed(|| taken.decrypt(&cipher(raw)))?;
    Ok(taken.plaintext)
}

/// A key that opens, for many sealed forms. It is as good as the key: on the stack, inside [`scrubbed`].
pub(crate) struct Opener {
    id: KeyId,
    version: u32,
    cipher: Xaes256Gcm,
}

impl Opener {
    /// Does what has to be done once.
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child.
    pub(crate) fn new(key: SealingKey<'_>) -> Result<Self> {
        let raw = key.key.expose_key()?;
        Ok(Self { id: key.id, version: key.version, cipher: cipher(raw) })
    }

    /// Whether this is the key that a header names.
    pub(crate) fn is_for(&self, header: &SealedHeader) -> bool {
        header.key_id == self.id && header.key_version == self.version
    }

    /// As [`open`]. What the buffer holds before and after does not matter and is no secret.
    ///
    /// # Errors
    /// [`Code::Integrity`], as there.
    pub(crate) fn open(&self, place: &Place, context: &[u8], sealed: &[u8], buffer: &mut Vec<u8>) -> Result<Opened> {
        let mut taken = Taken::apart(sealed, (self.id, self.version), place, context, std::mem::take(buffer))?;
        let opened = taken.decrypt(&self.cipher);
        *buffer = taken.associated;
        opened?;
        content::decode(taken.plaintext)
    }
}

/// A sealed form, taken apart.
struct Taken<'s> {
    nonce: [u8; NONCE_BYTES],
    tag: &'s [u8; TAG_BYTES],
    associated: Vec<u8>,
    /// Before [`Taken::decrypt`] the ciphertext.
    plaintext: Zeroizing<Vec<u8>>,
}

impl<'s> Taken<'s> {
    fn apart(sealed: &'s [u8], key: (KeyId, u32), place: &Place, context: &[u8], buffer: Vec<u8>) -> Result<Self> {
        let header = SealedHeader::parse(sealed)?;
        if header.format != place.format || (header.key_id, header.key_version) != key {
            return Err(Code::Integrity.into());
        }
        let (ciphertext, tag) = sealed[HEADER_BYTES..].split_last_chunk::<TAG_BYTES>().ok_or(Code::Integrity)?;
        let associated = associated_data(buffer, place, &header, context);
        Ok(Self { nonce: header.nonce, tag, associated, plaintext: Zeroizing::new(ciphertext.to_vec()) })
    }

    fn decrypt(&mut self, cipher: &Xaes256Gcm) -> Result<()> {
        let inout = InOutBuf::from(&mut self.plaintext[..]);
        let opened = cipher.decrypt_inout_detached(&Array(self.nonce), &self.associated, inout, &Array(*self.tag));
        opened.map_err(|_| Code::Integrity.into())
    }
}

/// Builds the whole sealed form in one buffer, of its final size, and encrypts in place: the plaintext is never copied.
fn seal_with(
    key: SealingKey<'_>,
    place: &Place,
    context: &[u8],
    plaintext_bytes: usize,
    write: impl FnOnce(&mut Vec<u8>),
    random: &dyn Random,
) -> Result<Vec<u8>> {
    let raw = key.key.expose_key()?;
    let header = SealedHeader {
        format: place.format,
        algorithm: ALGORITHM_XAES_256_GCM,
        key_id: key.id,
        key_version: key.version,
        nonce: random.array::<NONCE_BYTES>()?,
    };
    let associated = associated_data(Vec::new(), place, &header, context);
    let mut sealed = Vec::with_capacity(plaintext_bytes + SEALED_OVERHEAD_BYTES);
    header.write_into(&mut sealed);
    write(&mut sealed);
    debug_assert_eq!(sealed.len(), HEADER_BYTES + plaintext_bytes);
    let tag = scrubbed(|| {
        let buffer = InOutBuf::from(&mut sealed[HEADER_BYTES..]);
        cipher(raw).encrypt_inout_detached(&Array(header.nonce), &associated, buffer)
    });
    match tag {
        Ok(tag) => sealed.extend_from_slice(&tag),
        Err(_) => {
            // Only beyond 64 GiB. The buffer still holds the plaintext.
            sealed.zeroize();
            return Err(Error::new(Code::Internal).detail("too long to seal"));
        }
    }
    Ok(sealed)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Xaes256Gcm {
    Xaes256Gcm::new(key.into())
}

fn associated_data(buffer: Vec<u8>, place: &Place, header: &SealedHeader, context: &[u8]) -> Vec<u8> {
    Enc::new_in(buffer, Label::AAD)
        .field(place.deployment.as_bytes())
        .field(place.tenant.as_bytes())
        .field(place.kind)
        .field(place.object)
        .u64(place.version)
        .u8(header.format)
        .u8(header.algorithm)
        .field(header.key_id.as_bytes())
        .u32(header.key_version)
        .field(context)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ValueKind, keys, testing::SeededRandom};

    fn key(byte: u8) -> LockedKey {
        keys::testing::key(&[byte; 32])
    }

    fn place() -> Place {
        Place {
            deployment: DeploymentId::from_bytes([1; 16]),
            tenant: TenantRef::from_bytes([2; 16]),
            kind: "secret.value",
            format: 1,
            object: [3; 16],
            version: 4,
        }
    }

    #[test]
    fn sealed_bytes_open_only_in_their_place() {
        let (right, wrong) = (key(1), key(2));
        let with = |key| SealingKey { id: KeyId::from_bytes([9; 16]), version: 7, key };
        let content = Content::value(ValueKind::Text, b"hunter2");
        let sealed = seal(with(&right), &place(), b"ctx", content, &SeededRandom::new(1)).unwrap();
        assert_eq!(sealed.len(), SEALED_OVERHEAD_BYTES + 32);

        let (kind, bytes) = open(with(&right), &place(), b"ctx", &sealed).unwrap().into_value().unwrap();
        assert_eq!((kind, &bytes[..]), (ValueKind::Text, &b"hunter2"[..]));

        let other_id = SealingKey { id: KeyId::from_bytes([8; 16]), ..with(&right) };
        let other_version = SealingKey { version: 8, ..with(&right) };
        for (name, key, place, context) in [
            ("key", with(&wrong), place(), &b"ctx"[..]),
            ("key id", other_id, place(), b"ctx"),
            ("key version", other_version, place(), b"ctx"),
            ("deployment", with(&right), Place { deployment: DeploymentId::from_bytes([0; 16]), ..place() }, b"ctx"),
            ("tenant", with(&right), Place { tenant: TenantRef::from_bytes([0; 16]), ..place() }, b"ctx"),
            ("kind", with(&right), Place { kind: "secret.name", ..place() }, b"ctx"),
            ("format", with(&right), Place { format: 4, ..place() }, b"ctx"),
            ("object", with(&right), Place { object: [0; 16], ..place() }, b"ctx"),
            ("version", with(&right), Place { version: 5, ..place() }, b"ctx"),
            ("context", with(&right), place(), b"ctx2"),
        ] {
            let refused = open(key, &place, context, &sealed).is_err_and(|error| error.code() == Code::Integrity);
            assert!(refused, "another {name}");
        }
    }

    #[test]
    fn places_are_as_documented() {
        let (deployment, tenant) = (DeploymentId::from_bytes([1; 16]), TenantRef::from_bytes([2; 16]));
        let (object, handle) = (ObjectId::from_bytes([3; 16]), Handle::from_bytes([4; 16]));
        let named = TenantRef::from_bytes([5; 16]);
        for (subject, kind, id) in [
            (Subject::SecretName(object), "secret.name", 3),
            (Subject::SecretMeta(object), "secret.meta", 3),
            (Subject::FolderName(object), "folder.name", 3),
            (Subject::ActorName(handle), "actor.name", 4),
            (Subject::TenantName(named), "tenant.name", 5),
        ] {
            let want = Place { deployment, tenant, kind, format: 1, object: [id; 16], version: 0 };
            assert_eq!(Place::name(deployment, tenant, subject), want);
        }
        let want = Place { deployment, tenant, kind: "secret.value", format: 1, object: [3; 16], version: 6 };
        assert_eq!(Place::value(deployment, tenant, object, 6), want);
        let want = Place { deployment, tenant, kind: "keyring", format: 4, object: [2; 16], version: 7 };
        assert_eq!(Place::keyring(deployment, tenant, 7), want);
    }

    #[test]
    fn every_changed_byte_and_length_is_refused() {
        let key = key(1);
        let key = SealingKey { id: KeyId::from_bytes([9; 16]), version: 7, key: &key };
        let sealed = seal(key, &place(), &[], Content::name(b"a/b"), &SeededRandom::new(1)).unwrap();
        let refused =
            |bytes: &[u8]| open(key, &place(), &[], bytes).is_err_and(|error| error.code() == Code::Integrity);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(refused(&changed), "byte {at}");
            assert!(refused(&sealed[..at]), "cut at {at}");
        }
        assert!(refused(&[&sealed[..], &[0]].concat()));
        open(key, &place(), &[], &sealed).unwrap();
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let key = key(1);
        let key = SealingKey { id: KeyId::from_bytes([9; 16]), version: 7, key: &key };
        let random = SeededRandom::new(1);
        let once = seal(key, &place(), &[], Content::name(b"a"), &random).unwrap();
        let again = seal(key, &place(), &[], Content::name(b"a"), &random).unwrap();
        assert_ne!(once, again);
    }

    /// The published vectors of C2SP XAES-256-GCM, and its accumulated test.
    mod c2sp {
        use super::*;
        use shake::{
            Shake128,
            digest::{ExtendableOutput, Update, XofReader},
        };

        fn sealed_raw(key: &[u8; 32], nonce: &[u8; 24], plaintext: &[u8], associated: &[u8]) -> Vec<u8> {
            let mut out = plaintext.to_vec();
            let tag =
                cipher(key).encrypt_inout_detached(&Array(*nonce), associated, InOutBuf::from(&mut out[..])).unwrap();
            let mut opened = out.clone();
            cipher(key)
                .decrypt_inout_detached(&Array(*nonce), associated, InOutBuf::from(&mut opened[..]), &tag)
                .unwrap();
            assert_eq!(opened, plaintext);
            [&out[..], &tag].concat()
        }

        #[test]
        fn single_vectors() {
            for (key, associated, want) in [
                (1, &b""[..], "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
                (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
            ] {
                let sealed = sealed_raw(&[key; 32], b"ABCDEFGHIJKLMNOPQRSTUVWX", b"XAES-256-GCM", associated);
                assert_eq!(strongroom_log::hex_encode(&sealed), want);
            }
        }

        #[test]
        fn accumulated_10_000() {
            assert_eq!(accumulated(10_000), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
        }

        /// Some seconds when optimised, minutes when not.
        #[cfg(not(debug_assertions))]
        #[test]
        fn accumulated_1_000_000() {
            assert_eq!(accumulated(1_000_000), "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
        }

        fn accumulated(iterations: usize) -> String {
            let mut source = Shake128::default().finalize_xof();
            let mut digest = Shake128::default();
            for _ in 0..iterations {
                let key: [u8; 32] = read(&mut source);
                let nonce: [u8; 24] = read(&mut source);
                let plaintext = read_short(&mut source);
                let associated = read_short(&mut source);
                digest.update(&sealed_raw(&key, &nonce, &plaintext, &associated));
            }
            strongroom_log::hex_encode(&read::<32>(&mut digest.finalize_xof()))
        }

        fn read<const N: usize>(source: &mut impl XofReader) -> [u8; N] {
            let mut bytes = [0; N];
            source.read(&mut bytes);
            bytes
        }

        fn read_short(source: &mut impl XofReader) -> Vec<u8> {
            let [length] = read(source);
            let mut bytes = vec![0; length.into()];
            source.read(&mut bytes);
            bytes
        }
    }
}
