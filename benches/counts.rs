//! How many instructions do the paths take that each statement, scan or batch takes? Asked under valgrind by `make counts`,
//! since counts of instructions are the same on every run where times are not.
//!
//! `counts PATH` does its work [`TIMES`] times within [`counted`], which is what valgrind looks at; `counts` alone lists the
//! paths and makes what they need. Metering is not among them: its clock lies in a page of the kernel that valgrind hides.

use std::hint::black_box;
use std::path::Path;

use datafusion::prelude::{col, lit};
use tokio::runtime::{Builder, Runtime};
use weir_benches::engine::{engine_of, table_of};
use weir_benches::log_table::{Ground, IDS, first_commit};
use weir_benches::warehouse::{ANALYST, SCHEMA, SampleWarehouse};
use weir_benches::{Form, Result, Workload};
use weir_catalog::{Privilege, SecurableId, authorize};
use weir_enforce::{OptimisedPlan, govern};
use weir_scan::{RootName, TableLocation};
use weir_server::query::plan::Planned;
use weir_server::sql;

/// How often a path is taken.
const TIMES: u64 = 20;
/// Files of the table that is pruned; one of them matches.
const FILES: i64 = 10_000;

const PATHS: [&str; 5] = ["authorize", "bind", "enforce", "again", "prune"];

fn main() -> std::process::ExitCode {
    let path = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    weir_benches::finish(async move {
        match path {
            Some(path) => tokio::task::spawn_blocking(move || take(&path)).await?,
            None => list().await,
        }
    })
}

async fn list() -> Result<()> {
    SampleWarehouse::open(&Workload::load()?).await?;
    println!("{}", PATHS.join(" "));
    Ok(())
}

/// What valgrind counts, and the number of times that it is done.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    (0..TIMES).for_each(|_| work());
}

fn take(path: &str) -> Result<()> {
    // One thread: what another one does would not be counted.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match path {
        "authorize" => authorize_path(&runtime),
        "bind" | "enforce" | "again" => statement_path(&runtime, path),
        "prune" => prune_path(&runtime),
        other => Err(format!("no path `{other}`; there are {}", PATHS.join(", ")).into()),
    }
}

fn authorize_path(runtime: &Runtime) -> Result<()> {
    let warehouse = runtime.block_on(SampleWarehouse::open(&Workload::load()?))?;
    let snapshot = runtime.block_on(warehouse.app().metastore().snapshot())?;
    let analyst = snapshot.principal_by_name(ANALYST).ok_or("no analyst")?.id;
    let table = SecurableId::Table(table_of(&snapshot, "lineitem")?.id);
    counted(&mut || {
        let _allowed = black_box(authorize(&snapshot, analyst, Privilege::Select, table));
    });
    Ok(())
}

/// The query of four tables with filters and masks: names to tables and policies (`bind`), then the plan and its proof
/// (`enforce`), and both of a plan that is kept (`again`).
fn statement_path(runtime: &Runtime, path: &str) -> Result<()> {
    let workload = Workload::load()?;
    let warehouse = runtime.block_on(SampleWarehouse::open(&workload))?;
    let engine = engine_of(&warehouse)?;
    let snapshot = runtime.block_on(warehouse.app().metastore().snapshot())?;
    let context = runtime.block_on(warehouse.context(ANALYST))?;
    let query = workload.queries.iter().find(|query| query.name == "q5").ok_or("no q5")?;
    let parsed = sql::parse_query(&workload.text(query, Form::Governed { schema: SCHEMA }))?;
    let bind = || runtime.block_on(Planned::new(&engine, &context, &snapshot, &parsed));
    let planned = bind()?;
    let enforce = || runtime.block_on(govern(&planned.scope, planned.scope.state(), &planned.plan));
    drop(black_box(enforce()?));
    let kept = OptimisedPlan::new(&planned.scope, planned.scope.state(), &planned.plan)?;
    let again = || runtime.block_on(kept.governed(planned.scope.state()));
    drop(black_box(again()?));
    match path {
        "bind" => counted(&mut || drop(black_box(bind()))),
        "again" => counted(&mut || drop(black_box(again()))),
        _ => counted(&mut || drop(black_box(enforce()))),
    }
    Ok(())
}

fn prune_path(runtime: &Runtime) -> Result<()> {
    let ground = Ground::new()?;
    ground.commit(Path::new("pruned"), 0, &first_commit(FILES))?;
    let location = TableLocation::new(RootName::new("main")?, "pruned")?;
    let table = runtime.block_on(ground.tables.open(&location))?;
    let filter = col("id").eq(lit(FILES / 2 * IDS + 5));
    if runtime.block_on(ground.plan(&table, &filter))? != 1 {
        return Err("one file matches".into());
    }
    counted(&mut || drop(black_box(runtime.block_on(ground.plan(&table, &filter)))));
    Ok(())
}
