//! One operation, from the call to its receipt: no result without its durable line.
//!
//! Every public method runs through [`Room::operate`]. The work reads from a snapshot on a reader thread and
//! says what it found, what it changes and what its line shall name. Then changes and line go to the
//! writer together, and only what the writer calls durable is returned: a value that was read, an
//! acknowledgement, or a refusal. What turns out to be computed from something that has changed since
//! is computed again.

use std::{sync::Arc, time::Instant};

use strongroom_log::{LineBuilder, LineTemplate, Object, Outcome, RowChange, Who};
use tokio::sync::oneshot;

use super::{Room, TenantSettings};
use crate::{
    Actor, ActorKind, Class, Code, Context, Error, Handle, RequestId, Result, TenantId, TenantState,
    audit::{Receipt, Write, Written, log_origin},
    clock::{Clock as _, Timestamp},
    keys::{Authenticated, IndexKind, Pseudonym, PseudonymKind, TenantKeys, row_hash},
    limits,
    quota::{Admitted, Quota, Quotas},
    random::Random,
    readers,
    seal::Subject,
    store::{ActorRow, Change, IntentRow, Snapshot, TenantNumber, TenantRow},
};

/// Whose log an operation belongs to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The deployment's own.
    Sys,
    /// A tenant's, by the name that users give it.
    Tenant(TenantId),
}

/// What the work of an operation sees, and what it leaves behind.
pub(crate) struct Step<'a> {
    pub(crate) snapshot: &'a mut dyn Snapshot,
    pub(crate) keys: &'a TenantKeys,
    /// The tenant's row, checked.
    pub(crate) tenant: &'a TenantRow,
    pub(crate) room: &'a Room,
    pub(crate) now: Timestamp,
    /// Stored with the line, if the work succeeds.
    pub(crate) changes: Vec<Change>,
    /// What the operation's line names.
    pub(crate) line: LineFacts,
    /// Lines of its parts, each in the same log or another, before its own.
    pub(crate) parts: Vec<Part>,
    effect: Effect,
}

/// Whether an operation begins or ends something outside the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Effect {
    #[default]
    None,
    Begins,
    Ends,
}

/// One part of an operation that has a line of its own.
pub(crate) struct Part {
    pub(crate) act: &'static str,
    pub(crate) line: LineFacts,
    /// In another log than the operation's: whose, and under which handle and origin.
    pub(crate) elsewhere: Option<(TenantNumber, strongroom_log::LogOrigin, Option<Handle>)>,
}

/// What a line says beyond who, when and whether.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineFacts {
    pub(crate) object: Option<Named>,
    pub(crate) count: Option<u64>,
    pub(crate) detail: Option<strongroom_log::Hash>,
    pub(crate) position: Option<u32>,
    pub(crate) row: Option<RowChange>,
    pub(crate) version_row: Option<RowChange>,
    /// It begins something outside the database.
    pub(crate) intent: bool,
}

/// The object of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) kind: &'static str,
    pub(crate) id: [u8; 16],
    pub(crate) version: Option<u64>,
    /// The pseudonym key's version, if the id is a pseudonym.
    pub(crate) pseudonym_key: Option<u32>,
}

impl<'a> Step<'a> {
    /// At the beginning: nothing is found, changed or named.
    fn new(snapshot: &'a mut dyn Snapshot, keys: &'a TenantKeys, tenant: &'a TenantRow, room: &'a Room) -> Self {
        Self {
            snapshot,
            keys,
            tenant,
            room,
            now: room.clock.now(),
            changes: Vec::new(),
            line: LineFacts::default(),
            parts: Vec::new(),
            effect: Effect::None,
        }
    }
}

