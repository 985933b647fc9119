//! The diagnostic log: to stderr, level by `STRONGROOM_LOG`, by default what an operator must see.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

pub(crate) fn start() {
    let chosen = std::env::var("STRONGROOM_LOG").ok().filter(|text| !text.is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(chosen.as_deref().unwrap_or_default());
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr);
    // Whoever asks for the log wants to know when and where; whoever did not, only what.
    match chosen {
        Some(_) => log.init(),
        None => log.without_time().with_target(false).init(),
    }
}
