//! Locked memory: where keys live, and how their traces are wiped.
//!
//! One bounded arena per room, made when it opens. Its pages are locked into RAM, left out of
//! core dumps, empty in a forked child, and fenced by unmapped pages. A key is written straight
//! into its slot, is only ever lent out, and is wiped when dropped. When the arena is full the
//! cache above evicts; nothing spills into ordinary memory.
//!
//! Ciphers and hashes copy keys onto the stack while they work. [`scrubbed`] runs such work in a
//! frame of its own and wipes the stack below afterwards. What stays outside all this is
//! short-lived: CPU registers, and what the kernel saves of them.
//!
//! This is the only file of the crate with `unsafe` in it.
#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    fmt, io,
    ptr::NonNull,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use zeroize::Zeroize;

use crate::{Code, Error, Result};

/// Size of an arena unless another is asked for, in bytes: room for some 16,000 tenants' keyrings.
pub const ARENA_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// Smallest arena, in bytes.
pub const ARENA_BYTES_MIN: usize = 4 * 1024;

/// Largest arena, in bytes.
pub const ARENA_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;

/// What a slot in use begins with. Memory wiped by a fork reads as zero and so never looks alive.
const ALIVE: u64 = u64::from_be_bytes(*b"srkeyliv");

/// Slot 0 holds no key: it tells whether this is still the process that made the arena.
const SENTINEL: u32 = 0;

/// What to do when the system does not let us lock memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Refuse to start.
    Require,
    /// Go on with memory that may be swapped out. The caller records that decision.
    Allow,
}

/// One bounded piece of locked memory, shared by all keys of a room.
pub struct Arena {
    memory: pages::Pages,
    slots: NonNull<Slot>,
    count: u32,
    free: Mutex<FreeSlots>,
    process_id: u32,
}

/// A key's place: one cache line. All zeros when free.
#[repr(C, align(64))]
struct Slot {
    alive: AtomicU64,
    key: UnsafeCell<[u8; KEY_BYTES]>,
}

struct FreeSlots {
    /// Slots that were used and given back.
    returned: Vec<u32>,
    /// First slot that was never used; all after it weren't either.
    fresh: u32,
}

// SAFETY: the pages belong to the arena alone and stay mapped while it lives. A slot is handed to
// one `LockedKey` at a time (`free` decides, under its mutex); through it the key is written once,
// before anyone else can see it, and only read afterwards.
unsafe impl Send for Arena {}
// SAFETY: as above; what is shared is behind a mutex or atomic.
unsafe impl Sync for Arena {}

/// A panic leaves no slot half done: a key wipes and returns its own, and what the mutex guards is always whole.
impl std::panic::RefUnwindSafe for Arena {}

impl Arena {
    /// Maps and locks an arena, of a whole number of pages.
    ///
    /// # Errors
    /// [`Code::MemoryLocked`] if the pages cannot be had, or not be locked and that is required.
    pub fn new(bytes: usize, locking: Locking) -> Result<Arc<Self>> {
        if !(ARENA_BYTES_MIN..=ARENA_BYTES_MAX).contains(&bytes) {
            let allowed = format!("an arena of {bytes} bytes: allowed are {ARENA_BYTES_MIN} to {ARENA_BYTES_MAX}");
            return Err(Error::new(Code::ConfigInvalid).detail(allowed));
        }
        let memory = pages::Pages::map(bytes).map_err(|error| {
            Error::new(Code::MemoryLocked).detail(format!("{bytes} bytes cannot be mapped")).caused_by(error)
        })?;
        if let (Locking::Require, Err(error)) = (locking, memory.locked()) {
            let detail = format!("{} bytes are needed", memory.bytes());
            return Err(Error::new(Code::MemoryLocked).detail(detail).caused_by(io::Error::from(error)));
        }
        let slots = memory.start().cast::<Slot>();
        let count = memory.bytes() / size_of::<Slot>();
        let arena = Self {
            slots,
            count: u32::try_from(count).expect("ARENA_BYTES_MAX has fewer slots than that"),
            free: Mutex::new(FreeSlots { returned: Vec::new(), fresh: SENTINEL + 1 }),
            process_id: std::process::id(),
            memory,
        };
        arena.slot(SENTINEL).alive.store(ALIVE, Ordering::Relaxed);
        Ok(Arc::new(arena))
    }

