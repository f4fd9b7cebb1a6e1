//! The body in the place of the call.
//!
//! Arguments stand where the parameters stood, cast to the parameters' types; inside the body's
//! subqueries their columns become references outwards. What a body names twice is written
//! twice, so that sizes are counted before anything is written, and an argument whose result
//! varies may be named once at most. The engine evaluates equal expressions of a row once.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, plan_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::expr::{Exists, InSubquery, Placeholder, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDFImpl,
    Signature, Subquery, Volatility, cast, lit,
};

use super::body::{Body, PARAMETERS, Saying};
use super::table::one_row;
use crate::error::Refusal;
use crate::governed_scan_exec::StatementSeal;

/// The most expressions and operators that calls may come to in one statement.
pub(crate) const PARTS_MAX: usize = 20_000;

/// How a call's body may stand in the plan.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the call's place.
    Open,
    /// Behind a barrier: the one who calls may not read all that the body reads. Each leaf gets a number,
    /// since the engine takes leaves of one name for one.
    Sealed(StatementSeal, Arc<AtomicUsize>),
}

/// A call while the statement is planned. Never runs: its body takes its place.
#[derive(Debug)]
pub(super) struct Call {
    body: Arc<Body>,
    place: Place,
    signature: Signature,
}

impl Call {
    pub(super) fn new(body: Arc<Body>, place: Place) -> Self {
        let signature = match body.parameters.is_empty() {
            true => Signature::nullary(Volatility::Immutable),
            false => Signature::user_defined(Volatility::Immutable),
        };
        Self { body, place, signature }
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.body.id == other.body.id
    }
}

impl Eq for Call {}

impl std::hash::Hash for Call {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.body.id.hash(state);
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        &self.body.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _argument_types: &[DataType]) -> Result<DataType> {
        Ok(self.body.returns.clone())
    }

    fn coerce_types(&self, argument_types: &[DataType]) -> Result<Vec<DataType>> {
        let wanted: Vec<DataType> =
            self.body.parameters.iter().map(|field| field.data_type().clone()).collect();
        for ((given, wanted), parameter) in argument_types.iter().zip(&wanted).zip(&self.body.parameters) {
            if !takes(given, wanted) {
                let reason = format!("argument `{}` is {given} and must be {wanted}", parameter.name());
                return Err(Refusal::BadCall { function: self.body.name.clone(), reason }.into());
            }
        }
        Ok(wanted)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(Refusal::Ungoverned(format!("a call of `{}`", self.body.name)).into())
    }
}

/// Whether an argument of type `given` may stand for a parameter: numbers for numbers, texts for
/// what is written as text, dates and times for one another. A value that does not fit is an error.
fn takes(given: &DataType, wanted: &DataType) -> bool {
    use DataType::{LargeUtf8, Null, Utf8, Utf8View};
    let text = |data_type: &DataType| matches!(data_type, Utf8 | LargeUtf8 | Utf8View);
    given == wanted
        || *given == Null
        || (given.is_numeric() && wanted.is_numeric())
        || (given.is_temporal()
            && wanted.is_temporal()
            && datafusion::arrow::compute::can_cast_types(given, wanted))
        || (text(given) && (text(wanted) || wanted.is_numeric() || wanted.is_temporal()))
        || (text(wanted) && (given.is_numeric() || given.is_temporal() || *given == DataType::Boolean))
        || (given.is_nested()
            && wanted.is_nested()
            && datafusion::arrow::compute::can_cast_types(given, wanted))
        || datafusion::common::DFSchema::datatype_is_semantically_equal(given, wanted)
}

/// What a call's result is for: the engine takes EXISTS and IN with a query in conditions only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// Of a filter or a join.
    Condition,
    /// A value of a row.
    Value,
}

