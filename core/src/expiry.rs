//! The one who looks for what has expired: a thread that has it recorded, once, by whichever process comes first.
//!
//! A look costs two probes of an index of what is to expire, and nothing more while nothing is due. What is due is
//! changed in one transaction with its line, in nobody's name; a process that comes second finds the row changed, and
//! records nothing. A look comes with the opening too, so that what expired while nobody was there is caught up on. That
//! nobody reads what has expired does not depend on this: the clock decides at each read.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    Class, Code, Error, Result,
    clock::Clock as _,
    room::Room,
    runtime::block_on,
    secrets::{expire_secret, expire_versions},
    store::DueRow,
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Secrets of one look; the next comes at once if there may be more.
const DUE_AT_ONCE: usize = 64;
/// What could not be recorded so often is left alone for a while: so many at most, and for so many looks.
const TRIES_MAX: u32 = 3;
const FAILED_MAX: usize = 1_024;
const FAILED_LOOKS: u32 = 120;

/// A handle on the thread.
#[derive(Debug, Default)]
pub(crate) struct Expirer {
    told: Mutex<Told>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    thread: Option<JoinHandle<()>>,
    ends: bool,
}

/// Those that could not be recorded, because their rows are damaged or the index names them wrongly.
#[derive(Default)]
struct Failed {
    /// How often each was tried in vain.
    tries: HashMap<DueRow, u32>,
    looks: u32,
}

impl Expirer {
    /// Starts the thread.
    pub(crate) fn start(&self, room: &Arc<Room>) -> Result<()> {
        let (own, room) = (Arc::clone(&room.expirer), Arc::downgrade(room));
        let thread =
            std::thread::Builder::new().name("strongroom-expiry".to_owned()).spawn(move || run(&own, &room)).map_err(
                |error| Error::new(Code::Internal).detail("starting the look for what expires").caused_by(error),
            )?;
        self.told().thread = Some(thread);
        Ok(())
    }

    /// Ends the thread, after its first look. Blocks.
    pub(crate) fn close(&self) {
        let mut told = self.told();
        told.ends = true;
        let thread = told.thread.take();
        drop(told);
        self.woken.notify_one();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next look, if there is one.
    fn waits(&self) -> bool {
        let waited = self.woken.wait_timeout_while(self.told(), LOOK_EVERY, |told| !told.ends);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ends
    }
}

fn run(expirer: &Expirer, room: &Weak<Room>) {
    let mut failed = Failed::default();
    loop {
        // Without a room nobody can read any more, and nothing can be recorded.
        let Some(room) = room.upgrade() else { return };
        while look(&room, &mut failed) && !expirer.told().ends {}
        drop(room);
        if !expirer.waits() {
            return;
        }
    }
}

/// Looks once in this thread, and from now on in no other.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn look_here(room: &Arc<Room>) {
    room.expirer.close();
    let mut failed = Failed::default();
    while look(room, &mut failed) {}
}

/// Records what is due, a bounded number. Whether there may be more.
fn look(room: &Arc<Room>, failed: &mut Failed) -> bool {
    failed.looks += 1;
    if failed.looks > FAILED_LOOKS || failed.tries.len() > FAILED_MAX {
        *failed = Failed::default();
    }
    let (now, most) = (room.clock.now().0, DUE_AT_ONCE + failed.tries.len());
    let due = match block_on(room.readers.run(move |store| store.due(now, most))) {
        Ok(due) => due,
        Err(error) => {
            if error.code() != Code::Closed {
                tracing::warn!(code = error.code().name(), "nobody knows whether anything has expired");
            }
            return false;
        }
    };
    let is_full = due.len() >= most;
    let mut done = false;
    for row in due {
        if failed.tries.get(&row).is_some_and(|tries| *tries >= TRIES_MAX) {
            continue;
        }
        match block_on(record(room, &row)) {
            Ok(true) => {
                done = true;
                failed.tries.remove(&row);
            }
            // Another process was faster, or the index is wrong: it shows at the next look.
            Ok(false) => *failed.tries.entry(row).or_default() += 1,
            Err(error) => {
                tracing::warn!(code = error.code().name(), "that a secret has expired could not be recorded");
                if error.class() == Class::Integrity {
                    *failed.tries.entry(row).or_default() += 1;
                }
            }
        }
    }
    is_full && done
}

async fn record(room: &Arc<Room>, due: &DueRow) -> Result<bool> {
    let name_hash = due.name_hash;
    let versions =
        room.act_alone("secret.expire-version", due.tenant, move |step| expire_versions(step, &name_hash)).await?;
    let secret = room.act_alone("secret.expire", due.tenant, move |step| expire_secret(step, &name_hash)).await?;
    Ok(versions || secret)
}
