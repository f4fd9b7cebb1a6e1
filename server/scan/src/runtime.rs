//! The environment in which queries run: memory, spill space, caches, and the one object store.

use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use url::Url;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::location::MOUNT;
use crate::router::Router;

/// How many of the largest consumers a memory error names.
const NAMED_CONSUMERS: usize = 5;

/// Builds the environment, to be shared by all queries of a process.
///
/// The router is the only store in it: a file that a table's log places elsewhere (an absolute URL) is not found. Caches of
/// listings and file statistics are off: the first would show old versions, and the Delta log makes both needless.
pub fn runtime_env(router: Arc<Router>, config: &Config) -> Result<Arc<RuntimeEnv>> {
    let mut disk = DiskManagerBuilder::default().with_max_temp_directory_size(config.spill_bytes);
    if let Some(directory) = &config.spill_directory {
        disk = disk.with_mode(DiskManagerMode::Directories(vec![directory.clone()]));
    }
    let names = std::num::NonZeroUsize::new(NAMED_CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
    let pool = TrackConsumersPool::new(FairSpillPool::new(config.memory_pool_bytes), names);
    let stores = DefaultObjectStoreRegistry::new();
    // The engine's own has the whole machine in it.
    let machine = Url::parse("file:///").map_err(|source| Error::Runtime(Box::new(source)))?;
    stores.deregister_store(&machine).map_err(|source| Error::Runtime(Box::new(source)))?;
    let environment = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(stores))
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .with_object_list_cache_limit(0)
        .with_file_statistics_cache_limit(0)
        .with_metadata_cache_limit(config.footer_cache_bytes)
        .build_arc()
        .map_err(|source| Error::Runtime(Box::new(source)))?;
    let mount = Url::parse(MOUNT).map_err(|source| Error::Runtime(Box::new(source)))?;
    environment.register_object_store(&mount, router);
    Ok(environment)
}
