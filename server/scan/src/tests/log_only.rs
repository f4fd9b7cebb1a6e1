//! Tables that are a log and nothing else: whoever opens a file that was to be left out fails.

use datafusion::prelude::{Expr, col, lit};
use serde_json::json;
use weir_meter::Meter;

use super::{Ground, table};
use crate::{TableLocation, scan_numbers};

/// How many ids each file tells of.
const IDS: i64 = 1000;

impl Ground {
    /// A table of so many files that are not there, each of a thousand ids and one of ten regions.
    fn log_only(&self, files: i64) -> TableLocation {
        let location = table(&format!("log_only_{files}"));
        let fields = [("id", "long"), ("region", "string")]
            .map(|(name, kind)| json!({"name": name, "type": kind, "nullable": true, "metadata": {}}));
        let schema = json!({"type": "struct", "fields": fields}).to_string();
        let mut commit = vec![
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            json!({"metaData": {"id": "log-only", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema, "partitionColumns": ["region"], "configuration": {}, "createdTime": 0}}),
        ];
        commit.extend((0..files).map(add));
        std::fs::create_dir_all(self.path(&location).join("_delta_log")).unwrap();
        self.commit(&location, 0, &commit);
        location
    }
}

fn add(file: i64) -> serde_json::Value {
    let (region, first) = (format!("r{}", file % 10), file * IDS);
    let stats = json!({"numRecords": IDS, "minValues": {"id": first}, "maxValues": {"id": first + IDS - 1}, "nullCount": {"id": 0}});
    json!({"add": {"path": format!("region={region}/{file}.parquet"), "partitionValues": {"region": region}, "size": 10_000,
        "modificationTime": 0, "dataChange": true, "stats": stats.to_string()}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planned_is_the_files_that_match_however_many_there_are() {
    let ground = Ground::new();
    for files in [1_000, 20_000] {
        let pinned = ground.tables.open(&ground.log_only(files)).await.unwrap();
        assert_eq!(pinned.file_count(), files.cast_unsigned());
        let some: Vec<Expr> = (0..100).map(|n| lit(n * 5 * IDS + 1)).collect();
        let cases = [
            (col("id").gt_eq(lit(300 * IDS)).and(col("id").lt(lit(320 * IDS))), 20),
            (col("id").eq(lit(777_777_i64)), 1),
            (col("id").in_list(some, false), 100),
            (col("region").eq(lit("r3")).and(col("id").lt(lit(200 * IDS))), 20),
            (col("region").eq(lit("nowhere")), 0),
            (col("id").lt(lit(-1_i64)), 0),
        ];
        for (filter, files_read) in cases {
            let plan = ground.plan(&pinned, Some(filter.clone()), 2).await;
            assert_eq!(scan_numbers(&plan, &pinned).files_read, files_read, "{filter}");
            let rows = ground.rows(&plan, &Meter::new()).await;
            assert_eq!(rows.is_ok(), files_read == 0, "{filter}: what is planned is read");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_more_is_the_only_one_that_is_read() {
    let ground = Ground::new();
    let location = ground.log_only(1_000);
    let first = ground.tables.open(&location).await.unwrap();
    ground.commit(&location, 1, &[add(1_000)]);
    let second = ground.tables.open(&location).await.unwrap();
    // Were the log read from its beginning now, that would fail.
    let begin = ground.path(&location).join(format!("_delta_log/{:020}.json", 0));
    std::fs::write(begin, "no json").unwrap();
    ground.commit(&location, 2, &[add(1_001)]);
    let third = ground.tables.open(&location).await.unwrap();
    let counts = [&first, &second, &third].map(|table| (table.version(), table.file_count()));
    assert_eq!(counts, [(0, 1_000), (1, 1_001), (2, 1_002)], "a pinned version stays what it is");
    let plan = ground.plan(&third, Some(col("id").gt_eq(lit(1_000 * IDS))), 2).await;
    assert_eq!(scan_numbers(&plan, &third).files_read, 2);
}
