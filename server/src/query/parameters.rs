//! Parameters of a statement: their types, and their values by position.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlan;
use weir_enforce::{bind_parameters, parameter_fields};

use crate::error::{Condition, Error, Result};
use crate::query::wire::wire_schema;
use crate::run::Parameters;

/// The parameters of `plan`, one nullable field each by ordinal; where the plan does not tell a
/// type, a string.
pub fn parameter_schema(plan: &LogicalPlan) -> Result<SchemaRef> {
    let mut fields: Vec<(usize, Field)> = parameter_fields(plan)?
        .into_iter()
        .map(|(name, field)| {
            let data_type = match field.map(|field| field.data_type().clone()) {
                None | Some(DataType::Null) => DataType::Utf8,
                Some(known) => known,
            };
            (ordinal(&name), Field::new(name, data_type, true))
        })
        .collect();
    fields.sort_by_key(|(ordinal, _)| *ordinal);
    Ok(wire_schema(&Schema::new(fields.into_iter().map(|(_, field)| field).collect::<Vec<_>>())))
}

fn ordinal(name: &str) -> usize {
    name.trim_start_matches('$').parse().unwrap_or(usize::MAX)
}

/// `plan` with values in the place of its parameters.
pub fn bind(plan: LogicalPlan, schema: &Schema, parameters: &Parameters) -> Result<LogicalPlan> {
    let given = parameters.as_ref().map_or(0, |row| row.num_columns());
    if given != schema.fields().len() {
        return Err(Error::new(
            Condition::InvalidParameterValue,
            format!("the statement has {} parameters and gets {given} values", schema.fields().len()),
        ));
    }
    let Some(row) = parameters else { return Ok(plan) };
    let mut values = HashMap::new();
    for (field, column) in schema.fields().iter().zip(row.columns()) {
        let value = ScalarValue::try_from_array(column, 0)?.cast_to(field.data_type())?;
        values.insert(field.name().trim_start_matches('$').to_owned(), value.into());
    }
    Ok(bind_parameters(plan, &ParamValues::Map(values))?)
}

/// No fields.
pub fn none() -> SchemaRef {
    Arc::new(Schema::empty())
}
