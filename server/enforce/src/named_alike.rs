//! [`ByNameNoFurther`]: filters that arise at run time go down only where the names of their columns mean one column.
//!
//! The engine hands such a filter, of a join's keys or of a top-k's order, from operator to operator, and most of these look up
//! its columns in their input by name and take the first (DataFusion 55.2, `FilterRemapper::try_remap`). Below a join that gives
//! two columns of one name the filter would land on the other one, and rows would be missing.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;

type Plan = Arc<dyn ExecutionPlan>;
type Names = HashSet<String>;

/// The engine's rule for filters, kept from those that would be handed to another column.
#[derive(Debug)]
struct ByNameNoFurther {
    rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>,
}

/// The engine's rules for plans that run, with those for filters kept so.
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let engines = [FilterPushdown::new(), FilterPushdown::new_post_optimization()];
    let kept = PhysicalOptimizer::new().rules.into_iter().map(|rule| {
        match engines.iter().any(|one| one.name() == rule.name()) {
            true => Arc::new(ByNameNoFurther { rule }) as Arc<dyn PhysicalOptimizerRule + Send + Sync>,
            false => rule,
        }
    });
    kept.collect()
}

impl PhysicalOptimizerRule for ByNameNoFurther {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn schema_check(&self) -> bool {
        self.rule.schema_check()
    }

    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        if !several_inputs(&plan) {
            return self.rule.optimize(plan, config);
        }
        if strays(&plan, &Names::new(), of_filter) {
            return Ok(plan);
        }
        let mut config = config.clone();
        let options = &mut config.optimizer;
        options.enable_join_dynamic_filter_pushdown &= !strays(&plan, &Names::new(), of_join);
        options.enable_topk_dynamic_filter_pushdown &= !strays(&plan, &Names::new(), of_top);
        options.enable_aggregate_dynamic_filter_pushdown &= !strays(&plan, &Names::new(), of_aggregate);
        self.rule.optimize(plan, &config)
    }
}

/// Whether `filter`, handed to `plan`, could land on another column than it speaks of.
pub(crate) fn may_stray(filter: &Arc<dyn PhysicalExpr>, plan: &Plan) -> bool {
    several_inputs(plan) && strays(plan, &names_of([filter]), |_| Names::new())
}

/// Columns of one name come from operators with more than one input.
fn several_inputs(plan: &Plan) -> bool {
    plan.children().len() > 1 || plan.children().into_iter().any(several_inputs)
}

/// Whether a filter over columns of these names, or one that an operator of `plan` sets out over those that `sets_out` tells,
/// comes where one of the names means two columns.
fn strays(plan: &Plan, names: &Names, sets_out: fn(&Plan) -> Names) -> bool {
    if !names.is_empty() && misleads(plan, names) {
        return true;
    }
    let below = beneath(plan, names);
    let children = plan.children();
    let Some((last, others)) = children.split_last() else { return false };
    if others.iter().any(|child| strays(child, &below, sets_out)) {
        return true;
    }
    // What an operator sets out goes to its only input; what a join does, to the side that it probes.
    let below: Names = below.into_iter().chain(sets_out(plan)).collect();
    strays(last, &below, sets_out)
}

/// Whether `plan` could take a column of those names for another.
fn misleads(plan: &Plan, names: &Names) -> bool {
    let own = plan.schema();
    let joins = plan.children().len() > 1;
    if plan.downcast_ref::<UnionExec>().is_some() {
        return plan.children().into_iter().any(|child| elsewhere(&own, &child.schema(), names));
    }
    let semi = plan.downcast_ref::<HashJoinExec>().is_some_and(|join| other_side(join, names));
    semi || (!joins && twice(&own, names))
        || plan.children().into_iter().any(|child| twice(&child.schema(), names))
}