    /// Whether the system agreed to lock the pages.
    pub fn is_locked(&self) -> bool {
        self.memory.locked().is_ok()
    }

    /// How many keys fit.
    pub fn keys_max(&self) -> usize {
        self.count as usize - 1
    }

    /// How many keys there are.
    pub fn keys_used(&self) -> usize {
        let free = self.free();
        free.fresh as usize - 1 - free.returned.len()
    }

    /// Refuses in a forked child, before anything waits for a lock that nobody there will give back.
    ///
    /// # Errors
    /// [`Code::Closed`].
    pub fn check_process(&self) -> Result<()> {
        self.check_alive(SENTINEL)
    }

    /// Makes a key, which `write` puts straight into its place: the buffer it gets is all zeros.
    ///
    /// # Errors
    /// [`Code::MemoryFull`] when no slot is free; [`Code::Closed`] in a forked child; what `write` says.
    pub fn alloc_key(self: &Arc<Self>, write: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<()>) -> Result<LockedKey> {
        // Before the mutex: in a forked child it may be held by a thread that does not exist there.
        self.check_alive(SENTINEL)?;
        let slot = self.take().ok_or(Code::MemoryFull)?;
        // From here on the key's destructor wipes and returns the slot, whatever `write` does.
        let key = LockedKey { arena: Arc::clone(self), slot };
        let place = self.slot(slot);
        place.alive.store(ALIVE, Ordering::Relaxed);
        // SAFETY: the slot was free, `key` is its only owner, and `key` is not lent out while we write.
        write(unsafe { &mut *place.key.get() })?;
        Ok(key)
    }

    fn take(&self) -> Option<u32> {
        let mut free = self.free();
        if let Some(slot) = free.returned.pop() {
            return Some(slot);
        }
        let slot = free.fresh;
        (slot < self.count).then(|| {
            free.fresh += 1;
            slot
        })
    }

