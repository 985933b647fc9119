//! `render`: a template with secrets in it, written for one reader.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use serde::Serialize;
use strongroom::{Rendered, transfer::template::Template};

use crate::{
    app::App,
    failure::Failure,
    files::{Access, Target},
    input,
    output::{self, ReceiptJson},
};

/// Put secrets into a template, such as a configuration file
///
/// A placeholder is {{ secret "PATH" }}: the current value takes its place, exactly. So that it stays one value
/// where it is put, write {{ secret "PATH" | json }} for a string with its quotes in JSON, YAML or TOML, | shell for one
/// word of a shell, | url for a part of a URL, | base64 for binary values. {{ "{{" }} writes the braces themselves.
///
/// All secrets are read in one operation, each with a line in the log. If one is missing, nothing is written, and the
/// error names the line. A file has its mode and owner before anything is in it, and appears under its name
/// when it is complete and synced. With `-o json` and no --file, the receipt is the last line on stderr.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  printf 'url: postgres://app:{{ secret \"prod/db/password\" | url }}@db/app\\n' > app.yaml.in
  strongroom render app.yaml.in --file app.yaml --mode 0440 --owner root:app --force
  strongroom render app.yaml.in --check                   # whether every secret is there
  strongroom --environment prod render db.conf.in | ssh db 'cat > db.conf'")]
pub(crate) struct Render {
    /// The template; `-` is stdin
    template: PathBuf,
    /// Write to this new file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Mode of the file, in octal; never for everybody [default: 0600]
    #[arg(long, requires = "file")]
    mode: Option<String>,
    /// Owner of the file, by name or number, if the system lets you give it away [default: you]
    #[arg(long, requires = "file", value_name = "USER[:GROUP]")]
    owner: Option<String>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    force: bool,
    /// Write nothing, only say whether it could be rendered; the secrets are read, and that is recorded
    #[arg(long, conflicts_with_all = ["file", "mode", "owner", "force"])]
    check: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    bytes: usize,
    secrets: Vec<Used<'a>>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct Used<'a> {
    path: &'a str,
    version: u64,
}

impl Render {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let target = Target::new(self.file.as_deref(), self.force)?;
        let access = Access::parse(self.mode.as_deref(), self.owner.as_deref())?;
        app.tenant()?;
        app.context()?;
        let template = Arc::new(Template::parse(&input::read_template(&self.template)?)?);
        let rendered = app.in_secrets(async |secrets| Ok(secrets.render(&template).await?))?;
        if self.check {
            return app.out.done(&reply(&rendered, None), || note("could be rendered", &rendered));
        }
        target.write_for(access, &rendered.document)?;
        match target {
            // The document has stdout for itself: what is said about it goes to stderr, in JSON too.
            Target::Stdout if app.out.is_json() => {
                output::to_stderr(&serde_json::to_string(&reply(&rendered, None)).map_err(output::internal)?);
                Ok(())
            }
            Target::Stdout => {
                app.out.note(&note("rendered", &rendered));
                Ok(())
            }
            Target::File { path, .. } => {
                let file = path.display().to_string();
                app.out.done(&reply(&rendered, Some(file.clone())), || note(&format!("rendered {file}"), &rendered))
            }
        }
    }
}

fn reply(rendered: &Rendered, file: Option<String>) -> Reply<'_> {
    let secrets = rendered.secrets.iter().map(|(path, version)| Used { path: path.as_str(), version: version.0 });
    Reply { file, bytes: rendered.document.len(), secrets: secrets.collect(), receipt: (&rendered.receipt).into() }
}

fn note(what: &str, rendered: &Rendered) -> String {
    let secrets = output::count(rendered.secrets.len() as u64, "secret");
    format!("{what} with {secrets} {}", output::recorded(&rendered.receipt))
}
