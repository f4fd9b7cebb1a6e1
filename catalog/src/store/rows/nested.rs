//! The JSON of nested values: what stands in one cell of a row.

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::{damaged, id, tags_of};
use crate::audit::Origin;
use crate::function::Parameter;
use crate::policy::{
    BuiltinMask, ColumnBinding, ColumnMask, Literal, PolicyArgument, PolicyFunction, RowFilter,
};
use crate::policy_test::Expectation;
use crate::securable::{Column, KeyPart};
use crate::store::Error;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnJson {
    name: String,
    #[serde(rename = "type")]
    type_text: String,
    nullable: bool,
    comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field_id: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    primary_key: Option<KeyPartJson>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyPartJson {
    constraint: String,
    place: u32,
}

impl ColumnJson {
    pub(crate) fn of(column: &Column) -> Self {
        let Column { name, type_text, nullable, comment, field_id, tags, primary_key } = column.clone();
        let tags = tags.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let primary_key = primary_key.map(|KeyPart { constraint, place }| KeyPartJson { constraint, place });
        Self { name, type_text, nullable, comment, field_id, tags, primary_key }
    }

    pub(crate) fn into_model(self) -> Result<Column, Error> {
        let Self { name, type_text, nullable, comment, field_id, tags, primary_key } = self;
        let primary_key = primary_key.map(|KeyPartJson { constraint, place }| KeyPart { constraint, place });
        Ok(Column { name, type_text, nullable, comment, field_id, tags: tags_of(tags)?, primary_key })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParameterJson {
    name: String,
    #[serde(rename = "type")]
    type_text: String,
    default: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl ParameterJson {
    pub(crate) fn of(parameter: &Parameter) -> Self {
        let Parameter { name, type_text, default, comment } = parameter.clone();
        Self { name, type_text, default, comment }
    }

    pub(crate) fn into_model(self) -> Parameter {
        let Self { name, type_text, default, comment } = self;
        Parameter { name, type_text, default, comment }
    }
}

/// A function of the catalog by its id, a built-in one by its full name.
pub(crate) fn function_text(function: PolicyFunction) -> String {
    match function {
        PolicyFunction::Sql(id) => id.to_string(),
        PolicyFunction::Builtin(mask) => mask.to_string(),
    }
}

pub(crate) fn function_of(text: &str) -> Result<PolicyFunction, Error> {
    if let Some(mask) = BuiltinMask::ALL.into_iter().find(|mask| mask.to_string() == text) {
        return Ok(PolicyFunction::Builtin(mask));
    }
    match text.starts_with("system.") {
        true => Err(damaged("policy function", text)),
        false => Ok(PolicyFunction::Sql(id("function id", text)?)),
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ExpectationJson {
    Rows(u64),
    Values(String),
    Error(Option<String>),
}

impl ExpectationJson {
    pub(crate) fn of(expectation: &Expectation) -> Self {
        match expectation.clone() {
            Expectation::Rows(rows) => Self::Rows(rows),
            Expectation::Values(text) => Self::Values(text),
            Expectation::Error(condition) => Self::Error(condition),
        }
    }

    pub(crate) fn into_model(self) -> Expectation {
        match self {
            Self::Rows(rows) => Expectation::Rows(rows),
            Self::Values(text) => Expectation::Values(text),
            Self::Error(condition) => Expectation::Error(condition),
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OriginJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    run_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl OriginJson {
    pub(crate) fn of(origin: &Origin) -> Self {
        let Origin { run_by, request_id, session_id, source_address, user_agent } = origin.clone();
        Self { run_by, request_id, session_id, source_address, user_agent }
    }

    pub(crate) fn into_model(self) -> Origin {
        let Self { run_by, request_id, session_id, source_address, user_agent } = self;
        Origin { run_by, request_id, session_id, source_address, user_agent }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindingJson {
    name: String,
    field_id: Option<i64>,
    #[serde(rename = "type")]
    type_text: String,
}

impl BindingJson {
    pub(crate) fn of(binding: &ColumnBinding) -> Self {
        let ColumnBinding { name, field_id, type_text } = binding.clone();
        Self { name, field_id, type_text }
    }

    pub(crate) fn into_model(self) -> ColumnBinding {
        let Self { name, field_id, type_text } = self;
        ColumnBinding { name, field_id, type_text }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum LiteralJson {
    String(String),
    Number(String),
    Boolean(bool),
    Interval(String),
    Null,
}

impl LiteralJson {
    pub(crate) fn of(literal: &Literal) -> Self {
        match literal.clone() {
            Literal::String(text) => Self::String(text),
            Literal::Number(text) => Self::Number(text),
            Literal::Boolean(value) => Self::Boolean(value),
            Literal::Interval(text) => Self::Interval(text),
            Literal::Null => Self::Null,
        }
    }

    pub(crate) fn into_model(self) -> Literal {
        match self {
            Self::String(text) => Literal::String(text),
            Self::Number(text) => Literal::Number(text),
            Self::Boolean(value) => Literal::Boolean(value),
            Self::Interval(text) => Literal::Interval(text),
            Self::Null => Literal::Null,
        }
    }
}

/// The shape stored from the first version on: literals beside the column, not within a case of their own.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ArgumentJson {
    Column(BindingJson),
    String(String),
    Number(String),
    Boolean(bool),
    Interval(String),
    Null,
}

impl ArgumentJson {
    pub(crate) fn of(argument: &PolicyArgument) -> Self {
        match argument {
            PolicyArgument::Column(binding) => Self::Column(BindingJson::of(binding)),
            PolicyArgument::Literal(literal) => match LiteralJson::of(literal) {
                LiteralJson::String(text) => Self::String(text),
                LiteralJson::Number(text) => Self::Number(text),
                LiteralJson::Boolean(value) => Self::Boolean(value),
                LiteralJson::Interval(text) => Self::Interval(text),
                LiteralJson::Null => Self::Null,
            },
        }
    }

    pub(crate) fn into_model(self) -> PolicyArgument {
        PolicyArgument::Literal(match self {
            Self::Column(binding) => return PolicyArgument::Column(binding.into_model()),
            Self::String(text) => Literal::String(text),
            Self::Number(text) => Literal::Number(text),
            Self::Boolean(value) => Literal::Boolean(value),
            Self::Interval(text) => Literal::Interval(text),
            Self::Null => Literal::Null,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterJson {
    pub(crate) function: String,
    arguments: Vec<ArgumentJson>,
    semantics: u32,
}

impl FilterJson {
    pub(crate) fn of(filter: &RowFilter) -> Self {
        Self {
            function: function_text(filter.function),
            arguments: filter.arguments.iter().map(ArgumentJson::of).collect(),
            semantics: filter.semantics,
        }
    }

    pub(crate) fn into_model(self) -> Result<RowFilter, Error> {
        Ok(RowFilter {
            function: function_of(&self.function)?,
            arguments: self.arguments.into_iter().map(ArgumentJson::into_model).collect(),
            semantics: self.semantics,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskJson {
    column: BindingJson,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<String>,
    pub(crate) function: String,
    arguments: Vec<ArgumentJson>,
    semantics: u32,
}

impl MaskJson {
    pub(crate) fn of(mask: &ColumnMask) -> Self {
        Self {
            column: BindingJson::of(&mask.column),
            path: mask.path.clone(),
            function: function_text(mask.function),
            arguments: mask.arguments.iter().map(ArgumentJson::of).collect(),
            semantics: mask.semantics,
        }
    }

    pub(crate) fn into_model(self) -> Result<ColumnMask, Error> {
        Ok(ColumnMask {
            column: self.column.into_model(),
            path: self.path,
            function: function_of(&self.function)?,
            arguments: self.arguments.into_iter().map(ArgumentJson::into_model).collect(),
            semantics: self.semantics,
        })
    }
}
