//! The keys as objects of a token: what they are made as, how they are found, and what is demanded of them.

use cryptoki::{
    error::{Error, RvError},
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::Session,
};
use strongroom::device::DeviceError;

use super::fault;

const ROOT_LABEL: &str = "strongroom-root-v1";
const AUDIT_LABEL: &str = "strongroom-audit-v1";

/// CKA_APPLICATION of our data objects.
const APPLICATION: &str = "strongroom";

/// Length of a root key, in bytes. With SHA-256, the one length that every token takes.
const ROOT_BYTES: u64 = 32;

/// The PRF: HMAC-SHA256 in the token.
pub(crate) const PRF: Mechanism<'static> = Mechanism::Sha256Hmac;

/// The audit key's signature: Ed25519 as in RFC 8032, no prehash, no context.
pub(crate) fn eddsa() -> Mechanism<'static> {
    Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure))
}

/// Names of Ed25519 in EC_PARAMS: the object identifier 1.3.101.112, and what older tokens take instead.
pub(crate) fn ed25519_params() -> [Vec<u8>; 2] {
    [vec![0x06, 0x03, 0x2B, 0x65, 0x70], [&[0x13, 0x0C][..], b"edwards25519"].concat()]
}

/// What every root key has, or the token is refused.
pub(crate) fn root_template(id: &[u8; 16]) -> Vec<Attribute> {
    let mut template = root_session_template();
    template.retain(|attribute| !matches!(attribute, Attribute::Token(_)));
    template.extend([Attribute::Token(true), Attribute::Label(ROOT_LABEL.into()), Attribute::Id(id.to_vec())]);
    template
}

/// The same for a throw-away key, to learn which extras a token takes.
pub(crate) fn root_session_template() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::ValueLen(ROOT_BYTES.into()),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        // Else DERIVE and WRAP could be switched on afterwards, on every token that was tried.
        Attribute::Modifiable(false),
        Attribute::Sign(true),
        Attribute::Verify(true),
    ]
}

/// What a root key has besides, where the token takes it.
pub(crate) fn root_extras() -> Vec<Attribute> {
    vec![
        Attribute::AllowedMechanisms(vec![MechanismType::SHA256_HMAC]),
        Attribute::Copyable(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
    ]
}

/// The public half of the audit key.
pub(crate) fn audit_public_template(id: &[u8; 16], params: Vec<u8>) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Modifiable(false),
        Attribute::Verify(true),
        Attribute::EcParams(params),
        Attribute::Label(AUDIT_LABEL.into()),
        Attribute::Id(id.to_vec()),
    ]
}

/// What the private half of every audit key has, or the token is refused.
pub(crate) fn audit_private_template(id: &[u8; 16]) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Modifiable(false),
        Attribute::Sign(true),
        Attribute::Label(AUDIT_LABEL.into()),
        Attribute::Id(id.to_vec()),
    ]
}

/// What it has besides, where the token takes it.
pub(crate) fn audit_private_extras() -> Vec<Attribute> {
    vec![
        Attribute::AllowedMechanisms(vec![MechanismType::EDDSA]),
        Attribute::Copyable(false),
        Attribute::Derive(false),
        Attribute::Unwrap(false),
        Attribute::Decrypt(false),
    ]
}

/// How the labels of a deployment's document begin. A number follows, greater with each that replaces another.
pub(crate) fn document_name(deployment: &[u8; 16]) -> String {
    format!("strongroom-anchor-{}", hex(deployment))
}

/// By what documents are found, those of all deployments.
pub(crate) fn document_search() -> Vec<Attribute> {
    vec![Attribute::Class(ObjectClass::DATA), Attribute::Token(true), Attribute::Application(APPLICATION.into())]
}

/// The number of a document of this name.
pub(crate) fn document_number(name: &str, label: &[u8]) -> Option<u64> {
    let rest = label.strip_prefix(name.as_bytes())?.strip_prefix(b"-")?;
    std::str::from_utf8(rest).ok()?.parse().ok()
}

/// A document, seen by who is logged in alone.
pub(crate) fn document_template(name: &str, number: u64, document: &[u8]) -> Vec<Attribute> {
    let mut template = document_search();
    template.extend([
        Attribute::Private(true),
        Attribute::Modifiable(false),
        Attribute::Label(format!("{name}-{number}").into()),
        Attribute::Value(document.to_vec()),
    ]);
    template
}

/// All objects of this class with this id.
pub(crate) fn find(session: &Session, class: ObjectClass, id: &[u8; 16]) -> Result<Vec<ObjectHandle>, Error> {
    session.find_objects(&[Attribute::Token(true), Attribute::Class(class), Attribute::Id(id.to_vec())])
}

