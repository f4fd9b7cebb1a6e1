//! A value for a column of a table: cast to the column's type, unless nobody can know what the cast should mean.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::logical_expr::{Expr, cast};

use crate::error::{Condition, Error, Result};
use crate::sql::types::{counts_time, text_of};

/// `value`, which is of type `from`, in the type of `column`, but that all within it may be NULL: whether something is that may not
/// be is looked at when rows come to have the table's types. Whether a number counts days, seconds or microseconds stands nowhere: a
/// statement says it.
pub(crate) fn assigned(value: Expr, from: &DataType, column: &Field) -> Result<Expr> {
    check(from, column)?;
    Ok(cast(value, open(column.data_type())))
}

/// The same type whose fields and elements may be NULL. The engine casts nothing that may be NULL to what may not, whether it is or
/// not. Keys of a map are never NULL, and of its values the engine asks nothing.
pub(crate) fn open(data_type: &DataType) -> DataType {
    let opened = |field: &FieldRef| {
        Arc::new(field.as_ref().clone().with_data_type(open(field.data_type())).with_nullable(true))
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(opened).collect()),
        DataType::List(item) => DataType::List(opened(item)),
        other => other.clone(),
    }
}

/// Whether values of type `from` may be stored in `column` as they are.
pub(crate) fn check(from: &DataType, column: &Field) -> Result<()> {
    let to = column.data_type();
    if !counts_time(from, to) {
        return Ok(());
    }
    let (name, to_text) = (column.name(), text_of(to));
    let text =
        format!("column `{name}` is {to_text}, and a value of type {} is to be stored there", text_of(from));
    let hint = match to {
        DataType::Timestamp(..) => format!("CAST(… AS {to_text}) reads a number as seconds since 1970-01-01"),
        to if to.is_temporal() => format!("say which day or time it is, as in {to_text} '…'"),
        _ => "extract(EPOCH FROM …) gives the seconds since 1970-01-01".to_owned(),
    };
    Err(Error::new(Condition::DatatypeMismatch, text).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Fields;

    use super::*;

    #[test]
    fn what_is_within_a_type_may_be_null_but_for_maps() {
        let field = |name: &str, data_type: DataType, nullable| Field::new(name, data_type, nullable);
        let of = |nullable: bool| {
            let entries = DataType::Struct(Fields::from(vec![
                field("key", DataType::Utf8, false),
                field("value", DataType::Int32, false),
            ]));
            let map = DataType::Map(Arc::new(field("key_value", entries, false)), false);
            let inner = DataType::Struct(Fields::from(vec![field("x", DataType::Int32, nullable)]));
            let list = DataType::List(Arc::new(field("element", inner, nullable)));
            DataType::Struct(Fields::from(vec![field("list", list, nullable), field("map", map, nullable)]))
        };
        assert_eq!(open(&of(false)), of(true));
        assert_eq!(open(&of(true)), of(true));
        assert_eq!(open(&DataType::Int32), DataType::Int32);
    }
}
