//! Making a deployment's keys in a token, and taking them away again.
//!
//! Nothing is made without looking first, and nothing is destroyed but what this call made, the
//! stray half of an audit key pair, and what [`remove`] is asked for by id. A key that is found is
//! never destroyed for looking wrong: a deployment may depend on it.

use cryptoki::{
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, ObjectClass, ObjectHandle},
    session::Session,
};
use strongroom::{
    AuditKeyProfile, DeviceProfile, RootProfile,
    device::{DeviceError, RootVersion},
};

use super::{
    device::{Keys, TokenHand},
    fault, object,
    pool::{Answer, Hand, Work},
    token::Token,
};
use crate::{KeyIds, signature::TEST_MESSAGE, uri::TokenUri};

pub(crate) fn provision(uri: &TokenUri, ids: &KeyIds, check_input: &[u8]) -> Result<DeviceProfile, DeviceError> {
    let token = Token::find(uri)?;
    let session = token.log_in(uri)?;
    make_root(&session, &ids.root)?;
    let public_key = make_audit(&session, &ids.audit)?;

    let keys = Keys { roots: vec![(RootVersion::FIRST, ids.root)], audit: ids.audit, audit_key: public_key };
    // Asked in two sessions: a token that answers one question in two ways must not be built upon.
    let check = check_value(&token, &keys, check_input)?;
    if check != check_value(&token, &keys, check_input)? {
        return Err(DeviceError::WrongAnswer("it computed two check values of one root key".into()));
    }
    Ok(DeviceProfile {
        audit: AuditKeyProfile { alg: "ed25519".into(), id: ids.audit, key: public_key },
        kind: "pkcs11".into(),
        roots: vec![RootProfile { check, id: ids.root, prf: "hmac-sha256".into(), v: RootVersion::FIRST.0 }],
        serial: token.serial.into_bytes(),
        token: token.label.into_bytes(),
        v: DeviceProfile::VERSION,
    })
}

