//! Columns of tables and views.

use super::rows::{Cell, Rows, yes_or_no};
use super::tables::{TABLE, TABLE_KEY, names, server_names, server_tables};
use super::type_facts::{DETAILS, TYPE, TypeFacts};
use super::{Asked, Holds, Reach, View};
use crate::sql::types;

pub(super) static COLUMNS: View = View {
    name: "columns",
    meaning: "Columns of tables and views, of those that the caller may describe.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[
        TABLE,
        &[
            ("column_name", Holds::Text, "The column."),
            ("ordinal_position", Holds::Number, "Its place, from 1."),
            ("column_default", Holds::Text, "Null: columns have no defaults."),
            ("is_nullable", Holds::Text, "`YES` or `NO`."),
        ],
        TYPE,
        DETAILS,
        &[
            ("is_identity", Holds::Text, "`NO`."),
            ("identity_generation", Holds::Text, "Null."),
            ("identity_start", Holds::Text, "Null."),
            ("identity_increment", Holds::Text, "Null."),
            ("identity_maximum", Holds::Text, "Null."),
            ("identity_minimum", Holds::Text, "Null."),
            ("identity_cycle", Holds::Text, "Null."),
            ("is_generated", Holds::Text, "`NO`."),
            ("generation_expression", Holds::Text, "Null."),
            ("is_system_time_period_start", Holds::Text, "`NO`."),
            ("is_system_time_period_end", Holds::Text, "`NO`."),
            ("system_time_period_timestamp_generation", Holds::Text, "Null."),
            ("is_updatable", Holds::Text, "`YES` of tables, `NO` of views."),
            ("partition_ordinal_position", Holds::Number, "Null: SHOW PARTITIONS and DESCRIBE tell."),
            ("comment", Holds::Text, "A remark for people."),
        ],
    ],
    rows: columns,
};

fn columns(asked: &Asked<'_>, rows: &mut Rows) {
    for table in asked.visible.tables(&asked.within).into_iter().filter(|table| asked.may_describe(table)) {
        let updatable = table.view().is_none();
        let names = names(&table.name);
        for (position, column) in (1..).zip(&table.columns) {
            let (facts, comment) = (TypeFacts::of(&column.type_text), column.comment.clone());
            push(rows, &names, position, (&column.name, column.nullable), facts, updatable, comment);
        }
    }
    for (catalog, table) in server_tables(asked) {
        let names = server_names(&catalog, table);
        for (position, column) in (1..).zip(table.columns()) {
            let facts = TypeFacts::of(&types::text_of(&column.data_type));
            let comment = Some(column.meaning.to_owned());
            push(rows, &names, position, (column.name, true), facts, false, comment);
        }
    }
}

fn push(
    rows: &mut Rows,
    names: &[Cell],
    position: i64,
    (name, nullable): (&str, bool),
    facts: TypeFacts,
    updatable: bool,
    comment: Option<String>,
) {
    let none = || Cell::Null;
    let about = [name.into(), position.into(), none(), yes_or_no(nullable)];
    let identity = [yes_or_no(false), none(), none(), none(), none(), none(), none()];
    let generated = [yes_or_no(false), none(), yes_or_no(false), yes_or_no(false), none()];
    let last = [yes_or_no(updatable), none(), comment.into()];
    rows.push([names, &about, &[facts.full, facts.name], &facts.details, &identity, &generated, &last]);
}
