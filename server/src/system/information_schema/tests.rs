//! What holds of every view's definition; what their rows tell is tested over the real door.

use std::collections::BTreeSet;

use super::*;
use crate::system::SYSTEM_CATALOG;

#[test]
fn views_stand_in_the_order_of_their_names_and_each_once() {
    let names: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
}

#[test]
fn columns_are_named_once_and_the_key_is_among_them() {
    for view in VIEWS {
        let columns = view.columns();
        let names: BTreeSet<&str> = columns.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), columns.len(), "{view:?}");
        let constraint = columns.first().is_some_and(|column| column.name == "constraint_catalog");
        for key in view.key.into_iter().flatten() {
            assert!(names.contains(key) || constraint, "{view:?} has no column {key}");
        }
    }
}

#[test]
fn what_lies_beside_the_catalogs_is_shown_in_system_alone() {
    let in_system: Vec<&str> = View::all_in(SYSTEM_CATALOG).map(|view| view.name).collect();
    let in_main: Vec<&str> = View::all_in("main").map(|view| view.name).collect();
    assert_eq!(in_system.len(), VIEWS.len());
    for name in ["metastore_privileges", "external_locations", "storage_credentials"] {
        assert!(in_system.contains(&name) && !in_main.contains(&name), "{name}");
    }
    assert!(in_main.contains(&"tables") && in_main.contains(&"row_filters"));
}
