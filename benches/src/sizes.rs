//! Whether a get, a put, a listing and opening take longer in a large store: of many secrets, and of many tenants.
//!
//! One deployment grows: first in secrets, with few tenants, then in tenants. It is filled by imports, so that all rows and
//! lines are there that honest use leaves.

use std::{path::Path, thread, time::Instant};

use pollster::block_on;
use serde::Serialize;
use strongroom::{
    Actor, After, Context, Folder, Get, Import, ImportEntry, Put, SecretPath, SecretValue, Secrets, TenantId, limits,
};

use crate::{
    Effort, Result,
    deployment::{Bench, VALUE_BYTES},
    machine,
    sample::{nanos, percentile},
};

/// Secrets in a folder, and in one import.
const FOLDER: usize = limits::FOLDER_ENTRIES_MAX;
/// Tenants that secrets are put into.
const FILLED: usize = 10;
const SECRETS_DEFAULT: usize = 100_000;
const SECRETS_FEW: usize = 1_000;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Sizes {
    /// The smallest first.
    pub(crate) rows: Vec<Row>,
}

/// A store of one size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) secrets: usize,
    pub(crate) tenants: usize,
    pub(crate) bytes: u64,
    pub(crate) get_p50_ns: u64,
    pub(crate) put_p50_ns: u64,
    /// Names in the folder that is listed: 10,000, or all there are.
    pub(crate) listed: usize,
    /// All of them, in one page.
    pub(crate) list_p50_ns: u64,
    /// CPU time of one such listing, of all threads.
    pub(crate) list_cpu_ns: Option<u64>,
    /// The load averages after it.
    pub(crate) load: String,
    pub(crate) open_ns: u64,
}

pub(crate) fn measure(effort: Effort, folder: &Path, secrets: Option<usize>) -> Result<Sizes> {
    let most = secrets.unwrap_or(if effort.is_quick() { 20_000 } else { SECRETS_DEFAULT });
    let tenants: &[usize] = if effort.is_quick() { &[100] } else { &[1_000, 10_000] };
    let rounds = if effort.is_quick() { 50 } else { 500 };
    let mut bench = Bench::make(folder, FILLED)?;
    let (mut rows, mut there) = (Vec::new(), 0);
    for secrets in [SECRETS_FEW, 100_000, 1_000_000, most].into_iter().filter(|secrets| *secrets <= most) {
        if secrets > there {
            fill(&bench, there, secrets)?;
            there = secrets;
            let row;
            (bench, row) = look(bench, folder, there, FILLED, rounds)?;
            rows.push(row);
        }
    }
    let mut made = FILLED;
    for tenants in tenants {
        add_tenants(&bench, made, *tenants)?;
        made = *tenants;
        let row;
        (bench, row) = look(bench, folder, there, made, rounds)?;
        rows.push(row);
    }
    bench.room.close()?;
    Ok(Sizes { rows })
}

fn secrets_of(bench: &Bench, tenant: usize) -> Result<Secrets> {
    let id: TenantId = format!("tenant-{tenant}").parse()?;
    Ok(bench.room.tenant(&id).acting_as(Context::new(Actor::service("bench")?)).secrets())
}

/// The secret of this number: which tenant's, and where. Full folders, one tenant's after the other's.
fn place(number: usize) -> Result<(usize, SecretPath)> {
    let folder = number / FOLDER;
    Ok((folder % FILLED, format!("folder-{}/secret-{:05}", folder / FILLED, number % FOLDER).parse()?))
}

fn value() -> Result<SecretValue> {
    Ok(SecretValue::binary(vec![0x61; VALUE_BYTES])?)
}

/// Puts the secrets of these numbers.
fn fill(bench: &Bench, from: usize, to: usize) -> Result<()> {
    let mut next = from;
    while next < to {
        let end = to.min((next / FOLDER + 1) * FOLDER);
        let tenant = place(next)?.0;
        let entry = |number| Ok(ImportEntry { path: place(number)?.1, value: value()? });
        let entries = (next..end).map(entry).collect::<Result<Vec<_>>>()?;
        block_on(secrets_of(bench, tenant)?.import(&Folder::root(), entries, Import::default()))?;
        next = end;
    }
    Ok(())
}

/// Makes the tenants of these numbers, several at once.
fn add_tenants(bench: &Bench, from: usize, to: usize) -> Result<()> {
    const AT_ONCE: usize = 16;
    thread::scope(|scope| {
        let makers: Vec<_> = (0..AT_ONCE)
            .map(|maker| {
                scope.spawn(move || {
                    (from..to).skip(maker).step_by(AT_ONCE).try_for_each(|number| -> Result<()> {
                        block_on(bench.admin()?.create_tenant(&format!("tenant-{number}").parse()?))?;
                        Ok(())
                    })
                })
            })
            .collect();
        makers.into_iter().try_for_each(|maker| maker.join().map_err(|_| "a maker panicked")?)
    })
}

/// Measures, and opens it anew.
fn look(bench: Bench, folder: &Path, secrets: usize, tenants: usize, rounds: usize) -> Result<(Bench, Row)> {
    bench.room.close()?;
    let since = Instant::now();
    let bench = Bench::open(folder, FILLED)?;
    let open_ns = nanos(since);
    let of_tenants = (0..FILLED).map(|tenant| secrets_of(&bench, tenant)).collect::<Result<Vec<_>>>()?;
    let mut chance = 1_u64;
    let mut some = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        place((chance >> 33) as usize % secrets)
    };
    let (mut gets, mut puts, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    // Keys are derived first.
    for tenant in &of_tenants {
        let _ = block_on(tenant.get(&place(0)?.1, Get::current()));
    }
    for _ in 0..rounds {
        let (tenant, path) = some()?;
        let since = Instant::now();
        block_on(of_tenants[tenant].get(&path, Get::current()))?;
        gets.push(nanos(since));
        let ((tenant, path), value) = (some()?, value()?);
        let since = Instant::now();
        block_on(of_tenants[tenant].put(&path, value, Put::default()))?;
        puts.push(nanos(since));
    }
    let listed = secrets.min(FOLDER);
    let cpu_before = machine::cpu_ns();
    for _ in 0..(rounds / 10).max(3) {
        let first = place(0)?.1.parent();
        let since = Instant::now();
        let page = block_on(of_tenants[0].list(&first, After::start(), limits::LIST_ENTRIES_MAX))?;
        lists.push(nanos(since));
        if page.entries.len() != listed {
            return Err("a folder was not listed whole".into());
        }
    }
    let cpu = machine::cpu_ns().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let list_cpu_ns = cpu.map(|cpu| cpu / lists.len() as u64);
    for times in [&mut gets, &mut puts, &mut lists] {
        times.sort_unstable();
    }
    let bytes = bench.deployment.database().metadata()?.len();
    let [get_p50_ns, put_p50_ns, list_p50_ns] = [&gets, &puts, &lists].map(|times| percentile(times, 0.5));
    let load = machine::load();
    Ok((
        bench,
        Row { secrets, tenants, bytes, get_p50_ns, put_p50_ns, listed, list_p50_ns, list_cpu_ns, load, open_ns },
    ))
}