impl Step<'_> {
    /// The random source.
    pub(crate) fn random(&self) -> &dyn Random {
        &*self.room.random
    }

    /// If this succeeds, something outside the database is begun: the line says so, and that of the same act and
    /// request which calls [`Step::ends_effect`] says what became of it. If the process dies in between, another
    /// line will say that nobody knows.
    pub(crate) fn begins_effect(&mut self) {
        self.effect = Effect::Begins;
    }

    /// The line, of a success or a refusal, is the result of what was begun.
    pub(crate) fn ends_effect(&mut self) {
        self.effect = Effect::Ends;
    }

    /// Names the operation's object by its pseudonym.
    pub(crate) fn name(&mut self, kind: PseudonymKind, value: &[u8]) -> Result<()> {
        self.line.object = Some(self.pseudonym(kind, value)?);
        Ok(())
    }

    /// A pseudonym as a line has it.
    pub(crate) fn pseudonym(&self, kind: PseudonymKind, value: &[u8]) -> Result<Named> {
        let pseudonym = self.keys.pseudonym(kind, value)?;
        Ok(Named { kind: kind.as_str(), id: pseudonym.hash, version: None, pseudonym_key: Some(pseudonym.key_version) })
    }

    /// The version that the operation's line names.
    pub(crate) fn version(&mut self, version: u64) {
        if let Some(object) = &mut self.line.object {
            object.version = Some(version);
        }
    }
}

fn of_another() -> Error {
    Error::new(Code::Integrity).detail("a row of tenants")
}

/// What a reader thread makes of an operation.
enum Prepared<T> {
    /// Done or refused; the write records which, and the result is released once that is durable.
    Write(Result<T>, Write),
    /// The tenant's own log cannot take the refusal.
    InSys(Error),
    /// Refused at the gate, which counts it.
    Counted(Error),
    /// There was nothing to do.
    Nothing,
}

/// What became of it.
enum Settled<T> {
    /// Its line is durable.
    Done(Result<T>, Receipt),
    /// The tenant's own log cannot take the refusal.
    InSys(Error),
    /// Refused at the gate, which counts it.
    Counted(Error),
    /// What it was computed from has changed.
    Stale,
    /// The tenant would have more than a quota allows.
    OverQuota(Quota, Quotas),
    /// There was nothing to do.
    Nothing,
}

/// One operation, as it is asked for.
#[derive(Clone)]
struct Asked {
    act: &'static str,
    context: Context,
    request: [u8; 16],
    /// The tenant's name and whether the gate has counted it; `None` where no quota holds.
    gated: Option<(TenantId, Admitted)>,
    /// Refused for this, whatever the work says.
    over: Option<(Quota, Quotas)>,
}

impl Room {
    /// The context with the id of its request, for an operation of more than one line.
    pub(crate) fn one_request(&self, context: &Context) -> Result<Context> {
        match context.request_id() {
            Some(_) => Ok(context.clone()),
            None => Ok(context.clone().request(RequestId::from_bytes(self.random.array()?))),
        }
    }

