//! [`Body`]: what a function says, planned once a statement, and what it touches.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Volatility, cast};
use datafusion::sql::sqlparser::ast;
use weir_catalog::{Function, FunctionId, Privilege, Returns, SecurableId, TableId};

use super::apart::{bare_names, set_apart};
use super::inline::{is_constant, size_of};
use crate::binder::{bind_expression_with_uses, bind_query_over};
use crate::error::Refusal;
use crate::policy_expression::{body_fault, coerced, simplifier};
use crate::resolver::{Access, Scope};

/// The relation whose columns stand for the parameters while a body is planned; no body names it.
pub(super) const PARAMETERS: &str = "weir:function";

/// Everything a text touches by names: what it reads, what it calls, at any depth of calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    /// The tables and views named, those of called functions' bodies among them.
    pub(crate) tables: BTreeSet<TableId>,
    /// The functions called.
    pub(crate) functions: BTreeSet<FunctionId>,
    /// Whether a called function speaks of the session user.
    pub(crate) tests_identity: bool,
}

impl Uses {
    /// Adds what `other` touches.
    pub(crate) fn extend(&mut self, other: &Uses) {
        self.tables.extend(&other.tables);
        self.functions.extend(&other.functions);
        self.tests_identity |= other.tests_identity;
    }

    /// Whether `reader` may SELECT all that is read.
    pub(crate) fn is_readable(&self, scope: &Scope, reader: &Access) -> bool {
        let reads = |id| reader.decide(scope, Privilege::Select, SecurableId::Table(id)).is_allowed();
        self.tables.iter().copied().all(reads)
    }

    /// Whether `caller` may know the bodies of all that is called.
    pub(crate) fn is_knowable(&self, scope: &Scope, caller: &Access) -> bool {
        self.functions.iter().all(|id| {
            [Privilege::Execute, Privilege::Manage]
                .into_iter()
                .any(|privilege| caller.decide(scope, privilege, SecurableId::Function(*id)).is_allowed())
        })
    }
}

/// What a body says.
#[derive(Debug)]
pub(super) enum Saying {
    /// One value, of the declared type, over the columns of [`PARAMETERS`].
    Value(Expr),
    /// Rows of the declared columns, over outer references to [`PARAMETERS`].
    Rows(LogicalPlan),
}

/// A function's body within one statement.
#[derive(Debug)]
pub(crate) struct Body {
    pub(super) id: FunctionId,
    pub(super) name: String,
    pub(super) parameters: Vec<Arc<Field>>,
    pub(super) returns: DataType,
    pub(super) saying: Saying,
    /// The columns in its subqueries that belong to no relation.
    pub(super) bare_names: BTreeSet<String>,
    /// How many expressions and operators it has.
    pub(super) size: usize,
    /// What it touches, itself among the functions.
    pub(crate) uses: Uses,
}

impl Body {
    /// Plans the body of `function` with its owner's rights. `access` is that of the text that calls it.
    pub(crate) async fn plan(scope: &Arc<Scope>, access: &Access, function: &Function) -> Result<Self> {
        let inner = access.of_function(function)?;
        let parameters = parameters_of(scope, function)?;
        let relation = TableReference::bare(PARAMETERS);
        let fields = parameters.iter().map(|field| (Some(relation.clone()), Arc::clone(field)));
        let schema = DFSchema::new_with_metadata(fields.collect(), Default::default())?;
        let (saying, returns, mut uses) = match &function.returns {
            Returns::Scalar(text) => value_of(scope, &inner, function, text, &schema).await?,
            Returns::Table(columns) => {
                let (rows, uses) = rows_of(scope, &inner, function, columns, &schema).await?;
                (Saying::Rows(rows), DataType::Null, uses)
            }
        };
        uses.functions.insert(function.id);
        let (size, bare_names) = match &saying {
            Saying::Value(expression) => (size_of(expression)?, bare_names(expression)?),
            Saying::Rows(_) => (1, BTreeSet::new()),
        };
        Ok(Self {
            id: function.id,
            name: function.name.to_string(),
            parameters,
            returns,
            saying,
            bare_names,
            size,
            uses,
        })
    }
}

impl Body {
    /// What it gives: the one value's type, or a struct of its rows' columns.
    pub(crate) fn gives(&self) -> Result<DataType> {
        match &self.saying {
            Saying::Value(_) => Ok(self.returns.clone()),
            Saying::Rows(plan) => Ok(DataType::Struct(plan.schema().as_arrow().fields().clone())),
        }
    }
}

async fn value_of(
    scope: &Arc<Scope>,
    inner: &Access,
    function: &Function,
    returns: &str,
    schema: &DFSchema,
) -> Result<(Saying, DataType, Uses)> {
    let sources = scope.sources();
    let tree = (sources.parse_expression)(&function.body)?;
    let tests_identity = super::calls::tests_identity(&tree);
    let (planned, mut uses) = bind_expression_with_uses(scope, inner, tree, schema).await?;
    uses.tests_identity |= tests_identity;
    if let Some(reason) = body_fault(&planned)? {
        return Err(unfit(function, reason).into());
    }
    let value = coerced(scope, planned, schema)?;
    let own = value.get_type(schema)?;
    // While a function is made its type may be left to its body.
    let returns = match (sources.parse_type)(returns) {
        Some(returns) => returns,
        None if returns.is_empty() => own.clone(),
        None => return Err(unfit(function, format!("type `{returns}` is not known")).into()),
    };
    if own != returns && !datafusion::arrow::compute::can_cast_types(&own, &returns) {
        return Err(unfit(function, format!("its body gives {own} and it returns {returns}")).into());
    }
    let value = if own == returns { value } else { cast(value, returns.clone()) };
    let value = set_apart(value, &function.name.to_string())?;
    Ok((Saying::Value(value), returns, uses))
}

