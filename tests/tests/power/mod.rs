//! A layer under SQLite that keeps what a disk is sure to have when the power goes.
//!
//! Each method table of the system's VFS is copied, with its writing and syncing replaced: a write goes to the
//! real file as before, and is remembered; at a sync of that file what is remembered is written to the file
//! of the same name in the `disk` folder. What never was synced never gets there.
//!
//! The store syncs the write-ahead log itself, through a descriptor of its own. So `fdatasync` is ours too in this
//! program: the linker prefers a program's own function to that of the C library.
//!
//! It is simpler than a disk: writes without a sync are all lost, where a disk may keep some of them in any
//! order; and the shared-memory file needs no care, because SQLite builds it anew.

#![allow(unsafe_code, reason = "SQLite's VFS is a C interface")]

use std::{
    collections::HashMap,
    ffi::{CStr, c_char, c_int, c_void},
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    ptr,
    sync::{Mutex, OnceLock},
};

use rusqlite::ffi;

type Open = unsafe extern "C" fn(
    *mut ffi::sqlite3_vfs,
    ffi::sqlite3_filename,
    *mut ffi::sqlite3_file,
    c_int,
    *mut c_int,
) -> c_int;
type Delete = unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *const c_char, c_int) -> c_int;

struct Layer {
    disk: PathBuf,
    syncs: Syncs,
    real_open: Open,
    real_delete: Delete,
    /// By the address of SQLite's handle.
    files: Mutex<HashMap<usize, Watched>>,
}

struct Watched {
    name: String,
    real: &'static ffi::sqlite3_io_methods,
}

/// What was written to each file and not yet synced: by file, whatever handle it came through.
static UNSYNCED: Mutex<Option<HashMap<String, Vec<Change>>>> = Mutex::new(None);

enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Truncate { bytes: u64 },
}

static LAYER: OnceLock<Layer> = OnceLock::new();

/// Which syncs reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncs {
    All,
    /// Those within SQLite, and not those of the store after a commit.
    OnlySqlites,
    None,
}

/// From here on this process's SQLite files are watched, and `disk` gets what these syncs bring there.
pub(crate) fn keep_what_a_disk_has(disk: &Path, syncs: Syncs) {
    // SAFETY: the default VFS is there for the life of the process, and so is the copy. Nothing else uses
    // SQLite yet.
    unsafe {
        let real = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!real.is_null());
        let mut copy = Box::new(ptr::read(real));
        let layer = Layer {
            disk: disk.to_owned(),
            syncs,
            real_open: copy.xOpen.unwrap(),
            real_delete: copy.xDelete.unwrap(),
            files: Mutex::default(),
        };
        assert!(LAYER.set(layer).is_ok());
        copy.zName = c"watched".as_ptr();
        copy.pNext = ptr::null_mut();
        copy.xOpen = Some(open);
        copy.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(copy), 1), ffi::SQLITE_OK);
    }
}

fn layer() -> &'static Layer {
    LAYER.get().expect("set before SQLite calls")
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's own arguments, handed on.
    let result = unsafe { (layer().real_open)(vfs, name, file, flags, out_flags) };
    if result != ffi::SQLITE_OK || name.is_null() {
        return result;
    }
    // SAFETY: after a successful open the handle has its methods, which are static; the copy is leaked, one
    // for each open of a short test.
    unsafe {
        let real = &*(*file).pMethods;
        let mut watched = Box::new(ptr::read(real));
        watched.xWrite = Some(write);
        watched.xTruncate = Some(truncate);
        watched.xSync = Some(sync);
        // Memory maps would write past us.
        watched.xFetch = None;
        watched.xUnfetch = None;
        watched.iVersion = watched.iVersion.min(2);
        let name = Path::new(CStr::from_ptr(name).to_str().unwrap()).file_name().unwrap();
        let entry = Watched { name: name.to_str().unwrap().to_owned(), real };
        layer().files.lock().unwrap().insert(file as usize, entry);
        (*file).pMethods = Box::into_raw(watched);
    }
    result
}

/// A file's name goes at once, and no earlier write comes back: as good as a disk that syncs the folder.
unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite's own arguments.
    let (result, name) = unsafe { ((layer().real_delete)(vfs, name, sync_folder), CStr::from_ptr(name)) };
    if result == ffi::SQLITE_OK && layer().syncs != Syncs::None {
        let name = Path::new(name.to_str().unwrap()).file_name().unwrap();
        let _ = fs::remove_file(layer().disk.join(name));
    }
    result
}

/// The file's real methods and its name.
fn watched(file: *mut ffi::sqlite3_file) -> (&'static ffi::sqlite3_io_methods, String) {
    let files = layer().files.lock().unwrap();
    let watched = &files[&(file as usize)];
    (watched.real, watched.name.clone())
}

fn remember(name: String, change: Change) {
    UNSYNCED.lock().unwrap().get_or_insert_default().entry(name).or_default().push(change);
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, amount: c_int, at: i64) -> c_int {
    let (real, name) = watched(file);
    // SAFETY: SQLite's own arguments; the buffer has `amount` bytes.
    let (result, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(amount).unwrap());
        (real.xWrite.unwrap()(file, from, amount, at), bytes.to_vec())
    };
    if result == ffi::SQLITE_OK {
        remember(name, Change::Write { at: u64::try_from(at).unwrap(), bytes });
    }
    result
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let (real, name) = watched(file);
    // SAFETY: SQLite's own arguments.
    let result = unsafe { real.xTruncate.unwrap()(file, size) };
    if result == ffi::SQLITE_OK {
        remember(name, Change::Truncate { bytes: u64::try_from(size).unwrap() });
    }
    result
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let (real, name) = watched(file);
    if layer().syncs == Syncs::None {
        // As with `synchronous=OFF`, where SQLite would not even have called.
        return ffi::SQLITE_OK;
    }
    reaches_disk(&name);
    // SAFETY: SQLite's own arguments.
    unsafe { real.xSync.unwrap()(file, flags) }
}

/// Writes what is remembered of a file to the disk. Under the lock, so that two syncs of one file keep their order.
fn reaches_disk(name: &str) {
    let mut unsynced = UNSYNCED.lock().unwrap();
    let changes = unsynced.get_or_insert_default().remove(name).unwrap_or_default();
    if changes.is_empty() {
        return;
    }
    let disk = File::options().create(true).truncate(false).write(true).open(layer().disk.join(name)).unwrap();
    for change in changes {
        match change {
            Change::Write { at, bytes } => disk.write_all_at(&bytes, at).unwrap(),
            Change::Truncate { bytes } => disk.set_len(bytes).unwrap(),
        }
    }
}

/// In place of the C library's. Files that SQLite did not open have nothing that is remembered.
// SAFETY: the one function of this name in this program, with the signature that POSIX gives it.
#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    let Some(layer) = LAYER.get() else { return really(file) };
    if layer.syncs != Syncs::All {
        return 0;
    }
    let path = fs::read_link(format!("/proc/self/fd/{file}")).unwrap();
    reaches_disk(path.file_name().unwrap().to_str().unwrap());
    really(file)
}

fn really(file: c_int) -> c_int {
    // SAFETY: a system call that takes a number; a wrong one is an error.
    unsafe { libc::syscall(libc::SYS_fdatasync, file) }.try_into().unwrap()
}
