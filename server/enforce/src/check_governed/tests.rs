//! Mutations of plans that passed: whatever reaches rows other than through this statement's
//! leaves is refused.

use std::fmt;

use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::MemTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, PlanProperties};
use weir_catalog::TableId;

use super::*;
use crate::govern;
use crate::policed_view::permit_over;
use crate::test_world::{World, batch, ints};

mod mutations;

fn world() -> (World, TableId) {
    let mut world = World::new();
    let table = world.table("t", batch(vec![ints("x", 0..5)]));
    world.filter(table, &["v INT"], "v < 2", &["x"]);
    (world, table)
}

async fn leaf_of(world: &World) -> (Arc<crate::Scope>, Arc<dyn ExecutionPlan>) {
    let (scope, plan) = world.plan(world.alice, "SELECT x FROM t").await.unwrap();
    let mut node = Arc::clone(plan.plan());
    while let Some(child) = node.children().first().map(|child| Arc::clone(child)) {
        node = child;
    }
    (scope, node)
}

fn refused(plan: &Arc<dyn ExecutionPlan>, seal: &StatementSeal) -> bool {
    matches!(check_governed(plan, seal), Err(Refusal::Ungoverned(_)))
}

#[tokio::test]
async fn a_leaf_passes_in_its_own_statement_only() {
    let (world, _) = world();
    let (scope, leaf) = leaf_of(&world).await;
    let (other, _) = leaf_of(&world).await;
    assert_eq!(check_governed(&leaf, scope.seal()).unwrap().len(), 1);
    assert!(refused(&leaf, other.seal()));
    let above: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(leaf));
    assert_eq!(check_governed(&above, scope.seal()).unwrap().len(), 1);
    assert!(refused(&above, other.seal()));
}

/// The leaf, as itself.
fn sealed(plan: &Arc<dyn ExecutionPlan>) -> &GovernedScanExec {
    let node: &dyn Any = plan.as_ref();
    node.downcast_ref::<GovernedScanExec>().unwrap()
}

/// The lowest node of a plan of single children.
fn lowest(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => lowest(child),
        None => Arc::clone(plan),
    }
}

#[tokio::test]
async fn below_the_policies_of_a_view_nothing_may_stand_in_a_plan() {
    let mut world = World::new();
    let base = world.table("base", batch(vec![ints("x", 0..5)]));
    let view = world.view("t", &["x"], "SELECT x FROM main.hr.base", &[base]);
    world.filter(view, &["v INT"], "v < 2", &["x"]);
    let other = world.view("other", &["x"], "SELECT x FROM main.hr.base", &[base]);
    world.filter(other, &["v INT"], "v > 2", &["x"]);
    let (scope, leaf) = leaf_of(&world).await;
    assert_eq!(check_governed(&leaf, scope.seal()).unwrap().len(), 1);
    // the view's query without the view's policies, and what the query reads
    let body = lowest(sealed(&leaf).inner());
    assert!(refused(&body, scope.seal()));
    let table = lowest(sealed(&body).inner());
    assert_eq!(sealed(&table).permit().name, "main.hr.base");
    assert!(refused(&table, scope.seal()));
    let above: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(Arc::clone(&table)));
    assert!(refused(&above, scope.seal()));
    // the policies over another view's query, over the table itself, over nothing of this statement
    let own = scope.seal().within(view);
    let permit = sealed(&leaf).permit();
    assert!(permit_over(permit, sealed(&leaf).inner(), &own).is_ok());
    assert!(permit_over(permit, sealed(&leaf).inner(), &scope.seal().within(other)).is_err());
    let named = world.logical(&scope, "SELECT x FROM base").await.unwrap();
    let named = scope.state().create_physical_plan(&named).await.unwrap();
    assert_eq!(check_governed(&named, scope.seal()).unwrap().len(), 1);
    assert!(permit_over(permit, &named, &own).is_err());
    let raw = world.opened_table(base).provider.scan(scope.state(), None, &[], None).await.unwrap();
    assert!(permit_over(permit, &raw, &own).is_err());
}

