//! Proofs as our own code makes them, for others to check: `tests/go` does, with the code of Go's checksum database.
//!
//! Reads a full bundle from standard input and writes, for every log in it and every head log, proofs of inclusion and
//! of consistency, one a line: `inclusion <log> <index> <size> <hashes>`, `consistency <log> <old> <new> <hashes>`, the
//! hashes in base64. Without a bundle, they are of the log `counting`, whose leaf i is i as eight bytes.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read, Write};

use strongroom_log::{
    Hash, Origin, base64_decode, base64_encode, consistency_proof, inclusion_proof, leaf_hash, parse_line,
};

/// Up to here each size has its proofs; a longer log has them for its last size, and some around whole tiles.
const SIZES_MAX: usize = 72;

fn main() -> io::Result<()> {
    let mut bundle = String::new();
    io::stdin().read_to_string(&mut bundle)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for (log, leaves) in if bundle.is_empty() { counting() } else { logs_of(&bundle) } {
        let around_tiles = [127, 128, 129, 255, 256, 257, 511, 512, 513];
        let sizes = (1..=SIZES_MAX).chain(around_tiles).filter(|size| *size < leaves.len()).chain([leaves.len()]);
        for size in sizes {
            let leaves = &leaves[..size];
            for index in 0..size {
                let proof = inclusion_proof(leaves, index);
                writeln!(out, "inclusion {log} {index} {size} {}", joined(&proof))?;
            }
            for old in 1..=size {
                let proof = consistency_proof(leaves, old);
                writeln!(out, "consistency {log} {old} {size} {}", joined(&proof))?;
            }
        }
    }
    out.flush()
}

fn counting() -> BTreeMap<String, Vec<Hash>> {
    let leaves = (0..600_u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    BTreeMap::from([("counting".to_owned(), leaves)])
}

/// The leaf hashes of every log of a bundle that is taken to be a good one.
fn logs_of(bundle: &str) -> BTreeMap<String, Vec<Hash>> {
    let mut logs: BTreeMap<String, Vec<Hash>> = BTreeMap::new();
    let mut records = bundle.lines();
    let origin = records.nth(1).and_then(|record| record.strip_prefix("origin ")).expect("a bundle's second record");
    let origin = Origin::parse(origin).expect("an origin");
    let mut heads = origin.heads();
    for record in records {
        match record.split_once(' ').expect("a tag") {
            ("generation", rest) => {
                let k = rest.split(' ').next().and_then(|k| k.parse().ok()).expect("a generation's number");
                heads = origin.at_generation(k).heads();
            }
            ("commit", rest) => {
                let leaf = rest.split(' ').next().and_then(base64_decode).expect("a commit's leaf");
                logs.entry(heads.clone()).or_default().push(leaf_hash(&leaf));
            }
            ("line", line) => {
                let log = parse_line(line.as_bytes()).expect("a line").log.to_owned();
                logs.entry(log).or_default().push(leaf_hash(line.as_bytes()));
            }
            _ => {}
        }
    }
    logs
}

fn joined(proof: &[Hash]) -> String {
    proof.iter().map(|hash| base64_encode(hash.as_bytes())).collect::<Vec<_>>().join(" ")
}
