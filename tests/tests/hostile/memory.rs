//! How many bytes the thread that asks holds, and held at most: an allocator that counts.

#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one counts and hands on to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

/// Without destructors these are there as long as the thread is, and need no allocation of their own.
fn count(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).expect("no allocation is larger")
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves, both are there.
        count(signed(size));
        // SAFETY: as above.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        count(-signed(layout.size()));
        moved
    }
}

/// Runs `work` and says how many bytes more than before it held at once.
pub(crate) fn most_during<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    (result, usize::try_from(MOST.get() - before).unwrap_or(0))
}

#[test]
fn what_is_held_at_once_is_counted() {
    let (kept, bytes) = most_during(|| {
        drop(vec![0_u8; 1_000_000]);
        vec![1_u8; 1_000]
    });
    assert!((1_000_000..1_001_000).contains(&bytes), "{bytes}");
    let (_, bytes) = most_during(|| drop(kept));
    assert_eq!(bytes, 0);
}
