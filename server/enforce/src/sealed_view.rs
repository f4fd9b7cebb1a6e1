//! Views: planned with their owner's access and the session user's policies, then either read
//! through or sealed.
//!
//! A view that is a barrier becomes a leaf like a governed table: no predicate of the user's
//! enters it, since one on an output column would run over the view's own expressions on rows
//! that the view leaves out.

use std::any::Any;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ParamValues;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{ViewTable, provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableSource, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::sqlparser::ast;
use weir_catalog::{Table, TableId, ViewDefinition, is_account_admin, is_metastore_admin};

use crate::binder::bind_with_uses;
use crate::check_governed::check_governed;
use crate::error::Refusal;
use crate::governed_scan_exec::{GovernedScanExec, StatementSeal};
use crate::governed_table::GovernedTable;
use crate::inside::{Asked, Insides};
use crate::leakproof::Admission;
use crate::open_table::PlannedFiles;
use crate::permit::{Barrier, Permit};
use crate::resolver::{Access, Scope};
use crate::sql_function::Uses;

mod columns;

/// The view's query as a plan, its columns under the view's names.
pub(crate) async fn plan_of(
    scope: &Arc<Scope>,
    access: &Access,
    table: &Table,
    view: &ViewDefinition,
) -> Result<(LogicalPlan, Uses)> {
    let broken = |error: DataFusionError| broken_view(scope, table, &error);
    let query = (scope.sources().parse_query)(&view.text).map_err(broken)?;
    let statement = ast::Statement::Query(Box::new(query.clone()));
    let (plan, uses) = bind_with_uses(scope, access, statement).await.map_err(broken)?;
    let columns = columns::in_order(scope, &query, &plan, table)
        .map_err(broken)?
        .into_iter()
        .zip(&table.columns)
        .map(|(planned, column)| Expr::Column(planned).alias(column.name.to_lowercase()))
        .collect::<Vec<_>>();
    Ok((LogicalPlanBuilder::from(plan).project(columns)?.build()?, uses))
}

/// The types of a view's columns as its query gives them, under its owner's rights.
pub async fn view_type(scope: &Arc<Scope>, table: &Table, view: &ViewDefinition) -> Result<DataType> {
    let access = Access::of_owner(scope.caller(), table.owner);
    let (plan, _) = plan_of(scope, &access, table, view).await?;
    Ok(DataType::Struct(plan.schema().as_arrow().fields().clone()))
}

/// The view for a plan: read through where `open`, else behind a barrier.
pub(crate) fn source(
    table: &Table,
    plan: LogicalPlan,
    open: bool,
    seal: StatementSeal,
) -> Result<Arc<dyn TableSource>> {
    if open {
        return Ok(provider_as_source(Arc::new(ViewTable::new(plan, None))));
    }
    sealed(table.name.to_string(), Some(table.id), plan, seal)
}

/// What stands below the policies of a view: its query, sealed, so that neither they nor what they let
/// pass is asked of rows that the query leaves out. Of no table: the leaf above it is the view's.
pub(crate) fn body(
    table: &Table,
    plan: LogicalPlan,
    barrier: Barrier,
    seal: StatementSeal,
) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(behind(table.name.to_string(), None, plan, barrier, seal)?))
}

/// A plan behind a barrier, under the name of the view or function it is of.
pub(crate) fn sealed(
    name: String,
    table: Option<TableId>,
    plan: LogicalPlan,
    seal: StatementSeal,
) -> Result<Arc<dyn TableSource>> {
    Ok(provider_as_source(Arc::new(behind(name, table, plan, Barrier::Standard, seal)?)))
}

fn behind(
    name: String,
    table: Option<TableId>,
    plan: LogicalPlan,
    barrier: Barrier,
    seal: StatementSeal,
) -> Result<SealedView> {
    let below = seal.below_leaf();
    let plan = plan.transform_up_with_subqueries(|node| placed(node, &seal, &below))?.data;
    let fields: Vec<Field> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), field.data_type().clone(), field.is_nullable()))
        .collect();
    let permit = Permit {
        name,
        table,
        version: None,
        place: String::new(),
        policies: Vec::new(),
        fingerprint: plan.display_indent().to_string(),
        exempt: true,
        barrier,
    };
    let (schema, permit) = (Arc::new(Schema::new(fields)), Arc::new(permit));
    Ok(SealedView { schema, plan, permit, seal, below, insides: Insides::default() })
}

