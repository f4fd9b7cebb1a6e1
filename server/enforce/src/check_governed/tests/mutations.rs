//! Plans of real queries, changed: each leaf taken away, put in another's place, laid open or hidden behind a
//! node that shows something else, and rules of the optimiser that try to do so. Each is refused, or cannot be
//! done, which the test's name then says.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, TableSource, col, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit as value};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, PushedDown,
};
use datafusion::physical_plan::limit::GlobalLimitExec;
use weir_catalog::{PrincipalId, Privilege, SecurableId};

use super::*;
use crate::Scope;
use crate::test_world::{lines_of, run};

/// `t` with a filter, `m` with a filter and a mask, a view that is read through, one that is sealed, one with policies
/// of its own. Alice and bob may read them all; the filters tell them apart.
fn world() -> (World, TableId) {
    let mut world = World::new();
    let t = world.table("t", batch(vec![ints("x", 0..6), ints("y", 10..16)]));
    let m = world.table("m", batch(vec![ints("x", 0..6), ints("s", 100..106)]));
    let bounded = "v < CASE WHEN current_user() = 'bob' THEN 4 ELSE 2 END";
    world.filter(t, &["v INT"], bounded, &["x"]);
    world.filter(m, &["v INT"], bounded, &["x"]);
    world.mask(m, "s", &["v INT"], "INT", "CAST(-1 AS INT)", &[]);
    let hidden = world.hidden_table("h", batch(vec![ints("x", 0..6)]));
    let open = world.view("open", &["x"], "SELECT x FROM main.hr.t", &[t]);
    let sealed = world.view("sealed", &["x"], "SELECT x FROM main.hr.h WHERE x <> 3", &[hidden]);
    let policed = world.view("policed", &["x"], "SELECT x FROM main.hr.t", &[t]);
    world.filter(policed, &["v INT"], bounded, &["x"]);
    for table in [t, m, open, sealed, policed] {
        world.grant(world.bob, Privilege::Select, SecurableId::Table(table));
    }
    (world, m)
}

const QUERIES: [(&str, usize); 12] = [
    ("SELECT x FROM t", 1),
    ("SELECT a.x, b.s FROM t a JOIN m b ON a.x = b.x", 2),
    ("SELECT a.x FROM t a LEFT JOIN m b ON a.x < b.x", 2),
    ("SELECT x FROM t WHERE x IN (SELECT x FROM m)", 2),
    ("SELECT x, (SELECT max(s) FROM m) FROM t", 2),
    ("SELECT x FROM t WHERE NOT EXISTS (SELECT 1 FROM m WHERE m.x = t.x + 1)", 2),
    ("SELECT s, count(*), sum(x) FROM m GROUP BY s HAVING count(*) > 0 ORDER BY s LIMIT 3", 1),
    ("SELECT x, row_number() OVER (PARTITION BY y ORDER BY x) FROM t", 1),
    ("SELECT x FROM t UNION ALL SELECT x FROM m EXCEPT SELECT x FROM sealed", 3),
    ("WITH c AS (SELECT x FROM open) SELECT a.x FROM c a JOIN c b ON a.x = b.x", 2),
    ("SELECT x FROM sealed WHERE x > 1", 1),
    ("SELECT p.x, count(*) FROM policed p JOIN sealed s ON p.x = s.x GROUP BY p.x", 2),
];

fn leaves(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    match plan.children().is_empty() {
        true => vec![Arc::clone(plan)],
        false => plan.children().into_iter().flat_map(leaves).collect(),
    }
}

/// The plan with another leaf in the place of its leaf number `place`.
fn with_leaf(
    plan: &Arc<dyn ExecutionPlan>,
    place: usize,
    leaf: &Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    let mut seen = 0;
    put(plan, &mut seen, place, leaf)
}

fn put(
    plan: &Arc<dyn ExecutionPlan>,
    seen: &mut usize,
    place: usize,
    leaf: &Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    if plan.children().is_empty() {
        *seen += 1;
        return Arc::clone(if *seen == place + 1 { leaf } else { plan });
    }
    let children = plan.children().into_iter().map(|child| put(child, seen, place, leaf)).collect();
    over(plan, children)
}

/// The node over other children.
fn over(node: &Arc<dyn ExecutionPlan>, children: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Arc::clone(node).replace_children(children, options).unwrap()
}

/// Shows one plan as its only child and runs another.
#[derive(Debug, Clone)]
struct Screen {
    shown: Arc<dyn ExecutionPlan>,
    runs: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Screen {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FilterExec")
    }
}

