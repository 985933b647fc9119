//! Wiping what a computation with keys left on the stack.

use std::hint::black_box;

use zeroize::Zeroize;

/// How far below the caller's frame the stack is wiped, in bytes. A vendor's HMAC needs a few KiB.
const SCRUB_BYTES: usize = 16 * 1024;

/// Overwrites the stack below the caller's frame.
///
/// Called right after the computation, from the same function, so that it covers the frames that
/// the computation used. What lies deeper than [`SCRUB_BYTES`] stays.
#[inline(never)]
pub(crate) fn scrub_stack() {
    let mut below = [0_u64; SCRUB_BYTES / 8];
    black_box(&mut below).zeroize();
    black_box(&below);
}
