//! The strongroom command: under construction.

fn main() {}
