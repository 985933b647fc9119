//! What somebody kept, read from their files: the root key, checkpoints, receipts.
//!
//! Whether a checkpoint is one is the verifier's to say, since a bad one is a finding. A file of receipts that are none
//! is the wrong file.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Deserializer, Value};
use strongroom_log::{Memory, NOTE_BYTES_MAX, Receipt, RootKey};

use crate::args::Args;
use crate::failure::Failure;

/// How many checkpoints and receipts are taken, so that memory has a bound.
const KEPT_MAX: usize = 65_536;

/// The longest file that holds a root key, in bytes.
const ROOT_FILE_BYTES_MAX: u64 = 4_096;

/// Where the root key is if it was not typed.
const ROOT_KEY: &str = "STRONGROOM_ROOT_KEY";

/// How signature lines of notes begin. Nothing else of a note does, after its blank line.
const SIGNATURE: &str = "\u{2014} ";

/// The root key, from the argument, its file or the environment.
pub(crate) fn root_key(args: &Args) -> Result<RootKey, Failure> {
    let text = match (&args.root, &args.root_file) {
        (Some(root), _) => root.clone(),
        (None, Some(file)) => {
            let mut text = String::new();
            let read = open(file)?.take(ROOT_FILE_BYTES_MAX + 1).read_to_string(&mut text);
            let read = read.map_err(|error| Failure::of(file, error))?;
            if read as u64 > ROOT_FILE_BYTES_MAX {
                return Err(Failure::of(file, "too long for a root key"));
            }
            text
        }
        (None, None) => env::var(ROOT_KEY).map_err(|_| {
            Failure::new(format!("which root key? Give --root VKEY or --root-file FILE, or set {ROOT_KEY}"))
        })?,
    };
    text.trim()
        .parse()
        .map_err(|_| Failure::new("the root key is neither a vkey nor the 64 hex digits of a public key"))
}

/// All that was kept to compare with.
pub(crate) fn memory(args: &Args) -> Result<Memory, Failure> {
    let mut memory = Memory::new();
    for file in &args.checkpoint {
        read_checkpoints(open(file)?, &mut memory).map_err(|why| Failure::of(file, why))?;
    }
    for file in &args.receipts {
        read_receipts(open(file)?, &mut memory).map_err(|why| Failure::of(file, why))?;
    }
    Ok(memory)
}

fn open(file: &Path) -> Result<BufReader<File>, Failure> {
    File::open(file).map(BufReader::new).map_err(|error| Failure::of(file, error))
}

/// Takes notes apart that stand one after the other: after its signatures, what is no signature begins the next.
fn read_checkpoints(mut from: impl BufRead, memory: &mut Memory) -> Result<(), String> {
    let (mut note, mut signed) = (Vec::new(), false);
    loop {
        let start = note.len();
        let limit = (NOTE_BYTES_MAX + 1 - start) as u64;
        let read = from.by_ref().take(limit).read_until(b'\n', &mut note).map_err(|error| error.to_string())?;
        let is_signature = note[start..].starts_with(SIGNATURE.as_bytes());
        if read == 0 || signed && !is_signature {
            let next = note.split_off(start);
            if !note.is_empty() {
                keep(memory)?.add_checkpoint(&note);
            }
            note = next;
        }
        if read == 0 {
            return if memory.is_empty() { Err("there is no checkpoint in it".to_owned()) } else { Ok(()) };
        }
        if note.len() > NOTE_BYTES_MAX {
            return Err("longer than any checkpoint".to_owned());
        }
        signed = is_signature;
    }
}

fn read_receipts(from: impl BufRead, memory: &mut Memory) -> Result<(), String> {
    let before = memory.len();
    for document in Deserializer::from_reader(from).into_iter::<Value>() {
        let document = document.map_err(|error| error.to_string())?;
        let list = match document {
            Value::Array(list) => list,
            one => vec![one],
        };
        for mut value in list {
            let of_reply = value.get_mut("receipt").map(Value::take);
            let receipt: Receipt = serde_json::from_value(of_reply.unwrap_or(value))
                .map_err(|error| format!("receipt {}: {error}", memory.len() - before + 1))?;
            keep(memory)?.add_receipt(receipt);
        }
    }
    if memory.len() == before { Err("there is no receipt in it".to_owned()) } else { Ok(()) }
}

fn keep(memory: &mut Memory) -> Result<&mut Memory, String> {
    if memory.len() < KEPT_MAX { Ok(memory) } else { Err(format!("more than {KEPT_MAX} checkpoints and receipts")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoints(text: &str) -> Result<usize, String> {
        let mut memory = Memory::new();
        read_checkpoints(text.as_bytes(), &mut memory).map(|()| memory.len())
    }

    fn receipts(text: &str) -> Result<usize, String> {
        let mut memory = Memory::new();
        read_receipts(text.as_bytes(), &mut memory).map(|()| memory.len())
    }

    #[test]
    fn notes_one_after_the_other_are_told_apart() {
        let note = "d/heads\n1\nroot\n\n\u{2014} d/heads sig\n";
        let cosigned = format!("{note}\u{2014} witness sig\n");
        for (name, text, want) in [
            ("one", note.to_owned(), Ok(1)),
            ("three", format!("{note}{cosigned}{note}"), Ok(3)),
            ("none that is one", "x".to_owned(), Ok(1)),
            ("without its last newline", note.trim_end().to_owned(), Ok(1)),
            ("nothing", String::new(), Err("there is no checkpoint in it".to_owned())),
            ("endless", "x".repeat(NOTE_BYTES_MAX + 1), Err("longer than any checkpoint".to_owned())),
            ("the longest", "x".repeat(NOTE_BYTES_MAX), Ok(1)),
        ] {
            assert_eq!(checkpoints(&text), want, "case: {name}");
        }
    }

    #[test]
    fn receipts_come_alone_in_lists_and_in_replies() {
        let receipt = format!(
            r#"{{"origin":"d/sys","seq":7,"leaf":"{0}","head_size":9,"head_root":"{0}","epoch":2,"signature":"{0}{0}"}}"#,
            "ab".repeat(32)
        );
        for (name, text, want) in [
            ("one", receipt.clone(), Some(1)),
            ("lines", format!("{receipt}\n{receipt}\n"), Some(2)),
            ("a list", format!("[{receipt},{receipt}]"), Some(2)),
            ("replies", format!(r#"{{"version":3,"receipt":{receipt}}}{receipt}"#), Some(2)),
            ("nothing", String::new(), None),
            ("an empty list", "[]".to_owned(), None),
            ("no receipt", "{}".to_owned(), None),
            ("no JSON", format!("{receipt} x"), None),
            ("a list in a list", format!("[[{receipt}]]"), None),
            ("the most", receipt.repeat(KEPT_MAX), Some(KEPT_MAX)),
            ("one more", receipt.repeat(KEPT_MAX + 1), None),
        ] {
            assert_eq!(receipts(&text).ok(), want, "case: {name}");
        }
    }
}
