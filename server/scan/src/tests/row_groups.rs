//! What statistics within files leave out, where rows themselves are asked above the scan.

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Expr, col, lit};
use weir_meter::Meter;

use super::{Ground, table};
use crate::PinnedTable;

/// Rows of the one file: a page of [`FIRST`] rows, in which the dictionaries grow to their end, and others of [`PAGE`] rows.
const ROWS: i64 = 102_400;
/// Numbers of eight bytes in a dictionary of 128 KiB.
const FIRST: usize = 16_384;
/// The writer's rows of a page.
const PAGE: usize = 20_480;
/// Rows after the first page and four more.
const LAST: usize = 4_096;
/// A row whose number is none.
const NAN_AT: i64 = 30_000;

/// Ids in order, and beside them their half as a number, but once.
async fn halves(ground: &Ground) -> PinnedTable {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("half", DataType::Float64, false),
    ]));
    let location = table("halves");
    ground.tables.create(&location, Arc::clone(&schema), &[]).await.unwrap();
    let half = |id| if id == NAN_AT { f64::NAN } else { id as f64 / 2.0 };
    let ids = Int64Array::from_iter_values(0..ROWS);
    let halves = Float64Array::from_iter_values((0..ROWS).map(half));
    let rows = RecordBatch::try_new(schema, vec![Arc::new(ids), Arc::new(halves)]).unwrap();
    ground.append(&location, rows).await.unwrap();
    ground.tables.open(&location).await.unwrap()
}

/// Rows that pass `filter`, and rows that were decoded for it.
async fn asked(ground: &Ground, table: &PinnedTable, filter: Expr) -> (usize, usize) {
    let plan = ground.plan(table, Some(filter), 1).await;
    let rows = ground.rows(&plan, &Meter::new()).await.unwrap();
    let mut decoded = 0;
    plan.apply(|node: &Arc<dyn ExecutionPlan>| {
        if node.is::<DataSourceExec>() {
            decoded += node.metrics().and_then(|metrics| metrics.output_rows()).unwrap();
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    (rows.iter().map(RecordBatch::num_rows).sum(), decoded)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_left_out_by_conditions_that_keep_many_rows() {
    let ground = Ground::new();
    let pinned = halves(&ground).await;
    let from = |id: i64| col("id").gt_eq(lit(id));
    assert_eq!(asked(&ground, &pinned, from(50_000)).await, (52_400, 3 * PAGE + LAST));
    assert_eq!(asked(&ground, &pinned, from(82_000)).await, (20_400, PAGE + LAST));
    let outside = from(90_000).or(col("id").lt(lit(10_000_i64)));
    assert_eq!(asked(&ground, &pinned, outside).await, (22_400, FIRST + PAGE + LAST));
    let below = col("half").lt(lit(25_000.0));
    assert_eq!(asked(&ground, &pinned, below).await, (49_999, FIRST + 2 * PAGE));
    // one condition that is asked while decoding beside one that is not
    let both = col("id").eq(lit(77_i64)).and(col("half").lt(lit(45_000.0)));
    assert_eq!(asked(&ground, &pinned, both).await, (1, 1));
    // nothing that statistics tell
    let even = (col("id") % lit(2_i64)).eq(lit(0_i64));
    assert_eq!(asked(&ground, &pinned, even).await, (51_200, FIRST + 4 * PAGE + LAST));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_with_a_nan_is_not_left_out_where_a_nan_passes() {
    let ground = Ground::new();
    let pinned = halves(&ground).await;
    let above = col("half").gt(lit(1e9));
    assert_eq!(asked(&ground, &pinned, above).await.0, 1);
    let (kept, _) = asked(&ground, &pinned, col("half").gt_eq(lit(45_000.0))).await;
    assert_eq!(kept, 12_401);
}
