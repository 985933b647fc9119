//! Anchors: made from the published bundle of the whole deployment, so that they never change.

use serde_json::{Value, json};
use strongroom_log::{
    Anchor, EpochCertificate, Frontier, Note, Origin, base64_decode, base64_encode, hex_encode as hex,
};

use super::{Files, proof::Bundle};

pub(super) fn vectors(files: &mut Files) {
    let bundle = Bundle::published();
    let (last, earlier) = bundle.commits.split_last().expect("a commit");
    let mut frontier = Frontier::new();
    earlier.iter().for_each(|commit| frontier.append(commit.leaf()));
    let before = base64_encode(&frontier.to_bytes());
    frontier.append(last.leaf());
    let origin = Origin::parse("example.com/keys").expect("an origin");
    let certificate = &bundle.certificates[&last.epoch];
    let text = Note::parse(certificate).expect("a note").unverified_text();
    let deployment = EpochCertificate::parse(text, &origin).expect("a certificate").deployment;
    let anchor = Anchor::new(deployment, &origin, frontier.clone(), &bundle.checkpoint, certificate)
        .expect("what belongs together");
    let leaves: Vec<_> = bundle.commits.iter().map(|commit| base64_encode(&commit.to_bytes())).collect();
    let good = json!({
        "what": "What is kept of the log outside of its database, and the leaves of the head log that it is of",
        "kind": "anchor", "outcome": "ok",
        "root_vkey": bundle.root.to_string(),
        "anchor": anchor.write().lines().collect::<Vec<_>>(),
        "leaves": leaves,
        "steps": { "size": frontier.size(), "root": hex(frontier.root().as_bytes()) },
    });

    let mut add = |name: &str, what: &str, change: &dyn Fn(&mut Vec<String>)| {
        let records = good["anchor"].as_array().expect("records").iter();
        let mut records: Vec<_> = records.map(|record| record.as_str().expect("a record").to_owned()).collect();
        change(&mut records);
        assert!(json!(records) != good["anchor"], "{name}");
        let vector = json!({
            "what": what, "kind": "anchor", "outcome": "refused", "reason": name,
            "root_vkey": good["root_vkey"], "anchor": records, "leaves": good["leaves"],
        });
        files.add(&format!("refused-anchor-{name}"), vector);
    };
    let flip = |record: &mut String| {
        let (tag, note) = record.split_once(' ').expect("a tag");
        let mut note = base64_decode(note).expect("base64");
        // In the base64 of the signature, so that it stays one.
        let at = note.len() - 10;
        note[at] = if note[at] == b'A' { b'B' } else { b'A' };
        *record = format!("{tag} {}", base64_encode(&note));
    };
    add("checkpoint-signature", "Another signature of the checkpoint", &|records| flip(&mut records[5]));
    add("certificate-signature", "Another signature of the certificate", &|records| flip(&mut records[6]));
    add("frontier", "The frontier before the last commit", &|records| records[4] = format!("frontier {before}"));
    add("generation", "Another generation", &|records| records[3] = "generation 2".into());
    add("deployment", "Another deployment's id", &|records| records[1] = format!("deployment {}", "0".repeat(32)));
    add("records-swapped", "Two records in the other order", &|records| records.swap(1, 2));
    add("record-more", "A record after the last", &|records| records.push("end 1".into()));
    files.add("anchor", good);
}

/// Reads it as the product does, and follows it through the leaves.
#[allow(dead_code, reason = "the maker only writes them")]
pub(crate) fn read(vector: &Value) -> Result<Anchor, String> {
    let texts = |key: &str| vector[key].as_array().expect("a list").iter().map(|text| text.as_str().expect("a text"));
    let root = vector["root_vkey"].as_str().expect("a vkey").parse().expect("a vkey");
    let file: String = texts("anchor").map(|record| format!("{record}\n")).collect();
    let anchor = Anchor::parse(file.as_bytes()).map_err(|error| error.to_string())?;
    anchor.verify(&root).map_err(|error| error.to_string())?;
    let mut frontier = Frontier::new();
    texts("leaves").for_each(|leaf| frontier.append(strongroom_log::leaf_hash(&base64_decode(leaf).expect("base64"))));
    if frontier == *anchor.frontier() { Ok(anchor) } else { Err("it is of another log".to_owned()) }
}
