//! CLEAR CACHE: what the server keeps in memory of files, tables, results and plans.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use weir_catalog::error::Reserved;
use weir_catalog::{Snapshot, is_account_admin, is_metastore_admin};

use super::{Call, done};
use crate::context::Context;
use crate::error::Result;
use crate::query::plan_cache::PlanCache;
use crate::query::result_cache::ResultCache;
use crate::run::Outcome;
use crate::sql::CacheCommand;

/// Caches beside those of tables.
#[derive(Debug, Clone)]
pub struct Caches {
    /// Holds footers of files.
    pub runtime: Arc<RuntimeEnv>,
    /// Holds results.
    pub results: ResultCache,
    /// Holds plans.
    pub plans: PlanCache,
}

pub(super) async fn run(call: Call<'_>, command: CacheCommand) -> Result<Outcome> {
    require_rank(&*call.snapshot().await?, call.context)?;
    match command {
        CacheCommand::Clear => {
            let caches = &call.environment.caches;
            call.environment.tables.clear();
            caches.runtime.cache_manager.get_file_metadata_cache().clear();
            caches.results.clear();
            caches.plans.clear();
        }
    }
    done()
}

/// Refuses whoever may not fill and empty the caches, which are everybody's.
pub(crate) fn require_rank(snapshot: &Snapshot, context: &Context) -> Result<()> {
    let caller = context.identity().principal();
    match is_account_admin(snapshot, caller) || is_metastore_admin(snapshot, caller) {
        true => Ok(()),
        false => Err(weir_catalog::Error::Reserved { act: Reserved::ManageCaches }.into()),
    }
}
