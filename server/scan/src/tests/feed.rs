//! Change data: every change once with its commit, and nothing where the log does not tell all of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, col, lit};
use datafusion::parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use weir_meter::Meter;

use super::{Ground, people, people_schema, table};
use crate::{ChangeFeed, Error, NewTable, TableLocation};

impl Ground {
    /// A table that keeps a feed, with ids 0 to 2 in its version 1.
    pub(super) async fn fed(&self, path: &str, partitioned: bool) -> TableLocation {
        let location = table(path);
        let definition = NewTable {
            schema: people_schema(),
            partition_columns: partitioned.then(|| "region".to_owned()).into_iter().collect(),
            properties: vec![("delta.enableChangeDataFeed".to_owned(), "true".to_owned())],
            comment: None,
        };
        self.tables.create_as(&location, definition, Vec::new()).await.unwrap();
        self.append(&location, people(0..3, "a b/c%20é")).await.unwrap();
        location
    }

    fn log(&self, location: &TableLocation, version: u64) -> std::path::PathBuf {
        self.path(location).join(format!("_delta_log/{version:020}.json"))
    }

    /// The action of that name in a commit.
    fn action(&self, location: &TableLocation, version: u64, name: &str) -> Value {
        let text = std::fs::read_to_string(self.log(location, version)).unwrap();
        let mut actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        actions.find_map(|action| action.get(name).cloned()).unwrap()
    }

    /// Commits these actions, as another writer would.
    pub(super) fn commit(&self, location: &TableLocation, version: u64, actions: &[Value]) {
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        std::fs::write(self.log(location, version), text).unwrap();
    }

    pub(super) async fn feed(
        &self,
        location: &TableLocation,
        first: u64,
        last: u64,
    ) -> crate::Result<ChangeFeed> {
        let newest = self.tables.open(location).await?;
        self.tables.changes(&newest, first, last).await
    }

    /// What a feed tells: how many rows by version and kind, and the regions.
    pub(super) async fn told(
        &self,
        feed: &ChangeFeed,
        filter: Option<Expr>,
    ) -> BTreeMap<(i64, String, String), usize> {
        let source = provider_as_source(feed.provider());
        let mut plan = LogicalPlanBuilder::scan("f", source, None).unwrap();
        if let Some(filter) = filter {
            plan = plan.filter(filter).unwrap();
        }
        let plan = self.state(3).create_physical_plan(&plan.build().unwrap()).await.unwrap();
        let mut told = BTreeMap::new();
        for batch in self.rows(&plan, &Meter::new()).await.unwrap() {
            assert_eq!(batch.schema(), feed.provider().schema());
            let versions = batch.column_by_name("_commit_version").unwrap().as_primitive::<Int64Type>();
            let kinds = batch.column_by_name("_change_type").unwrap().as_string_view();
            let regions = batch.column_by_name("region").unwrap().as_string_view();
            for row in 0..batch.num_rows() {
                let key = (versions.value(row), kinds.value(row).to_owned(), regions.value(row).to_owned());
                *told.entry(key).or_default() += 1;
            }
        }
        told
    }
}

