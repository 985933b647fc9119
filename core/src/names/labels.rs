//! Labels: names and values by which secrets are found.

use std::collections::{BTreeMap, btree_map};

use super::{name_type, segment};
use crate::{Code, Error, Result, limits};

name_type! {
    /// The name of a label: 1 to 63 bytes of `[A-Za-z0-9_.-]`, else [`Code::LabelInvalid`].
    LabelName, parsed by parse_name
}

name_type! {
    /// The value of a label: at most 255 bytes of text without control characters, else
    /// [`Code::LabelInvalid`]. May be empty.
    LabelValue, parsed by parse_value
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Code::LabelInvalid).detail(detail)
}

fn parse_name(text: &str) -> Result<&str> {
    if text.is_empty() {
        return Err(refused("a label's name is empty"));
    }
    if text.len() > limits::LABEL_NAME_BYTES_MAX {
        let max = limits::LABEL_NAME_BYTES_MAX;
        return Err(refused(format!("a label's name has {} bytes, {max} are allowed", text.len())));
    }
    if !segment::is_plain(text) {
        return Err(refused("a label's name has a character outside [A-Za-z0-9_.-]"));
    }
    Ok(text)
}

fn parse_value(text: &str) -> Result<&str> {
    if text.len() > limits::LABEL_VALUE_BYTES_MAX {
        let max = limits::LABEL_VALUE_BYTES_MAX;
        return Err(refused(format!("a label's value has {} bytes, {max} are allowed", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("a label's value has a control character"));
    }
    Ok(text)
}

/// The labels of one secret: at most 64, each name once, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<LabelName, LabelValue>);

impl Labels {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses names and values. [`Code::LabelInvalid`] if one is not valid, a name comes twice, or there
    /// are more than 64.
    pub fn parse<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self> {
        let mut labels = Self::new();
        for (name, value) in pairs {
            let (name, value): (LabelName, LabelValue) = (name.as_ref().parse()?, value.as_ref().parse()?);
            if labels.0.contains_key(&name) {
                return Err(refused(format!("the label {name} is given twice")));
            }
            labels.insert(name, value)?;
        }
        Ok(labels)
    }

    /// Adds a label, or replaces its value. [`Code::LabelInvalid`] if there are 64 others.
    pub fn insert(&mut self, name: LabelName, value: LabelValue) -> Result<Option<LabelValue>> {
        if self.0.len() >= limits::LABELS_MAX && !self.0.contains_key(&name) {
            return Err(refused(format!("there are more than {} labels", limits::LABELS_MAX)));
        }
        Ok(self.0.insert(name, value))
    }

    /// Takes a label away.
    pub fn remove(&mut self, name: &str) -> Option<LabelValue> {
        self.0.remove(name)
    }

    /// The value of a label.
    pub fn value(&self, name: &str) -> Option<&LabelValue> {
        self.0.get(name)
    }

    /// All labels, in the order of their names.
    pub fn iter(&self) -> btree_map::Iter<'_, LabelName, LabelValue> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a LabelName, &'a LabelValue);
    type IntoIter = btree_map::Iter<'a, LabelName, LabelValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_parsed_strictly() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        for allowed in ["a", "team.io_x-1", ".", "..", &longest] {
            assert_eq!(allowed.parse::<LabelName>().unwrap().as_str(), allowed);
        }
        for refused in ["", "a b", "a/b", "a=b", "a\n", "\u{e9}", &too_long] {
            assert_eq!(refused.parse::<LabelName>().unwrap_err().code(), Code::LabelInvalid, "case: {refused:?}");
        }
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for allowed in ["", "pay ments/\u{e9} \"x\"", &longest] {
            assert_eq!(allowed.parse::<LabelValue>().unwrap().as_str(), allowed);
        }
        for refused in ["a\nb", "\0", "\u{1b}[0m", "\u{85}", &too_long] {
            assert_eq!(refused.parse::<LabelValue>().unwrap_err().code(), Code::LabelInvalid, "case: {refused:?}");
        }
    }

    #[test]
    fn labels_have_a_limit_and_an_order() {
        let pairs: Vec<_> = (0..65).rev().map(|n| (format!("l{n:02}"), "v")).collect();
        let mut labels = Labels::parse(pairs[..64].iter().map(|(n, v)| (n, v))).unwrap();
        assert_eq!(labels.len(), 64);
        assert_eq!(labels.iter().next().unwrap().0.as_str(), "l01");
        assert_eq!(Labels::parse(pairs).unwrap_err().code(), Code::LabelInvalid);

        let (another, value): (LabelName, LabelValue) = ("other".parse().unwrap(), "w".parse().unwrap());
        assert!(labels.insert(another.clone(), value.clone()).is_err());
        assert_eq!(labels.insert("l01".parse().unwrap(), value.clone()).unwrap().unwrap().as_str(), "v");
        assert_eq!(labels.remove("l01").unwrap(), value);
        assert_eq!(labels.insert(another, value.clone()).unwrap(), None);
        assert_eq!(labels.value("other"), Some(&value));
    }

    #[test]
    fn a_label_given_twice_is_a_mistake() {
        let error = Labels::parse([("a", "1"), ("b", "2"), ("a", "1")]).unwrap_err();
        assert_eq!((error.code(), error.details()), (Code::LabelInvalid, Some("the label a is given twice")));
    }
}
