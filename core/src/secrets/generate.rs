//! Generating a secret: made where it is stored, so that nobody has to see it.

use super::{Put, Secrets, Version, put};
use crate::{Error, Generate, Result, SecretPath, SecretValue, audit::Receipt, keys::PseudonymKind, room::Part};

/// What became of a generated secret. Its value is not in here: whoever needs it gets it, which is recorded.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The version that now is current.
    pub version: Version,
    /// The public part, if there is one.
    pub public: Option<GeneratedPublic>,
    /// Proof that it was recorded.
    pub receipt: Receipt,
}

/// The public key of a generated pair.
#[derive(Clone, Debug)]
pub struct GeneratedPublic {
    /// Where it is stored too: the private key's path with `.pub` at its end.
    pub path: SecretPath,
    /// The version there.
    pub version: Version,
    /// The key, as PEM.
    pub pem: String,
}

impl Secrets {
    /// Makes a value and stores it as the new current version of the secret at this path.
    ///
    /// The public key of a pair is put at the same path with `.pub` at its end, in the same transaction. [`Put::expect`] is
    /// about the secret at the path itself; with `Version(0)` there may be no public key yet either. Description and
    /// labels are for both.
    ///
    /// # Errors
    /// As for [`Secrets::put`]; `PathInvalid` if there is no room for the `.pub`.
    pub async fn generate(&self, path: &SecretPath, what: &Generate, options: Put) -> Result<Generated> {
        let full = self.full(path);
        let public_path = match what.has_public_part() {
            true => Some(path.parent().join(&format!("{}.pub", path.name()))),
            false => None,
        };
        let full_public = match &public_path {
            Some(Ok(path)) => Some(self.full(path)),
            Some(Err(error)) => Some(Err(error.again())),
            None => None,
        };
        let detail = strongroom_log::sha256(what.to_string().as_bytes());
        let what = what.clone();
        let ((version, public), receipt) = self
            .room
            .operate("secret.generate", &self.target(), &self.context, move |step| {
                let path = full.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let named = step.line.object;
                let public_path = full_public.as_ref().map(|path| path.as_ref().map_err(Error::again)).transpose()?;
                let made = what.make(step.random())?;
                let mut folders = put::Folders::default();
                let planned = put::plan(step, path, &made.value, &options, &mut folders)?;
                let version = planned.version;
                step.changes.push(planned.change);
                step.parts.push(Part { act: "secret.put", line: planned.line, elsewhere: None });
                let mut public = None;
                if let (Some(path), Some(pem)) = (public_path, made.public) {
                    let value = SecretValue::text(pem.as_str())?;
                    let planned = put::plan(step, path, &value, &options.for_another(), &mut folders);
                    step.line.object = named;
                    let planned = planned.map_err(|error| {
                        let detail = error.details().map_or_else(|| path.to_string(), |more| format!("{path}: {more}"));
                        error.detail(detail)
                    })?;
                    step.changes.push(planned.change);
                    step.parts.push(Part { act: "secret.put", line: planned.line, elsewhere: None });
                    public = Some((planned.version, pem));
                }
                step.line.object = named;
                step.version(version.0);
                step.line.count = Some(step.parts.len() as u64);
                step.line.detail = Some(detail);
                Ok((version, public))
            })
            .await?;
        let public = match (public_path, public) {
            (Some(path), Some((version, pem))) => Some(GeneratedPublic { path: path?, version, pem }),
            _ => None,
        };
        Ok(Generated { version, public, receipt })
    }
}
