//! SQL type names ↔ Arrow types: the one place that knows both. Texts made here are stored in
//! the catalog and read back by the same grammar.
//!
//! Texts with a length, VARCHAR(n), are types of columns alone: nothing would check the length elsewhere. Left out and
//! refused by name: CHAR (nothing fills it up with blanks, though a table of Spark's may have it), VARIANT and VOID
//! columns; INTERVAL but as the type of a parameter.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use datafusion::sql::sqlparser::keywords::{
    RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER, RESERVED_FOR_TABLE_ALIAS,
};
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use super::cursor::{Cursor, unsupported};
use super::dialect::WarehouseDialect;
use super::parse::cursor_over;
use crate::error::{Condition, Error, Result};

/// Types within types.
const DEPTH_MAX: usize = 32;

/// A type as written in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlType {
    /// The one spelling of it, e.g. `DECIMAL(10,2)`.
    pub text: String,
    /// What it is in Arrow.
    pub arrow: DataType,
    /// The most characters of its texts, of a column that bounds them.
    pub length: Option<u32>,
}

/// Reads a type's text, as stored in the catalog.
pub fn parse(text: &str) -> Result<SqlType> {
    let dialect = WarehouseDialect { double_quoted_identifiers: false };
    let mut cursor = cursor_over(&dialect, text)?;
    let sql_type = match bounded_text(&mut cursor)? {
        Some(text) => text,
        None => read(&mut cursor)?,
    };
    cursor.expect_end()?;
    Ok(sql_type)
}

/// The spelling of an Arrow type. Types that SQL has no name for keep Arrow's.
pub fn text_of(arrow: &DataType) -> String {
    match arrow {
        DataType::Null => "VOID".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 | DataType::UInt8 => "SMALLINT".to_owned(),
        DataType::Int32 | DataType::UInt16 => "INT".to_owned(),
        DataType::Int64 | DataType::UInt32 => "BIGINT".to_owned(),
        DataType::UInt64 => "DECIMAL(20,0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BINARY".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Dictionary(_, value) => text_of(value),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("ARRAY<{}>", text_of(item.data_type())),
        DataType::Map(entries, _) => map_text(entries.data_type()),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", field_name(field.name()), text_of(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Interval(_) => "INTERVAL".to_owned(),
        other => other.to_string(),
    }
}

fn map_text(entries: &DataType) -> String {
    match entries {
        DataType::Struct(fields) => {
            let types: Vec<String> = fields.iter().map(|field| text_of(field.data_type())).collect();
            format!("MAP<{}>", types.join(", "))
        }
        other => other.to_string(),
    }
}

/// Words that the grammars here take for another thing than a name where a name may stand, beside those that sqlparser reserves.
const TAKEN: &[&str] = &[
    "ALL",
    "ALTER",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COLUMN",
    "COLUMNS",
    "COMMENT",
    "CONSTRAINT",
    "CREATE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DROP",
    "ELSE",
    "FALSE",
    "FOREIGN",
    "IF",
    "ILIKE",
    "IN",
    "INSERT",
    "IS",
    "LIKE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "MASK",
    "NOT",
    "NULL",
    "OR",
    "PRIMARY",
    "REGEXP",
    "RLIKE",
    "SESSION_USER",
    "TABLE",
    "THEN",
    "TRUE",
    "UNIQUE",
    "UPDATE",
    "USER",
    "WHEN",
];

/// A name as it may stand in SQL: in backticks unless it is plain and no word of the grammar.
pub fn quoted(name: &str) -> String {
    if is_plain(name) && !is_taken(name) { name.to_owned() } else { in_backticks(name) }
}

/// Whether one of the types is a number and the other a day, a time or a length of time: what the number counts, whether days,
/// seconds or microseconds, stands nowhere.
pub(crate) fn counts_time(one: &DataType, other: &DataType) -> bool {
    one.is_temporal() && other.is_numeric() || one.is_numeric() && other.is_temporal()
}

/// The name of a field in a type's text, where any word can stand. Texts of types are stored, so that they keep their look.
fn field_name(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { in_backticks(name) }
}

