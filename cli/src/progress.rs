//! That something is going on, for who waits at a terminal. Elsewhere nothing is shown.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the display moves, while nothing is heard.
const TICK: Duration = Duration::from_millis(120);

/// Work of unknown length.
pub(crate) fn spinner(what: &'static str) -> ProgressBar {
    let bar = shown(ProgressBar::new_spinner());
    bar.set_message(what);
    bar.enable_steady_tick(TICK);
    bar
}

/// Work on so many things, one after the other.
pub(crate) fn things(what: &'static str, total: u64) -> ProgressBar {
    let bar = shown(ProgressBar::new(total));
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_message(what);
    bar
}

/// Work that is counted in bytes.
pub(crate) fn bytes(what: &'static str, total: u64) -> ProgressBar {
    let bar = shown(ProgressBar::new(total));
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_message(what);
    bar
}

/// Work that is counted in database pages, as soon as their number is known.
pub(crate) fn pages(what: &'static str) -> ProgressBar {
    let bar = shown(ProgressBar::new(0));
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}% {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_message(what);
    bar
}

fn shown(bar: ProgressBar) -> ProgressBar {
    if !io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}
