//! The suite against the verifier itself: without any single one of its checks, at least one case is missed.

use crate::tamper::{Case, cases};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use strongroom_log::testing::{Check, checks_of, without_checks};

/// Where checks stand. The parsers are not among them: each of their rules is tested beside it.
const SOURCES: [&str; 2] = ["src/verify", "src/bundle"];

/// How a check says what it has found.
const CALLS: [&str; 4] = ["findings.add(", ".misplaced(", ".malformed(", ".add_finding("];

/// A check by its file, from `src` on, and its line.
type Place = (String, u32);

#[test]
fn a_verifier_with_any_single_check_removed_misses_a_case() {
    let cases = cases();
    let mut first_line: BTreeMap<Check, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        let ((_, got), reached) = checks_of(|| case.outcome());
        assert_eq!(got.as_ref(), Some(&case.want), "{}", case.name);
        reached.into_iter().for_each(|check| first_line.entry(check).or_default().push(case));
    }

    // A check that no case reaches is of the second line: it speaks once another is silent.
    let mut second_line = BTreeMap::new();
    let mut needless = Vec::new();
    for (check, users) in &first_line {
        let (mut missed, mut passed) = (0, 0);
        for case in users {
            let ((report, got), reached) = checks_of(|| without_checks(&[*check], || case.outcome()));
            missed += usize::from(got.as_ref() != Some(&case.want));
            passed += usize::from(report.is_ok());
            for behind in reached.into_iter().filter(|reached| !first_line.contains_key(reached)) {
                let (without_both, _) = without_checks(&[*check, behind], || case.outcome());
                *second_line.entry(behind).or_insert(false) |= without_both.is_ok() && !report.is_ok();
            }
        }
        let Check { file, line } = check;
        println!("{file}:{line}: {missed} of {} cases are missed without it, {passed} of them OK", users.len());
        if missed == 0 {
            needless.push(check);
        }
    }
    needless.extend(second_line.iter().filter(|(_, needed)| !**needed).map(|(check, _)| check));
    assert!(needless.is_empty(), "no case is missed without {needless:#?}");

    let tried: BTreeSet<_> = first_line.keys().chain(second_line.keys()).map(place).collect();
    let all = all_checks();
    let unread: Vec<_> = tried.difference(&all).collect();
    assert!(unread.is_empty(), "checks, but not where the source was looked at: {unread:#?}");
    let untried: Vec<_> = all.difference(&tried).collect();
    assert!(untried.is_empty(), "no case reaches {untried:#?}");
    println!("{} checks, {} cases", all.len(), cases.len());
}

fn place(check: &Check) -> Place {
    (check.file[check.file.find("src/").unwrap()..].replace('\\', "/"), check.line)
}

/// Every check there is in the source, whether or not anything reaches it.
fn all_checks() -> BTreeSet<Place> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checks = BTreeSet::new();
    for folder in SOURCES {
        for entry in fs::read_dir(crate_folder.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(crate_folder).unwrap().to_str().unwrap().replace('\\', "/");
            let source = fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap();
            // What hands on a finding is marked so, and is not itself the check.
            let mut hands_on = false;
            for (index, line) in code.lines().enumerate() {
                hands_on = line.contains("track_caller") || hands_on && line != "    }";
                if !hands_on && CALLS.iter().any(|call| line.contains(call)) {
                    checks.insert((name.clone(), index as u32 + 1));
                }
            }
        }
    }
    checks
}
