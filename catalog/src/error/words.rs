//! Lists and numbers as they stand in the sentences of errors.

use super::MissingPrivilege;
use crate::securable::SecurableName;

pub(super) fn list(missing: &[MissingPrivilege]) -> String {
    missing.iter().map(MissingPrivilege::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn overlapped(other: Option<&SecurableName>) -> String {
    match other {
        Some(name) => format!("that of {name}"),
        None => "another one".to_owned(),
    }
}

pub(super) fn arity(least: usize, most: usize) -> String {
    match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        (least, most) if least == most => format!("{most} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    }
}
