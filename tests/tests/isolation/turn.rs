//! One call: who asks whom for what, and whether what came is what the tenant's model says.

use std::{fmt::Debug, path::Path};

use strongroom::{ActingTenant, Admin, Code, Error, Folder, SecretPath, SecretValue, Secrets, Strongroom, ValueKind};

use crate::{
    chance::Chance,
    model::{Model, Object, Secret, Told, Value, told},
};

/// The paths that all tenants use; those that are no twins add their name.
const PATHS: [&str; 10] =
    ["a", "b", "app/key", "app/db/user", "app/db/password", "dev/a", "dev/x/y", "dev/x/z", "made/k", "made/k.pub"];
const FOLDERS: [&str; 6] = ["", "app", "app/db", "dev", "dev/x", "none"];
/// The folder of the one environment.
pub(crate) const ENVIRONMENT: &str = "dev";

/// A call under way.
pub(crate) struct Turn<'w> {
    pub(crate) room: &'w Strongroom,
    pub(crate) chance: &'w mut Chance,
    pub(crate) model: &'w mut Model,
    /// What the call goes to: the model's tenant, unless the test is told to be wrong.
    pub(crate) acting: ActingTenant,
    pub(crate) admin: Admin,
    pub(crate) actor: String,
    /// Whether `acting` is confined to the environment.
    pub(crate) is_confined: bool,
    /// Where a file can be written.
    pub(crate) folder: &'w Path,
    /// What only other tenants' data and names have in them.
    pub(crate) foreign: &'w [String],
    /// The name of a tenant with other paths, and what of its the caller named himself.
    pub(crate) stranger: &'w str,
    pub(crate) given: Option<&'w str>,
    /// Lines that the deployment's own log got.
    pub(crate) sys_lines: u64,
    /// What is to expire does so after this time at least, and less than twice as long, in microseconds.
    pub(crate) lifetime: u64,
}