pub(crate) fn remove(uri: &TokenUri, ids: &KeyIds) -> Result<usize, DeviceError> {
    let session = Token::find(uri)?.log_in(uri)?;
    let mut removed = 0;
    for (class, id) in [
        (ObjectClass::SECRET_KEY, &ids.root),
        (ObjectClass::PRIVATE_KEY, &ids.audit),
        (ObjectClass::PUBLIC_KEY, &ids.audit),
    ] {
        for object in find(&session, class, id)? {
            destroy(&session, object)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The check value, by a session of its own that also shows its audit key.
fn check_value(token: &Token, keys: &Keys, check_input: &[u8]) -> Result<[u8; 32], DeviceError> {
    let mut hand = TokenHand::open(token.clone(), keys.clone())?;
    hand.work(&Work::Sign { message: TEST_MESSAGE.to_vec() })?;
    match hand.work(&Work::Prf { root: RootVersion::FIRST, input: check_input.to_vec() })? {
        Answer::Prk(value) => Ok(*value.expose_key()),
        _ => unreachable!("a PRF answers a PRK"),
    }
}

/// Finds the root key, or makes it.
fn make_root(session: &Session, id: &[u8; 16]) -> Result<(), DeviceError> {
    if !find(session, ObjectClass::SECRET_KEY, id)?.is_empty() {
        let root = object::find_one(session, ObjectClass::SECRET_KEY, id, "the root key")?;
        return object::check_hardened(session, root, "root key");
    }
    let generate = |template: &[Attribute]| session.generate_key(&Mechanism::GenericSecretKeyGen, template);
    let all: Vec<_> = [object::root_template(id), object::root_extras()].concat();
    let mut made = generate(&all);
    if made.as_ref().is_err_and(may_be_the_template) && find(session, ObjectClass::SECRET_KEY, id)?.is_empty() {
        // Which extra it refuses, throw-away keys tell.
        let mut taken = Vec::new();
        for extra in object::root_extras() {
            let attempt = [object::root_session_template(), taken.clone(), vec![extra.clone()]].concat();
            match generate(&attempt) {
                Ok(key) => {
                    destroy(session, key)?;
                    taken.push(extra);
                }
                Err(_) => tracing::warn!(attribute = ?extra, "the token refuses this for the root key"),
            }
        }
        made = generate(&[object::root_template(id), taken].concat());
    }
    let root = made_or_found(session, made, ObjectClass::SECRET_KEY, id, "creating the root key")?;
    object::check_hardened(session, root, "root key").inspect_err(|_| undo(session, &[root]))
}

/// Finds the audit key, or makes it. Returns its public half.
fn make_audit(session: &Session, id: &[u8; 16]) -> Result<[u8; 32], DeviceError> {
    let private = find(session, ObjectClass::PRIVATE_KEY, id)?;
    let public = find(session, ObjectClass::PUBLIC_KEY, id)?;
    match (private.as_slice(), public.as_slice()) {
        ([private], [public]) => {
            object::check_hardened(session, *private, "audit key")?;
            return object::public_key(session, *public);
        }
        ([], strays) => {
            // Half a pair, as a crash leaves it: a public key alone has never signed anything.
            for stray in strays {
                destroy(session, *stray)?;
            }
        }
        ([_], []) => {
            return Err(DeviceError::KeyMissing(format!("the audit key's public half (id {})", object::hex(id))));
        }
        _ => return Err(DeviceError::KeyAmbiguous(format!("the audit key (id {})", object::hex(id)))),
    }
    let mut made = Err(Error::NotSupported);
    'made: for params in object::ed25519_params() {
        for extras in [object::audit_private_extras(), Vec::new()] {
            made = session.generate_key_pair(
                &Mechanism::EccEdwardsKeyPairGen,
                &object::audit_public_template(id, params.clone()),
                &[object::audit_private_template(id), extras].concat(),
            );
            let again = made.as_ref().is_err_and(may_be_the_template);
            if !again || !find(session, ObjectClass::PRIVATE_KEY, id)?.is_empty() {
                break 'made;
            }
            for stray in find(session, ObjectClass::PUBLIC_KEY, id)? {
                destroy(session, stray)?;
            }
        }
    }
    let made = made.map(|(_, private)| private);
    let private = made_or_found(session, made, ObjectClass::PRIVATE_KEY, id, "creating the audit key")?;
    let public = object::find_one(session, ObjectClass::PUBLIC_KEY, id, "the audit key's public half")?;
    object::check_hardened(session, private, "audit key").inspect_err(|_| undo(session, &[private, public]))?;
    object::public_key(session, public)
}

/// What was made; also if the token failed after making it.
fn made_or_found(
    session: &Session,
    made: Result<ObjectHandle, Error>,
    class: ObjectClass,
    id: &[u8; 16],
    doing: &str,
) -> Result<ObjectHandle, DeviceError> {
    match made {
        Ok(object) => Ok(object),
        Err(error) => match find(session, class, id)?.as_slice() {
            [object] => Ok(*object),
            _ => Err(fault::classify(&error, doing)),
        },
    }
}

/// Whether a token refused to generate because of the template, as far as it says.
fn may_be_the_template(error: &Error) -> bool {
    use RvError::*;
    let Error::Pkcs11(code, _) = error else { return false };
    matches!(
        code,
        AttributeTypeInvalid
            | AttributeValueInvalid
            | AttributeReadOnly
            | TemplateInconsistent
            | TemplateIncomplete
            | ArgumentsBad
            | DomainParamsInvalid
            | CurveNotSupported
            | GeneralError
            | FunctionFailed
    )
}

fn find(session: &Session, class: ObjectClass, id: &[u8; 16]) -> Result<Vec<ObjectHandle>, DeviceError> {
    object::find(session, class, id).map_err(|error| fault::classify(&error, "looking for a key"))
}

fn destroy(session: &Session, object: ObjectHandle) -> Result<(), DeviceError> {
    session.destroy_object(object).map_err(|error| fault::classify(&error, "destroying a key"))
}

/// Destroys what this call made. That it failed already is the error to report; this one is logged.
fn undo(session: &Session, objects: &[ObjectHandle]) {
    for object in objects {
        if let Err(error) = destroy(session, *object) {
            tracing::warn!(%error, "a key that was just made stays in the token");
        }
    }
}
