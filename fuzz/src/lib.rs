//! What all fuzz targets share: the list of parsers, which is that of the test in `tests/tests/hostile`.

#[allow(dead_code, reason = "libFuzzer has limits of its own")]
#[path = "../../tests/tests/hostile/parsers.rs"]
mod parsers;

pub use libfuzzer_sys::fuzz_target;

/// Has the parser of this name read any bytes.
pub fn read(name: &str, bytes: &[u8]) {
    let parser = parsers::ALL.iter().find(|parser| parser.name == name).expect("a parser of this name");
    (parser.read)(bytes);
}

/// A fuzz target: the parser of this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::fuzz_target!(|bytes: &[u8]| $crate::read($name, bytes));
    };
}