fn in_backticks(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

fn is_taken(name: &str) -> bool {
    let Token::Word(Word { keyword, .. }) = Token::make_keyword(name) else { return true };
    let reserved = [RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER, RESERVED_FOR_TABLE_ALIAS];
    reserved.iter().any(|words| words.contains(&keyword)) || TAKEN.contains(&name.to_uppercase().as_str())
}

/// A name of several parts as it may stand in SQL.
pub(crate) fn quoted_path<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// Reads a type at the cursor.
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    let mut closing = 0;
    let arrow = Reader { cursor, closing: &mut closing }.data_type(0)?;
    if closing > 0 {
        return Err(cursor.expected("a type"));
    }
    Ok(SqlType { text: text_of(&arrow), arrow, length: None })
}

/// Reads the type of a column at the cursor.
pub(crate) fn read_of_column(cursor: &mut Cursor<'_>) -> Result<SqlType> {
    let position = cursor.position();
    match bounded_text(cursor)? {
        Some(sql_type) if sql_type.text.starts_with("CHAR(") => Err(unsupported("type CHAR")
            .with_hint(
                "VARCHAR(n) takes texts of n characters at most; nothing fills them up with blanks here",
            )
            .at(position)),
        Some(sql_type) => Ok(sql_type),
        None => read(cursor),
    }
}

/// `VARCHAR(n)` or `CHAR(n)`, or VARCHAR and TEXT, which are other words for STRING.
fn bounded_text(cursor: &mut Cursor<'_>) -> Result<Option<SqlType>> {
    let name = match cursor.peek_word(0).as_deref() {
        Some("VARCHAR" | "TEXT") if !cursor.peek_nth_symbol(1, &Token::LParen) => {
            cursor.take();
            let arrow = DataType::Utf8View;
            return Ok(Some(SqlType { text: text_of(&arrow), arrow, length: None }));
        }
        Some("VARCHAR") => "VARCHAR",
        Some("CHAR" | "CHARACTER") if cursor.peek_nth_symbol(1, &Token::LParen) => "CHAR",
        _ => return Ok(None),
    };
    cursor.take();
    cursor.expect_symbol(&Token::LParen)?;
    let length = text_length(cursor)?;
    cursor.expect_symbol(&Token::RParen)?;
    let text = format!("{name}({length})");
    Ok(Some(SqlType { text, arrow: DataType::Utf8View, length: Some(length) }))
}

/// A number of characters. It fits into what drivers have for it.
fn text_length(cursor: &mut Cursor<'_>) -> Result<u32> {
    let number: Option<i32> = match cursor.peek() {
        Token::Number(text, _) => text.parse().ok(),
        _ => None,
    };
    let length = number.and_then(|number| u32::try_from(number).ok()).filter(|length| *length > 0);
    let length = length.ok_or_else(|| cursor.expected("a number of characters, 1 or more"))?;
    cursor.take();
    Ok(length)
}

/// Reads types; `closing` counts the `>` that a token `>>` left over.
struct Reader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    closing: &'c mut usize,
}

impl Reader<'_, '_> {
    fn data_type(&mut self, depth: usize) -> Result<DataType> {
        if depth > DEPTH_MAX {
            return Err(super::nesting::too_deep().at(self.cursor.position()));
        }
        let Some(word) = self.cursor.peek_word(0) else { return Err(self.cursor.expected("a type")) };
        let refused = self.cursor.position();
        let simple = match word.as_str() {
            // Columns are read as views; within other types strings are plain.
            "STRING" if depth == 0 => DataType::Utf8View,
            "STRING" => DataType::Utf8,
            "BINARY" => DataType::Binary,
            "BOOLEAN" => DataType::Boolean,
            "TINYINT" | "BYTE" => DataType::Int8,
            "SMALLINT" | "SHORT" => DataType::Int16,
            "INT" | "INTEGER" => DataType::Int32,
            "BIGINT" | "LONG" => DataType::Int64,
            "FLOAT" | "REAL" => DataType::Float32,
            "DOUBLE" => DataType::Float64,
            "DATE" => DataType::Date32,
            "TIMESTAMP" | "TIMESTAMP_LTZ" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            "TIMESTAMP_NTZ" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "DECIMAL" | "DEC" | "NUMERIC" => return self.decimal(),
            "ARRAY" => return self.array(depth),
            "MAP" => return self.map(depth),
            "STRUCT" => return self.structure(depth),
            // Of parameters; tables have none.
            "INTERVAL" if depth == 0 => DataType::Interval(IntervalUnit::MonthDayNano),
            "CHAR" | "CHARACTER" | "VARCHAR" | "VARIANT" | "VOID" | "INTERVAL" | "OBJECT" | "GEOMETRY"
            | "GEOGRAPHY" => {
                return Err(unsupported(&format!("type {word}")).at(refused));
            }
            _ => return Err(self.cursor.expected("a type")),
        };
        self.cursor.take();
        Ok(simple)
    }

