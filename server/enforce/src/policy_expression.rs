//! From the policies that hold for a caller to expressions: each function's body over its arguments, with the
//! facts about the session user folded in.
//!
//! Which policies hold is the catalog's to say ([`weir_catalog::effective`]). Each argument (a raw column or
//! a literal) becomes a column of the leaf, between the raw scan and the filter. What folds to TRUE, or to the
//! masked value itself, leaves no trace: the caller is exempt from it.

mod arguments;
mod body;
mod builtin_mask;
mod check;
mod levels;
mod membership;
mod nested;
mod reach;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, lit};
use weir_catalog::effective::{
    EffectiveFilter, EffectiveMask, EffectivePolicies, OpenedColumn, PolicyOrigin,
};
use weir_catalog::{Composition, Function, PolicyFunction, Table};

use crate::error::{PolicyKind, Refusal};
use crate::governing::read_by;
use crate::open_table::OpenedTable;
use crate::permit::{Barrier, Permit, place_of};
use crate::resolver::{Access, Scope};
use crate::sql_function::Body;
use arguments::{find_column, holds_column, same_values};
use body::Masked;
use levels::{Levels, Whole};
use reach::Width;

pub use arguments::fits_without_loss;
pub(crate) use body::{body_fault, coerced, simplifier};
pub use builtin_mask::builtin_takes;

/// How the relations and columns that stand for parameters begin, in no body and in no table:
/// within a leaf's plan no two columns share a name.
const OURS: &str = "weir:";

/// How they begin for policies that stand in one leaf with others.
const BESIDE: &str = "weir:beside_";

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

impl Bound {
    /// Both hold, or either.
    fn joined(self, other: Bound, join: fn(Expr, Expr) -> Expr) -> Self {
        let mut arguments = self.arguments;
        arguments.extend(other.arguments);
        Self { arguments, expression: join(self.expression, other.expression) }
    }

    fn is(&self, truth: bool) -> bool {
        self.expression == lit(truth)
    }
}

impl Policies {
    /// The books: rows for which `filter` holds.
    pub(crate) fn own_rows(filter: Option<Expr>) -> Self {
        let filter = filter.map(|expression| Bound { arguments: Vec::new(), expression });
        Self { filter, ..Self::default() }
    }

    /// The same, and for the column `name` the mask that `other` has for `column`.
    pub(crate) fn with_mask_of(mut self, name: &str, other: &Self, column: &str) -> Self {
        let mask = other.masks.get(column).cloned();
        self.masks.extend(mask.map(|mask| (name.to_owned(), mask)));
        self
    }

    /// The row filter alone: what a row must pass to be seen, whatever of it is masked.
    pub(crate) fn filter_alone(self) -> Self {
        Self { masks: BTreeMap::new(), ..self }
    }

    /// The permission of a leaf that they stand in, of `table` at `version`.
    pub(crate) fn permit(&self, table: &Table, version: Option<u64>, barrier: Barrier) -> Permit {
        Permit {
            name: table.name.to_string(),
            table: Some(table.id),
            version,
            place: place_of(table),
            policies: self.functions.clone(),
            fingerprint: self.fingerprint(),
            exempt: self.is_trivial(),
            barrier,
        }
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
    pub(crate) fn arguments(&self, raw: &str, projection: &[usize], schema: &SchemaRef) -> Result<Vec<Expr>> {
        let names = projection.iter().filter_map(|position| schema.fields().get(*position));
        let masks = names.filter_map(|field| self.masks.get(field.name()));
        let over_raw = |argument: &Expr| qualify(argument.clone(), raw);
        self.filter.iter().chain(masks).flat_map(|bound| &bound.arguments).map(over_raw).collect()
    }

    /// The filter and the masks with their arguments, each under the name of what it is for.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = (&str, &Expr)> {
        let filter = self.filter.iter().map(|bound| ("", bound));
        let masks = self.masks.iter().map(|(column, bound)| (column.as_str(), bound));
        filter.chain(masks).flat_map(|(name, bound)| {
            std::iter::once(&bound.expression).chain(&bound.arguments).map(move |part| (name, part))
        })
    }

    /// The effective policy as text, for digests: with the policies of what it reads.
    pub(crate) fn fingerprint(&self) -> String {
        let part = |bound: &Bound| {
            let arguments: Vec<String> = bound.arguments.iter().map(ToString::to_string).collect();
            // reason: what cannot be told apart is told as what went wrong, and nothing is decided by it
            let read = read_by(&bound.expression).unwrap_or_else(|error| vec![error.strip_backtrace()]);
            format!("{:?}[{}]({})", bound.expression, arguments.join(","), read.join("; "))
        };
        let masks = self.masks.iter().map(|(column, mask)| format!("{column}={}", part(mask)));
        self.filter.iter().map(part).chain(masks).collect::<Vec<_>>().join(";")
    }
}

