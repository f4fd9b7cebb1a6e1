//! Row filters, column masks and tag policies, by the names of their functions and never by their bodies.
//!
//! `row_filters` and `column_masks` hold what is set on tables themselves, one row each, as tools expect;
//! tag policies stand in views of their own.

use weir_catalog::{
    Composition, OnNoMatch, PolicyFunction, Privilege, SecurableId, SecurableName, TagCondition, TagPolicy,
    TagPolicyRule,
};

use super::rows::{Cell, Rows, name};
use super::tables::{TABLE, TABLE_KEY, names};
use super::{Asked, Definition, Holds, Reach, View};
use crate::sql::policy_text;

/// The names that the reference's manual has for the same.
const TABLE_AGAIN: &[Definition] = &[
    ("catalog_name", Holds::Text, "The table's catalog."),
    ("schema_name", Holds::Text, "The table's schema."),
];

pub(super) static ROW_FILTERS: View = View {
    name: "row_filters",
    meaning: "Row filters set on tables, of those that the caller may read or administers.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[
        TABLE,
        &[
            ("filter_name", Holds::Text, "The full name of its function."),
            ("target_columns", Holds::Text, "What the function gets, separated by commas."),
        ],
        TABLE_AGAIN,
        &[
            ("filter_catalog", Holds::Text, "The function's catalog."),
            ("filter_schema", Holds::Text, "The function's schema."),
            ("filter_col_usage", Holds::Text, "As `target_columns`."),
        ],
    ],
    rows: |asked, rows| {
        for table in asked.visible.tables(&asked.within) {
            let Some(filter) = table.row_filter.as_ref().filter(|_| asked.may_read(table)) else { continue };
            let arguments = Cell::from(policy_text::arguments(&filter.arguments));
            let function = function(asked, filter.function);
            let names = names(&table.name);
            let again = names.get(..2).unwrap_or_default();
            let of = [function.full, arguments.clone()];
            rows.push([&names, &of, again, &[function.catalog, function.schema, arguments]]);
        }
    },
};

pub(super) static COLUMN_MASKS: View = View {
    name: "column_masks",
    meaning: "Column masks set on tables, of those that the caller may read or administers.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[
        TABLE,
        &[
            ("column_name", Holds::Text, "The column; with the path, of a field in it."),
            ("mask_name", Holds::Text, "The full name of its function."),
            (
                "using_columns",
                Holds::Text,
                "What else the function gets, separated by commas; null if nothing.",
            ),
        ],
        TABLE_AGAIN,
        &[
            ("mask_catalog", Holds::Text, "The function's catalog."),
            ("mask_schema", Holds::Text, "The function's schema."),
            ("mask_col_usage", Holds::Text, "As `using_columns`."),
        ],
    ],
    rows: column_masks,
};

fn column_masks(asked: &Asked<'_>, rows: &mut Rows) {
    for table in asked.visible.tables(&asked.within) {
        if table.masks.is_empty() || !asked.may_read(table) {
            continue;
        }
        for mask in &table.masks {
            let column = std::iter::once(&mask.column.name).chain(&mask.path);
            let column = column.map(String::as_str).collect::<Vec<_>>().join(".");
            let arguments = (!mask.arguments.is_empty()).then(|| policy_text::arguments(&mask.arguments));
            let arguments = Cell::from(arguments);
            let function = function(asked, mask.function);
            let names = names(&table.name);
            let again = names.get(..2).unwrap_or_default();
            let of = [column.into(), function.full, arguments.clone()];
            rows.push([&names, &of, again, &[function.catalog, function.schema, arguments]]);
        }
    }
}

/// The parts of a function's name.
struct FunctionName {
    full: Cell,
    catalog: Cell,
    schema: Cell,
}

fn function(asked: &Asked<'_>, function: PolicyFunction) -> FunctionName {
    let full = Cell::from(asked.snapshot.policy_function_name(function));
    match function {
        PolicyFunction::Builtin(_) => {
            FunctionName { full, catalog: "system".into(), schema: "policy".into() }
        }
        PolicyFunction::Sql(id) => {
            let found = asked.snapshot.function_by_id(id);
            FunctionName {
                full,
                catalog: found.map(|found| name(&found.name.catalog)).into(),
                schema: found.map(|found| name(&found.name.schema)).into(),
            }
        }
    }
}

const POLICY: &[Definition] = &[
    ("policy_id", Holds::Text, "Its id."),
    ("policy_name", Holds::Text, "Its name."),
    ("policy_type", Holds::Text, "`ROW_FILTER` or `COLUMN_MASK`."),
    ("catalog_name", Holds::Text, "The catalog it stands on or in; null on the metastore."),
    ("schema_name", Holds::Text, "The schema it stands on or in."),
    ("securable_name", Holds::Text, "The table it stands on."),
    ("on_securable_type", Holds::Text, "The kind of what it stands on."),
    ("to_principals", Holds::Texts, "For whom it holds."),
    ("except_principals", Holds::Texts, "For whom it does not."),
    ("for_securable_type", Holds::Text, "`TABLE`."),
    ("privileges", Holds::Texts, "Null: it grants nothing."),
    ("when_condition", Holds::Text, "For which tables; null for all."),
    ("match_columns", Holds::Texts, "Which columns it needs."),
    ("created_by", Holds::Text, "Who made it; null when that principal is gone."),
];