/// Whether a join that only asks whether there are rows on its other side would look one of the names up there and not find the
/// partner of the key of that name (DataFusion hands filters of a key to both sides of it).
fn other_side(join: &HashJoinExec, names: &Names) -> bool {
    let asks = matches!(
        join.join_type(),
        JoinType::LeftSemi | JoinType::RightSemi | JoinType::LeftAnti | JoinType::RightAnti
    );
    let both =
        |name: &&String| [join.left(), join.right()].iter().all(|side| side.schema().index_of(name).is_ok());
    let is = |side: &Arc<dyn PhysicalExpr>, name: &str| {
        side.downcast_ref::<Column>().is_some_and(|column| column.name() == name)
    };
    let partners = |name: &str| join.on().iter().any(|(left, right)| is(left, name) && is(right, name));
    asks && names.iter().filter(both).any(|name| !partners(name))
}

/// Whether one of the names stands at another place in an input of a union than in what it gives.
fn elsewhere(own: &Schema, input: &Schema, names: &Names) -> bool {
    names.iter().any(|name| {
        let places = |schema: &Schema| -> Vec<usize> {
            let fields = schema.fields().iter().enumerate();
            fields.filter(|(_, field)| field.name() == name).map(|(place, _)| place).collect()
        };
        let (own, input) = (places(own), places(input));
        own.len() > 1 || input.len() > 1 || (!input.is_empty() && own != input)
    })
}

fn twice(schema: &Schema, names: &Names) -> bool {
    let mut seen = HashSet::new();
    schema.fields().iter().any(|field| names.contains(field.name()) && !seen.insert(field.name()))
}

/// The names of the same columns in the inputs of `plan`.
fn beneath(plan: &Plan, names: &Names) -> Names {
    let mut below = names.clone();
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let named = projection.expr().iter().filter(|column| names.contains(&column.alias));
        below.extend(names_of(named.map(|column| &column.expr)));
    }
    below
}

fn of_join(plan: &Plan) -> Names {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Names::new() };
    names_of(join.on().iter().map(|(_, probed)| probed))
}

fn of_top(plan: &Plan) -> Names {
    match plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_some()) {
        Some(sort) => names_of(sort.expr().iter().map(|key| &key.expr)),
        None => Names::new(),
    }
}

fn of_aggregate(plan: &Plan) -> Names {
    let Some(aggregate) = plan.downcast_ref::<AggregateExec>() else { return Names::new() };
    let arguments: Vec<_> = aggregate.aggr_expr().iter().flat_map(|call| call.expressions()).collect();
    names_of(&arguments)
}

fn of_filter(plan: &Plan) -> Names {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Names::new() };
    names_of([filter.predicate()])
}

fn names_of<'a>(expressions: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>) -> Names {
    let columns = expressions.into_iter().flat_map(collect_columns);
    columns.map(|column| column.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::common::NullEquality;
    use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::joins::PartitionMode;

    use super::*;

    fn table(columns: &[&str]) -> Plan {
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
        Arc::new(EmptyExec::new(Arc::new(Schema::new(fields))))
    }

    fn join(built: Plan, probed: Plan, (left, right): (usize, usize)) -> Plan {
        let key = |side: &Plan, place: usize| -> Arc<dyn PhysicalExpr> {
            Arc::new(Column::new(side.schema().field(place).name(), place))
        };
        let on = vec![(key(&built, left), key(&probed, right))];
        let (kind, mode) = (JoinType::Inner, PartitionMode::CollectLeft);
        let nulls = NullEquality::NullEqualsNothing;
        Arc::new(HashJoinExec::try_new(built, probed, on, None, &kind, None, mode, nulls, false).unwrap())
    }

    #[test]
    fn a_join_hands_its_filter_to_the_side_that_it_probes() {
        let stray = |plan: Plan| strays(&plan, &Names::new(), of_join);
        let orders_of = || join(table(&["id", "name"]), table(&["id", "customer", "item"]), (0, 1));
        // Both tables below have an `id`; the key that is probed there is another, or that of the table beside them.
        assert!(!stray(join(table(&["id", "price"]), orders_of(), (0, 4))));
        assert!(!stray(join(orders_of(), table(&["id", "price"]), (4, 0))));
        // A join knows the two apart by their places; what looks them up by name does not.
        assert!(!stray(join(table(&["id", "price"]), orders_of(), (0, 2))));
        let gathered: Plan = Arc::new(CoalescePartitionsExec::new(orders_of()));
        assert!(stray(join(table(&["id", "price"]), gathered, (0, 2))));
    }
}
