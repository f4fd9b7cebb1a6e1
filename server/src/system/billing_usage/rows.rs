//! From entries of the books to rows of `system.billing.usage`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Date32Type;
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};

use super::schema::{identity_metadata, product_features, usage_metadata};
use crate::billing::quantity::{PRECISION, SCALE};
use crate::billing::{Entry, Product, Usage};
use crate::system::SystemTableName;
use crate::system::nested::{maps, same_text, structs, text, truths};

/// The rows of `entries`, one for each usage in them.
pub(crate) fn rows(entries: &[Arc<Entry>]) -> Result<RecordBatch, ArrowError> {
    let rows: Vec<Row<'_>> = entries
        .iter()
        .flat_map(|entry| entry.usage.iter().map(move |usage| Row { entry: entry.as_ref(), usage }))
        .collect();
    let count = rows.len();
    let columns: Vec<ArrayRef> = vec![
        texts(&rows, |row| Some(row.entry.account.account_id.as_str())),
        texts(&rows, |row| Some(row.entry.account.workspace_id.as_str())),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.usage.record_id.to_string()))),
        texts(&rows, |row| Some(row.usage.sku_name.as_str())),
        texts(&rows, |row| Some(row.entry.account.cloud.as_str())),
        times(&rows, |row| row.usage.started_at),
        times(&rows, |row| row.usage.ended_at),
        dates(&rows, |row| row.usage.started_at),
        maps(rows.iter().map(|row| &row.entry.account.custom_tags))?,
        same_text("DBU", count),
        Arc::new(
            Decimal128Array::from_iter_values(rows.iter().map(|row| row.usage.quantity.units()))
                .with_precision_and_scale(PRECISION, SCALE)?,
        ),
        structs(
            &usage_metadata(),
            count,
            vec![("warehouse_id", texts(&rows, |row| Some(row.entry.account.warehouse_id.as_str())))],
        )?,
        structs(
            &identity_metadata(),
            count,
            vec![
                ("run_as", texts(&rows, |row| Some(row.entry.record.run_as.as_str()))),
                ("run_by", texts(&rows, |row| row.entry.record.run_by.as_deref())),
            ],
        )?,
        same_text("ORIGINAL", count),
        dates(&rows, |row| row.entry.record.ended_at),
        texts(&rows, |row| Some(row.usage.product.name())),
        features(&rows)?,
        same_text("COMPUTE_TIME", count),
    ];
    RecordBatch::try_new(SystemTableName::BillingUsage.arrow_schema(), columns)
}

struct Row<'a> {
    entry: &'a Entry,
    usage: &'a Usage,
}

fn features(rows: &[Row<'_>]) -> Result<ArrayRef, ArrowError> {
    let sql_tier = texts(rows, |row| match row.usage.product {
        Product::Sql => Some("PRO"),
        Product::FineGrainedAccessControl => None,
    });
    let filled = vec![
        ("sql_tier", sql_tier),
        ("is_serverless", truths(rows.iter().map(|_| Some(true)))),
        ("is_photon", truths(rows.iter().map(|_| Some(false)))),
    ];
    structs(&product_features(), rows.len(), filled)
}

fn texts<'a>(rows: &[Row<'a>], of: impl Fn(&Row<'a>) -> Option<&'a str>) -> ArrayRef {
    text(rows.iter().map(of))
}

fn times(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> DateTime<Utc>) -> ArrayRef {
    let micros = rows.iter().map(|row| of(row).timestamp_micros());
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

fn dates(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> DateTime<Utc>) -> ArrayRef {
    let days = rows.iter().map(|row| Date32Type::from_naive_date(of(row).date_naive()));
    Arc::new(Date32Array::from_iter_values(days))
}
