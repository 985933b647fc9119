//! Many callers at once, each with tenants of its own: the same calls against the same models, while everybody else is at
//! it too, and at the end a log that verifies and every acknowledged value. `STRONGROOM_STRESS_SECONDS` says how long.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pollster::block_on;
use strongroom::{Context, Folder, Query, Strongroom};

use crate::{
    chance::Chance,
    common::{Place, operator},
    kinds::{KINDS, Kind},
    model::{Model, State, Value},
    number_of, resident, seed,
    turn::{ENVIRONMENT, Turn},
};

const CALLERS: usize = 32;
const TENANTS: usize = 100;
const SECONDS_DEFAULT: u64 = 8;
/// What is to expire does so later than any run ends, in microseconds.
const LIFETIME: u64 = 24 * 60 * 60 * 1_000_000;
/// Calls that are about lines which nobody keeps here.
const OF_THE_LOG: [&str; 2] = ["secret.history", "secret.usage"];
/// A run has to be so long before memory says something, and is looked at after so long for the first time.
const SECONDS_OF_MEMORY: u64 = 300;
const SECONDS_WARM: u64 = 120;

#[test]
fn many_callers_at_once_each_get_what_is_theirs() {
    let seconds = number_of("STRONGROOM_STRESS_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let mut chance = Chance::new(seed());
    let (place, room) = Place::software();
    let mut models: Vec<_> = (0..TENANTS).map(|n| Model::absent(format!("tenant-{n:05}"), n % 2 == 0)).collect();
    for model in &mut models {
        let made = block_on(room.admin(operator()).create_tenant(&model.name.parse().unwrap())).unwrap().0;
        (model.state, model.reference) = (State::Active, made.tenant_ref.to_string());
    }
    let words: Vec<_> = models.iter().map(|model| [model.name.clone(), model.reference.clone()]).collect();
    let (begin, calls, warm) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for own in models.chunks_mut(TENANTS.div_ceil(CALLERS)) {
            let mut caller = Caller { room: &room, place: &place, chance: chance.another(), words: &words };
            let (calls, warm) = (&calls, &warm);
            scope.spawn(move || {
                while begin.elapsed() < Duration::from_secs(seconds) {
                    let at = caller.chance.below(own.len());
                    caller.call(&mut own[at]);
                    calls.fetch_add(1, Ordering::Relaxed);
                    if begin.elapsed() > Duration::from_secs(SECONDS_WARM) {
                        let _ = warm.compare_exchange(0, resident(), Ordering::Relaxed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (calls, late) = (calls.into_inner(), resident());
    println!("{calls} calls in {seconds} s by {CALLERS} callers of {TENANTS} tenants");
    assert!(calls > 10 * CALLERS as u64);
    if seconds >= SECONDS_OF_MEMORY {
        let warm = warm.into_inner();
        println!("memory: {} KB after {SECONDS_WARM} s, {} KB at the end", warm >> 10, late >> 10);
        assert!(late < warm + warm / 20, "memory grows");
    }

    for model in &mut models {
        demand_what_was_acknowledged(&room, model);
        let audit = room.tenant(&model.name.parse().unwrap()).acting_as(operator()).audit();
        let checked = block_on(audit.check_state()).unwrap();
        assert!(checked.is_ok(), "{}: {:?}", model.name, checked.findings);
    }
    let checked = block_on(room.admin(operator()).audit().check_state()).unwrap();
    assert!(checked.is_ok(), "{:?}", checked.findings);
    let verified = block_on(room.admin(operator()).audit().verify(None)).unwrap();
    assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
    println!("{} lines in {} commits", verified.report.entries, verified.report.commits);
    room.close().unwrap();
}

/// A caller of some tenants.
struct Caller<'a> {
    room: &'a Strongroom,
    place: &'a Place,
    chance: Chance,
    /// What is each tenant's alone.
    words: &'a [[String; 2]],
}

impl Caller<'_> {
    /// One call to one of its tenants, about secrets or, now and then, about the log.
    fn call(&mut self, model: &mut Model) {
        let kinds: Vec<&Kind> =
            KINDS.iter().filter(|kind| kind.act.starts_with("secret.") && !OF_THE_LOG.contains(&kind.act)).collect();
        let at = self.chance.below(kinds.len() + 1);
        let call = kinds.get(at).map_or(look_into_the_log as fn(&mut Turn<'_>) -> bool, |kind| kind.call);
        let actor = self.chance.one_of(&["service:billing", "user:ada"]).to_owned();
        let is_confined = self.chance.once_in(4);
        let mut acting = self.room.tenant(&model.name.parse().unwrap()).acting_as(Context::new(actor.parse().unwrap()));
        if is_confined {
            acting = acting.environment(ENVIRONMENT.parse().unwrap());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        model.now = u64::try_from(now).unwrap();
        let others = self.words.iter().filter(|words| words[0] != model.name);
        let stranger = &self.words[1 + 2 * self.chance.below(TENANTS / 2)][0];
        let mut turn = Turn {
            room: self.room,
            chance: &mut self.chance,
            acting,
            admin: self.room.admin(operator()),
            actor,
            is_confined,
            folder: self.place.folder.path(),
            foreign: &others.flatten().cloned().collect::<Vec<_>>(),
            stranger,
            given: None,
            sys_lines: 0,
            lifetime: LIFETIME,
            model,
        };
        call(&mut turn);
        // The log grows, and what is known of it must not.
        turn.model.lines.clear();
    }
}

fn look_into_the_log(turn: &mut Turn<'_>) -> bool {
    let page = block_on(turn.acting.audit().query(&Query::new().act("secret.put"), None, 10)).unwrap();
    for entry in page.entries {
        assert_eq!(entry.act, "secret.put");
        assert!(entry.line.contains(&turn.model.reference), "{}", entry.line);
    }
    true
}

fn demand_what_was_acknowledged(room: &Strongroom, model: &Model) {
    let secrets = room.tenant(&model.name.parse().unwrap()).acting_as(operator()).secrets();
    let got = block_on(secrets.export(&Folder::root())).unwrap().secrets;
    let want = model.below("");
    let names: Vec<_> = got.iter().map(|secret| (secret.path.to_string(), secret.version.0)).collect();
    assert_eq!(names, want.iter().map(|(path, version, _)| (path.clone(), *version)).collect::<Vec<_>>());
    for (got, (path, _, value)) in got.iter().zip(want) {
        if let Value::Known(_, text) = value {
            assert!(got.value.expose(|bytes| bytes == text.as_bytes()), "{path}");
        }
    }
}
