//! A policy function's body as an expression over its arguments.
//!
//! The body is planned with its owner's rights over one column for each parameter. The columns are set apart
//! by names that no table and no other policy has.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, TableReference, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values, Volatility, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use weir_catalog::effective::EffectiveArgument;
use weir_catalog::{Function, Parameter};

use super::arguments::{constant, find_column, fit};
use super::{Bound, OURS, PolicyCompiler, Site};
use crate::binder::bind_expression;
use crate::error::Refusal;
use crate::identity_function::is_identity_function;
use crate::open_table::OpenedTable;
use crate::resolver::{Access, Scope};

/// What the first parameter of a mask receives: a raw column, or a field within one.
pub(super) struct Masked {
    pub(super) value: Expr,
    pub(super) data_type: DataType,
}

impl PolicyCompiler<'_> {
    /// The function's body over its arguments, of type `result`, identity folded in.
    /// Of a mask the first parameter receives `masked`.
    pub(super) async fn bind(
        &self,
        site: &Site<'_>,
        function: &Function,
        masked: Option<&Masked>,
        arguments: &[EffectiveArgument],
        result: &DataType,
        opened: &OpenedTable,
    ) -> Result<Bound> {
        let parse_type = self.scope.sources().parse_type;
        let parameters = &function.parameters;
        let before = usize::from(masked.is_some());
        if arguments.len() + before > parameters.len() {
            return Err(site
                .refusal(format!(
                    "it takes {} arguments and gets {}",
                    parameters.len(),
                    arguments.len() + before
                ))
                .into());
        }
        if (1..parameters.len()).any(|end| {
            let (before, from) = parameters.split_at(end);
            from.first().is_some_and(|last| before.iter().any(|earlier| earlier.name == last.name))
        }) {
            return Err(site.refusal("two of its parameters share a name").into());
        }
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (position, parameter) in parameters.iter().enumerate() {
            let wanted = parse_type(&parameter.type_text)
                .ok_or_else(|| site.refusal(format!("type `{}` is not known", parameter.type_text)))?;
            let given = position.checked_sub(before).and_then(|position| arguments.get(position));
            let value = match (masked.filter(|_| position == 0), given) {
                (Some(masked), _) => fit(site, masked.value.clone(), &masked.data_type, &wanted)?,
                (None, Some(EffectiveArgument::Column(column))) => {
                    let field = find_column(site, column, opened, parse_type)?;
                    let column = Expr::Column(Column::new_unqualified(field.name()));
                    fit(site, column, field.data_type(), &wanted)?
                }
                (None, Some(EffectiveArgument::Literal(literal))) => constant(site, literal, &wanted)?,
                (None, None) => self.default_of(site, function, parameter, &wanted).await?,
            };
            let relation = TableReference::bare(site.relation.clone());
            columns.push(
                value.alias_qualified(Some(relation.clone()), column_of(&site.relation, &parameter.name)),
            );
            fields.push((Some(relation), Arc::new(Field::new(&parameter.name, wanted, true))));
        }
        let schema = DFSchema::new_with_metadata(fields, Default::default())?;
        let expression = self.plan_body(site, function, &schema, result).await?;
        Ok(Bound { arguments: columns, expression })
    }

    /// The body as an expression over `schema`, cast to `result`, coerced and simplified.
    async fn plan_body(
        &self,
        site: &Site<'_>,
        function: &Function,
        schema: &DFSchema,
        result: &DataType,
    ) -> Result<Expr> {
        let sources = self.scope.sources();
        let misfit = |_: DataFusionError| site.refusal("its body cannot be planned");
        if function.body.contains(OURS) {
            return Err(site.refusal(format!("its body holds `{OURS}`")).into());
        }
        let body = (sources.parse_expression)(&function.body).map_err(misfit)?;
        let access = Access::of_policy(function, Some(site.table.id));
        // What the body reads is told to those alone with whose rights it reads.
        let told = self.scope.snapshot().acts_as(self.scope.caller().principal(), function.owner);
        let planned =
            bind_expression(self.scope, &access, body, schema).await.map_err(
                |error| match Refusal::within(&error) {
                    Some(Refusal::PolicyCircle { way }) if told => Refusal::PolicyCircle { way: way.clone() },
                    Some(refusal) if told => site.refusal(refusal.to_string()),
                    _ => site.refusal("its body cannot be planned"),
                },
            )?;
        if let Some(reason) = body_fault(&planned).map_err(misfit)? {
            return Err(site.refusal(reason).into());
        }
        let planned = set_apart(planned, &site.relation).map_err(misfit)?;
        let schema = &apart_schema(schema, &site.relation).map_err(misfit)?;
        let returns = function.returns.scalar().and_then(sources.parse_type);
        let returns = returns
            .ok_or_else(|| site.refusal(format!("type `{}` is not known", function.returns.text())))?;
        let simplifier = simplifier(self.scope, schema);
        let coerced = simplifier.coerce(planned, schema).map_err(misfit)?;
        let own = coerced.get_type(schema).map_err(misfit)?;
        let value = if own == returns { coerced } else { cast(coerced, returns.clone()) };
        let value = fit(site, value, &returns, result)?;
        Ok(simplified(self.scope, &simplifier, value).map_err(misfit)?)
    }

    async fn default_of(
        &self,
        site: &Site<'_>,
        function: &Function,
        parameter: &Parameter,
        wanted: &DataType,
    ) -> Result<Expr> {
        let Some(text) = &parameter.default else {
            return Err(site.refusal(format!("parameter `{}` gets no argument", parameter.name)).into());
        };
        let unfit =
            || site.refusal(format!("the default of `{}` is not a constant that fits", parameter.name));
        let misfit = |_: DataFusionError| unfit();
        let parsed = (self.scope.sources().parse_expression)(text).map_err(misfit)?;
        let access = Access::of_policy(function, Some(site.table.id));
        let none = DFSchema::empty();
        let value = bind_expression(self.scope, &access, parsed, &none).await.map_err(misfit)?;
        if body_fault(&value).map_err(misfit)?.is_some() {
            return Err(unfit().into());
        }
        let simplifier = simplifier(self.scope, &none);
        let value = simplifier.coerce(cast(value, wanted.clone()), &none).map_err(misfit)?;
        match simplified(self.scope, &simplifier, value).map_err(misfit)? {
            constant @ Expr::Literal(..) => Ok(constant),
            _ => Err(unfit().into()),
        }
    }
}

