//! How many characters the texts of a column may have.
//!
//! A Delta log has one type for texts. Spark keeps what a column was declared as, VARCHAR(n) or CHAR(n), in the metadata of
//! the column's field; tables are read and written here by the same key, so that a bound holds whoever set it. A VARCHAR is
//! checked before a row is written. A CHAR would have to be filled up with blanks, when it is written and when it is compared,
//! and lengths within arrays, maps and structs are not looked at: new values of such columns are refused.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType as ArrowType, Field};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::kernel::{DataType, MetadataValue, StructField};
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::pinned_table::PinnedTable;

/// The metadata key under which a field keeps the type that its column was declared as.
const DECLARED: &str = "__CHAR_VARCHAR_TYPE_STRING";

/// What a column of texts was declared as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredText {
    /// Texts of so many characters at most.
    Varchar(u32),
    /// Texts of exactly so many characters, blanks at the end among them.
    Char(u32),
    /// Texts with lengths inside another type, as the log spells it.
    Inside(String),
}

impl DeclaredText {
    /// Of a field of a log.
    fn of(field: &StructField) -> Option<Self> {
        let told = field.metadata().get(DECLARED)?;
        let MetadataValue::String(text) = told else { return Some(DeclaredText::Inside(told.to_string())) };
        let spelled = text.trim().to_lowercase();
        let within = |name: &str| -> Option<u32> {
            spelled.strip_prefix(name)?.trim().strip_prefix('(')?.strip_suffix(')')?.trim().parse().ok()
        };
        let is_text = *field.data_type() == DataType::STRING;
        Some(match (within("varchar"), within("char")) {
            (Some(length), _) if is_text => DeclaredText::Varchar(length),
            (_, Some(length)) if is_text => DeclaredText::Char(length),
            _ => DeclaredText::Inside(text.clone()),
        })
    }

    /// Of each field of a log that has one, by name.
    pub(crate) fn of_fields<'a>(fields: impl Iterator<Item = &'a StructField>) -> HashMap<String, Self> {
        fields.filter_map(|field| Some((field.name().clone(), Self::of(field)?))).collect()
    }
}

/// The field of a column of texts that have `length` characters at most, for [`crate::NewTable`] and
/// [`crate::DeltaTables::add_columns`].
pub fn bounded(field: Field, length: u32) -> Field {
    field.with_metadata(HashMap::from([(DECLARED.to_owned(), format!("varchar({length})"))]))
}

/// What of a field's metadata goes into a log.
pub(crate) fn kept(field: &Field) -> HashMap<String, String> {
    let is_text = matches!(field.data_type(), ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View);
    let declared = field.metadata().get(DECLARED).filter(|_| is_text);
    declared.map(|text| (DECLARED.to_owned(), text.clone())).into_iter().collect()
}

/// A text that is longer than its column takes. The text itself is told to nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a new value of column `{column}` has more than {length_max} characters, and the column is VARCHAR({length_max})"
)]
pub struct TooLong {
    /// The column.
    pub column: String,
    /// The most characters that it takes.
    pub length_max: u32,
}

/// The bounds of columns that get new values.
#[derive(Clone, Debug, Default)]
pub struct TextLengths(Vec<(String, u32)>);

impl TextLengths {
    /// Those of the columns of `table` at these places of its schema. Refuses columns of which no new values are written.
    pub fn of(table: &PinnedTable, given: impl IntoIterator<Item = usize>) -> Result<Self> {
        let schema = table.schema();
        let names = given.into_iter().filter_map(|place| schema.fields().get(place));
        let mut lengths = Vec::new();
        for name in names.map(|field| field.name()) {
            let unwritten = |declared: String| Error::UnwrittenText { column: name.clone(), declared };
            match table.declared_texts().get(name) {
                None => {}
                Some(DeclaredText::Varchar(length)) => lengths.push((name.clone(), *length)),
                Some(DeclaredText::Char(length)) => return Err(unwritten(format!("CHAR({length})"))),
                Some(DeclaredText::Inside(declared)) => return Err(unwritten(declared.to_uppercase())),
            }
        }
        Ok(Self(lengths))
    }

    /// Those of all columns.
    pub(crate) fn of_all(table: &PinnedTable) -> Result<Self> {
        Self::of(table, 0..table.schema().fields().len())
    }

