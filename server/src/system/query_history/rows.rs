//! From entries of the books to rows of `system.query.history`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, Decimal128Array, Int8Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};

use super::schema::{compute, query_parameters, query_source};
use crate::billing::quantity::{PRECISION, SCALE};
use crate::billing::{Entry, Product};
use crate::query::history::{FinishedRecord, StatementType};
use crate::system::SystemTableName;
use crate::system::nested::{map_of_text, same_text, structs, text, truths};

/// The rows of `entries`, one each.
pub(crate) fn rows(entries: &[Arc<Entry>]) -> Result<RecordBatch, ArrowError> {
    let rows = Rows(entries);
    let columns: Vec<ArrayRef> =
        [rows.who_and_what()?, rows.times(), rows.reading(), rows.sources(), rows.ours()?]
            .into_iter()
            .flatten()
            .collect();
    RecordBatch::try_new(SystemTableName::QueryHistory.arrow_schema(), columns)
}

/// Columns in the order of the schema, group by group.
struct Rows<'a>(&'a [Arc<Entry>]);

impl<'a> Rows<'a> {
    fn who_and_what(&self) -> Result<Vec<ArrayRef>, ArrowError> {
        let compute = structs(
            &compute(),
            self.0.len(),
            vec![
                ("type", same_text("WAREHOUSE", self.0.len())),
                ("warehouse_id", self.entry_text(|entry| Some(entry.account.warehouse_id.as_str()))),
            ],
        )?;
        Ok(vec![
            self.entry_text(|entry| Some(entry.account.account_id.as_str())),
            self.entry_text(|entry| Some(entry.account.workspace_id.as_str())),
            Arc::new(StringArray::from_iter_values(
                self.0.iter().map(|entry| entry.record.statement_id.to_string()),
            )),
            self.text(|record| Some(record.run_by.as_deref().unwrap_or(&record.run_as))),
            self.null(&DataType::Utf8),
            self.text(|record| Some(record.status.name())),
            compute,
            self.text(|record| Some(record.run_as_id.as_str()).filter(|_| record.run_by.is_none())),
            self.text(|record| Some(&*record.statement_text)),
            self.text(|record| record.statement_type.map(StatementType::name)),
            self.text(|record| record.error_message.as_deref()),
            self.null(&DataType::Utf8),
            self.text(|record| record.client.as_deref()),
        ])
    }

    fn times(&self) -> Vec<ArrayRef> {
        vec![
            self.millis(FinishedRecord::total_duration),
            self.count(|_| 0),
            self.millis(|record| record.readings.waiting_at_capacity),
            self.millis(|record| record.execution),
            self.millis(|record| record.compilation),
            self.millis(|record| record.readings.filtering_cpu + record.readings.other_cpu),
            self.millis(|record| record.readings.result_fetch),
            self.time(|record| record.started_at),
            self.time(|record| record.ended_at),
            self.time(|record| record.ended_at),
        ]
    }

    fn reading(&self) -> Vec<ArrayRef> {
        vec![
            self.null(&DataType::Int64),
            self.count(|record| record.readings.scans.files_pruned),
            self.count(|record| record.readings.scans.files_read),
            self.count(|record| record.readings.scans.rows_output),
            self.count(|record| record.readings.rows_produced),
            self.count(bytes_read),
            Arc::new(self.0.iter().map(|entry| cache_percent(&entry.record)).collect::<Int8Array>()),
            truths(self.0.iter().map(|entry| Some(entry.record.from_result_cache))),
            self.count(|record| record.readings.spilled_bytes),
            self.count(|record| record.readings.bytes_written),
            self.count(|_| 0),
        ]
    }

    fn sources(&self) -> Vec<ArrayRef> {
        vec![
            self.null(&query_source()),
            self.text(|record| Some(record.run_as.as_str())),
            self.text(|record| Some(record.run_as_id.as_str())),
            self.count(|record| record.readings.rows_written),
            self.count(|record| record.readings.files_written),
            self.null(&DataType::Utf8),
            self.null(&query_parameters()),
            self.null(&map_of_text()),
            self.count(|record| record.readings.scans.files_pruned_bytes),
            self.count(|record| record.readings.scans.files_read_bytes),
        ]
    }

    fn ours(&self) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(vec![
            self.millis(|record| record.readings.scans.filtering_time),
            self.quantity(Product::FineGrainedAccessControl)?,
            self.quantity(Product::Sql)?,
            self.count(|record| record.readings.scans.rows_output),
            self.count(|record| record.readings.scans.rows_output_bytes),
            self.count(|record| record.readings.scans.cache_hit_bytes),
            self.count(|record| record.readings.scans.cache_miss_bytes),
            self.text(|record| record.policy_digest.as_deref()),
            self.text(|record| Some(record.protection.name())),
        ])
    }

    fn null(&self, data_type: &DataType) -> ArrayRef {
        new_null_array(data_type, self.0.len())
    }

    fn entry_text(&self, of: impl Fn(&'a Entry) -> Option<&'a str>) -> ArrayRef {
        text(self.0.iter().map(|entry| of(entry)))
    }

    fn text(&self, of: impl Fn(&'a FinishedRecord) -> Option<&'a str>) -> ArrayRef {
        self.entry_text(|entry| of(&entry.record))
    }

    fn count(&self, of: impl Fn(&FinishedRecord) -> u64) -> ArrayRef {
        let counts = self.0.iter().map(|entry| i64::try_from(of(&entry.record)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(counts))
    }

    fn millis(&self, of: impl Fn(&FinishedRecord) -> Duration) -> ArrayRef {
        self.count(|record| u64::try_from(of(record).as_millis()).unwrap_or(u64::MAX))
    }

    fn time(&self, of: impl Fn(&FinishedRecord) -> DateTime<Utc>) -> ArrayRef {
        let micros = self.0.iter().map(|entry| of(&entry.record).timestamp_micros());
        Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
    }

    fn quantity(&self, product: Product) -> Result<ArrayRef, ArrowError> {
        let units = self.0.iter().map(|entry| entry.quantity(product).units());
        Ok(Arc::new(Decimal128Array::from_iter_values(units).with_precision_and_scale(PRECISION, SCALE)?))
    }
}

fn bytes_read(record: &FinishedRecord) -> u64 {
    record.readings.scans.cache_hit_bytes.saturating_add(record.readings.scans.cache_miss_bytes)
}

fn cache_percent(record: &FinishedRecord) -> Option<i8> {
    let hit = u128::from(record.readings.scans.cache_hit_bytes);
    let percent = (hit * 100).checked_div(u128::from(bytes_read(record)))?;
    i8::try_from(percent).ok()
}
