//! Whether the time of a refusal tells what another tenant has: a get of a path that only another tenant has, beside one
//! of a path that nobody has, in random order.
//!
//! Compared are the distributions, by the Kolmogorov-Smirnov distance: the greatest difference between the parts of both
//! that are below any time. What two samples of the very same give by chance is measured too: of paths that nobody has,
//! against other paths that nobody has.

use std::{path::Path, thread, time::Instant};

use pollster::block_on;
use serde::Serialize;
use strongroom::{Actor, Code, Context, Folder, Get, Import, ImportEntry, SecretPath, SecretValue, Secrets};

use crate::{
    Effort, Result,
    deployment::Bench,
    sample::{nanos, percentile},
};

/// Callers at once, each with all sorts of paths.
const CALLERS: usize = 8;
/// Paths of each sort.
const PATHS: usize = 64;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Isolation {
    pub(crate) callers: usize,
    /// Of each sort.
    pub(crate) samples: usize,
    pub(crate) foreign_p50_ns: u64,
    pub(crate) absent_p50_ns: u64,
    /// Between paths that another tenant has and paths that nobody has.
    pub(crate) distance: f64,
    /// Between paths that nobody has and others that nobody has.
    pub(crate) control: f64,
    /// What two samples of one distribution exceed once in twenty times.
    pub(crate) by_chance: f64,
}

pub(crate) fn measure(effort: Effort, folder: &Path) -> Result<Isolation> {
    let samples = if effort.is_quick() { 4_000 } else { 100_000 };
    let bench = Bench::make(folder, 2)?;
    let secrets = |number: usize| -> Result<Secrets> {
        let tenant = bench.room.tenant(&format!("tenant-{number}").parse()?);
        Ok(tenant.acting_as(Context::new(Actor::service("bench")?)).secrets())
    };
    // All of one length: sort and number are letters and digits of the same.
    let paths = |sort: char| -> Result<Vec<SecretPath>> {
        (0..PATHS).map(|number| Ok(format!("prod/{sort}/secret-{number:03}").parse()?)).collect()
    };
    let sorts = [paths('f')?, paths('a')?, paths('b')?];
    let entry = |path: &SecretPath| Ok(ImportEntry { path: path.clone(), value: SecretValue::text("theirs")? });
    let theirs = sorts[0].iter().map(entry).collect::<Result<Vec<_>>>()?;
    block_on(secrets(1)?.import(&Folder::root(), theirs, Import::default()))?;

    let ours = secrets(0)?;
    let measured: Vec<Result<[Vec<u64>; 3]>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (ours, sorts) = (&ours, &sorts);
                scope.spawn(move || ask(ours, sorts, samples / CALLERS, caller as u64 + 1))
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap_or_else(|_| Err("a caller panicked".into()))).collect()
    });
    bench.room.close()?;
    let mut times: [Vec<u64>; 3] = Default::default();
    for of_caller in measured {
        times.iter_mut().zip(of_caller?).for_each(|(all, some)| all.extend(some));
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    let [foreign, absent, other] = &times;
    let samples = absent.len();
    Ok(Isolation {
        callers: CALLERS,
        samples,
        foreign_p50_ns: percentile(foreign, 0.5),
        absent_p50_ns: percentile(absent, 0.5),
        distance: distance(foreign, absent),
        control: distance(absent, other),
        by_chance: 1.358 * (2.0 / samples as f64).sqrt(),
    })
}

/// So many refused gets of each sort, in random order.
fn ask(secrets: &Secrets, sorts: &[Vec<SecretPath>; 3], samples: usize, seed: u64) -> Result<[Vec<u64>; 3]> {
    let mut chance = seed;
    let mut draw = |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % below
    };
    let mut left = [samples; 3];
    let mut times = [const { Vec::new() }; 3];
    while left != [0; 3] {
        let sort = draw(3);
        let path = &sorts[sort][draw(PATHS)];
        if left[sort] == 0 {
            continue;
        }
        let since = Instant::now();
        let refused = block_on(secrets.get(path, Get::current()));
        times[sort].push(nanos(since));
        left[sort] -= 1;
        if refused.map_err(|error| error.code()).err() != Some(Code::SecretNotFound) {
            return Err("a get of what is not there was not refused so".into());
        }
    }
    Ok(times)
}

/// The Kolmogorov-Smirnov distance of two sorted samples: 0 if they are the same, 1 if they have nothing in common.
fn distance(one: &[u64], two: &[u64]) -> f64 {
    let (mut at_one, mut at_two, mut most) = (0, 0, 0.0_f64);
    while at_one < one.len() && at_two < two.len() {
        let time = one[at_one].min(two[at_two]);
        at_one += one[at_one..].iter().take_while(|other| **other <= time).count();
        at_two += two[at_two..].iter().take_while(|other| **other <= time).count();
        most = most.max((at_one as f64 / one.len() as f64 - at_two as f64 / two.len() as f64).abs());
    }
    most
}
