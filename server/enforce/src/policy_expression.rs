//! From a policy to expressions: its function's body over its arguments, with the facts about
//! the session user folded in.
//!
//! The body is planned with its owner's rights over one column for each parameter. Each
//! argument (a raw column or a literal) becomes such a column in the leaf, between the raw scan
//! and the filter. What folds to TRUE, or to the masked column itself, leaves no trace: the
//! caller is exempt from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Values, cast, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use weir_catalog::{ColumnBinding, Function, Literal, Parameter, PolicyArgument, PolicyFunction, Table};

use crate::binder::bind_expression;
use crate::error::{PolicyKind, Refusal};
use crate::open_table::OpenedTable;
use crate::resolver::{Access, Scope};
use crate::sql_function::Body;

/// How the relations and columns that stand for parameters begin, in no body and in no table:
/// within a leaf's plan no two columns share a name.
const OURS: &str = "weir:";

/// The policies of one table as they hold for one caller.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    filter: Option<Bound>,
    masks: BTreeMap<String, Bound>,
    functions: Vec<String>,
}

/// A policy's expression and the argument columns it stands on.
#[derive(Debug, Clone)]
struct Bound {
    /// Each aliased to the column that stands for a parameter; written over raw columns.
    arguments: Vec<Expr>,
    expression: Expr,
}

impl Policies {
    /// The books: rows for which `filter` holds.
    pub(crate) fn own_rows(filter: Option<Expr>) -> Self {
        let filter = filter.map(|expression| Bound { arguments: Vec::new(), expression });
        Self { filter, ..Self::default() }
    }

    /// Nothing is hidden from this caller.
    pub fn is_trivial(&self) -> bool {
        self.filter.is_none() && self.masks.is_empty()
    }

    /// The full names of the policy functions in force.
    pub fn functions(&self) -> &[String] {
        &self.functions
    }

    /// The row filter.
    pub(crate) fn filter(&self) -> Option<&Expr> {
        self.filter.as_ref().map(|bound| &bound.expression)
    }

    /// The mask of a column, by folded name.
    pub(crate) fn mask(&self, column: &str) -> Option<&Expr> {
        self.masks.get(column).map(|bound| &bound.expression)
    }

    /// The folded names of masked columns.
    pub(crate) fn masked_columns(&self) -> Vec<String> {
        self.masks.keys().cloned().collect()
    }

    /// The argument columns needed for the columns `projection` of `schema`, over the relation
    /// `raw`.
    pub(crate) fn arguments(&self, raw: &str, projection: &[usize], schema: &SchemaRef) -> Vec<Expr> {
        let names = projection.iter().filter_map(|position| schema.fields().get(*position));
        let masks = names.filter_map(|field| self.masks.get(field.name()));
        let over_raw = |argument: &Expr| qualify(argument.clone(), raw);
        self.filter.iter().chain(masks).flat_map(|bound| &bound.arguments).map(over_raw).collect()
    }

    /// The effective policy as text, for digests.
    pub(crate) fn fingerprint(&self) -> String {
        let part = |bound: &Bound| {
            let arguments: Vec<String> = bound.arguments.iter().map(ToString::to_string).collect();
            format!("{:?}[{}]", bound.expression, arguments.join(","))
        };
        let masks = self.masks.iter().map(|(column, mask)| format!("{column}={}", part(mask)));
        self.filter.iter().map(part).chain(masks).collect::<Vec<_>>().join(";")
    }
}

/// Puts raw columns of an argument under the relation `raw`.
fn qualify(argument: Expr, raw: &str) -> Expr {
    match argument {
        Expr::Alias(alias) => Expr::Alias(Alias { expr: Box::new(qualify(*alias.expr, raw)), ..alias }),
        Expr::Cast(mut inner) => {
            inner.expr = Box::new(qualify(*inner.expr, raw));
            Expr::Cast(inner)
        }
        Expr::Column(column) => Expr::Column(Column::new(Some(TableReference::bare(raw)), column.name)),
        other => other,
    }
}

/// Compiles policies within one statement's scope.
#[derive(Debug)]
pub struct PolicyCompiler<'a> {
    scope: &'a Arc<Scope>,
}

/// Which policy of which table is being compiled.
struct Site<'a> {
    table: &'a Table,
    function: &'a Function,
    kind: PolicyKind,
    /// The relation whose columns stand for the parameters.
    relation: String,
}

