//! Tables whose files have deletion vectors.

use std::collections::BTreeSet;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::prelude::{Expr, col, lit};
use serde_json::{Value, json};
use weir_meter::Meter;

use super::{Ground, people, people_schema, table};
use crate::file_layout::ROW_GROUP_ROWS;
use crate::{PinnedTable, TableLocation, scan_numbers};

/// Rows of the large file, in three row groups.
const LARGE: i64 = 300_000;
/// The rows of it that are marked, at the ends of row groups among them.
const MARKED: [u32; 7] = [0, 7, 8, 20_000, FIRST_GROUP_END, FIRST_GROUP_END + 1, 299_999];
const FIRST_GROUP_END: u32 = ROW_GROUP_ROWS as u32 - 1;

/// A deletion vector as it stands in a log: the format `RoaringBitmapArray` of the Delta protocol, in Z85.
pub(super) fn inline_vector(rows: &[u32]) -> Value {
    let mut bytes = Vec::new();
    bytes.extend(1_681_511_377_u32.to_le_bytes());
    // one bitmap of 32-bit numbers, in containers of those that share their upper half
    let containers: Vec<&[u32]> = rows.chunk_by(|left, right| left >> 16 == right >> 16).collect();
    let count = u32::try_from(containers.len()).unwrap();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(12_346_u32.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    for container in &containers {
        bytes.extend(u16::try_from(container[0] >> 16).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(container.len() - 1).unwrap().to_le_bytes());
    }
    let mut offset = 8 + 8 * count;
    for container in &containers {
        bytes.extend(offset.to_le_bytes());
        offset += 2 * u32::try_from(container.len()).unwrap();
    }
    for row in rows {
        bytes.extend(u16::try_from(row & 0xffff).unwrap().to_le_bytes());
    }
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(4), 0);
    json!({
        "storageType": "i", "pathOrInlineDv": z85(&bytes), "sizeInBytes": size, "cardinality": rows.len(),
    })
}

/// ZeroMQ's RFC 32.
fn z85(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let groups = bytes.chunks(4).map(|group| u32::from_be_bytes(group.try_into().unwrap()));
    let digit = |group: u32, place: u32| char::from(digits[(group / 85_u32.pow(place) % 85) as usize]);
    groups.flat_map(|group| (0..5).rev().map(move |place| digit(group, place))).collect()
}

/// Gives the file of `version` a deletion vector, in a commit of its own. `told` is the number of rows that the log tells
/// of the file.
pub(super) fn mark(ground: &Ground, location: &TableLocation, version: u64, rows: &[u32], told: Option<i64>) {
    let log = ground.path(location).join("_delta_log");
    let newest = std::fs::read_dir(&log).unwrap().count() as u64;
    let commit = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
    let actions = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut add = actions.into_iter().find_map(|action| action.get("add").cloned()).unwrap();
    let remove = json!({"path": add["path"], "deletionTimestamp": 1, "dataChange": true});
    let mut stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    if let Some(told) = told {
        stats["numRecords"] = json!(told);
    }
    stats["tightBounds"] = json!(false);
    add["stats"] = json!(stats.to_string());
    add["deletionVector"] = inline_vector(rows);
    let protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]});
    let actions = [json!({"protocol": protocol}), json!({"remove": remove}), json!({"add": add})];
    let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
    std::fs::write(log.join(format!("{newest:020}.json")), text).unwrap();
}

/// A large file with marked rows, and a small one without.
async fn marked(ground: &Ground, told: Option<i64>) -> PinnedTable {
    let location = table("marked");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..LARGE, "x")).await.unwrap();
    ground.append(&location, people(LARGE..LARGE + 10, "y")).await.unwrap();
    mark(ground, &location, 1, &MARKED, told);
    ground.tables.open(&location).await.unwrap()
}

/// Whether the row of an id passes.
type Passes = fn(i64) -> bool;