/// Puts raw columns of an argument under the relation `raw`.
fn qualify(argument: Expr, raw: &str) -> Result<Expr> {
    let qualified = argument.transform(|part| {
        Ok(match part {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new(Some(TableReference::bare(raw)), column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(qualified.data)
}

/// Compiles policies within one statement's scope.
#[derive(Debug)]
pub struct PolicyCompiler<'a> {
    scope: &'a Arc<Scope>,
    /// How the relations begin whose columns stand for parameters.
    relations: &'static str,
}

/// Which policy of which table is being compiled.
struct Site<'a> {
    table: &'a Table,
    /// The full name of what the policy calls.
    function: String,
    kind: PolicyKind,
    /// The relation whose columns stand for the parameters.
    relation: String,
}

impl Site<'_> {
    fn refusal(&self, reason: impl Into<String>) -> Refusal {
        Refusal::PolicyIncompatible {
            table: self.table.name.to_string(),
            function: self.function.clone(),
            kind: self.kind,
            reason: reason.into(),
        }
    }
}

impl<'a> PolicyCompiler<'a> {
    /// A compiler for the caller of `scope`.
    pub fn new(scope: &'a Arc<Scope>) -> Self {
        Self { scope, relations: OURS }
    }

    /// The same, for policies that stand in one leaf with those of another compiler.
    pub(crate) fn beside(scope: &'a Arc<Scope>) -> Self {
        Self { scope, relations: BESIDE }
    }

    /// The policies of `table` for the caller. Refuses the table when any of them does not fit.
    pub async fn compile(&self, table: &Table, opened: &OpenedTable) -> Result<Policies> {
        let effective = self.effective(table, opened)?;
        self.compile_effective(table, opened, &effective).await
    }

    /// The policies that hold today, when the table's columns are those of `newest`, for its older snapshot `past`, whose columns
    /// have the names and ids of today. What the older one lacks needs no mask.
    pub(crate) async fn compile_past(
        &self,
        table: &Table,
        newest: &OpenedTable,
        past: &OpenedTable,
    ) -> Result<Policies> {
        let mut effective = self.effective(table, newest)?;
        effective
            .masks
            .retain(|mask| holds_column(past, &mask.column) || !holds_column(newest, &mask.column));
        self.compile_effective(table, past, &effective).await
    }

    /// Which policies hold for the caller.
    fn effective(&self, table: &Table, opened: &OpenedTable) -> Result<EffectivePolicies> {
        let schema = opened.provider.schema();
        let columns: Vec<OpenedColumn<'_>> = schema
            .fields()
            .iter()
            .map(|field| OpenedColumn {
                name: field.name(),
                field_id: opened.field_ids.get(field.name()).copied(),
            })
            .collect();
        let reader = self.scope.caller().principal();
        let snapshot = self.scope.snapshot();
        let effective = snapshot
            .effective_policies(table, reader, &columns)
            .map_err(|refusal| Refusal::Policies(refusal.told_to(reader, table, snapshot)))?;
        Ok(effective)
    }

    /// The policies that are set on `table` itself, whoever else is there: for checking them.
    pub async fn compile_own(&self, table: &Table, opened: &OpenedTable) -> Result<Policies> {
        let own = EffectivePolicies::of_table(table).map_err(Refusal::Policies)?;
        self.compile_effective(table, opened, &own).await
    }

    /// These policies as expressions.
    pub async fn compile_effective(
        &self,
        table: &Table,
        opened: &OpenedTable,
        effective: &EffectivePolicies,
    ) -> Result<Policies> {
        let mut policies = Policies::default();
        policies.filter = self.filters(table, opened, effective, &mut policies.functions).await?;
        let mut masks: BTreeMap<String, Vec<(&EffectiveMask, Bound)>> = BTreeMap::new();
        for (position, mask) in effective.masks.iter().enumerate() {
            let site = Site {
                table,
                function: self.scope.snapshot().policy_function_name(mask.function),
                kind: PolicyKind::ColumnMask,
                relation: format!("{}mask_{position}", self.relations),
            };
            let column = find_column(&site, &mask.column, opened, self.scope.sources().parse_type)?;
            let field = nested::field_at(&site, &column, &mask.path)?;
            let masked = Masked { value: nested::value_at(&column, &mask.path), data_type: field };
            let bound = self.mask(&site, mask, &masked, opened).await?;
            if !membership::mask_holds(&bound.expression)? {
                return Err(site.refusal(membership::MISPLACED).into());
            }
            if !is_identity(&bound, &masked) {
                policies.functions.push(described(&site, &mask.origins));
                masks.entry(column.name().to_lowercase()).or_default().push((mask, bound));
            }
        }
        let standing: Vec<&EffectiveMask> = masks.values().flatten().map(|(mask, _)| *mask).collect();
        if let Some(overreach) = reach::overreach(effective, &standing) {
            return Err(self.overreached(table, &overreach).into());
        }
        for (column, masks) in masks {
            let relation = format!("{}column_{column}", self.relations);
            let bound = nested::whole(table, opened, &column, masks, relation)?;
            policies.masks.insert(column, bound);
        }
        Ok(policies)
    }

    fn overreached(&self, table: &Table, overreach: &reach::Overreach<'_>) -> Refusal {
        let kind = if overreach.is_filter { PolicyKind::RowFilter } else { PolicyKind::ColumnMask };
        let function = self.scope.snapshot().policy_function_name(overreach.function);
        let site = Site { table, function, kind, relation: OURS.to_owned() };
        site.refusal(format!(
            "column `{}` is an argument, which a policy of a wider scope masks: set it as a tag policy of that scope",
            overreach.column.name
        ))
    }

    /// The row filters as one: scope by scope from the widest, of each every restrictive one and, where there
    /// are permissive ones, any of those.
    async fn filters(
        &self,
        table: &Table,
        opened: &OpenedTable,
        effective: &EffectivePolicies,
        functions: &mut Vec<String>,
    ) -> Result<Option<Bound>> {
        let mut levels = Levels::default();
        for (position, filter) in effective.filters.iter().enumerate() {
            let (site, bound) = self.filter(table, opened, filter, position).await?;
            if levels.put(Width::of(&filter.origins), filter.composition, bound) {
                functions.push(described(&site, &filter.origins));
            }
        }
        if effective.denied_by_default {
            functions.push("policy.default".to_owned());
            let nothing = Bound { arguments: Vec::new(), expression: lit(false) };
            levels.put(Width::Metastore, Composition::Restrictive, nothing);
        }
        match levels.whole()? {
            Whole::Filter(filter) => Ok(filter),
            Whole::Misplaced => {
                let function = functions.join(", ");
                let site = Site { table, function, kind: PolicyKind::RowFilter, relation: OURS.to_owned() };
                Err(site.refusal(membership::MISPLACED).into())
            }
        }
    }

    async fn filter<'t>(
        &self,
        table: &'t Table,
        opened: &OpenedTable,
        filter: &EffectiveFilter,
        position: usize,
    ) -> Result<(Site<'t>, Bound)> {
        let site = Site {
            table,
            function: self.scope.snapshot().policy_function_name(filter.function),
            kind: PolicyKind::RowFilter,
            relation: format!("{}row_filter_{position}", self.relations),
        };
        let function = match filter.function {
            PolicyFunction::Sql(_) => self.function_of(&site, filter.function)?,
            PolicyFunction::Builtin(_) => return Err(site.refusal("it is a mask, not a row filter").into()),
        };
        let bound = self.bind(&site, function, None, &filter.arguments, &DataType::Boolean, opened).await?;
        Ok((site, bound))
    }

    async fn mask(
        &self,
        site: &Site<'_>,
        mask: &EffectiveMask,
        masked: &Masked,
        opened: &OpenedTable,
    ) -> Result<Bound> {
        match mask.function {
            PolicyFunction::Builtin(builtin) => {
                Ok(builtin_mask::bound(site, builtin, masked, &mask.arguments)?)
            }
            PolicyFunction::Sql(_) => {
                let function = self.function_of(site, mask.function)?;
                self.bind(site, function, Some(masked), &mask.arguments, &masked.data_type, opened).await
            }
        }
    }

    /// The types that a function's body gives, one value's or its rows'. Refuses a body that cannot
    /// be planned under its owner's rights, or does not fit the declared result (`returns`, where not
    /// empty).
    pub async fn body_type(&self, function: &Function) -> Result<DataType> {
        let body = Body::plan(self.scope, &Access::beside(function), function).await?;
        body.gives()
    }

    fn function_of(&self, site: &Site<'_>, function: PolicyFunction) -> Result<&'a Function, Refusal> {
        let found = function.sql().and_then(|id| self.scope.snapshot().function_by_id(id));
        found.ok_or_else(|| site.refusal("the function does not exist"))
    }
}

/// What is in force, for the books: the function and, of tag policies, their names.
fn described(site: &Site<'_>, origins: &[PolicyOrigin]) -> String {
    let names = origins.iter().filter_map(|origin| match origin {
        PolicyOrigin::Table => None,
        PolicyOrigin::Tag(policy) => Some(policy.name.to_string()),
    });
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => site.function.clone(),
        false => format!("{} ({})", site.function, names.join(", ")),
    }
}

/// The mask gives back the masked value itself: nothing stands between the two but a change of
/// layout. A cast that the body itself makes is never overlooked.
fn is_identity(mask: &Bound, masked: &Masked) -> bool {
    let Some(Expr::Alias(first)) = mask.arguments.first() else {
        return false;
    };
    fn uncast<'e>(expression: &'e Expr, data_type: &DataType) -> &'e Expr {
        match expression {
            Expr::Cast(cast) if same_values(cast.field.data_type(), data_type) => &cast.expr,
            other => other,
        }
    }
    let Expr::Column(result) = uncast(&mask.expression, &masked.data_type) else {
        return false;
    };
    let source = uncast(&first.expr, &masked.data_type);
    result.relation == first.relation && result.name == first.name && *source == masked.value
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;
