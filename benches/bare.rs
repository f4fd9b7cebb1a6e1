//! [`Bare`]: the engine without a server, as a side to compare with.

use async_trait::async_trait;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::Result;
use crate::rounds::{Answer, Side, Stopwatch};

/// A session over tables that nobody governs.
pub struct Bare(pub SessionContext);

#[async_trait]
impl Side for Bare {
    #[expect(clippy::disallowed_methods, reason = "the bare engine, to compare with")]
    async fn run(&self, sql: &str) -> Result<Answer> {
        let watch = Stopwatch::start();
        let plan = self.0.sql(sql).await?.create_physical_plan().await?;
        let planning = watch.wall();
        let batches = datafusion::physical_plan::collect(plan, self.0.task_ctx()).await?;
        Ok(watch.answer(planning, batches))
    }
}

/// What the server sets: as many threads as the machine has, filters pushed into Parquet, decimal literals.
pub fn bare_config() -> Result<SessionConfig> {
    let threads = std::thread::available_parallelism()?.get();
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true);
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    Ok(config)
}
