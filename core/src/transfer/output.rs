//! A document with values in it, as it is written.

use zeroize::Zeroizing;

/// Grows as a `Vec` does, but wipes the smaller buffer that it grew out of.
pub(super) struct Output(Zeroizing<Vec<u8>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(4096)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_what_was_written() {
        let mut output = Output::new();
        let mut want = Vec::new();
        for round in 0..200u8 {
            let piece = vec![round; usize::from(round) * 7];
            output.push(&piece);
            want.extend_from_slice(&piece);
        }
        assert_eq!(*output.finish(), want);
    }
}