impl ExecutionPlan for Screen {
    fn name(&self) -> &str {
        "FilterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.runs.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.shown]
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
        self.runs.execute(partition, context)
    }
}

async fn planned(world: &World, who: PrincipalId, sql: &str) -> (Arc<Scope>, Arc<dyn ExecutionPlan>) {
    let (scope, plan) = world.plan(who, sql).await.unwrap();
    (scope, Arc::clone(plan.plan()))
}

#[tokio::test]
async fn a_leaf_laid_open_or_hidden_or_put_in_anothers_place_is_refused_wherever_it_stands() {
    let (world, _) = world();
    for (sql, count) in QUERIES {
        let (scope, plan) = planned(&world, world.alice, sql).await;
        let (_, again) = planned(&world, world.alice, sql).await;
        let (_, of_bob) = planned(&world, world.bob, sql).await;
        let (own, again, of_bob) = (leaves(&plan), leaves(&again), leaves(&of_bob));
        assert_eq!((own.len(), again.len(), of_bob.len()), (count, count, count), "{sql}");
        assert!(check_governed(&plan, scope.seal()).is_ok(), "{sql}");
        for (place, ((leaf, later), bobs)) in own.iter().zip(&again).zip(&of_bob).enumerate() {
            let open = Arc::clone(sealed(leaf).inner());
            let screen = |shown: &Arc<dyn ExecutionPlan>, runs: &Arc<dyn ExecutionPlan>| {
                Arc::new(Screen { shown: Arc::clone(shown), runs: Arc::clone(runs) })
                    as Arc<dyn ExecutionPlan>
            };
            let instead: [(&str, Arc<dyn ExecutionPlan>); 7] = [
                ("its inside", Arc::clone(&open)),
                ("what lies lowest in it", lowest(&open)),
                ("the same leaf of another statement", Arc::clone(later)),
                ("another user's leaf", Arc::clone(bobs)),
                ("a node that names it as its delegate", Arc::new(Disguise(Arc::clone(leaf)))),
                ("a node that shows it and runs its inside", screen(leaf, &open)),
                ("a node that shows nothing and runs another's", screen(&empty_of(leaf), bobs)),
            ];
            for (what, instead) in instead {
                // What the engine itself will not put together needs no refusal.
                if instead.schema() != leaf.schema() {
                    assert!(refused(&instead, scope.seal()), "{what} for leaf {place} of {sql}");
                    continue;
                }
                let mutant = with_leaf(&plan, place, &instead);
                assert!(refused(&mutant, scope.seal()), "{what} for leaf {place} of {sql}");
            }
        }
    }
}

fn empty_of(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    Arc::new(EmptyExec::new(plan.schema()))
}

#[tokio::test]
async fn a_leaf_that_is_taken_away_takes_its_rows_and_its_permit_along() {
    let (world, _) = world();
    for (sql, count) in QUERIES {
        let (scope, plan) = planned(&world, world.alice, sql).await;
        for (place, leaf) in leaves(&plan).iter().enumerate() {
            let mutant = with_leaf(&plan, place, &empty_of(leaf));
            let permits = check_governed(&mutant, scope.seal()).unwrap();
            assert_eq!(permits.len(), count - 1, "{sql}");
        }
    }
    let (scope, plan) = planned(&world, world.alice, "SELECT x FROM t").await;
    let mutant = with_leaf(&plan, 0, &empty_of(&lowest(&plan)));
    let mutant = crate::GovernedPlan::new(mutant, Vec::new(), String::new());
    assert!(run(&scope, &mutant).await.unwrap().iter().flat_map(lines_of).next().is_none());
}