    /// Carries an operation out, records it, whatever comes of it, and counts it.
    pub(crate) async fn operate<T: Send + 'static>(
        self: &Arc<Self>,
        act: &'static str,
        target: &Target,
        context: &Context,
        work: impl Fn(&mut Step<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<(T, Receipt)> {
        let begin = Instant::now();
        let result = self.carry_out(act, target, context, work).await;
        let tenant = match target {
            Target::Sys => None,
            Target::Tenant(name) => Some(name),
        };
        self.meter.operation(act, tenant, begin, &result);
        result
    }

    async fn carry_out<T: Send + 'static>(
        self: &Arc<Self>,
        act: &'static str,
        target: &Target,
        context: &Context,
        work: impl Fn(&mut Step<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<(T, Receipt)> {
        let request = match context.request_id() {
            Some(id) => *id.as_bytes(),
            None => self.random.array()?,
        };
        // Before anything is done for it.
        let gated = match target {
            Target::Tenant(name) if !context.ends_effect => Some((name.clone(), self.gate.admit(name)?)),
            _ => None,
        };
        let mut asked = Asked { act, context: context.clone(), request, gated, over: None };
        let work = Arc::new(work);
        for _ in 0..limits::STALE_ATTEMPTS_MAX {
            let (number, keys, sys) = match self.resolve(target).await {
                Ok(found) => found,
                Err(error) => return self.refuse_in_sys(act, target, context, request, error).await,
            };
            let (room, asked_there, work) = (Arc::clone(self), asked.clone(), Arc::clone(&work));
            let settled = self
                .carry_through(number, move |snapshot| {
                    room.prepare(snapshot, number, (&keys, &sys), &asked_there, &*work)
                })
                .await?;
            match settled {
                Settled::Done(outcome, receipt) => {
                    if let Some((name, Admitted::Counted)) = &asked.gated {
                        self.gate.audit_bytes_left(name);
                    }
                    return outcome.map(|value| (value, receipt));
                }
                Settled::InSys(error) => return self.refuse_in_sys(act, target, context, request, error).await,
                Settled::Counted(error) => return Err(error),
                Settled::OverQuota(Quota::AuditBytes | Quota::Rate, _) => {
                    let Target::Tenant(name) = target else { return Err(Code::Internal.into()) };
                    return Err(self.gate.audit_bytes_used_up(name));
                }
                // Once more, to record the refusal.
                Settled::OverQuota(quota, quotas) => {
                    self.meter.over_quota(quota);
                    asked.over = Some((quota, quotas));
                }
                Settled::Stale | Settled::Nothing => {}
            }
            if let Some((_, admitted)) = &mut asked.gated {
                *admitted = Admitted::Counted;
            }
        }
        let error = Error::new(Code::StoreBusy).detail("the same rows keep changing");
        self.refuse_in_sys(act, target, context, request, error).await
    }

    /// Records a refusal in `sys`, because the tenant is absent, closed or out of reach.
    async fn refuse_in_sys<T: Send + 'static>(
        self: &Arc<Self>,
        act: &'static str,
        target: &Target,
        context: &Context,
        request: [u8; 16],
        error: Error,
    ) -> Result<(T, Receipt)> {
        for _ in 0..limits::STALE_ATTEMPTS_MAX {
            let Ok((number, keys, sys)) = self.resolve(&Target::Sys).await else { return Err(error) };
            let (room, target, code) = (Arc::clone(self), target.clone(), error.code());
            let asked = Asked { act, context: context.clone(), request, gated: None, over: None };
            let settled = self
                .carry_through(number, move |snapshot| {
                    room.prepare(snapshot, number, (&keys, &sys), &asked, &|step: &mut Step<'_>| {
                        if let Target::Tenant(name) = &target {
                            step.name(PseudonymKind::Tenant, name.as_str().as_bytes())?;
                        }
                        Err::<(), _>(code.into())
                    })
                })
                .await?;
            if !matches!(settled, Settled::Stale) {
                return Err(error);
            }
        }
        Err(error)
    }

