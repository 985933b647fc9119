//! What paths, folders, environments and labels are made of: one segment of `[A-Za-z0-9_.-]`.

use std::fmt;

use crate::{Code, Error, Result, limits};

/// Why a segment is refused, as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Empty,
    Dots,
    Character,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::Dots => "is only dots, which would mean another folder",
            Self::Character => "has a character outside [A-Za-z0-9_.-]",
        })
    }
}

/// Whether every byte may stand in a segment.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Checks one segment.
pub(super) fn check(segment: &str) -> Result<(), Fault> {
    match segment {
        "" => Err(Fault::Empty),
        "." | ".." => Err(Fault::Dots),
        _ if !is_plain(segment) => Err(Fault::Character),
        _ => Ok(()),
    }
}

/// Checks segments joined by `/`: what a secret's path and a folder's path have in common.
pub(super) fn check_path(text: &str) -> Result<()> {
    let refuse = |detail: String| Err(Error::new(Code::PathInvalid).detail(detail));
    if text.len() > limits::PATH_BYTES_MAX {
        return refuse(format!("it has {} bytes, {} are allowed", text.len(), limits::PATH_BYTES_MAX));
    }
    for (index, segment) in text.split('/').enumerate() {
        if index == limits::PATH_SEGMENTS_MAX {
            return refuse(format!("it has more than {} segments", limits::PATH_SEGMENTS_MAX));
        }
        if let Err(fault) = check(segment) {
            return refuse(format!("segment {} {fault}", index + 1));
        }
    }
    Ok(())
}
