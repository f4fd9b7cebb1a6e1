//! What does the server cost? A query over Flight SQL on loopback ÷ the same query in a DataFusion
//! session over delta-rs tables in process, on the same files, nothing governed on either side.
//!
//! The session has what the server has: as many threads, filters pushed into Parquet, decimal
//! literals. It opens its tables once; the server looks for a newer version at each statement.
//!
//! To find where the difference comes from, `WEIR_BENCH_BARE` takes things from the session that the
//! server lacks too: `plain-strings` (no string views), `no-in-lists` (join keys are not handed to
//! scans as lists), or both, divided by a comma.

use std::sync::Arc;

use arrow_flight::sql::CommandStatementQuery;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use url::Url;
use weir_benches::bare::{Bare, bare_config};
use weir_benches::rounds::{Answer, Case, Side, Stopwatch, round_count, table, take_turns};
use weir_benches::warehouse::{EXEMPT, SCHEMA, SampleWarehouse, environment};
use weir_benches::{Form, Result, Workload};
use weir_testkit::Client;

/// A client of the server.
struct Wire(Client);

#[async_trait]
impl Side for Wire {
    async fn run(&self, sql: &str) -> Result<Answer> {
        let watch = Stopwatch::start();
        let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
        let info = self.0.info(&command).await.map_err(|refusal| refusal.text)?;
        let planning = watch.wall();
        let ticket = info.endpoint.into_iter().next().and_then(|endpoint| endpoint.ticket);
        let rows = self.0.fetch(ticket.ok_or("an answer without a ticket")?).await;
        Ok(watch.answer(planning, rows.map_err(|refusal| refusal.text)?.batches))
    }
}

fn main() -> std::process::ExitCode {
    weir_benches::finish(measure())
}

async fn measure() -> Result<()> {
    let workload = Workload::load()?;
    let warehouse = SampleWarehouse::open(&workload).await?;
    let only = environment("WEIR_BENCH_QUERY");
    let queries =
        workload.queries.iter().filter(|query| only.as_ref().is_none_or(|name| *name == query.name));
    let cases: Vec<Case> = queries
        .map(|query| Case {
            name: query.name.clone(),
            left: workload.text(query, Form::Governed { schema: SCHEMA }),
            right: workload.text(query, Form::Plain),
            ties: query.ties,
        })
        .collect();
    let bare = Bare(bare_session(&warehouse).await?);
    let serving = warehouse.serve().await?;
    let token = warehouse.token(EXEMPT)?;
    let wire = Wire(Client::anonymous(serving.address).with_token(token.reveal()));
    let count = round_count(7)?;
    let outcomes = take_turns(&wire, &bare, &cases, count).await?;
    println!("over the wire / in process, TPC-H scale {}, {count} rounds", warehouse.scale());
    println!("{}", table(&outcomes, "over the wire", "in process"));
    serving.stop().await
}

#[expect(clippy::disallowed_methods, reason = "the bare engine, to compare with")]
async fn bare_session(warehouse: &SampleWarehouse) -> Result<SessionContext> {
    let mut config = bare_config()?;
    let without = environment("WEIR_BENCH_BARE").unwrap_or_default();
    let without: Vec<&str> = without.split(',').collect();
    if without.contains(&"no-in-lists") {
        config.options_mut().optimizer.hash_join_inlist_pushdown_max_size = 0;
        config.options_mut().optimizer.hash_join_inlist_pushdown_max_distinct_values = 0;
    }
    let session = SessionContext::new_with_config(config);
    for table in warehouse.columns().await?.keys() {
        let folder = warehouse.folder(table).await?;
        let url = Url::from_directory_path(&folder).map_err(|()| "a folder without a URL")?;
        let delta = deltalake::open_table(url).await?;
        let provider: Arc<dyn TableProvider> = if without.contains(&"plain-strings") {
            let config = DeltaScanConfig { schema_force_view_types: false, ..DeltaScanConfig::new() };
            Arc::new(DeltaScanNext::new(Arc::new(delta.snapshot()?.snapshot().clone()), config)?)
        } else {
            delta.table_provider().await?
        };
        session.register_table(table.as_str(), provider)?;
    }
    Ok(session)
}
