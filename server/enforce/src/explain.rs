//! What a policy is to one caller, in words: which facts about the caller its function asks for, and what
//! is left of it once they are known.
//!
//! A fact is the call and its answer, e.g. `is_account_group_member('midwest') = false`. Nothing else of
//! the body is told, and no value of any row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Values};
use weir_catalog::effective::{EffectiveArgument, EffectivePolicies, OpenedColumn, PolicyRefusal};
use weir_catalog::{Function, Literal, Table};

use crate::binder::bind_expression;
use crate::error::Refusal;
use crate::identity_function::told;
use crate::policy_expression::{Policies, PolicyCompiler};
use crate::resolver::{Access, Scope};

/// What is left of a policy for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the caller sees all rows, or the value itself.
    FoldsAway,
    /// No row can come through.
    HidesAll,
    /// Rows or values are decided one by one.
    Holds,
}

/// The policies that hold on `table` for the scope's caller, before any is compiled.
pub async fn effective(
    scope: &Arc<Scope>,
    table: &Table,
) -> Result<Result<EffectivePolicies, PolicyRefusal>> {
    let opened = scope.open(table).await?;
    let schema = opened.provider.schema();
    let columns: Vec<OpenedColumn<'_>> = schema
        .fields()
        .iter()
        .map(|field| OpenedColumn {
            name: field.name(),
            field_id: opened.field_ids.get(field.name()).copied(),
        })
        .collect();
    Ok(scope.snapshot().effective_policies(table, scope.caller().principal(), &columns))
}

/// These policies of `table`, compiled for the scope's caller, and what is left of them.
pub async fn outcome(
    scope: &Arc<Scope>,
    table: &Table,
    effective: &EffectivePolicies,
) -> Result<(Outcome, Policies)> {
    let opened = scope.open(table).await?;
    let policies = Box::pin(PolicyCompiler::new(scope).compile_effective(table, &opened, effective)).await?;
    let hides = match policies.filter() {
        Some(Expr::Literal(value, _)) => value.is_null() || *value == ScalarValue::from(false),
        _ => false,
    };
    let outcome = match (hides, policies.is_trivial()) {
        (true, _) => Outcome::HidesAll,
        (false, true) => Outcome::FoldsAway,
        (false, false) => Outcome::Holds,
    };
    Ok((outcome, policies))
}

/// The facts about the scope's caller that `function` asks for, sorted. `arguments` are those of the
/// policy, from the function's first parameter on.
pub async fn facts(
    scope: &Arc<Scope>,
    function: &Function,
    arguments: &[EffectiveArgument],
) -> Result<Vec<String>> {
    let sources = scope.sources();
    let mut fields = Vec::new();
    for parameter in &function.parameters {
        let unknown = || Refusal::FunctionUnfit {
            function: function.name.to_string(),
            reason: format!("type `{}` is not known", parameter.type_text),
        };
        let wanted = (sources.parse_type)(&parameter.type_text).ok_or_else(unknown)?;
        fields.push((None, Arc::new(Field::new(&parameter.name, wanted, true))));
    }
    let schema = DFSchema::new_with_metadata(fields, Default::default())?;
    let body = (sources.parse_expression)(&function.body)?;
    let planned = bind_expression(scope, &Access::of_policy(function, None), body, &schema).await?;
    let constants = constants(function, arguments);
    let mut facts = BTreeSet::new();
    let carrier =
        LogicalPlan::Values(Values { schema: Arc::new(DFSchema::empty()), values: vec![vec![planned]] });
    carrier.apply_with_subqueries(|node| {
        node.apply_expressions(|whole| {
            whole.apply(|part| {
                if let Expr::ScalarFunction(call) = part {
                    let argument = call.args.first().and_then(|argument| constant(argument, &constants));
                    facts.extend(told(call.func.name(), scope.caller(), argument.as_deref()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(facts.into_iter().collect())
}

/// The parameters that are the same string for each row, by folded name.
fn constants(function: &Function, arguments: &[EffectiveArgument]) -> BTreeMap<String, String> {
    let given =
        function.parameters.iter().zip(arguments).filter_map(|(parameter, argument)| match argument {
            EffectiveArgument::Literal(Literal::String(text)) => {
                Some((parameter.name.to_lowercase(), text.clone()))
            }
            _ => None,
        });
    let left_out = function.parameters.iter().skip(arguments.len()).filter_map(|parameter| {
        let text = parameter.default.as_deref()?.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((parameter.name.to_lowercase(), text.replace("''", "'")))
    });
    given.chain(left_out).collect()
}

fn constant(argument: &Expr, constants: &BTreeMap<String, String>) -> Option<String> {
    match argument {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        Expr::Column(column) => constants.get(&column.name.to_lowercase()).cloned(),
        Expr::OuterReferenceColumn(_, column) => constants.get(&column.name.to_lowercase()).cloned(),
        _ => None,
    }
}