/// Everything that a rule can ask of a node, asked of each leaf.
#[tokio::test]
async fn nothing_can_be_put_into_a_leaf_nor_its_filter_altered_through_what_a_node_offers() {
    let (world, _) = world();
    let options = ConfigOptions::new();
    for (sql, _) in QUERIES {
        let (_, plan) = planned(&world, world.alice, sql).await;
        for leaf in leaves(&plan) {
            let inner = Arc::clone(sealed(&leaf).inner());
            let same = |node: &Arc<dyn ExecutionPlan>| Arc::ptr_eq(sealed(node).inner(), &inner);
            let limited: Arc<dyn ExecutionPlan> =
                Arc::new(GlobalLimitExec::new(Arc::clone(&leaf), 0, Some(1)));
            assert!(same(&over(&leaf, vec![limited])), "{sql}");
            assert!(leaf.with_fetch(Some(1)).is_none() && !leaf.supports_limit_pushdown(), "{sql}");
            assert!(leaf.repartitioned(8, &options).unwrap().is_none_or(|node| same(&node)), "{sql}");
            assert!(Arc::clone(&leaf).reset_state().is_ok_and(|node| same(&node)), "{sql}");
            assert!(leaf.metrics().is_none(), "{sql}");
            let mut shown = 0;
            let visited = leaf.apply_expressions(&mut |_| {
                shown += 1;
                Ok(TreeNodeRecursion::Continue)
            });
            assert!(visited.is_ok() && shown == sealed(&leaf).admitted_filters(), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_filter_on_a_masked_column_is_not_let_in() {
    let (world, _) = world();
    let (_, plan) = planned(&world, world.alice, "SELECT s, x FROM m").await;
    let leaf = lowest(&plan);
    let position = leaf.schema().index_of("s").unwrap();
    let filter: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(
        Arc::new(Column::new("s", position)),
        datafusion::logical_expr::Operator::Eq,
        value(103_i32),
    ));
    for phase in [FilterPushdownPhase::Pre, FilterPushdownPhase::Post] {
        let child_results = Vec::new();
        let parent = ChildFilterPushdownResult { filter: Arc::clone(&filter), child_results };
        let offered = ChildPushdownResult { parent_filters: vec![parent], self_filters: Vec::new() };
        let answer = leaf.handle_child_pushdown_result(phase, offered, &ConfigOptions::new()).unwrap();
        assert!(answer.updated_node.is_none());
        assert!(answer.filters.iter().all(|pushed| matches!(pushed, PushedDown::No)));
    }
}

/// What a rule of the optimiser puts in the place of a leaf.
type Instead = Arc<dyn Fn(&Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> + Send + Sync>;

/// A physical rule that exchanges every leaf.
struct Exchange(Instead);

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

impl PhysicalOptimizerRule for Exchange {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|node| {
            // The inside of leaves is planned with the same rules.
            let any: &dyn Any = node.as_ref();
            Ok(match any.is::<GovernedScanExec>() {
                true => Transformed::yes(self.0(&node)),
                false => Transformed::no(node),
            })
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &str {
        "exchange"
    }

    fn schema_check(&self) -> bool {
        false
    }
}

fn state_with(scope: &Scope, instead: Instead) -> SessionState {
    SessionStateBuilder::new_from_existing(scope.state().clone())
        .with_physical_optimizer_rule(Arc::new(Exchange(instead)))
        .build()
}

async fn lines(scope: &Scope, state: &SessionState, plan: &LogicalPlan) -> Result<Vec<String>> {
    let governed = govern(scope, state, plan).await?;
    let mut lines: Vec<String> = run(scope, &governed).await?.iter().flat_map(lines_of).collect();
    lines.sort();
    Ok(lines)
}

#[tokio::test]
async fn a_rule_that_opens_or_exchanges_leaves_is_refused_and_one_that_pushes_into_them_pushes_nothing() {
    let (world, _) = world();
    for (sql, _) in QUERIES {
        let scope = world.scope(world.alice);
        let plan = world.logical(&scope, sql).await.unwrap();
        let bobs = world.scope(world.bob);
        let theirs = world.logical(&bobs, sql).await.unwrap();
        let theirs = leaves(&bobs.state().create_physical_plan(&theirs).await.unwrap());
        let refusing: [(&str, Instead); 3] = [
            ("opens", Arc::new(|leaf| Arc::clone(sealed(leaf).inner()))),
            (
                "exchanges",
                Arc::new(move |leaf| {
                    let same = |other: &&Arc<dyn ExecutionPlan>| other.schema() == leaf.schema();
                    Arc::clone(theirs.iter().find(same).unwrap())
                }),
            ),
            (
                "screens",
                Arc::new(|leaf| {
                    Arc::new(Screen { shown: Arc::clone(leaf), runs: Arc::clone(sealed(leaf).inner()) })
                }),
            ),
        ];
        for (what, instead) in refusing {
            let error = govern(&scope, &state_with(&scope, instead), &plan).await.unwrap_err();
            assert!(error.to_string().contains("not permitted"), "a rule that {what}, {sql}: {error}");
        }
        let pushing: Instead = Arc::new(|leaf| {
            let limited = Arc::new(GlobalLimitExec::new(Arc::clone(leaf), 0, Some(1)));
            over(leaf, vec![limited])
        });
        let pushed = lines(&scope, &state_with(&scope, pushing), &plan).await.unwrap();
        assert_eq!(pushed, lines(&scope, scope.state(), &plan).await.unwrap(), "{sql}");
    }
}

/// A change of a scan in the logical plan.
type Change = Arc<dyn Fn(&mut datafusion::logical_expr::TableScan) + Send + Sync>;

/// A logical rule that changes every scan.
struct Rescan(Change);

impl fmt::Debug for Rescan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rescan")
    }
}

impl OptimizerRule for Rescan {
    fn name(&self) -> &str {
        "rescan"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::TableScan(mut scan) => {
                self.0(&mut scan);
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

fn state_that(scope: &Scope, change: Change) -> SessionState {
    SessionStateBuilder::new_from_existing(scope.state().clone())
        .with_optimizer_rule(Arc::new(Rescan(change)))
        .build()
}

/// The source of the first scan of `sql` in a scope of its own.
async fn source_of(world: &World, who: PrincipalId, sql: &str) -> Arc<dyn TableSource> {
    let scope = world.scope(who);
    let plan = world.logical(&scope, sql).await.unwrap();
    let mut found = None;
    let _visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found = Some(Arc::clone(&scan.source));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.unwrap()
}

#[tokio::test]
async fn a_rule_that_puts_another_table_into_the_logical_plan_is_refused() {
    let (world, m) = world();
    let sql = "SELECT x, s FROM m";
    let scope = world.scope(world.alice);
    let plan = world.logical(&scope, sql).await.unwrap();
    let like_values = MemTable::try_new(
        world.opened_table(m).provider.schema(),
        vec![vec![batch(vec![ints("x", 0..2), ints("s", 100..102)])]],
    );
    let sources: [(&str, Arc<dyn TableSource>); 4] = [
        ("the raw table", provider_as_source(world.opened_table(m).provider)),
        ("rows in memory", provider_as_source(Arc::new(like_values.unwrap()))),
        ("bob's table", source_of(&world, world.bob, sql).await),
        ("alice's table of another statement", source_of(&world, world.alice, sql).await),
    ];
    for (what, source) in sources {
        let change: Change = Arc::new(move |scan| scan.source = Arc::clone(&source));
        let error = govern(&scope, &state_that(&scope, change), &plan).await.unwrap_err();
        assert!(error.to_string().contains("not permitted"), "{what}: {error}");
    }
}

#[tokio::test]
async fn rows_in_memory_that_look_like_values_are_refused_when_a_rule_brings_them() {
    let (world, _) = world();
    let scope = world.scope(world.alice);
    let rows = batch(vec![ints("column1", 0..2)]);
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
    let source = provider_as_source(Arc::new(table));
    let mut named = World::new();
    named.table("t", batch(vec![ints("column1", 0..5)]));
    let named_scope = named.scope(named.alice);
    let plan = named.logical(&named_scope, "SELECT column1 FROM t").await.unwrap();
    let change: Change = Arc::new(move |scan| scan.source = Arc::clone(&source));
    let state = state_that(&named_scope, change);
    let error = govern(&named_scope, &state, &plan).await.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
    // A look at the leaves alone would let them pass: they are the rows of VALUES.
    let physical = state.create_physical_plan(&plan).await.unwrap();
    assert!(check_governed(&physical, named_scope.seal()).is_ok());
    assert!(check_governed(&physical, scope.seal()).is_ok());
}

#[tokio::test]
async fn a_rule_that_pushes_a_filter_below_a_mask_is_refused_and_a_limit_does_not_enter() {
    let (world, _) = world();
    let scope = world.scope(world.alice);
    let plan = world.logical(&scope, "SELECT x, s FROM m").await.unwrap();
    let filters: [(&str, Expr); 3] = [
        ("on the masked column", col("m.s").eq(lit(103))),
        ("that can fail", (lit(1) / col("m.x")).gt(lit(0))),
        ("that asks of other rows", col("m.x").is_not_null().and(col("m.s").gt(lit(0)))),
    ];
    for (what, filter) in filters {
        let change: Change = Arc::new(move |scan| scan.filters = vec![filter.clone()]);
        let error = govern(&scope, &state_that(&scope, change), &plan).await.unwrap_err();
        assert!(error.to_string().contains("not permitted"), "{what}: {error}");
    }
    let change: Change = Arc::new(|scan| scan.fetch = Some(1));
    let limited = lines(&scope, &state_that(&scope, change), &plan).await.unwrap();
    assert_eq!(limited, ["0|-1", "1|-1"]);
}
