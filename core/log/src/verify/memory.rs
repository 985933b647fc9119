//! What somebody kept of the log outside of it: to be given to a verifier, which holds the log against it.

use crate::receipt::Receipt;

/// Checkpoints and receipts that were kept. Without any, a log that was cut off together with its checkpoints is whole.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub(crate) checkpoints: Vec<Vec<u8>>,
    pub(crate) receipts: Vec<Receipt>,
}

impl Memory {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a checkpoint's note.
    pub fn add_checkpoint(&mut self, note: &[u8]) {
        self.checkpoints.push(note.to_vec());
    }

    /// Adds a receipt.
    pub fn add_receipt(&mut self, receipt: Receipt) {
        self.receipts.push(receipt);
    }

    /// How many things were kept.
    pub fn len(&self) -> usize {
        self.checkpoints.len() + self.receipts.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One checkpoint's note, or nothing.
impl From<Option<&[u8]>> for Memory {
    fn from(checkpoint: Option<&[u8]>) -> Self {
        Self { checkpoints: checkpoint.map(<[u8]>::to_vec).into_iter().collect(), receipts: Vec::new() }
    }
}
