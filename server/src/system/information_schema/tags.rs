//! Tags, where they are set; what inherits them has no row.

use weir_catalog::Tags;

use super::rows::{Cell, Rows, name};
use super::tables::names;
use super::{Definition, Holds, Reach, View};

const CATALOG: Definition = ("catalog_name", Holds::Text, "The catalog.");
const SCHEMA: Definition = ("schema_name", Holds::Text, "The schema.");
const TAG: &[Definition] = &[
    ("tag_name", Holds::Text, "The key."),
    ("tag_value", Holds::Text, "The value; empty where the tag has none."),
];

fn push(rows: &mut Rows, on: &[Cell], tags: &Tags) {
    for (key, value) in tags {
        rows.push([on, &[key.to_string().into(), value.as_str().into()]]);
    }
}

pub(super) static CATALOG_TAGS: View = View {
    name: "catalog_tags",
    meaning: "Tags set on catalogs.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), None, None],
    columns: &[&[CATALOG], TAG],
    rows: |asked, rows| {
        for catalog in asked.visible.catalogs(&asked.within) {
            push(rows, &[name(&catalog.name)], &catalog.tags);
        }
    },
};

pub(super) static SCHEMA_TAGS: View = View {
    name: "schema_tags",
    meaning: "Tags set on schemas.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), None],
    columns: &[&[CATALOG, SCHEMA], TAG],
    rows: |asked, rows| {
        for schema in asked.visible.schemas(&asked.within) {
            push(rows, &[name(&schema.name.catalog), name(&schema.name.schema)], &schema.tags);
        }
    },
};

pub(super) static TABLE_TAGS: View = View {
    name: "table_tags",
    meaning: "Tags set on tables and views.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), Some("table_name")],
    columns: &[&[CATALOG, SCHEMA, ("table_name", Holds::Text, "The table or view.")], TAG],
    rows: |asked, rows| {
        for table in asked.visible.tables(&asked.within).into_iter().filter(|table| asked.may_describe(table))
        {
            push(rows, &names(&table.name), &table.tags);
        }
    },
};

pub(super) static COLUMN_TAGS: View = View {
    name: "column_tags",
    meaning: "Tags set on columns.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), Some("table_name")],
    columns: &[
        &[
            CATALOG,
            SCHEMA,
            ("table_name", Holds::Text, "The table or view."),
            ("column_name", Holds::Text, "The column."),
        ],
        TAG,
    ],
    rows: |asked, rows| {
        for table in asked.visible.tables(&asked.within).into_iter().filter(|table| asked.may_describe(table))
        {
            for column in &table.columns {
                let [catalog, schema, object] = names(&table.name);
                push(rows, &[catalog, schema, object, column.name.as_str().into()], &column.tags);
            }
        }
    },
};

pub(super) static VOLUME_TAGS: View = View {
    name: "volume_tags",
    meaning: "Tags set on volumes.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), Some("volume_name")],
    columns: &[&[CATALOG, SCHEMA, ("volume_name", Holds::Text, "The volume.")], TAG],
    rows: |asked, rows| {
        for volume in asked.visible.volumes(&asked.within) {
            push(rows, &names(&volume.name), &volume.tags);
        }
    },
};
