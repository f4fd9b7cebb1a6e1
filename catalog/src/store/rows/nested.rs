//! The JSON of nested values: what stands in one cell of a row.

use serde::{Deserialize, Serialize};

use super::id;
use crate::function::Parameter;
use crate::policy::{ColumnBinding, ColumnMask, Literal, PolicyArgument, RowFilter};
use crate::securable::Column;
use crate::store::Error;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnJson {
    name: String,
    #[serde(rename = "type")]
    type_text: String,
    nullable: bool,
    comment: Option<String>,
}

impl ColumnJson {
    pub(super) fn of(column: &Column) -> Self {
        let Column { name, type_text, nullable, comment } = column.clone();
        Self { name, type_text, nullable, comment }
    }

    pub(super) fn into_model(self) -> Column {
        let Self { name, type_text, nullable, comment } = self;
        Column { name, type_text, nullable, comment }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterJson {
    name: String,
    #[serde(rename = "type")]
    type_text: String,
    default: Option<String>,
}

impl ParameterJson {
    pub(super) fn of(parameter: &Parameter) -> Self {
        let Parameter { name, type_text, default } = parameter.clone();
        Self { name, type_text, default }
    }

    pub(super) fn into_model(self) -> Parameter {
        let Self { name, type_text, default } = self;
        Parameter { name, type_text, default }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingJson {
    name: String,
    field_id: Option<i64>,
    #[serde(rename = "type")]
    type_text: String,
}

impl BindingJson {
    pub(super) fn of(binding: &ColumnBinding) -> Self {
        let ColumnBinding { name, field_id, type_text } = binding.clone();
        Self { name, field_id, type_text }
    }

    pub(super) fn into_model(self) -> ColumnBinding {
        let Self { name, field_id, type_text } = self;
        ColumnBinding { name, field_id, type_text }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ArgumentJson {
    Column(BindingJson),
    String(String),
    Number(String),
    Boolean(bool),
    Null,
}

impl ArgumentJson {
    pub(super) fn of(argument: &PolicyArgument) -> Self {
        match argument {
            PolicyArgument::Column(binding) => Self::Column(BindingJson::of(binding)),
            PolicyArgument::Literal(Literal::String(text)) => Self::String(text.clone()),
            PolicyArgument::Literal(Literal::Number(text)) => Self::Number(text.clone()),
            PolicyArgument::Literal(Literal::Boolean(value)) => Self::Boolean(*value),
            PolicyArgument::Literal(Literal::Null) => Self::Null,
        }
    }

    pub(super) fn into_model(self) -> PolicyArgument {
        match self {
            Self::Column(binding) => PolicyArgument::Column(binding.into_model()),
            Self::String(text) => PolicyArgument::Literal(Literal::String(text)),
            Self::Number(text) => PolicyArgument::Literal(Literal::Number(text)),
            Self::Boolean(value) => PolicyArgument::Literal(Literal::Boolean(value)),
            Self::Null => PolicyArgument::Literal(Literal::Null),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterJson {
    function: String,
    arguments: Vec<ArgumentJson>,
    semantics: u32,
}

impl FilterJson {
    pub(super) fn of(filter: &RowFilter) -> Self {
        Self {
            function: filter.function.to_string(),
            arguments: filter.arguments.iter().map(ArgumentJson::of).collect(),
            semantics: filter.semantics,
        }
    }

    pub(super) fn into_model(self) -> Result<RowFilter, Error> {
        Ok(RowFilter {
            function: id("function id", &self.function)?,
            arguments: self.arguments.into_iter().map(ArgumentJson::into_model).collect(),
            semantics: self.semantics,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskJson {
    column: BindingJson,
    function: String,
    arguments: Vec<ArgumentJson>,
    semantics: u32,
}

impl MaskJson {
    pub(super) fn of(mask: &ColumnMask) -> Self {
        Self {
            column: BindingJson::of(&mask.column),
            function: mask.function.to_string(),
            arguments: mask.arguments.iter().map(ArgumentJson::of).collect(),
            semantics: mask.semantics,
        }
    }

    pub(super) fn into_model(self) -> Result<ColumnMask, Error> {
        Ok(ColumnMask {
            column: self.column.into_model(),
            function: id("function id", &self.function)?,
            arguments: self.arguments.into_iter().map(ArgumentJson::into_model).collect(),
            semantics: self.semantics,
        })
    }
}
