//! Where files cannot be given their room beforehand, none is kept.

use super::fault::Place;
use crate::store::Reserve;

pub(super) fn hold(_place: &Place) -> Reserve {
    Reserve::Unsupported
}

pub(super) fn release(_place: &Place) -> bool {
    false
}
