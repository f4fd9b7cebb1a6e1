//! Functions and their parameters.

use weir_catalog::{Function, Parameter, Returns};

use super::rows::{Cell, Rows, stamps, yes_or_no};
use super::tables::names;
use super::type_facts::{DETAILS, TYPE_OF_ROUTINE, TypeFacts};
use super::{Asked, Definition, Holds, Key, Reach, STAMPS, View};

/// The columns by which a view names a function.
pub(super) const SPECIFIC: &[Definition] = &[
    ("specific_catalog", Holds::Text, "The function's catalog."),
    ("specific_schema", Holds::Text, "The function's schema."),
    ("specific_name", Holds::Text, "The function."),
];

/// The same once more: functions are not overloaded.
pub(super) const ROUTINE: &[Definition] = &[
    ("routine_catalog", Holds::Text, "The function's catalog."),
    ("routine_schema", Holds::Text, "The function's schema."),
    ("routine_name", Holds::Text, "The function."),
];

/// The key of a view that names functions by [`SPECIFIC`].
pub(super) const SPECIFIC_KEY: Key =
    [Some("specific_catalog"), Some("specific_schema"), Some("specific_name")];

pub(super) static ROUTINES: View = View {
    name: "routines",
    meaning: "Functions.",
    reach: Reach::Catalog,
    key: SPECIFIC_KEY,
    columns: &[
        SPECIFIC,
        ROUTINE,
        &[("routine_owner", Holds::Text, "Its owner."), ("routine_type", Holds::Text, "`FUNCTION`.")],
        TYPE_OF_ROUTINE,
        DETAILS,
        &[
            ("routine_body", Holds::Text, "`SQL`."),
            (
                "routine_definition",
                Holds::Text,
                "Its body; null to those who may neither call nor administer it.",
            ),
            ("external_name", Holds::Text, "Null."),
            ("external_language", Holds::Text, "Null."),
            ("parameter_style", Holds::Text, "`S`."),
            ("is_deterministic", Holds::Text, "Null: nobody has to say."),
            ("sql_data_access", Holds::Text, "`READS SQL DATA` or `CONTAINS SQL`; null as the body is."),
            ("is_null_call", Holds::Text, "`YES`: it is called with nulls."),
            ("sql_path", Holds::Text, "Null: names in the body have three parts."),
            ("security_type", Holds::Text, "`DEFINER`."),
            ("as_locator", Holds::Text, "`NO`."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
    ],
    rows: |asked, rows| {
        for function in asked.visible.functions(&asked.within) {
            routine(asked, rows, function);
        }
    },
};

fn routine(asked: &Asked<'_>, rows: &mut Rows, function: &Function) {
    let full = names(&function.name);
    let (kind, details) = match &function.returns {
        Returns::Scalar(text) => {
            let facts = TypeFacts::of(text);
            ([facts.name, facts.full], facts.details)
        }
        Returns::Table(_) => {
            (["TABLE_TYPE".into(), function.returns.text().into()], [const { Cell::Null }; 9])
        }
    };
    let reads = asked.may_read_function(function);
    let access = if function.reads.is_empty() { "CONTAINS SQL" } else { "READS SQL DATA" };
    let body = [
        "SQL".into(),
        reads.then(|| function.body.clone()).into(),
        Cell::Null,
        Cell::Null,
        "S".into(),
        Cell::Null,
        reads.then_some(access).into(),
        yes_or_no(true),
        Cell::Null,
        "DEFINER".into(),
        yes_or_no(false),
        function.comment.clone().into(),
    ];
    let about = [asked.principal_name(function.owner).into(), "FUNCTION".into()];
    rows.push([&full, &full, &about, &kind, &details, &body, &stamps(asked, function.stamps)]);
}

pub(super) static PARAMETERS: View = View {
    name: "parameters",
    meaning: "Parameters of functions.",
    reach: Reach::Catalog,
    key: SPECIFIC_KEY,
    columns: &[
        SPECIFIC,
        &[
            ("ordinal_position", Holds::Number, "Its place, from 1."),
            ("parameter_mode", Holds::Text, "`IN`."),
            ("is_result", Holds::Text, "`NO`."),
            ("as_locator", Holds::Text, "`NO`."),
            ("parameter_name", Holds::Text, "The parameter."),
        ],
        TYPE_OF_ROUTINE,
        DETAILS,
        &[
            (
                "parameter_default",
                Holds::Text,
                "What it is when left out; null to those who may neither call nor administer the function.",
            ),
            ("comment", Holds::Text, "A remark for people."),
        ],
    ],
    rows: parameters,
};

fn parameters(asked: &Asked<'_>, rows: &mut Rows) {
    for function in asked.visible.functions(&asked.within) {
        let reads = asked.may_read_function(function);
        for (position, parameter) in (1_i64..).zip(&function.parameters) {
            let facts = TypeFacts::of(&parameter.type_text);
            let about = [
                position.into(),
                "IN".into(),
                yes_or_no(false),
                yes_or_no(false),
                parameter.name.as_str().into(),
            ];
            let default = parameter.default.clone().filter(|_| reads);
            let last = [default.into(), parameter.comment.clone().into()];
            rows.push([&names(&function.name), &about, &[facts.name, facts.full], &facts.details, &last]);
        }
    }
}

pub(super) static ROUTINE_COLUMNS: View = View {
    name: "routine_columns",
    meaning: "Columns that table functions give.",
    reach: Reach::Catalog,
    key: SPECIFIC_KEY,
    columns: &[
        SPECIFIC,
        &[
            ("column_name", Holds::Text, "The column."),
            ("ordinal_position", Holds::Number, "Its place, from 1."),
        ],
        TYPE_OF_ROUTINE,
        DETAILS,
        &[("comment", Holds::Text, "A remark for people.")],
    ],
    rows: |asked, rows| {
        for function in asked.visible.functions(&asked.within) {
            let columns: &[Parameter] = match &function.returns {
                Returns::Table(columns) => columns,
                Returns::Scalar(_) => &[],
            };
            for (position, column) in (1_i64..).zip(columns) {
                let facts = TypeFacts::of(&column.type_text);
                let about = [column.name.as_str().into(), position.into()];
                let last = [column.comment.clone().into()];
                rows.push([&names(&function.name), &about, &[facts.name, facts.full], &facts.details, &last]);
            }
        }
    },
};
