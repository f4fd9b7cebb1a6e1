//! Rows of text and flags: what SHOW and DESCRIBE return.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use futures::{StreamExt, stream};

use crate::error::{Error, Result};
use crate::run::{Outcome, RowStream};

/// The columns of a listing: texts, except those named as flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) texts: &'static [&'static str],
    pub(super) flags: &'static [&'static str],
    /// Texts that stand behind the flags.
    pub(super) more: &'static [&'static str],
}

impl Columns {
    pub(super) const fn texts(texts: &'static [&'static str]) -> Self {
        Self { texts, flags: &[], more: &[] }
    }

    /// Texts first, then flags, then further texts.
    pub(super) fn schema(self) -> SchemaRef {
        let texts = self.texts.iter().map(|name| Field::new(*name, DataType::Utf8, true));
        let flags = self.flags.iter().map(|name| Field::new(*name, DataType::Boolean, true));
        let more = self.more.iter().map(|name| Field::new(*name, DataType::Utf8, true));
        Arc::new(Schema::new(texts.chain(flags).chain(more).collect::<Vec<_>>()))
    }
}

/// One row: as many texts as there are text columns, those behind the flags last, and as many flags as there are
/// flag columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) texts: Vec<Option<String>>,
    pub(super) flags: Vec<bool>,
}

impl Row {
    pub(super) fn of<const N: usize>(texts: [&str; N]) -> Self {
        Self { texts: texts.map(|text| Some(text.to_owned())).to_vec(), flags: Vec::new() }
    }

    pub(super) fn with_flags<const N: usize>(mut self, flags: [bool; N]) -> Self {
        self.flags = flags.to_vec();
        self
    }
}

/// The listing as an outcome.
pub(super) fn listing(columns: Columns, rows: &[Row]) -> Result<Outcome> {
    let schema = columns.schema();
    let text = |position: usize| {
        let texts: StringArray = rows.iter().map(|row| row.texts.get(position).cloned().flatten()).collect();
        Arc::new(texts) as ArrayRef
    };
    let before = columns.texts.len();
    let texts = (0..before).map(text);
    let more = (before..before + columns.more.len()).map(text);
    let flags = columns.flags.iter().enumerate().map(|(position, _)| {
        let flags: BooleanArray = rows.iter().map(|row| row.flags.get(position).copied()).collect();
        Arc::new(flags) as ArrayRef
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), texts.chain(flags).chain(more).collect())
        .map_err(Error::internal)?;
    Ok(Outcome::Rows(RowStream { schema, batches: stream::iter([Ok(batch)]).boxed() }))
}

/// `LIKE 'pattern'` of SHOW: `*` stands for any text, `|` separates alternatives, case and blanks
/// around an alternative are ignored.
#[derive(Debug)]
pub(crate) struct Pattern(Option<Vec<String>>);

impl Pattern {
    pub(crate) fn new(pattern: Option<&str>) -> Self {
        Self(pattern.map(|pattern| pattern.split('|').map(|part| part.trim().to_lowercase()).collect()))
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some(alternatives) = &self.0 else { return true };
        let name = name.to_lowercase();
        alternatives.iter().any(|alternative| matches_one(alternative, &name))
    }
}

/// Pieces between stars must follow one another; the first is at the start, the last at the end.
fn matches_one(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) =
            name.split_once(piece).filter(|_| !piece.is_empty()).or(piece.is_empty().then_some(("", name)))
        else {
            return false;
        };
        name = after;
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Columns, Pattern};

    #[test]
    fn patterns_are_the_references() {
        for (pattern, name, answer) in [
            ("*", "", true),
            ("ma*", "main", true),
            ("ma*", "amain", false),
            ("*in", "Main", true),
            ("m*i*n", "main", true),
            ("m*i*x", "main", false),
            ("MAIN", "main", true),
            ("main", "main2", false),
            ("a|m* | b", "main", true),
            ("m**n", "main", true),
            ("ab*ba", "aba", false),
            ("%", "main", false),
            ("m.in", "main", false),
        ] {
            assert_eq!(Pattern::new(Some(pattern)).matches(name), answer, "{pattern} {name}");
        }
        assert!(Pattern::new(None).matches("anything"));
    }

    #[test]
    fn texts_come_before_flags() {
        let texts = &["database", "tableName"];
        let columns = Columns { texts, flags: &["isTemporary"], more: &["information"] };
        let schema = columns.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["database", "tableName", "isTemporary", "information"]);
    }
}