pub(super) static ABAC_POLICY_DEFINITIONS: View = View {
    name: "abac_policy_definitions",
    meaning: "Tag policies, of those on what the caller administers or whose metadata it may read.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), Some("securable_name")],
    columns: &[POLICY],
    rows: |asked, rows| {
        for policy in readable(asked) {
            rows.push([&definition(asked, policy)]);
        }
    },
};

pub(super) static POLICIES: View = View {
    name: "policies",
    meaning: "Tag policies as `abac_policy_definitions` has them, and how they work.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), Some("securable_name")],
    columns: &[
        POLICY,
        &[
            ("function_name", Holds::Text, "The full name of its function."),
            ("on_column", Holds::Text, "The alias of the columns that a mask masks."),
            ("using_columns", Holds::Text, "What the function gets, separated by commas; null if nothing."),
            ("composition", Holds::Text, "`PERMISSIVE` or `RESTRICTIVE`."),
            ("on_no_match", Holds::Text, "`SKIP` or `DENY`: what holds where columns are missing."),
            ("comment", Holds::Text, "A remark for people."),
            ("created", Holds::Moment, "When it was made."),
            ("last_altered", Holds::Moment, "When it was last changed."),
            ("last_altered_by", Holds::Text, "Who changed it last; null when that principal is gone."),
        ],
    ],
    rows: policies,
};

fn policies(asked: &Asked<'_>, rows: &mut Rows) {
    for policy in readable(asked) {
        let on = match &policy.rule {
            TagPolicyRule::RowFilter => None,
            TagPolicyRule::ColumnMask { on } => Some(on.as_str()),
        };
        let arguments =
            (!policy.arguments.is_empty()).then(|| policy_text::tag_policy_arguments(&policy.arguments));
        let composition = match policy.composition {
            Composition::Permissive => "PERMISSIVE",
            Composition::Restrictive => "RESTRICTIVE",
        };
        let on_no_match = match policy.on_no_match {
            OnNoMatch::Skip => "SKIP",
            OnNoMatch::Deny => "DENY",
        };
        let working = [
            asked.snapshot.policy_function_name(policy.function).into(),
            on.into(),
            arguments.into(),
            composition.into(),
            on_no_match.into(),
            policy.comment.clone().into(),
            Cell::Moment(policy.stamps.created_at),
            Cell::Moment(policy.stamps.altered_at),
            asked.principal_name(policy.stamps.altered_by).into(),
        ];
        rows.push([&definition(asked, policy), &working]);
    }
}

/// The policies that the caller may read, by scope and name.
fn readable<'a>(asked: &Asked<'a>) -> Vec<&'a TagPolicy> {
    let readable = |on| asked.may_any(&[Privilege::Manage, Privilege::ReadMetadata], on);
    let mut scopes = Vec::new();
    if asked.is_of_all() && asked.within.catalog.is_none() && administers_metastore(asked) {
        scopes.push(SecurableId::Metastore);
    }
    let (visible, within) = (&asked.visible, &asked.within);
    let set_on = |on: &SecurableId| asked.snapshot.tag_policies_on(*on).next().is_some();
    let catalogs = visible.catalogs(within).into_iter().map(|found| SecurableId::Catalog(found.id));
    let schemas = visible.schemas(within).into_iter().map(|found| SecurableId::Schema(found.id));
    let tables = visible.tables(within).into_iter().map(|found| SecurableId::Table(found.id));
    scopes.extend(catalogs.chain(schemas).chain(tables).filter(set_on).filter(|on| readable(*on)));
    scopes.into_iter().flat_map(|on| asked.snapshot.tag_policies_on(on)).collect()
}

fn administers_metastore(asked: &Asked<'_>) -> bool {
    weir_catalog::is_account_admin(asked.snapshot, asked.by)
        || weir_catalog::is_metastore_admin(asked.snapshot, asked.by)
}

fn definition(asked: &Asked<'_>, policy: &TagPolicy) -> [Cell; 14] {
    let kind = match policy.rule {
        TagPolicyRule::RowFilter => "ROW_FILTER",
        TagPolicyRule::ColumnMask { .. } => "COLUMN_MASK",
    };
    let [catalog, schema, securable] = match asked.snapshot.name_of(policy.scope) {
        Some(SecurableName::Catalog(catalog)) => [name(&catalog), Cell::Null, Cell::Null],
        Some(SecurableName::Schema(schema)) => [name(&schema.catalog), name(&schema.schema), Cell::Null],
        Some(SecurableName::Table(table)) => names(&table),
        _ => [const { Cell::Null }; 3],
    };
    let on = asked.snapshot.kind_of(policy.scope).map(|kind| kind.to_string());
    let principals = |ids: &[weir_catalog::PrincipalId]| -> Cell {
        ids.iter().filter_map(|id| asked.principal_name(*id)).collect::<Vec<_>>().into()
    };
    let when = (policy.when != TagCondition::True).then(|| policy.when.to_string());
    let matches: Vec<String> = policy.matches.iter().map(policy_text::column_match).collect();
    [
        policy.id.to_string().into(),
        name(&policy.name),
        kind.into(),
        catalog,
        schema,
        securable,
        on.into(),
        principals(&policy.audience.to),
        principals(&policy.audience.except),
        "TABLE".into(),
        Cell::Null,
        when.into(),
        matches.into(),
        asked.principal_name(policy.stamps.created_by).into(),
    ]
}
