//! Taking turns: what waits, one of each tenant after the other.
//!
//! A tenant with a thousand calls waits behind itself: another one's single call is next but for one call of each tenant
//! that waits. It is the same at the door, in front of the readers, the writer and the device.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{Code, Result, store::TenantNumber};

/// A queue that is fair between tenants.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    by_tenant: HashMap<TenantNumber, VecDeque<T>>,
    turns: VecDeque<TenantNumber>,
    waiting: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { by_tenant: HashMap::new(), turns: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Turns<T> {
    /// Puts it last of what its tenant has waiting.
    pub(crate) fn push(&mut self, tenant: TenantNumber, item: T) {
        let own = self.by_tenant.entry(tenant).or_default();
        own.push_back(item);
        if own.len() == 1 {
            self.turns.push_back(tenant);
        }
        self.waiting += 1;
    }

    /// Whose turn it is.
    pub(crate) fn front(&self) -> Option<&T> {
        self.by_tenant.get(self.turns.front()?)?.front()
    }

    /// Takes what [`Turns::front`] shows. Then it is the next tenant's turn.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let tenant = self.turns.pop_front()?;
        let own = self.by_tenant.get_mut(&tenant)?;
        let item = own.pop_front();
        if own.is_empty() {
            self.by_tenant.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        self.waiting -= 1;
        item
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

/// A bounded number of places. Who waits for one is called in turn.
#[derive(Debug)]
pub(crate) struct Places(Arc<Mutex<Free>>);

#[derive(Debug)]
struct Free {
    places: usize,
    waiting: Turns<oneshot::Sender<Place>>,
    closed: bool,
}

/// One place. Dropped, it is given to the next in turn.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Mutex<Free>>>);

impl Places {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Free { places, waiting: Turns::default(), closed: false })))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) async fn enter(&self, tenant: TenantNumber) -> Result<Place> {
        let called = {
            let mut free = lock(&self.0);
            if free.closed {
                return Err(Code::Closed.into());
            }
            if free.places > 0 {
                free.places -= 1;
                return Ok(Place(Some(Arc::clone(&self.0))));
            }
            let (call, called) = oneshot::channel();
            free.waiting.push(tenant, call);
            called
        };
        called.await.map_err(|_| Code::Closed.into())
    }

    /// Lets nobody else in.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut free = lock(&self.0);
            free.closed = true;
            std::mem::take(&mut free.waiting)
        };
        drop(waiting);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(places) = self.0.take() else { return };
        loop {
            let next = {
                let mut free = lock(&places);
                let next = free.waiting.pop();
                if next.is_none() {
                    free.places += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(Arc::clone(&places)))) {
                Ok(()) => return,
                // Who called has gone away. Not by dropping it: each of many who have would be one call deeper.
                Err(mut unwanted) => drop(unwanted.0.take()),
            }
        }
    }
}

fn lock(free: &Mutex<Free>) -> MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::block_on;
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    #[test]
    fn one_of_each_tenant_after_the_other() {
        let mut turns = Turns::default();
        for (tenant, item) in [(1, "a"), (1, "b"), (1, "c"), (2, "x"), (3, "y"), (3, "z")] {
            turns.push(TenantNumber(tenant), item);
        }
        assert_eq!((turns.len(), turns.front()), (6, Some(&"a")));
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, ["a", "x", "y", "b", "z", "c"]);
        assert!(turns.is_empty() && turns.front().is_none());
    }

    #[test]
    fn a_thousand_calls_of_one_tenant_are_overtaken_by_a_single_one_of_another() {
        let mut turns = Turns::default();
        (0..1_000).for_each(|number| turns.push(TenantNumber(1), (1, number)));
        assert_eq!(turns.pop(), Some((1, 0)));
        turns.push(TenantNumber(2), (2, 0));
        assert_eq!([turns.pop(), turns.pop()], [Some((1, 1)), Some((2, 0))], "next but for one");
    }

    #[test]
    fn places_are_given_in_turn_and_none_is_lost() {
        let places = Places::new(1);
        let held = block_on(places.enter(TenantNumber(1))).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = [1, 1, 1, 2].map(|tenant| Box::pin(places.enter(TenantNumber(tenant)))).into();
        for each in &mut waiting {
            assert!(each.as_mut().poll(&mut context).is_pending());
        }
        // The first goes away: its turn is over, and its place is the other tenant's.
        drop(waiting.remove(0));
        drop(held);
        let order = [2, 0, 1];
        for (number, at) in order.into_iter().enumerate() {
            let mut poll = |at: usize| waiting[at].as_mut().poll(&mut context);
            let Poll::Ready(Ok(place)) = poll(at) else { panic!("{at} was not called") };
            for later in &order[number + 1..] {
                assert!(poll(*later).is_pending(), "one at a time");
            }
            drop(place);
        }
        assert_eq!(lock(&places.0).places, 1);
    }

    #[test]
    fn who_was_called_and_goes_away_passes_the_place_on() {
        let places = Places::new(1);
        let held = block_on(places.enter(TenantNumber(1))).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut called = Box::pin(places.enter(TenantNumber(1)));
        let mut next = Box::pin(places.enter(TenantNumber(1)));
        assert!(called.as_mut().poll(&mut context).is_pending() && next.as_mut().poll(&mut context).is_pending());
        drop(held);
        drop(called);
        assert!(next.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn who_waits_when_it_closes_is_refused_and_who_comes_then() {
        let places = Places::new(1);
        let _held = block_on(places.enter(TenantNumber(1))).unwrap();
        let mut waiting = pin!(places.enter(TenantNumber(1)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        places.close();
        assert_eq!(block_on(waiting).unwrap_err().code(), Code::Closed);
        assert_eq!(block_on(places.enter(TenantNumber(1))).unwrap_err().code(), Code::Closed);
    }
}
