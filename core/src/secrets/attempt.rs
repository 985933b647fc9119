//! Trying a value: the current one and, if that is rejected, the one before.
//!
//! While a password is rotated, the other side may still know the old one. Whoever tries both has to be on record for
//! both: a line says that they are about to be offered, before any is, and another one which of them was accepted.

use super::{
    Secrets, Stage, Version, find,
    get::{demand_readable, is_withheld, open_version},
};
use crate::{
    Code, Error, Result, SecretPath, SecretValue,
    audit::Receipt,
    clock::Timestamp,
    keys::PseudonymKind,
    room::{Named, Step},
};

/// Which value is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its version.
    pub version: Version,
    /// [`Stage::Current`], then [`Stage::Previous`].
    pub stage: Stage,
    /// When it was put.
    pub created_at: Timestamp,
}

/// What whoever was offered a value says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// It is the right one. What comes of it is in [`Tried::outcome`].
    Accept(T),
    /// It is the wrong one: the next is offered, if there is one.
    Reject,
    /// Nobody can tell, for instance because the other side is out of reach: no other is offered.
    Stop,
}

/// What became of values that were offered.
#[derive(Clone, Debug)]
pub struct Tried<T> {
    /// What the accepting side made of it.
    pub outcome: T,
    /// The one that was accepted.
    pub accepted: Offered,
    /// Proof that this was recorded.
    pub receipt: Receipt,
}

impl Secrets {
    /// Offers the current value and, if that is rejected, the previous one. Which was accepted is in the log.
    ///
    /// Before the first is offered, a line says that so many will be; a second line, of the same request, says which
    /// was accepted. If the process dies in between, that one says that nobody knows. A previous version that is not there, or
    /// cannot be read, is not offered.
    ///
    /// `check` may block, and does so where this future runs; for what is asynchronous there is
    /// [`Secrets::try_current_async`].
    ///
    /// ```no_run
    /// # struct Database;
    /// # enum Refusal { WrongPassword, Unreachable }
    /// # fn connect(_: &[u8]) -> Result<Database, Refusal> { Ok(Database) }
    /// # async fn f(secrets: strongroom::Secrets) -> strongroom::Result<()> {
    /// use strongroom::Verdict;
    ///
    /// let tried = secrets
    ///     .try_current(&"prod/db/password".parse()?, |password, _| match password.expose(connect) {
    ///         Ok(database) => Verdict::Accept(database),
    ///         Err(Refusal::WrongPassword) => Verdict::Reject,
    ///         Err(Refusal::Unreachable) => Verdict::Stop,
    ///     })
    ///     .await?;
    /// println!("version {} is what the database knows", tried.accepted.version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `TryRejected` if none was accepted, `TryStopped` for [`Verdict::Stop`]; for the current version as
    /// [`Secrets::get`].
    pub async fn try_current<T>(
        &self,
        path: &SecretPath,
        mut check: impl FnMut(&SecretValue, Offered) -> Verdict<T>,
    ) -> Result<Tried<T>> {
        self.try_current_async(path, async |value: &SecretValue, offered| check(value, offered)).await
    }

    /// As [`Secrets::try_current`], with an asynchronous check. A future that is dropped before its end leaves a line
    /// without a result, until this process has ended.
    ///
    /// # Errors
    /// As there.
    pub async fn try_current_async<T>(
        &self,
        path: &SecretPath,
        mut check: impl AsyncFnMut(&SecretValue, Offered) -> Verdict<T>,
    ) -> Result<Tried<T>> {
        let (path, context) = (self.full(path), self.room.one_request(&self.context)?);
        let ((object, values), _) = self
            .room
            .operate("secret.try", &self.target(), &context, move |step| {
                let path = path.as_ref().map_err(Error::again)?;
                step.name(PseudonymKind::Secret, path.as_str().as_bytes())?;
                let object = step.line.object;
                let values = offer(step, path)?;
                step.line.count = Some(values.len() as u64);
                step.begins_effect();
                Ok((object, values))
            })
            .await?;
        let (mut told, mut offers) = (Err(Code::TryRejected), 0);
        for (value, offered) in values {
            offers += 1;
            told = match check(&value, offered).await {
                Verdict::Accept(outcome) => Ok((outcome, offered)),
                Verdict::Reject => continue,
                Verdict::Stop => Err(Code::TryStopped),
            };
            break;
        }
        let recorded = told.as_ref().map(|(_, offered)| offered.version.0).map_err(|code| *code);
        let result = self
            .room
            .operate("secret.try", &self.target(), &context.ending_effect(), move |step| {
                step.ends_effect();
                let version = recorded.ok();
                step.line.object = object.map(|object| Named { version, ..object });
                step.line.count = Some(offers);
                recorded.map(drop).map_err(Error::from)
            })
            .await;
        match (told, result) {
            (Ok((outcome, accepted)), Ok(((), receipt))) => Ok(Tried { outcome, accepted, receipt }),
            (_, Err(error)) => Err(error),
            (Err(code), Ok(_)) => Err(code.into()),
        }
    }
}

/// The values to offer, in this order.
fn offer(step: &mut Step<'_>, path: &SecretPath) -> Result<Vec<(SecretValue, Offered)>> {
    let row = find(step, path)?.ok_or(Code::SecretNotFound)?;
    demand_readable(&row, step.now)?;
    step.version(row.current);
    let (value, created_at) = open_version(step, &row, row.current)?;
    let mut values = vec![(value, Offered { version: Version(row.current), stage: Stage::Current, created_at })];
    if let Some(previous) = row.previous.filter(|previous| *previous != row.current) {
        match open_version(step, &row, previous) {
            Ok((value, created_at)) => {
                values.push((value, Offered { version: Version(previous), stage: Stage::Previous, created_at }));
            }
            Err(error) if is_withheld(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(values)
}
