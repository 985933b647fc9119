//! The calls that look for secrets by what they say, and at what became of one.

use pollster::block_on;
use strongroom::{After, Code, EventKind, History, Search, Secrets, Timestamp};

use crate::{
    model::{Object, Wanted, told},
    past::Used,
    secrets::{labels, own, said, secret},
    turn::Turn,
};

pub(crate) fn search(turn: &mut Turn<'_>) -> bool {
    let (folder, whole) = if turn.chance.once_in(2) { turn.folder() } else { turn.everything() };
    let mut said = said(turn);
    if !turn.chance.once_in(3) {
        // What some secret says, as far as it says that.
        let at = turn.path().1;
        let secret = turn.model.secrets.get(&at);
        said.note = secret.and_then(|secret| secret.note.clone()).filter(|_| turn.chance.once_in(2));
        said.kind = secret.map(|secret| secret.kind).filter(|_| turn.chance.once_in(2));
        said.owner = secret.map(|secret| secret.owner.clone()).filter(|_| turn.chance.once_in(2));
    }
    let wanted = Wanted { said, archived: turn.chance.once_in(3), is_due: turn.chance.once_in(6) };
    let mut search = Search::below(folder).archived(wanted.archived);
    if let Some(note) = &wanted.said.note {
        search = search.labels(labels(note));
    }
    if let Some(kind) = wanted.said.kind {
        search = search.secret_type(kind);
    }
    if let Some(owner) = &wanted.said.owner {
        search = search.owner(owner.parse().unwrap());
    }
    if wanted.is_due {
        search = search.due_before(Timestamp(u64::MAX));
    }
    let limit = turn.chance.below(6);
    let secrets = turn.secrets();
    let got = pages(&secrets, &search, limit);
    let want = match limit {
        0 => Err(Code::LimitInvalid),
        _ => Ok(turn.model.search(&whole, turn.confined_to(), &wanted)),
    };
    turn.settle("secret.search", Object::Folder(whole.clone()), want, got, |turn, want, (got, pages, text)| {
        turn.see(&text);
        assert_eq!(got, want, "{wanted:?} in {whole}");
        turn.model.allowed += pages as u64 - 1;
        (0..pages).map(|_| told("secret.search", Object::Folder(whole.clone()))).collect()
    })
}

pub(crate) fn history(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let (limit, is_oldest_first) = (turn.chance.below(12), turn.chance.once_in(2));
    let kinds: Vec<_> = match turn.chance.below(3) {
        0 => Vec::new(),
        many => (0..many).map(|_| EventKind::ALL[turn.chance.below(EventKind::ALL.len())]).collect(),
    };
    let history = History::new().kinds(&kinds);
    let history = if is_oldest_first { history.oldest_first() } else { history };
    let secrets = turn.secrets();
    let pages = || -> strongroom::Result<_> {
        let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let from = after.map_or_else(|| history.clone(), |cursor| history.clone().after(cursor));
            let page = block_on(secrets.history(&path, &from, limit))?;
            pages += 1;
            all.extend(page.events);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok((all, pages)),
            }
        }
    };
    let got = pages();
    let want = if limit == 0 { Err(Code::LimitInvalid) } else { Ok(turn.model.history(&whole, &kinds)) };
    turn.settle("secret.history", secret(&whole), want, got, |turn, mut want, (got, pages)| {
        if !is_oldest_first {
            want.reverse();
        }
        let got: Vec<_> = got
            .into_iter()
            .map(|event| (event.kind, event.version.map(|it| it.0), event.count, event.actor, event.act, event.seq))
            .collect();
        assert_eq!(got, want, "{whole}");
        turn.model.allowed += pages - 1;
        (0..pages).map(|_| told("secret.history", secret(&whole))).collect()
    })
}

pub(crate) fn usage(turn: &mut Turn<'_>) -> bool {
    let (path, whole) = turn.path();
    let got = block_on(turn.secrets().usage(&path));
    let want = Ok(turn.model.usage(&whole));
    turn.settle("secret.usage", secret(&whole), want, got, |_, want, got| {
        let was_read = got.last_reader.is_some();
        assert_eq!((got.first_access.is_some(), got.last_access.is_some()), (was_read, was_read));
        assert_eq!(got.leases_open, 0);
        let strongroom::Usage { reads, leased_reads, folder_leases, refused, changes, last_reader, .. } = got;
        assert_eq!(Used { reads, leased_reads, folder_leases, refused, changes, last_reader }, want, "{whole}");
        own("secret.usage", secret(&whole))
    })
}

/// Paths with their current versions, how many pages, and all that was said.
type Pages = (Vec<(String, u64)>, usize, String);

fn pages(secrets: &Secrets, search: &Search, limit: usize) -> strongroom::Result<Pages> {
    let (mut all, mut after, mut pages, mut text) = (Vec::new(), After::start(), 0, String::new());
    loop {
        let page = block_on(secrets.search(search, after, limit))?;
        pages += 1;
        text += &format!("{page:?}");
        all.extend(page.secrets.iter().map(|found| (found.path.to_string(), found.current.0)));
        match page.next {
            Some(next) => after = next,
            None => return Ok((all, pages, text)),
        }
    }
}