impl Site<'_> {
    fn refusal(&self, reason: impl Into<String>) -> Refusal {
        Refusal::PolicyIncompatible {
            table: self.table.name.to_string(),
            function: self.function.name.to_string(),
            kind: self.kind,
            reason: reason.into(),
        }
    }
}

impl<'a> PolicyCompiler<'a> {
    /// A compiler for the caller of `scope`.
    pub fn new(scope: &'a Arc<Scope>) -> Self {
        Self { scope }
    }

    /// The policies of `table` for the caller. Refuses the table when any of them does not fit.
    pub async fn compile(&self, table: &Table, opened: &OpenedTable) -> Result<Policies> {
        let mut policies = Policies::default();
        if let Some(filter) = &table.row_filter {
            let function = self.function_of(table, filter.function, PolicyKind::RowFilter)?;
            let site =
                Site { table, function, kind: PolicyKind::RowFilter, relation: format!("{OURS}row_filter") };
            let bound = self.bind(&site, &filter.arguments, &DataType::Boolean, opened).await?;
            if bound.expression != lit(true) {
                policies.functions.push(function.name.to_string());
                policies.filter = Some(bound);
            }
        }
        let mut masked = BTreeSet::new();
        for (position, mask) in table.masks.iter().enumerate() {
            let function = self.function_of(table, mask.function, PolicyKind::ColumnMask)?;
            let relation = format!("{OURS}mask_{position}");
            let site = Site { table, function, kind: PolicyKind::ColumnMask, relation };
            let column = find_column(&site, &mask.column, opened, self.scope.sources().parse_type)?;
            let mut arguments = vec![PolicyArgument::Column(mask.column.clone())];
            arguments.extend(mask.arguments.iter().cloned());
            let bound = self.bind(&site, &arguments, column.data_type(), opened).await?;
            if !masked.insert(column.name().to_lowercase()) {
                return Err(site.refusal(format!("column `{}` has two masks", column.name())).into());
            }
            if !is_identity(&bound, &column) {
                policies.functions.push(function.name.to_string());
                policies.masks.insert(column.name().to_lowercase(), bound);
            }
        }
        Ok(policies)
    }

    /// The types that a function's body gives, one value's or its rows'. Refuses a body that cannot
    /// be planned under its owner's rights, or does not fit the declared result (`returns`, where not
    /// empty).
    pub async fn body_type(&self, function: &Function) -> Result<DataType> {
        let body = Body::plan(self.scope, &Access::beside(function), function).await?;
        body.gives()
    }

    /// Refuses a function that cannot be a policy's: what it reads must be ungoverned tables.
    pub async fn check_policy_body(&self, function: &Function) -> Result<()> {
        Body::plan(self.scope, &Access::of_policy(function), function).await?;
        Ok(())
    }

    fn simplifier(&self, schema: &DFSchema) -> ExprSimplifier {
        simplifier(self.scope, schema)
    }