    /// Prepares an operation on a reader thread and hands it on to the writer, without a stop at the caller's in
    /// between: each thread that is woken costs as much as the operation itself.
    async fn carry_through<T: Send + 'static>(
        self: &Arc<Self>,
        number: TenantNumber,
        prepare: impl FnOnce(&mut dyn Snapshot) -> Result<Prepared<T>> + Send + 'static,
    ) -> Result<Settled<T>> {
        let place = self.readers.enter(number).await?;
        let (answer, answered) = oneshot::channel();
        let room = Arc::clone(self);
        self.readers.hand_over(number, move |snapshot| {
            if answer.is_closed() {
                return true;
            }
            let prepared = snapshot.and_then(prepare);
            let good = prepared.is_ok();
            match prepared {
                Ok(Prepared::Write(outcome, write)) => {
                    let quotas = write.quotas;
                    let settle = move |written: Result<Written>| {
                        let settled = written.map(|written| match written {
                            Written::Recorded(receipt) => Settled::Done(outcome, receipt),
                            Written::Stale => Settled::Stale,
                            Written::OverQuota(quota) => Settled::OverQuota(quota, quotas),
                        });
                        let _ = answer.send(settled);
                        drop(place);
                    };
                    room.writer.push(write, Box::new(settle));
                }
                Ok(Prepared::InSys(error)) => drop(answer.send(Ok(Settled::InSys(error)))),
                Ok(Prepared::Counted(error)) => drop(answer.send(Ok(Settled::Counted(error)))),
                Ok(Prepared::Nothing) => drop(answer.send(Ok(Settled::Nothing))),
                Err(error) => drop(answer.send(Err(error))),
            }
            good
        })?;
        answered.await.map_err(|_| readers::failed())?
    }

    /// Records the line that a log begins with, before there is a row of its tenant to read.
    pub(super) async fn record_first(
        &self,
        act: &'static str,
        keys: &TenantKeys,
        mut changes: Vec<Change>,
        facts: LineFacts,
        context: &Context,
    ) -> Result<Receipt> {
        let number = TenantNumber::SYS;
        let (handle, new_actor) = self.new_actor(number, keys, context.actor())?;
        changes.push(new_actor);
        let who = Who::Actor { kind: kind_of(context.actor()), handle: *handle.as_bytes() };
        let request = match context.request_id() {
            Some(id) => *id.as_bytes(),
            None => self.random.array()?,
        };
        let log = log_origin(number, keys.tenant(), &self.origin);
        let lines = vec![(number, facts.build(act, &log, who, request, None, Outcome::Ok)?)];
        let (answer, answered) = oneshot::channel();
        self.writer.push(
            Write { changes, lines, quotas: Quotas::default() },
            Box::new(move |written| drop(answer.send(written))),
        );
        match answered.await.map_err(|_| Code::Closed)?? {
            Written::Recorded(receipt) => Ok(receipt),
            Written::Stale | Written::OverQuota(_) => Err(Code::DeploymentExists.into()),
        }
    }

    /// Runs on a reader thread.
    fn prepare<T>(
        &self,
        snapshot: &mut dyn Snapshot,
        number: TenantNumber,
        (keys, sys): (&TenantKeys, &TenantKeys),
        asked: &Asked,
        work: &dyn Fn(&mut Step<'_>) -> Result<T>,
    ) -> Result<Prepared<T>> {
        let Asked { act, ref context, request, .. } = *asked;
        let Some(row) = snapshot.tenant(number)? else { return Ok(Prepared::InSys(Code::Integrity.into())) };
        if let Err(error) = self.admit((keys, sys), number, &row) {
            if let (Some((name, _)), Code::TenantClosed) = (&asked.gated, error.code()) {
                self.gate.forget(name);
            }
            return Ok(Prepared::InSys(error));
        }
        let own = log_origin(number, row.tenant, &self.origin);
        let quotas = match &asked.gated {
            None => Quotas::default(),
            Some((name, admitted)) => {
                let quotas = match TenantSettings::from_row(&row) {
                    Ok(settings) => settings.quotas,
                    Err(error) => return Ok(Prepared::InSys(error)),
                };
                if let Err(error) = self.gate.learn((name, number), &own, &quotas, *admitted) {
                    return Ok(Prepared::Counted(error));
                }
                quotas
            }
        };
        let (handle, new_actor) = match self.actor_handle(snapshot, number, keys, context.actor()) {
            Ok(known) => known,
            // Here nobody can be named, but in `sys` the actor has another row.
            Err(error) if error.class() == Class::Integrity => return Ok(Prepared::InSys(error)),
            Err(error) => return Err(error),
        };
        let mut step = Step::new(snapshot, keys, &row, self);
        let outcome = match &asked.over {
            None => work(&mut step),
            // The work names what it would have been done to.
            Some((quota, quotas)) => work(&mut step).and_then(|_| {
                step.line.object = step.line.object.map(|object| Named { version: None, ..object });
                Err(quota.exceeded(quotas))
            }),
        };
        let Step { mut changes, mut line, mut parts, effect, .. } = step;
        if outcome.is_err() {
            changes.clear();
            parts.clear();
            line = LineFacts { object: line.object, ..LineFacts::default() };
        }
        changes.extend(new_actor);
        let intent = || IntentRow { tenant: number, request, act: act.to_owned(), boot: self.boot };
        match effect {
            Effect::Begins if outcome.is_ok() => {
                line.intent = true;
                changes.push(Change::OpenIntent(intent()));
            }
            Effect::Ends => changes.push(Change::CloseIntent(intent())),
            Effect::Begins | Effect::None => {}
        }

        let who = Who::Actor { kind: kind_of(context.actor()), handle: *handle.as_bytes() };
        let source = match context.source_address() {
            Some(address) => Some(keys.pseudonym(PseudonymKind::Address, address.to_string().as_bytes())?),
            None => None,
        };
        let mut lines = Vec::with_capacity(parts.len() + 1);
        for part in &parts {
            let (to, origin, who) = match &part.elsewhere {
                None => (number, &own, who),
                Some((to, origin, handle)) => {
                    let handle = handle.as_ref().map_or([0; 16], |handle| *handle.as_bytes());
                    (*to, origin, Who::Actor { kind: kind_of(context.actor()), handle })
                }
            };
            lines.push((to, part.line.build(part.act, origin, who, request, source, Outcome::Ok)?));
        }
        let result = match &outcome {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Refused(error.code().name()),
        };
        lines.push((number, line.build(act, &own, who, request, source, result)?));
        Ok(Prepared::Write(outcome, Write { changes, lines, quotas }))
    }

    /// Refuses a tenant whose row is not whole or not the one that was asked for, or who is not active.
    fn admit(&self, (keys, sys): (&TenantKeys, &TenantKeys), number: TenantNumber, row: &TenantRow) -> Result<()> {
        if row.tenant == keys.tenant() { self.admit_row(sys, number, row) } else { Err(of_another()) }
    }

    /// The same for a tenant whose keys are not at hand.
    fn admit_row(&self, sys: &TenantKeys, number: TenantNumber, row: &TenantRow) -> Result<()> {
        // The row of another tenant may be whole: everything after this is read under its number.
        if row.number != number {
            return Err(of_another());
        }
        if !self.tenants.knows(&number, row) {
            sys.check_row(row)?;
            self.tenants.remember(number, row);
        }
        match TenantState::from_number(row.state) {
            Some(TenantState::Active) => Ok(()),
            Some(TenantState::Suspended) => Err(Code::TenantSuspended.into()),
            Some(TenantState::Closed) => Err(Code::TenantClosed.into()),
            None => Err(Code::Integrity.into()),
        }
    }

    /// Does and records what Strongroom does to a tenant by itself, in nobody's name. Nothing is recorded where the work
    /// says that there is nothing to do, or fails, or where the tenant is not active. Whether there was something.
    pub(crate) async fn act_alone(
        self: &Arc<Self>,
        act: &'static str,
        number: TenantNumber,
        work: impl Fn(&mut Step<'_>) -> Result<bool> + Send + Sync + 'static,
    ) -> Result<bool> {
        let (request, work) = (self.random.array()?, Arc::new(work));
        for _ in 0..limits::STALE_ATTEMPTS_MAX {
            let sys = self.sys_keys().await?;
            let Some(row) = self.readers.read(number, move |snapshot| snapshot.tenant(number)).await? else {
                return Ok(false);
            };
            self.admit_row(&sys, number, &row)?;
            let (room, keys, work) = (Arc::clone(self), self.keys_of(&row).await?, Arc::clone(&work));
            let settled = self
                .carry_through(number, move |snapshot| {
                    room.prepare_alone(snapshot, act, number, (&keys, &sys), request, &*work)
                })
                .await?;
            match settled {
                Settled::Done(outcome, _) => return outcome.map(|()| true),
                Settled::Nothing => return Ok(false),
                Settled::InSys(error) => return Err(error),
                Settled::Stale => {}
                // No quota holds for what Strongroom does by itself.
                Settled::Counted(_) | Settled::OverQuota(..) => return Err(Code::Internal.into()),
            }
        }
        Err(Error::new(Code::StoreBusy).detail("the same rows keep changing"))
    }

    /// Runs on a reader thread.
    fn prepare_alone(
        &self,
        snapshot: &mut dyn Snapshot,
        act: &'static str,
        number: TenantNumber,
        (keys, sys): (&TenantKeys, &TenantKeys),
        request: [u8; 16],
        work: &dyn Fn(&mut Step<'_>) -> Result<bool>,
    ) -> Result<Prepared<()>> {
        let row = snapshot.tenant(number)?.ok_or(Code::Integrity)?;
        self.admit((keys, sys), number, &row)?;
        let mut step = Step::new(snapshot, keys, &row, self);
        if !work(&mut step)? {
            return Ok(Prepared::Nothing);
        }
        let Step { changes, line, parts, .. } = step;
        let own = log_origin(number, row.tenant, &self.origin);
        let of_parts = parts.iter().map(|part| (part.act, &part.line));
        let lines = of_parts
            .chain([(act, &line)])
            .map(|(act, line)| Ok((number, line.build(act, &own, Who::System, request, None, Outcome::Ok)?)))
            .collect::<Result<_>>()?;
        Ok(Prepared::Write(Ok(()), Write { changes, lines, quotas: Quotas::default() }))
    }

    /// Reads on for an operation whose line is durable already and says that this will come. Records nothing.
    pub(crate) async fn read_on<T: Send + 'static>(
        self: &Arc<Self>,
        target: &Target,
        work: impl FnOnce(&mut Step<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (number, keys, sys) = self.resolve(target).await?;
        let room = Arc::clone(self);
        self.readers
            .read(number, move |snapshot| {
                let row = snapshot.tenant(number)?.ok_or(Code::Integrity)?;
                room.admit((&keys, &sys), number, &row)?;
                work(&mut Step::new(snapshot, &keys, &row, &room))
            })
            .await
    }

    /// The handle by which lines name an actor; a new one comes with the change that stores it.
    pub(crate) fn actor_handle(
        &self,
        snapshot: &mut dyn Snapshot,
        number: TenantNumber,
        keys: &TenantKeys,
        actor: &Actor,
    ) -> Result<(Handle, Option<Change>)> {
        let text = actor.to_string();
        let name_hash = keys.index(IndexKind::Actor, text.as_bytes())?;
        if let Some(row) = snapshot.actor(number, &name_hash)? {
            if self.actors.knows(&(keys.tenant(), row.name_hash), &row) {
                return Ok((row.handle, None));
            }
            keys.check_row(&row)?;
            let name = keys.open_name(Subject::ActorName(row.handle), &row.name)?;
            if *name != *text.as_bytes() {
                return Err(Error::new(Code::Integrity).detail("a row of actors"));
            }
            self.actors.remember((keys.tenant(), row.name_hash), &row);
            return Ok((row.handle, None));
        }
        let (handle, change) = self.new_actor(number, keys, actor)?;
        Ok((handle, Some(change)))
    }

    fn new_actor(&self, number: TenantNumber, keys: &TenantKeys, actor: &Actor) -> Result<(Handle, Change)> {
        let text = actor.to_string();
        let name_hash = keys.index(IndexKind::Actor, text.as_bytes())?;
        let handle = Handle::random(&*self.random)?;
        let name = keys.seal_name(Subject::ActorName(handle), text.as_bytes(), &*self.random)?;
        let mut row = ActorRow { name_hash, handle, name, revision: 1, mac: [0; 32] };
        row.mac = keys.row_mac(&row)?;
        Ok((handle, Change::CreateActor(number, row)))
    }
}

impl LineFacts {
    fn build(
        &self,
        act: &str,
        log: &strongroom_log::LogOrigin,
        who: Who,
        request: [u8; 16],
        source: Option<Pseudonym>,
        outcome: Outcome<'_>,
    ) -> Result<LineTemplate> {
        let mut line = LineBuilder::new(act, log, who, request);
        if self.intent {
            line = line.intent();
        }
        if let Some(object) = &self.object {
            line = line.object(Object { kind: object.kind, id: object.id, version: object.version });
        }
        let pseudonym_key =
            self.object.and_then(|object| object.pseudonym_key).or(source.map(|source| source.key_version));
        if let Some(version) = pseudonym_key {
            line = line.pseudonym_key(version);
        }
        if let Some(source) = source {
            line = line.source(source.hash);
        }
        if let Some(count) = self.count {
            line = line.count(count);
        }
        if let Some(detail) = self.detail {
            line = line.detail(detail);
        }
        if let Some(position) = self.position {
            line = line.position(position);
        }
        if let Some(row) = self.row {
            line = line.row(row);
        }
        if let Some(row) = self.version_row {
            line = line.version_row(row);
        }
        line.finish(outcome).map_err(|error| Error::new(Code::Internal).caused_by(error))
    }
}

/// What a line says of a row that changed.
pub(crate) fn change_of<R: Authenticated>(row: &R) -> RowChange {
    RowChange { hash: row_hash(row.mac()), revision: row.revision() }
}

fn kind_of(actor: &Actor) -> strongroom_log::ActorKind {
    match actor.kind() {
        ActorKind::User => strongroom_log::ActorKind::User,
        ActorKind::Service => strongroom_log::ActorKind::Service,
        ActorKind::Operator | ActorKind::System => strongroom_log::ActorKind::Operator,
    }
}