#[tokio::test]
async fn a_scan_of_a_views_query_is_refused_in_a_statement() {
    let mut world = World::new();
    let base = world.table("base", batch(vec![ints("x", 0..5)]));
    let view = world.view("t", &["x"], "SELECT x FROM main.hr.base", &[base]);
    world.filter(view, &["v INT"], "v < 2", &["x"]);
    let scope = world.scope(world.alice);
    let opened = scope.open(world.of(view)).await.unwrap();
    let source = provider_as_source(opened.provider);
    let plan = LogicalPlanBuilder::scan("t", source, None).unwrap().build().unwrap();
    let error = govern(&scope, scope.state(), &plan).await.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
}

#[tokio::test]
async fn raw_scans_are_refused() {
    let (world, table) = world();
    let (scope, _) = leaf_of(&world).await;
    let raw = world.opened_table(table).provider;
    let scan = raw.scan(scope.state(), None, &[], None).await.unwrap();
    assert!(refused(&scan, scope.seal()));
    let rows = MemTable::try_new(raw.schema(), vec![vec![batch(vec![ints("x", 0..5)])]]).unwrap();
    use datafusion::catalog::TableProvider;
    let scan = rows.scan(scope.state(), None, &[], None).await.unwrap();
    assert!(refused(&scan, scope.seal()));
    let above: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(scan));
    assert!(refused(&above, scope.seal()));
}

#[tokio::test]
async fn tables_that_were_not_resolved_are_refused() {
    let (world, table) = world();
    let (scope, _) = leaf_of(&world).await;
    let raw = provider_as_source(world.opened_table(table).provider);
    let plan = LogicalPlanBuilder::scan("t", raw, None).unwrap().build().unwrap();
    let error = govern(&scope, scope.state(), &plan).await.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
    let other = world.scope(world.alice);
    let plan = world.logical(&other, "SELECT 1 WHERE EXISTS (SELECT x FROM t)").await.unwrap();
    let error = govern(&scope, scope.state(), &plan).await.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
}

#[tokio::test]
async fn rows_of_the_statement_itself_are_allowed() {
    let (world, _) = world();
    for (sql, rows) in [
        ("SELECT 1", vec!["1"]),
        ("SELECT 1 WHERE false", vec![]),
        ("VALUES (1, 'a'), (2, 'b')", vec!["1|a", "2|b"]),
        ("SELECT b.y FROM (VALUES (1), (2)) AS b(y) WHERE y > 1", vec!["2"]),
        ("SELECT t.x FROM t JOIN (VALUES (1), (4)) AS b(y) ON t.x = b.y", vec!["1"]),
        ("SELECT (SELECT count(*) FROM t)", vec!["2"]),
    ] {
        assert_eq!(world.rows(world.alice, sql).await.unwrap(), rows, "{sql}");
    }
}

#[tokio::test]
async fn every_part_of_a_plan_is_looked_at() {
    let (world, _) = world();
    for (sql, leaves) in [
        ("SELECT (SELECT max(x) FROM t), x FROM t WHERE x IN (SELECT x FROM t)", 3),
        ("SELECT x FROM t UNION ALL SELECT x FROM t", 2),
        ("SELECT a.x FROM t a LEFT JOIN t b ON a.x > b.x", 2),
    ] {
        let (_, plan) = world.plan(world.alice, sql).await.unwrap();
        assert_eq!(plan.permits().len(), leaves, "{sql}");
        assert_eq!(plan.readings().len(), leaves, "{sql}");
    }
}

/// A node without children that hides behind the plan it names as its delegate.
#[derive(Debug)]
struct Disguise(Arc<dyn ExecutionPlan>);

impl DisplayAs for Disguise {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedScanExec: main.hr.t")
    }
}

impl ExecutionPlan for Disguise {
    fn name(&self) -> &str {
        "GovernedScanExec"
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.0.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

#[tokio::test]
async fn a_node_that_delegates_to_a_leaf_is_not_a_leaf() {
    let (world, _) = world();
    let (scope, leaf) = leaf_of(&world).await;
    let disguised: Arc<dyn ExecutionPlan> = Arc::new(Disguise(leaf));
    assert!(disguised.as_ref().is::<GovernedScanExec>());
    assert!(refused(&disguised, scope.seal()));
    let empty: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
    assert!(check_governed(&empty, scope.seal()).is_ok());
    let disguised: Arc<dyn ExecutionPlan> = Arc::new(Disguise(empty));
    assert!(refused(&disguised, scope.seal()));
}
