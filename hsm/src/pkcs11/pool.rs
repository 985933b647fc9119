//! Threads that own sessions, behind one bounded queue with deadlines.
//!
//! A call into a vendor's library cannot be interrupted, so it is made by a thread of its own, and
//! callers wait for an answer or for their deadline, whichever is first. No async runtime is needed:
//! answers come by one-shot channel, and one watchdog thread keeps the deadlines.
//!
//! What a thread does with a piece of work is behind [`Hand`], so that the queue can be tried
//! without a token.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use strongroom::device::{DeviceError, Health, Prk, RootVersion, Signature};
use tokio::sync::oneshot;

/// Most calls that wait for a thread. One more is refused.
pub(crate) const WAITING_CALLS_MAX: usize = 1024;

/// How long dropping a pool waits for a thread that is inside the library, before it is left behind.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A question to a token.
#[derive(Debug)]
pub(crate) enum Work {
    Prf { root: RootVersion, input: Vec<u8> },
    Sign { message: Vec<u8> },
    ReadDocument { name: String },
    WriteDocument { name: String, document: Vec<u8> },
}

/// A token's answer.
#[derive(Debug)]
pub(crate) enum Answer {
    Prk(Prk),
    Signature(Signature),
    Document(Option<Vec<u8>>),
    Written,
}

/// What a thread of the pool owns and works with.
pub(crate) trait Hand: Send + 'static {
    /// Does the work. Idempotent.
    fn work(&mut self, work: &Work) -> Result<Answer, DeviceError>;
}

type Reply = oneshot::Sender<Result<Answer, DeviceError>>;

/// Threads, a queue and a watchdog.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or the pool closes.
    work: Condvar,
    /// There is an earlier deadline than the watchdog waits for, or the pool closes.
    watch: Condvar,
    /// A thread has ended.
    ended: Condvar,
    health: AtomicU8,
}

#[derive(Default)]
struct State {
    /// Number of the next call.
    next: u64,
    /// What no thread has taken yet, oldest first.
    waiting: BTreeMap<u64, Work>,
    /// Who waits for an answer, also of what a thread has taken.
    callers: BTreeMap<u64, (Instant, Reply)>,
    /// The same callers by deadline.
    deadlines: BTreeSet<(Instant, u64)>,
    /// When the watchdog looks next; `None` while it waits to be told.
    watching: Option<Instant>,
    idle: usize,
    running: usize,
    closing: bool,
}

impl State {
    /// Takes a caller out: it gets its answer from whoever took it.
    fn take_caller(&mut self, call: u64) -> Option<Reply> {
        let (deadline, reply) = self.callers.remove(&call)?;
        self.deadlines.remove(&(deadline, call));
        Some(reply)
    }

    /// Takes out one caller whose time is over, with its work if no thread has it.
    fn take_expired(&mut self, now: Instant) -> Option<Reply> {
        let &(deadline, call) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.deadlines.remove(&(deadline, call));
        self.waiting.remove(&call);
        self.callers.remove(&call).map(|(_, reply)| reply)
    }
}

impl Pool {
    /// Starts one thread for each hand, and the watchdog.
    pub(crate) fn start<H: Hand>(hands: Vec<H>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            watch: Condvar::new(),
            ended: Condvar::new(),
            health: AtomicU8::new(HEALTH_OK),
        });
        // Dropped with what was started so far if a thread cannot be.
        let mut pool = Self { shared, threads: Vec::new() };
        for (number, hand) in hands.into_iter().enumerate() {
            pool.spawn(format!("strongroom-hsm-{number}"), move |shared| shared.run(hand))?;
        }
        pool.spawn("strongroom-hsm-watch".into(), |shared| shared.keep_deadlines())?;
        Ok(pool)
    }

    fn spawn(&mut self, name: String, body: impl FnOnce(&Shared) + Send + 'static) -> io::Result<()> {
        let running = Running(self.shared.clone());
        self.shared.lock().running += 1;
        let thread = thread::Builder::new().name(name).spawn(move || body(&running.0))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Asks, and waits for the answer until the deadline.
    ///
    /// Dropping the future takes the work out of the queue, if no thread has begun it.
    pub(crate) async fn submit(&self, work: Work, deadline: Instant) -> Result<Answer, DeviceError> {
        let mut ticket = self.enqueue(work, deadline)?;
        let answer = (&mut ticket.answer).await;
        ticket.call = None;
        answer.unwrap_or_else(|_| Err(DeviceError::Unavailable("the device was closed".into())))
    }

    fn enqueue(&self, work: Work, deadline: Instant) -> Result<Ticket<'_>, DeviceError> {
        if deadline <= Instant::now() {
            return Err(DeviceError::Timeout);
        }
        let (reply, answer) = oneshot::channel();
        let mut state = self.shared.lock();
        if state.waiting.len() >= WAITING_CALLS_MAX {
            return Err(DeviceError::Unavailable(format!(
                "{WAITING_CALLS_MAX} calls wait for it already; try again in a moment"
            )));
        }
        let call = state.next;
        state.next += 1;
        state.waiting.insert(call, work);
        state.callers.insert(call, (deadline, reply));
        state.deadlines.insert((deadline, call));
        let wake_worker = state.idle > 0;
        let wake_watchdog = state.watching.is_none_or(|until| deadline < until);
        drop(state);
        if wake_worker {
            self.shared.work.notify_one();
        }
        if wake_watchdog {
            self.shared.watch.notify_one();
        }
        Ok(Ticket { shared: &self.shared, call: Some(call), answer })
    }

    pub(crate) fn health(&self) -> Health {
        match self.shared.health.load(Ordering::Relaxed) {
            HEALTH_OK => Health::Ok,
            HEALTH_DEGRADED => Health::Degraded,
            HEALTH_WRONG_KEY => Health::WrongKey,
            _ => Health::Down,
        }
    }
}

