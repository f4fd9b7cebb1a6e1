//! Rows of a view on their way to Arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use weir_catalog::Stamps;

use super::asked::Asked;
use crate::system::nested::list_of_text;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Number(i64),
    Moment(DateTime<Utc>),
    Texts(Vec<String>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Number(number)
    }
}

impl From<Vec<String>> for Cell {
    fn from(texts: Vec<String>) -> Self {
        Cell::Texts(texts)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// The name of a securable, or of a part of it.
pub(crate) fn name(name: &weir_catalog::Name) -> Cell {
    Cell::Text(name.to_string())
}

/// YES or NO, as the standard has truth values.
pub(crate) fn yes_or_no(yes: bool) -> Cell {
    Cell::from(if yes { "YES" } else { "NO" })
}

/// The columns of [`STAMPS`](super::STAMPS).
pub(crate) fn stamps(asked: &Asked<'_>, stamps: Stamps) -> [Cell; 4] {
    [
        Cell::Moment(stamps.created_at),
        asked.principal_name(stamps.created_by).into(),
        Cell::Moment(stamps.altered_at),
        asked.principal_name(stamps.altered_by).into(),
    ]
}

/// Rows, each with one value for each column.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Vec<Cell>>);

impl Rows {
    /// Adds a row, whose cells come in groups.
    pub(crate) fn push<const N: usize>(&mut self, groups: [&[Cell]; N]) {
        self.0.push(groups.concat());
    }

    /// The rows as a batch of `schema`.
    pub(crate) fn batch(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        if let Some(row) = self.0.iter().find(|row| row.len() != schema.fields().len()) {
            let found = row.len();
            return Err(ArrowError::SchemaError(format!("a row of {found} values for {schema}")));
        }
        let columns: Result<Vec<ArrayRef>, ArrowError> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(position, field)| array(self.0.iter().map(|row| row.get(position)), field.data_type()))
            .collect();
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.0.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), columns?, &rows)
    }
}

fn array<'a>(
    cells: impl Iterator<Item = Option<&'a Cell>>,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let wrong = |cell: &Cell| ArrowError::SchemaError(format!("{cell:?} is no {data_type}"));
    let cells = cells.map(|cell| cell.filter(|cell| **cell != Cell::Null));
    Ok(match data_type {
        DataType::Utf8 => Arc::new(
            cells
                .map(|cell| match cell {
                    None => Ok(None),
                    Some(Cell::Text(text)) => Ok(Some(text.as_str())),
                    Some(other) => Err(wrong(other)),
                })
                .collect::<Result<StringArray, _>>()?,
        ),
        DataType::Int64 => Arc::new(
            cells
                .map(|cell| match cell {
                    None => Ok(None),
                    Some(Cell::Number(number)) => Ok(Some(*number)),
                    Some(other) => Err(wrong(other)),
                })
                .collect::<Result<Int64Array, _>>()?,
        ),
        DataType::Timestamp(..) => Arc::new(
            cells
                .map(|cell| match cell {
                    None => Ok(None),
                    Some(Cell::Moment(moment)) => Ok(Some(moment.timestamp_micros())),
                    Some(other) => Err(wrong(other)),
                })
                .collect::<Result<TimestampMicrosecondArray, _>>()?
                .with_timezone("UTC"),
        ),
        _ => {
            let DataType::List(element) = list_of_text() else { return Err(wrong(&Cell::Null)) };
            let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element);
            for cell in cells {
                match cell {
                    None => lists.append_null(),
                    Some(Cell::Texts(texts)) => lists.append_value(texts.iter().map(Some)),
                    Some(other) => return Err(wrong(other)),
                }
            }
            Arc::new(lists.finish())
        }
    })
}
