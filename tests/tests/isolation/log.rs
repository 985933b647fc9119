//! The calls that are about a tenant's log.

use std::fs;

use pollster::block_on;
use strongroom::{AuditEntry, Code, Query, StatsBy, Timestamp, limits, store::Order};
use strongroom_log::Completeness;

use crate::{
    model::{Line, Object, Told, told},
    turn::Turn,
};

fn own(act: &'static str) -> Vec<Told> {
    vec![told(act, Object::None)]
}

/// A line as it is shown: position, act, code, actor, object, whether it is an intent.
type Shown = (u64, String, String, Option<String>, Option<String>, bool);

fn shown(entries: &[AuditEntry]) -> Vec<Shown> {
    let show = |entry: &AuditEntry| {
        let AuditEntry { seq, act, code, actor, object, intent, .. } = entry.clone();
        (seq, act, code, actor, object, intent)
    };
    entries.iter().map(show).collect()
}

fn as_shown(turn: &Turn<'_>, seq: usize, line: &Line) -> Shown {
    let object = turn.model.name_of(&line.object);
    (seq as u64, line.act.to_owned(), line.code.to_owned(), Some(line.actor.clone()), object, line.intent)
}

pub(crate) fn show(turn: &mut Turn<'_>) -> bool {
    let (from, limit) = (turn.chance.below(turn.model.lines.len() + 3), turn.chance.below(9));
    let got = block_on(turn.acting.audit().show(from as u64, limit));
    let want = if limit == 0 { Err(Code::LimitInvalid) } else { Ok(()) };
    turn.settle("audit.show", Object::None, want, got, |turn, (), got| {
        let lines = turn.model.lines.iter().enumerate().skip(from).take(limit);
        let expected: Vec<_> = lines.map(|(seq, line)| as_shown(turn, seq, line)).collect();
        assert_eq!(shown(&got.entries), expected);
        let next = from + limit;
        assert_eq!(got.next, (next < turn.model.lines.len()).then_some(next as u64));
        own("audit.show")
    })
}

pub(crate) fn query(turn: &mut Turn<'_>) -> bool {
    let (limit, is_newest_first) = (turn.chance.below(9), turn.chance.once_in(2));
    let order = if is_newest_first { Order::NewestFirst } else { Order::OldestFirst };
    let mut query = Query::new().order(order);
    let mut path = None;
    let kind = turn.chance.below(5);
    let (actor, act) =
        (turn.actor.clone(), turn.chance.one_of(&["secret.get", "secret.put", "secret.lease", "no act"]));
    match kind {
        0 => query = query.act(act),
        1 => query = query.outcome(false),
        2 => query = query.actor(actor.parse().unwrap()),
        3 => {
            let (_, whole) = turn.path();
            query = query.secret(whole.parse().unwrap());
            path = Some(whole);
        }
        _ => {}
    }
    let got = block_on(turn.acting.audit().query(&query, None, limit));
    let want = match (limit, kind, act) {
        (0, ..) => Err(Code::LimitInvalid),
        (_, 0, "no act") => Err(Code::QueryInvalid),
        _ => Ok(()),
    };
    turn.settle("audit.query", Object::None, want, got, |turn, (), got| {
        let matches = |line: &Line| match (kind, &path) {
            (0, _) => line.act == act,
            (1, _) => line.code != "ok",
            (2, _) => line.actor == actor,
            (3, Some(path)) => line.object == Object::Secret(path.clone()),
            _ => true,
        };
        let lines = turn.model.lines.iter().enumerate().filter(|(_, line)| matches(line));
        let mut expected: Vec<_> = lines.map(|(seq, line)| as_shown(turn, seq, line)).collect();
        // Who names the path knows it.
        expected.iter_mut().filter(|_| path.is_some()).for_each(|shown| shown.4.clone_from(&path));
        if is_newest_first {
            expected.reverse();
        }
        let is_more = expected.len() > limit;
        expected.truncate(limit);
        assert_eq!(shown(&got.entries), expected);
        assert_eq!(got.next.is_some(), is_more);
        own("audit.query")
    })
}

pub(crate) fn stats(turn: &mut Turn<'_>) -> bool {
    let by = if turn.chance.once_in(2) { StatsBy::Actor } else { StatsBy::Secret };
    let top = if turn.chance.once_in(8) { 0 } else { limits::PAGE_ENTRIES_MAX };
    let got = block_on(turn.acting.audit().stats(&Query::new(), by, top));
    let want = if top == 0 { Err(Code::LimitInvalid) } else { Ok(turn.model.stats(by)) };
    turn.settle("audit.stats", Object::None, want, got, |_, want, got| {
        let mut rows: Vec<_> = got.rows.iter().map(|row| (row.name.clone(), row.total, row.allowed)).collect();
        rows.sort();
        assert_eq!(rows, want);
        assert_eq!(
            (got.groups, got.lines, got.complete),
            (want.len() as u64, want.iter().map(|row| row.1).sum(), true)
        );
        own("audit.stats")
    })
}

