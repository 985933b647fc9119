//! How results are written: the result on stdout, what is said about it on stderr.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{ValueEnum, builder::styling};
use serde::Serialize;
use strongroom::{Receipt, SecretValue, Timestamp, ValueKind};
use zeroize::Zeroizing;

use crate::failure::Failure;

pub(crate) const ERROR: styling::Style = styling::AnsiColor::Red.on_default().bold();
pub(crate) const DIM: styling::Style = styling::Style::new().dimmed();

/// How results and errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Writes a reply, in the one form or the other.
    pub(crate) fn reply(self, json: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if !self.is_json() {
            return to_stdout(text().as_bytes());
        }
        let mut document = serde_json::to_vec(json).map_err(internal)?;
        document.push(b'\n');
        to_stdout(&document)
    }

    /// Writes a reply whose text is one line about something that was done: on stderr, so that stdout stays
    /// for results.
    pub(crate) fn done(self, json: &impl Serialize, note: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.is_json() {
            return self.reply(json, String::new);
        }
        self.note(&note());
        Ok(())
    }

    /// Says something to a person.
    pub(crate) fn note(self, line: &str) {
        if !self.is_json() {
            to_stderr(line);
        }
    }
}

/// Writes all of it, straight to the file: the buffer that `std` keeps for stdout is wiped by nobody.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::fd::AsFd as _;
            let mut stdout = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
            stdout.write_all(bytes)
        }
        #[cfg(not(unix))]
        {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
    };
    write().map_err(Failure::of_stdout)
}

/// Writes a line to stderr, with colours only where they are wanted. If nobody reads it, so be it.
pub(crate) fn to_stderr(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    strongroom::Error::new(strongroom::Code::Internal).caused_by(error).into()
}

/// A moment for people: RFC 3339, UTC, to the second.
pub(crate) fn time(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_micros(at.0)).to_string()
}

/// A moment for programs: RFC 3339, UTC, to the microsecond.
pub(crate) fn exact_time(at: Timestamp) -> String {
    humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(at.0)).to_string()
}

/// `(audit seq 42)`: where the line is that records what was done.
pub(crate) fn recorded(receipt: &Receipt) -> String {
    format!("{DIM}(audit seq {}){DIM:#}", receipt.seq)
}

/// A receipt as `docs/formats.md` §9 has it.
#[derive(Serialize)]
pub(crate) struct ReceiptJson<'a> {
    origin: &'a str,
    seq: u64,
    leaf: String,
    head_size: u64,
    head_root: String,
    epoch: u32,
    signature: String,
}

impl<'a> From<&'a Receipt> for ReceiptJson<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        Self {
            origin: &receipt.origin,
            seq: receipt.seq,
            leaf: hex(&receipt.leaf),
            head_size: receipt.head_size,
            head_root: hex(&receipt.head_root),
            epoch: receipt.epoch,
            signature: hex(&receipt.signature),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    strongroom_log::hex_encode(bytes)
}

/// Columns, aligned, without a rule or a frame: easy to read, easy to cut.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn with_heading(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()] }
    }

    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn finish(self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Counts things: `1 secret`, `2 secrets`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A value as JSON can have it, and in which encoding: text as it is, anything else in base64. The copy is wiped.
pub(crate) fn encoded<R>(
    value: &SecretValue,
    write: impl FnOnce(&'static str, &str) -> Result<R, Failure>,
) -> Result<R, Failure> {
    value.expose(|bytes| {
        if let (Ok(text), false) = (std::str::from_utf8(bytes), value.kind() == ValueKind::Binary) {
            return write("utf-8", text);
        }
        let mut encoded = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
        let length = STANDARD.encode_slice(bytes, &mut encoded).map_err(internal)?;
        write("base64", std::str::from_utf8(&encoded[..length]).map_err(internal)?)
    })
}
