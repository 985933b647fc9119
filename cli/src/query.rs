//! `audit query` and `audit stats`: which lines there are of somebody, of a secret, of a time; and how many.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom::{
    Code, Environment, Error, Query, QueryCursor, SecretPath, Stats, StatsBy, Timestamp, limits, store::Order,
};

use crate::{
    app::App,
    audit::{EntryJson, Which, table},
    failure::Failure,
    output::{self, ReceiptJson, Table},
};

/// Which lines. Every condition narrows it further.
#[derive(Args, Debug)]
pub(crate) struct Filter {
    /// Only what this actor did: user:NAME, service:NAME, operator:NAME or system
    // Under a name of its own: `actor` is that of the global `--as`, and clap would take the one for the other.
    #[arg(long = "actor", value_name = "ACTOR")]
    who: Option<String>,
    /// Only what was done to this secret, whether it is still there or not
    #[arg(long, value_name = "PATH")]
    secret: Option<String>,
    /// Only this act, such as secret.get
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// Only what was done, or only what was refused
    #[arg(long, value_enum)]
    outcome: Option<OutcomeArg>,
    /// Only this request: the id that `--request-id` recorded
    #[arg(long, value_name = "32 HEX DIGITS")]
    request: Option<String>,
    /// From this time on: RFC 3339, a day, or so long ago, such as 2h or 3days
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutcomeArg {
    /// It was done
    Ok,
    /// It was refused
    Refused,
}

impl Filter {
    pub(crate) fn query(&self, app: &App) -> Result<Query, Failure> {
        let mut query = Query::new();
        query = match self.who.as_deref() {
            None => query,
            Some("system") => query.by_system(),
            Some(actor) => query.actor(actor.parse()?),
        };
        if let Some(path) = &self.secret {
            query = query.secret(full_path(app, path)?);
        }
        if let Some(act) = &self.act {
            query = query.act(act);
        }
        if let Some(outcome) = self.outcome {
            query = query.outcome(outcome == OutcomeArg::Ok);
        }
        if let Some(request) = &self.request {
            query = query.request(request.parse()?);
        }
        if let Some(since) = &self.since {
            query = query.from(time(since, "--since")?);
        }
        Ok(query)
    }
}

/// The path as the log has it: within the environment, if one is named.
fn full_path(app: &App, path: &str) -> Result<SecretPath, Failure> {
    let path: SecretPath = path.parse()?;
    match app.environment()? {
        Some(environment) => Ok(Environment::folder(&environment).join(path.as_str())?),
        None => Ok(path),
    }
}

/// A moment, or so long before now.
fn time(text: &str, option: &str) -> Result<Timestamp, Failure> {
    let at = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH),
        // A day alone is its beginning.
        Err(_) => humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")))
            .map_err(|_| Error::new(Code::QueryInvalid).detail(format!("the time of {option}")))?,
    };
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros();
    Ok(Timestamp(u64::try_from(since).unwrap_or(u64::MAX)))
}

/// Where it ends, and in which order.
fn until(query: Query, until: Option<&str>) -> Result<Query, Failure> {
    match until {
        Some(text) => Ok(query.until(time(text, "--until")?)),
        None => Ok(query),
    }
}

/// Find lines of a log: of an actor, a secret, an act, an outcome, a request, a time
///
/// All conditions together, over all generations of the log, the newest line first. Names are resolved where
/// what they stand for still exists. The query is recorded too, with the number of lines it gave.
///
/// Lines are found with an index that lags behind and is no evidence: each line is compared before it is
/// shown, and `audit check-index` finds whether the index leaves out any.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit query --tenant acme --secret prod/db/password --since 2h
  strongroom audit query --tenant acme --actor user:ada --outcome refused
  strongroom audit query --tenant acme --act secret.delete --since 2026-11-01 --until 2026-12-01T00:00:00Z
  strongroom audit query --tenant acme --request 4bf92f3577b34da6a3ce929d0e0e4736
  strongroom audit query --deployment --actor system --oldest-first -o json | jq -r '.entries[].line'")]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
    /// Before this time: RFC 3339, a day, or so long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The newest line first: the default
    #[arg(long, conflicts_with = "oldest_first")]
    newest_first: bool,
    /// The oldest line first
    #[arg(long)]
    oldest_first: bool,
    /// How many lines at most, 1 to 1000
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: usize,
    /// Where the page begins: the cursor that the page before ended with
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Serialize)]
struct QueryReply<'a> {
    entries: Vec<EntryJson<'a>>,
    next: Option<String>,
    receipt: ReceiptJson<'a>,
}