pub(crate) fn watch(turn: &mut Turn<'_>) -> bool {
    let kind = turn.chance.below(8);
    let query = match kind {
        0 => Query::new().until(Timestamp(1)),
        1..4 => Query::new(),
        _ => Query::new().from(Timestamp(1)),
    };
    let got = block_on(turn.acting.audit().watch(&query));
    let want = if kind == 0 { Err(Code::QueryInvalid) } else { Ok(()) };
    turn.settle("audit.watch", Object::None, want, got, |turn, (), mut watch| {
        let given = block_on(watch.more()).unwrap();
        turn.see(&format!("{given:?}"));
        let mut lines = turn.model.lines.clone();
        let from = if kind >= 4 { 0 } else { lines.len() };
        lines.push(told("audit.watch", Object::None).by(&turn.actor, "ok"));
        let expected = lines.iter().enumerate().skip(from).take(limits::PAGE_ENTRIES_MAX);
        assert_eq!(shown(&given), expected.map(|(seq, line)| as_shown(turn, seq, line)).collect::<Vec<_>>());
        own("audit.watch")
    })
}

pub(crate) fn verify(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.acting.audit().verify(None));
    turn.settle("audit.verify", Object::Unnamed, Ok(()), got, |turn, (), got| {
        assert!(got.is_ok(), "{} {:?}", got.report, got.store);
        // What it tells of is one log.
        assert_eq!((got.report.completeness, got.report.logs), (Completeness::OneLog, 1));
        assert_eq!(got.report.entries, turn.model.lines.len() as u64);
        assert!(got.report.log.unwrap().ends_with(&turn.model.reference));
        vec![told("audit.verify", Object::Unnamed)]
    })
}

pub(crate) fn check_state(turn: &mut Turn<'_>) -> bool {
    let got = block_on(turn.acting.audit().check_state());
    turn.settle("audit.check-state", Object::Unnamed, Ok(()), got, |turn, (), got| {
        assert!(got.is_ok(), "{:?}", got.findings);
        let versions: usize = turn.model.secrets.values().map(|secret| secret.versions.len()).sum();
        let secrets = turn.model.secrets.len();
        let folders = turn.model.secrets.keys().flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
        let folders = folders.collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!((got.rows, got.lines), ((secrets + versions + folders) as u64, turn.model.lines.len() as u64));
        vec![told("audit.check-state", Object::Unnamed)]
    })
}

pub(crate) fn export(turn: &mut Turn<'_>) -> bool {
    let file = turn.folder.join("bundle");
    let is_there = turn.chance.once_in(8);
    if is_there {
        fs::write(&file, "").unwrap();
    }
    let got = block_on(turn.acting.audit().export(&file));
    let want = if is_there { Err(Code::BackupExists) } else { Ok(()) };
    let done = turn.settle("audit.export", Object::None, want, got, |turn, (), _| {
        let bundle = fs::read(&file).unwrap();
        let report = strongroom_log::verify(&bundle, turn.room.root_key(), None);
        assert!(report.is_ok(), "{report}");
        assert_eq!((report.logs, report.entries), (1, turn.model.lines.len() as u64 + 1));
        turn.see(&String::from_utf8(bundle).unwrap());
        turn.model.allowed += 1;
        vec![told("audit.export", Object::None).begun(), told("audit.export", Object::None)]
    });
    let _ = fs::remove_file(&file);
    done
}

pub(crate) fn prove(turn: &mut Turn<'_>) -> bool {
    let seq = turn.chance.below(turn.model.lines.len() + 3);
    let got = block_on(turn.acting.audit().prove(seq as u64));
    let want = turn.model.lines.get(seq).cloned().ok_or(Code::LineNotFound);
    turn.settle("audit.prove", Object::None, want, got, |turn, want, got| {
        let proven = got.proof.verify(turn.room.root_key()).unwrap();
        let line = proven.parsed();
        assert_eq!((line.seq, line.act, line.code), (seq as u64, want.act, want.code));
        assert!(line.log.ends_with(&turn.model.reference));
        turn.see(got.proof.unverified_line());
        vec![told("audit.prove", Object::Unnamed)]
    })
}
