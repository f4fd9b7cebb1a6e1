//! Privileges: one's own and one's groups', and everybody's on what one administers. Those granted on a
//! container stand on what it contains as well, with the kind of the container.

use weir_catalog::{Effect, Grant, SecurableId, SecurableKind, visible_grants};

use super::routines::{ROUTINE, SPECIFIC, SPECIFIC_KEY};
use super::rows::{Cell, Rows, name, yes_or_no};
use super::storage::{VOLUME, VOLUME_KEY};
use super::tables::{TABLE, TABLE_KEY, names};
use super::{Asked, Definition, Holds, Reach, View};

const PARTIES: &[Definition] = &[
    ("grantor", Holds::Text, "Null: who granted it stands in the audit trail."),
    ("grantee", Holds::Text, "Who has it."),
];
const PRIVILEGE: &[Definition] = &[
    ("privilege_type", Holds::Text, "The privilege, e.g. `USE_SCHEMA`."),
    ("is_grantable", Holds::Text, "`NO`: who administers the securable grants."),
    ("inherited_from", Holds::Text, "`NONE`, or the kind of the container it was granted on."),
];

/// The grants on `on`, and those on its containers that reach it.
fn granted(asked: &Asked<'_>, on: SecurableId) -> Vec<Grant> {
    let Some(kind) = asked.snapshot.kind_of(on) else { return Vec::new() };
    let mut grants = visible_grants(asked.snapshot, asked.by, on);
    grants.retain(|grant| {
        grant.effect == Effect::Allow && (grant.securable == on || grant.privilege.is_right_on(kind))
    });
    grants
}

fn push(asked: &Asked<'_>, rows: &mut Rows, on: SecurableId, named: &[Cell]) {
    for grant in granted(asked, on) {
        let from = match asked.snapshot.kind_of(grant.securable).filter(|_| grant.securable != on) {
            Some(kind) => kind_name(kind),
            None => "NONE".to_owned(),
        };
        let parties = [Cell::Null, asked.principal_name(grant.principal).into()];
        rows.push([&parties, named, &[word(grant).into(), yes_or_no(false), from.into()]]);
    }
}

fn word(grant: Grant) -> String {
    grant.privilege.name().replace(' ', "_")
}

fn kind_name(kind: SecurableKind) -> String {
    kind.to_string().replace(' ', "_")
}

pub(super) static TABLE_PRIVILEGES: View = View {
    name: "table_privileges",
    meaning: "Privileges on tables and views.",
    reach: Reach::Catalog,
    key: TABLE_KEY,
    columns: &[PARTIES, TABLE, PRIVILEGE],
    rows: |asked, rows| {
        for table in asked.visible.tables(&asked.within) {
            push(asked, rows, SecurableId::Table(table.id), &names(&table.name));
        }
    },
};

pub(super) static SCHEMA_PRIVILEGES: View = View {
    name: "schema_privileges",
    meaning: "Privileges on schemas.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), Some("schema_name"), None],
    columns: &[
        PARTIES,
        &[("catalog_name", Holds::Text, "The catalog."), ("schema_name", Holds::Text, "The schema.")],
        PRIVILEGE,
    ],
    rows: |asked, rows| {
        for schema in asked.visible.schemas(&asked.within) {
            let named = [name(&schema.name.catalog), name(&schema.name.schema)];
            push(asked, rows, SecurableId::Schema(schema.id), &named);
        }
    },
};

pub(super) static CATALOG_PRIVILEGES: View = View {
    name: "catalog_privileges",
    meaning: "Privileges on catalogs.",
    reach: Reach::Catalog,
    key: [Some("catalog_name"), None, None],
    columns: &[PARTIES, &[("catalog_name", Holds::Text, "The catalog.")], PRIVILEGE],
    rows: |asked, rows| {
        for catalog in asked.visible.catalogs(&asked.within) {
            push(asked, rows, SecurableId::Catalog(catalog.id), &[name(&catalog.name)]);
        }
    },
};

pub(super) static ROUTINE_PRIVILEGES: View = View {
    name: "routine_privileges",
    meaning: "Privileges on functions.",
    reach: Reach::Catalog,
    key: SPECIFIC_KEY,
    columns: &[PARTIES, SPECIFIC, ROUTINE, PRIVILEGE],
    rows: |asked, rows| {
        for function in asked.visible.functions(&asked.within) {
            let full = names(&function.name);
            push(asked, rows, SecurableId::Function(function.id), &[full.as_slice(), &full].concat());
        }
    },
};

pub(super) static VOLUME_PRIVILEGES: View = View {
    name: "volume_privileges",
    meaning: "Privileges on volumes.",
    reach: Reach::Catalog,
    key: VOLUME_KEY,
    columns: &[PARTIES, VOLUME, PRIVILEGE],
    rows: |asked, rows| {
        for volume in asked.visible.volumes(&asked.within) {
            push(asked, rows, SecurableId::Volume(volume.id), &names(&volume.name));
        }
    },
};

pub(super) static METASTORE_PRIVILEGES: View = View {
    name: "metastore_privileges",
    meaning: "Privileges on the metastore.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[PARTIES, &[("metastore_id", Holds::Text, "The metastore.")], PRIVILEGE],
    rows: |asked, rows| {
        let id = asked.snapshot.metastore_id().to_string();
        push(asked, rows, SecurableId::Metastore, &[id.into()]);
    },
};

pub(super) static EXTERNAL_LOCATION_PRIVILEGES: View = View {
    name: "external_location_privileges",
    meaning: "Privileges on external locations.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[PARTIES, &[("external_location_name", Holds::Text, "The location.")], PRIVILEGE],
    rows: |asked, rows| {
        for location in asked.visible.external_locations() {
            push(asked, rows, SecurableId::ExternalLocation(location.id), &[name(&location.name)]);
        }
    },
};

pub(super) static STORAGE_CREDENTIAL_PRIVILEGES: View = View {
    name: "storage_credential_privileges",
    meaning: "Privileges on storage credentials.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[PARTIES, &[("storage_credential_name", Holds::Text, "The credential.")], PRIVILEGE],
    rows: |asked, rows| {
        for credential in asked.visible.storage_credentials() {
            push(asked, rows, SecurableId::StorageCredential(credential.id), &[name(&credential.name)]);
        }
    },
};

pub(super) static PRIVILEGE_DENIALS: View = View {
    name: "privilege_denials",
    meaning: "Privileges denied, where they are denied. A denial is no privilege, so it stands in none of the others.",
    reach: Reach::Metastore,
    key: [None, None, None],
    columns: &[&[
        ("grantee", Holds::Text, "From whom it is taken."),
        ("securable_type", Holds::Text, "The kind of what it is denied on."),
        ("securable_name", Holds::Text, "The full name of what it is denied on."),
        ("privilege_type", Holds::Text, "The privilege, e.g. `SELECT`."),
    ]],
    rows: denials,
};

fn denials(asked: &Asked<'_>, rows: &mut Rows) {
    for on in asked.securables() {
        let grants = visible_grants(asked.snapshot, asked.by, on);
        for grant in grants.into_iter().filter(|grant| grant.effect == Effect::Deny && grant.securable == on)
        {
            rows.push([&[
                asked.principal_name(grant.principal).into(),
                asked.snapshot.kind_of(on).map(kind_name).into(),
                asked.snapshot.display_name(on).into(),
                word(grant).into(),
            ]]);
        }
    }
}
