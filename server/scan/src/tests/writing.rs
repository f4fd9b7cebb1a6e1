//! Creating and appending.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::error::DataFusionError;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::RowGroupMetaData;
use datafusion::parquet::file::reader::{FileReader, SerializedFileReader};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use weir_meter::Meter;

use super::{Ground, data_files, people, people_schema, table};
use crate::{Error, NewTable};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appended_rows_are_there_at_the_next_open_and_not_in_the_pinned_version() {
    let ground = Ground::new();
    let location = table("a/b/people");
    let empty = ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    assert_eq!((empty.version(), empty.file_count(), empty.schema()), (0, 0, people_schema()));
    assert!(empty.field_ids().is_empty());
    assert_eq!(ground.count(&empty).await, 0);

    let appended = ground.append(&location, people(0..5, "x")).await.unwrap();
    assert_eq!((appended.rows, appended.files, appended.version), (5, 1, 1));
    let written: Vec<u64> = data_files(&ground.path(&location)).into_iter().map(|(_, size)| size).collect();
    assert_eq!(written, [appended.bytes]);
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!((ground.count(&pinned).await, ground.count(&empty).await), (5, 0));

    let commit =
        std::fs::read_to_string(ground.path(&location).join("_delta_log/00000000000000000001.json")).unwrap();
    assert!(commit.contains(r#""run_as":"alice""#), "{commit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_row_groups_of_a_bounded_size() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..300_000, "x")).await.unwrap();
    let files = data_files(&ground.path(&location));
    assert_eq!(files.len(), 1);
    let reader = SerializedFileReader::new(File::open(&files[0].0).unwrap()).unwrap();
    let groups: Vec<_> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(groups, [131_072, 131_072, 37_856]);
    assert_eq!(reader.metadata().row_group(0).column(0).compression(), Compression::SNAPPY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_others_are_seen_at_the_next_open() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let other = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    for version in 1..=12 {
        let rows = people(0..1, "x");
        let rows = RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)]));
        other.append(&location, &ground.state(1), Box::pin(rows), Vec::new(), None).await.unwrap();
        assert_eq!(ground.tables.open(&location).await.unwrap().version(), version);
    }
    let again = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    let pinned = again.open(&location).await.unwrap();
    assert_eq!((pinned.version(), pinned.file_count()), (12, 12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_replaced_is_read_anew() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..5, "x")).await.unwrap();
    assert_eq!(ground.tables.open(&location).await.unwrap().version(), 1);
    std::fs::remove_dir_all(ground.path(&location)).unwrap();
    assert!(matches!(ground.tables.open(&location).await, Err(Error::NoDeltaLog { .. })));

    let other = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    other.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!((pinned.version(), pinned.partition_columns().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_transaction_is_applied_once() {
    let ground = Ground::new();
    let location = table("ledger");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let first = ground.append_txn(&location, people(0..3, "x"), Some(("ledger", 7))).await.unwrap();
    assert!(!first.already_applied);
    let repeated = ground.append_txn(&location, people(0..3, "x"), Some(("ledger", 7))).await.unwrap();
    assert!(repeated.already_applied && repeated.rows == 0);
    let older = ground.append_txn(&location, people(0..3, "x"), Some(("ledger", 6))).await.unwrap();
    assert!(older.already_applied);
    ground.append_txn(&location, people(3..4, "x"), Some(("ledger", 8))).await.unwrap();
    ground.append_txn(&location, people(4..5, "x"), Some(("other", 1))).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!(ground.count(&pinned).await, 5);
    assert_eq!(pinned.txn_version("ledger").await.unwrap(), Some(8));
    assert_eq!(pinned.txn_version("nobody").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_transaction_from_two_sides_is_applied_once() {
    let ground = Ground::new();
    let location = table("ledger");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let tries = (0..4).map(|_| ground.append_txn(&location, people(0..3, "x"), Some(("ledger", 1))));
    let outcomes = futures::future::join_all(tries).await;
    let written: u64 = outcomes.into_iter().map(|outcome| outcome.unwrap().rows).sum();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!((written, ground.count(&pinned).await), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_at_the_same_time_all_arrive() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let tries = (0..6).map(|n| ground.append(&location, people(n..n + 1, "x")));
    for outcome in futures::future::join_all(tries).await {
        outcome.unwrap();
    }
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!((ground.count(&pinned).await, pinned.version()), (6, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_create_is_refused() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let again = ground.tables.create(&location, people_schema(), &[]).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    let unknown = ground.tables.create(&table("other"), people_schema(), &["nope".to_owned()]).await;
    assert!(matches!(unknown, Err(Error::InvalidDefinition { .. })), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_without_counterpart_are_refused_by_column_and_the_others_become_plain() {
    let ground = Ground::new();
    let one = |data_type| Arc::new(Schema::new(vec![Field::new("c", data_type, true)]));
    let refused = ground.tables.create(&table("x"), one(DataType::UInt64), &[]).await.unwrap_err();
    assert_eq!(refused.to_string(), "column `c` has type UInt64, which a Delta table cannot hold");

    let utc = |unit| DataType::Timestamp(unit, Some("UTC".into()));
    let cases = [
        (DataType::Utf8View, DataType::Utf8),
        (DataType::BinaryView, DataType::Binary),
        (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), DataType::Utf8),
        (utc(TimeUnit::Millisecond), utc(TimeUnit::Microsecond)),
        (DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Timestamp(TimeUnit::Microsecond, None)),
        (DataType::Decimal128(10, 2), DataType::Decimal128(10, 2)),
    ];
    for (position, (given, plain)) in cases.into_iter().enumerate() {
        let pinned = ground.tables.create(&table(&format!("t{position}")), one(given), &[]).await.unwrap();
        assert_eq!(pinned.schema().field(0).data_type(), &plain);
        assert!(pinned.schema().field(0).metadata().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_stored_plain_and_read_as_views() {
    let ground = Ground::new();
    let location = table("texts");
    let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8View, true)]));
    ground.tables.create(&location, Arc::clone(&schema) as _, &[]).await.unwrap();
    let rows = RecordBatch::try_new(schema, vec![Arc::new(StringViewArray::from(vec!["a", "b"]))]).unwrap();
    ground.append(&location, rows).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    let plan = ground.plan(&pinned, None, 1).await;
    let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
    assert_eq!(rows[0].schema().field(0).data_type(), &DataType::Utf8View);
    assert_eq!(pinned.schema().field(0).data_type(), &DataType::Utf8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn column_mapping_ids_are_told_and_its_rows_read() {
    let ground = Ground::new();
    let location = table("mapped");
    let definition = NewTable {
        schema: people_schema(),
        partition_columns: vec!["region".to_owned()],
        properties: vec![("delta.columnMapping.mode".to_owned(), "name".to_owned())],
        comment: Some("people".to_owned()),
    };
    let pinned = ground.tables.create_as(&location, definition, Vec::new()).await.unwrap();
    let mut ids: Vec<_> = pinned.field_ids().iter().map(|(name, id)| (name.as_str(), *id)).collect();
    ids.sort_unstable();
    assert_eq!(ids, [("id", 1), ("name", 2), ("region", 3)]);
    assert_eq!(pinned.schema(), people_schema());
    ground.append(&location, people(0..7, "x")).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!(pinned.provider().schema(), crate::table_schema::as_read(&people_schema()));
    assert_eq!(ground.count(&pinned).await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_do_not_fit_are_refused() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let nullable = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let null = RecordBatch::try_new(nullable, vec![Arc::new(Int64Array::from(vec![None]))]).unwrap();
    let refused = ground.append(&location, null).await;
    assert!(matches!(refused, Err(Error::InvalidRows { .. })), "{refused:?}");

    let stranger = Arc::new(Schema::new(vec![Field::new("nope", DataType::Int64, true)]));
    let rows = RecordBatch::try_new(stranger, vec![Arc::new(Int64Array::from(vec![1]))]).unwrap();
    let refused = ground.append(&location, rows).await;
    assert!(matches!(refused, Err(Error::InvalidRows { .. })), "{refused:?}");
    assert_eq!(ground.tables.open(&location).await.unwrap().version(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_input_is_told_as_it_failed_and_commits_nothing() {
    let ground = Ground::new();
    let location = table("people");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    let batches = [Ok(people(0..3, "x")), Err(DataFusionError::Execution("division by zero".to_owned()))];
    let input = RecordBatchStreamAdapter::new(people_schema(), stream::iter(batches));
    let failed = ground.tables.append(&location, &ground.state(1), Box::pin(input), Vec::new(), None).await;
    let Err(Error::Input(cause)) = failed else { unreachable!("{failed:?}") };
    assert!(cause.to_string().contains("division by zero"));
    assert_eq!(ground.tables.open(&location).await.unwrap().version(), 0);
}