impl Turn<'_> {
    pub(crate) fn secrets(&self) -> Secrets {
        self.acting.secrets()
    }

    /// A path as this tenant has some, and the whole of it.
    pub(crate) fn own_path(&mut self) -> (SecretPath, String) {
        if self.chance.once_in(3)
            && let Some(there) = self.path_that_is_there()
        {
            return there;
        }
        let suffix = if self.model.is_twin { String::new() } else { format!(".{}", self.model.name) };
        self.path_with(&suffix)
    }

    /// Mostly a path at which there is nothing.
    pub(crate) fn free_path(&mut self) -> (SecretPath, String) {
        let mut path = self.own_path();
        for _ in 0..3 {
            if !self.model.secrets.contains_key(&path.1) {
                break;
            }
            path = self.own_path();
        }
        path
    }

    /// A path to ask for: now and then one that only another tenant has.
    pub(crate) fn path(&mut self) -> (SecretPath, String) {
        if !self.chance.once_in(5)
            && let Some(there) = self.path_that_is_there()
        {
            return there;
        }
        if !self.chance.once_in(2) {
            return self.own_path();
        }
        self.given = Some(self.stranger);
        let suffix = format!(".{}", self.stranger);
        self.path_with(&suffix)
    }

    /// The path of a secret as it is wanted, if there is one; now and then any.
    pub(crate) fn path_where(&mut self, is_wanted: fn(&Secret) -> bool) -> (SecretPath, String) {
        let wanted = if self.chance.once_in(4) { None } else { self.path_among(is_wanted) };
        wanted.unwrap_or_else(|| self.path())
    }

    fn path_that_is_there(&mut self) -> Option<(SecretPath, String)> {
        self.path_among(|_| true)
    }

    fn path_among(&mut self, is_wanted: fn(&Secret) -> bool) -> Option<(SecretPath, String)> {
        let is_seen = |path: &str| !self.is_confined || in_environment(path);
        let wanted = self.model.secrets.iter().filter(|(path, secret)| is_seen(path) && is_wanted(secret));
        let there: Vec<_> = wanted.map(|(path, _)| path.clone()).collect();
        let whole = there.get(self.chance.below(there.len().max(1)))?.clone();
        Some((self.relative(&whole).parse().unwrap(), whole))
    }

    fn path_with(&mut self, suffix: &str) -> (SecretPath, String) {
        let mut paths = PATHS.to_vec();
        if self.is_confined {
            paths.retain(|path| in_environment(path));
        }
        let whole = format!("{}{suffix}", self.chance.one_of(&paths));
        (self.relative(&whole).parse().unwrap(), whole)
    }

    /// A folder to ask for, and the whole of it.
    pub(crate) fn folder(&mut self) -> (Folder, String) {
        let mut folders = FOLDERS.to_vec();
        if self.is_confined {
            folders.retain(|folder| *folder == ENVIRONMENT || in_environment(folder));
        }
        let whole = self.chance.one_of(&folders).to_owned();
        (self.relative(&whole).parse().unwrap(), whole)
    }

    /// The whole folder that the caller is confined to, as he says it, and the whole of it.
    pub(crate) fn everything(&self) -> (Folder, String) {
        (Folder::root(), self.confined_to().to_owned())
    }

    /// As the caller says it.
    pub(crate) fn relative<'p>(&self, whole: &'p str) -> &'p str {
        if self.is_confined { whole[ENVIRONMENT.len()..].trim_start_matches('/') } else { whole }
    }

    /// The whole folder that the caller is confined to.
    pub(crate) fn confined_to(&self) -> &'static str {
        if self.is_confined { ENVIRONMENT } else { "" }
    }

    /// A word that twins have in common and others have alone.
    pub(crate) fn word(&mut self) -> String {
        let word = self.chance.one_of(&["red", "green", "blue"]);
        if self.model.is_twin { word.to_owned() } else { format!("{word} of {}", self.model.name) }
    }

    /// A value: text, or an object of two members.
    pub(crate) fn value(&mut self) -> Value {
        let word = self.word();
        if self.chance.once_in(2) { Value::Known(ValueKind::Text, word) } else { object(&word, "1") }
    }

    /// A version, which mostly is there.
    pub(crate) fn version(&mut self, whole: &str) -> u64 {
        let there: Vec<_> = match self.model.secrets.get(whole) {
            Some(secret) if !self.chance.once_in(6) => secret.versions.keys().copied().collect(),
            secret => vec![
                secret.map_or(1, |secret| secret.oldest().saturating_sub(1)),
                1 + secret.map_or(1, |secret| secret.latest),
            ],
        };
        there[self.chance.below(there.len())]
    }

    /// A moment at which something expires; now and then one that is over, which is refused.
    pub(crate) fn moment(&mut self) -> u64 {
        let until = self.lifetime + self.chance.below(usize::try_from(self.lifetime).unwrap()) as u64;
        if self.chance.once_in(6) { self.model.now } else { self.model.now + until }
    }

    /// Now and then a version to expect as current, and now and then the wrong one.
    pub(crate) fn expected(&mut self, whole: &str) -> Option<u64> {
        let current = self.model.secrets.get(whole).map_or(0, |secret| secret.current);
        self.chance.once_in(3).then(|| if self.chance.once_in(3) { current + 1 } else { current })
    }

    /// Holds what came against what the model says, and writes the lines down that there must be. Whether it was done.
    pub(crate) fn settle<W: Debug, G: Debug>(
        &mut self,
        act: &'static str,
        object: Object,
        want: Result<W, Code>,
        got: Result<G, Error>,
        agree: impl FnOnce(&mut Self, W, G) -> Vec<Told>,
    ) -> bool {
        let want = self.model.admit().and(want);
        match (want, got) {
            (Ok(want), Ok(got)) => {
                self.see(&format!("{got:?}"));
                let told = agree(self, want, got);
                told.into_iter().for_each(|told| self.add(told, "ok"));
                self.model.allowed += 1;
                true
            }
            (Err(want), Err(got)) => {
                self.see(&format!("{got:?} {got}"));
                assert_eq!(got.code(), want, "{act}: {got}");
                // Of a tenant that is absent nothing is counted.
                if want != Code::TenantNotFound {
                    self.model.refused += 1;
                }
                if self.model.admit().is_err() {
                    self.sys_lines += 1;
                } else {
                    self.add(told(act, object), want.name());
                }
                false
            }
            (want, got) => panic!("{act} of {}: the model says {want:?}, and what came is {got:?}", self.model.name),
        }
    }

    /// Adds a line that the tenant's log must have got.
    pub(crate) fn add(&mut self, told: Told, code: &'static str) {
        let line = told.by(&self.actor, code);
        self.model.lines.push(line);
    }

    /// Nothing that only another tenant has may be in what was given.
    pub(crate) fn see(&self, text: &str) {
        for word in self.foreign.iter().filter(|word| Some(word.as_str()) != self.given) {
            // As `contains`, which takes its time where nothing is optimised.
            let found = memchr::memmem::find(text.as_bytes(), word.as_bytes());
            assert!(found.is_none(), "{} is given what is of {word}: {text}", self.model.name);
        }
    }

    /// A value that was given is that of the model, or becomes it if it was made and nobody saw it so far.
    pub(crate) fn same(&mut self, whole: &str, version: u64, want: &Value, got: &SecretValue) {
        let text = got.expose(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        self.see(&text);
        match want {
            Value::Known(kind, known) => assert_eq!((got.kind(), &text), (*kind, known), "{whole} {version}"),
            Value::Unseen(bytes) => {
                assert!(text.len() == 36 || text.contains("PRIVATE KEY"), "{whole}: that was not made there");
                assert_eq!(text.len(), *bytes, "{whole} {version}");
                let secret = self.model.secrets.get_mut(whole).unwrap();
                secret.versions.get_mut(&version).unwrap().value = Value::Known(got.kind(), text);
            }
        }
    }
}

fn in_environment(path: &str) -> bool {
    path.strip_prefix(ENVIRONMENT).is_some_and(|rest| rest.starts_with('/'))
}

/// A JSON value that a patch can change.
pub(crate) fn object(a: &str, b: &str) -> Value {
    Value::Known(ValueKind::Json, format!(r#"{{"a":"{a}","b":"{b}"}}"#))
}

/// As it is put.
pub(crate) fn secret_value(value: &Value) -> SecretValue {
    match value {
        Value::Known(ValueKind::Json, text) => SecretValue::json(text.as_str()).unwrap(),
        Value::Known(_, text) => SecretValue::text(text.as_str()).unwrap(),
        Value::Unseen(_) => unreachable!("it is made elsewhere"),
    }
}