    fn free(&self) -> MutexGuard<'_, FreeSlots> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, slot: u32) -> &Slot {
        assert!(slot < self.count, "slots come from `take`");
        // SAFETY: inside the mapping, which outlives `self`; aligned, because it begins with a page;
        // any bytes are a valid `Slot`, and both its fields allow change behind a shared reference.
        unsafe { self.slots.add(slot as usize).as_ref() }
    }

    /// Refuses in a process that did not make this arena, where the keys are gone or should be.
    fn check_alive(&self, slot: u32) -> Result<()> {
        let alive = self.slot(slot).alive.load(Ordering::Relaxed) == ALIVE;
        // Where the system wipes pages on fork the mark alone decides: one load, no system call.
        let ours = self.memory.wiped_on_fork() || std::process::id() == self.process_id;
        if alive && ours { Ok(()) } else { Err(Error::new(Code::Closed).detail("keys are not carried over a fork")) }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("keys_max", &self.keys_max())
            .field("locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}

/// A 32-byte key in locked memory.
///
/// No `Clone`, `Serialize` or `PartialEq`: each would make a copy, or a timing leak, easy to write
/// by accident. A move moves only its address. Wiped when dropped.
pub struct LockedKey {
    arena: Arc<Arena>,
    slot: u32,
}

impl LockedKey {
    /// The raw key. Named so that `grep expose_key` finds every use; use it inside [`scrubbed`].
    ///
    /// # Errors
    /// [`Code::Closed`] in a forked child, where the memory is empty: an all-zero key must not be used.
    pub fn expose_key(&self) -> Result<&[u8; KEY_BYTES]> {
        self.arena.check_alive(self.slot)?;
        // SAFETY: written once in `alloc_key`, before `self` existed for others; from then on only
        // read, until `drop`, which has `self` to itself.
        Ok(unsafe { &*self.arena.slot(self.slot).key.get() })
    }

    /// The arena it lives in.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }
}

impl Drop for LockedKey {
    fn drop(&mut self) {
        // In a forked child there is nothing to wipe, and the mutex may never be released.
        if self.arena.check_alive(self.slot).is_err() {
            return;
        }
        let place = self.arena.slot(self.slot);
        // SAFETY: we are the slot's only owner and nothing is lent out any more.
        unsafe { &mut *place.key.get() }.zeroize();
        place.alive.store(0, Ordering::Relaxed);
        self.arena.free().returned.push(self.slot);
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedKey").finish_non_exhaustive()
    }
}

/// How much of the stack [`scrub_stack`] wipes, in bytes.
///
/// Our deepest work with keys, making a tenant, goes 11 KiB deep, and 15 KiB unoptimised; a test
/// measures it. This much costs 0.15 µs.
const SCRUB_BYTES: usize = 16 * 1024;

/// Wipes the stack below the caller's frame, where the functions it called have been.
pub fn scrub_stack() {
    #[cfg(test)]
    if tests::stack::scrubbing_is_off() {
        return;
    }
    overwrite_stack();
}

#[inline(never)]
fn overwrite_stack() {
    let bytes = [0_u8; SCRUB_BYTES];
    // The compiler must take it that someone reads all of it.
    std::hint::black_box(&bytes);
}

/// Runs work that has raw keys in its hands, then wipes the stack it used, also if it panics.
///
/// What it returns must hold no key. Threads of the program need `SCRUB_BYTES` of stack to spare.
#[inline(never)]
pub fn scrubbed<R>(work: impl FnOnce() -> R) -> R {
    struct Scrub;
    impl Drop for Scrub {
        fn drop(&mut self) {
            scrub_stack();
        }
    }
    let _scrub = Scrub;
    in_own_frame(work)
}

/// Keeps the work out of the frame of [`scrubbed`], which is not wiped.
#[inline(never)]
fn in_own_frame<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Forbids core dumps and debuggers of the same user, for the whole process. For programs to call at their start.
///
/// # Errors
/// [`Code::MemoryLocked`] if the system refuses.
pub fn harden_process() -> Result<()> {
    pages::forbid_dumps()
        .map_err(|error| Error::new(Code::MemoryLocked).detail("core dumps cannot be forbidden").caused_by(error))
}

#[cfg(unix)]
mod pages {
    //! Pages from the system: fenced, locked, out of dumps and of forked children.

    use std::{
        io,
        ptr::{self, NonNull},
    };

    pub(super) struct Pages {
        /// The whole mapping, with a fence page at each end.
        mapping: *mut libc::c_void,
        mapping_bytes: usize,
        start: NonNull<u8>,
        bytes: usize,
        /// The error of `mlock`, if it failed.
        lock_error: Option<io::ErrorKind>,
        wiped_on_fork: bool,
    }

    impl Pages {
        pub(super) fn map(bytes: usize) -> io::Result<Self> {
            // SAFETY: takes no pointers.
            let page_bytes = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(io::Error::other)?;
            let bytes = bytes.next_multiple_of(page_bytes);
            let mapping_bytes = bytes + 2 * page_bytes;
            // SAFETY: a fresh private mapping at an address of the kernel's choice.
            let mapping = unsafe {
                libc::mmap(ptr::null_mut(), mapping_bytes, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0)
            };
            if mapping == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the first page is a fence, what we use begins behind it, inside the mapping.
            let start = unsafe { mapping.cast::<u8>().add(page_bytes) };
            let start = NonNull::new(start).ok_or_else(|| io::Error::other("mapped at zero"))?;
            let mut pages = Self { mapping, mapping_bytes, start, bytes, lock_error: None, wiped_on_fork: false };
            let usable = start.as_ptr().cast::<libc::c_void>();
            // SAFETY: the pages between the fences, which are ours.
            if unsafe { libc::mprotect(usable, bytes, libc::PROT_READ | libc::PROT_WRITE) } != 0 {
                return Err(io::Error::last_os_error());
            }
            #[cfg(target_os = "linux")]
            {
                // SAFETY: advice on our own pages. Dumps leave them out where the kernel can do that.
                unsafe { libc::madvise(usable, bytes, libc::MADV_DONTDUMP) };
                // SAFETY: as above. A child of a fork finds zeros.
                pages.wiped_on_fork = unsafe { libc::madvise(usable, bytes, libc::MADV_WIPEONFORK) } == 0;
            }
            // SAFETY: our own pages.
            if unsafe { libc::mlock(usable, bytes) } != 0 {
                pages.lock_error = Some(io::Error::last_os_error().kind());
            }
            Ok(pages)
        }

        pub(super) fn start(&self) -> NonNull<u8> {
            self.start
        }

        pub(super) fn bytes(&self) -> usize {
            self.bytes
        }

        pub(super) fn locked(&self) -> Result<(), io::ErrorKind> {
            self.lock_error.map_or(Ok(()), Err)
        }

        pub(super) fn wiped_on_fork(&self) -> bool {
            self.wiped_on_fork
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: unmapped once, by its owner, when no slot can be in use: each key holds the arena.
            unsafe { libc::munmap(self.mapping, self.mapping_bytes) };
        }
    }

    pub(super) fn forbid_dumps() -> io::Result<()> {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: reads the struct it is given.
        if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) } != 0 {
            return Err(io::Error::last_os_error());
        }
        #[cfg(target_os = "linux")]
        // SAFETY: takes numbers only.
        if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod pages {
    //! Ordinary memory, never called locked, for systems where we do not know how to lock it yet.

    use std::{
        alloc::{Layout, alloc_zeroed, dealloc},
        io,
        ptr::NonNull,
    };

    pub(super) struct Pages {
        start: NonNull<u8>,
        layout: Layout,
    }

    impl Pages {
        pub(super) fn map(bytes: usize) -> io::Result<Self> {
            let layout = Layout::from_size_align(bytes.next_multiple_of(4096), 4096).map_err(io::Error::other)?;
            // SAFETY: the layout is not empty: `Arena::new` has checked the size.
            let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { start, layout })
        }

        pub(super) fn start(&self) -> NonNull<u8> {
            self.start
        }

        pub(super) fn bytes(&self) -> usize {
            self.layout.size()
        }

        pub(super) fn locked(&self) -> Result<(), io::ErrorKind> {
            Err(io::ErrorKind::Unsupported)
        }

        pub(super) fn wiped_on_fork(&self) -> bool {
            false
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: allocated in `map` with this layout. Every slot was wiped when its key was dropped.
            unsafe { dealloc(self.start.as_ptr(), self.layout) };
        }
    }

    pub(super) fn forbid_dumps() -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        DeploymentId, IndexKind, KeyEpoch, KeyId, LockedSigner, ObjectId, Purpose, Random, RootKey, SecretValue,
        Subject, SystemRandom, TenantKeys, TenantRef, TenantSeed, Timestamp,
        device::{Prk, RootVersion},
        store::FolderRow,
    };

    fn arena() -> Arc<Arena> {
        Arena::new(ARENA_BYTES_MIN, Locking::Allow).unwrap()
    }

    fn filled(arena: &Arc<Arena>, byte: u8) -> Result<LockedKey> {
        arena.alloc_key(|key| {
            assert_eq!(key, &[0; KEY_BYTES], "a slot begins empty");
            key.fill(byte);
            Ok(())
        })
    }

    #[test]
    fn slots_are_bounded_reused_and_wiped() {
        let arena = arena();
        let mut keys: Vec<_> = (0..arena.keys_max()).map(|_| filled(&arena, 7).unwrap()).collect();
        assert_eq!(arena.keys_used(), arena.keys_max());
        assert_eq!(filled(&arena, 7).unwrap_err().code(), Code::MemoryFull, "one more than the arena holds");

        let slot = keys.pop().unwrap().slot;
        // SAFETY: no key owns the slot, so nobody writes to it while we look.
        assert_eq!(unsafe { *arena.slot(slot).key.get() }, [0; KEY_BYTES], "wiped when dropped");
        let again = filled(&arena, 9).unwrap();
        assert_eq!(again.slot, slot);
        assert_eq!(again.expose_key().unwrap(), &[9; KEY_BYTES]);
        assert_eq!(keys[0].expose_key().unwrap(), &[7; KEY_BYTES], "the others are untouched");
        drop((keys, again));
        assert_eq!(arena.keys_used(), 0);
    }

    #[test]
    fn a_key_that_was_not_written_leaves_nothing() {
        let arena = arena();
        let error = arena
            .alloc_key(|key| {
                key.fill(1);
                Err(Code::RandomUnavailable.into())
            })
            .unwrap_err();
        assert_eq!(error.code(), Code::RandomUnavailable);
        let panicked = std::panic::catch_unwind(|| arena.alloc_key(|_| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(arena.keys_used(), 0);
        filled(&arena, 2).unwrap();
    }

    #[test]
    fn sizes_have_limits() {
        for (bytes, allowed) in [
            (ARENA_BYTES_MIN - 1, false),
            (ARENA_BYTES_MIN, true),
            (ARENA_BYTES_MIN + 1, true),
            (ARENA_BYTES_MAX + 1, false),
        ] {
            let made = Arena::new(bytes, Locking::Allow);
            assert_eq!(made.is_ok(), allowed, "{bytes} bytes");
        }
    }

    #[test]
    fn debug_tells_nothing() {
        let key = filled(&arena(), 0xAB).unwrap();
        assert_eq!(format!("{key:?}"), "LockedKey { .. }");
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use super::*;

        /// Runs `in_child` in a forked child and returns its answer.
        fn forked(in_child: impl FnOnce() -> u8) -> u8 {
            // SAFETY: the child does what `in_child` does, which takes no lock and allocates little,
            // and leaves without running anything of the test harness.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 {
                let answer = in_child();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(answer)) };
            }
            let mut status = 0;
            // SAFETY: waits for our own child and writes to our own variable.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status));
            u8::try_from(libc::WEXITSTATUS(status)).unwrap()
        }

        #[test]
        fn a_forked_child_has_no_keys() {
            let arena = arena();
            let key = filled(&arena, 7).unwrap();
            let answer = forked(|| {
                let refused = key.expose_key().is_err_and(|error| error.code() == Code::Closed);
                let no_more = arena.alloc_key(|_| Ok(())).is_err_and(|error| error.code() == Code::Closed);
                // SAFETY: nothing else runs in this process.
                let empty = unsafe { *arena.slot(key.slot).key.get() } == [0; KEY_BYTES];
                u8::from(refused) | u8::from(no_more) << 1 | u8::from(empty) << 2
            });
            assert_eq!(answer, 0b111);
            assert_eq!(key.expose_key().unwrap(), &[7; KEY_BYTES], "the parent keeps them");
        }

        #[test]
        fn dropping_in_a_forked_child_does_not_wait_for_the_parents_lock() {
            let arena = arena();
            let mut key = Some(filled(&arena, 7).unwrap());
            let held = arena.free();
            let answer = forked(|| {
                drop(key.take());
                1
            });
            assert_eq!(answer, 1);
            drop(held);
        }

        #[test]
        fn pages_are_locked_and_left_out_of_dumps() {
            let arena = Arena::new(64 * 1024, Locking::Allow).unwrap();
            let start = format!("{:x}-", arena.memory.start().as_ptr() as usize);
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let ours = maps.split_once(&start).expect("our mapping").1;
            let flags = ours.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
            assert!(flags.contains(" dd"), "not dumped: {flags}");
            assert!(flags.contains(" wf"), "wiped on fork: {flags}");
            assert_eq!(flags.contains(" lo"), arena.is_locked(), "locked: {flags}");
        }
    }

    /// Paints the stack below us, runs work there, and looks at what it left.
    pub(super) mod stack {
        use super::*;
        use std::{cell::Cell, mem::MaybeUninit};

        thread_local! {
            static SCRUBBING_IS_OFF: Cell<bool> = const { Cell::new(false) };
        }

        /// For looking at what there is to scrub.
        pub(in super::super) fn scrubbing_is_off() -> bool {
            SCRUBBING_IS_OFF.get()
        }

        const PAINTED_BYTES: usize = 256 * 1024;
        const PAINT: u8 = 0xA5;

        /// The frames of `paint` and `look` do not lie exactly upon one another.
        const MARGIN_BYTES: usize = 4096;

        #[inline(never)]
        fn paint() {
            let bytes = [PAINT; PAINTED_BYTES];
            std::hint::black_box(&bytes);
        }

        #[inline(never)]
        fn look(needle: &[u8]) -> (usize, bool) {
            let bytes = MaybeUninit::<[u8; PAINTED_BYTES]>::uninit();
            let start = std::hint::black_box(bytes.as_ptr()).cast::<u8>();
            // SAFETY: our own frame, which lies where `paint` has written before. Volatile, one byte at
            // a time: we want to know what is there, not what the language says about it.
            let at = |index: usize| unsafe { start.add(index).read_volatile() };
            // Zeros don't count: entering this function may write some, to touch each page of its frame.
            let written = |index: &usize| at(*index) != PAINT && at(*index) != 0;
            let depth = (MARGIN_BYTES..PAINTED_BYTES).find(written).map_or(0, |index| PAINTED_BYTES - index);
            let found = (0..PAINTED_BYTES - needle.len())
                .any(|from| (0..needle.len()).all(|index| at(from + index) == needle[index]));
            (depth, found)
        }

        /// How far below us the work wrote to the stack, and whether `needle` is still there.
        #[inline(never)]
        pub(super) fn traces(needle: &[u8], scrubbing: bool, work: impl FnOnce()) -> (usize, bool) {
            paint();
            SCRUBBING_IS_OFF.set(!scrubbing);
            in_own_frame(work);
            SCRUBBING_IS_OFF.set(false);
            look(needle)
        }
    }

    /// A stand-in for a careless callee: copies the key onto its stack and leaves it there.
    #[inline(never)]
    fn careless(key: &[u8; KEY_BYTES]) {
        let mut copies = [[0_u8; KEY_BYTES]; 8];
        copies.fill(*key);
        std::hint::black_box(&copies);
    }

    #[test]
    fn scrubbing_removes_what_a_callee_left() {
        let mut secret = [0_u8; KEY_BYTES];
        for (index, byte) in secret.iter_mut().enumerate() {
            *byte = u8::try_from(index * 7 + 3).unwrap();
        }
        let key = arena().alloc_key(|slot| {
            slot.copy_from_slice(&secret);
            Ok(())
        });
        let key = key.unwrap();
        let work = || scrubbed(|| careless(key.expose_key().unwrap()));
        assert!(stack::traces(&secret, false, work).1, "control: without scrubbing it is there");
        assert!(!stack::traces(&secret, true, work).1);
    }

    /// What we do with keys leaves none behind: a nonce or a hash by design, never the key itself.
    #[test]
    fn our_work_with_keys_stays_within_what_is_scrubbed() {
        let arena = arena();
        let key = || arena.alloc_key(|key| SystemRandom.fill(key)).unwrap();
        let signing = LockedSigner::from_seed(key()).unwrap();
        let prk = Prk::from_slice(key().expose_key().unwrap()).unwrap();
        let create = || TenantKeys::create(seed(), &prk, &prk, &arena, &SystemRandom, Timestamp(0)).unwrap();
        let (tenant, sealed_keyring) = create();
        let data = *tenant.keyring().active(Purpose::SecretData).key.expose_key().unwrap();
        let index = *tenant.keyring().active(Purpose::Index).key.expose_key().unwrap();
        let (id, value) = (ObjectId::from_bytes([1; 16]), SecretValue::binary(vec![7; 65_536]).unwrap());
        let sealed = tenant.seal_value(id, 1, &value, &SystemRandom).unwrap();

        type Work<'a> = (&'a str, &'a [u8; 32], &'a dyn Fn());
        let generated: [u8; 32] = (&crate::testing::SeededRandom::new(1) as &dyn crate::Random).array().unwrap();
        let generate = |algorithm| {
            drop(crate::Generate::key_pair(algorithm).make(&crate::testing::SeededRandom::new(1)).unwrap());
        };
        let metadata = *tenant.keyring().active(Purpose::Metadata).key.expose_key().unwrap();
        let rows = folder_rows(&tenant);
        let list = || {
            let all = tenant.opening(|keys| {
                rows.iter().try_for_each(|row| {
                    keys.check_row(row)?;
                    keys.open_name(Subject::FolderName(row.id), &row.name).map(drop)
                })
            });
            all.unwrap();
        };
        let works: [Work<'_>; 10] = [
            ("generate ed25519", &generated, &|| generate(crate::KeyAlgorithm::Ed25519)),
            ("generate p256", &generated, &|| generate(crate::KeyAlgorithm::P256)),
            ("seal", &data, &|| drop(tenant.seal_value(id, 1, &value, &SystemRandom).unwrap())),
            ("open", &data, &|| drop(tenant.open_value(id, 1, &sealed).unwrap())),
            ("list: names", &data, &list),
            ("list: rows", &metadata, &list),
            ("hash", &index, &|| _ = tenant.index(IndexKind::Secret, b"prod/database/password").unwrap()),
            ("sign", signing.expose_seed(), &|| _ = signing.sign(&[7; 1000]).unwrap()),
            ("create", prk.expose_key(), &|| drop(create())),
            ("unseal", &data, &|| drop(TenantKeys::unseal(seed(), &prk, &sealed_keyring, &arena).unwrap())),
        ];
        for (name, needle, work) in works {
            let (depth_bytes, left) = stack::traces(needle, false, work);
            println!("{name}: {depth_bytes} bytes deep; key left without scrubbing: {left}");
            assert!(depth_bytes <= SCRUB_BYTES, "{name} goes {depth_bytes} bytes deep");
            let (_, left) = stack::traces(needle, true, work);
            assert!(!left, "{name} leaves the key on the stack");
        }
    }

    fn folder_rows(keys: &TenantKeys) -> Vec<FolderRow> {
        (1..=3)
            .map(|n| {
                let id = ObjectId::from_bytes([n; 16]);
                let name = keys.seal_name(Subject::FolderName(id), b"prod/database", &SystemRandom).unwrap();
                let row = FolderRow { id, name_hash: [n; 16], parent_hash: [0; 16], name, revision: 1, mac: [0; 32] };
                FolderRow { mac: keys.row_mac(&row).unwrap(), ..row }
            })
            .collect()
    }

    fn seed() -> TenantSeed {
        TenantSeed {
            deployment: DeploymentId::from_bytes([1; 16]),
            tenant: TenantRef::from_bytes([2; 16]),
            salt: [3; 32],
            root: RootKey { id: KeyId::from_bytes([4; 16]), version: RootVersion::FIRST },
            epoch: KeyEpoch::FIRST,
        }
    }
}
