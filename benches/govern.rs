//! What does a statement pay before its first row? The catalog's snapshot and the decision to let
//! it in, compiling a table's policies, and making a governed plan.
//!
//! Names are `what/table or query/who`. The sample warehouse is opened as it is, at whatever scale:
//! nothing here reads rows.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use tokio::runtime::{Builder, Runtime};
use weir_benches::engine::{engine_of, table_of};
use weir_benches::warehouse::{ANALYST, EXEMPT, SCHEMA, SampleWarehouse};
use weir_benches::{Form, Result, Workload};
use weir_catalog::{Privilege, SecurableId, Snapshot, authorize};
use weir_enforce::{OptimisedPlan, PolicyCompiler, govern};
use weir_server::context::Context;
use weir_server::query::Engine;
use weir_server::query::plan::Planned;
use weir_server::sql;

/// What all measurements share.
struct Ground {
    runtime: Runtime,
    workload: Workload,
    warehouse: SampleWarehouse,
    engine: Engine,
}

fn main() -> std::process::ExitCode {
    match measure() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).thread_stack_size(16 << 20).enable_all().build()?;
    let workload = Workload::load()?;
    let warehouse = runtime.block_on(SampleWarehouse::open(&workload))?;
    let engine = engine_of(&warehouse)?;
    let ground = Ground { runtime, workload, warehouse, engine };
    let mut criterion = Criterion::default().configure_from_args();
    ground.catalog(&mut criterion)?;
    ground.policies(&mut criterion)?;
    ground.plans(&mut criterion)?;
    ground.stages(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

impl Ground {
    fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(self.runtime.block_on(self.warehouse.app().metastore().snapshot())?)
    }

    fn context(&self, user: &str) -> Result<Context> {
        self.runtime.block_on(self.warehouse.context(user))
    }

    fn catalog(&self, criterion: &mut Criterion) -> Result<()> {
        let metastore = self.warehouse.app().metastore();
        criterion.bench_function("snapshot/unchanged", |bencher| {
            bencher.to_async(&self.runtime).iter(|| async { black_box(metastore.snapshot().await) });
        });
        let snapshot = self.snapshot()?;
        let principal = snapshot.principal_by_name(ANALYST).ok_or("no analyst")?.id;
        let table = SecurableId::Table(table_of(&snapshot, "lineitem")?.id);
        criterion.bench_function("authorize/lineitem/analyst", |bencher| {
            bencher.iter(|| black_box(authorize(&snapshot, principal, Privilege::Select, table)));
        });
        Ok(())
    }

    fn policies(&self, criterion: &mut Criterion) -> Result<()> {
        let snapshot = self.snapshot()?;
        for user in [ANALYST, EXEMPT] {
            let context = self.context(user)?;
            let scope = self.engine.scope(&context, &snapshot)?;
            for name in ["customer", "lineitem", "nation"] {
                let table = table_of(&snapshot, name)?;
                let opened = self.runtime.block_on(scope.open(table))?;
                criterion.bench_function(&format!("policies/{name}/{user}"), |bencher| {
                    bencher.to_async(&self.runtime).iter(|| async {
                        black_box(PolicyCompiler::new(&scope).compile(table, &opened).await)
                    });
                });
            }
        }
        Ok(())
    }

    /// A governed statement's time before its first row, stage by stage: what `govern` takes beyond `physical` is the
    /// verifier's; `bind` holds authorising, opening and the compiling of policies, whose parts stand above. `again` is `govern`
    /// of a plan that is kept: it is made physical, and checked.
    fn stages(&self, criterion: &mut Criterion) -> Result<()> {
        let (snapshot, context) = (self.snapshot()?, self.context(ANALYST)?);
        for query in
            self.workload.queries.iter().filter(|query| ["point", "q5"].contains(&query.name.as_str()))
        {
            let (name, text) = (&query.name, self.workload.text(query, Form::Governed { schema: SCHEMA }));
            criterion.bench_function(&format!("stage/parse/{name}"), |bencher| {
                bencher.iter(|| black_box(sql::parse_query(&text)));
            });
            let parsed = sql::parse_query(&text)?;
            criterion.bench_function(&format!("stage/bind/{name}"), |bencher| {
                bencher.to_async(&self.runtime).iter(|| async {
                    black_box(Planned::new(&self.engine, &context, &snapshot, &parsed).await)
                });
            });
            let planned = self.runtime.block_on(Planned::new(&self.engine, &context, &snapshot, &parsed))?;
            let (scope, plan) = (&planned.scope, &planned.plan);
            criterion.bench_function(&format!("stage/physical/{name}"), |bencher| {
                bencher
                    .to_async(&self.runtime)
                    .iter(|| async { black_box(scope.state().create_physical_plan(plan).await) });
            });
            criterion.bench_function(&format!("stage/govern/{name}"), |bencher| {
                bencher
                    .to_async(&self.runtime)
                    .iter(|| async { black_box(govern(scope, scope.state(), plan).await) });
            });
            let optimised = OptimisedPlan::new(scope, scope.state(), plan)?;
            criterion.bench_function(&format!("stage/again/{name}"), |bencher| {
                bencher
                    .to_async(&self.runtime)
                    .iter(|| async { black_box(optimised.governed(scope.state()).await) });
            });
        }
        Ok(())
    }

    fn plans(&self, criterion: &mut Criterion) -> Result<()> {
        let snapshot = self.snapshot()?;
        let columns = self.runtime.block_on(self.warehouse.columns())?;
        let forms = [
            ("governed", ANALYST, Form::Governed { schema: SCHEMA }),
            ("by_hand", EXEMPT, Form::ByHand { schema: SCHEMA, columns: &columns }),
            ("plain", EXEMPT, Form::Governed { schema: SCHEMA }),
        ];
        for query in &self.workload.queries {
            if !["point", "q6", "q5"].contains(&query.name.as_str()) {
                continue;
            }
            for (what, user, form) in forms {
                let context = self.context(user)?;
                let parsed = sql::parse_query(&self.workload.text(query, form))?;
                criterion.bench_function(&format!("plan/{}/{what}", query.name), |bencher| {
                    bencher.to_async(&self.runtime).iter(|| async {
                        let planned = Planned::new(&self.engine, &context, &snapshot, &parsed).await?;
                        let governed = govern(&planned.scope, planned.scope.state(), &planned.plan).await?;
                        Result::Ok(black_box(governed))
                    });
                });
            }
        }
        Ok(())
    }
}