/// The one object of this class with this id. `what` names it, as in "root key 1".
pub(crate) fn find_one(
    session: &Session,
    class: ObjectClass,
    id: &[u8; 16],
    what: &str,
) -> Result<ObjectHandle, DeviceError> {
    let found = find(session, class, id).map_err(|error| fault::classify(&error, "looking for a key"))?;
    match found.as_slice() {
        [object] => Ok(*object),
        [] => Err(DeviceError::KeyMissing(format!("{what} (id {})", hex(id)))),
        several => Err(DeviceError::KeyAmbiguous(format!("{} objects are {what} (id {})", several.len(), hex(id)))),
    }
}

/// Whether the token keeps the promises that a key's template asks for.
///
/// By what the token says of the object, one attribute at a time: a list fails as a whole when one
/// attribute is unknown. Issue a key only after this.
pub(crate) fn check_hardened(session: &Session, object: ObjectHandle, what: &str) -> Result<(), DeviceError> {
    let weak = |promise: &str| Err(DeviceError::WeakToken(format!("the {what} is {promise}")));
    let info = session
        .get_attribute_info(object, &[AttributeType::Value])
        .map_err(|error| fault::classify(&error, "checking a key's protection"))?;
    // Asked for its size only: a token that would give the value away is not asked for it.
    if !matches!(info.as_slice(), [AttributeInfo::Sensitive]) {
        return weak("readable");
    }
    for (attribute, want, promise) in [
        (AttributeType::Token, true, "not stored in the token"),
        (AttributeType::Private, true, "visible without a login"),
        (AttributeType::Sensitive, true, "not sensitive"),
        (AttributeType::AlwaysSensitive, true, "not sensitive since it was made"),
        (AttributeType::Extractable, false, "extractable"),
        (AttributeType::NeverExtractable, true, "perhaps extracted"),
        (AttributeType::Modifiable, false, "modifiable: other uses could be switched on"),
        (AttributeType::Sign, true, "unable to sign"),
    ] {
        if flag(session, object, attribute)? != Some(want) {
            return weak(promise);
        }
    }
    // Absent is as good as false: a token without these uses has no such attribute.
    for (attribute, promise) in [
        (AttributeType::Wrap, "able to wrap keys"),
        (AttributeType::Unwrap, "able to unwrap keys"),
        (AttributeType::Derive, "able to derive keys"),
        (AttributeType::Encrypt, "able to encrypt"),
        (AttributeType::Decrypt, "able to decrypt"),
    ] {
        if flag(session, object, attribute)? == Some(true) {
            return weak(promise);
        }
    }
    Ok(())
}

/// A boolean attribute; `None` if the object has no such attribute or the token does not say.
fn flag(session: &Session, object: ObjectHandle, attribute: AttributeType) -> Result<Option<bool>, DeviceError> {
    let values = match session.get_attributes(object, &[attribute]) {
        Ok(values) => values,
        Err(Error::NotSupported | Error::Pkcs11(RvError::AttributeTypeInvalid, _)) => return Ok(None),
        Err(error) => return Err(fault::classify(&error, "checking a key's protection")),
    };
    Ok(values.first().and_then(|value| match value {
        Attribute::Token(value)
        | Attribute::Private(value)
        | Attribute::Sensitive(value)
        | Attribute::AlwaysSensitive(value)
        | Attribute::Extractable(value)
        | Attribute::NeverExtractable(value)
        | Attribute::Modifiable(value)
        | Attribute::Sign(value)
        | Attribute::Wrap(value)
        | Attribute::Unwrap(value)
        | Attribute::Derive(value)
        | Attribute::Encrypt(value)
        | Attribute::Decrypt(value) => Some(*value),
        _ => None,
    }))
}

/// The public key of the audit key's public half. EC_POINT is `04 20 ‖ key` by the standard and a bare key on some tokens.
pub(crate) fn public_key(session: &Session, object: ObjectHandle) -> Result<[u8; 32], DeviceError> {
    let values = session
        .get_attributes(object, &[AttributeType::EcPoint])
        .map_err(|error| fault::classify(&error, "reading the audit key's public half"))?;
    let Some(Attribute::EcPoint(point)) = values.first() else {
        return Err(DeviceError::Unsupported("the token does not show the audit key's public half".into()));
    };
    let key = match point.as_slice() {
        [0x04, 0x20, key @ ..] if key.len() == 32 => key,
        key => key,
    };
    key.try_into().map_err(|_| {
        DeviceError::Unsupported(format!("the audit key's public half has {} bytes, not 32 or 34", point.len()))
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
