//! The calls that end a secret's use for a while, give it more time, or another path.

use pollster::block_on;
use strongroom::{Code, EventKind, Move, To, Verdict, Version};

use crate::{
    model::{Happened, Life, Model, Object, Secret, Value, Which, told},
    secrets::{expiry, own, secret, which},
    turn::{Turn, secret_value},
};

/// What is offered, and what is said of it.
pub(crate) fn try_current(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    // How many are rejected before one is accepted; more than there are: all. Or nobody can tell.
    let (rejected, is_stopped) = (turn.chance.below(3), turn.chance.once_in(6));
    let mut offered = Vec::new();
    let got = block_on(turn.secrets().try_current(&path, |value, offer| {
        let text = value.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        offered.push((offer.version.0, secret_value(&Value::Known(value.kind(), text))));
        match offered.len() > rejected {
            _ if is_stopped => Verdict::Stop,
            true => Verdict::Accept(offer.version.0),
            false => Verdict::Reject,
        }
    }));
    let want = turn.model.get(&whole, Which::Current).map(|(current, value)| {
        let stored = &turn.model.secrets[&whole];
        let previous = stored.previous.filter(|previous| *previous != current);
        let previous =
            previous.and_then(|previous| Some((previous, stored.value_of(previous, turn.model.now).ok()?.clone())));
        std::iter::once((current, value)).chain(previous).collect::<Vec<_>>()
    });
    // It was done, whatever came of it.
    let got = match got {
        Ok(tried) => Ok(Ok(tried)),
        Err(error) if [Code::TryRejected, Code::TryStopped].contains(&error.code()) => Ok(Err(error.code())),
        Err(error) => Err(error),
    };
    turn.settle("secret.try", secret(&whole), want, got, |turn, want, got| {
        let tried = if is_stopped { 1 } else { want.len().min(rejected + 1) };
        assert_eq!(offered.len(), tried);
        for ((version, value), (wanted, known)) in offered.into_iter().zip(&want) {
            assert_eq!(version, *wanted);
            turn.same(&whole, version, known, &value);
        }
        let event = (EventKind::Accessed, Some(want[0].0), Some(want.len() as u64));
        turn.add(told("secret.try", secret(&whole)).begun().with([event]), "ok");
        let end = match want.get(rejected) {
            _ if is_stopped => Err(Code::TryStopped),
            Some((version, _)) => Ok(*version),
            None => Err(Code::TryRejected),
        };
        match end {
            Ok(_) => turn.model.allowed += 1,
            Err(_) => turn.model.refused += 1,
        }
        turn.add(told("secret.try", secret(&whole)), end.map_or_else(|code| code.name(), |_| "ok"));
        assert_eq!(got.map(|tried| tried.outcome), end);
        Vec::new()
    })
}

/// How a secret stands as a whole: which word of it becomes what.
fn stand(
    turn: &mut Turn<'_>,
    act: &'static str,
    is_wanted: fn(&Secret) -> bool,
    (word, so): (fn(&mut Secret) -> &mut bool, bool),
    event: EventKind,
) -> bool {
    let (path, whole) = turn.path_where(is_wanted);
    let secrets = turn.secrets();
    let got = match act {
        "secret.enable" => block_on(secrets.enable(&path)),
        "secret.disable" => block_on(secrets.disable(&path)),
        "secret.archive" => block_on(secrets.archive(&path)),
        _ => block_on(secrets.unarchive(&path)),
    };
    let want = turn.model.admit().and_then(|()| turn.model.stand(&whole, word, so));
    turn.settle(act, secret(&whole), want, got, |_, want, got| {
        assert_eq!(got.changed, want);
        let events: Vec<Happened> = want.then_some((event, None, None)).into_iter().collect();
        vec![told(act, secret(&whole)).with(events)]
    })
}

pub(crate) fn enable(turn: &mut Turn<'_>) -> bool {
    let word = (|secret: &mut Secret| &mut secret.is_enabled) as fn(&mut Secret) -> &mut bool;
    stand(turn, "secret.enable", |secret| !secret.is_enabled, (word, true), EventKind::Activated)
}

