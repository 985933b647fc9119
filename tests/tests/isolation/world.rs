//! A life: a deployment with some tenants, calls by chance, and after each of them a look at everybody else.
//!
//! Lives are short, so that neither the model nor the log grows with the number of calls.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pollster::block_on;
use rusqlite::Connection;
use strongroom::{
    After, AuditEntry, Clock, Context, Entry, Folder, OpenOptions, Strongroom, SystemRandom, Timestamp, limits,
    store::{Maintenance, SqliteStore, Store, TenantNumber},
    testing::{
        ManualClock,
        watched::{Confusion, Seen, WatchedStore},
    },
};

use crate::{
    chance::Chance,
    common::{Place, operator},
    kinds::{KINDS, Kind},
    model::{Line, Model, Object, State, told},
    turn::{ENVIRONMENT, Turn},
};

const TENANTS: usize = 16;
/// Those that are there from the start, at most.
const TENANTS_FIRST: usize = 6;
/// Time that passes between two calls, if any does, in milliseconds; a life is shorter than a signing epoch.
const STEP_MILLIS: usize = 2_000;
/// What is to expire does so after this time at least, in microseconds.
const LIFETIME: u64 = 15_000_000;
/// Calls between two looks at everything that everybody has.
const SWEEP_EVERY: usize = 100;