    /// Refuses rows with a text that is too long. Columns are known by name; one that is not there has no new values.
    pub(crate) fn check(&self, rows: &RecordBatch) -> Result<()> {
        for (column, length_max) in &self.0 {
            let Some(texts) = rows.column_by_name(column) else { continue };
            let length = usize::try_from(*length_max).unwrap_or(usize::MAX);
            if has_longer(texts, length)? {
                return Err(TooLong { column: column.clone(), length_max: *length_max }.into());
            }
        }
        Ok(())
    }

    /// The same rows, ending with an error where one is refused.
    pub(crate) fn checked(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        if self.0.is_empty() {
            return rows;
        }
        let schema = rows.schema();
        let checked = rows.map(move |batch| {
            let batch = batch?;
            self.check(&batch).map_err(|refusal| DataFusionError::External(Box::new(refusal)))?;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, checked))
    }
}

/// The refusal that rows ended with, where it is one of this module's.
pub(crate) fn refusal(cause: &DataFusionError) -> Option<Error> {
    let DataFusionError::External(inner) = cause.find_root() else { return None };
    match inner.downcast_ref::<Error>() {
        Some(Error::TextTooLong(too_long)) => Some(too_long.clone().into()),
        _ => None,
    }
}

/// Whether one of the texts has more characters than that; characters, not bytes.
fn has_longer(texts: &ArrayRef, length: usize) -> Result<bool> {
    let longer =
        |text: Option<&str>| text.is_some_and(|text| text.len() > length && text.chars().count() > length);
    match texts.data_type() {
        ArrowType::Utf8 => Ok(texts.as_string::<i32>().iter().any(longer)),
        ArrowType::LargeUtf8 => Ok(texts.as_string::<i64>().iter().any(longer)),
        ArrowType::Utf8View => Ok(texts.as_string_view().iter().any(longer)),
        _ if texts.logical_null_count() == texts.len() => Ok(false),
        other => {
            let text = format!("texts of a bounded column came as {other}");
            Err(Error::Input(Box::new(DataFusionError::Internal(text))))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use std::sync::Arc;

    use datafusion::arrow::array::{Int32Array, LargeStringArray, NullArray, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn a_fields_declaration_is_read_as_spark_writes_it() {
        let field = |data_type: DataType, told: MetadataValue| {
            StructField::nullable("c", data_type).with_metadata([(DECLARED, told)])
        };
        let texts =
            |told: &str| DeclaredText::of(&field(DataType::STRING, MetadataValue::String(told.to_owned())));
        assert_eq!(DeclaredText::of(&StructField::nullable("c", DataType::STRING)), None);
        assert_eq!(texts("varchar(10)"), Some(DeclaredText::Varchar(10)));
        assert_eq!(texts(" VarChar (10) "), Some(DeclaredText::Varchar(10)));
        assert_eq!(texts("char(3)"), Some(DeclaredText::Char(3)));
        for unknown in ["array<varchar(5)>", "varchar", "varchar(x)", "varchar(-1)", ""] {
            assert_eq!(texts(unknown), Some(DeclaredText::Inside(unknown.to_owned())), "{unknown}");
        }
        let number = field(DataType::INTEGER, MetadataValue::String("varchar(10)".to_owned()));
        assert!(matches!(DeclaredText::of(&number), Some(DeclaredText::Inside(_))));
        let odd = field(DataType::STRING, MetadataValue::Number(10));
        assert!(matches!(DeclaredText::of(&odd), Some(DeclaredText::Inside(_))));
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let texts: [ArrayRef; 3] = [
            Arc::new(StringArray::from(vec![Some("äöü"), None, Some("")])),
            Arc::new(LargeStringArray::from(vec![Some("äöü"), None, Some("")])),
            Arc::new(StringViewArray::from(vec![Some("äöü"), None, Some("")])),
        ];
        for texts in &texts {
            assert!(!has_longer(texts, 3).unwrap());
            assert!(has_longer(texts, 2).unwrap());
        }
        let nothing: ArrayRef = Arc::new(NullArray::new(2));
        assert!(!has_longer(&nothing, 1).unwrap());
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(has_longer(&numbers, 1).is_err());
    }
}
