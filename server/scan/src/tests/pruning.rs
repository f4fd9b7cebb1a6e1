//! The numbers of a scan, on a table whose files are known.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::prelude::{Expr, col, lit};
use weir_meter::Meter;

use super::{Ground, data_files, drain, people, people_schema, table};
use crate::{PlannedFiles, TableLocation, scan_numbers};

/// Partitioned by region: north with ids 0..100 and 100..200, south with 200..300, each one file.
async fn three_files(ground: &Ground) -> TableLocation {
    let location = table("people");
    ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    for (ids, region) in [(0..100, "north"), (100..200, "north"), (200..300, "south")] {
        ground.append(&location, people(ids, region)).await.unwrap();
    }
    location
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruned_and_read_are_exact_files_and_bytes() {
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let pinned = ground.tables.open(&location).await.unwrap();
    let files = data_files(&ground.path(&location));
    let total: u64 = files.iter().map(|(_, size)| size).sum();
    assert_eq!((pinned.version(), pinned.file_count(), pinned.total_bytes()), (3, 3, total));

    let south: u64 =
        data_files(&ground.path(&location).join("region=south")).iter().map(|(_, size)| size).sum();
    let cases: [(Option<Expr>, u64, Option<u64>); 6] = [
        (None, 3, Some(total)),
        (Some(col("region").eq(lit("south"))), 1, Some(south)),
        (Some(col("id").gt_eq(lit(100_i64))), 2, None),
        (Some(col("region").eq(lit("north")).and(col("id").lt(lit(50_i64)))), 1, None),
        (Some(col("id").gt(lit(1000_i64))), 0, Some(0)),
        (Some(col("region").eq(lit("west"))), 0, Some(0)),
    ];
    for (filter, files_read, bytes_read) in cases {
        let plan = ground.plan(&pinned, filter.clone(), 2).await;
        let numbers = scan_numbers(&plan, &pinned);
        assert_eq!(numbers.files_read, files_read, "{filter:?}");
        assert_eq!(numbers.files_read + numbers.files_pruned, 3);
        assert_eq!(numbers.bytes_read + numbers.bytes_pruned, total);
        if let Some(bytes_read) = bytes_read {
            assert_eq!(numbers.bytes_read, bytes_read, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_from_metadata_prunes_every_file() {
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let pinned = ground.tables.open(&location).await.unwrap();
    let count = count(lit(1));
    let logical = LogicalPlanBuilder::scan("t", provider_as_source(pinned.provider()), None)
        .and_then(|scan| scan.aggregate(Vec::<Expr>::new(), vec![count]))
        .and_then(LogicalPlanBuilder::build)
        .unwrap();
    let plan = ground.state(2).create_physical_plan(&logical).await.unwrap();
    let numbers = scan_numbers(&plan, &pinned);
    assert_eq!(numbers.files_read, 0);
    assert_eq!((numbers.files_pruned, numbers.bytes_pruned), (3, pinned.total_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_tables_in_the_plan_are_not_counted() {
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let other = table("people2");
    ground.tables.create(&other, people_schema(), &[]).await.unwrap();
    ground.append(&other, people(0..10, "x")).await.unwrap();
    let (pinned, other) =
        (ground.tables.open(&location).await.unwrap(), ground.tables.open(&other).await.unwrap());
    let plan = ground.plan(&other, None, 2).await;
    let none =
        PlannedFiles { files_pruned: 3, bytes_pruned: pinned.total_bytes(), files_read: 0, bytes_read: 0 };
    assert_eq!(scan_numbers(&plan, &pinned), none);
    assert_eq!(scan_numbers(&plan, &other).files_read, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_read_is_served_from_the_cache() {
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let pinned = ground.tables.open(&location).await.unwrap();
    let read = async || {
        let meter = Meter::new();
        let plan = ground.plan(&pinned, None, 1).await;
        let rows: usize =
            ground.rows(&plan, &meter).await.unwrap().iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(rows, 300);
        (meter.cache_hit_bytes(), meter.cache_miss_bytes())
    };
    let first = read().await;
    let second = read().await;
    let third = read().await;
    // The first read fetches footers as well; parsed footers are not read again.
    assert!(first.1 > 0 && first.1 <= pinned.total_bytes(), "{first:?} of {}", pinned.total_bytes());
    assert!(second.0 > 0 && second.0 <= first.0 + first.1, "{first:?} {second:?}");
    assert_eq!(second.1, 0);
    assert_eq!(second, third);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_is_split_over_the_target_partitions() {
    use datafusion::physical_plan::ExecutionPlanProperties;
    let ground = Ground::new();
    let location = table("large");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..50_000, "north")).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    let plan = ground.plan(&pinned, Some(col("id").gt_eq(lit(10_i64))), 4).await;
    assert_eq!(plan.output_partitioning().partition_count(), 4);
    assert_eq!(scan_numbers(&plan, &pinned).files_read, 1, "a file in ranges is one file");
    assert_eq!(drain(plan, &ground.state(4)).await, 49_990);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decoding_is_charged_to_the_meter_of_the_scan() {
    let ground = Ground::new();
    let location = table("large");
    ground.tables.create(&location, people_schema(), &[]).await.unwrap();
    ground.append(&location, people(0..50_000, "north")).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    let meter = Meter::new();
    let plan = ground.plan(&pinned, None, 1).await;
    ground.rows(&plan, &meter).await.unwrap();
    assert!(meter.cpu().as_micros() > 100, "{:?}", meter.cpu());
    assert!(weir_meter::current().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_spawned_partitions_are_charged_to_the_meter_of_the_scan() {
    assert!(weir_meter::install_tracer());
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let pinned = ground.tables.open(&location).await.unwrap();
    let split = ground.plan(&pinned, Some(col("id").gt_eq(lit(10_i64))), 3).await;
    let plan: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(split));
    let meter = Meter::new();
    let rows = ground.rows(&plan, &meter).await.unwrap();
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 290);
    assert!(meter.cache_miss_bytes() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_leave_files_out() {
    let ground = Ground::new();
    let location = three_files(&ground).await;
    let pinned = ground.tables.open(&location).await.unwrap();
    let far = (0..200_i64).map(|id| lit(1000 + id));
    let ids: Vec<Expr> = far.clone().chain([lit(150_i64)]).collect();
    let regions: Vec<Expr> = (0..100).map(|n| lit(format!("r{n}"))).chain([lit("south")]).collect();
    for (filter, files_read, rows) in [
        (col("id").in_list(ids.clone(), false), 1, 1),
        (col("id").in_list(far.collect(), false), 0, 0),
        (col("id").in_list(ids, true), 3, 299),
        (col("region").in_list(regions.clone(), false), 1, 100),
        (col("region").in_list(regions, true), 3, 200),
    ] {
        let plan = ground.plan(&pinned, Some(filter.clone()), 2).await;
        assert_eq!(scan_numbers(&plan, &pinned).files_read, files_read, "{filter}");
        assert_eq!(drain(plan, &ground.state(2)).await, rows, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_without_a_value_is_null_and_an_empty_text_is_not() {
    let ground = Ground::new();
    let location = table("nowhere");
    ground.tables.create(&location, people_schema(), &["region".to_owned()]).await.unwrap();
    ground.append(&location, people(0..10, "north")).await.unwrap();
    let rows = people(10..13, "x");
    let nowhere: ArrayRef = Arc::new(StringArray::from(vec![None, None, Some("")]));
    let columns = vec![Arc::clone(&rows["id"]), Arc::clone(&rows["name"]), nowhere];
    ground.append(&location, RecordBatch::try_new(people_schema(), columns).unwrap()).await.unwrap();
    let pinned = ground.tables.open(&location).await.unwrap();
    for (filter, files_read, rows) in [
        (col("region").is_null(), 1, 2),
        (col("region").is_not_null(), 2, 11),
        (col("region").eq(lit("north")), 1, 10),
        (col("region").not_eq(lit("north")), 1, 1),
        (col("region").eq(lit("")), 1, 1),
    ] {
        let plan = ground.plan(&pinned, Some(filter.clone()), 2).await;
        assert_eq!(scan_numbers(&plan, &pinned).files_read, files_read, "{filter}");
        assert_eq!(drain(plan, &ground.state(2)).await, rows, "{filter}");
    }
}