/// A number for what are keyed hashes already, or nearly: nobody makes two that collide, and it has to be cheap.
fn mixed(table: &str, bytes: &[u8]) -> u64 {
    let chunks = bytes.chunks(8).map(|chunk| {
        let mut eight = [0; 8];
        eight[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(eight)
    });
    chunks.fold(table.len() as u64, |sum, chunk| (sum.rotate_left(29) ^ chunk).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// How often each kind was called, and how often it was done and refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(pub(crate) Vec<[u64; 2]>);

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.resize(KINDS.len(), [0; 2]);
        for (ours, theirs) in self.0.iter_mut().zip(&other.0) {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.iter().flatten().sum()
    }
}

/// What is done wrong on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Breach {
    /// A read of the store is answered with another tenant's rows.
    Read(&'static str),
    /// Calls go to another tenant.
    Handle,
    /// A statement of SQL runs after a call.
    Sql(&'static str),
    /// A call leaves a second one at another tenant.
    Twice,
}

pub(crate) struct World {
    place: Place,
    room: Strongroom,
    store: Arc<WatchedStore>,
    clock: Arc<ManualClock>,
    thief: Connection,
    models: Vec<Model>,
    sys_lines: u64,
    chance: Chance,
    rows: BTreeMap<u32, u64>,
    /// Who had a lease last: the thread that looks after leases may still be at it.
    leased: Option<TenantNumber>,
    breach: Option<Breach>,
}

impl World {
    /// On the software device.
    pub(crate) fn new(chance: Chance, breach: Option<Breach>) -> Self {
        Self::on(Place::in_memory(), chance, breach)
    }

    /// Of a deployment that was just made.
    pub(crate) fn on((place, room): (Place, Strongroom), mut chance: Chance, breach: Option<Breach>) -> Self {
        room.close().unwrap();
        let device = place.device().unwrap();
        let sqlite = SqliteStore::open(&place.deployment.database(), Maintenance::Background).unwrap();
        let store = Arc::new(WatchedStore::new(Arc::new(sqlite)));
        let seam: Arc<dyn Store> = Arc::<WatchedStore>::clone(&store);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let clock = Arc::new(ManualClock::at(Timestamp(u64::try_from(now).unwrap())));
        let options = OpenOptions::default().injected(clock.clone(), Arc::new(SystemRandom));
        let room = block_on(Strongroom::open_in(seam, device, options)).unwrap();
        let thief = place.thief();
        let twins = 2 + chance.below(TENANTS - 4);
        let names = chance.below(1_000);
        let models = (0..TENANTS).map(|n| Model::absent(format!("tenant-{:05}", 100 * names + n), n < twins)).collect();
        let (sys_lines, rows) = (0, BTreeMap::new());
        let mut world =
            Self { place, room, store, clock, thief, models, sys_lines, chance, rows, leased: None, breach };
        world.sys_lines = world.log_sizes()[""];
        world.rows = world.rows_of_all();
        // Twins are at the beginning of the list.
        for number in (0..TENANTS_FIRST).map(|n| n * TENANTS / TENANTS_FIRST) {
            world.turn(number, "tenant.create", crate::tenants::create);
        }
        world
    }

    /// So many calls.
    pub(crate) fn live(mut self, calls: usize) -> Tally {
        let mut tally = Tally(vec![[0; 2]; KINDS.len()]);
        // As cards, so that no kind has bad luck; with one of each in every second pack for a tenant in another state.
        let (mut pack, mut packs) = (Vec::new(), 0);
        for number in 1..=calls {
            if pack.is_empty() {
                packs += 1;
                let cards = |(kind, it): (usize, &Kind)| {
                    (0..it.weight).map(move |card| (kind, card == 0 && packs % 2 == 0)).collect::<Vec<_>>()
                };
                pack = KINDS.iter().enumerate().flat_map(cards).collect();
                self.chance.shuffle(&mut pack);
            }
            let (kind, in_another_state) = pack.pop().unwrap();
            let Kind { act, of, call, .. } = KINDS[kind];
            let who = self.somebody(of, in_another_state);
            let done = self.turn(who, act, call);
            tally.0[kind][usize::from(!done)] += 1;
            if number % SWEEP_EVERY == 0 || number == calls {
                (0..TENANTS).for_each(|number| self.sweep(number));
            }
        }
        let verified = block_on(self.room.admin(operator()).audit().verify(None)).unwrap();
        assert!(verified.is_ok(), "{} {:?}", verified.report, verified.store);
        assert!(block_on(self.room.admin(operator()).audit().check_state()).unwrap().is_ok());
        self.room.close().unwrap();
        tally
    }

    /// Mostly one in this state; or one in any other.
    fn somebody(&mut self, of: State, in_another: bool) -> usize {
        let any = self.chance.below(TENANTS);
        let these = (0..TENANTS).filter(|number| (self.models[*number].state == of) != in_another);
        let these: Vec<_> = these.collect();
        if these.is_empty() || !in_another && self.chance.once_in(4) {
            any
        } else {
            these[self.chance.below(these.len())]
        }
    }

    /// One call to one tenant; whether it was done. Everybody else has what he had.
    fn turn(&mut self, who: usize, act: &str, call: fn(&mut Turn<'_>) -> bool) -> bool {
        self.let_time_pass();
        let actor = match self.chance.below(3) {
            0 => "service:billing".to_owned(),
            1 => "user:ada".to_owned(),
            _ if self.models[who].is_twin => "service:nightly".to_owned(),
            _ => format!("service:clerk-of-{}", self.models[who].name),
        };
        let is_confined = self.chance.once_in(4);
        let strangers: Vec<_> = (0..TENANTS).filter(|other| *other != who && !self.models[*other].is_twin).collect();
        let stranger = self.models[strangers[self.chance.below(strangers.len())]].name.clone();
        let others = self.models.iter().enumerate().filter(|(other, _)| *other != who);
        let foreign: Vec<_> = others
            .flat_map(|(_, model)| [model.name.clone(), model.reference.clone()])
            .filter(|word| !word.is_empty())
            .collect();
        let target = match self.breach {
            Some(Breach::Handle) if self.chance.once_in(8) => self.chance.below(TENANTS),
            _ => who,
        };
        let mut acting = self
            .room
            .tenant(&self.models[target].name.parse().unwrap())
            .acting_as(Context::new(actor.parse().unwrap()));
        if is_confined {
            acting = acting.environment(ENVIRONMENT.parse().unwrap());
        }
        self.store.take();
        self.store.confuse(self.confusion(who));
        let mut turn = Turn {
            room: &self.room,
            chance: &mut self.chance,
            model: &mut self.models[who],
            acting,
            admin: self.room.admin(operator()),
            actor,
            is_confined,
            folder: self.place.folder.path(),
            foreign: &foreign,
            stranger: &stranger,
            given: None,
            sys_lines: 0,
            lifetime: LIFETIME,
        };
        let done = call(&mut turn);
        self.sys_lines += turn.sys_lines;
        self.break_something(who);
        self.look_around(who, act);
        done
    }

    /// What has expired by now is a line in its own tenant's log, and nowhere else.
    fn let_time_pass(&mut self) {
        if self.chance.once_in(2) {
            self.clock.advance(Duration::from_millis(self.chance.below(STEP_MILLIS) as u64));
        }
        self.store.take();
        self.store.confuse(None);
        self.room.look_for_expired();
        let (now, mut ours, mut lines) = (self.clock.now().0, vec![TenantNumber::SYS], 0);
        let mut in_any_order = Vec::new();
        for (who, model) in self.models.iter_mut().enumerate() {
            model.now = now;
            let before = model.lines.len();
            if model.expire() {
                in_any_order.push((who, before));
            }
            if model.lines.len() > before {
                ours.push(TenantNumber(model.number));
                lines += model.lines.len() - before;
            }
        }
        let seen = self.store.take();
        self.demand_only_ours(&ours, &seen, "expiry");
        assert_eq!(seen.iter().filter(|seen| seen.call == "line").count(), lines, "lines of what has expired");
        in_any_order.into_iter().for_each(|(who, from)| self.put_in_order(who, from));
    }

    /// Brings the lines from this one on in the order that the log has, which has no other.
    fn put_in_order(&mut self, who: usize, from: usize) {
        let model = &mut self.models[who];
        let audit = self.room.tenant(&model.name.parse().unwrap()).acting_as(operator()).audit();
        let shown = block_on(audit.show(from as u64, limits::PAGE_ENTRIES_MAX)).unwrap().entries;
        let place = |line: &Line| {
            let Object::Secret(path) = &line.object else { panic!("{line:?}") };
            let is_it = |entry: &AuditEntry| {
                (&*entry.act, entry.object.as_ref(), entry.version) == (line.act, Some(path), line.events[0].1)
            };
            shown.iter().position(is_it).unwrap()
        };
        model.lines[from..].sort_by_key(place);
        model.lines.push(told("audit.show", Object::None).by("operator:olga", "ok"));
        model.allowed += 1;
        let (ours, seen) = ([TenantNumber::SYS, TenantNumber(model.number)], self.store.take());
        self.demand_only_ours(&ours, &seen, "audit.show");
    }

    /// Nobody but this tenant was asked, written to, counted or changed.
    fn look_around(&mut self, who: usize, act: &str) {
        let sizes = self.log_sizes();
        assert_eq!(sizes[""], self.sys_lines, "lines of the deployment");
        let metrics = self.room.metrics();
        for model in self.models.iter_mut().filter(|model| !model.reference.is_empty()) {
            if model.number == 0 {
                let row = "SELECT number FROM tenants WHERE hex(ref) = upper(?1)";
                model.number = self.thief.query_row(row, [&model.reference], |row| row.get(0)).unwrap();
            }
            assert_eq!(sizes[&model.reference], model.lines.len() as u64, "lines of {}", model.name);
            let totals = metrics.tenant(&model.name.parse().unwrap());
            assert_eq!((totals.allowed, totals.refused), (model.allowed, model.refused), "counts of {}", model.name);
        }
        let ours = [TenantNumber::SYS, TenantNumber(self.models[who].number)];
        let seen = self.store.take();
        // To find a free place for a new tenant, places are asked for.
        let is_a_place = |seen: &Seen| act == "tenant.create" && seen.call == "tenant";
        let seen: Vec<_> = seen.into_iter().filter(|seen| !is_a_place(seen)).collect();
        self.demand_only_ours(&ours, &seen, act);
        if act == "secret.lease" {
            self.leased = Some(ours[1]);
        }
    }

    /// Only these tenants were asked or written to, and nothing of others is different.
    fn demand_only_ours(&mut self, ours: &[TenantNumber], seen: &[Seen], act: &str) {
        let is_of_a_lease = |seen: &Seen| !seen.writes && seen.tenant == self.leased;
        let is_anothers = |seen: &&Seen| seen.tenant.is_some_and(|it| !ours.contains(&it)) && !is_of_a_lease(seen);
        let others: Vec<_> = seen.iter().filter(is_anothers).collect();
        assert!(others.is_empty(), "{act} of {ours:?}: {others:?}");
        if seen.iter().any(|seen| seen.writes) {
            let mut now = self.rows_of_all();
            let mut before = std::mem::replace(&mut self.rows, now.clone());
            for ours in ours {
                before.remove(&ours.0);
                now.remove(&ours.0);
            }
            assert_eq!(before, now, "{act}: rows of others than {ours:?}");
        }
    }

    /// Everything that a tenant has.
    fn sweep(&mut self, who: usize) {
        if self.models[who].state != State::Active {
            return;
        }
        let everything = |turn: &mut Turn<'_>| {
            let secrets = turn.secrets();
            let got = block_on(secrets.export(&Folder::root())).unwrap();
            let want = turn.model.below(turn.confined_to());
            assert_eq!(got.secrets.len(), want.len());
            for (got, (path, version, value)) in got.secrets.iter().zip(want) {
                assert_eq!((got.path.as_str(), got.version.0), (path.as_str(), version));
                let whole = if turn.is_confined { format!("{ENVIRONMENT}/{path}") } else { path };
                turn.same(&whole, version, &value, &got.value);
            }
            turn.add(told("secret.export", Object::Folder(turn.confined_to().to_owned())), "ok");
            let page = block_on(secrets.list_archived(&Folder::root(), After::start(), 1_000)).unwrap();
            let names = page.entries.iter().map(|entry| match entry {
                Entry::Folder(folder) => format!("{folder}/"),
                Entry::Secret(path) => path.to_string(),
            });
            assert_eq!(names.collect::<Vec<_>>(), turn.model.entries(turn.confined_to(), turn.confined_to(), true));
            turn.add(told("secret.list", Object::Folder(turn.confined_to().to_owned())), "ok");
            turn.model.allowed += 2;
            true
        };
        self.turn(who, "everything", everything);
    }

    /// How many lines each log has, by the tenant's ref; that of the deployment by nothing.
    fn log_sizes(&self) -> BTreeMap<String, u64> {
        let mut snapshot = self.store.inner().snapshot().unwrap();
        let heads = snapshot.log_heads().unwrap().into_iter();
        let name = |head: &strongroom::store::LogHeadRow| match head.tenant {
            TenantNumber::SYS => String::new(),
            _ => head.tenant_ref.to_string(),
        };
        heads.map(|head| (name(&head), head.size)).collect()
    }

    /// What is stored of each tenant, in a number.
    fn rows_of_all(&self) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::<u32, u64>::new();
        for (table, (tenant, what)) in [
            ("tenants", ("number", "mac")),
            ("secrets", ("tenant", "mac")),
            ("secret_versions", ("tenant", "mac")),
            ("folders", ("tenant", "mac")),
            ("actors", ("tenant", "mac")),
            ("secret_labels", ("tenant", "label_hash || secret")),
            ("log_heads", ("tenant", "prev || secrets || '/' || bytes || '/' || audit_bytes")),
        ] {
            let sql = format!("SELECT {tenant}, CAST({what} AS BLOB) FROM {table}");
            let mut select = self.thief.prepare_cached(&sql).unwrap();
            let mut rows = select.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let sum = all.entry(row.get(0).unwrap()).or_default();
                *sum = sum.wrapping_add(mixed(table, row.get_ref(1).unwrap().as_blob().unwrap()));
            }
        }
        all
    }

    /// The breach, if it is one of reads: of this tenant another's.
    fn confusion(&self, who: usize) -> Option<Confusion> {
        let Some(Breach::Read(call)) = self.breach else { return None };
        let asked = self.models[who].number;
        let other = self.models.iter().find(|model| model.number > 0 && model.number != asked)?;
        Some(Confusion { call, asked: TenantNumber(asked), given: TenantNumber(other.number) })
    }

    /// What a broken room might do.
    fn break_something(&mut self, who: usize) {
        match self.breach {
            Some(Breach::Sql(sql)) => {
                let other =
                    self.models.iter().find(|model| model.number != self.models[who].number && model.number > 0);
                if let Some(other) = other {
                    self.thief.pragma_update(None, "foreign_keys", false).unwrap();
                    self.thief.execute(sql, [self.models[who].number, other.number]).unwrap();
                }
            }
            Some(Breach::Twice) if self.chance.once_in(8) => {
                let other = self.somebody(State::Active, false);
                let other = self.room.tenant(&self.models[other].name.parse().unwrap()).acting_as(operator());
                drop(block_on(other.secrets().list(&Folder::root(), After::start(), 1)));
            }
            _ => {}
        }
    }
}