    fn function_of(
        &self,
        table: &Table,
        function: PolicyFunction,
        kind: PolicyKind,
    ) -> Result<&'a Function, Refusal> {
        let id = match function {
            PolicyFunction::Sql(id) => id,
            PolicyFunction::Builtin(mask) => {
                return Err(Refusal::Unsupported(format!("`{mask}`")));
            }
        };
        self.scope.snapshot().function_by_id(id).ok_or_else(|| Refusal::PolicyIncompatible {
            table: table.name.to_string(),
            function: id.to_string(),
            kind,
            reason: "the function does not exist".to_owned(),
        })
    }

    /// The function's body over its arguments, of type `result`, identity folded in.
    async fn bind(
        &self,
        site: &Site<'_>,
        arguments: &[PolicyArgument],
        result: &DataType,
        opened: &OpenedTable,
    ) -> Result<Bound> {
        let parse_type = self.scope.sources().parse_type;
        if arguments.len() > site.function.parameters.len() {
            return Err(site
                .refusal(format!(
                    "it takes {} arguments and gets {}",
                    site.function.parameters.len(),
                    arguments.len()
                ))
                .into());
        }
        let parameters = &site.function.parameters;
        if (1..parameters.len()).any(|end| {
            let (before, from) = parameters.split_at(end);
            from.first().is_some_and(|last| before.iter().any(|earlier| earlier.name == last.name))
        }) {
            return Err(site.refusal("two of its parameters share a name").into());
        }
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (position, parameter) in site.function.parameters.iter().enumerate() {
            let wanted = parse_type(&parameter.type_text)
                .ok_or_else(|| site.refusal(format!("type `{}` is not known", parameter.type_text)))?;
            let value = match arguments.get(position) {
                Some(PolicyArgument::Column(binding)) => {
                    let field = find_column(site, binding, opened, parse_type)?;
                    let column = Expr::Column(Column::new_unqualified(field.name()));
                    fit(site, column, field.data_type(), &wanted)?
                }
                Some(PolicyArgument::Literal(literal)) => constant(site, literal, &wanted)?,
                None => self.default_of(site, parameter, &wanted).await?,
            };
            let relation = TableReference::bare(site.relation.clone());
            columns.push(
                value.alias_qualified(Some(relation.clone()), column_of(&site.relation, &parameter.name)),
            );
            fields.push((Some(relation), Arc::new(Field::new(&parameter.name, wanted, true))));
        }
        let schema = DFSchema::new_with_metadata(fields, Default::default())?;
        let expression = self.plan_body(site, &schema, result).await?;
        Ok(Bound { arguments: columns, expression })
    }

    /// The body as an expression over `schema`, cast to `result`, coerced and simplified.
    async fn plan_body(&self, site: &Site<'_>, schema: &DFSchema, result: &DataType) -> Result<Expr> {
        let sources = self.scope.sources();
        let misfit = |_: DataFusionError| site.refusal("its body cannot be planned");
        if site.function.body.contains(OURS) {
            return Err(site.refusal(format!("its body holds `{OURS}`")).into());
        }
        let body = (sources.parse_expression)(&site.function.body).map_err(misfit)?;
        let access = Access::of_policy(site.function);
        // What the body reads is told to those alone with whose rights it reads.
        let told = self.scope.snapshot().acts_as(self.scope.caller().principal(), site.function.owner);
        let planned = bind_expression(self.scope, &access, body, schema).await.map_err(|error| {
            match refusal_in(&error) {
                Some(text) if told => site.refusal(text),
                _ => site.refusal("its body cannot be planned"),
            }
        })?;
        if let Some(reason) = body_fault(&planned).map_err(misfit)? {
            return Err(site.refusal(reason).into());
        }
        let planned = set_apart(planned, &site.relation).map_err(misfit)?;
        let schema = &apart_schema(schema, &site.relation).map_err(misfit)?;
        let returns = site.function.returns.scalar().and_then(sources.parse_type);
        let returns = returns
            .ok_or_else(|| site.refusal(format!("type `{}` is not known", site.function.returns.text())))?;
        let simplifier = self.simplifier(schema);
        let coerced = simplifier.coerce(planned, schema).map_err(misfit)?;
        let own = coerced.get_type(schema).map_err(misfit)?;
        let value = if own == returns { coerced } else { cast(coerced, returns.clone()) };
        let value = fit(site, value, &returns, result)?;
        Ok(simplifier.simplify(value).map_err(misfit)?)
    }

    async fn default_of(&self, site: &Site<'_>, parameter: &Parameter, wanted: &DataType) -> Result<Expr> {
        let Some(text) = &parameter.default else {
            return Err(site.refusal(format!("parameter `{}` gets no argument", parameter.name)).into());
        };
        let unfit =
            || site.refusal(format!("the default of `{}` is not a constant that fits", parameter.name));
        let misfit = |_: DataFusionError| unfit();
        let parsed = (self.scope.sources().parse_expression)(text).map_err(misfit)?;
        let access = Access::of_policy(site.function);
        let none = DFSchema::empty();
        let value = bind_expression(self.scope, &access, parsed, &none).await.map_err(misfit)?;
        if body_fault(&value).map_err(misfit)?.is_some() {
            return Err(unfit().into());
        }
        let simplifier = self.simplifier(&none);
        let value = simplifier.coerce(cast(value, wanted.clone()), &none).map_err(misfit)?;
        match simplifier.simplify(value).map_err(misfit)? {
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

/// A refusal of ours inside an error of the planner; the rest of its text may hold the body.
fn refusal_in(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::External(cause) => cause.downcast_ref::<Refusal>().map(ToString::to_string),
        _ => None,
    }
}

/// The column a policy is bound to: by field id where it has one, else by name; its type must be
/// what it was when the policy was set.
fn find_column(
    site: &Site<'_>,
    binding: &ColumnBinding,
    opened: &OpenedTable,
    parse_type: fn(&str) -> Option<DataType>,
) -> Result<Arc<Field>, Refusal> {
    let schema: Arc<Schema> = opened.provider.schema();
    let same = |field: &&Arc<Field>| match binding.field_id {
        Some(id) => opened.field_ids.get(field.name()) == Some(&id),
        None => field.name().to_lowercase() == binding.name.to_lowercase(),
    };
    let field = schema
        .fields()
        .iter()
        .find(same)
        .ok_or_else(|| site.refusal(format!("column `{}` is not in the table", binding.name)))?;
    match parse_type(&binding.type_text) {
        Some(bound) if same_values(&bound, field.data_type()) => Ok(Arc::clone(field)),
        _ => Err(site.refusal(format!("column `{}` has changed its type", binding.name))),
    }
}

/// `value` of type `from` as `to`: the same, or wider without loss.
fn fit(site: &Site<'_>, value: Expr, from: &DataType, to: &DataType) -> Result<Expr, Refusal> {
    if from == to {
        return Ok(value);
    }
    if same_values(from, to) || widens(from, to) {
        return Ok(cast(value, to.clone()));
    }
    Err(site.refusal(format!("a value of type {from} does not fit {to} without loss")))
}

/// Whether every value of `from` is a value of `to`, in another layout perhaps.
pub fn fits_without_loss(from: &DataType, to: &DataType) -> bool {
    same_values(from, to) || widens(from, to)
}

/// Types that hold the same values in another layout.
fn same_values(left: &DataType, right: &DataType) -> bool {
    let layout_free = |data_type: &DataType| match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        other => other.clone(),
    };
    layout_free(left).equals_datatype(&layout_free(right))
}

