//! Connections, lent one at a time: a bounded number, a bounded wait.

use std::{
    fmt,
    ops::Deref,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{Code, Error, Result};

/// Connections of one kind, opened as they are needed.
pub(super) struct Pool {
    open: Box<dyn Fn() -> Result<Connection> + Send + Sync>,
    connections_max: usize,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    idle: Vec<Connection>,
    /// Idle ones and lent ones.
    count: usize,
}

/// A connection on loan. It goes back when this is dropped, unless a transaction is stuck in it.
pub(super) struct Lease<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Pool {
    pub(super) fn new(connections_max: usize, open: impl Fn() -> Result<Connection> + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { idle: Vec::new(), count: 0 });
        Self { open: Box::new(open), connections_max, state, freed: Condvar::new() }
    }

    /// Puts in a connection that is open already.
    pub(super) fn with(self, connection: Connection) -> Self {
        let mut state = self.state();
        state.idle.push(connection);
        state.count += 1;
        drop(state);
        self
    }

    /// Borrows a connection, waiting at most this long: `Code::StoreBusy` then.
    pub(super) fn lease(&self, wait_max: Duration) -> Result<Lease<'_>> {
        let until = Instant::now() + wait_max;
        let mut state = self.state();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(Lease { pool: self, connection: Some(connection) });
            }
            if state.count < self.connections_max {
                state.count += 1;
                drop(state);
                return match (self.open)() {
                    Ok(connection) => Ok(Lease { pool: self, connection: Some(connection) }),
                    Err(error) => {
                        self.forget();
                        Err(error)
                    }
                };
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(Code::StoreBusy).detail("all connections of this process are in use"));
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Borrows a connection if one is free at once.
    pub(super) fn lease_now(&self) -> Result<Option<Lease<'_>>> {
        match self.lease(Duration::ZERO) {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if error.code() == Code::StoreBusy => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Closes what is not lent.
    pub(super) fn close_idle(&self) {
        let mut state = self.state();
        state.count -= state.idle.len();
        state.idle.clear();
    }

    fn forget(&self) {
        self.state().count -= 1;
        self.freed.notify_one();
    }

    /// Nothing panics while it is held, and the list is sound at every step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connections_max", &self.connections_max).finish_non_exhaustive()
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("taken in drop only")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(connection) if connection.is_autocommit() => {
                self.pool.state().idle.push(connection);
                self.pool.freed.notify_one();
            }
            // Closing it ends its transaction.
            stuck => {
                drop(stuck);
                self.pool.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool {
        Pool::new(1, || Ok(Connection::open_in_memory().unwrap()))
    }

    #[test]
    fn a_full_pool_makes_wait_but_not_for_ever() {
        let pool = pool();
        let lease = pool.lease(Duration::ZERO).unwrap();
        assert_eq!(pool.lease(Duration::from_millis(5)).err().unwrap().code(), Code::StoreBusy);
        drop(lease);
        pool.lease(Duration::ZERO).unwrap();
    }

    #[test]
    fn a_connection_with_a_stuck_transaction_does_not_come_back() {
        let pool = pool();
        let lease = pool.lease(Duration::ZERO).unwrap();
        lease.execute_batch("CREATE TABLE t (a); BEGIN").unwrap();
        drop(lease);
        let lease = pool.lease(Duration::ZERO).unwrap();
        assert!(lease.is_autocommit());
        assert!(lease.prepare("SELECT * FROM t").is_err(), "a fresh one");
    }
}
