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
# Who may do what: the answers of catalog/src/authorize.rs.
# yes = allowed · no = refused, and the caller may be told what is missing · hid = refused as not found
# A privilege is allowed only with all it takes: USE on the way, SELECT for MODIFY.
";

/// Each is what its name says and has nothing else, but where it says `+use` also USE SCHEMA
/// and USE CATALOG.
const PRINCIPALS: [&str; 20] = [
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
    "account admin",
];

fn world() -> World {
    use Privilege::{
        AllPrivileges, Browse, CreateCatalog, Execute, Manage, Modify, Select, UseCatalog, UseSchema,
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
    world.own("table owner +use", table);
    world.own("schema owner +use", schema);
    world.own("catalog owner", catalog);
    let admin = world.id("account admin");
    world.content.principals.iter_mut().filter(|p| p.id == admin).for_each(|p| p.account_admin = true);
    world
}

fn render() -> String {
    let world = world();
    let snapshot = world.snapshot();
    let securables =
        [SecurableId::Metastore, world.catalog, world.schema, world.table, world.view, world.function];
    let mut text = HEAD.to_owned();
    for securable in securables {
        let kind = snapshot.kind_of(securable).unwrap();
        write!(text, "\n{:<28}", format!("{} {}", kind.noun(), snapshot.display_name(securable))).unwrap();
        for privilege in Privilege::ALL {
            write!(text, " | {privilege}").unwrap();
        }
        text.push('\n');
        for name in PRINCIPALS.into_iter().chain(["catalog maker"]) {
            let principal = world.id(name);
            write!(text, "{name:<28}").unwrap();
            for privilege in Privilege::ALL {
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
