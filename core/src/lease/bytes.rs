//! Values in locked memory, which has room for keys only: cut into pieces of a key's size.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    Result,
    memory::{Arena, KEY_BYTES, LockedKey},
};

/// Bytes of any length in locked memory, in as many slots as they take: twice their length of the arena.
pub(crate) struct LockedBytes {
    pieces: Vec<LockedKey>,
    len: usize,
}

impl LockedBytes {
    /// Copies bytes into the arena.
    ///
    /// # Errors
    /// `MemoryFull` when not enough slots are free; `Closed` in a forked child.
    pub(crate) fn copy_of(arena: &Arc<Arena>, bytes: &[u8]) -> Result<Self> {
        let piece = |piece: &[u8]| {
            arena.alloc_key(|place| {
                place[..piece.len()].copy_from_slice(piece);
                Ok(())
            })
        };
        Ok(Self { pieces: bytes.chunks(KEY_BYTES).map(piece).collect::<Result<_>>()?, len: bytes.len() })
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Copies them out, into a buffer that is wiped when dropped.
    ///
    /// # Errors
    /// `Closed` in a forked child, where the memory is empty.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.len));
        for piece in &self.pieces {
            let left = (self.len - bytes.len()).min(KEY_BYTES);
            bytes.extend_from_slice(&piece.expose_key()?[..left]);
        }
        Ok(bytes)
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedBytes").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Code,
        memory::{ARENA_BYTES_MIN, Locking},
    };

    #[test]
    fn bytes_of_any_length_come_back_and_their_slots_too() {
        let arena = Arena::new(ARENA_BYTES_MIN, Locking::Allow).unwrap();
        let most = arena.keys_max() * KEY_BYTES;
        for (len, slots) in [(0, 0), (1, 1), (32, 1), (33, 2), (most, arena.keys_max())] {
            let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let locked = LockedBytes::copy_of(&arena, &bytes).unwrap();
            assert_eq!((&**locked.to_bytes().unwrap(), locked.len(), arena.keys_used()), (&*bytes, len, slots));
        }
        let full = LockedBytes::copy_of(&arena, &vec![1; most + 1]).unwrap_err();
        assert_eq!((full.code(), arena.keys_used()), (Code::MemoryFull, 0), "what did fit is given back");
    }
}
