//! Columns of tables with column mapping: renamed, dropped, added.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use weir_meter::Meter;

use super::{Ground, people, people_schema, table};
use crate::{Error, NewTable, Obstacle, PinnedTable, TableLocation};

async fn mapped(ground: &Ground, location: &TableLocation, properties: &[(&str, &str)]) -> PinnedTable {
    let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let definition = NewTable {
        schema: people_schema(),
        partition_columns: vec!["region".to_owned()],
        properties: properties.collect(),
        comment: None,
    };
    ground.tables.create_as(location, definition, Vec::new()).await.unwrap()
}

fn names(table: &PinnedTable) -> Vec<String> {
    table.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn obstacle<T: std::fmt::Debug>(result: crate::Result<T>) -> Obstacle {
    match result {
        Err(Error::ColumnChange { obstacle, .. }) => obstacle,
        other => unreachable!("{other:?}"),
    }
}

const BY_NAME: (&str, &str) = ("delta.columnMapping.mode", "name");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_column_keeps_its_id_and_its_values() {
    let ground = Ground::new();
    let location = table("mapped");
    let before = mapped(&ground, &location, &[BY_NAME]).await;
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let renamed = ground.tables.rename_column(&location, "Name", "called", Vec::new()).await.unwrap();
    assert_eq!(names(&renamed), ["id", "called", "region"]);
    assert_eq!(renamed.field_ids()["called"], before.field_ids()["name"]);
    let id = Arc::new(Int64Array::from(vec![9_i64]));
    let (called, region) = (Arc::new(StringArray::from(vec!["i"])), Arc::new(StringArray::from(vec!["y"])));
    let rows = RecordBatch::try_new(renamed.schema(), vec![id, called, region]).unwrap();
    ground.append(&location, rows).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    assert_eq!(ground.count(&pinned).await, 4);
    // the version that was pinned before stays what it was
    assert_eq!(names(&before), ["id", "name", "region"]);
    let log =
        std::fs::read_to_string(ground.path(&location).join("_delta_log/00000000000000000002.json")).unwrap();
    assert!(!log.contains("\"add\"") && !log.contains("\"remove\""), "the schema alone: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_column_is_gone_for_good_and_its_id_is_not_given_again() {
    let ground = Ground::new();
    let location = table("mapped");
    mapped(&ground, &location, &[BY_NAME]).await;
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let dropped = ground.tables.drop_columns(&location, &["name".to_owned()], Vec::new()).await.unwrap();
    assert_eq!(names(&dropped), ["id", "region"]);
    let again = Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]));
    let told = dropped.added_field_ids(&again).unwrap();
    let added = ground.tables.add_columns(&location, again, Vec::new()).await.unwrap();
    assert_eq!(names(&added), ["id", "region", "name"]);
    assert_eq!((added.field_ids()["name"], told["name"]), (4, 4));
    assert_eq!(added.properties()["delta.columnMapping.maxColumnId"], "4");
    let plan = ground.plan(&added, None, 1).await;
    let rows = ground.rows(&plan, &weir_meter::Meter::new()).await.unwrap();
    assert_eq!(rows.iter().map(|batch| batch.column(2).null_count()).sum::<usize>(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_table_itself_stands_on_is_not_changed() {
    let ground = Ground::new();
    let plain = table("plain");
    ground.tables.create(&plain, people_schema(), &[]).await.unwrap();
    let renamed = ground.tables.rename_column(&plain, "name", "x", Vec::new()).await;
    assert_eq!(obstacle(renamed), Obstacle::NoColumnMapping);
    let dropped = ground.tables.drop_columns(&plain, &["name".to_owned()], Vec::new()).await;
    assert_eq!(obstacle(dropped), Obstacle::NoColumnMapping);

    let location = table("mapped");
    let pinned = mapped(&ground, &location, &[BY_NAME, ("delta.dataSkippingStatsColumns", "name")]).await;
    assert_eq!(obstacle(pinned.check_rename("region", "x")), Obstacle::Partition);
    assert_eq!(obstacle(pinned.check_drop(&["region".to_owned()])), Obstacle::Partition);
    assert_eq!(obstacle(pinned.check_rename("nothing", "x")), Obstacle::Missing);
    assert_eq!(obstacle(pinned.check_rename("id", "NAME")), Obstacle::Taken("name".to_owned()));
    let named = Obstacle::Constraint("delta.dataSkippingStatsColumns".to_owned());
    assert_eq!(obstacle(pinned.check_drop(&["name".to_owned()])), named);
    assert!(pinned.check_rename("id", "ID").is_ok());
}

#[tokio::test]
async fn a_partition_is_not_taken_for_a_column_that_files_call_by_its_name() {
    let (ground, location) = (Ground::new(), table("mapped"));
    mapped(&ground, &location, &[BY_NAME]).await;
    // As after a rename: in files `name` is called as the partition is in the table.
    let commit = ground.path(&location).join("_delta_log/00000000000000000000.json");
    let log = std::fs::read_to_string(&commit).unwrap();
    let (_, of_name) = log.split_once(r#"\"name\":\"name\""#).unwrap();
    let (_, physical) = of_name.split_once("col-").unwrap();
    let physical = format!("col-{}", physical.split('\\').next().unwrap());
    std::fs::write(&commit, log.replace(&physical, "region")).unwrap();
    ground.tables.clear();
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    for filter in [None, Some(col("name").eq(lit("name 1"))), Some(col("region").eq(lit("x")))] {
        let plan = ground.plan(&pinned, filter.clone(), 1).await;
        let rows = ground.rows(&plan, &weir_meter::Meter::new()).await.unwrap();
        let told = pretty_format_batches(&rows).unwrap().to_string();
        let all = ["name 0", "name 1", "name 2"];
        let wanted = if filter.as_ref().is_some_and(|filter| filter.to_string().contains("name 1")) {
            &all[1..2]
        } else {
            &all[..]
        };
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), wanted.len(), "{filter:?}: {told}");
        assert!(wanted.iter().all(|name| told.contains(name)) && told.contains("| x "), "{filter:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_columns_are_counted_where_the_log_does_not_tell_them() {
    let ground = Ground::new();
    let location = table("uncounted");
    mapped(&ground, &location, &[BY_NAME]).await;
    ground.append(&location, people(0..3, "x")).await.unwrap();
    ground.append(&location, people(3..5, "y")).await.unwrap();
    let file = ground.path(&location).join("_delta_log/00000000000000000002.json");
    let commit = std::fs::read_to_string(&file).unwrap();
    let actions = commit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let untold = actions.map(|mut action| {
        action.get_mut("add").map(|add| add.as_object_mut().unwrap().remove("stats"));
        format!("{action}\n")
    });
    std::fs::write(&file, untold.collect::<String>()).unwrap();
    let fresh = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    let pinned = fresh.open(&location).await.unwrap();
    let plan =
        LogicalPlanBuilder::scan("t", provider_as_source(pinned.provider()), Some(Vec::new())).unwrap();
    let plan = ground.state(2).create_physical_plan(&plan.build().unwrap()).await.unwrap();
    let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
    assert!(rows.iter().all(|batch| batch.num_columns() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feature_that_is_added_names_what_the_versions_meant() {
    let ground = Ground::new();
    let location = table("legacy");
    mapped(&ground, &location, &[BY_NAME]).await;
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let log = |version: u64| ground.path(&location).join(format!("_delta_log/{version:020}.json"));
    let actions = |version: u64| -> Vec<serde_json::Value> {
        let commit = std::fs::read_to_string(log(version)).unwrap();
        commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let older = actions(0).into_iter().map(|mut action| {
        if action.get("protocol").is_some() {
            action = serde_json::json!({"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}});
        }
        format!("{action}\n")
    });
    std::fs::write(log(0), older.collect::<String>()).unwrap();
    let fresh = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    let moments = DataType::Timestamp(TimeUnit::Microsecond, None);
    let moments = Arc::new(Schema::new(vec![Field::new("at", moments, true)]));
    let added = fresh.add_columns(&location, moments, Vec::new()).await.unwrap();
    let told =
        actions(2).into_iter().find_map(|mut action| action.get_mut("protocol").map(|told| told.take()));
    let meant = ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns"];
    let told = told.unwrap();
    assert_eq!(told["readerFeatures"], serde_json::json!(["columnMapping", "timestampNtz"]));
    for feature in meant.into_iter().chain(["columnMapping", "timestampNtz"]) {
        assert!(told["writerFeatures"].as_array().unwrap().iter().any(|named| named == feature), "{told}");
    }
    assert_eq!(ground.count(&added).await, 3);
    let again = Arc::new(Schema::new(vec![Field::new("more", DataType::Utf8, true)]));
    fresh.add_columns(&location, again, Vec::new()).await.unwrap();
    assert!(actions(3).iter().all(|action| action.get("protocol").is_none()), "it is said once");
}

/// Of a log that speaks of a mapping, but not to its readers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_of_which_the_protocol_does_not_know_is_none() {
    let ground = Ground::new();
    let location = table("unknown");
    mapped(&ground, &location, &[BY_NAME]).await;
    let log = ground.path(&location).join("_delta_log/00000000000000000000.json");
    let commit = std::fs::read_to_string(&log).unwrap();
    let unsaid = commit.replace("\"columnMapping\"", "\"timestampNtz\"");
    assert_ne!(commit, unsaid);
    std::fs::write(&log, unsaid).unwrap();
    let fresh = crate::DeltaTables::new(Arc::clone(ground.tables.router()), crate::Config::default());
    let rows = people(0..3, "x");
    let rows = RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)]));
    fresh.append(&location, &ground.state(1), Box::pin(rows), Vec::new(), None).await.unwrap();
    let pinned = fresh.open(&location).await.unwrap();
    assert!(!pinned.has_column_mapping());
    let plan = ground.plan(&pinned, Some(col("name").eq(lit("name 1"))), 1).await;
    let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
}
