//! What is visible is what may be seen, found without asking about the rest.

use super::*;

/// The world, and `hidden` schemas of ten tables each that nobody but root holds.
fn crowded(hidden: usize) -> World {
    let mut world = World::new();
    let (schema, table) = (world.content.schemas[0].clone(), world.content.tables[0].clone());
    for number in 0..hidden {
        let name = SchemaName::new("main", &format!("s{number}")).unwrap();
        let other = Schema { id: SchemaId::fresh(), name: name.clone(), ..schema.clone() };
        for object in 0..10 {
            let name = ObjectName::new("main", name.schema.as_str(), &format!("t{object}")).unwrap();
            let id = TableId::fresh();
            world.content.tables.push(Table { id, schema: other.id, name, ..table.clone() });
        }
        world.content.schemas.push(other);
    }
    world
}

#[test]
fn listings_are_what_may_be_seen() {
    for (privilege, on) in [
        (Privilege::Select, "table"),
        (Privilege::Execute, "function"),
        (Privilege::Browse, "catalog"),
        (Privilege::UseSchema, "schema"),
    ] {
        let mut world = crowded(3);
        let on = match on {
            "table" => world.table,
            "function" => world.function,
            "catalog" => world.catalog,
            _ => world.schema,
        };
        world.grant("outer", privilege, on);
        let snapshot = world.snapshot();
        for name in ["alice", "root", "inner"] {
            let principal = world.id(name);
            let visible = Visible::new(&snapshot, principal);
            let all = Within::default();
            let sees = |id| may_see(&snapshot, principal, id);
            let tables: Vec<&Table> = visible.tables(&all);
            let expected = snapshot.all_tables().filter(|table| sees(SecurableId::Table(table.id)));
            assert_eq!(tables.len(), expected.count(), "{name} {privilege}");
            let schemas = snapshot.catalogs().flat_map(|catalog| snapshot.schemas(catalog.id));
            let expected: Vec<&Schema> =
                schemas.filter(|schema| sees(SecurableId::Schema(schema.id))).collect();
            assert_eq!(visible.schemas(&all), expected, "{name} {privilege}");
            let expected: Vec<&Catalog> =
                snapshot.catalogs().filter(|catalog| sees(SecurableId::Catalog(catalog.id))).collect();
            assert_eq!(visible.catalogs(&all), expected, "{name} {privilege}");
            let expected =
                snapshot.all_functions().filter(|function| sees(SecurableId::Function(function.id)));
            assert_eq!(visible.functions(&all).len(), expected.count(), "{name} {privilege}");
            for table in &tables {
                let name = &table.name;
                let within = Within {
                    catalog: Some(name.catalog.clone()),
                    schema: Some(name.schema.clone()),
                    object: Some(name.object.clone()),
                };
                assert_eq!(visible.tables(&within), [*table]);
            }
        }
    }
}

#[test]
fn a_denial_of_browse_hides_from_listings() {
    let mut world = World::new();
    world.grant("alice", Privilege::Select, world.schema);
    let alice = world.id("alice");
    world.content.grants.push(Grant::deny(alice, Privilege::Browse, world.table));
    let snapshot = world.snapshot();
    let names: Vec<String> =
        visible_tables(&snapshot, alice).iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["main.hr.mine"]);
}

#[test]
fn ten_thousand_hidden_tables_are_not_asked_about() {
    let mut world = crowded(1_000);
    world.grant("alice", Privilege::Select, world.table);
    let snapshot = world.snapshot();
    let visible = Visible::new(&snapshot, world.id("alice"));
    let all = Within::default();
    assert_eq!(visible.tables(&all).len(), 1);
    assert_eq!(visible.considered(), 1);
    assert_eq!(visible.schemas(&all).len(), 1);
    assert_eq!(visible.catalogs(&all).len(), 1);
    assert_eq!(visible.considered(), 3);
    // Narrowed to one name, an administrator asks about one too.
    let visible = Visible::new(&snapshot, world.id("root"));
    let name = |text| Some(Name::new(text).unwrap());
    let within = Within { catalog: name("main"), schema: name("s7"), object: name("t3") };
    assert_eq!(visible.tables(&within).len(), 1);
    assert_eq!(visible.considered(), 1);
}
