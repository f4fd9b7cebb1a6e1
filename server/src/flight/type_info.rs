//! GetXdbcTypeInfo: the types of the dialect, as ODBC's `SQLGetTypeInfo` lists them.

use arrow::datatypes::SchemaRef;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

use crate::error::{Error, Result};

/// The schema of the answer.
pub(super) fn schema() -> SchemaRef {
    XdbcTypeInfoDataBuilder::new().schema()
}

/// Every type.
pub(super) fn build() -> Result<XdbcTypeInfoData> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for info in [numbers(), texts(), times()].concat() {
        builder.append(info);
    }
    builder.build().map_err(Error::internal)
}

fn of(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        local_type_name: Some(name.to_owned()),
        data_type,
        sql_data_type: data_type,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Basic,
        ..XdbcTypeInfo::default()
    }
}

fn number(name: &str, data_type: XdbcDataType, digits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        num_prec_radix: Some(10),
        ..of(name, data_type, digits)
    }
}

fn integer(name: &str, data_type: XdbcDataType, digits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo { minimum_scale: Some(0), maximum_scale: Some(0), ..number(name, data_type, digits) }
}

fn numbers() -> Vec<XdbcTypeInfo> {
    vec![
        of("BOOLEAN", XdbcDataType::XdbcBit, 1),
        integer("TINYINT", XdbcDataType::XdbcTinyint, 3),
        integer("SMALLINT", XdbcDataType::XdbcSmallint, 5),
        integer("INT", XdbcDataType::XdbcInteger, 10),
        integer("BIGINT", XdbcDataType::XdbcBigint, 19),
        number("FLOAT", XdbcDataType::XdbcReal, 7),
        number("DOUBLE", XdbcDataType::XdbcDouble, 15),
        XdbcTypeInfo {
            create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
            minimum_scale: Some(0),
            maximum_scale: Some(38),
            ..number("DECIMAL", XdbcDataType::XdbcDecimal, 38)
        },
    ]
}

fn texts() -> Vec<XdbcTypeInfo> {
    vec![
        XdbcTypeInfo {
            literal_prefix: Some("'".to_owned()),
            literal_suffix: Some("'".to_owned()),
            case_sensitive: true,
            searchable: Searchable::Full,
            ..of("STRING", XdbcDataType::XdbcVarchar, i32::MAX)
        },
        XdbcTypeInfo {
            literal_prefix: Some("X'".to_owned()),
            literal_suffix: Some("'".to_owned()),
            ..of("BINARY", XdbcDataType::XdbcVarbinary, i32::MAX)
        },
    ]
}

fn times() -> Vec<XdbcTypeInfo> {
    let time = |name, data_type, size, prefix: &str, subcode| XdbcTypeInfo {
        literal_prefix: Some(prefix.to_owned()),
        literal_suffix: Some("'".to_owned()),
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(subcode),
        ..of(name, data_type, size)
    };
    let timestamp = |name, prefix| XdbcTypeInfo {
        minimum_scale: Some(0),
        maximum_scale: Some(6),
        ..time(name, XdbcDataType::XdbcTimestamp, 26, prefix, XdbcDatetimeSubcode::XdbcSubcodeTimestamp)
    };
    vec![
        time("DATE", XdbcDataType::XdbcDate, 10, "DATE'", XdbcDatetimeSubcode::XdbcSubcodeYear),
        timestamp("TIMESTAMP", "TIMESTAMP'"),
        timestamp("TIMESTAMP_NTZ", "TIMESTAMP_NTZ'"),
    ]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow::array::AsArray;

    use super::*;

    fn names(data_type: Option<i32>) -> Vec<String> {
        let batch = build().unwrap().record_batch(data_type).unwrap();
        assert_eq!(batch.schema(), schema());
        batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn types_are_listed_by_their_number() {
        assert_eq!(names(None).len(), 13);
        assert_eq!(names(Some(XdbcDataType::XdbcTimestamp as i32)), ["TIMESTAMP", "TIMESTAMP_NTZ"]);
        assert!(names(Some(4711)).is_empty());
    }
}
