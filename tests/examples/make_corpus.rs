//! Writes what fuzzing begins with, `fuzz/corpus/<parser>/`, mostly from the vectors. The same bytes every time.
//!
//! Files that are there for another reason stay: an input that once did harm is put into the corpus by hand.

use std::{fs, io, path::Path};

use serde_json::Value;
use strongroom_log::{
    Anchor, CommitLeaf, EpochCertificate, Frontier, Hash, Note, Origin, base64_decode, consistency_proof, hex_array,
    inclusion_proof, leaf_hash, tree_root,
};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the clone");
    let corpus = Corpus { folder: root.join("fuzz/corpus"), vectors: root.join("tests/vectors") };
    corpus.of_logs()?;
    corpus.of_proofs()?;
    corpus.of_keys()?;
    corpus.by_hand()
}

struct Corpus {
    folder: std::path::PathBuf,
    vectors: std::path::PathBuf,
}

impl Corpus {
    fn put(&self, parser: &str, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let folder = self.folder.join(parser);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    }

    fn vector(&self, name: &str) -> io::Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(self.vectors.join(name))?)?)
    }

    /// Bundles, and everything that stands in one.
    fn of_logs(&self) -> io::Result<()> {
        for name in ["log-full", "log-tenant", "refused-log-tail-cut", "refused-log-epoch-forged"] {
            let vector = self.vector(&format!("{name}.json"))?;
            let records: Vec<_> = vector["bundle"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            self.put("bundle", name, records.join("\n") + "\n")?;
            if name.starts_with("refused") {
                continue;
            }
            if name == "log-full" {
                self.put("anchor", name, anchor(&records))?;
            }
            self.put("root_key", name, text(&vector["root_vkey"]))?;
            self.put("vkey", name, text(&vector["root_vkey"]))?;
            for (at, record) in records.iter().enumerate() {
                let (tag, rest) = record.split_once(' ').unwrap_or((record, ""));
                let name = format!("{name}-{at}");
                match tag {
                    // Lines that differ in more than their numbers.
                    "line" if at % 5 == 0 => self.put("line", &name, rest)?,
                    "commit" if at % 5 == 0 => {
                        self.put("commit", &name, base64_decode(&rest[..128]).expect("a leaf"))?;
                    }
                    "commit-leaf" => self.put("commit", &name, base64_decode(rest).expect("a leaf"))?,
                    "epoch" | "checkpoint" => {
                        let note = base64_decode(rest).expect("a note");
                        let text = Note::parse(&note).map(|note| note.unverified_text().to_owned());
                        let parser = if tag == "epoch" { "certificate" } else { "checkpoint" };
                        self.put(parser, &name, text.expect("a note"))?;
                        self.put("note", &name, &note)?;
                        self.put("base64", &name, rest)?;
                        if tag == "checkpoint" {
                            self.put("remembered", &name, &note)?;
                        }
                    }
                    _ => {}
                }
            }
        }
        for (at, receipt) in self.vector("log-full.json")?["receipts"].as_array().into_iter().flatten().enumerate() {
            self.put("receipt", &format!("log-full-{at}"), receipt.to_string())?;
        }
        for name in ["proof-tenant", "proof-sys", "proof-closed", "refused-proof-line-edited", "refused-proof-position"]
        {
            let vector = self.vector(&format!("{name}.json"))?;
            let records = vector["proof"].as_array().into_iter().flatten().filter_map(Value::as_str);
            self.put("entry_proof", name, records.map(|record| format!("{record}\n")).collect::<String>())?;
        }
        for case in self.vector("lines.json")?["cases"].as_array().into_iter().flatten() {
            self.put("line", &format!("vector-{}", &text(&case["leaf"])[..8]), text(&case["line"]))?;
        }
        Ok(())
    }

    fn of_proofs(&self) -> io::Result<()> {
        let leaves: Vec<_> = (0..300_u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let joined = |a: usize, b: usize, hashes: &[Hash]| -> Vec<u8> {
            let numbers = [a, b].map(|number| (number as u64).to_be_bytes()).concat();
            numbers.into_iter().chain(hashes.iter().flat_map(|hash| *hash.as_bytes())).collect()
        };
        for size in [1, 2, 3, 7, 8, 300] {
            let (leaves, root) = (&leaves[..size], tree_root(&leaves[..size]));
            for index in [0, size / 2, size - 1] {
                let proof = [&[leaves[index], root][..], &inclusion_proof(leaves, index)].concat();
                self.put("inclusion", &format!("{index}-{size}"), joined(index, size, &proof))?;
                let old = index + 1;
                let proof = [&[tree_root(&leaves[..old]), root][..], &consistency_proof(leaves, old)].concat();
                self.put("consistency", &format!("{old}-{size}"), joined(old, size, &proof))?;
            }
            let mut frontier = Frontier::new();
            leaves.iter().for_each(|leaf| frontier.append(*leaf));
            self.put("frontier", &size.to_string(), frontier.to_bytes())?;
        }
        self.put("frontier", "0", Frontier::new().to_bytes())?;
        for positions in [&[0][..], &[0, 1, 1023], &[1022, 7, 512, 0], &[0, 2_000]] {
            let bytes: Vec<_> =
                positions.iter().flat_map(|position: &u32| [&position.to_be_bytes()[..], &[7; 32]].concat()).collect();
            self.put("heads", &positions.len().to_string(), bytes)?;
        }
        Ok(())
    }

    /// What is stored of keys, and under them.
    fn of_keys(&self) -> io::Result<()> {
        let keys = self.vector("keys.json")?;
        for (name, tenant) in keys["tenants"].as_object().into_iter().flatten() {
            self.put("keyring", name, unhex(&tenant["keyring"]))?;
            self.put("sealed", &format!("keyring-{name}"), unhex(&tenant["keyring_sealed"]))?;
        }
        for name in ["secret-meta", "secret-name", "value-empty", "value-json", "value-text", "value-unpadded"] {
            let vector = self.vector(&format!("sealed-{name}.json"))?;
            self.put("sealed", name, unhex(&vector["sealed"]))?;
            self.put("content", name, unhex(&vector["encoded"]))?;
            if name == "secret-meta" {
                self.put("meta", name, unhex(&vector["content"]))?;
            }
        }
        let deployment = self.vector("deployment.json")?;
        self.put("profile", "software", unhex(&deployment["tables"]["deployment"][0]["profile"]))
    }

    /// What people write, and what is too small to be taken from anywhere.
    fn by_hand(&self) -> io::Result<()> {
        let zeros = "0".repeat(64);
        let profile = format!(
            "{{\"audit\":{{\"alg\":\"ed25519\",\"id\":\"{id}\",\"key\":\"{zeros}\"}},\"kind\":\"pkcs11\",\"roots\":[\
             {{\"check\":\"{zeros}\",\"id\":\"{id}\",\"prf\":\"hmac-sha256\",\"v\":1}}],\"serial\":\"\",\"token\":\"\",\"v\":1}}",
            id = &zeros[..32],
        );
        let note = format!(
            "strongroom-backup/v1\norigin example.com/keys\ndeployment {id}\ncreated 1767225600000000\nfile 4096 {zeros}\n\
             generation 1\nhead 12 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
            id = &zeros[..32],
        );
        for (parser, name, bytes) in [
            ("backup_note", "one", note.as_str()),
            ("base64", "hex", &zeros[..32]),
            ("base64", "padded", "AAE="),
            ("bundle", "empty", "strongroom-bundle/v1 full\norigin example.com/keys\ngeneration 1 0 -\nend 0\n"),
            (
                "config",
                "software",
                "device = \"software:/k?passphrase-source=file:/p\"\nallow-unlocked-memory = true\n",
            ),
            (
                "config",
                "token",
                "# a comment\ndevice = 'pkcs11:token=prod?module-path=/usr/lib/softhsm/libsofthsm2.so'\n",
            ),
            (
                "config",
                "anchors",
                "device = \"software:/k?passphrase-source=file:/p\"\nanchors = [\"file:/mnt/other/strongroom/anchor\"]\n",
            ),
            ("content", "name", "\0\0\0\0\u{1}a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            ("device_uri", "software", "software:/var/lib/device.key?passphrase-source=file:/run/passphrase"),
            (
                "device_uri",
                "token",
                "pkcs11:token=my%20token;serial=0123;manufacturer=M;model=m;slot-id=7?module-path=/usr/lib/a.so&pin-source=file:/run/pin",
            ),
            ("env_file", "kinds", "# comment\nexport A=b\nB='single $A'\nC=\"double \\n \\\"q\\\"\" # more\n\nD=\n"),
            ("env_file", "lines", "A=\"one\ntwo\"\r\nB='x\ny'\nC = spaced \nD.e-f=`g`\n"),
            (
                "json_file",
                "nested",
                "{\"a\":{\"b\":\"text\",\"c\":[1,2.50,null]},\"d\":{\"$binary\":\"AAEC\"},\"e\":-0.1e5}",
            ),
            (
                "json_file",
                "escapes",
                "{\n  \"k\\u0041\": \"\\ud83d\\udd11 \\\\ \\n\",\n  \"x/y\": {\"$json\": \"1\"}\n}\n",
            ),
            (
                "merge_patch",
                "members",
                "{\"a\":{\"b\":1,\"c\":[2]},\"d\":\"e\"}\0{\"a\":{\"b\":null,\"f\":{\"g\":null}},\"d\":true}",
            ),
            ("merge_patch", "names", "{\"\\u0061\":1, \"\\n\": {}}\0{\"a\": null, \"\\u000a\": {\"\u{e9}\": 2.0}}"),
            ("meta", "none", "{\"description\":\"\",\"labels\":{}}"),
            (
                "meta",
                "attributes",
                r#"{"description":"","labels":{},"not_after":[[1,2],[9,3]],"owner":"web","rotate_seconds":60,"type":"certificate"}"#,
            ),
            ("names", "path", "prod/db/password"),
            ("names", "folder", "prod/db/"),
            ("names", "tenant", "acme-corp"),
            ("names", "actor", "service:billing@example.com"),
            ("names", "request", &zeros[..32]),
            ("names", "label", "owner.team"),
            ("names", "origin", "example.com/keys"),
            ("origin", "url", "example.com/keys"),
            ("origin", "generated", "strongroom.invalid/0123456789abcdef"),
            ("profile", "token", &profile),
            (
                "refused_logins",
                "two",
                r#"{"code":"SR-DEVICE-PIN-REFUSED","count":2,"first":1767225600000000,"id":"00064748462040000123456789abcdef","last":1767225660000000,"v":1}"#,
            ),
            ("root_key", "hex", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
            (
                "template",
                "all",
                "a: {{ secret \"b/c\" }}\nd: {{secret\"e\"|json}} {{ \"{{\" }}\n'{{ secret \"f\" | shell }}{{ secret \"g\" | url }}{{\n secret \"h\" | base64 }}}}\n",
            ),
            (
                "toml_file",
                "tables",
                "a = 'x' # top\n[b.\"c/d\"]\ne = 1\nf = [1, {g = \"\\u00e9\"}]\n[[h]]\ni = 07:32:00\n",
            ),
            (
                "toml_file",
                "wrapped",
                "k = {\"$binary\" = 'AAEC'}\nl = {\"$json\" = '{}'}\nm = \"\"\"\nn\\\n  o\"\"\"\n",
            ),
            ("value", "deep", "[[[[[[[[{\"a\":[{}]}]]]]]]]]"),
            ("value", "scalars", "[1, -2.5e-7, \"\\u00e9\\n\", true, false, null]"),
            (
                "yaml_file",
                "mappings",
                "a: x # top\nb:\n  c/d: 'it''s'\n  e: |\n    1\n    2\nf:\n- 1\n- {g: \"\\x41\"}\n",
            ),
            ("yaml_file", "flow", "---\n{a: {b: no-one, \"c\": 2}, d: {$binary: AAEC}, ? e : [>-]}\n...\n"),
            ("yaml_file", "laughs", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\nd: !!str y\n"),
            ("vkey", "standard", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        ] {
            self.put(parser, name, bytes)?;
        }
        Ok(())
    }
}

/// The anchor of the first generation in a full bundle.
fn anchor(records: &[&str]) -> String {
    let rest = |record: &str| record.split_once(' ').map(|(_, rest)| rest.to_owned()).expect("a record with a tag");
    let decoded = |record: &str| base64_decode(rest(record)).expect("base64");
    let tagged = |tag: &'static str| {
        let has_tag = move |record: &&str| record.split(' ').next() == Some(tag);
        records.iter().copied().filter(has_tag).collect::<Vec<_>>().into_iter()
    };
    let origin = tagged("origin").next().map(|record| Origin::parse(&rest(record)).expect("an origin")).expect("one");
    let checkpoint = decoded(tagged("checkpoint").next().expect("a checkpoint"));
    let end = records.iter().position(|record| record.starts_with("checkpoint ")).expect("a checkpoint");
    let (mut frontier, mut epoch) = (Frontier::new(), 0);
    for record in tagged("commit").take_while(|record| records[..end].contains(record)) {
        let leaf = base64_decode(&rest(record)[..128]).expect("a leaf");
        frontier.append(leaf_hash(&leaf));
        epoch = CommitLeaf::from_bytes(&leaf).expect("a leaf").epoch;
    }
    let certificate = tagged("epoch").map(decoded).find_map(|note| {
        let text = Note::parse(&note).expect("a note").unverified_text().to_owned();
        let certificate = EpochCertificate::parse(&text, &origin).ok()?;
        (certificate.epoch == epoch).then_some((certificate.deployment, note))
    });
    let (deployment, certificate) = certificate.expect("the epoch of the last commit");
    Anchor::new(deployment, &origin, frontier, &checkpoint, &certificate).expect("what belongs together").write()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn unhex(value: &Value) -> Vec<u8> {
    text(value).as_bytes().chunks_exact(2).map(|pair| hex_array::<1>(pair).expect("hex")[0]).collect()
}
