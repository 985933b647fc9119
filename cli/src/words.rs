//! The words of `secret`, in groups: there are too many to look through one by one.
//!
//! `clap` lists the words of a noun in one column. Here that list is written anew, with the words' own first lines.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _, builder::styling::Style};

use crate::args::Cli;

/// What somebody may want, and the words for that, in the order of a secret's life.
const SECRET: [(&str, &[&str]); 7] = [
    ("Read and write", &["put", "get", "patch", "import", "export"]),
    ("Look", &["list", "search", "show", "versions", "history", "usage"]),
    ("Rotate without an outage", &["promote", "try"]),
    ("Change what is said of it", &["update", "extend"]),
    ("Put it elsewhere", &["copy", "move"]),
    ("Keep it from being read, and take that back", &["disable", "enable", "archive", "unarchive"]),
    ("Delete, bring back, delete for ever", &["delete", "undelete", "destroy"]),
];

/// What can be typed, with its help.
pub(crate) fn command() -> Command {
    Cli::command().mut_subcommand("secret", |secret| {
        let words = in_groups(&secret, &SECRET);
        let (heading, plain) = (Style::new().bold().underline(), Style::new());
        secret.help_template(format!(
            "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{words}\n{heading}Global options:{heading:#}\n{plain}{{options}}{{after-help}}"
        ))
    })
}

/// What `--help` says, briefly, of a command such as `strongroom secret`.
pub(crate) fn help_of(name: &str) -> Option<String> {
    let mut command = command();
    // Builds the names and the global options of what is below.
    command.build();
    let mut found = &mut command;
    for word in name.split(' ').skip(1) {
        found = found.find_subcommand_mut(word)?;
    }
    Some(found.render_help().ansi().to_string())
}

/// The words under their groups, each with its first line.
fn in_groups(noun: &Command, groups: &[(&str, &[&str])]) -> String {
    let (heading, word) = (Style::new().bold().underline(), Style::new().bold());
    let width = groups.iter().flat_map(|(_, words)| *words).map(|word| word.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (group, words) in groups {
        let _ = writeln!(text, "\n{heading}{group}:{heading:#}");
        for name in *words {
            let about = noun.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_default();
            let _ = writeln!(text, "  {word}{name:width$}{word:#}  {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_one_group() {
        let cli = Cli::command();
        let secret = cli.find_subcommand("secret").unwrap();
        let mut there: Vec<_> = secret.get_subcommands().map(Command::get_name).collect();
        let mut grouped: Vec<_> = SECRET.iter().flat_map(|(_, words)| *words).copied().collect();
        there.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(there, grouped);
        let help = command().find_subcommand_mut("secret").unwrap().render_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 110, "{line}");
        }
    }

    /// Of all words: a first line that fits beside them, and examples, each of which can be typed.
    #[test]
    fn every_word_has_examples_that_can_be_typed() {
        let mut untold = vec![command()];
        while let Some(noun) = untold.pop() {
            for word in noun.get_subcommands() {
                untold.push(word.clone());
                if word.has_subcommands() {
                    continue;
                }
                let name = format!("{} {}", noun.get_name(), word.get_name());
                let help = word.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n  "), "{name}: no examples");
                assert!(
                    help.lines().any(|line| line.contains(&format!("{} ", word.get_name()))),
                    "{name}: not its own"
                );
            }
        }
    }
}
