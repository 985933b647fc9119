//! What an operator does to one tenant, between the calls of all others.

use pollster::block_on;
use strongroom::{Code, Error, Receipt, TenantChange, TenantId, TenantInfo, TenantState, limits};

use crate::{
    model::{Model, Object, State, told},
    turn::Turn,
};

type Got = Result<(TenantInfo, Receipt), Error>;

/// Both say the same, and the line that its owner sees is there.
fn settle(turn: &mut Turn<'_>, act: &'static str, want: Result<State, Code>, got: Got) -> bool {
    turn.sys_lines += 1;
    match (want, got) {
        (Ok(state), Ok((info, _))) => {
            turn.see(&format!("{info:?}"));
            turn.model.state = state;
            if act == "tenant.create" {
                turn.model.reference = info.tenant_ref.to_string();
            } else {
                turn.model.lines.push(told(act, Object::Unnamed).by("operator:olga", "ok"));
            }
            agree(turn.model, &info);
            true
        }
        (Err(want), Err(got)) => {
            assert_eq!(got.code(), want, "{act}: {got}");
            false
        }
        (want, got) => panic!("{act} of {}: the model says {want:?}, and what came is {got:?}", turn.model.name),
    }
}

fn agree(model: &Model, info: &TenantInfo) {
    assert_eq!((info.id.as_str(), &info.tenant_ref.to_string()), (model.name.as_str(), &model.reference));
    let state = match info.state {
        TenantState::Active => State::Active,
        TenantState::Suspended => State::Suspended,
        _ => State::Closed,
    };
    assert_eq!((state, info.log_size), (model.state, model.lines.len() as u64));
    let quotas = info.settings.quotas;
    assert_eq!((info.settings.leases, [quotas.secrets, quotas.bytes]), (model.leases, model.most));
    assert_eq!([info.usage.secrets, info.usage.bytes], model.stored(), "what {} has", model.name);
}

fn id(turn: &Turn<'_>) -> TenantId {
    turn.model.name.parse().unwrap()
}

pub(crate) fn create(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.admin.create_tenant(&id(turn)));
    let want = if turn.model.state == State::Absent { Ok(State::Active) } else { Err(Code::TenantExists) };
    settle(turn, "tenant.create", want, got)
}

pub(crate) fn suspend(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.admin.suspend_tenant(&id(turn)));
    let want = turn.model.admit().map(|()| State::Suspended);
    settle(turn, "tenant.suspend", want, got)
}

pub(crate) fn resume(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.admin.resume_tenant(&id(turn)));
    let want = match turn.model.state {
        State::Active => Err(Code::TenantActive),
        State::Suspended => Ok(State::Active),
        _ => Err(turn.model.admit().unwrap_err()),
    };
    settle(turn, "tenant.resume", want, got)
}

pub(crate) fn close(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.admin.close_tenant(&id(turn)));
    let want = is_there(turn).map(|_| State::Closed);
    settle(turn, "tenant.close", want, got)
}

pub(crate) fn set(turn: &mut Turn<'_>) -> bool {
    let (kind, is_bounded) = (turn.chance.below(8), turn.chance.once_in(2));
    let (mut leases, mut most) = (turn.model.leases, turn.model.most);
    let change = match kind {
        // One too many for any quota.
        0 => TenantChange::default().max_secrets(Some(limits::QUOTA_SECRETS_MAX + 1)),
        1..4 => {
            leases = !turn.chance.once_in(3);
            TenantChange::default().leases(leases)
        }
        4..6 => {
            most[0] = is_bounded.then(|| 2 + turn.chance.below(8) as u64);
            TenantChange::default().max_secrets(most[0])
        }
        _ => {
            most[1] = is_bounded.then(|| 1_000 + turn.chance.below(3_000) as u64);
            TenantChange::default().max_bytes(most[1])
        }
    };
    let got = block_on(turn.admin.set_tenant(&id(turn), change));
    let want = is_there(turn).and_then(|state| if kind == 0 { Err(Code::QuotaInvalid) } else { Ok(state) });
    if want.is_ok() {
        (turn.model.leases, turn.model.most) = (leases, most);
    }
    settle(turn, "tenant.set", want, got)
}

pub(crate) fn show(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.admin.show_tenant(&id(turn)));
    turn.sys_lines += 1;
    match got {
        Ok((info, _)) => {
            turn.see(&format!("{info:?}"));
            agree(turn.model, &info);
            true
        }
        Err(error) => {
            assert_eq!((error.code(), turn.model.state), (Code::TenantNotFound, State::Absent));
            false
        }
    }
}

/// It was made, and is not closed.
fn is_there(turn: &Turn<'_>) -> Result<State, Code> {
    match turn.model.state {
        State::Suspended => Ok(State::Suspended),
        state => turn.model.admit().map(|()| state),
    }
}