/// How much calls have come to in one statement.
#[derive(Debug, Default)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    fn spend(&self, parts: usize) -> Result<(), Refusal> {
        let spent = self.0.get().saturating_add(parts);
        self.0.set(spent);
        match spent > PARTS_MAX {
            true => Err(Refusal::TooLarge { operators_max: PARTS_MAX }),
            false => Ok(()),
        }
    }
}

/// `plan` with the bodies in the places of all calls, subqueries included.
pub(crate) fn in_plan(plan: LogicalPlan, budget: &Budget) -> Result<LogicalPlan> {
    map_plan(plan, &mut |expression, schema, spot| in_expression(expression, schema, spot, budget))
}

/// `expression` over `schema` with the bodies in the places of all calls.
pub(crate) fn in_expression(
    expression: Expr,
    schema: &DFSchema,
    spot: Spot,
    budget: &Budget,
) -> Result<Expr> {
    let written = expression.transform_up(|part| {
        let part = map_subquery(part, &mut |plan| in_plan(plan, budget))?;
        let Expr::ScalarFunction(function) = part.data else { return Ok(part) };
        match function.func.inner().downcast_ref::<Call>() {
            Some(call) => {
                let value = written_out(call, function.args.clone(), schema, budget)?;
                let value = if spot == Spot::Value { as_value(value, &call.body)? } else { value };
                Ok(Transformed::yes(value))
            }
            None => Ok(Transformed::new(Expr::ScalarFunction(function), part.transformed, part.tnr)),
        }
    })?;
    Ok(written.data)
}

/// The body of one call over its arguments.
fn written_out(call: &Call, arguments: Vec<Expr>, schema: &DFSchema, budget: &Budget) -> Result<Expr> {
    let body = &call.body;
    let Saying::Value(expression) = &body.saying else {
        return Err(gives_rows(body).into());
    };
    let mut fitted = Vec::new();
    for (argument, parameter) in arguments.into_iter().zip(&body.parameters) {
        let argument = fit(argument, parameter, schema)?;
        let uses = uses_of(expression, parameter.name())?;
        if uses > 1 && varies(&argument)? {
            let reason = format!(
                "the result of argument `{}` varies, and its body names it more than once",
                parameter.name()
            );
            return Err(Refusal::BadCall { function: body.name.clone(), reason }.into());
        }
        budget.spend(uses.saturating_mul(size_of(&argument)?))?;
        fitted.push(argument);
    }
    budget.spend(body.size)?;
    let arguments = Arguments { body, values: &fitted, schema };
    match &call.place {
        Place::Open => arguments.in_body(expression.clone()),
        Place::Sealed(seal, numbers) => {
            for argument in &fitted {
                if !is_constant(argument)? {
                    let reason = "you need SELECT on all that it reads, or constant arguments";
                    return Err(
                        Refusal::BadCall { function: body.name.clone(), reason: reason.to_owned() }.into()
                    );
                }
            }
            one_row(body, arguments.in_body(expression.clone())?, seal, numbers)
        }
    }
}

