//! How policies are told: SHOW POLICIES, SHOW EFFECTIVE POLICIES, DESCRIBE POLICY. Functions by name,
//! no bodies.

use weir_catalog::securable::{SecurableId, SecurableName};
use weir_catalog::{
    ColumnMatch, Composition, Literal, Name, OnNoMatch, TagPolicy, TagPolicyArgument, TagPolicyRule,
};

use super::{Call, Sight, found, principals, readable_scope, scope_texts};
use crate::command::listing::Row;
use crate::error::Result;
use crate::error::convert::not_found;
use crate::sql::{SecurableReference, policy_text, types};

/// SHOW POLICIES ON: what stands on exactly that scope.
pub(crate) fn standing(call: Call<'_>, sight: Sight<'_>, scope: &SecurableReference) -> Result<Vec<Row>> {
    let id = readable_scope(call, sight, scope)?;
    Ok(sight.snapshot.tag_policies_on(id).map(|policy| row(sight, policy)).collect())
}

/// SHOW EFFECTIVE POLICIES ON: of a table, its own policies and those that speak of it, from wherever
/// they stand; of a catalog or schema, those that stand on it and above.
pub(crate) fn effective(call: Call<'_>, sight: Sight<'_>, on: &SecurableReference) -> Result<Vec<Row>> {
    let id = readable_scope(call, sight, on)?;
    let SecurableId::Table(table) = id else {
        let mut scopes: Vec<SecurableId> = sight.snapshot.containers_of(id).collect();
        scopes.reverse();
        scopes.insert(0, SecurableId::Metastore);
        scopes.extend((id != SecurableId::Metastore).then_some(id));
        let policies = scopes.into_iter().flat_map(|scope| sight.snapshot.tag_policies_on(scope));
        return Ok(policies.map(|policy| row(sight, policy)).collect());
    };
    let missing = || not_found(&sight.snapshot.name_of(id).unwrap_or(SecurableName::Metastore));
    let table = sight.snapshot.table_by_id(table).ok_or_else(missing)?;
    let name = |function| sight.snapshot.policy_function_name(function);
    let full = table.name.to_string();
    let mut rows = Vec::new();
    if let Some(filter) = &table.row_filter {
        rows.push(Row::of(["", "ROW_FILTER", "TABLE", &full, &name(filter.function), "", "", ""]));
    }
    for mask in &table.masks {
        let column = policy_text::place(mask);
        rows.push(Row::of(["", "COLUMN_MASK", "TABLE", &full, &name(mask.function), "", "", &column]));
    }
    for policy in sight.snapshot.tag_policies_over(table) {
        let Some(covered) = sight.snapshot.covered(policy, table) else { continue };
        let reach = match (&policy.rule, covered.missing(policy).is_empty(), policy.on_no_match) {
            (_, false, OnNoMatch::Skip) => continue,
            (_, false, OnNoMatch::Deny) => "the table cannot be read: no column matches".to_owned(),
            (TagPolicyRule::RowFilter, true, _) => String::new(),
            (TagPolicyRule::ColumnMask { on }, true, _) => {
                let columns = covered.columns(policy, on).iter().map(|column| column.name.as_str());
                columns.collect::<Vec<_>>().join(", ")
            }
        };
        let mut row = row(sight, policy);
        row.texts.pop();
        row.texts.push(Some(reach));
        rows.push(row);
    }
    Ok(rows)
}

/// DESCRIBE POLICY.
pub(crate) fn description(
    call: Call<'_>,
    sight: Sight<'_>,
    name: &Name,
    scope: &SecurableReference,
) -> Result<Vec<Row>> {
    let policy = found(call, sight, name, scope)?;
    let snapshot = sight.snapshot;
    let [kind, on] = scope_texts(snapshot, policy.scope);
    let matches: Vec<String> = policy.matches.iter().map(match_text).collect();
    let arguments: Vec<String> = policy.arguments.iter().map(argument_text).collect();
    let on_column = match &policy.rule {
        TagPolicyRule::RowFilter => None,
        TagPolicyRule::ColumnMask { on } => Some(types::quoted(on)),
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let pairs = [
        ("Name", Some(policy.name.to_string())),
        ("Comment", policy.comment.clone()),
        ("Policy Type", Some(kind_of(policy).to_owned())),
        ("On Securable Type", Some(kind)),
        ("On Securable", Some(on)),
        ("Function", Some(snapshot.policy_function_name(policy.function))),
        ("To Principals", Some(principals(snapshot, &policy.audience.to))),
        ("Except Principals", some(principals(snapshot, &policy.audience.except))),
        ("For Securable Type", Some("TABLE".to_owned())),
        ("When Condition", Some(policy.when.to_string())),
        ("Match Columns", some(matches.join(", "))),
        ("On Column", on_column),
        ("Using Columns", some(arguments.join(", "))),
        ("Composition", Some(composition(policy).to_owned())),
        ("On No Match", Some(on_no_match(policy).to_owned())),
        ("Created By", Some(sight.principal_name(policy.stamps.created_by))),
        ("Created At", Some(policy.stamps.created_at.to_rfc3339())),
    ];
    let rows = pairs.into_iter().filter_map(|(name, value)| Some(Row::of([name, &value?])));
    Ok(rows.collect())
}

fn row(sight: Sight<'_>, policy: &TagPolicy) -> Row {
    let [kind, on] = scope_texts(sight.snapshot, policy.scope);
    Row::of([
        policy.name.as_str(),
        kind_of(policy),
        &kind,
        &on,
        &sight.snapshot.policy_function_name(policy.function),
        &principals(sight.snapshot, &policy.audience.to),
        &principals(sight.snapshot, &policy.audience.except),
        policy.comment.as_deref().unwrap_or_default(),
    ])
}

fn kind_of(policy: &TagPolicy) -> &'static str {
    match policy.rule {
        TagPolicyRule::RowFilter => "ROW_FILTER",
        TagPolicyRule::ColumnMask { .. } => "COLUMN_MASK",
    }
}

fn composition(policy: &TagPolicy) -> &'static str {
    match policy.composition {
        Composition::Permissive => "PERMISSIVE",
        Composition::Restrictive => "RESTRICTIVE",
    }
}

fn on_no_match(policy: &TagPolicy) -> &'static str {
    match policy.on_no_match {
        OnNoMatch::Skip => "SKIP",
        OnNoMatch::Deny => "DENY",
    }
}

fn match_text(columns: &ColumnMatch) -> String {
    match &columns.alias {
        Some(alias) => format!("{} AS {}", columns.condition, types::quoted(alias)),
        None => columns.condition.to_string(),
    }
}

fn argument_text(argument: &TagPolicyArgument) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match argument {
        TagPolicyArgument::Alias(alias) => types::quoted(alias),
        TagPolicyArgument::TagValue(key) => format!("tag_value({})", quoted(key.as_str())),
        TagPolicyArgument::Literal(Literal::String(text)) => quoted(text),
        TagPolicyArgument::Literal(Literal::Number(text)) => text.clone(),
        TagPolicyArgument::Literal(Literal::Boolean(value)) => value.to_string().to_uppercase(),
        TagPolicyArgument::Literal(Literal::Interval(text)) => format!("INTERVAL {text}"),
        TagPolicyArgument::Literal(Literal::Null) => "NULL".to_owned(),
    }
}