/// Stops the threads. One that is inside the library for longer than [`CLOSE_WAIT`] is left behind,
/// with its session.
impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        self.shared.work.notify_all();
        self.shared.watch.notify_all();
        let deadline = Instant::now() + CLOSE_WAIT;
        while state.running > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.shared.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let lost = state.running;
        drop(state);
        if lost > 0 {
            tracing::warn!(threads = lost, "the PKCS#11 library does not return; its threads are left behind");
            return;
        }
        for thread in self.threads.drain(..) {
            // A panic in it was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

/// A caller's place in the queue. Dropped early, it takes its work with it.
struct Ticket<'a> {
    shared: &'a Shared,
    /// `None` once answered.
    call: Option<u64>,
    answer: oneshot::Receiver<Result<Answer, DeviceError>>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            let mut state = self.shared.lock();
            let forgotten = (state.waiting.remove(&call), state.take_caller(call));
            drop(state);
            drop(forgotten);
        }
    }
}

/// Counts a thread out, also if it panics.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.ended.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life.
    fn run<H: Hand>(&self, mut hand: H) {
        let mut state = self.lock();
        while !state.closing {
            let Some((call, work)) = state.waiting.pop_first() else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            // Its time may be over without the watchdog having come round to it.
            let is_expired = state.callers.get(&call).is_none_or(|(deadline, _)| *deadline <= Instant::now());
            drop(state);
            let answer = if is_expired { Err(DeviceError::Timeout) } else { hand.work(&work) };
            self.note(answer.as_ref());
            let reply = self.lock().take_caller(call);
            // Outside the lock: sending wakes the caller, who may come straight back.
            if let Some(reply) = reply {
                let _ = reply.send(answer);
            }
            state = self.lock();
        }
    }

    /// The watchdog's life.
    fn keep_deadlines(&self) {
        let mut state = self.lock();
        while !state.closing {
            let now = Instant::now();
            if let Some(reply) = state.take_expired(now) {
                drop(state);
                self.note(Err(&DeviceError::Timeout));
                let _ = reply.send(Err(DeviceError::Timeout));
                state = self.lock();
                continue;
            }
            state.watching = state.deadlines.first().map(|(deadline, _)| *deadline);
            state = match state.watching {
                None => self.watch.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => self.watch.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Remembers how the device was. That it signs does not show that it has its root keys.
    fn note(&self, answer: Result<&Answer, &DeviceError>) {
        let health = match answer {
            Ok(Answer::Prk(_)) => HEALTH_OK,
            Err(DeviceError::WrongKey(_) | DeviceError::WrongAnswer(_)) => HEALTH_WRONG_KEY,
            Err(DeviceError::Timeout) => HEALTH_DEGRADED,
            Err(DeviceError::Unavailable(_) | DeviceError::KeyMissing(_) | DeviceError::KeyAmbiguous(_)) => HEALTH_DOWN,
            // Says nothing about the device.
            Ok(Answer::Signature(_) | Answer::Document(_) | Answer::Written) | Err(_) => return,
        };
        self.health.store(health, Ordering::Relaxed);
    }
}

const HEALTH_OK: u8 = 0;
const HEALTH_DEGRADED: u8 = 1;
const HEALTH_DOWN: u8 = 2;
const HEALTH_WRONG_KEY: u8 = 3;

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        task::{Context, Waker},
    };

    use strongroom::testing::device::block_on;

    use super::*;

    /// Does each piece of work when it is told to, and reports it.
    struct Puppet {
        orders: mpsc::Receiver<()>,
        done: mpsc::Sender<Vec<u8>>,
    }

    impl Hand for Puppet {
        fn work(&mut self, work: &Work) -> Result<Answer, DeviceError> {
            let Work::Prf { input, .. } = work else { panic!("only derives") };
            // As inside a library that does not return, until the test drops its end.
            let _ = self.orders.recv();
            let _ = self.done.send(input.clone());
            Ok(Answer::Prk(Prk::from_slice(&[input[0]; 32]).unwrap()))
        }
    }

    /// A pool with one thread, its strings, and what it has done.
    fn puppet() -> (Pool, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
        let (order, orders) = mpsc::channel();
        let (done, seen) = mpsc::channel();
        (Pool::start(vec![Puppet { orders, done }]).unwrap(), order, seen)
    }

    fn ask(byte: u8) -> Work {
        Work::Prf { root: RootVersion::FIRST, input: vec![byte] }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    /// Waits until the one thread has taken what was queued.
    fn wait_until_taken(pool: &Pool) {
        while !pool.shared.lock().waiting.is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn callers_are_answered_at_their_deadline_though_the_library_is_stuck() {
        let (pool, order, seen) = puppet();
        let began = Instant::now();
        thread::scope(|scope| {
            for millis in [300, 50, 120] {
                let pool = &pool;
                scope.spawn(move || {
                    let deadline = Instant::now() + Duration::from_millis(millis);
                    let got = block_on(pool.submit(ask(1), deadline));
                    assert!(matches!(got, Err(DeviceError::Timeout)), "{got:?}");
                    let late = Instant::now() - deadline;
                    assert!(late < Duration::from_millis(200), "{late:?} late");
                });
            }
        });
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(pool.health(), Health::Degraded);
        // When it returns, the pool is well, and what timed out in the queue is not done any more.
        order.send(()).unwrap();
        order.send(()).unwrap();
        assert!(matches!(block_on(pool.submit(ask(9), soon())), Ok(Answer::Prk(prk)) if prk.expose_key() == &[9; 32]));
        assert_eq!(pool.health(), Health::Ok);
        drop(order);
        drop(pool);
        assert_eq!(seen.iter().collect::<Vec<_>>(), [vec![1], vec![9]]);
    }

    #[test]
    fn a_dropped_call_leaves_the_queue() {
        let (pool, order, seen) = puppet();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(pool.submit(ask(1), soon()));
        let mut second = Box::pin(pool.submit(ask(2), soon()));
        assert!(first.as_mut().poll(&mut context).is_pending());
        wait_until_taken(&pool);
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop((first, second));
        let state = pool.shared.lock();
        assert!(state.waiting.is_empty() && state.callers.is_empty() && state.deadlines.is_empty());
        drop(state);
        drop(order);
        assert!(block_on(pool.submit(ask(3), soon())).is_ok());
        drop(pool);
        assert_eq!(seen.iter().collect::<Vec<_>>(), [vec![1], vec![3]], "the first was begun, the second never");
    }

    #[test]
    fn one_call_more_than_the_queue_holds_is_refused() {
        let (pool, order, _seen) = puppet();
        let mut context = Context::from_waker(Waker::noop());
        let mut calls: Vec<_> = Vec::new();
        for number in 0..=WAITING_CALLS_MAX {
            calls.push(Box::pin(pool.submit(ask(0), soon())));
            assert!(calls[number].as_mut().poll(&mut context).is_pending(), "call {number}");
            if number == 0 {
                wait_until_taken(&pool);
            }
        }
        let refused = block_on(pool.submit(ask(0), soon()));
        assert!(matches!(&refused, Err(DeviceError::Unavailable(_))), "{refused:?}");
        drop(calls.pop());
        assert!(Box::pin(pool.submit(ask(0), soon())).as_mut().poll(&mut context).is_pending(), "one place is free");
        drop(order);
        for call in calls {
            assert!(block_on(call).is_ok());
        }
    }

    #[test]
    fn a_stuck_library_does_not_hold_up_the_end() {
        let (pool, order, _seen) = puppet();
        let got = block_on(pool.submit(ask(1), Instant::now() + Duration::from_millis(20)));
        assert!(matches!(got, Err(DeviceError::Timeout)));
        let began = Instant::now();
        drop(pool);
        assert!(began.elapsed() < CLOSE_WAIT + Duration::from_secs(2));
        drop(order);
    }

    #[test]
    fn idle_threads_end_at_once() {
        let (pool, _order, _seen) = puppet();
        let began = Instant::now();
        drop(pool);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