    fn decimal(&mut self) -> Result<DataType> {
        self.cursor.take();
        if !self.cursor.symbol(&Token::LParen) {
            return Ok(DataType::Decimal128(10, 0));
        }
        let position = self.cursor.position();
        let precision = self.digits()?;
        let scale = if self.cursor.symbol(&Token::Comma) { self.digits()? } else { 0 };
        self.cursor.expect_symbol(&Token::RParen)?;
        if precision == 0 || precision > 38 || scale > precision {
            return Err(Error::new(
                Condition::InvalidParameterValue,
                format!("DECIMAL({precision},{scale}) needs a precision of 1 to 38 and a scale up to it"),
            )
            .at(position));
        }
        Ok(DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(0)))
    }

    fn digits(&mut self) -> Result<u8> {
        let number = match self.cursor.peek() {
            Token::Number(text, _) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.cursor.expected("a number of digits"))?;
        self.cursor.take();
        Ok(number)
    }

    fn array(&mut self, depth: usize) -> Result<DataType> {
        self.open()?;
        let item = self.data_type(depth + 1)?;
        self.close()?;
        Ok(DataType::List(Arc::new(Field::new("element", item, true))))
    }

    fn map(&mut self, depth: usize) -> Result<DataType> {
        self.open()?;
        let key = self.data_type(depth + 1)?;
        self.cursor.expect_symbol(&Token::Comma)?;
        let value = self.data_type(depth + 1)?;
        self.close()?;
        let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
        Ok(DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false))
    }

    fn structure(&mut self, depth: usize) -> Result<DataType> {
        self.open()?;
        let mut fields = Vec::new();
        loop {
            let name = self.cursor.identifier()?.value;
            self.cursor.symbol(&Token::Colon);
            let data_type = self.data_type(depth + 1)?;
            let nullable = !self.cursor.words(&["NOT", "NULL"]);
            if self.cursor.peek_words(&["COMMENT"]) {
                return Err(self.cursor.unsupported("COMMENT on a field of a STRUCT"));
            }
            fields.push(Field::new(name, data_type, nullable));
            // Closed already by the `>` that a `>>` left over: a comma then ends more than this field.
            if *self.closing > 0 || !self.cursor.symbol(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        Ok(DataType::Struct(Fields::from(fields)))
    }

    fn open(&mut self) -> Result<()> {
        self.cursor.take();
        self.cursor.expect_symbol(&Token::Lt)
    }

    fn close(&mut self) -> Result<()> {
        if *self.closing > 0 {
            *self.closing -= 1;
            return Ok(());
        }
        if self.cursor.symbol(&Token::ShiftRight) {
            *self.closing += 1;
            return Ok(());
        }
        self.cursor.expect_symbol(&Token::Gt)
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_of_the_grammar_is_quoted_and_an_ordinary_name_is_not() {
        for name in
            ["select", "Order", "null", "true", "interval", "group", "constraint", "primary", "1a", "a b", ""]
        {
            assert_eq!(quoted(name), format!("`{name}`"));
        }
        assert_eq!(quoted("a`b"), "`a``b`");
        for name in
            ["id", "name", "Name", "date", "day", "t", "orders", "default", "main", "region", "_x", "key"]
        {
            assert_eq!(quoted(name), name);
        }
    }
}
