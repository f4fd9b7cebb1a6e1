//! Tables and views.

use weir_catalog::{Privilege, SecurableId, TableKind};

use super::rows::{Cell, Rows, name, stamps, yes_or_no};
use super::{Asked, Definition, Holds, Key, Reach, STAMPS, View};
use crate::system::{SYSTEM_OWNER, ServerTable};

/// The columns by which a view names a table.
pub(super) const TABLE: &[Definition] = &[
    ("table_catalog", Holds::Text, "The table's catalog."),
    ("table_schema", Holds::Text, "The table's schema."),
    ("table_name", Holds::Text, "The table or view."),
];

/// The key of a view that names tables by [`TABLE`].
pub(super) const TABLE_KEY: Key = [Some("table_catalog"), Some("table_schema"), Some("table_name")];

pub(super) static TABLES: View = View {
    name: "tables",
    meaning: "Tables and views.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[
        TABLE,
        &[
            ("table_type", Holds::Text, "`MANAGED`, `EXTERNAL` or `VIEW`."),
            ("is_insertable_into", Holds::Text, "`YES` of tables, `NO` of views."),
            ("commit_action", Holds::Text, "`PRESERVE`."),
            ("table_owner", Holds::Text, "Its owner."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
        &[
            ("data_source_format", Holds::Text, "`DELTA`; null of views."),
            ("storage_sub_directory", Holds::Text, "Null."),
            ("storage_path", Holds::Text, "Where its files are; null to those who do not administer it."),
        ],
    ],
    rows: tables,
};

fn tables(asked: &Asked<'_>, rows: &mut Rows) {
    for table in asked.visible.tables(&asked.within) {
        let (kind, location) = match &table.kind {
            TableKind::Managed { location } => ("MANAGED", Some(location)),
            TableKind::External { location } => ("EXTERNAL", Some(location)),
            TableKind::View(_) => ("VIEW", None),
        };
        let format = location.map(|_| "DELTA");
        let path = location.filter(|_| asked.may(Privilege::Manage, SecurableId::Table(table.id)));
        let about = [
            kind.into(),
            yes_or_no(location.is_some()),
            "PRESERVE".into(),
            asked.principal_name(table.owner).into(),
            table.comment.clone().into(),
        ];
        let storage = [format.into(), Cell::Null, path.cloned().into()];
        rows.push([&names(&table.name), &about, &stamps(asked, table.stamps), &storage]);
    }
    for (catalog, table) in server_tables(asked) {
        let kind = if table.is_view() { "VIEW" } else { "MANAGED" };
        let about =
            [kind.into(), "NO".into(), "PRESERVE".into(), SYSTEM_OWNER.into(), table.meaning().into()];
        rows.push([&server_names(&catalog, table), &about, &[const { Cell::Null }; 7]]);
    }
}

pub(super) static VIEWS: View = View {
    name: "views",
    meaning: "Views.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[
        TABLE,
        &[
            (
                "view_definition",
                Holds::Text,
                "Its query; null to those who may neither read nor administer it.",
            ),
            ("check_option", Holds::Text, "`NONE`."),
            ("is_updatable", Holds::Text, "`NO`."),
            ("is_insertable_into", Holds::Text, "`NO`."),
            ("sql_path", Holds::Text, "Null: names in the query have three parts."),
            ("is_materialized", Holds::Text, "`NO`."),
        ],
    ],
    rows: |asked, rows| {
        for table in asked.visible.tables(&asked.within) {
            let Some(view) = table.view() else { continue };
            let text = asked.may_read(table).then(|| view.text.clone());
            let about = [
                text.into(),
                "NONE".into(),
                yes_or_no(false),
                yes_or_no(false),
                Cell::Null,
                yes_or_no(false),
            ];
            rows.push([&names(&table.name), &about]);
        }
    },
};

/// The cells of a three-part name.
pub(crate) fn names(full: &weir_catalog::ObjectName) -> [Cell; 3] {
    [name(&full.catalog), name(&full.schema), name(&full.object)]
}

/// The tables of the server's own in the catalogs that are asked about.
pub(super) fn server_tables(asked: &Asked<'_>) -> Vec<(String, ServerTable)> {
    let mut found = Vec::new();
    for catalog in asked.catalog_names() {
        let tables = ServerTable::all_in(&catalog);
        let wanted =
            tables.filter(|table| asked.wants_schema(table.schema()) && asked.wants_object(table.table()));
        found.extend(wanted.map(|table| (catalog.clone(), table)));
    }
    found
}

pub(super) fn server_names(catalog: &str, table: ServerTable) -> [Cell; 3] {
    [catalog.into(), table.schema().into(), table.table().into()]
}
