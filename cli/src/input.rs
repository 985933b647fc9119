//! Values coming in: from a pipe, a file or a person, never from an argument.
//!
//! They are read straight into buffers that are wiped, at their full size, so that none is left behind
//! by growing; `std`'s own buffer for stdin is gone around.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use strongroom::{Code, Error, SecretValue, ValueKind, limits};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Where a value is read from, and what it is.
pub(crate) struct Source<'a> {
    pub(crate) kind: ValueKind,
    pub(crate) file: Option<&'a Path>,
    /// Keep the newline at the end of what is piped in.
    pub(crate) keep_newline: bool,
}

impl Source<'_> {
    /// Reads the value. A file is taken as it is; of text and JSON that is piped in, the one newline that
    /// `echo` and its like put at the end is not part of the value.
    pub(crate) fn read(&self) -> Result<SecretValue, Failure> {
        let bytes = match self.file {
            Some(file) => {
                read_at_most(&mut *open(file)?, limits::VALUE_BYTES_MAX, &name_of(file), Code::SecretTooLarge)?
            }
            None if io::stdin().is_terminal() => self.ask()?,
            None => self.read_pipe()?,
        };
        Ok(SecretValue::from_kind(self.kind, bytes)?)
    }

    fn read_pipe(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let strip = !self.keep_newline && self.kind != ValueKind::Binary;
        let most = limits::VALUE_BYTES_MAX + if strip { 2 } else { 0 };
        let mut bytes = read_at_most(&mut stdin()?, most, "stdin", Code::SecretTooLarge)?;
        if strip && bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        // A command before the pipe that failed writes nothing either.
        if bytes.is_empty() {
            return Err(Failure::usage("nothing came in; for an empty value, name an empty file: --file /dev/null"));
        }
        Ok(bytes)
    }

    #[cfg(unix)]
    fn ask(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if self.kind == ValueKind::Binary {
            return Err(Failure::usage("a binary value cannot be typed: give --file, or pipe it in"));
        }
        let first = prompt::ask("Value: ")?;
        let second = prompt::ask("Again: ")?;
        if *first != *second {
            return Err(Failure::usage("the two values differ; nothing was stored"));
        }
        if first.is_empty() {
            return Err(Failure::usage("nothing was typed; nothing was stored"));
        }
        Ok(first)
    }

    #[cfg(not(unix))]
    fn ask(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Err(Failure::usage("give the value with --file, or pipe it in"))
    }
}

/// Reads a document to import, from a file or, named `-`, from stdin.
pub(crate) fn read_document(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_at_most(&mut *open(file)?, limits::IMPORT_BYTES_MAX, &name_of(file), Code::ImportTooLarge)
}

/// Reads a template, from a file or, named `-`, from stdin.
pub(crate) fn read_template(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_at_most(&mut *open(file)?, limits::TEMPLATE_BYTES_MAX, &name_of(file), Code::TemplateTooLarge)
}

/// Reads a reply of this program that has a receipt, and may have a value.
pub(crate) fn read_reply(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_at_most(&mut *open(file)?, limits::IMPORT_BYTES_MAX, &name_of(file), Code::ReceiptInvalid)
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn name_of(file: &Path) -> String {
    if is_stdin(file) { "stdin".to_owned() } else { file.display().to_string() }
}

/// Opens a file, or stdin for `-`.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if is_stdin(file) {
        return Ok(Box::new(stdin()?));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(unreadable(&name_of(file), &error)),
    }
}

#[cfg(unix)]
fn stdin() -> Result<impl Read, Failure> {
    use std::os::fd::AsFd as _;
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(|error| unreadable("stdin", &error))?;
    Ok(File::from(stdin))
}

#[cfg(not(unix))]
fn stdin() -> Result<impl Read, Failure> {
    Ok(io::stdin())
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Error::new(Code::FileUnreadable).detail(format!("{name}: {}", error.kind())).into()
}

/// Reads everything, if it is no more than `most` bytes.
fn read_at_most(from: &mut dyn Read, most: usize, name: &str, too_large: Code) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(vec![0; most.min(limits::VALUE_BYTES_MAX) + 1]);
    let mut filled = 0;
    loop {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(name, &error)),
        }
        if filled > most {
            return Err(Error::new(too_large).detail(format!("{name} has more bytes than that")).into());
        }
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; (2 * filled).min(most + 1)]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(unix)]
mod prompt {
    //! Asking a person, without showing what is typed.

    use std::{
        fs::{File, OpenOptions},
        io::{Read as _, Write as _},
    };

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use zeroize::Zeroizing;

    use crate::failure::Failure;

    /// The longest line that a terminal hands over, in bytes: Linux drops what goes beyond.
    const LINE_BYTES_MAX: usize = 4095;

    /// The terminal, with echo off until dropped.
    struct Quiet {
        terminal: File,
        before: Termios,
    }

    impl Quiet {
        fn new() -> std::io::Result<Self> {
            let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            // The newline is still shown, so that the next line begins where it should.
            quiet.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
            tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
            Ok(Self { terminal, before })
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        }
    }

    /// Asks for one line.
    pub(super) fn ask(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let no_terminal = |error: std::io::Error| Failure::usage(format!("the terminal cannot be asked: {error}"));
        let mut quiet = Quiet::new().map_err(no_terminal)?;
        quiet.terminal.write_all(question.as_bytes()).map_err(no_terminal)?;
        let mut line = Zeroizing::new(vec![0; LINE_BYTES_MAX + 1]);
        let read = quiet.terminal.read(&mut line).map_err(no_terminal)?;
        line.truncate(read);
        match line.pop() {
            Some(b'\n') if read < LINE_BYTES_MAX => Ok(line),
            Some(b'\n') => Err(Failure::usage("a terminal takes at most 4,094 bytes: give --file, or pipe it in")),
            _ => Err(Failure::usage("nothing was typed; nothing was stored")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_the_limit() {
        for most in [10, 65_536, 200_000] {
            for (size, is_read) in [(0, true), (most - 1, true), (most, true), (most + 1, false), (3 * most, false)] {
                let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
                let read = read_at_most(&mut &*bytes, most, "it", Code::ImportTooLarge);
                assert_eq!(read.is_ok_and(|read| *read == bytes), is_read, "case: {size} of {most}");
            }
        }
    }
}
