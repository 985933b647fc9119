//! Writes `tests/vectors/*.json`. The same bytes every time.
//!
//! Run it only to add a vector: one that is published never changes, or what people stored would no
//! longer open. `git diff` shows whether one did. Those of a whole deployment are written only where
//! they are missing.

#[path = "../tests/vectors/make.rs"]
mod make;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for (name, text) in make::files() {
        fs::write(folder.join(name), text)?;
    }
    for (name, text) in make::deployment_files() {
        if !folder.join(&name).exists() {
            fs::write(folder.join(name), text)?;
        }
    }
    Ok(())
}
