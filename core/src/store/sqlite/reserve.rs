//! Room on the disk that is kept for its last lines: a file that is given up when there is no other.
//!
//! Without it, a service that stops because the disk is full could not even record that it stopped.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::fault::Place;
use crate::store::Reserve;

/// Bytes kept.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;
/// A file system smaller than this has none to spare.
const DISK_BYTES_MIN: u64 = 64 * 1024 * 1024;

fn file(place: &Place) -> PathBuf {
    place.folder().join("strongroom.reserve")
}

/// Takes the room, if as much again stays free.
pub(super) fn hold(place: &Place) -> Reserve {
    let file = file(place);
    if fs::metadata(&file).is_ok_and(|metadata| metadata.len() == RESERVE_BYTES) {
        return Reserve::Held;
    }
    let Ok(disk) = statvfs(place.folder()) else { return Reserve::Unsupported };
    if disk.f_blocks.saturating_mul(disk.f_frsize) < DISK_BYTES_MIN {
        return Reserve::Unsupported;
    }
    if disk.f_bavail.saturating_mul(disk.f_frsize) < 2 * RESERVE_BYTES {
        return Reserve::NoRoom;
    }
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
    match made.map_err(|error| rustix::io::Errno::from_io_error(&error)) {
        Ok(made) => match fallocate(made, FallocateFlags::empty(), 0, RESERVE_BYTES) {
            Ok(()) => Reserve::Held,
            Err(error) => {
                let _ = fs::remove_file(&file);
                if error == rustix::io::Errno::NOSPC { Reserve::NoRoom } else { Reserve::Unsupported }
            }
        },
        Err(Some(rustix::io::Errno::NOSPC)) => Reserve::NoRoom,
        Err(_) => Reserve::Unsupported,
    }
}

/// Gives the room up. Whether there was any.
pub(super) fn release(place: &Place) -> bool {
    fs::remove_file(file(place)).is_ok()
}
