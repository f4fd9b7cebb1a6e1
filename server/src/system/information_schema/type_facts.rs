//! What the standard tells of a type beside its name.

use arrow::datatypes::DataType;

use super::rows::Cell;
use super::{Definition, Holds};
use crate::sql::types;

/// The columns that tell of a type, from `full_data_type` on in the reference's order.
pub(crate) const TYPE: &[Definition] = &[
    ("full_data_type", Holds::Text, "The type with its parameters, e.g. `decimal(10,2)`."),
    ("data_type", Holds::Text, "The type's name, e.g. `DECIMAL`."),
];

/// The same two the other way round, as routines and parameters have them.
pub(crate) const TYPE_OF_ROUTINE: &[Definition] = &[
    ("data_type", Holds::Text, "The type's name, e.g. `DECIMAL`; `TABLE_TYPE` of a table function."),
    ("full_data_type", Holds::Text, "The type with its parameters, e.g. `decimal(10,2)`."),
];

/// The parameters of a type.
pub(crate) const DETAILS: &[Definition] = &[
    (
        "character_maximum_length",
        Holds::Number,
        "The most characters of a VARCHAR; null: strings have no bound.",
    ),
    ("character_octet_length", Holds::Number, "Null: bytes have no bound."),
    ("numeric_precision", Holds::Number, "Digits of a number, in the radix."),
    ("numeric_precision_radix", Holds::Number, "10 for decimals and integers, 2 for floating point."),
    ("numeric_scale", Holds::Number, "Digits after the point."),
    ("datetime_precision", Holds::Number, "Digits of a second: 6 for timestamps, 0 for dates."),
    ("interval_type", Holds::Text, "Null: no column holds intervals."),
    ("interval_precision", Holds::Number, "Null: no column holds intervals."),
    ("maximum_cardinality", Holds::Number, "Null: arrays have no bound."),
];

/// What is known of one type.
#[derive(Debug)]
pub(crate) struct TypeFacts {
    /// With parameters.
    pub(crate) full: Cell,
    /// Without.
    pub(crate) name: Cell,
    /// The columns of [`DETAILS`].
    pub(crate) details: [Cell; 9],
}

impl TypeFacts {
    /// Of the type with that SQL text.
    pub(crate) fn of(text: &str) -> Self {
        let name = text.split(['(', '<', ' ']).next().unwrap_or(text);
        let known = types::parse(text).ok();
        let length = known.as_ref().and_then(|known| known.length).map(i64::from);
        let (precision, radix, scale, second) = match known.map(|known| known.arrow) {
            Some(DataType::Int8) => (Some(3), Some(10), Some(0), None),
            Some(DataType::Int16) => (Some(5), Some(10), Some(0), None),
            Some(DataType::Int32) => (Some(10), Some(10), Some(0), None),
            Some(DataType::Int64) => (Some(19), Some(10), Some(0), None),
            Some(DataType::Float32) => (Some(24), Some(2), None, None),
            Some(DataType::Float64) => (Some(53), Some(2), None, None),
            Some(DataType::Decimal128(precision, scale)) => {
                (Some(i64::from(precision)), Some(10), Some(i64::from(scale)), None)
            }
            Some(DataType::Date32) => (None, None, None, Some(0)),
            Some(DataType::Timestamp(..)) => (None, None, None, Some(6)),
            _ => (None, None, None, None),
        };
        let none = Cell::Null;
        Self {
            // Fields of structs keep the case of their names.
            full: if text.contains("STRUCT") { Cell::from(text) } else { Cell::from(text.to_lowercase()) },
            name: Cell::from(name.to_uppercase()),
            details: [
                length.into(),
                none.clone(),
                precision.into(),
                radix.into(),
                scale.into(),
                second.into(),
                none.clone(),
                none.clone(),
                none,
            ],
        }
    }
}