pub(crate) fn disable(turn: &mut Turn<'_>) -> bool {
    let word = (|secret: &mut Secret| &mut secret.is_enabled) as fn(&mut Secret) -> &mut bool;
    stand(turn, "secret.disable", |secret| !secret.is_enabled, (word, false), EventKind::Revoked)
}

pub(crate) fn archive(turn: &mut Turn<'_>) -> bool {
    let word = (|secret: &mut Secret| &mut secret.is_archived) as fn(&mut Secret) -> &mut bool;
    stand(turn, "secret.archive", |secret| secret.is_archived, (word, true), EventKind::Archived)
}

pub(crate) fn unarchive(turn: &mut Turn<'_>) -> bool {
    let word = (|secret: &mut Secret| &mut secret.is_archived) as fn(&mut Secret) -> &mut bool;
    stand(turn, "secret.unarchive", |secret| secret.is_archived, (word, false), EventKind::Activated)
}

pub(crate) fn extend(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path_where(|secret| secret.has(Life::Expired));
    let mut version = turn.version(&whole);
    if let Some(secret) = turn.model.secrets.get(&whole)
        && let Some((expired, _)) = secret.versions.iter().find(|(_, stored)| stored.life == Life::Expired)
    {
        version = *expired;
    }
    let until = if turn.chance.once_in(2) { None } else { Some(turn.moment()) };
    let got = block_on(turn.secrets().extend_version(&path, Version(version), expiry(until)));
    let want = turn.model.admit().and_then(|()| turn.model.extend(&whole, version, until));
    turn.settle("secret.extend-version", secret(&whole), want, got, |_, want, got| {
        assert_eq!(got.expires_at.map(|at| at.0), want);
        vec![told("secret.extend-version", secret(&whole)).with([(EventKind::Activated, Some(version), None)])]
    })
}

/// What is refused for the other path names that.
fn refused_at(whole: &str, to: &str, want: Result<u64, (Code, bool)>) -> (Object, Result<u64, Code>) {
    match want {
        Err((code, is_there)) => (secret(if is_there { to } else { whole }), Err(code)),
        Ok(version) => (secret(to), Ok(version)),
    }
}

/// Carries it out in the model, where a quota may not let it.
fn grow(
    turn: &mut Turn<'_>,
    whole: &str,
    to: &str,
    act: impl FnOnce(&mut Model) -> Result<u64, (Code, bool)>,
) -> (Object, Result<u64, Code>) {
    let mut object = secret(to);
    let want = turn.model.grow(|model| {
        let (refused, want) = refused_at(whole, to, act(model));
        object = refused;
        want
    });
    (object, want)
}

pub(crate) fn copy(turn: &mut Turn<'_>) -> bool {
    let ((path, whole), (to, whole_to)) = (turn.path(), turn.free_path());
    let (which, get) = which(turn, &whole);
    let got = block_on(turn.secrets().copy(&path, To(&to), get));
    let (object, want) = grow(turn, &whole, &whole_to, |model| model.copy(&whole, &whole_to, which));
    turn.settle("secret.copy", object, want, got, |_, want, got| {
        assert_eq!((got.from.0, got.version.0), (want, 1));
        let read = told("secret.get", secret(&whole)).with([(EventKind::Accessed, Some(want), None)]);
        let events = [EventKind::Created, EventKind::Activated].map(|kind| (kind, Some(1), None));
        vec![read, told("secret.copy", secret(&whole_to)).with(events)]
    })
}

pub(crate) fn rename(turn: &mut Turn<'_>) -> bool {
    let ((path, whole), (to, whole_to)) = (turn.path(), turn.free_path());
    let expected = turn.expected(&whole);
    let options = expected.map_or(Move::default(), |version| Move::default().expect(Version(version)));
    let got = block_on(turn.secrets().rename(&path, To(&to), options));
    let (object, want) = grow(turn, &whole, &whole_to, |model| model.rename(&whole, &whole_to, expected));
    turn.settle("secret.move", object, want, got, |_, want, got| {
        assert_eq!(got.version.0, want);
        let left = told("secret.move-from", secret(&whole)).with([(EventKind::Revoked, Some(want), None)]);
        let mut came = own("secret.move", secret(&whole_to));
        came[0].events.push((EventKind::Activated, Some(want), None));
        vec![left, came.remove(0)]
    })
}