fn removal(mut add: Value) -> Value {
    let fields = add.as_object_mut().unwrap();
    fields.remove("modificationTime");
    fields.insert("deletionTimestamp".to_owned(), json!(1));
    fields.insert("extendedFileMetadata".to_owned(), json!(true));
    json!({ "remove": add })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_goes_and_comes_back_is_told_each_time() {
    for partitioned in [false, true] {
        let ground = Ground::new();
        let location = ground.fed("fed", partitioned).await;
        let add = ground.action(&location, 1, "add");
        ground.commit(&location, 2, &[removal(add.clone())]);
        ground.commit(&location, 3, &[json!({ "add": add })]);
        // Files that are only packed anew are no changes.
        let mut packed = add.clone();
        packed["dataChange"] = json!(false);
        ground.commit(&location, 4, &[json!({ "add": packed })]);
        let feed = ground.feed(&location, 0, 4).await.unwrap();
        let entry = |version, kind: &str| ((version, kind.to_owned(), "a b/c%20é".to_owned()), 3);
        let all = BTreeMap::from([entry(1, "insert"), entry(2, "delete"), entry(3, "insert")]);
        assert_eq!(ground.told(&feed, None).await, all, "{partitioned}");
        let one = col("_commit_version").eq(lit(2_i64)).and(col("region").eq(lit("a b/c%20é")));
        assert_eq!(ground.told(&feed, Some(one)).await, BTreeMap::from([entry(2, "delete")]));
        let inserted = col("_change_type").eq(lit("insert")).and(col("id").lt(lit(1_i64)));
        assert_eq!(ground.told(&feed, Some(inserted)).await.values().sum::<usize>(), 2);
        let none = ground.feed(&location, 4, 4).await.unwrap();
        assert!(ground.told(&none, None).await.is_empty());
        assert_eq!(none.provider().schema(), feed.provider().schema());
        assert_eq!(feed.throughout().len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stretch_that_the_log_does_not_tell_whole_is_refused() {
    let ground = Ground::new();
    let plain = table("plain");
    ground.tables.create(&plain, people_schema(), &[]).await.unwrap();
    let refused = ground.feed(&plain, 0, 0).await;
    assert!(matches!(refused, Err(Error::NoChangeData { version: 0 })), "{refused:?}");

    let location = ground.fed("paused", false).await;
    let metadata = ground.action(&location, 0, "metaData");
    let mut off = metadata.clone();
    off["configuration"] = json!({});
    ground.commit(&location, 2, &[json!({ "metaData": off })]);
    ground.commit(&location, 3, &[json!({ "metaData": metadata })]);
    for (first, last, at) in [(0, 3, 2), (1, 2, 2), (2, 2, 2), (2, 3, 2)] {
        let refused = ground.feed(&location, first, last).await;
        assert!(matches!(refused, Err(Error::NoChangeData { version }) if version == at), "{refused:?}");
    }
    ground.feed(&location, 0, 1).await.unwrap();
    ground.feed(&location, 3, 3).await.unwrap();
    let turned = ground.feed(&location, 3, 1).await;
    assert!(matches!(turned, Err(Error::ChangeRange { first: 3, last: 1 })), "{turned:?}");
    let ahead = ground.feed(&location, 1, 9).await;
    assert!(matches!(ahead, Err(Error::VersionNotFound { version: 9, .. })), "{ahead:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_that_change_their_meaning_end_a_stretch() {
    let ground = Ground::new();
    let location = ground.fed("turned", false).await;
    let mut metadata = ground.action(&location, 0, "metaData");
    let schema = metadata["schemaString"].as_str().unwrap().replace("\"long\"", "\"string\"");
    metadata["schemaString"] = json!(schema);
    ground.commit(&location, 2, &[json!({ "metaData": metadata })]);
    let refused = ground.feed(&location, 1, 2).await;
    assert!(matches!(refused, Err(Error::ChangedColumns { version: 2 })), "{refused:?}");
    ground.feed(&location, 2, 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_its_partition_or_with_unclear_rows_is_refused() {
    let ground = Ground::new();
    let location = ground.fed("bare", true).await;
    let add = ground.action(&location, 1, "add");
    let mut bare = removal(add.clone());
    bare["remove"].as_object_mut().unwrap().remove("partitionValues");
    ground.commit(&location, 2, &[bare]);
    let refused = ground.feed(&location, 2, 2).await;
    assert!(matches!(refused, Err(Error::CorruptLog { .. })), "{refused:?}");

    let location = ground.fed("marked", false).await;
    let add = ground.action(&location, 1, "add");
    ground.commit(&location, 2, &[removal(add.clone()), json!({ "add": add })]);
    let refused = ground.feed(&location, 1, 2).await;
    assert!(matches!(refused, Err(Error::UnsupportedFeature { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stretch_begins_with_the_first_commit_at_its_moment() {
    let ground = Ground::new();
    let location = ground.fed("timed", false).await;
    ground.append(&location, people(3..5, "x")).await.unwrap();
    for (version, seconds) in [(0, 1000), (1, 1001), (2, 2000)] {
        super::past::set_time(&ground, &location, version, seconds);
    }
    let newest = ground.tables.open(&location).await.unwrap();
    for (micros, version) in [
        (0, 0),
        (1_000_000_000, 0),
        (1_000_000_001, 1),
        (1_001_000_000, 1),
        (1_001_000_001, 2),
        (2_000_000_000, 2),
        (2_000_000_001, 3),
    ] {
        assert_eq!(ground.tables.version_from(&newest, micros).await.unwrap(), version, "{micros}");
    }
    let commits = ground.tables.history(&newest, Some(2)).await.unwrap();
    let told: Vec<_> = commits.iter().map(|commit| (commit.version, commit.time_millis)).collect();
    assert_eq!(told, [(2, 2_000_000), (1, 1_001_000)]);
    assert_eq!(commits[0].told.get("run_as"), Some(&json!("alice")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_changes_have_the_columns_by_their_physical_names() {
    let ground = Ground::new();
    let location = table("mapped");
    let properties = [("delta.enableChangeDataFeed", "true"), ("delta.columnMapping.mode", "name")];
    let definition = NewTable {
        schema: people_schema(),
        partition_columns: vec!["region".to_owned()],
        properties: properties.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        comment: None,
    };
    ground.tables.create_as(&location, definition, Vec::new()).await.unwrap();
    ground.append(&location, people(0..3, "x")).await.unwrap();
    let schema = ground.action(&location, 0, "metaData")["schemaString"].as_str().unwrap().to_owned();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let physical = |place: usize| {
        schema["fields"][place]["metadata"]["delta.columnMapping.physicalName"].as_str().unwrap().to_owned()
    };
    let rows: [(String, ArrayRef); 3] = [
        (physical(0), Arc::new(Int64Array::from(vec![1, 2]))),
        (physical(1), Arc::new(StringArray::from(vec!["one", "two"]))),
        ("_change_type".to_owned(), Arc::new(StringArray::from(vec!["delete", "insert"]))),
    ];
    let rows = RecordBatch::try_from_iter(rows).unwrap();
    let folder = ground.path(&location).join("_change_data");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("cdc-1.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let told = json!({
        "path": "_change_data/cdc-1.parquet",
        "partitionValues": { physical(2): "y" },
        "size": size,
        "dataChange": false,
    });
    // The files of the commit say the same once more.
    let add = ground.action(&location, 1, "add");
    ground.commit(&location, 2, &[json!({ "cdc": told }), removal(add)]);
    let renamed = ground.tables.open(&location).await.unwrap();
    assert_eq!(renamed.version(), 2);
    ground.tables.rename_column(&location, "name", "called", Vec::new()).await.unwrap();
    let feed = ground.feed(&location, 1, 3).await.unwrap();
    let columns: Vec<_> =
        feed.provider().schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(columns, ["id", "called", "region", "_change_type", "_commit_version", "_commit_timestamp"]);
    let entry = |kind: &str, region: &str, rows| ((2, kind.to_owned(), region.to_owned()), rows);
    let wanted = BTreeMap::from([entry("delete", "y", 1), entry("insert", "y", 1)]);
    assert_eq!(ground.told(&feed, Some(col("_commit_version").gt(lit(1_i64)))).await, wanted);
    let one = ground.told(&feed, Some(col("called").eq(lit("one")))).await;
    assert_eq!(one, BTreeMap::from([entry("delete", "y", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_partitions_make_no_feed_together() {
    let ground = Ground::new();
    let location = ground.fed("cut", false).await;
    let mut metadata = ground.action(&location, 0, "metaData");
    metadata["partitionColumns"] = json!(["region"]);
    ground.commit(&location, 2, &[json!({ "metaData": metadata })]);
    let refused = ground.feed(&location, 0, 2).await;
    assert!(matches!(refused, Err(Error::ChangedColumns { version: 2 })), "{refused:?}");
    ground.feed(&location, 0, 1).await.unwrap();
    ground.feed(&location, 2, 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_cleaned_up_is_missed() {
    let ground = Ground::new();
    let location = table("short");
    let properties = [("delta.enableChangeDataFeed", "true"), ("delta.checkpointInterval", "4")];
    let definition = NewTable {
        schema: people_schema(),
        partition_columns: Vec::new(),
        properties: properties.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        comment: None,
    };
    ground.tables.create_as(&location, definition, Vec::new()).await.unwrap();
    for id in 1..=5 {
        ground.append(&location, people(id..id + 1, "x")).await.unwrap();
    }
    let checkpoint = ground.path(&location).join("_delta_log/_last_checkpoint");
    assert!(checkpoint.exists(), "each fourth commit has a checkpoint");
    for version in 0..=3 {
        std::fs::remove_file(ground.log(&location, version)).unwrap();
    }
    let newest = ground.tables.open(&location).await.unwrap();
    assert_eq!(ground.count(&newest).await, 5);
    let refused = ground.feed(&location, 3, 5).await;
    let told = matches!(refused, Err(Error::VersionNotFound { version: 3, earliest: 4, latest: 5 }));
    assert!(told, "{refused:?}");
    assert_eq!(ground.tables.version_from(&newest, 0).await.unwrap(), 4, "the first that is told");
    let feed = ground.feed(&location, 4, 5).await.unwrap();
    assert_eq!(ground.told(&feed, None).await.values().sum::<usize>(), 2);
}
