//! `docs/security.md` names a test for each attack: the tests are there, and no attack is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::rust_files;

/// The attacks of each table of the page.
const TABLES: [(&str, usize); 3] = [("T", 25), ("L", 20), ("A", 30)];

/// A row of a table of the page.
#[derive(Debug)]
struct Row {
    status: String,
    tests: Vec<String>,
}

fn rows() -> BTreeMap<String, Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split(" |").map(|cell| cell.trim_start_matches('|').trim()).collect();
        let [id, _, _, status, tests, ..] = cells.as_slice() else { panic!("{line}") };
        if !id.starts_with(char::is_uppercase) {
            continue;
        }
        let tests = tests.split_whitespace().map(|test| test.trim_matches('`').to_owned()).collect();
        let row = Row { status: (*status).to_owned(), tests };
        assert!(rows.insert((*id).to_owned(), row).is_none(), "{id} stands twice");
    }
    rows
}

/// Every test of the Rust sources by its path: crate (none for these tests), module, name.
pub(super) fn tests() -> BTreeSet<String> {
    let roots = [
        ("tests/integration/", ""),
        ("catalog/src/", "catalog::"),
        ("server/enforce/src/", "enforce::"),
        ("server/scan/src/", "scan::"),
        ("server/meter/src/", "meter::"),
        ("server/src/", "server::"),
    ];
    let mut found = BTreeSet::new();
    for file in rust_files() {
        let path = file.path.as_str();
        let Some((root, prefix)) = roots.iter().find(|(root, _)| path.starts_with(root)) else { continue };
        let module = PathBuf::from(path.trim_start_matches(root)).with_extension("");
        let module = module.to_string_lossy().replace('/', "::");
        let mut lines = file.numbered().map(|(_, line)| line.trim());
        while let Some(line) = lines.next() {
            if !matches!(line, "#[test]" | "#[tokio::test]") && !line.starts_with("#[tokio::test(") {
                continue;
            }
            let head = lines.by_ref().find(|line| line.contains("fn "));
            let name = head.and_then(|head| head.split("fn ").nth(1)).and_then(|rest| rest.split('(').next());
            found.insert(format!("{prefix}{module}::{}", name.unwrap()));
        }
    }
    found
}

#[test]
fn every_attack_of_the_page_is_tried_by_a_test_that_is_there() {
    let (rows, tests) = (rows(), tests());
    assert!(tests.len() > 500, "{}", tests.len());
    let mut breaches = Vec::new();
    for (id, row) in &rows {
        if !["closed", "refused", "residual"].contains(&row.status.as_str()) {
            breaches.push(format!("{id} has no status: {}", row.status));
        }
        if row.status == "closed" && row.tests.is_empty() {
            breaches.push(format!("{id} is closed by no test"));
        }
        for test in row.tests.iter().filter(|test| !tests.contains(*test)) {
            breaches.push(format!("{id} names {test}, which is not there"));
        }
    }
    let wanted =
        TABLES.iter().flat_map(|(table, last)| (1..=*last).map(move |number| format!("{table}{number}")));
    breaches.extend(wanted.filter(|id| !rows.contains_key(id)).map(|id| format!("{id} is not on the page")));
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}
