//! Whether a tag policy's function fits the tables that the policy finds now, as the catalog knows
//! their columns. What fits no table any more later refuses that table when it is queried.

use arrow::datatypes::DataType;
use weir_catalog::metastore::TagPolicySpec;
use weir_catalog::securable::SecurableId;
use weir_catalog::{Audience, PolicyFunction, Stamps, TagPolicyId};
use weir_catalog::{
    BuiltinMask, Column, CoveredTable, Function, Literal, TagPolicy, TagPolicyArgument, TagPolicyRule,
};
use weir_enforce::policy_expression::{builtin_takes, fits_without_loss};

use super::Sight;
use crate::error::{Condition, Error, Result};
use crate::sql::types;

/// Refuses a policy whose function fits not one table of those it finds, naming that table.
pub(super) fn check(sight: Sight<'_>, spec: &TagPolicySpec) -> Result<()> {
    let callee = Callee::of(sight, spec)?;
    let policy = trial(sight, spec, &callee)?;
    check_result(&policy, &callee)?;
    for table in sight.snapshot.tables_within(policy.scope) {
        let Some(covered) = sight.snapshot.covered(&policy, table) else { continue };
        if let Err(reason) = misfit(&policy, &callee, &covered) {
            let seen = sight.sees(SecurableId::Table(table.id));
            let on =
                if seen { format!("table `{}`", table.name) } else { "a table you may not see".to_owned() };
            let reason = if seen { format!(": {reason}") } else { String::new() };
            return Err(incompatible(&policy, format!("the policy does not fit {on}{reason}")));
        }
    }
    Ok(())
}

/// Why the policy that stands does not fit a table it finds.
pub(super) fn misfit_of(sight: Sight<'_>, policy: &TagPolicy, covered: &CoveredTable<'_>) -> Option<String> {
    let callee = match policy.function {
        PolicyFunction::Builtin(mask) => Callee::Builtin(mask),
        PolicyFunction::Sql(id) => match sight.snapshot.function_by_id(id) {
            Some(function) => Callee::Sql(function),
            None => return Some("its function does not exist".to_owned()),
        },
    };
    misfit(policy, &callee, covered).err()
}

enum Callee<'a> {
    Sql(&'a Function),
    Builtin(BuiltinMask),
}

impl<'a> Callee<'a> {
    fn of(sight: Sight<'a>, spec: &TagPolicySpec) -> Result<Self> {
        match BuiltinMask::find(&spec.function) {
            Some(mask) => Ok(Callee::Builtin(mask)),
            None => Ok(Callee::Sql(sight.function(&spec.function)?)),
        }
    }

    /// The type of a parameter, where it has one type only.
    fn parameter(&self, position: usize) -> Option<(String, DataType)> {
        let Callee::Sql(function) = self else { return None };
        let parameter = function.parameters.get(position)?;
        Some((parameter.name.clone(), types::parse(&parameter.type_text).ok()?.arrow))
    }
}

/// The policy as it would be, for its conditions.
fn trial(sight: Sight<'_>, spec: &TagPolicySpec, callee: &Callee<'_>) -> Result<TagPolicy> {
    Ok(TagPolicy {
        id: TagPolicyId::fresh(),
        name: spec.name.clone(),
        scope: sight.find(&spec.scope)?,
        rule: spec.rule.clone(),
        function: match callee {
            Callee::Sql(function) => PolicyFunction::Sql(function.id),
            Callee::Builtin(mask) => PolicyFunction::Builtin(*mask),
        },
        audience: Audience::default(),
        when: spec.when.clone(),
        matches: spec.matches.clone(),
        arguments: spec.arguments.clone(),
        composition: spec.composition,
        on_no_match: spec.on_no_match,
        comment: None,
        semantics: weir_catalog::policy::SEMANTICS,
        stamps: Stamps::new(chrono::DateTime::UNIX_EPOCH, sight.by),
    })
}

