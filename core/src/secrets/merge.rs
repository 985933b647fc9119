//! JSON merge patch (RFC 7396), on texts.
//!
//! What the patch does not name keeps its characters. Nothing is built by serde, which would leave copies of values in
//! buffers that nobody wipes: members are borrowed from the two texts, and the result is written once, into a buffer
//! that never grows.

use std::{cmp::Ordering, collections::BTreeMap, fmt, str::Chars};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{Code, Error, Result, limits};

/// A member of an object: its name, as it is written, and its value.
type Member<'a> = (&'a str, &'a str);

/// What a JSON value becomes by a merge patch. Both were checked to be JSON.
pub(crate) fn merge(target: &str, patch: &str) -> Result<Zeroizing<Vec<u8>>> {
    // No longer than both together: each member is from the one or the other, and the one comma between the two takes
    // less than the braces of one.
    let mut merged = Zeroizing::new(Vec::with_capacity(target.len() + patch.len()));
    let (target, patch) = (value(target, Code::PatchUnsuitable)?, value(patch, Code::PatchInvalid)?);
    merge_into(&mut merged, Some(target), patch, 1)?;
    debug_assert!(merged.len() <= target.len() + patch.len(), "it did not grow");
    Ok(merged)
}

fn merge_into(merged: &mut Vec<u8>, target: Option<&str>, patch: &str, depth: usize) -> Result<()> {
    if !is_object(patch) {
        merged.extend_from_slice(patch.as_bytes());
        return Ok(());
    }
    if depth > limits::PATCH_DEPTH_MAX {
        return Err(Error::new(Code::PatchInvalid).detail("it is nested deeper than that"));
    }
    let changes = members(patch, Code::PatchInvalid)?;
    let kept = match target.filter(|target| is_object(target)) {
        Some(target) => members(target, Code::PatchUnsuitable)?,
        None => Vec::new(),
    };
    let by_name: BTreeMap<_, _> = changes.iter().map(|(name, change)| (Name(name), *change)).collect();
    let known: BTreeMap<_, _> = kept.iter().map(|(name, value)| (Name(name), *value)).collect();
    let added = changes.iter().filter(|(name, _)| !known.contains_key(&Name(name)));
    merged.push(b'{');
    let start = merged.len();
    for (name, target, change) in kept
        .iter()
        .map(|(name, value)| (*name, Some(*value), by_name.get(&Name(name)).copied()))
        .chain(added.map(|(name, change)| (*name, None, Some(*change))))
    {
        if change == Some("null") {
            continue;
        }
        if merged.len() > start {
            merged.push(b',');
        }
        merged.extend_from_slice(name.as_bytes());
        merged.push(b':');
        match change {
            Some(change) => merge_into(merged, target, change, depth + 1)?,
            None => merged.extend_from_slice(target.unwrap_or_default().as_bytes()),
        }
    }
    merged.push(b'}');
    Ok(())
}

fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

/// Without what is around it.
fn value(json: &str, otherwise: Code) -> Result<&str> {
    serde_json::from_str::<&RawValue>(json).map(RawValue::get).map_err(|_| not_json(otherwise))
}

/// serde's errors can repeat what they found: none leaves here.
fn not_json(code: Code) -> Error {
    Error::new(code).detail("it is not JSON")
}

/// The members of an object, none of them twice: which of two counts, readers disagree about.
fn members(object: &str, otherwise: Code) -> Result<Vec<Member<'_>>> {
    let members =
        serde_json::Deserializer::from_str(object).deserialize_map(Members).map_err(|_| not_json(otherwise))?;
    let mut names: Vec<_> = members.iter().map(|(name, _)| Name(name)).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::new(otherwise).detail("a name occurs twice in one object"));
    }
    Ok(members)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            members.push((name.get(), value.get()));
        }
        Ok(members)
    }
}

/// A member's name as it is written, with its quotes, which compares by what it stands for: `"a"` is `"\u0061"`.
#[derive(Clone, Copy)]
struct Name<'a>(&'a str);

impl Name<'_> {
    fn units(&self) -> Units<'_> {
        let text = self.0.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
        Units { text: text.chars(), low: None }
    }
}

impl Ord for Name<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.units().cmp(other.units())
    }
}

impl PartialOrd for Name<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Name<'_> {}

/// The UTF-16 code units of a JSON string that was checked: the one alphabet that also writes half a surrogate pair.
struct Units<'a> {
    text: Chars<'a>,
    /// The second half of the last character.
    low: Option<u16>,
}

