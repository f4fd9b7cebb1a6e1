//! Names and sizes of the dialect's types, as drivers are told.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// The dialect's name of `data_type`, e.g. `BIGINT` or `ARRAY<STRING>`.
pub(crate) fn name(data_type: &DataType) -> String {
    let plain = match data_type {
        DataType::Null => "VOID",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 | DataType::UInt8 => "SMALLINT",
        DataType::Int32 | DataType::UInt16 => "INT",
        DataType::Int64 | DataType::UInt32 => "BIGINT",
        DataType::Float16 | DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "DECIMAL",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BINARY"
        }
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP",
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Interval(IntervalUnit::YearMonth) => "INTERVAL YEAR TO MONTH",
        DataType::Duration(_) | DataType::Interval(_) => "INTERVAL DAY TO SECOND",
        DataType::Dictionary(_, value) => return name(value),
        DataType::RunEndEncoded(_, value) => return name(value.data_type()),
        DataType::List(item)
        | DataType::ListView(item)
        | DataType::LargeList(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => return format!("ARRAY<{}>", name(item.data_type())),
        DataType::Struct(fields) => return format!("STRUCT<{}>", members(fields.iter().map(AsRef::as_ref))),
        DataType::Map(entries, _) => return map(entries),
        DataType::Union(..) => "VARIANT",
    };
    plain.to_owned()
}

fn members<'a>(fields: impl Iterator<Item = &'a Field>) -> String {
    let members: Vec<_> = fields.map(|f| format!("{}: {}", f.name(), name(f.data_type()))).collect();
    members.join(", ")
}

fn map(entries: &Field) -> String {
    match entries.data_type() {
        DataType::Struct(fields) => {
            let types: Vec<_> = fields.iter().map(|field| name(field.data_type())).collect();
            format!("MAP<{}>", types.join(", "))
        }
        other => format!("MAP<{}>", name(other)),
    }
}

/// Precision and scale, for types that have them.
pub(crate) fn precision_and_scale(data_type: &DataType) -> (Option<i32>, Option<i32>) {
    match data_type {
        DataType::Int8 => (Some(3), Some(0)),
        DataType::Int16 | DataType::UInt8 => (Some(5), Some(0)),
        DataType::Int32 | DataType::UInt16 => (Some(10), Some(0)),
        DataType::Int64 | DataType::UInt32 => (Some(19), Some(0)),
        DataType::UInt64 => (Some(20), Some(0)),
        DataType::Float16 | DataType::Float32 => (Some(7), None),
        DataType::Float64 => (Some(15), None),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (Some(i32::from(*precision)), Some(i32::from(*scale))),
        DataType::Timestamp(unit, _) => (Some(26), Some(fraction_digits(*unit))),
        _ => (None, None),
    }
}

fn fraction_digits(unit: TimeUnit) -> i32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Whether comparisons of its values depend on case.
pub(crate) fn is_case_sensitive(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn types_have_the_names_of_the_dialect() {
        let item = Arc::new(Field::new("item", DataType::Utf8, true));
        let entry = |n, t| Field::new(n, t, true);
        let entries = DataType::Struct(vec![entry("k", DataType::Utf8), entry("v", DataType::Int32)].into());
        let members = DataType::Struct(vec![entry("a", DataType::Decimal128(5, 2))].into());
        for (data_type, expected) in [
            (DataType::Int64, "BIGINT"),
            (DataType::Decimal128(15, 2), "DECIMAL"),
            (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "TIMESTAMP"),
            (DataType::Timestamp(TimeUnit::Microsecond, None), "TIMESTAMP_NTZ"),
            (DataType::List(item), "ARRAY<STRING>"),
            (DataType::Map(Arc::new(Field::new("entries", entries, false)), false), "MAP<STRING, INT>"),
            (members, "STRUCT<a: DECIMAL>"),
        ] {
            assert_eq!(name(&data_type), expected);
        }
        assert_eq!(precision_and_scale(&DataType::Decimal128(15, 2)), (Some(15), Some(2)));
        assert_eq!(precision_and_scale(&DataType::Utf8), (None, None));
    }
}
