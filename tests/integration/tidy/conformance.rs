//! `docs/conformance.md` names a test for each item that clients need: the tests are there, and no item is left out.

use std::collections::BTreeMap;
use std::path::Path;

use super::assert_none;
use super::attacks::tests;

/// The items of the page.
const ITEMS: usize = 43;

#[test]
fn every_item_that_clients_need_is_shown_by_a_test_that_is_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let text = std::fs::read_to_string(page).unwrap();
    let tests = tests();
    let (mut breaches, mut rows) = (Vec::new(), BTreeMap::new());
    for line in text.lines().filter(|line| line.starts_with("| C")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _, _, shown] = cells.as_slice() else { panic!("{line}") };
        let named: Vec<&str> = shown.split_whitespace().map(|test| test.trim_matches('`')).collect();
        if named.is_empty() {
            breaches.push(format!("{id} is shown by no test"));
        }
        let missing = named.iter().filter(|test| !tests.contains(**test));
        breaches.extend(missing.map(|test| format!("{id} names {test}, which is not there")));
        assert!(rows.insert((*id).to_owned(), named.len()).is_none(), "{id} stands twice");
    }
    let wanted = (1..=ITEMS).map(|number| format!("C{number}"));
    breaches.extend(wanted.filter(|id| !rows.contains_key(id)).map(|id| format!("{id} is not on the page")));
    if rows.len() != ITEMS {
        breaches.push(format!("the page has {} items, and {ITEMS} are looked for", rows.len()));
    }
    // Tests that are named in a sentence are there as well.
    let sentences = text
        .lines()
        .filter(|line| !line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = sentences.filter(|words| words.contains("::") && !words.contains(' '));
    breaches.extend(named.filter(|test| !tests.contains(*test)).map(|test| format!("{test} is not there")));
    assert_none("each item has its tests", &breaches);
}
