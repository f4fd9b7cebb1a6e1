//! Policies and keys written out as SQL, as they were set.

use datafusion::sql::sqlparser::ast::Value;
use weir_catalog::{ColumnMask, ColumnMatch, Literal, PolicyArgument, PrimaryKey, TagPolicyArgument};

use super::types::{quoted, quoted_path};

/// Arguments as they were written.
pub(crate) fn arguments(arguments: &[PolicyArgument]) -> String {
    let arguments = arguments.iter().map(|argument| match argument {
        PolicyArgument::Column(binding) => quoted(&binding.name),
        PolicyArgument::Literal(value) => literal(value),
    });
    arguments.collect::<Vec<_>>().join(", ")
}

/// The masked column, or the field in it, as ALTER COLUMN takes it.
pub(crate) fn place(mask: &ColumnMask) -> String {
    quoted_path(std::iter::once(&mask.column.name).chain(&mask.path).map(String::as_str))
}

/// The arguments of a tag policy as they were written.
pub(crate) fn tag_policy_arguments(arguments: &[TagPolicyArgument]) -> String {
    let arguments = arguments.iter().map(|argument| match argument {
        TagPolicyArgument::Alias(alias) => quoted(alias),
        TagPolicyArgument::Literal(value) => literal(value),
        TagPolicyArgument::TagValue(key) => format!("tag_value({})", string(key.as_str())),
    });
    arguments.collect::<Vec<_>>().join(", ")
}

/// One condition of MATCH COLUMNS.
pub(crate) fn column_match(columns: &ColumnMatch) -> String {
    match &columns.alias {
        Some(alias) => format!("{} AS {}", columns.condition, quoted(alias)),
        None => columns.condition.to_string(),
    }
}

/// `PRIMARY KEY (column, …) NOT ENFORCED`.
pub(crate) fn primary_key(key: &PrimaryKey<'_>) -> String {
    let columns: Vec<String> = key.columns.iter().map(|column| quoted(&column.name)).collect();
    format!("PRIMARY KEY ({}) NOT ENFORCED", columns.join(", "))
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::String(text) => string(text),
        Literal::Number(text) => text.clone(),
        Literal::Boolean(value) => value.to_string().to_uppercase(),
        Literal::Interval(text) => format!("INTERVAL {text}"),
        Literal::Null => "NULL".to_owned(),
    }
}

/// A string literal.
pub(crate) fn string(text: &str) -> String {
    Value::SingleQuotedString(text.to_owned()).to_string()
}
