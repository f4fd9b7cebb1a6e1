//! What an import would change, object by object, for people to read.

use std::fmt;

use serde_json::{Map, Value};

use super::Document;

/// One object that is not the same in two documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Not there before.
    Added {
        /// The list of the document and the name in it.
        what: String,
    },
    /// There before and after, with other values.
    Changed {
        /// The list of the document and the name in it.
        what: String,
        /// Each value as it was and as it will be, in JSON.
        fields: Vec<(String, Option<String>, Option<String>)>,
    },
    /// Not there any more.
    Removed {
        /// The list of the document and the name in it.
        what: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Added { what } => write!(f, "+ {what}"),
            Difference::Removed { what } => write!(f, "- {what}"),
            Difference::Changed { what, fields } => {
                write!(f, "~ {what}")?;
                let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                for (field, before, after) in fields {
                    write!(f, "\n    {field}: {} -> {}", said(before), said(after))?;
                }
                Ok(())
            }
        }
    }
}

/// What leads from one document to the other, in the order of the document.
pub(crate) fn between(before: &Document, after: &Document) -> Result<Vec<Difference>, serde_json::Error> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    let mut found = Vec::new();
    let (before, after) = (entries(&before), entries(&after));
    for section in names(&before, &after) {
        let (left, right) = (before.get(section), after.get(section));
        match (left, right) {
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                found.extend(names(left, right).into_iter().filter_map(|name| {
                    object(&format!("{section} {name}"), left.get(name), right.get(name))
                }));
            }
            _ => found.extend(object(section, left, right)),
        }
    }
    Ok(found)
}

fn entries(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Each key of either, once.
fn names<'a>(left: &'a Map<String, Value>, right: &'a Map<String, Value>) -> Vec<&'a String> {
    let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    names
}

fn object(what: &str, before: Option<&Value>, after: Option<&Value>) -> Option<Difference> {
    let what = what.to_owned();
    match (before, after) {
        (None, Some(_)) => Some(Difference::Added { what }),
        (Some(_), None) => Some(Difference::Removed { what }),
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let changed = names(left, right).into_iter().filter(|name| left.get(*name) != right.get(*name));
            let fields: Vec<_> = changed
                .map(|name| {
                    let text = |value: Option<&Value>| value.map(ToString::to_string);
                    (name.clone(), text(left.get(name)), text(right.get(name)))
                })
                .collect();
            (!fields.is_empty()).then_some(Difference::Changed { what, fields })
        }
        (before, after) if before == after => None,
        (before, after) => {
            let text = |value: Option<&Value>| value.map(ToString::to_string);
            let fields = vec![("value".to_owned(), text(before), text(after))];
            Some(Difference::Changed { what, fields })
        }
    }
}
