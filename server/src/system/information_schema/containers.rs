//! Catalogs and schemas.

use super::rows::{Cell, Rows, name, stamps};
use super::{Asked, Holds, Reach, STAMPS, View};
use crate::system::{SYSTEM_CATALOG, SYSTEM_OWNER, ServerTable};

pub(super) static CATALOGS: View = View {
    name: "catalogs",
    meaning: "Catalogs.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), None, None],
    columns: &[
        &[
            ("catalog_name", Holds::Text, "The catalog."),
            ("catalog_owner", Holds::Text, "Its owner."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
    ],
    rows: catalogs,
};

fn catalogs(asked: &Asked<'_>, rows: &mut Rows) {
    for catalog in asked.visible.catalogs(&asked.within) {
        let about =
            [name(&catalog.name), asked.principal_name(catalog.owner).into(), catalog.comment.clone().into()];
        rows.push([&about, &stamps(asked, catalog.stamps)]);
    }
    if asked.is_of_all() && asked.wants_catalog(SYSTEM_CATALOG) {
        rows.push([&[SYSTEM_CATALOG.into(), SYSTEM_OWNER.into()], &[const { Cell::Null }; 5]]);
    }
}

pub(super) static SCHEMATA: View = View {
    name: "schemata",
    meaning: "Schemas.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), None],
    columns: &[
        &[
            ("catalog_name", Holds::Text, "Its catalog."),
            ("schema_name", Holds::Text, "The schema."),
            ("schema_owner", Holds::Text, "Its owner."),
            ("comment", Holds::Text, "A remark for people."),
        ],
        STAMPS,
    ],
    rows: schemata,
};

fn schemata(asked: &Asked<'_>, rows: &mut Rows) {
    for schema in asked.visible.schemas(&asked.within) {
        let about = [
            name(&schema.name.catalog),
            name(&schema.name.schema),
            asked.principal_name(schema.owner).into(),
            schema.comment.clone().into(),
        ];
        rows.push([&about, &stamps(asked, schema.stamps)]);
    }
    for catalog in asked.catalog_names() {
        for schema in
            ServerTable::schemas_in(&catalog).into_iter().filter(|schema| asked.wants_schema(schema))
        {
            let about = [catalog.as_str().into(), schema.into(), SYSTEM_OWNER.into()];
            rows.push([&about, &[const { Cell::Null }; 5]]);
        }
    }
}

pub(super) static INFORMATION_SCHEMA_CATALOG_NAME: View = View {
    name: "information_schema_catalog_name",
    meaning: "One row: the catalog of this schema.",
    reach: Reach::Catalog,
    key: [None, None, None],
    columns: &[&[("catalog_name", Holds::Text, "The catalog of this schema.")]],
    rows: |asked, rows| rows.push([&[name(asked.of)]]),
};