impl Iterator for Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some(low) = self.low.take() {
            return Some(low);
        }
        let plain = match self.text.next()? {
            '\\' => match self.text.next()? {
                'u' => {
                    let digits = self.text.by_ref().take(4).filter_map(|digit| digit.to_digit(16));
                    let unit = digits.fold(0, |unit, digit| unit * 16 + digit);
                    return u16::try_from(unit).ok();
                }
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                itself => itself,
            },
            plain => plain,
        };
        let mut units = [0; 2];
        let units = plain.encode_utf16(&mut units);
        self.low = units.get(1).copied();
        units.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn merged(target: &str, patch: &str) -> Result<String> {
        merge(target, patch).map(|merged| String::from_utf8(merged.to_vec()).unwrap())
    }

    /// RFC 7396, section 2, word for word.
    fn model(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let Value::Object(mut target) = target else {
            return model(Value::Object(Map::new()), &Value::Object(patch.clone()));
        };
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                let before = target.remove(name).unwrap_or_default();
                target.insert(name.clone(), model(before, value));
            }
        }
        Value::Object(target)
    }

    /// RFC 7396, appendix A, all of it.
    #[test]
    fn the_examples_of_the_standard() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(target, patch).unwrap(), result, "{target} with {patch}");
            let (target, patch): (Value, Value) =
                (serde_json::from_str(target).unwrap(), serde_json::from_str(patch).unwrap());
            assert_eq!(model(target, &patch), serde_json::from_str::<Value>(result).unwrap());
        }
    }

    #[test]
    fn what_is_not_named_keeps_its_characters() {
        let target = " {\"n\": 1.50e2 ,\n \"deep\" : { \"x\": [ 1 ],\"y\":\"\\u00e9\" } , \"z\":0}";
        let got = merged(target, r#" {"deep" : {"y" : "new" , "k" : [null]}, "z":null} "#).unwrap();
        assert_eq!(got, r#"{"n":1.50e2,"deep":{"x":[ 1 ],"y":"new","k":[null]}}"#);
        assert_eq!(merged("1e400", "{}").unwrap(), "{}");
        assert_eq!(merged(r#"{"a":1e400}"#, "{}").unwrap(), r#"{"a":1e400}"#);
    }

    #[test]
    fn names_are_the_same_however_they_are_written() {
        for (stored, named) in [
            ("a", r"\u0061"),
            (r"\n\t\r\b\f", r"\u000a\u0009\u000D\u0008\u000c"),
            (r#"\"\\\/"#, r#"\u0022\u005c/"#),
            ("\u{1f511}", r"\ud83d\uDD11"),
            (r"\ud800", r"\uD800"),
            ("", ""),
        ] {
            let got = merged(&format!(r#"{{"{stored}":1,"b":2}}"#), &format!(r#"{{"{named}":3}}"#)).unwrap();
            assert_eq!(got, format!(r#"{{"{stored}":3,"b":2}}"#));
            assert_eq!(merged(&format!(r#"{{"{named}":1}}"#), &format!(r#"{{"{stored}":null}}"#)).unwrap(), "{}");
        }
        assert_eq!(merged(r#"{"a":1}"#, r#"{"A":2,"a ":3}"#).unwrap(), r#"{"a":1,"A":2,"a ":3}"#);
        assert_eq!(merged(r#"{"\ud83d":1}"#, r#"{"\udd11":2}"#).unwrap(), r#"{"\ud83d":1,"\udd11":2}"#);
    }

    #[test]
    fn a_name_twice_is_refused_where_it_would_matter() {
        let code = |target: &str, patch: &str| merged(target, patch).map_err(|error| error.code());
        let twice = r#"{"a":1,"\u0061":2}"#;
        assert_eq!(code("{}", twice), Err(Code::PatchInvalid));
        assert_eq!(code(twice, r#"{"b":1}"#), Err(Code::PatchUnsuitable));
        assert_eq!(code(&format!(r#"{{"x":{twice}}}"#), r#"{"b":1}"#), Ok(format!(r#"{{"x":{twice},"b":1}}"#)));
        assert_eq!(code(twice, "1"), Ok("1".into()));
        assert_eq!(code("1", &format!("[{twice}]")), Ok(format!("[{twice}]")));
    }

    #[test]
    fn a_patch_is_nested_so_deep_and_no_deeper() {
        let nested = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        let most = limits::PATCH_DEPTH_MAX;
        assert_eq!(merged("{}", &nested(most)).unwrap(), nested(most));
        assert_eq!(merged("{}", &nested(most + 1)).unwrap_err().code(), Code::PatchInvalid);
        let deep = nested(5_000);
        let target = format!(r#"{{"deep":{deep}}}"#);
        assert_eq!(merged(&target, r#"{"b":1}"#).unwrap(), format!(r#"{{"deep":{deep},"b":1}}"#));
    }

    #[test]
    fn any_two_documents_merge_as_the_standard_says() {
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
        println!("seed {seed}");
        let mut chance = u64::from(seed);
        let mut next = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % below
        };
        fn any(next: &mut dyn FnMut(u64) -> u64, depth: u32) -> Value {
            match next(if depth == 0 { 4 } else { 8 }) {
                0 => Value::Null,
                1 => json!(next(3)),
                2 => json!(["", "null", "\"{", "é\n\u{1f511}"][usize::try_from(next(4)).unwrap()]),
                3 => json!({}),
                4 => (0..next(3)).map(|_| any(next, depth - 1)).collect(),
                _ => {
                    let name = |next: &mut dyn FnMut(u64) -> u64| {
                        ["a", "b", "\\", "é", "c\"\t"][usize::try_from(next(5)).unwrap()]
                    };
                    (0..next(5)).map(|_| (name(next).to_owned(), any(next, depth - 1))).collect::<Map<_, _>>().into()
                }
            }
        }
        for _ in 0..3_000 {
            let (target, patch) = (any(&mut next, 4), any(&mut next, 4));
            let spaced =
                |value: &Value| [value.to_string(), format!("{value:#}")][usize::from(value.is_object())].clone();
            let got = merged(&spaced(&target), &spaced(&patch)).unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(&got).unwrap(),
                model(target.clone(), &patch),
                "{target} with {patch}"
            );
        }
    }
}