impl Ground {
    async fn kept_ids(&self, table: &PinnedTable, filter: Option<Expr>, partitions: usize) -> BTreeSet<i64> {
        let plan = self.plan(table, filter, partitions).await;
        let rows = self.rows(&plan, &Meter::new()).await.unwrap();
        let ids = rows.iter().flat_map(|batch| batch["id"].as_primitive::<Int64Type>().values().to_vec());
        let ids: Vec<i64> = ids.collect();
        let each: BTreeSet<i64> = ids.iter().copied().collect();
        assert_eq!(each.len(), ids.len(), "a row comes once");
        each
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marked_rows_stay_away_under_filters_and_in_parallel() {
    let ground = Ground::new();
    let pinned = marked(&ground, None).await;
    let left: BTreeSet<i64> =
        (0..LARGE + 10).filter(|id| !MARKED.iter().any(|row| i64::from(*row) == *id)).collect();
    let filters: [(Option<Expr>, Passes); 9] = [
        (None, |_| true),
        // leaves out pages at the file's begin, where rows are marked too
        (Some(col("id").gt_eq(lit(41_000_i64))), |id| id >= 41_000),
        (Some(col("id").lt(lit(30_i64))), |id| id < 30),
        // leaves out a row group, and all but one
        (Some(col("id").gt_eq(lit(131_070_i64))), |id| id >= 131_070),
        (Some(col("id").between(lit(131_060_i64), lit(131_080_i64))), |id| (131_060..=131_080).contains(&id)),
        (Some(col("id").eq(lit(7_i64))), |id| id == 7),
        (Some(col("id").gt_eq(lit(19_990_i64))), |id| id >= 19_990),
        (Some(col("name").eq(lit("name 20001"))), |id| id == 20_001),
        (Some(col("region").eq(lit("y"))), |id| id >= LARGE),
    ];
    for partitions in [1, 4] {
        for (filter, passes) in &filters {
            let wanted: BTreeSet<i64> = left.iter().copied().filter(|id| passes(*id)).collect();
            assert_eq!(ground.kept_ids(&pinned, filter.clone(), partitions).await, wanted, "{filter:?}");
        }
    }
    let split = ground.plan(&pinned, None, 4).await;
    assert_eq!(split.output_partitioning().partition_count(), 4, "the large file is read in parallel");
    let numbers = scan_numbers(&ground.plan(&pinned, Some(col("id").gt(lit(LARGE))), 4).await, &pinned);
    assert_eq!((numbers.files_read, numbers.files_pruned), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_counts_the_rows_that_are_left() {
    let ground = Ground::new();
    let pinned = marked(&ground, None).await;
    let left = usize::try_from(LARGE).unwrap() + 10 - MARKED.len();
    for limit in [1, 9, 100, 131_071, left - 9, left + 10_000] {
        let logical = LogicalPlanBuilder::scan("t", provider_as_source(pinned.provider()), None)
            .and_then(|scan| scan.limit(0, Some(limit)))
            .and_then(LogicalPlanBuilder::build)
            .unwrap();
        let plan = ground.state(2).create_physical_plan(&logical).await.unwrap();
        let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
        let rows: usize = rows.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(rows, limit.min(left), "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_that_does_not_fit_its_file_gives_no_rows() {
    let ground = Ground::new();
    // more rows, and fewer, than the file holds
    for told in [LARGE + 1, LARGE - 1] {
        let ground = Ground::new();
        let pinned = marked(&ground, Some(told)).await;
        let plan = ground.state(1);
        let logical = LogicalPlanBuilder::scan("t", provider_as_source(pinned.provider()), None).unwrap();
        let failure = match plan.create_physical_plan(&logical.build().unwrap()).await {
            Ok(plan) => ground.rows(&plan, &Meter::new()).await.map(|_| ()),
            Err(failure) => Err(failure),
        };
        assert!(failure.is_err(), "{told}");
    }
    assert_eq!(ground.count(&marked(&ground, Some(LARGE)).await).await, 300_003);
}
