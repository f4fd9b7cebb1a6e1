//! EXISTS and IN as values: in a select list, and in what is aggregated or grouped by.
//!
//! The engine makes joins of these subqueries where they are conditions of a filter, and runs them nowhere else. How many rows a
//! subquery has, it can tell in a select list too: so there EXISTS asks whether they are more than none, and IN whether
//! those are that are equal. What `three_valued` wrote out before tells NULL from FALSE.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ExprSchema};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, FetchType, LogicalPlan, LogicalPlanBuilder, Projection, SkipType,
    Subquery, lit,
};

/// A plan that was put together of bound expressions, with those of its uppermost select list as counts.
pub fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(in_node(plan)?.data)
}

/// The node with each EXISTS and IN of its select list, or of what it aggregates, as a count.
pub(crate) fn in_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Projection(projection) if asked_in(&projection.expr)? => {
            let mut below = Below::new(projection.input);
            let expressions = below.counted(projection.expr)?;
            let projection = Projection::try_new(expressions, below.input()?)?;
            Ok(Transformed::yes(LogicalPlan::Projection(projection)))
        }
        LogicalPlan::Aggregate(aggregate)
            if asked_in(&aggregate.group_expr)? || asked_in(&aggregate.aggr_expr)? =>
        {
            let mut below = Below::new(aggregate.input);
            let (groups, aggregates) =
                (below.counted(aggregate.group_expr)?, below.counted(aggregate.aggr_expr)?);
            let mut counts = Below::new(below.input()?);
            let (groups, aggregates) = (counts.answered(groups)?, counts.answered(aggregates)?);
            let aggregate = Aggregate::try_new(counts.input()?, groups, aggregates)?;
            Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn asked_in(expressions: &[Expr]) -> Result<bool> {
    let asks = |part: &Expr| Ok(matches!(part, Expr::Exists(_) | Expr::InSubquery(_)));
    expressions.iter().try_fold(false, |found, expression| Ok(found || expression.exists(asks)?))
}

/// The rows below a node, and values that are computed of them first.
struct Below {
    rows: Arc<LogicalPlan>,
    values: Vec<Expr>,
}

impl Below {
    fn new(rows: Arc<LogicalPlan>) -> Self {
        Self { rows, values: Vec::new() }
    }

    /// The rows with the values behind their own columns.
    fn input(self) -> Result<Arc<LogicalPlan>> {
        if self.values.is_empty() {
            return Ok(self.rows);
        }
        let own = self.rows.schema().columns().into_iter().map(Expr::Column);
        let all: Vec<Expr> = own.chain(self.values).collect();
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(all, self.rows)?)))
    }

    /// A column of the rows that has this value.
    fn column_of(&mut self, value: Expr) -> Column {
        // No name of SQL has such a place in it.
        let name = format!("weir:value:{}:{}", self.rows.schema().fields().len(), self.values.len());
        self.values.push(value.alias(name.as_str()));
        Column::new_unqualified(name)
    }

    /// The expressions with counts in the place of EXISTS and IN, under the names that they had.
    fn counted(&mut self, expressions: Vec<Expr>) -> Result<Vec<Expr>> {
        self.written(expressions, |below, part| {
            Ok(match part {
                Expr::Exists(Exists { subquery, negated }) => {
                    let rows = Arc::new(unlimited(subquery.subquery.as_ref())?.clone());
                    Transformed::yes(compared(Subquery { subquery: rows, ..subquery }, negated)?)
                }
                Expr::InSubquery(found) => Transformed::yes(below.equal(found)?),
                other => Transformed::no(other),
            })
        })
    }

    /// The expressions with a column in the place of each subquery that gives a value.
    fn answered(&mut self, expressions: Vec<Expr>) -> Result<Vec<Expr>> {
        self.written(expressions, |below, part| {
            Ok(match part {
                Expr::ScalarSubquery(_) => Transformed::yes(Expr::Column(below.column_of(part))),
                other => Transformed::no(other),
            })
        })
    }

    fn written(
        &mut self,
        expressions: Vec<Expr>,
        write: impl Fn(&mut Self, Expr) -> Result<Transformed<Expr>>,
    ) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        let written = expressions.into_iter().map(|expression| {
            let name = names.save(&expression);
            let written = expression.transform_up(|part| write(self, part))?;
            Ok(if written.transformed { name.restore(written.data) } else { written.data })
        });
        written.collect()
    }

    /// Whether the value is equal to one of the rows.
    fn equal(&mut self, found: InSubquery) -> Result<Expr> {
        let InSubquery { expr, mut subquery, negated } = found;
        let value = match *expr {
            value if value.column_refs().is_empty() => value,
            Expr::Column(column) => self.outside(column, &mut subquery)?,
            value => {
                let field = Arc::new(value.to_field(self.rows.schema())?.1.as_ref().clone());
                let column = self.column_of(value);
                let outside = Expr::OuterReferenceColumn(field, column);
                subquery.outer_ref_columns.push(outside.clone());
                outside
            }
        };
        let rows = subquery.subquery.as_ref().clone();
        let Some(column) = rows.schema().columns().into_iter().next() else {
            return compared(subquery, negated);
        };
        let equal = LogicalPlanBuilder::from(rows).filter(Expr::Column(column).eq(value))?.build()?;
        compared(Subquery { subquery: Arc::new(equal), ..subquery }, negated)
    }

    /// A column of the rows, as the subquery speaks of it.
    fn outside(&self, column: Column, subquery: &mut Subquery) -> Result<Expr> {
        let field = Arc::clone(self.rows.schema().field_from_column(&column)?);
        let outside = Expr::OuterReferenceColumn(field, column);
        subquery.outer_ref_columns.push(outside.clone());
        Ok(outside)
    }
}

/// The rows without a LIMIT that leaves one: whether there are any is the same, and the engine joins no limits.
fn unlimited(rows: &LogicalPlan) -> Result<&LogicalPlan> {
    match rows {
        LogicalPlan::Limit(limit)
            if matches!(limit.get_skip_type()?, SkipType::Literal(0))
                && matches!(limit.get_fetch_type()?, FetchType::Literal(Some(1..) | None)) =>
        {
            unlimited(&limit.input)
        }
        other => Ok(other),
    }
}

/// Whether the subquery has rows, or, negated, none.
fn compared(subquery: Subquery, negated: bool) -> Result<Expr> {
    let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let rows = match subquery.outer_ref_columns.is_empty() {
        true => rows.limit(0, Some(1))?,
        false => rows,
    };
    let counted = rows.aggregate(Vec::<Expr>::new(), [count_all()])?.build()?;
    let count = Expr::ScalarSubquery(Subquery { subquery: Arc::new(counted), ..subquery });
    Ok(if negated { count.eq(lit(0_i64)) } else { count.gt(lit(0_i64)) })
}