/// The rows under the declared names and types.
async fn rows_of(
    scope: &Arc<Scope>,
    inner: &Access,
    function: &Function,
    columns: &[weir_catalog::Parameter],
    schema: &DFSchema,
) -> Result<(LogicalPlan, Uses)> {
    let sources = scope.sources();
    let query = (sources.parse_query)(&function.body)?;
    let tests_identity = super::calls::tests_identity(&query);
    let (plan, mut uses) = bind_query_over(scope, inner, query, schema).await?;
    uses.tests_identity |= tests_identity;
    if let Some(reason) = rows_fault(&plan)? {
        return Err(unfit(function, reason).into());
    }
    let planned = plan.schema().columns();
    // While a function is made its columns may be left to its query.
    if columns.is_empty() {
        return Ok((plan, uses));
    }
    if planned.len() != columns.len() {
        let reason = format!("its query gives {} columns and it returns {}", planned.len(), columns.len());
        return Err(unfit(function, reason).into());
    }
    let mut named = Vec::new();
    for (planned, column) in planned.into_iter().zip(columns) {
        let wanted = (sources.parse_type)(&column.type_text)
            .ok_or_else(|| unfit(function, format!("type `{}` is not known", column.type_text)))?;
        let own = plan.schema().field_from_column(&planned)?.data_type().clone();
        if own != wanted && !datafusion::arrow::compute::can_cast_types(&own, &wanted) {
            let reason = format!("column `{}` is {own} in its query and {wanted} in its rows", column.name);
            return Err(unfit(function, reason).into());
        }
        let value = Expr::Column(planned);
        let value = if own == wanted { value } else { cast(value, wanted) };
        named.push(value.alias(column.name.to_lowercase()));
    }
    Ok((datafusion::logical_expr::LogicalPlanBuilder::from(plan).project(named)?.build()?, uses))
}

/// Why a query cannot be a table function's.
fn rows_fault(plan: &LogicalPlan) -> Result<Option<&'static str>> {
    let mut fault = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|part| {
            if part.is_volatile() {
                fault = Some("its query calls a function whose result varies");
            }
            if part.exists(|inner| Ok(matches!(inner, Expr::Placeholder(_))))? {
                fault = Some("its query has parameters that nothing gives");
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(fault)
}

/// The parameters as fields; two of one name would be one.
fn parameters_of(scope: &Scope, function: &Function) -> Result<Vec<Arc<Field>>> {
    let mut fields: Vec<Arc<Field>> = Vec::new();
    for parameter in &function.parameters {
        let wanted = (scope.sources().parse_type)(&parameter.type_text)
            .ok_or_else(|| unfit(function, format!("type `{}` is not known", parameter.type_text)))?;
        if fields.iter().any(|known| *known.name() == parameter.name) {
            return Err(unfit(function, "two of its parameters share a name").into());
        }
        fields.push(Arc::new(Field::new(&parameter.name, wanted, true)));
    }
    if function.body.contains(PARAMETERS) {
        return Err(unfit(function, format!("its body holds `{PARAMETERS}`")).into());
    }
    Ok(fields)
}

fn unfit(function: &Function, reason: impl Into<String>) -> Refusal {
    Refusal::FunctionUnfit { function: function.name.to_string(), reason: reason.into() }
}

/// What users may know of a function that cannot be planned: bounds are told, all else stays with
/// administrators.
pub(super) fn broken(function: &Function, error: DataFusionError) -> DataFusionError {
    if let Some(Refusal::TooLarge { operators_max }) = Refusal::within(&error) {
        return Refusal::TooLarge { operators_max: *operators_max }.into();
    }
    Refusal::FunctionBroken { function: function.name.to_string(), detail: error.strip_backtrace() }.into()
}

/// `EXISTS (query)`: the one way in for a query that sees columns around it.
pub(crate) fn exists(query: ast::Query) -> ast::Expr {
    ast::Expr::Exists { subquery: Box::new(query), negated: false }
}

/// Whether `text` is a constant of type `type_text`: the same always, told by nothing but itself.
pub async fn check_constant(scope: &Arc<Scope>, text: &str, type_text: &str) -> Result<bool> {
    let sources = scope.sources();
    let Some(wanted) = (sources.parse_type)(type_text) else { return Ok(false) };
    let none = DFSchema::empty();
    let tree = (sources.parse_expression)(text)?;
    if super::calls::tests_identity(&tree) {
        return Ok(false);
    }
    let access = Access::of_caller(scope.caller(), "", "");
    let (planned, uses) = bind_expression_with_uses(scope, &access, tree, &none).await?;
    let mut steady = uses.tables.is_empty() && uses.functions.is_empty() && is_constant(&planned)?;
    planned.apply(|part| {
        if let Expr::ScalarFunction(call) = part {
            steady &= call.func.signature().volatility == Volatility::Immutable;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !steady || matches!(planned, Expr::Placeholder(_)) {
        return Ok(false);
    }
    let value = coerced(scope, cast(planned, wanted), &none)?;
    Ok(matches!(simplifier(scope, &none).simplify(value)?, Expr::Literal(..)))
}
