//! Builds the sample warehouse by the ways anybody has: SQL at the door for catalogs, tables,
//! policies, groups and grants; Delta commits for the rows.
//!
//! INVARIANT: a start that ends half-way is completed by the following one. Each statement can be
//! run twice, each part of a table's rows is a transaction that a table takes once, and the last
//! statement marks the sample as complete. A complete sample is left as its users have made it.

use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt, stream};
use weir_catalog::{ObjectName, SchemaName, Snapshot, Table};
use weir_scan::TableLocation;

use super::visitor::Visitor;
use super::{people, tpch};
use crate::app::App;
use crate::client::{Failure, statements};
use crate::error::{Error, Result};

const PRINCIPALS: &str = include_str!("principals.sql");
const PEOPLE: &str = include_str!("people.sql");
const TPCH: &str = include_str!("tpch.sql");
const GRANTS: &str = include_str!("grants.sql");

/// The table that bears the mark, and the mark.
const MARKED: (&str, &str, &str) = ("hr", "people", "offices");
const MARK: (&str, &str) = ("weir.demo", "complete");

/// The application that the parts of a table's rows are transactions of.
const APPLICATION: &str = "weir-demo";

/// Tables that are filled together: one makes rows while another writes.
const TABLES_AT_ONCE: usize = 2;

/// The rows of a table, made when they are needed.
type Rows = Box<dyn FnOnce() -> Result<Vec<RecordBatch>, ArrowError> + Send>;

/// What one schema of the sample has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inventory {
    pub(super) schema: String,
    pub(super) tables: usize,
    pub(super) views: usize,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Whether the sample is there as a whole.
pub(super) fn is_complete(snapshot: &Snapshot) -> Result<bool> {
    let (catalog, schema, table) = MARKED;
    let table = snapshot.table(&ObjectName::new(catalog, schema, table)?);
    Ok(table.and_then(|table| table.properties.get(MARK.0)).is_some_and(|value| value == MARK.1))
}

/// Builds what is missing, as `admin`.
pub(super) async fn build(app: &App, admin: &mut Visitor) -> Result<(), Failure> {
    for script in [PRINCIPALS, PEOPLE, TPCH] {
        run(admin, script).await?;
    }
    fill(app).await?;
    run(admin, GRANTS).await
}

async fn run(admin: &mut Visitor, script: &str) -> Result<(), Failure> {
    for statement in statements::split(script) {
        admin.execute(&statement).await?;
    }
    Ok(())
}

/// What there is, schema by schema.
pub(super) async fn inventory(app: &App) -> Result<Vec<Inventory>> {
    let snapshot = app.metastore().snapshot().await?;
    let mut all = Vec::new();
    for (catalog, schema) in [("tpch", "sf01"), ("hr", "people")] {
        let name = SchemaName::new(catalog, schema)?;
        let Some(schema) = snapshot.schema(&name) else { continue };
        let mut found = Inventory { schema: name.to_string(), tables: 0, views: 0, files: 0, bytes: 0 };
        for table in snapshot.tables(schema.id) {
            match app.locations().of(table)? {
                Some(location) => {
                    let table = app.tables().open(&location).await?;
                    found.tables += 1;
                    found.files += table.file_count();
                    found.bytes += table.total_bytes();
                }
                None => found.views += 1,
            }
        }
        all.push(found);
    }
    Ok(all)
}

async fn fill(app: &App) -> Result<()> {
    let snapshot = app.metastore().snapshot().await?;
    let session = session(app)?;
    let mut loads: Vec<(ObjectName, usize, Rows)> = Vec::new();
    for table in tpch::TABLES {
        let name = ObjectName::new("tpch", "sf01", table.name)?;
        loads.push((name, table.files, Box::new(move || table.parts())));
    }
    let people: [(&str, usize, Rows); 4] = [
        ("employees", 3, Box::new(people::employees)),
        ("region_access", 1, Box::new(people::region_access)),
        ("salary_bands", 1, Box::new(people::salary_bands)),
        ("offices", 1, Box::new(people::offices)),
    ];
    for (name, parts, rows) in people {
        loads.push((ObjectName::new("hr", "people", name)?, parts, rows));
    }
    let snapshot = &snapshot;
    let session = &session;
    stream::iter(loads)
        .map(|(name, parts, rows)| async move {
            let missing = || Error::internal(format!("`{name}` was made and is not there"));
            let table = snapshot.table(&name).ok_or_else(missing)?;
            fill_table(app, session, table, parts, rows).await
        })
        .buffer_unordered(TABLES_AT_ONCE)
        .try_collect()
        .await
}

async fn fill_table(
    app: &App,
    session: &SessionState,
    table: &Table,
    parts: usize,
    rows: Rows,
) -> Result<()> {
    let location = app.locations().of(table)?;
    let location = location.ok_or_else(|| Error::internal("a table of the sample is a view"))?;
    let written = app.tables().open(&location).await?.txn_version(APPLICATION).await?.unwrap_or(0);
    if usize::try_from(written).is_ok_and(|written| written >= parts) {
        return Ok(());
    }
    let made = tokio::task::spawn_blocking(rows).await.map_err(Error::internal)?;
    for (part, number) in made.map_err(Error::internal)?.into_iter().zip(1_i64..) {
        append(app, session, &location, part, number).await?;
    }
    Ok(())
}

async fn append(
    app: &App,
    session: &SessionState,
    location: &TableLocation,
    part: RecordBatch,
    number: i64,
) -> Result<()> {
    let schema = part.schema();
    let rows = stream::once(async move { Ok(part) });
    let input: SendableRecordBatchStream = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
    let transaction = Some((APPLICATION.to_owned(), number));
    app.tables().append(location, session, input, Vec::new(), transaction).await?;
    Ok(())
}

/// A session for the writer: one file a part.
fn session(app: &App) -> Result<SessionState> {
    let runtime = weir_scan::runtime_env(Arc::clone(app.tables().router()), &weir_scan::Config::default())?;
    let config = SessionConfig::new().with_target_partitions(1);
    Ok(SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .build())
}
