//! One run of the program: whom it acts for, where the deployment is, how it answers.

use std::{env, path::PathBuf};

use strongroom::{
    ActingTenant, Actor, Context, Deployment, Environment, OpenOptions, Secrets, Strongroom, TenantId, limits,
};

use crate::{args::Global, failure::Failure, output::Output};

/// What the global options mean. Names are parsed when a command needs them.
pub(crate) struct App {
    global: Global,
    pub(crate) out: Output,
}

impl App {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        strongroom::harden_process()?;
        Ok(Self { global: global.clone(), out: Output::new(global.output) })
    }

    /// The data folder: flag, environment, then the place for a user's data.
    pub(crate) fn deployment(&self) -> Result<Deployment, Failure> {
        if let Some(folder) = &self.global.data {
            // Absolute, because it is shown to people and outlives this process's working folder in what they note down.
            return Ok(Deployment::at(std::path::absolute(folder).unwrap_or_else(|_| folder.clone())));
        }
        // The XDG specification: a path that is empty or not absolute is as good as none.
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
            .map(|folder| Deployment::at(folder.join("strongroom")))
            .ok_or_else(|| Failure::usage("there is no home folder to look in; give --data or STRONGROOM_DATA"))
    }

    /// Who acts, and in which request.
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        let actor = match &self.global.actor {
            Some(actor) => actor.parse()?,
            None => login_actor()?,
        };
        let context = Context::new(actor);
        match &self.global.request_id {
            Some(id) => Ok(context.request(id.parse()?)),
            None => Ok(context),
        }
    }

    /// The tenant that a command is about.
    pub(crate) fn tenant(&self) -> Result<TenantId, Failure> {
        match &self.global.tenant {
            Some(name) => Ok(name.parse()?),
            None => Err(Failure::usage("which tenant? Give --tenant NAME or set STRONGROOM_TENANT")),
        }
    }

    /// The tenant, if one is named.
    pub(crate) fn tenant_if_named(&self) -> Result<Option<TenantId>, Failure> {
        self.global.tenant.as_deref().map(|name| name.parse().map_err(Failure::from)).transpose()
    }

    /// How a command opens the deployment.
    pub(crate) fn options(&self) -> Result<OpenOptions, Failure> {
        let options = OpenOptions::default().short_lived();
        if self.global.accept_missing_anchor {
            Ok(options.accept_missing_anchors(self.context()?))
        } else {
            Ok(options)
        }
    }

    /// The environment, if one is named.
    pub(crate) fn environment(&self) -> Result<Option<Environment>, Failure> {
        self.global.environment.as_deref().map(|name| name.parse().map_err(Failure::from)).transpose()
    }

    /// Opens the deployment, works in it and closes it again, whatever comes of the work.
    ///
    /// A closing line that cannot be written takes nothing back: what was done is recorded already.
    pub(crate) fn in_room<T>(&self, work: impl AsyncFnOnce(&Strongroom) -> Result<T, Failure>) -> Result<T, Failure> {
        let deployment = self.deployment()?;
        let room = pollster::block_on(strongroom_hsm::open_deployment(&deployment, self.options()?))?;
        let outcome = pollster::block_on(work(&room));
        if let Err(error) = room.close() {
            tracing::warn!(
                code = error.code().name(),
                "the signing epoch was not closed in the log; it ends by itself"
            );
        }
        outcome
    }

    /// Works on the tenant's secrets, in the environment if one is named.
    pub(crate) fn in_secrets<T>(&self, work: impl AsyncFnOnce(Secrets) -> Result<T, Failure>) -> Result<T, Failure> {
        let (tenant, context, environment) = (self.tenant()?, self.context()?, self.environment()?);
        self.in_room(async |room| {
            let tenant: ActingTenant = room.tenant(&tenant).acting_as(context);
            let tenant = match environment {
                Some(environment) => tenant.environment(environment),
                None => tenant,
            };
            work(tenant.secrets()).await
        })
    }
}

/// `user:` and the login name, of which what may not stand in an actor's name becomes `_`.
fn login_actor() -> Result<Actor, Failure> {
    let login = whoami::username().unwrap_or_default();
    Ok(Actor::user(&sanitised(&login))?)
}

fn sanitised(login: &str) -> String {
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '`' | '\\');
    let name: String =
        login.chars().map(|c| if allowed(c) { c } else { '_' }).take(limits::ACTOR_NAME_BYTES_MAX).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_login_name_makes_an_actor() {
        let long = "x".repeat(200);
        for (login, want) in [
            ("anna", "anna"),
            ("anna.b@example.com", "anna.b@example.com"),
            ("Anna M\u{fc}ller", "Anna_M_ller"),
            ("a\"b\\c`'\n", "a_b_c___"),
            ("", "unknown"),
            (&long, &long[..128]),
        ] {
            let name = sanitised(login);
            assert_eq!(name, want, "case: {login:?}");
            assert!(Actor::user(&name).is_ok(), "case: {login:?}");
        }
    }
}
