//! Versions that are known by what their commits say, beside the same versions loaded from their log by delta-rs.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, col, lit};
use serde_json::{Value, json};

use super::deleted::inline_vector;
use super::{Ground, table};
use crate::{Config, DeltaTables, PinnedTable, TableLocation, scan_numbers};

/// Files that there are at first: more than a block.
const FILES: u64 = 600;
const STEPS: u64 = 60;
const COLUMNS: [(&str, &str); 8] = [
    ("id", "long"),
    ("name", "string"),
    ("price", "decimal(20,2)"),
    ("ratio", "double"),
    ("day", "date"),
    ("at", "timestamp"),
    ("flag", "boolean"),
    ("region", "string"),
];

/// A history of a table that is a log and nothing else.
struct History {
    seed: u64,
    /// The newest `add` of each file that there is.
    there: Vec<Value>,
    files: u64,
    vectors: u32,
}

impl History {
    fn number(&mut self, below: u64) -> u64 {
        // Knuth's MMIX generator.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn new_file(&mut self) -> Value {
        let file = self.files;
        self.files += 1;
        let region = ["r1", "r2", "", "ü %"][self.number(4) as usize];
        let partition = if region.is_empty() { Value::Null } else { json!(region) };
        let mut add = json!({"path": format!("part-{file}.parquet"), "partitionValues": {"region": partition},
            "size": 1_000 + file, "modificationTime": 0, "dataChange": true});
        self.tell(&mut add);
        add
    }

    /// Gives a file statistics, of which some are missing.
    fn tell(&mut self, add: &mut Value) {
        let first = self.number(100_000);
        let of = |more: u64| {
            json!({"id": first + more, "name": format!("name {}", first + more), "price": (first + more) as f64 / 4.0,
                "ratio": (first + more) as f64, "day": format!("20{:02}-01-0{}", first % 90, 1 + more % 9),
                "at": format!("20{:02}-01-01T00:00:0{}.123Z", first % 90, more % 10), "flag": first.is_multiple_of(2)})
        };
        let nulls = json!({"id": 0, "name": first % 5, "price": 0});
        let stats = match self.number(6) {
            0 => return,
            1 => json!({"numRecords": 50}),
            2 => {
                json!({"numRecords": 50, "minValues": {"id": first}, "maxValues": {"id": first + 9}, "nullCount": {"id": 0}})
            }
            _ => json!({"numRecords": 50, "minValues": of(0), "maxValues": of(9), "nullCount": nulls}),
        };
        add["stats"] = json!(stats.to_string());
    }

    fn remove(add: &Value) -> Value {
        let mut remove = json!({"path": add["path"], "deletionTimestamp": 1, "dataChange": true});
        if !add["deletionVector"].is_null() {
            remove["deletionVector"] = add["deletionVector"].clone();
        }
        json!({"remove": remove})
    }

    fn some(&mut self) -> usize {
        let count = self.there.len() as u64;
        self.number(count) as usize
    }

    /// A commit; whether it changes nothing but files.
    fn commit(&mut self) -> (Vec<Value>, bool) {
        let mut actions = vec![json!({"commitInfo": {"operation": "TEST"}})];
        match self.number(12) {
            0 => actions.push(json!({"txn": {"appId": "app", "version": 1}})),
            1 => {
                actions.push(metadata(self.files));
                return (actions, false);
            }
            2..=4 => {
                let place = self.some();
                let gone = self.there.swap_remove(place);
                actions.push(Self::remove(&gone));
            }
            // Rows are marked as deleted.
            5 | 6 => {
                let place = self.some();
                actions.push(Self::remove(&self.there[place]));
                self.vectors += 1;
                // delta-rs opens a file with a vector of which the number of rows is not told.
                if self.there[place]["stats"].is_null() {
                    self.there[place]["stats"] = json!(json!({"numRecords": 50}).to_string());
                }
                self.there[place]["deletionVector"] = inline_vector(&[self.vectors]);
                actions.push(json!({"add": self.there[place]}));
            }
            // The same file is told of anew.
            7 => {
                let place = self.some();
                let mut add = self.there[place].clone();
                self.tell(&mut add);
                actions.push(json!({"add": add}));
                self.there[place] = add;
            }
            // A file is rewritten as two.
            8 => {
                let place = self.some();
                actions.push(Self::remove(&self.there[place]));
                self.there[place] = self.new_file();
                actions.push(json!({"add": self.there[place]}));
                self.add(1, &mut actions);
            }
            _ => {
                let count = 1 + self.number(5);
                self.add(count, &mut actions);
            }
        }
        (actions, true)
    }

    fn add(&mut self, count: u64, actions: &mut Vec<Value>) {
        for _ in 0..count {
            let add = self.new_file();
            actions.push(json!({"add": add}));
            self.there.push(add);
        }
    }
}

