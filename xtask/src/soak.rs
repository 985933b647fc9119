//! `cargo xtask soak`: the tests that get better with every hour, for who has hours.
//!
//! The same tests that `cargo xtask test` runs, more often: each says what it counted and the seed to repeat it with.

use crate::place;
use crate::stop::{Result, Stop, succeed};

/// One part: a test, and the variable that says how often.
struct Part {
    name: &'static str,
    what: &'static str,
    variable: &'static str,
    /// How often, or for how many seconds, in a whole soak.
    amount: u32,
    test: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        name: "kills",
        what: "kill -9 while puts are in flight",
        variable: "STRONGROOM_KILLS",
        amount: 1_000,
        test: &["-p", "strongroom-tests", "--test", "kill_nine", "kill_nine"],
    },
    Part {
        name: "power",
        what: "power cuts: what was not synced is gone",
        variable: "STRONGROOM_POWER_CUTS",
        amount: 200,
        test: &["-p", "strongroom-tests", "--test", "kill_nine", "the_loss_of_power"],
    },
    Part {
        name: "honest",
        what: "honest lives of a deployment, verified",
        variable: "STRONGROOM_HONEST_RUNS",
        amount: 10_000,
        test: &["-p", "strongroom-log", "--test", "evidence", "no_honest_life"],
    },
    Part {
        name: "isolation",
        what: "random calls of random tenants, each against its model",
        variable: "STRONGROOM_ISOLATION_OPERATIONS",
        amount: 1_000_000,
        test: &["-p", "strongroom-tests", "--test", "isolation", "random_calls"],
    },
    Part {
        name: "stress",
        what: "seconds of 32 callers at once, of 100 tenants",
        variable: "STRONGROOM_STRESS_SECONDS",
        amount: 600,
        test: &["-p", "strongroom-tests", "--test", "isolation", "many_callers"],
    },
    Part {
        name: "swaps",
        what: "pairs of rows for each column, which exchange what they have there",
        variable: "STRONGROOM_SWAPS",
        amount: 20,
        test: &["-p", "strongroom-tests", "--test", "swaps"],
    },
    Part {
        name: "bytes",
        what: "seconds of hostile bytes for the parsers",
        variable: "STRONGROOM_FUZZ_SECONDS",
        amount: 600,
        test: &["-p", "strongroom-tests", "--test", "hostile"],
    },
];

/// Runs one part, or all in turn; so many of each, if that is said.
pub(crate) fn run(name: Option<&str>, amount: Option<u32>) -> Result<()> {
    let chosen: Vec<_> = PARTS.iter().filter(|part| name.is_none_or(|name| name == part.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        return Err(Stop::new(format!(
            "no part is called {}; there are {}",
            name.unwrap_or_default(),
            names.join(", ")
        )));
    }
    for part in chosen {
        let amount = amount.unwrap_or(part.amount);
        println!("\n── {}: {amount} × {}", part.name, part.what);
        succeed(
            place::cargo()?
                .args(["test", "--quiet", "--all-features"])
                .args(part.test)
                .args(["--", "--nocapture"])
                .env(part.variable, amount.to_string()),
        )?;
    }
    Ok(())
}
