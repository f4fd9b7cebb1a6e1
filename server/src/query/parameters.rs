//! Parameters of a statement: their types, and their values by position.

mod exact;

pub(crate) use exact::read_as;

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
/// type, a string. In the metadata it is told of each whether the statement only casts it.
pub fn parameter_schema(plan: &LogicalPlan) -> Result<SchemaRef> {
    let mut fields: Vec<(usize, Field, bool)> = parameter_fields(plan)?
        .into_iter()
        .map(|(name, (field, only_cast))| {
            let data_type = match field.map(|field| field.data_type().clone()) {
                None | Some(DataType::Null) => DataType::Utf8,
                Some(known) => known,
            };
            (ordinal(&name), Field::new(name, data_type, true), only_cast)
        })
        .collect();
    fields.sort_by_key(|(ordinal, ..)| *ordinal);
    let wire =
        wire_schema(&Schema::new(fields.iter().map(|(_, field, _)| field.clone()).collect::<Vec<_>>()));
    let marked = wire.fields().iter().zip(&fields).map(|(field, (.., only_cast))| match only_cast {
        true => Arc::new(exact::only_cast(field.as_ref().clone())),
        false => Arc::clone(field),
    });
    Ok(Arc::new(Schema::new(marked.collect::<Vec<_>>())))
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
    for (position, (field, column)) in schema.fields().iter().zip(row.columns()).enumerate() {
        // They are of these types already, unless a table has changed since they were bound.
        let column = read_as(column, field, position + 1)?;
        let value = ScalarValue::try_from_array(&column, 0)?;
        values.insert(field.name().trim_start_matches('$').to_owned(), value.into());
    }
    Ok(bind_parameters(plan, &ParamValues::Map(values))?)
}

/// No fields.
pub fn none() -> SchemaRef {
    Arc::new(Schema::empty())
}
