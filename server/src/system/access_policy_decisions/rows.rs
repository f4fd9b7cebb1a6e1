//! From entries of the books to rows of `system.access.policy_decisions`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Date32Type, Field};
use arrow::error::ArrowError;

use crate::billing::Entry;
use crate::query::decisions::PolicyDecision;
use crate::query::history::FinishedRecord;
use crate::system::SystemTableName;
use crate::system::nested::{text, truths};

/// One decision of one statement.
#[derive(Clone, Copy)]
struct Row<'a> {
    record: &'a FinishedRecord,
    decision: &'a PolicyDecision,
}

/// The rows of `entries`, one for each decision in them.
pub(crate) fn rows(entries: &[Arc<Entry>]) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<Row<'_>> = entries
        .iter()
        .flat_map(|entry| {
            let record = &entry.record;
            record.decisions.policies.iter().map(move |decision| Row { record, decision })
        })
        .collect();
    let times = rows.iter().map(|row| row.record.started_at.timestamp_micros());
    let days = rows.iter().map(|row| Date32Type::from_naive_date(row.record.started_at.date_naive()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.record.statement_id.to_string()))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(Date32Array::from_iter_values(days)),
        texts(&rows, |row| &row.record.run_as),
        texts(&rows, |row| row.record.run_by.as_ref().unwrap_or(&row.record.run_as)),
        texts(&rows, |row| &row.decision.table),
        texts(&rows, |row| &row.decision.policy),
        texts(&rows, |row| &row.decision.scope),
        texts(&rows, |row| &row.decision.kind),
        text(rows.iter().map(|row| row.decision.function.as_deref())),
        masked(&rows),
        counts(&rows, |row| row.decision.rows_in),
        counts(&rows, |row| Some(row.decision.rows_out)),
        truths(rows.iter().map(|row| Some(row.decision.exempt))),
        counts(&rows, |row| row.record.decisions.epoch),
        counts(&rows, |row| row.decision.table_version),
        texts(&rows, |row| &row.decision.table_id),
        counts(&rows, |row| Some(row.decision.leaf)),
    ];
    RecordBatch::try_new(SystemTableName::AccessPolicyDecisions.arrow_schema(), columns)
}

fn texts<'a>(rows: &[Row<'a>], of: impl Fn(Row<'a>) -> &'a String) -> ArrayRef {
    text(rows.iter().map(|row| Some(of(*row).as_str())))
}

fn counts<'a>(rows: &[Row<'a>], of: impl Fn(Row<'a>) -> Option<u64>) -> ArrayRef {
    let counts = rows.iter().map(|row| of(*row).map(|count| i64::try_from(count).unwrap_or(i64::MAX)));
    Arc::new(counts.collect::<Int64Array>())
}

fn masked(rows: &[Row<'_>]) -> ArrayRef {
    let element = Field::new("element", DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(element);
    for row in rows {
        for column in &row.decision.columns {
            lists.values().append_value(column);
        }
        lists.append(true);
    }
    Arc::new(lists.finish())
}