impl QueryArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let order = if self.oldest_first { Order::OldestFirst } else { Order::NewestFirst };
        let query = until(self.filter.query(app)?, self.until.as_deref())?.order(order);
        let after = self.after.as_deref().map(str::parse::<QueryCursor>).transpose()?;
        let page = self.which.in_audit(app, async |audit| Ok(audit.query(&query, after, self.limit).await?))?;
        let next = page.next.map(|cursor| cursor.to_string());
        let entries = page.entries.iter().map(EntryJson::from).collect();
        let reply = QueryReply { entries, next, receipt: (&page.receipt).into() };
        app.out.reply(&reply, || table(&page.entries))?;
        if let Some(next) = &reply.next {
            app.out.note(&format!("{}there is more: --after {next}{:#}", output::DIM, output::DIM));
        }
        Ok(())
    }
}

/// Count lines of a log by actor or by secret: in all, done, refused, and when last
///
/// The same conditions as for `audit query`. At most 1,048,576 lines are looked at, the newest first; if there are
/// more, the reply says since when it counts, and --until goes on from there. That it was asked is recorded.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strongroom audit stats --tenant acme
  strongroom audit stats --tenant acme --by secret --act secret.get --since 30days --top 50
  strongroom audit stats --tenant acme --by actor --secret prod/db/password -o json")]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
    /// Before this time: RFC 3339, a day, or so long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What is counted by
    #[arg(long, value_enum, default_value_t = ByArg::Actor)]
    by: ByArg,
    /// How many to show, those with the most lines, 1 to 1000
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    top: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ByArg {
    /// Who acted
    Actor,
    /// Which secret it was about
    Secret,
}

#[derive(Serialize)]
struct StatsReply<'a> {
    rows: Vec<StatsJson<'a>>,
    groups: u64,
    lines: u64,
    since: Option<String>,
    complete: bool,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct StatsJson<'a> {
    name: Option<&'a str>,
    id: String,
    total: u64,
    allowed: u64,
    refused: u64,
    last: String,
}

impl StatsArgs {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let query = until(self.filter.query(app)?, self.until.as_deref())?;
        let by = if self.by == ByArg::Actor { StatsBy::Actor } else { StatsBy::Secret };
        let stats = self.which.in_audit(app, async |audit| Ok(audit.stats(&query, by, self.top).await?))?;
        let reply = StatsReply {
            rows: stats
                .rows
                .iter()
                .map(|row| StatsJson {
                    name: row.name.as_deref(),
                    id: output::hex(&row.id),
                    total: row.total,
                    allowed: row.allowed,
                    refused: row.refused,
                    last: output::exact_time(row.last),
                })
                .collect(),
            groups: stats.groups,
            lines: stats.lines,
            since: stats.since.map(output::exact_time),
            complete: stats.complete,
            receipt: (&stats.receipt).into(),
        };
        app.out.reply(&reply, || stats_table(&stats, by))?;
        let more = stats.groups.saturating_sub(stats.rows.len() as u64);
        if more > 0 {
            app.out.note(&format!("{}and {more} more: --top{:#}", output::DIM, output::DIM));
        }
        if let (false, Some(since)) = (stats.complete, stats.since) {
            let most = limits::STATS_LINES_MAX;
            let since = output::exact_time(since);
            app.out.note(&format!("not all was counted: {most} lines are looked at; go on with --until {since}"));
        }
        Ok(())
    }
}

fn stats_table(stats: &Stats, by: StatsBy) -> String {
    if stats.rows.is_empty() {
        return String::new();
    }
    let (heading, gone) = match by {
        StatsBy::Actor => ("WHO", "(forgotten)"),
        StatsBy::Secret => ("SECRET", "(deleted)"),
    };
    let mut table = Table::with_heading(&[heading, "TOTAL", "ALLOWED", "REFUSED", "LAST"]);
    for row in &stats.rows {
        table.row([
            row.name.clone().unwrap_or_else(|| gone.to_owned()),
            row.total.to_string(),
            row.allowed.to_string(),
            row.refused.to_string(),
            output::time(row.last),
        ]);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_an_age() {
        assert_eq!(time("1970-01-02", "").unwrap(), Timestamp(86_400_000_000));
        assert_eq!(time("1970-01-01T00:00:01.5Z", "").unwrap(), Timestamp(1_500_000));
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let age = now - time("2h 30m", "").unwrap().0;
        assert!((9_000_000_000 - 60_000_000..9_000_000_000 + 60_000_000).contains(&age), "{age}");
        assert_eq!(time("9999999999years", "").ok(), Some(Timestamp(0)));
        assert_eq!(time("500000000weeks", "").ok(), Some(Timestamp(0)));
        for bad in ["", "yesterday", "2h ago", "-2h", "2026-13-01", "5", "\u{0}"] {
            assert!(time(bad, "--since").is_err(), "{bad:?}");
        }
    }
}
