//! The program as its users run it: real processes, on the software device and on SoftHSM.

mod bad_input;
mod interrupted;
mod leaks;
mod main_job;
mod place;
mod run;
mod values;
