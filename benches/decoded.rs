//! What would decoded columns in memory earn, at most? The queries over tables that lie decoded in memory ÷ over Parquet files
//! in the server's caches, nothing governed on either side; and how many bytes the columns that they read take.
//!
//! A cache of decoded columns could not do better: nothing is looked up, weighed or evicted here. It could prune by
//! statistics, which tables in memory do not: where that is what counts, the ratio is above 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use weir_benches::bare::{Bare, bare_config};
use weir_benches::rounds::{Case, round_count, table, take_turns};
use weir_benches::warehouse::{EXEMPT, SCHEMA, SampleWarehouse, User};
use weir_benches::{Form, Result, Workload};

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let workload = Workload::load()?;
    let warehouse = SampleWarehouse::open(&workload).await?;
    let (session, bytes) = in_memory(&warehouse).await?;
    let cases: Vec<Case> = workload
        .queries
        .iter()
        .map(|query| Case {
            name: query.name.clone(),
            left: workload.text(query, Form::Plain),
            right: workload.text(query, Form::Governed { schema: SCHEMA }),
            ties: query.ties,
        })
        .collect();
    let count = round_count(7)?;
    let outcomes =
        take_turns(&Bare(session), &User { warehouse: &warehouse, name: EXEMPT }, &cases, count).await?;
    println!("decoded in memory / from files, TPC-H scale {}, {count} rounds", warehouse.scale());
    println!("{}", table(&outcomes, "decoded", "from files"));
    println!("| table | decoded MB | of which each column |\n|---|---|---|");
    for (table, columns) in bytes {
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let total: usize = columns.iter().map(|(_, bytes)| bytes).sum();
        let columns = columns.iter().map(|(name, bytes)| format!("{name} {:.0}", megabytes(*bytes)));
        println!("| {table} | {:.0} | {} |", megabytes(total), columns.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// The bytes of each column of each table.
type Bytes = BTreeMap<String, Vec<(String, usize)>>;

/// A session whose tables are what the files hold.
#[expect(clippy::disallowed_methods, reason = "the bare engine, to compare with")]
async fn in_memory(warehouse: &SampleWarehouse) -> Result<(SessionContext, Bytes)> {
    let config = bare_config()?;
    let threads = config.target_partitions();
    let session = SessionContext::new_with_config(config);
    let mut bytes = Bytes::new();
    for table in warehouse.columns().await?.into_keys() {
        let batches = warehouse.run(EXEMPT, &format!("SELECT * FROM {SCHEMA}.{table}")).await?.batches;
        let Some(schema) = batches.first().map(RecordBatch::schema) else { continue };
        let of_column =
            |place: usize| batches.iter().map(|batch| batch.column(place).get_array_memory_size()).sum();
        let columns =
            schema.fields().iter().enumerate().map(|(place, field)| (field.name().clone(), of_column(place)));
        bytes.insert(table.clone(), columns.collect());
        let share = batches.len().div_ceil(threads).max(1);
        let partitions = batches.chunks(share).map(<[RecordBatch]>::to_vec).collect();
        session.register_table(table.as_str(), Arc::new(MemTable::try_new(schema, partitions)?))?;
    }
    Ok((session, bytes))
}
