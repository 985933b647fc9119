//! The anchors of a deployment as its row of `sys` has them (`settings`), under that row's MAC.

use serde::{Deserialize, Serialize};

use super::{AnchorPlace, demand_distinct};
use crate::{Code, Error, Result};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    anchors: Vec<AnchorPlace>,
    v: u8,
}

/// What is stored: nothing where there are none.
pub(crate) fn to_settings(anchors: &[AnchorPlace]) -> Result<Vec<u8>> {
    if anchors.is_empty() {
        return Ok(Vec::new());
    }
    let mut anchors = anchors.to_vec();
    anchors.sort();
    demand_distinct(&anchors)?;
    serde_json::to_vec(&Settings { anchors, v: 1 }).map_err(|error| Error::new(Code::Internal).caused_by(error))
}

/// Reads it back. The row was checked: what cannot be read was written by another version.
pub(crate) fn from_settings(bytes: &[u8]) -> Result<Vec<AnchorPlace>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let unknown = || Error::new(Code::SchemaNewer).detail("the settings of sys");
    let settings: Settings = serde_json::from_slice(bytes).map_err(|error| unknown().caused_by(error))?;
    if settings.v == 1 { Ok(settings.anchors) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let [a, b]: [AnchorPlace; 2] = ["file:/a", "file:/b\"\u{e4}"].map(|name| name.parse().unwrap());
        let stored = to_settings(&[b.clone(), a.clone()]).unwrap();
        assert_eq!(String::from_utf8_lossy(&stored), "{\"anchors\":[\"file:/a\",\"file:/b\\\"\u{e4}\"],\"v\":1}");
        assert_eq!(from_settings(&stored).unwrap(), [a.clone(), b]);
        assert_eq!(to_settings(&[]).unwrap(), b"");
        assert_eq!(from_settings(b"").unwrap(), []);
        for other in [&b"{}"[..], br#"{"anchors":[],"v":2}"#, br#"{"anchors":[],"v":1,"x":1}"#, b"\0"] {
            assert_eq!(from_settings(other).unwrap_err().code(), Code::SchemaNewer);
        }
        assert!(to_settings(&[a.clone(), a]).is_err());
    }
}
