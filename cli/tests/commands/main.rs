//! The program as its users run it: real processes, on the software device and on SoftHSM.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as its test does")]

mod anchors;
mod attempt;
mod attributes;
mod bad_input;
mod expiry;
mod generate;
mod guide;
mod history;
mod interrupted;
mod leaks;
mod life;
mod logins;
mod main_job;
mod place;
mod proofs;
mod queries;
mod quotas;
mod render;
mod run;
mod state;
mod values;
