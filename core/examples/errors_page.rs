//! Prints `docs/errors.md` from the table of codes: `cargo xtask check --fix` writes it.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use strongroom::{Class, Code};

fn main() {
    println!("# Errors\n");
    println!("<!-- Printed by core/examples/errors_page.rs from core/src/error/codes.rs. Do not edit. -->\n");
    println!(
        "Every error has a stable code, a class that says what a caller can do, and a next step. Exit codes of the command,"
    );
    println!(
        "and later HTTP status codes and exception classes, follow from the class alone. A code is never renamed or reused.\n"
    );
    println!("| class | exit code | what a caller can do |");
    println!("| --- | --- | --- |");
    for (class, what) in [
        (Class::Absent, "nothing: it is not there, or not for this caller, which looks the same"),
        (Class::Conflict, "read again, then retry: somebody was first"),
        (Class::Invalid, "mend the request"),
        (Class::Denied, "ask whoever may allow it"),
        (Class::Limited, "ask for less, or later"),
        (Class::Integrity, "stop and look: something stored is not what was stored"),
        (Class::Unavailable, "try again, perhaps after mending something outside"),
        (Class::Internal, "report it: it is our bug"),
    ] {
        println!("| `{class}` | {} | {what} |", class.exit_code());
    }
    println!("\n| code | class | what happened | what to do |");
    println!("| --- | --- | --- | --- |");
    for code in Code::ALL {
        let remedy = code.remedy().replace('|', "\\|");
        println!("| `{}` | `{}` | {} | {remedy} |", code.name(), code.class(), code.sentence());
    }
}
