//! The parts of the server that a statement passes before its first row, one by one, over the sample warehouse.

use std::sync::Arc;

use async_trait::async_trait;
use weir_catalog::{Snapshot, Table};
use weir_enforce::open_table::OpenError;
use weir_enforce::{OpenSystemTable, SystemTable, SystemTableRequest};
use weir_server::query::Engine;
use weir_server::query::open_delta::OpenDelta;

use crate::Result;
use crate::warehouse::{SCHEMA, SampleWarehouse};

/// The workload reads none of the books.
#[derive(Debug)]
struct NoBooks;

#[async_trait]
impl OpenSystemTable for NoBooks {
    async fn open(
        &self,
        _request: SystemTableRequest<'_>,
    ) -> std::result::Result<Option<SystemTable>, OpenError> {
        Ok(None)
    }
}

/// The engine over the tables of `warehouse`.
pub fn engine_of(warehouse: &SampleWarehouse) -> Result<Engine> {
    let app = warehouse.app();
    let runtime = weir_scan::runtime_env(Arc::clone(app.tables().router()), &weir_scan::Config::default())?;
    let tables = Arc::new(OpenDelta::new(
        Arc::clone(app.metastore()),
        Arc::clone(app.tables()),
        Arc::clone(app.locations()),
    ));
    let threads = std::thread::available_parallelism()?.get();
    Ok(Engine::new(runtime, threads, tables, Arc::new(NoBooks)))
}

/// A table of the workload.
pub fn table_of<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Table> {
    let (catalog, schema) = SCHEMA.split_once('.').ok_or("the schema's name has two parts")?;
    let name = weir_catalog::ObjectName::new(catalog, schema, name)?;
    Ok(snapshot.table(&name).ok_or("a table of the workload is not there")?)
}
