//! The anchors when a deployment is opened: each is read and compared with the log before anything is served.

use super::{OpenOptions, Strongroom, operation::Target};
use crate::{
    AnchorPlace, Code, Context, Error, Result,
    anchor::{Examined, Facts, Knowledge, WriteMode, examine},
    keys::PseudonymKind,
};

/// What is done about anchors that are not as they should be. Default: refuse.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnchorPolicy {
    /// Opens without those that are missing or cannot be used, in this operator's name.
    pub(super) accepts: Option<Context>,
    /// The database was just restored.
    pub(super) restored: Option<Restored>,
}

/// A restore, which may replace what an anchor remembers.
#[derive(Clone, Debug)]
pub(crate) struct Restored {
    pub(crate) context: Context,
    /// The anchors were chosen for this restore, so their files need not be there.
    pub(crate) makes: bool,
}

/// What becomes of one anchor.
enum Verdict {
    /// The log begins with what it remembers.
    GoOn,
    /// It was chosen just now.
    Make,
    /// Opened without it.
    Accept(Context),
    /// A restore goes on without what it remembers.
    Replace(Context, Knowledge),
}

impl Strongroom {
    /// Checks the anchors that are recorded and those that `config.toml` names, and starts to write them.
    ///
    /// One that remembers what the log does not have goes before everything else that may be wrong.
    pub(super) async fn begin_anchors(&self, recorded: &[AnchorPlace], policy: &AnchorPolicy) -> Result<()> {
        let configured = match self.room.home.as_ref().map(crate::Deployment::config) {
            None => recorded.to_vec(),
            Some(Ok(config)) => config.anchors,
            // Without the file there was never a list in it.
            Some(Err(error)) if matches!(error.code(), Code::DeploymentMissing | Code::DeploymentUnfinished) => {
                Vec::new()
            }
            Some(Err(error)) => return Err(error),
        };
        let is_recorded = |place: &&AnchorPlace| recorded.contains(place);
        let unrecorded: Vec<_> = configured.iter().filter(|place| !is_recorded(place)).cloned().collect();
        let verdicts = judge(recorded, self.room.anchors.facts(), policy);
        let others = judge(&unrecorded, self.room.anchors.facts(), policy);
        for verdicts in [&verdicts, &others] {
            if let Err(error) = verdicts
                && error.code() == Code::LogRolledBack
            {
                return Err(error.again());
            }
        }
        if !unrecorded.is_empty() || !recorded.iter().all(|place| configured.contains(place)) {
            let names: Vec<_> = recorded.iter().map(ToString::to_string).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Error::new(Code::AnchorSetChanged).detail(format!("recorded: {names}")));
        }
        for (place, verdict) in recorded.iter().zip(verdicts?) {
            self.begin_anchor(place, verdict, policy).await?;
        }
        Ok(())
    }

    async fn begin_anchor(&self, place: &AnchorPlace, verdict: Verdict, policy: &AnchorPolicy) -> Result<()> {
        let anchors = &self.room.anchors;
        match verdict {
            Verdict::GoOn => match anchors.start(place, WriteMode::Advance)? {
                Ok(()) => Ok(()),
                // It can be read and not written.
                Err(error) => match &policy.accepts {
                    Some(context) if is_accepted(&error) => self.record_accepted(place, context).await,
                    _ => Err(error),
                },
            },
            Verdict::Make => anchors.start(place, WriteMode::Create)?,
            Verdict::Accept(context) => {
                self.record_accepted(place, &context).await?;
                // Made again if it can be. If not, the status says so for as long as that is so.
                let _ = anchors.start(place, WriteMode::Create)?;
                Ok(())
            }
            Verdict::Replace(context, knowledge) => {
                self.record_replaced(place, &context, knowledge).await?;
                anchors.start(place, WriteMode::Replace)?
            }
        }
    }

    async fn record_accepted(&self, place: &AnchorPlace, context: &Context) -> Result<()> {
        let name = place.to_string();
        self.room
            .operate("anchor.accept", &Target::Sys, context, move |step| {
                step.name(PseudonymKind::Anchor, name.as_bytes())
            })
            .await?;
        Ok(())
    }

    /// The line names how many commits it remembered, and the hash of its file.
    async fn record_replaced(&self, place: &AnchorPlace, context: &Context, knowledge: Knowledge) -> Result<()> {
        let name = place.to_string();
        self.room
            .operate("anchor.replace", &Target::Sys, context, move |step| {
                step.name(PseudonymKind::Anchor, name.as_bytes())?;
                step.version(knowledge.size);
                step.line.detail = Some(knowledge.hash);
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Refuses a restore whose anchors would refuse to open, before the database is put in its place.
    pub(crate) fn demand_anchors(&self, places: &[AnchorPlace], options: &OpenOptions) -> Result<()> {
        judge(places, self.room.anchors.facts(), &options.anchors).map(drop)
    }
}

/// What becomes of each, in order; or why nothing is opened: of several reasons, what goes back in time.
fn judge(places: &[AnchorPlace], facts: &Facts, policy: &AnchorPolicy) -> Result<Vec<Verdict>> {
    let (mut verdicts, mut refused) = (Vec::new(), None);
    for place in places {
        match judge_one(place, facts, policy) {
            Ok(verdict) => verdicts.push(verdict),
            Err(error) if error.code() == Code::LogRolledBack => return Err(error),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    refused.map_or(Ok(verdicts), Err)
}

fn judge_one(place: &AnchorPlace, facts: &Facts, policy: &AnchorPolicy) -> Result<Verdict> {
    let restored = policy.restored.as_ref();
    match (examine(place, facts), restored) {
        (Ok(Examined::Begins(knowledge)), Some(restored)) if knowledge.generation < facts.origin.generation() => {
            Ok(Verdict::Replace(restored.context.clone(), knowledge))
        }
        (Ok(Examined::Begins(_)), _) => Ok(Verdict::GoOn),
        (Ok(Examined::Beyond(knowledge, _)), Some(restored)) => {
            Ok(Verdict::Replace(restored.context.clone(), knowledge))
        }
        (Ok(Examined::Beyond(_, error)), None) => Err(error),
        (Err(error), Some(restored)) if restored.makes && error.code() == Code::AnchorMissing => Ok(Verdict::Make),
        (Err(error), _) => match &policy.accepts {
            Some(context) if is_accepted(&error) => Ok(Verdict::Accept(context.clone())),
            _ => Err(error),
        },
    }
}

/// Whether a deployment can be told to open without an anchor like this.
fn is_accepted(error: &Error) -> bool {
    matches!(error.code(), Code::AnchorMissing | Code::AnchorUnusable | Code::AnchorInvalid | Code::AnchorForeign)
}
