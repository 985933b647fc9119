//! Adding, removing and listing anchors, in the name of an operator.

use super::{AnchorPlace, AnchorStatus, Examined, WriteMode, examine, from_settings, to_settings};
use crate::{
    Code, Config, Error, Result,
    audit::Receipt,
    keys::PseudonymKind,
    room::{Admin, Room, Step, Target, change_of},
    store::{Change, TenantNumber, TenantRow},
};

/// All anchors of a deployment.
#[derive(Clone, Debug)]
pub struct Anchors {
    /// Those that are recorded, by name.
    pub anchors: Vec<AnchorStatus>,
    /// Proof that the access was recorded.
    pub receipt: Receipt,
}

impl Admin {
    /// Adds an anchor: its file is made, then the deployment records it, then `config.toml` names it. A file of this
    /// deployment that is there already goes on if the log begins with what it remembers.
    ///
    /// A process that has the deployment open already does not write it; each that is opened later does.
    ///
    /// # Errors
    /// `AnchorNameInvalid`, `AnchorExists`, `AnchorLimit`; `AnchorMissing` if its folder is not there,
    /// `AnchorUnusable`; `AnchorForeign`, `AnchorInvalid` or `LogRolledBack` for what is there already.
    pub async fn add_anchor(&self, place: &AnchorPlace) -> Result<Receipt> {
        let (keepers, new) = (std::sync::Arc::clone(&self.room.anchors), place.clone());
        let known = keepers.status().iter().any(|status| status.place == *place);
        let outside = self.room.home.as_ref().map_or(Ok(()), |home| place.demand_outside(home.folder()));
        // Blocking work belongs on a thread of ours. What comes of it is recorded with the operation.
        let made = match (known, outside) {
            (true, _) => Err(Error::new(Code::AnchorExists).detail(place.to_string())),
            (_, Err(error)) => Err(error),
            _ => self.room.readers.run(move |_| make(&keepers, &new)).await,
        };
        let new = place.clone();
        let recorded = self
            .room
            .operate("anchor.add", &Target::Sys, &self.context, move |step| {
                step.name(PseudonymKind::Anchor, new.to_string().as_bytes())?;
                made.as_ref().map_err(Error::again)?;
                let mut anchors = from_settings(&step.tenant.settings)?;
                anchors.push(new.clone());
                set(step, &anchors)
            })
            .await;
        match recorded {
            Ok(((), receipt)) => {
                self.room.name_anchors().await?;
                Ok(receipt)
            }
            Err(error) => {
                if !known {
                    self.room.anchors.stop(place);
                }
                Err(error)
            }
        }
    }

    /// Removes an anchor: nobody asks for it any more. Its file stays, as what it is: evidence.
    ///
    /// # Errors
    /// `AnchorNotFound`.
    pub async fn remove_anchor(&self, place: &AnchorPlace) -> Result<Receipt> {
        let old = place.clone();
        let ((), receipt) = self
            .room
            .operate("anchor.remove", &Target::Sys, &self.context, move |step| {
                step.name(PseudonymKind::Anchor, old.to_string().as_bytes())?;
                let mut anchors = from_settings(&step.tenant.settings)?;
                let before = anchors.len();
                anchors.retain(|anchor| *anchor != old);
                if anchors.len() == before {
                    return Err(Error::new(Code::AnchorNotFound).detail(old.to_string()));
                }
                set(step, &anchors)
            })
            .await?;
        let (keepers, old) = (std::sync::Arc::clone(&self.room.anchors), place.clone());
        self.room
            .readers
            .run(move |_| {
                keepers.stop(&old);
                Ok(())
            })
            .await?;
        self.room.name_anchors().await?;
        Ok(receipt)
    }

    /// Lists the anchors that are recorded, and how each is as far as this process writes it.
    ///
    /// # Errors
    /// `Integrity`.
    pub async fn list_anchors(&self) -> Result<Anchors> {
        let (recorded, receipt) = self
            .room
            .operate("anchor.list", &Target::Sys, &self.context, |step| {
                let deployment = step.snapshot.deployment()?.ok_or(Code::Integrity)?;
                step.keys.check_row(&deployment)?;
                from_settings(&step.tenant.settings)
            })
            .await?;
        let written = self.room.anchors.status();
        let status = |place: AnchorPlace| {
            let known = written.iter().find(|status| status.place == place).cloned();
            // Added by another process since this one opened the deployment.
            known.unwrap_or(AnchorStatus { place, generation: 0, commits: 0, current_at: None, failing: None })
        };
        Ok(Anchors { anchors: recorded.into_iter().map(status).collect(), receipt })
    }
}

impl Room {
    /// Has `config.toml` name the anchors that are recorded. The rest of it stays, but for comments.
    async fn name_anchors(&self) -> Result<()> {
        let Some(home) = self.home.clone() else { return Ok(()) };
        self.readers
            .run(move |store| {
                let sys = store.snapshot()?.tenant(TenantNumber::SYS)?.ok_or(Code::Integrity)?;
                let config = Config { anchors: from_settings(&sys.settings)?, ..home.config()? };
                home.write_config(&config)
            })
            .await
    }
}

/// Makes the file of a new anchor, or takes up the one that is there.
fn make(keepers: &super::Keepers, place: &AnchorPlace) -> Result<()> {
    match examine(place, keepers.facts()) {
        Ok(Examined::Begins(_)) => {}
        Ok(Examined::Beyond(_, error)) => return Err(error),
        Err(error) if error.code() == Code::AnchorMissing => {}
        Err(error) => return Err(error),
    }
    let written = keepers.start(place, WriteMode::Create)?;
    if written.is_err() {
        keepers.stop(place);
    }
    written
}

/// Changes which anchors the row of `sys` names.
fn set(step: &mut Step<'_>, anchors: &[AnchorPlace]) -> Result<()> {
    let row = with_anchors(step, anchors)?;
    step.line.row = Some(change_of(&row));
    step.changes.push(Change::UpdateTenant(row));
    Ok(())
}

/// The row of `sys` that names these anchors.
pub(crate) fn with_anchors(step: &Step<'_>, anchors: &[AnchorPlace]) -> Result<TenantRow> {
    let mut row =
        TenantRow { settings: to_settings(anchors)?, revision: step.tenant.revision + 1, ..step.tenant.clone() };
    row.mac = step.keys.row_mac(&row)?;
    Ok(row)
}
