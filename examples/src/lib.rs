//! How to begin with Strongroom. The examples are the programs in `src/bin`:
//!
//! - `first-steps`: the shortest useful program, to copy from;
//! - `config-file`: a password that nobody has seen, in the file of the program that needs it;
//! - `life`: a rotation without an outage, a value tried, a version deleted and brought back, a time to live;
//! - `lease`: a thousand reads with two lines in the log, ended by a change;
//! - `tenants`: quotas, a search, and what the process has counted;
//! - `demo`: what `cargo xtask demo` starts, the product from the outside, and a thief at work.
//!
//! `env/shop.env` is the `.env` file that both use: 200 settings of an invented shop.