/// What was resolved for the text of the query, put below its leaf: the same tables for a plan in which that leaf does
/// not stand above them are refused.
fn placed(
    node: LogicalPlan,
    seal: &StatementSeal,
    below: &StatementSeal,
) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
    let provider = source_as_provider(&scan.source)?;
    let any: &dyn Any = provider.as_ref();
    let placed: Arc<dyn TableProvider> =
        match (any.downcast_ref::<GovernedTable>(), any.downcast_ref::<SealedView>()) {
            (Some(table), _) if table.is_of(seal) => Arc::new(table.placed(below.clone())),
            (_, Some(view)) if view.is_of(seal) => Arc::new(view.placed(below.clone())),
            _ => return Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        };
    scan.source = provider_as_source(placed);
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}

/// The parameters of a plan, those inside its sealed leaves among them, with their types where they
/// are known, and whether the plan does nothing with one but cast it to that type.
pub fn parameter_fields(plan: &LogicalPlan) -> Result<HashMap<String, (Option<FieldRef>, bool)>> {
    let mut told = plan.get_parameter_fields()?;
    tell_cast_ones(plan, &mut told)?;
    let used = used_otherwise(plan, &told)?;
    let with_uses = |(name, field): (String, Option<FieldRef>)| {
        let only_cast = !used.contains(&name);
        (name, (field, only_cast))
    };
    let mut fields: HashMap<String, (Option<FieldRef>, bool)> = told.into_iter().map(with_uses).collect();
    for inner in sealed_plans(plan)? {
        for (name, (field, only_cast)) in parameter_fields(&inner)? {
            match fields.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert((field, only_cast));
                }
                Entry::Occupied(mut entry) => {
                    let (known, cast_here) = entry.get_mut();
                    *cast_here &= only_cast && data_type(known.as_ref()) == data_type(field.as_ref());
                    if known.is_none() {
                        *known = field;
                    }
                }
            }
        }
    }
    Ok(fields)
}

/// The parameters with which the plan does anything else than to cast them to the type that is told of them.
fn used_otherwise(plan: &LogicalPlan, told: &HashMap<String, Option<FieldRef>>) -> Result<HashSet<String>> {
    let mut used = HashSet::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                let (inner, to) = match part {
                    Expr::Cast(cast) => (cast.expr.as_ref(), Some(&cast.field)),
                    Expr::TryCast(cast) => (cast.expr.as_ref(), Some(&cast.field)),
                    other => (other, None),
                };
                let Expr::Placeholder(parameter) = inner else { return Ok(TreeNodeRecursion::Continue) };
                let known = told.get(&parameter.id).and_then(Option::as_ref);
                // One that has a type by itself has it of what it meets: the cast is the planner's.
                if to.is_none() || parameter.field.is_some() || data_type(to) != data_type(known) {
                    used.insert(parameter.id.clone());
                }
                Ok(TreeNodeRecursion::Jump)
            })
        })
    })?;
    Ok(used)
}

fn data_type(field: Option<&FieldRef>) -> Option<&DataType> {
    field.map(|field| field.data_type())
}