fn metadata(mark: u64) -> Value {
    let fields =
        COLUMNS.map(|(name, kind)| json!({"name": name, "type": kind, "nullable": true, "metadata": {}}));
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    json!({"metaData": {"id": "history", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
        "partitionColumns": ["region"], "configuration": {"mark": mark.to_string()}, "createdTime": 0}})
}

/// All that is told of each file.
fn told(table: &PinnedTable) -> Vec<String> {
    let files = table.files().unwrap();
    let mut told: Vec<String> = files
        .all()
        .map(|file| {
            let values: Vec<_> = (0..COLUMNS.len()).map(|column| file.told(column).unwrap()).collect();
            let region: ScalarValue = file.partition_value("region").unwrap();
            let (rows, deleted) = (file.rows(), file.deleted());
            format!("{} {} {rows:?} {deleted:?} {region:?} {values:?}", file.path(), file.size())
        })
        .collect();
    told.sort();
    told
}

fn begin(ground: &Ground, name: &str) -> (History, TableLocation) {
    let location = table(name);
    let mut history = History { seed: 7, there: Vec::new(), files: 0, vectors: 0 };
    let features = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
        "writerFeatures": ["deletionVectors"]});
    let mut actions = vec![json!({"protocol": features}), metadata(0)];
    history.add(FILES, &mut actions);
    std::fs::create_dir_all(ground.path(&location).join("_delta_log")).unwrap();
    ground.commit(&location, 0, &actions);
    (history, location)
}

fn filters() -> [Expr; 6] {
    [
        col("id").eq(lit(50_000_i64)),
        col("id").gt(lit(90_000_i64)).and(col("region").eq(lit("r1"))),
        col("region").is_null(),
        col("name").is_null(),
        col("ratio").lt(lit(1_000.0)),
        col("region").eq(lit("ü %")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_history_gives_the_files_that_delta_rs_finds_in_the_log() {
    let ground = Ground::new();
    let (mut history, location) = begin(&ground, "history");
    ground.tables.open(&location).await.unwrap();
    let (mut version, mut followed) = (0, 0);
    for step in 0..STEPS {
        let mut only_files = true;
        for _ in 0..1 + history.number(3) {
            let (actions, files) = history.commit();
            version += 1;
            ground.commit(&location, version, &actions);
            only_files &= files;
        }
        let known = ground.tables.open(&location).await.unwrap();
        let fresh = DeltaTables::new(Arc::clone(ground.tables.router()), Config::default());
        let fresh = fresh.open(&location).await.unwrap();
        assert_eq!((known.version(), fresh.version()), (version, version), "step {step}");
        assert!(only_files || known.log().is_own(), "step {step}: columns are asked of delta-rs");
        followed += u64::from(!known.log().is_own());
        assert_eq!(known.file_count(), history.there.len() as u64, "step {step}");
        assert_eq!(known.file_count(), fresh.file_count(), "step {step}");
        assert_eq!(known.total_bytes(), fresh.total_bytes(), "step {step}");
        assert_eq!(known.properties(), fresh.properties(), "step {step}");
        assert_eq!(told(&known), told(&fresh), "step {step}");
        for filter in filters() {
            let (known_plan, fresh_plan) = (
                ground.plan(&known, Some(filter.clone()), 1).await,
                ground.plan(&fresh, Some(filter.clone()), 1).await,
            );
            let read = (scan_numbers(&known_plan, &known), scan_numbers(&fresh_plan, &fresh));
            assert_eq!(read.0.files_read, read.1.files_read, "step {step}: {filter}");
        }
        let snapshot = known.snapshot().await.unwrap();
        let files = snapshot.try_log_data().unwrap().num_files() as u64;
        assert_eq!((snapshot.version(), files), (version, fresh.file_count()), "step {step}");
    }
    assert!(followed > STEPS / 2, "{followed} of {STEPS} are known by their commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_some_parts_the_list_is_made_anew() {
    let ground = Ground::new();
    let (mut history, location) = begin(&ground, "parts");
    ground.tables.open(&location).await.unwrap();
    let mut anew = 0;
    for version in 1..=80 {
        let mut actions = Vec::new();
        history.add(1, &mut actions);
        ground.commit(&location, version, &actions);
        let known = ground.tables.open(&location).await.unwrap();
        assert_eq!(known.file_count(), FILES + version);
        anew += u64::from(known.log().is_own());
    }
    assert_eq!(anew, 2, "each 33rd");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_and_planned_is_the_newest() {
    let ground = Ground::new();
    let (mut history, location) = begin(&ground, "counted");
    ground.tables.open(&location).await.unwrap();
    let mut actions = Vec::new();
    for add in history.there.drain(1..) {
        actions.push(History::remove(&add));
    }
    ground.commit(&location, 1, &actions);
    let known = ground.tables.open(&location).await.unwrap();
    assert!(!known.log().is_own());
    let plan = ground.plan(&known, None, 2).await;
    assert_eq!(scan_numbers(&plan, &known).files_read, 1);
}
