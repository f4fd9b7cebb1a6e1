//! The governed world of a case, and all that comes out when alice asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Volatility;
use datafusion::physical_plan::ExecutionPlan;
use weir_catalog::policy::SEMANTICS;
use weir_catalog::{ColumnMask, PolicyArgument, RowFilter, TableId};
use weir_generator::{COLUMNS, Governed, PolicyFunction, Query, Row, Setup};

use super::Told;
use super::plain::{keyed, rows_of};
use crate::permit::Barrier;
use crate::test_world::{Canary, RawTable, World, lines_of, numbers, run, show};

const MAPPING: &str = "main.hr.mapping";

/// All that alice can learn from asking once.
pub(super) struct Answer {
    pub(super) told: Told,
    /// None where there is no plan.
    pub(super) schema: Option<SchemaRef>,
    /// Which tables under which policies.
    pub(super) policies: String,
    pub(super) barriers: Vec<Barrier>,
    /// After it ran; where a leaf is not strict and hides something, the kinds of its operators alone.
    pub(super) explained: String,
    /// After it ran; none where a leaf is not strict and hides something.
    pub(super) numbers: Vec<String>,
    /// What the function that remembers was called with.
    pub(super) spied: Vec<String>,
}

/// The tables of a case with these rows, governed.
pub(super) fn governed(setup: &Setup, t_rows: &[Row], u_rows: &[Row]) -> World {
    let mut world = World::new();
    world.partitions = setup.partitions;
    world.group("x", &[world.alice]);
    world.group("y", &[world.alice]);
    world.group("z", &[world.bob]);
    world.hidden_table("mapping", keyed(&setup.mapping));
    world.table("plain", keyed(&setup.plain));
    for (name, governed) in setup.governed() {
        let id = world.table(name, rows_of(&COLUMNS, &[]));
        policies(&mut world, id, name, governed);
    }
    let t = table(&world, "t");
    let columns: Vec<String> = COLUMNS.iter().map(|(name, of)| format!("{name} {}", of.sql())).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    world.view("w", &columns, &setup.view_query("main.hr.t"), &[t]);
    fill(&mut world, setup, t_rows, u_rows);
    world
}

fn table(world: &World, name: &str) -> TableId {
    world.content.tables.iter().find(|table| table.name.object.as_str() == name).unwrap().id
}

/// Puts these rows into the governed tables.
pub(super) fn fill(world: &mut World, setup: &Setup, t_rows: &[Row], u_rows: &[Row]) {
    for ((name, governed), rows) in setup.governed().into_iter().zip([t_rows, u_rows]) {
        let (early, late) = rows.split_at(governed.first.min(rows.len()));
        let batches: Vec<RecordBatch> =
            [early, late].into_iter().map(|rows| rows_of(&COLUMNS, rows)).collect();
        world.set_raw(table(world, name), RawTable::partitioned(batches));
    }
}

fn policies(world: &mut World, table: TableId, name: &str, governed: &Governed) {
    if let Some(filter) = &governed.filter {
        let function = filter.function(&[], MAPPING);
        let (function, arguments) = set(world, table, &format!("keep_{name}"), "BOOLEAN", &function, 0);
        world.of(table).row_filter = Some(RowFilter { function, arguments, semantics: SEMANTICS });
    }
    for mask in &governed.masks {
        let function = mask.function(MAPPING);
        let called = format!("mask_{name}_{}", mask.column);
        let (function, arguments) = set(world, table, &called, mask.of.sql(), &function, 1);
        let column = world.binding(table, mask.column);
        world.of(table).masks.push(ColumnMask {
            column,
            path: Vec::new(),
            function,
            arguments,
            semantics: SEMANTICS,
        });
    }
    if governed.strict {
        world.protect(table, "strict");
    }
}

/// The function in the catalog, and the columns behind the first `own`, which are the policy's already.
fn set(
    world: &mut World,
    table: TableId,
    name: &str,
    returns: &str,
    function: &PolicyFunction,
    own: usize,
) -> (weir_catalog::PolicyFunction, Vec<PolicyArgument>) {
    let parameters: Vec<&str> = function.parameters.iter().map(String::as_str).collect();
    let id = world.function(name, &parameters, returns, &function.body);
    let bound = |column: &String| PolicyArgument::Column(world.binding(table, column));
    let arguments = function.columns.iter().skip(own).map(bound).collect();
    (weir_catalog::PolicyFunction::Sql(id), arguments)
}

/// The rules by which the engine makes plans, each once.
pub(super) fn rules(world: &World) -> Vec<String> {
    let scope = world.scope(world.alice);
    let state = scope.state();
    let logical = state.optimizers().iter().map(|rule| rule.name().to_owned());
    let physical = state.physical_optimizers().iter().map(|rule| rule.name().to_owned());
    let mut names: Vec<String> = logical.chain(physical).collect();
    names.sort();
    names.dedup();
    names
}

/// The kinds of operators of a plan, but for those by which joins are turned round and work is divided: these follow the
/// size of what is read.
fn operators(plan: &Arc<dyn ExecutionPlan>) -> BTreeSet<String> {
    const BY_SIZE: [&str; 5] = [
        "ProjectionExec",
        "RepartitionExec",
        "CoalescePartitionsExec",
        "SortPreservingMergeExec",
        "CooperativeExec",
    ];
    let mut names: BTreeSet<String> = plan.children().into_iter().flat_map(operators).collect();
    if !BY_SIZE.contains(&plan.name()) {
        names.insert(plan.name().to_owned());
    }
    names
}

/// Alice asks.
pub(super) async fn ask(world: &World, query: &Query) -> Answer {
    let (spy, mut canary) = Canary::new("spy", Volatility::Immutable);
    let mut answer = Answer {
        told: Ok(Vec::new()),
        schema: None,
        policies: String::new(),
        barriers: Vec::new(),
        explained: String::new(),
        numbers: Vec::new(),
        spied: Vec::new(),
    };
    let scope = world.scope_calling(world.alice, Arc::new(spy));
    match world.plan_in(&scope, &query.sql("", Some("spy"))).await {
        Ok(plan) => {
            answer.schema = Some(plan.plan().schema());
            answer.policies = plan.canonical().to_owned();
            answer.barriers = plan.permits().iter().map(|permit| permit.barrier).collect();
            let batches = run(&scope, &plan).await;
            answer.told = batches
                .map(|all| all.iter().flat_map(lines_of).collect())
                .map_err(|error| error.strip_backtrace());
            // Sizes may show where not all is strict.
            match answer.barriers.contains(&Barrier::Standard) {
                true => answer.explained = format!("{:?}", operators(plan.plan())),
                false => {
                    answer.explained = show(&plan);
                    answer.numbers = numbers(&plan);
                }
            }
        }
        Err(error) => answer.told = Err(error.strip_backtrace()),
    }
    answer.spied = canary.seen();
    answer
}
