//! The line in front of the device: whose keys are derived next.
//!
//! Of each tenant one call asks the device, and the others wait for what it gets. Of all tenants some few do at once, so
//! that a flood of cold ones leaves the device room for signing. The deployment's own keys wait for nobody: without
//! them nothing is done.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Result,
    store::TenantNumber,
    turns::{Place, Places},
};

/// How many tenants' keys are derived at once.
const DERIVATIONS_MAX: usize = 8;

/// Who asks the device, and who waits.
#[derive(Debug)]
pub(super) struct Derivations {
    few: Places,
    /// One place for each tenant of which anybody asks.
    own: Mutex<Owns>,
}

#[derive(Debug, Default)]
struct Owns {
    by_tenant: HashMap<TenantNumber, (Arc<Places>, usize)>,
    closed: bool,
}

/// The right to ask the device.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// First, so that the next of the tenant finds a key when it is called.
    _few: Option<Place>,
    _own: Place,
    _leave: Leave<'a>,
}

impl Default for Derivations {
    fn default() -> Self {
        Self { few: Places::new(DERIVATIONS_MAX), own: Mutex::default() }
    }
}

impl Derivations {
    /// Waits until it is this call's turn to derive the keys of a tenant; by then somebody else may have done it.
    ///
    /// # Errors
    /// `Closed`.
    pub(super) async fn enter(&self, tenant: TenantNumber) -> Result<Turn<'_>> {
        let own = {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let closed = own.closed;
            let new = || (Arc::new(Places::new(1)), 0);
            let (places, count) = own.by_tenant.entry(tenant).or_insert_with(new);
            *count += 1;
            if closed {
                places.close();
            }
            Arc::clone(places)
        };
        let leave = Leave { of: self, tenant };
        let place = own.enter(tenant).await?;
        let few = if tenant == TenantNumber::SYS { None } else { Some(self.few.enter(tenant).await?) };
        Ok(Turn { _few: few, _own: place, _leave: leave })
    }

    /// Lets nobody else in.
    pub(super) fn close(&self) {
        self.few.close();
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.closed = true;
        own.by_tenant.values().for_each(|(places, _)| places.close());
    }
}

/// Forgets a tenant with the last who waits.
#[derive(Debug)]
struct Leave<'a> {
    of: &'a Derivations,
    tenant: TenantNumber,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut own = self.of.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = own.by_tenant.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                own.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future as _,
        task::{Context, Poll, Waker},
    };

    use crate::Code;

    #[test]
    fn of_each_tenant_one_asks_and_of_all_some_few() {
        let line = Derivations::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut enter = |tenant| {
            let mut entering = Box::pin(line.enter(TenantNumber(tenant)));
            match entering.as_mut().poll(&mut context) {
                Poll::Ready(turn) => Ok(turn.unwrap()),
                Poll::Pending => Err(entering),
            }
        };
        let Ok(first) = enter(1) else { panic!("nobody else asks") };
        let mut waiting: Vec<_> = (0..1_000).filter_map(|_| enter(1).err()).collect();
        assert_eq!(waiting.len(), 1_000, "they wait for the first");
        let others: Vec<_> = (2..=8).filter_map(|tenant| enter(tenant).ok()).collect();
        assert_eq!(others.len(), 7, "other tenants' turns");
        let Err(mut ninth) = enter(9) else { panic!("eight are enough") };
        let Ok(_sys) = enter(0) else { panic!("the deployment's own keys wait for nobody") };
        drop(first);
        let Poll::Ready(Ok(ninth)) = ninth.as_mut().poll(&mut context) else { panic!("before the first tenant again") };
        assert!(waiting[0].as_mut().poll(&mut context).is_pending());
        drop(ninth);
        assert!(waiting[0].as_mut().poll(&mut context).is_ready());
        drop((waiting, others));
        assert_eq!(line.own.lock().unwrap().by_tenant.len(), 1, "those that nobody waits for are forgotten");
        line.close();
        let Poll::Ready(Err(error)) = Box::pin(line.enter(TenantNumber(1))).as_mut().poll(&mut context) else {
            panic!("it is closed")
        };
        assert_eq!(error.code(), Code::Closed);
    }
}
