//! Properties of catalogs, schemas, tables and views: which values some of them take, SET and UNSET, and what a replacement keeps.

use std::collections::BTreeMap;

use super::OnMissing;
use crate::error::Error;
use crate::securable::{POLICY_DEFAULT_PROPERTY, PROTECTION_PROPERTY, Protection};

/// What SET or UNSET of properties does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyChange {
    /// SET: these get these values.
    Set(BTreeMap<String, String>),
    /// UNSET: these go.
    Unset {
        /// Which.
        properties: Vec<String>,
        /// What to do about one that is not set.
        on_missing: OnMissing,
    },
}

impl PropertyChange {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            PropertyChange::Set(properties) => check_properties(properties),
            PropertyChange::Unset { .. } => Ok(()),
        }
    }

    /// The properties afterwards.
    pub(super) fn apply(&self, to: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
        let mut properties = to.clone();
        match self {
            PropertyChange::Set(set) => properties.extend(set.clone()),
            PropertyChange::Unset { properties: unset, on_missing } => {
                for property in unset {
                    if properties.remove(property).is_none() && *on_missing == OnMissing::Fail {
                        return Err(Error::PropertyNotFound { property: property.clone() });
                    }
                }
            }
        }
        Ok(properties)
    }
}

/// Those of a table or view that is replaced by one with `said`: what governs it stays, unless the statement says otherwise.
pub(super) fn replaced_properties(
    before: &BTreeMap<String, String>,
    said: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let governing = [PROTECTION_PROPERTY, POLICY_DEFAULT_PROPERTY];
    let mut properties = before.clone();
    properties.retain(|property, _| governing.contains(&property.as_str()));
    properties.extend(said.clone());
    properties
}

/// The properties of governance take known values only, on tables, schemas and catalogs alike.
pub(super) fn check_properties(properties: &BTreeMap<String, String>) -> Result<(), Error> {
    let known = |property: &str, value: &str| match property {
        PROTECTION_PROPERTY => Protection::parse(value).is_some(),
        POLICY_DEFAULT_PROPERTY => matches!(value, "allow" | "deny"),
        _ => true,
    };
    match properties.iter().find(|(property, value)| !known(property, value)) {
        Some((property, value)) => {
            Err(Error::InvalidProperty { property: property.clone(), value: value.clone() })
        }
        None => Ok(()),
    }
}
