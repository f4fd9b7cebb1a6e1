//! Every kind of principal × securable × privilege as text, compared with the golden file.
//!
//! Run with `WEIR_UPDATE_GOLDEN=1` in the environment of the build to rewrite the file; then
//! read the difference: each changed cell is a changed right.

use std::fmt::Write as _;
use std::path::Path;

use super::World;
use crate::authorize::{authorize, may_see};
use crate::privilege::Privilege;
use crate::securable::SecurableId;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/privileges.txt");

const HEAD: &str = "\
# Who may do what: the answers of catalog/src/authorize.rs, one table for each kind of securable.
# yes = allowed · no = refused, and the caller may be told what is missing · hid = refused as not found
# A privilege is allowed only with all it takes: USE on the way, SELECT for MODIFY, UPDATE and DELETE.
# A column is a privilege that can be granted on the securable. A line is somebody who is what the name says
# and has nothing else, but where it says `+use` also USE SCHEMA and USE CATALOG.
";

/// Each is what its name says and has nothing else, but where it says `+use` also USE SCHEMA
/// and USE CATALOG.
const PRINCIPALS: [&str; 34] = [
    "stranger",
    "browser",
    "catalog user",
    "user of both",
    "reader without use",
    "reader +use",
    "reader by nested group +use",
    "schema reader +use",
    "writer without select +use",
    "writer +use",
    "executor +use",
    "all on table +use",
    "all on schema",
    "all on schema +use",
    "all on catalog",
    "manager of catalog +use",
    "table owner +use",
    "schema owner +use",
    "catalog owner",
    "inserter +use",
    "reader of all, denied by group +use",
    "table owner denied SELECT +use",
    "owner of catalog denied MANAGE",
    "browser denied BROWSE",
    "grant manager of table +use",
    "metadata reader",
    "tag applier +use",
    "volume reader +use",
    "location user",
    "credential user",
    "tag assigner",
    "metastore admin by group",
    "account admin",
    "account admin denied MANAGE",
];

fn world() -> World {
    use Privilege::{
        AllPrivileges, ApplyTag, Assign, Browse, CreateCatalog, CreateExternalLocation, CreateExternalTable,
        Execute, Insert, Manage, ManageAccessControl, Modify, ReadMetadata, ReadVolume, Select, UseCatalog,
        UseSchema,
    };
    let mut world = World::new();
    let (catalog, schema, table, function) = (world.catalog, world.schema, world.table, world.function);
    // The nested member comes with the world; everybody else is made here.
    world.content.principals.iter_mut().filter(|p| p.name == "alice").for_each(|p| {
        p.name = "reader by nested group +use".to_owned();
    });
    world.grant("outer", Select, table);
    for name in PRINCIPALS {
        if name != "reader by nested group +use" {
            world.add(name);
        }
        if name.ends_with("+use") || name == "user of both" {
            world.grant(name, UseSchema, schema);
            world.grant(name, UseCatalog, catalog);
        }
    }
    world.add("catalog maker");
    world.grant("catalog maker", CreateCatalog, SecurableId::Metastore);
    world.grant("browser", Browse, catalog);
    world.grant("catalog user", UseCatalog, catalog);
    world.grant("reader without use", Select, table);
    world.grant("reader +use", Select, table);
    world.grant("schema reader +use", Select, schema);
    world.grant("writer without select +use", Modify, table);
    world.grant("writer +use", Modify, table);
    world.grant("writer +use", Select, table);
    world.grant("executor +use", Execute, function);
    world.grant("all on table +use", AllPrivileges, table);
    world.grant("all on schema", AllPrivileges, schema);
    world.grant("all on schema +use", AllPrivileges, schema);
    world.grant("all on catalog", AllPrivileges, catalog);
    world.grant("manager of catalog +use", Manage, catalog);
    world.grant("inserter +use", Insert, table);
    let denied = world.add_group("denied", &["reader of all, denied by group +use"]);
    world.grant("reader of all, denied by group +use", AllPrivileges, catalog);
    world.deny(denied, Select, schema);
    world.own("table owner denied SELECT +use", world.view);
    let owner = world.id("table owner denied SELECT +use");
    world.deny(owner, Select, world.view);
    world.grant("browser denied BROWSE", Browse, catalog);
    let browser = world.id("browser denied BROWSE");
    world.deny(browser, Browse, schema);
    world.grant("grant manager of table +use", ManageAccessControl, table);
    world.grant("metadata reader", ReadMetadata, catalog);
    world.grant("tag applier +use", ApplyTag, schema);
    world.grant("volume reader +use", ReadVolume, world.volume);
    world.grant("location user", CreateExternalTable, world.location);
    world.grant("credential user", CreateExternalLocation, world.credential);
    world.grant("tag assigner", Assign, world.tag);
    let admins = world.add_group("metastore admins", &["metastore admin by group"]);
    world.content.metastore.owner = Some(admins);
    let admin = world.id("account admin denied MANAGE");
    world.content.principals.iter_mut().filter(|p| p.id == admin).for_each(|p| p.account_admin = true);
    world.deny(admin, Manage, catalog);
    world.own("table owner +use", table);
    world.own("schema owner +use", schema);
    world.own("catalog owner", catalog);
    world.own("owner of catalog denied MANAGE", world.other);
    let owner = world.id("owner of catalog denied MANAGE");
    world.deny(owner, Manage, world.other);
    let admin = world.id("account admin");
    world.content.principals.iter_mut().filter(|p| p.id == admin).for_each(|p| p.account_admin = true);
    world
}

fn render() -> String {
    let world = world();
    let snapshot = world.snapshot();
    let securables = [
        SecurableId::Metastore,
        world.catalog,
        world.other,
        world.schema,
        world.table,
        world.view,
        world.function,
        world.volume,
        world.location,
        world.credential,
        world.tag,
    ];
    let mut text = HEAD.to_owned();
    for securable in securables {
        let kind = snapshot.kind_of(securable).unwrap();
        let name = snapshot.display_name(securable);
        write!(text, "\n{:<36}", format!("{} {name}", kind.noun())).unwrap();
        let privileges = || Privilege::ALL.iter().filter(|privilege| privilege.applies_to(kind));
        for privilege in privileges() {
            write!(text, " | {privilege}").unwrap();
        }
        text.push('\n');
        for name in PRINCIPALS.into_iter().chain(["catalog maker"]) {
            let principal = world.id(name);
            write!(text, "{name:<36}").unwrap();
            for privilege in privileges() {
                let allowed = authorize(&snapshot, principal, *privilege, securable).is_allowed();
                let cell = match (allowed, may_see(&snapshot, principal, securable)) {
                    (true, _) => "yes",
                    (false, true) => "no",
                    (false, false) => "hid",
                };
                write!(text, " | {cell:<width$}", width = privilege.name().len()).unwrap();
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
    }
    text
}

#[test]
fn the_privilege_matrix_is_the_golden_one() {
    let rendered = render();
    let golden = Path::new(GOLDEN);
    if option_env!("WEIR_UPDATE_GOLDEN") == Some("1") {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(golden, &rendered).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    for (number, (rendered, expected)) in rendered.lines().zip(expected.lines()).enumerate() {
        assert_eq!(rendered, expected, "line {}", number + 1);
    }
    assert_eq!(rendered.lines().count(), expected.lines().count());
}