/// EXISTS as a count of rows; the same rows are read.
pub(super) fn as_value(expression: Expr, body: &Body) -> Result<Expr> {
    let counted = expression.transform_up(|part| match part {
        Expr::Exists(exists) => {
            let rows = Arc::unwrap_or_clone(exists.subquery.subquery);
            let plan =
                LogicalPlanBuilder::from(rows).aggregate(Vec::<Expr>::new(), vec![count_all()])?.build()?;
            let subquery = with_outer(Subquery {
                subquery: Arc::new(plan),
                outer_ref_columns: Vec::new(),
                spans: exists.subquery.spans,
            });
            let count = Expr::ScalarSubquery(subquery);
            let none = lit(0_i64);
            Ok(Transformed::yes(if exists.negated { count.eq(none) } else { count.gt(none) }))
        }
        Expr::InSubquery(_) | Expr::SetComparison(_) => {
            let reason = "its body holds IN with a query, so that it gives conditions of WHERE and ON only";
            Err(Refusal::BadCall { function: body.name.clone(), reason: reason.to_owned() }.into())
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(counted.data)
}

pub(super) fn gives_rows(body: &Body) -> Refusal {
    let reason = "it gives rows: call it in FROM".to_owned();
    Refusal::BadCall { function: body.name.clone(), reason }
}

/// The argument in the parameter's type; a placeholder takes it on.
pub(super) fn fit(argument: Expr, parameter: &Arc<Field>, schema: &DFSchema) -> Result<Expr> {
    if let Expr::Placeholder(Placeholder { id, field: None }) = argument {
        return Ok(Expr::Placeholder(Placeholder::new_with_field(id, Some(Arc::clone(parameter)))));
    }
    let wanted = parameter.data_type();
    if argument.get_type(schema)? == *wanted { Ok(argument) } else { Ok(cast(argument, wanted.clone())) }
}

/// Whether the value is the same for the whole statement: no column, no query, nothing that varies.
pub(super) fn is_constant(argument: &Expr) -> Result<bool> {
    let open = argument.exists(|part| {
        Ok(matches!(
            part,
            Expr::Column(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    })?;
    Ok(!open && !argument.is_volatile())
}

/// What the parameters of a body stand for.
pub(super) struct Arguments<'a> {
    pub(super) body: &'a Body,
    pub(super) values: &'a [Expr],
    /// Of the plan around the call.
    pub(super) schema: &'a DFSchema,
}

impl Arguments<'_> {
    /// A body's expression with the arguments in the places of the parameters.
    pub(super) fn in_body(&self, expression: Expr) -> Result<Expr> {
        let written = expression.transform_up(|part| match part {
            Expr::Column(column) if is_parameter(&column) => Ok(Transformed::yes(self.of(&column)?.clone())),
            other => map_subquery(other, &mut |plan| self.in_rows(plan)),
        })?;
        Ok(written.data)
    }

    /// A query inside a body with the arguments in the places of the parameters.
    pub(super) fn in_rows(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        map_plan(plan, &mut |expression, _, _| {
            let written = expression.transform_up(|part| match part {
                Expr::OuterReferenceColumn(_, column) if is_parameter(&column) => {
                    Ok(Transformed::yes(self.seen_inside(&column)?))
                }
                other => map_subquery(other, &mut |plan| self.in_rows(plan)),
            })?;
            Ok(written.data)
        })
    }

    fn of(&self, column: &Column) -> Result<&Expr> {
        let position = self.body.parameters.iter().position(|field| *field.name() == column.name);
        match position.and_then(|position| self.values.get(position)) {
            Some(value) => Ok(value),
            None => plan_err!("parameter `{}` of `{}` has no value", column.name, self.body.name),
        }
    }

    /// The argument as a query inside the body sees it.
    fn seen_inside(&self, column: &Column) -> Result<Expr> {
        let value = self.of(column)?;
        let nested = value.exists(|part| {
            Ok(matches!(
                part,
                Expr::OuterReferenceColumn(..)
                    | Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::SetComparison(_)
            ))
        })?;
        if nested {
            let reason = format!(
                "argument `{}` holds a query or a column from further outside, and a query in its body names it",
                column.name
            );
            return Err(Refusal::BadCall { function: self.body.name.clone(), reason }.into());
        }
        let outwards = value.clone().transform_up(|part| match part {
            Expr::Column(column)
                if column.relation.is_none() && self.body.bare_names.contains(&column.name) =>
            {
                let reason =
                    format!("its body knows another `{}`: give the column a table's alias", column.name);
                Err(Refusal::BadCall { function: self.body.name.clone(), reason }.into())
            }
            Expr::Column(column) => {
                let field = Arc::clone(self.schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(outwards.data)
    }
}

pub(super) fn is_parameter(column: &Column) -> bool {
    column.relation.as_ref().is_some_and(|relation| relation.table() == PARAMETERS)
}

/// Applies `map` to every expression of a plan, each with the schema it stands over. Names of
/// output columns stay.
fn map_plan(
    plan: LogicalPlan,
    map: &mut dyn FnMut(Expr, &DFSchema, Spot) -> Result<Expr>,
) -> Result<LogicalPlan> {
    let mapped = plan.transform_up(|node| {
        let spot = match node {
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) => Spot::Condition,
            _ => Spot::Value,
        };
        let schema = merge_schema(&node.inputs());
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expression| {
            let name = names.save(&expression);
            Ok(Transformed::yes(name.restore(map(expression, &schema, spot)?)))
        })?;
        Ok(Transformed::yes(match node.data {
            LogicalPlan::Subquery(subquery) => LogicalPlan::Subquery(with_outer(subquery)),
            values @ LogicalPlan::Values(_) => values,
            other => other.recompute_schema()?,
        }))
    })?;
    Ok(mapped.data)
}

/// The subquery with the references outwards that its plan has now.
pub(super) fn with_outer(subquery: Subquery) -> Subquery {
    let outer_ref_columns = subquery.subquery.all_out_ref_exprs();
    Subquery { outer_ref_columns, ..subquery }
}

/// Applies `map` to the plan of a subquery, where the expression is one.
pub(super) fn map_subquery(
    expression: Expr,
    map: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<Transformed<Expr>> {
    let mut mapped = |subquery: Subquery| -> Result<Subquery> {
        let plan = map(Arc::unwrap_or_clone(Arc::clone(&subquery.subquery)))?;
        Ok(with_outer(Subquery { subquery: Arc::new(plan), ..subquery }))
    };
    Ok(match expression {
        Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(mapped(subquery)?)),
        Expr::Exists(exists) => {
            Transformed::yes(Expr::Exists(Exists { subquery: mapped(exists.subquery)?, ..exists }))
        }
        Expr::InSubquery(within) => {
            Transformed::yes(Expr::InSubquery(InSubquery { subquery: mapped(within.subquery)?, ..within }))
        }
        Expr::SetComparison(comparison) => Transformed::yes(Expr::SetComparison(SetComparison {
            subquery: mapped(comparison.subquery)?,
            ..comparison
        })),
        other => Transformed::no(other),
    })
}

/// Counts what `count` says of each part of an expression, its subqueries included.
fn sum(expression: &Expr, count: &mut dyn FnMut(&Expr) -> usize, operators: usize) -> Result<usize> {
    let mut total = 0_usize;
    expression.apply(|part| {
        total = total.saturating_add(count(part));
        let subquery = match part {
            Expr::ScalarSubquery(subquery) => Some(subquery),
            Expr::Exists(exists) => Some(&exists.subquery),
            Expr::InSubquery(within) => Some(&within.subquery),
            Expr::SetComparison(comparison) => Some(&comparison.subquery),
            _ => None,
        };
        if let Some(subquery) = subquery {
            subquery.subquery.apply(|node| {
                total = total.saturating_add(operators);
                node.apply_expressions(|inner| {
                    total = total.saturating_add(sum(inner, count, operators)?);
                    Ok(TreeNodeRecursion::Continue)
                })
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(total)
}

/// How many expressions and operators there are.
pub(super) fn size_of(expression: &Expr) -> Result<usize> {
    sum(expression, &mut |_| 1, 1)
}

/// How often a body names a parameter.
fn uses_of(expression: &Expr, parameter: &str) -> Result<usize> {
    let named = |column: &Column| usize::from(is_parameter(column) && column.name == parameter);
    sum(
        expression,
        &mut |part| match part {
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => named(column),
            _ => 0,
        },
        0,
    )
}

/// Whether any part gives another value each time.
fn varies(expression: &Expr) -> Result<bool> {
    Ok(sum(expression, &mut |part| usize::from(part.is_volatile_node()), 0)? > 0)
}
