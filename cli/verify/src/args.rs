//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  strongroom audit export --deployment all.bundle        # where the deployment is
  strongroom-verify all.bundle --root 'example.com/keys/root+1a2b3c4d+…'
  strongroom-verify all.bundle --root-file root.vkey --checkpoint kept.note --save-checkpoint kept.note
  strongroom-verify acme.bundle --root-file root.vkey --receipts receipts.json -o json | jq .findings
  zstd -dc all.bundle.zst | strongroom-verify - --root-file root.vkey

What to keep, and why:
  A log that was cut off at a moment in the past is whole up to there, and a second history can be as well
  signed as the first. Only what was kept elsewhere shows that: a checkpoint (--save-checkpoint, or the
  field `checkpoint` of the JSON report), or the receipts that came with replies (`strongroom … -o json`).

Exit codes: 0 OK, 1 TAMPERED, 2 INCOMPLETE, 3 UNVERIFIABLE, 4 no verdict: wrong usage, or a file that cannot
be read or written.

Memory: it does not grow with the lines or commits of a bundle. It grows with tenants and epochs (about half
a kilobyte each), and with what is given by --checkpoint and --receipts.";

/// Verify an exported audit log of Strongroom, offline
///
/// Reads a bundle that `strongroom audit export` wrote, of one tenant or of a whole deployment, and holds every
/// line, hash, commit, signature and certificate in it against one root key. Needs no deployment, no device and
/// no network, and believes nothing else that the bundle says.
#[derive(Debug, Parser)]
#[command(name = "strongroom-verify", version, after_help = EXAMPLES, max_term_width = 110)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    /// The bundle, or - for stdin
    #[arg(required_unless_present_any = ["codes", "completion"])]
    pub(crate) bundle: Option<PathBuf>,
    /// The root key: the vkey that `strongroom init` printed, or the public key in hex
    ///
    /// A vkey is good for its own deployment; the bare public key for whatever deployment the bundle says it is.
    /// Without this or --root-file, STRONGROOM_ROOT_KEY has it.
    // Not clap's `env`: it would count as typed, and a flag is to go before the environment.
    #[arg(long, value_name = "VKEY", conflicts_with = "root_file")]
    pub(crate) root: Option<String>,
    /// A file that holds the root key
    #[arg(long, value_name = "FILE")]
    pub(crate) root_file: Option<PathBuf>,
    /// Checkpoints kept from before, one after the other; may be given again
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
    /// Receipts kept from before; may be given again
    ///
    /// JSON documents, one after the other: receipts, lists of them, or whole replies that have one.
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Vec<PathBuf>,
    /// Keep the newest checkpoint in this file, if all is well
    #[arg(long, value_name = "FILE")]
    pub(crate) save_checkpoint: Option<PathBuf>,
    /// How the report is written: text or json
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) output: Format,
    /// List the codes of findings and what each means
    #[arg(long, exclusive = true)]
    pub(crate) codes: bool,
    /// Print the completion script of a shell: bash, zsh, fish, …
    #[arg(long, value_name = "SHELL", exclusive = true, hide_possible_values = true)]
    pub(crate) completion: Option<Shell>,
}

/// How the report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
