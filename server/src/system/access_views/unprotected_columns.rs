//! Columns that nothing masks though something says they should be: a tag, or a column of the same name
//! that is masked elsewhere. What a mistyped tag value or a forgotten tag leaves open shows here.

use std::collections::BTreeSet;

use weir_catalog::{Column, SecurableId, Table, may_read_policies};

use crate::system::information_schema::{Asked, Cell, Holds, Reach, Rows, View, table_names, yes_or_no};

pub(super) static UNPROTECTED_COLUMNS: View = View {
    name: "unprotected_columns",
    meaning: "Columns without a mask for anybody that carry tags, or are named like a masked column of another \
table. Of tables whose policies the caller may read.",
    reach: Reach::Access,
    key: [Some("catalog_name"), Some("schema_name"), Some("table_name")],
    columns: &[&[
        ("catalog_name", Holds::Text, "The catalog."),
        ("schema_name", Holds::Text, "The schema."),
        ("table_name", Holds::Text, "The table or view."),
        ("column_name", Holds::Text, "The column."),
        ("reason", Holds::Text, "`TAGGED`, or `NAMED_LIKE_MASKED`."),
        ("tags", Holds::Texts, "The column's tags, `key` or `key=value`."),
        ("has_row_filter", Holds::Text, "`YES` if some row filter stands over the table."),
    ]],
    rows: unprotected,
};

fn unprotected(asked: &Asked<'_>, rows: &mut Rows) {
    let may_read = |table: &&Table| may_read_policies(asked.snapshot, asked.by, SecurableId::Table(table.id));
    let everywhere = asked.visible.tables(&weir_catalog::Within::default());
    let masked_names: BTreeSet<String> = everywhere
        .into_iter()
        .filter(may_read)
        .flat_map(|table| asked.snapshot.masked_columns(table))
        .map(|column| column.name.to_lowercase())
        .collect();
    for table in asked.visible.tables(&asked.within).into_iter().filter(may_read) {
        let masked: BTreeSet<&str> =
            asked.snapshot.masked_columns(table).into_iter().map(|column| column.name.as_str()).collect();
        let filtered = yes_or_no(asked.snapshot.has_row_filter(table));
        for column in table.columns.iter().filter(|column| !masked.contains(column.name.as_str())) {
            let reason = match column {
                Column { tags, .. } if !tags.is_empty() => "TAGGED",
                Column { name, .. } if masked_names.contains(&name.to_lowercase()) => "NAMED_LIKE_MASKED",
                _ => continue,
            };
            let cells: [Cell; 4] =
                [column.name.as_str().into(), reason.into(), tags_of(column).into(), filtered.clone()];
            rows.push([&table_names(&table.name), &cells]);
        }
    }
}

fn tags_of(column: &Column) -> Vec<String> {
    let tags = column.tags.iter();
    tags.map(|(key, value)| if value.is_empty() { key.to_string() } else { format!("{key}={value}") })
        .collect()
}