fn incompatible(policy: &TagPolicy, message: String) -> Error {
    let condition = match policy.rule {
        TagPolicyRule::RowFilter => Condition::RowFilterIncompatible,
        TagPolicyRule::ColumnMask { .. } => Condition::MaskIncompatible,
    };
    Error::new(condition, message).with_hint("types must be the same, or wider without loss")
}

fn check_result(policy: &TagPolicy, callee: &Callee<'_>) -> Result<()> {
    let (TagPolicyRule::RowFilter, Callee::Sql(function)) = (&policy.rule, callee) else { return Ok(()) };
    let returns = function.returns.text();
    if returns.eq_ignore_ascii_case("BOOLEAN") {
        return Ok(());
    }
    let message = format!("a row filter returns BOOLEAN, function `{}` returns {returns}", function.name);
    Err(incompatible(policy, message))
}

fn misfit(policy: &TagPolicy, callee: &Callee<'_>, covered: &CoveredTable<'_>) -> Result<(), String> {
    if !covered.missing(policy).is_empty() {
        // ON NO MATCH says what holds then.
        return Ok(());
    }
    let masked = match &policy.rule {
        TagPolicyRule::RowFilter => 0,
        TagPolicyRule::ColumnMask { on } => {
            for column in covered.columns(policy, on) {
                masks(callee, column)?;
            }
            1
        }
    };
    for (position, argument) in policy.arguments.iter().enumerate() {
        let Some((name, wanted)) = callee.parameter(position + masked) else { continue };
        match argument {
            TagPolicyArgument::Alias(alias) => match covered.columns(policy, alias) {
                [column] => takes(&name, &wanted, column)?,
                columns => return Err(format!("`{alias}` stands for {} columns", columns.len())),
            },
            TagPolicyArgument::TagValue(_) if !fits_without_loss(&DataType::Utf8, &wanted) => {
                return Err(format!("the value of a tag does not fit parameter `{name}`"));
            }
            TagPolicyArgument::Literal(literal) if !literal_fits(literal, &wanted) => {
                return Err(format!("a literal does not fit parameter `{name}`"));
            }
            TagPolicyArgument::TagValue(_) | TagPolicyArgument::Literal(_) => {}
        }
    }
    Ok(())
}

fn takes(parameter: &str, wanted: &DataType, column: &Column) -> Result<(), String> {
    match types::parse(&column.type_text) {
        Ok(own) if fits_without_loss(&own.arrow, wanted) => Ok(()),
        _ => Err(format!(
            "column `{}` of type {} does not fit parameter `{parameter}` of type {}",
            column.name,
            column.type_text,
            types::text_of(wanted)
        )),
    }
}

/// The column fits the first parameter, and the result fits the column.
fn masks(callee: &Callee<'_>, column: &Column) -> Result<(), String> {
    let function = match callee {
        Callee::Builtin(mask) => return builtin_masks(*mask, column),
        Callee::Sql(function) => function,
    };
    if let Some((name, wanted)) = callee.parameter(0) {
        takes(&name, &wanted, column)?;
    }
    let result = function.returns.scalar().and_then(|text| types::parse(text).ok());
    let own = types::parse(&column.type_text).ok();
    match (result, own) {
        (Some(result), Some(own)) if fits_without_loss(&result.arrow, &own.arrow) => Ok(()),
        _ => Err(format!(
            "the mask gives {} and column `{}` has type {}",
            function.returns.text(),
            column.name,
            column.type_text
        )),
    }
}

fn builtin_masks(mask: BuiltinMask, column: &Column) -> Result<(), String> {
    let own = types::parse(&column.type_text).ok();
    if own.is_some_and(|own| builtin_takes(mask, &own.arrow)) {
        return Ok(());
    }
    Err(format!("`{mask}` does not take column `{}` of type {}", column.name, column.type_text))
}

fn literal_fits(literal: &Literal, wanted: &DataType) -> bool {
    match literal {
        Literal::Null => true,
        Literal::Boolean(_) => *wanted == DataType::Boolean,
        Literal::String(_) => fits_without_loss(&DataType::Utf8, wanted),
        Literal::Number(_) => wanted.is_numeric(),
        Literal::Interval(_) => matches!(wanted, DataType::Interval(_)),
    }
}
