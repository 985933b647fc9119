//! The log as evidence: honest logs verify, tampered ones are caught at the right place, hostile files do no harm.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this is all tests, helpers included")]

mod checks;
mod dice;
mod entry_proof;
mod everywhere;
mod honest;
mod hostile;
mod insider;
mod lives;
mod receipts;
mod room;
mod signed;
mod stored;
mod tamper;
mod tenant;
