//! Values and types of columns, and how SQL writes them.

use proptest::prelude::*;
use proptest::sample::select;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    /// UTF-8.
    Text,
    /// A day.
    Date,
    /// DECIMAL(10,2).
    Decimal,
    /// TRUE or FALSE.
    Boolean,
    /// 64 bits.
    Double,
}

impl ColumnType {
    /// Its name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            ColumnType::Int => "INT",
            ColumnType::BigInt => "BIGINT",
            ColumnType::Text => "STRING",
            ColumnType::Date => "DATE",
            ColumnType::Decimal => "DECIMAL(10,2)",
            ColumnType::Boolean => "BOOLEAN",
            ColumnType::Double => "DOUBLE",
        }
    }

    /// Values of few kinds, so that rows meet: NULL, what policies and queries compare with, and what makes casts and
    /// divisions fail.
    pub(crate) fn values(self) -> BoxedStrategy<Value> {
        let some = match self {
            ColumnType::Int => (-1..9_i32).prop_map(Value::Int).boxed(),
            ColumnType::BigInt => (-1..7_i64).prop_map(Value::BigInt).boxed(),
            ColumnType::Text => select(vec!["x", "y", "z", "", "1", "alice", "it's", "Ä"])
                .prop_map(|text| Value::Text(text.to_owned()))
                .boxed(),
            ColumnType::Date => (1..6_u8).prop_map(Value::Date).boxed(),
            ColumnType::Decimal => select(vec![0, 100, 150, -25, 999]).prop_map(Value::Decimal).boxed(),
            ColumnType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
            // Halves, so that sums are exact in any order.
            ColumnType::Double => select(vec![0.0, 0.5, 1.0, -2.5, f64::NAN]).prop_map(Value::Double).boxed(),
        };
        // Values that meet no other, so that a hidden one is known again wherever it comes up.
        let rare = match self {
            ColumnType::Int => (20..90_i32).prop_map(Value::Int).boxed(),
            ColumnType::BigInt => (20..90_i64).prop_map(Value::BigInt).boxed(),
            ColumnType::Text => (20..90_u8).prop_map(|number| Value::Text(format!("v{number}"))).boxed(),
            ColumnType::Date => (6..29_u8).prop_map(Value::Date).boxed(),
            ColumnType::Decimal => (1000..9000_i64).prop_map(Value::Decimal).boxed(),
            ColumnType::Boolean | ColumnType::Double => some.clone(),
        };
        prop_oneof![8 => some, 3 => rare, 2 => Just(Value::Null)].boxed()
    }
}

/// A value of some column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// An INT.
    Int(i32),
    /// A BIGINT.
    BigInt(i64),
    /// A STRING.
    Text(String),
    /// A day of January 2024.
    Date(u8),
    /// Hundredths.
    Decimal(i64),
    /// A BOOLEAN.
    Boolean(bool),
    /// A DOUBLE.
    Double(f64),
}

impl Value {
    /// How SQL writes it for a column of its type.
    pub fn literal(&self, of: ColumnType) -> String {
        match self {
            Value::Null => format!("CAST(NULL AS {})", of.sql()),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Date(day) => format!("DATE '2024-01-{day:02}'"),
            Value::Boolean(value) => value.to_string().to_uppercase(),
            Value::Double(value) if value.is_nan() => "CAST('NaN' AS DOUBLE)".to_owned(),
            Value::Int(value) => cast(value, of),
            Value::BigInt(value) => cast(value, of),
            Value::Double(value) => cast(value, of),
            Value::Decimal(hundredths) => {
                let sign = if *hundredths < 0 { "-" } else { "" };
                let all = hundredths.unsigned_abs();
                format!("CAST('{sign}{}.{:02}' AS {})", all / 100, all % 100, of.sql())
            }
        }
    }
}

fn cast(value: impl std::fmt::Display, of: ColumnType) -> String {
    format!("CAST({value} AS {})", of.sql())
}
