//! `audit check-index`: whether queries can be relied on, and the indexes built anew.

use clap::Args;
use serde::Serialize;
use strongroom::{Code, Error, IndexReport};

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
    progress,
};

/// Compare the indexes of all logs with their lines, and build them anew
///
/// An index is what `audit query`, `stats` and `show` find lines with. It is no evidence, and the lines themselves are
/// what `audit verify` verifies. What differs is said, and the exit code is 8; with --repair it is built anew, from
/// the lines, and the exit code is 0. Others go on working meanwhile.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit check-index
  strongroom audit check-index --repair
  strongroom audit check-index -o json | jq -r '.findings[]'")]
pub(crate) struct CheckIndexArgs {
    /// Build anew what differs
    #[arg(long)]
    repair: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    ok: bool,
    lines: u64,
    findings: &'a [String],
    findings_omitted: u64,
    repaired: bool,
    receipt: ReceiptJson<'a>,
}

impl CheckIndexArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let context = app.context()?;
        let spinner = progress::spinner("comparing");
        let report = app.in_room(async |room| Ok(room.admin(context).check_index(self.repair).await?));
        spinner.finish_and_clear();
        let report = report?;
        let ok = report.findings.is_empty() || report.repaired;
        let reply = Reply {
            ok,
            lines: report.lines,
            findings: &report.findings,
            findings_omitted: report.findings_omitted,
            repaired: report.repaired,
            receipt: (&report.receipt).into(),
        };
        app.out.reply(&reply, || text(&report))?;
        if ok {
            return Ok(());
        }
        let findings = report.findings.len() as u64 + report.findings_omitted;
        Err(Error::new(Code::IndexWrong).detail(output::count(findings, "finding")).into())
    }
}

fn text(report: &IndexReport) -> String {
    let lines = output::count(report.lines, "line");
    if report.findings.is_empty() {
        return format!("OK: the indexes are those of {lines}\n");
    }
    let mut text = format!("{}: {lines} compared\n", if report.repaired { "REPAIRED" } else { "WRONG" });
    report.findings.iter().for_each(|finding| text += &format!("  {finding}\n"));
    if report.findings_omitted > 0 {
        text += &format!("  and {} more\n", report.findings_omitted);
    }
    text
}