/// Whether every value of `from` is a value of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null};
    let digits = |data_type: &DataType| match data_type {
        Int8 => Some(3),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (Null, _) | (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Float32, Float64) | (Int8 | Int16, Float32) | (Int8 | Int16 | Int32, Float64) => true,
        (Decimal128(from, from_scale), Decimal128(to, to_scale)) => {
            from_scale <= to_scale
                && i16::from(*from) - i16::from(*from_scale) <= i16::from(*to) - i16::from(*to_scale)
        }
        (integer, Decimal128(precision, scale)) => {
            digits(integer).is_some_and(|digits| digits <= i16::from(*precision) - i16::from(*scale))
        }
        _ => false,
    }
}

fn constant(site: &Site<'_>, literal: &Literal, wanted: &DataType) -> Result<Expr, Refusal> {
    let text = match literal {
        Literal::Null => return ScalarValue::try_from(wanted).map(lit_of).map_err(|_| unfit(site, wanted)),
        Literal::Boolean(value) => return fit(site, lit(*value), &DataType::Boolean, wanted),
        Literal::String(value) => return fit(site, lit(value.as_str()), &DataType::Utf8, wanted),
        Literal::Interval(_) => return Err(unfit(site, wanted)),
        Literal::Number(text) => text,
    };
    if !wanted.is_numeric() {
        return Err(unfit(site, wanted));
    }
    ScalarValue::try_from_string(text.clone(), wanted).map(lit_of).map_err(|_| unfit(site, wanted))
}

fn lit_of(value: ScalarValue) -> Expr {
    Expr::Literal(value, None)
}

fn unfit(site: &Site<'_>, wanted: &DataType) -> Refusal {
    site.refusal(format!("a literal argument does not fit {wanted}"))
}

/// The mask gives back the column's own value: nothing stands between the two but a change of
/// layout. A cast that the body itself makes is never overlooked.
fn is_identity(mask: &Bound, field: &Field) -> bool {
    let Some(Expr::Alias(first)) = mask.arguments.first() else {
        return false;
    };
    let same = |expression: &'_ Expr| -> Option<Column> {
        match expression {
            Expr::Column(column) => Some(column.clone()),
            Expr::Cast(cast) if same_values(cast.field.data_type(), field.data_type()) => {
                match cast.expr.as_ref() {
                    Expr::Column(column) => Some(column.clone()),
                    _ => None,
                }
            }
            _ => None,
        }
    };
    let (Some(result), Some(source)) = (same(&mask.expression), same(&first.expr)) else {
        return false;
    };
    result.relation == first.relation && result.name == first.name && source.name == *field.name()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;