/// A parameter of which nothing else tells the type is of the type to which it is cast; one that counts rows is a number.
fn tell_cast_ones(plan: &LogicalPlan, fields: &mut HashMap<String, Option<FieldRef>>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for count in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(parameter) = count.as_ref()
                    && let Some(field @ None) = fields.get_mut(&parameter.id)
                {
                    *field = Some(Arc::new(Field::new(&parameter.id, DataType::Int64, true)));
                }
            }
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                let (cast, to) = match part {
                    Expr::Cast(cast) => (&cast.expr, &cast.field),
                    Expr::TryCast(cast) => (&cast.expr, &cast.field),
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                if let Expr::Placeholder(parameter) = cast.as_ref()
                    && let Some(field @ None) = fields.get_mut(&parameter.id)
                {
                    *field = Some(Arc::clone(to));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// The plan with values in the places of its parameters, those inside its sealed leaves among them.
pub fn bind_parameters(plan: LogicalPlan, values: &ParamValues) -> Result<LogicalPlan> {
    let plan = match sealed_plans(&plan)?.is_empty() {
        true => plan,
        false => plan.transform_up_with_subqueries(|node| bind_leaf(node, values))?.data,
    };
    plan.with_param_values(values.clone())
}

fn bind_leaf(node: LogicalPlan, values: &ParamValues) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
    let provider = source_as_provider(&scan.source)?;
    let any: &dyn Any = provider.as_ref();
    let Some(view) = any.downcast_ref::<SealedView>() else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let bound = SealedView {
        schema: Arc::clone(&view.schema),
        plan: bind_parameters(view.plan.clone(), values)?,
        permit: Arc::clone(&view.permit),
        seal: view.seal.clone(),
        below: view.below.clone(),
        insides: Insides::default(),
    };
    scan.source = provider_as_source(Arc::new(bound));
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}

/// The plans of the sealed leaves that hold parameters.
fn sealed_plans(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>> {
    let mut plans = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(provider) = source_as_provider(&scan.source)
        {
            let any: &dyn Any = provider.as_ref();
            if let Some(view) = any.downcast_ref::<SealedView>()
                && !parameter_fields(&view.plan)?.is_empty()
            {
                plans.push(view.plan.clone());
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(plans)
}

/// What users may know of a view that cannot be planned: its own privileges and policies are
/// told by their own refusals, all else stays with administrators.
fn broken_view(scope: &Scope, table: &Table, error: &DataFusionError) -> DataFusionError {
    let general = || "its owner can no longer read what it reads, or its query no longer fits".to_owned();
    Refusal::ViewBroken {
        view: table.name.to_string(),
        reason: reason_for_admins(scope, table, error).unwrap_or_else(general),
        detail: error.strip_backtrace(),
    }
    .into()
}

/// What the owner of `table` lacks, for those who see all names and grants.
fn reason_for_admins(scope: &Scope, table: &Table, error: &DataFusionError) -> Option<String> {
    let (snapshot, reader) = (scope.snapshot(), scope.caller().principal());
    if !is_account_admin(snapshot, reader) && !is_metastore_admin(snapshot, reader) {
        return None;
    }
    let lack = match Refusal::within(error)? {
        Refusal::Denied(denied) => denied.to_string(),
        lack @ (Refusal::NotFound { .. }
        | Refusal::FunctionNotFound { .. }
        | Refusal::ViewBroken { .. }
        | Refusal::FunctionBroken { .. }) => lack.to_string(),
        _ => return None,
    };
    let owner = snapshot.principal(table.owner)?;
    Some(format!("with the rights of its owner `{}`: {lack}", owner.name))
}

/// A view behind a barrier.
#[derive(Debug)]
pub(crate) struct SealedView {
    schema: SchemaRef,
    plan: LogicalPlan,
    permit: Arc<Permit>,
    seal: StatementSeal,
    /// The mark of what its query reads.
    below: StatementSeal,
    insides: Insides,
}

impl SealedView {
    /// The same for another place in the statement.
    fn placed(&self, seal: StatementSeal) -> Self {
        Self {
            schema: Arc::clone(&self.schema),
            plan: self.plan.clone(),
            permit: Arc::clone(&self.permit),
            seal,
            below: self.below.clone(),
            insides: self.insides.clone(),
        }
    }

    /// Its query for what is asked of it.
    fn columns(&self, asked: &Asked) -> Result<LogicalPlan> {
        let columns = self.plan.schema().columns();
        let chosen = asked.projection.iter().filter_map(|position| columns.get(*position));
        let chosen: Vec<_> = chosen.cloned().map(Expr::Column).collect();
        LogicalPlanBuilder::from(self.plan.clone()).project(chosen)?.build()
    }

    /// Its query.
    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Its leaf's permission, before its query is physical.
    pub(crate) fn permit(&self) -> &Arc<Permit> {
        &self.permit
    }

    /// Whether it was resolved for the statement of `seal`.
    pub(crate) fn is_of(&self, seal: &StatementSeal) -> bool {
        self.seal.is(seal)
    }
}

#[async_trait]
impl TableProvider for SealedView {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let asked = Asked { projection, filters: Vec::new(), limit: None };
        let inner = self.insides.physical(state, asked, |asked| self.columns(asked)).await?;
        let permits = check_governed(&inner, &self.below)?;
        let files = files_of(&inner);
        let mut permit = self.permit.as_ref().clone();
        permit.barrier = permits.iter().map(|inner| inner.barrier).fold(permit.barrier, Ord::max);
        permit.policies = permits.iter().flat_map(|inner| inner.policies.iter().cloned()).collect();
        permit.fingerprint = permits.iter().map(|inner| inner.canonical()).collect::<Vec<_>>().join("\n");
        Ok(Arc::new(GovernedScanExec::new(
            inner,
            Arc::new(permit),
            self.seal.clone(),
            Admission::none(),
            0,
            files,
        )))
    }
}

/// The files of all leaves within a view's plan.
fn files_of(plan: &Arc<dyn ExecutionPlan>) -> PlannedFiles {
    let node: &dyn Any = plan.as_ref();
    if let Some(leaf) = node.downcast_ref::<GovernedScanExec>() {
        return leaf.readings().files;
    }
    plan.children().into_iter().map(files_of).fold(PlannedFiles::default(), PlannedFiles::and)
}
