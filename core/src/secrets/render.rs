//! Rendering a template with secrets: all of them read in one operation.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    Secrets, Version, find,
    get::{demand_readable, open_version},
};
use crate::{
    Code, Error, Result, SecretPath,
    audit::Receipt,
    keys::PseudonymKind,
    room::{LineFacts, Part},
    transfer::template::Template,
};

/// A document with secrets in it.
pub struct Rendered {
    /// The text, for as short a time as possible: it is wiped when dropped.
    pub document: Zeroizing<Vec<u8>>,
    /// Which secrets are in it, sorted by path, and their versions.
    pub secrets: Vec<(SecretPath, Version)>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendered").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Puts the current values of secrets into the places of a template.
    ///
    /// Each secret that is read has a line `secret.get`, and all of them are in one commit.
    ///
    /// # Errors
    /// What [`Secrets::get`] says, with the line of the template; `TemplateInvalid` for a value that does not fit where it
    /// should go; `TemplateTooLarge`. There is a document with all of the secrets, or none.
    pub async fn render(&self, template: &Arc<Template>) -> Result<Rendered> {
        let (secrets, template) = (self.clone(), Arc::clone(template));
        let ((document, secrets), receipt) = self
            .room
            .operate("secret.render", &self.target(), &self.context, move |step| {
                let mut values = HashMap::new();
                for place in template.placeholders() {
                    let hash_map::Entry::Vacant(free) = values.entry(place.path.clone()) else { continue };
                    let at_line = |error: Error| {
                        let more = error.details().map_or_else(String::new, |more| format!(": {more}"));
                        let detail = format!("line {}: {}{more}", place.line, place.path);
                        error.detail(detail)
                    };
                    let path = secrets.full(&place.path).map_err(at_line)?;
                    step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                    let row = find(step, &path)?.ok_or_else(|| at_line(Code::SecretNotFound.into()))?;
                    demand_readable(&row, step.now).map_err(at_line)?;
                    let (value, _) = open_version(step, &row, row.current).map_err(at_line)?;
                    step.version(row.current);
                    let line = LineFacts { object: step.line.object.take(), ..LineFacts::default() };
                    step.parts.push(Part { act: "secret.get", line, elsewhere: None });
                    free.insert((value, Version(row.current)));
                }
                let document = template.fill(|path| Ok(&values.get(path).ok_or(Code::Internal)?.0))?;
                let mut read: Vec<_> = values.into_iter().map(|(path, (_, version))| (path, version)).collect();
                read.sort();
                step.line.count = Some(read.len() as u64);
                step.line.detail = Some(template.hash());
                Ok((document, read))
            })
            .await?;
        Ok(Rendered { document, secrets, receipt })
    }
}