pub(crate) fn simplifier(scope: &Scope, schema: &DFSchema) -> ExprSimplifier {
    ExprSimplifier::new(
        SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(scope.state().config_options()))
            .with_query_execution_start_time(scope.state().execution_props().query_execution_start_time)
            .build(),
    )
}

/// `expression`, simplified as of the statement's time, with the answers to what it asks of the caller and the time.
fn simplified(scope: &Scope, simplifier: &ExprSimplifier, expression: Expr) -> Result<Expr> {
    let asks_the_time = expression.exists(|part| {
        Ok(matches!(part, Expr::ScalarFunction(call)
            if call.func.signature().volatility != Volatility::Immutable && !is_identity_function(call.name())))
    })?;
    if asks_the_time {
        scope.ask_the_time();
    }
    simplifier.simplify(expression)
}

/// `expression` with the casts that its operators and functions need.
pub(crate) fn coerced(scope: &Scope, expression: Expr, schema: &DFSchema) -> Result<Expr> {
    simplifier(scope, schema).coerce(expression, schema)
}

/// The column of a leaf's plan that stands for a parameter.
fn column_of(relation: &str, parameter: &str) -> String {
    format!("{relation}:{parameter}")
}

/// The schema of parameters under the names of their columns.
fn apart_schema(schema: &DFSchema, relation: &str) -> Result<DFSchema> {
    let fields = schema.iter().map(|(qualifier, field)| {
        let renamed = field.as_ref().clone().with_name(column_of(relation, field.name()));
        (qualifier.cloned(), Arc::new(renamed))
    });
    DFSchema::new_with_metadata(fields.collect(), Default::default())
}

/// `expression` over the columns that stand for the parameters, its subqueries included. The
/// engine looks columns up by their bare names in physical plans; a parameter that is named like a
/// column of the table, or like another policy's parameter, must not be mistaken for it.
fn set_apart(expression: Expr, relation: &str) -> Result<Expr> {
    let of_ours = |column: &Column| column.relation.as_ref().is_some_and(|known| known.table() == relation);
    let rename = |part: Expr| {
        Ok(match part {
            Expr::Column(column) if of_ours(&column) => {
                let name = column_of(relation, &column.name);
                Transformed::yes(Expr::Column(Column::new(column.relation, name)))
            }
            Expr::OuterReferenceColumn(field, column) if of_ours(&column) => {
                let name = column_of(relation, &column.name);
                let field = Arc::new(field.as_ref().clone().with_name(&name));
                Transformed::yes(Expr::OuterReferenceColumn(field, Column::new(column.relation, name)))
            }
            other => Transformed::no(other),
        })
    };
    let renamed = carrier(expression).transform_up_with_subqueries(|node| {
        let node = match node {
            LogicalPlan::Subquery(mut subquery) => {
                let outer = std::mem::take(&mut subquery.outer_ref_columns);
                subquery.outer_ref_columns = outer
                    .into_iter()
                    .map(|column| Ok(column.transform(rename)?.data))
                    .collect::<Result<_>>()?;
                LogicalPlan::Subquery(subquery)
            }
            other => other,
        };
        let node = node.map_expressions(|part| part.transform(rename))?.data;
        Ok(Transformed::yes(match node {
            LogicalPlan::Values(_) => node,
            other => other.recompute_schema()?,
        }))
    })?;
    match renamed.data {
        LogicalPlan::Values(mut values) => match values.values.pop().and_then(|mut row| row.pop()) {
            Some(expression) => Ok(expression),
            None => internal_err!("an expression was lost"),
        },
        _ => internal_err!("an expression became a plan"),
    }
}

/// A plan that holds nothing but `expression`, so that its subqueries can be walked.
fn carrier(expression: Expr) -> LogicalPlan {
    LogicalPlan::Values(Values { schema: Arc::new(DFSchema::empty()), values: vec![vec![expression]] })
}

/// Why an expression cannot be a policy's, whatever its parameters: it must give one value for
/// one row, and the same whenever it is asked.
pub(crate) fn body_fault(expression: &Expr) -> Result<Option<&'static str>> {
    let many = expression.exists(|part| {
        Ok(matches!(
            part,
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::GroupingSet(_) | Expr::Unnest(_)
        ))
    })?;
    if many {
        return Ok(Some("its body speaks of more than one row"));
    }
    let mut fault = None;
    carrier(expression.clone()).apply_with_subqueries(|node| {
        node.apply_expressions(|part| {
            if part.is_volatile() {
                fault = Some("its body calls a function whose result varies");
            }
            if part.exists(|inner| Ok(matches!(inner, Expr::Placeholder(_))))? {
                fault = Some("its body has parameters that nothing gives");
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(fault)
}
