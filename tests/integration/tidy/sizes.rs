//! Sizes of files and functions, against two lists of exceptions that may only shrink.
//!
//! A line of a list is a place and the size it may have at most. A place that is not listed, one
//! that outgrew its line, and a line that is not needed any more all fail: the list follows the
//! code, and only downwards.

use std::collections::BTreeMap;
use std::fs;

use super::source::{SourceFile, root};
use super::{assert_none, rust_files};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_stay_small() {
    let mut sizes = BTreeMap::new();
    for file in rust_files() {
        sizes.insert(file.path.clone(), file.product_lines().count());
    }
    assert_none("is it one thing?", &ratchet("large_files.txt", &sizes, FILE_LINES_MAX));
}

#[test]
fn functions_stay_short() {
    let mut sizes = BTreeMap::new();
    for file in rust_files() {
        for (name, lines) in functions(&file) {
            let longest: &mut usize = sizes.entry(format!("{}::{name}", file.path)).or_default();
            *longest = lines.max(*longest);
        }
    }
    assert_none("does it do one thing?", &ratchet("long_functions.txt", &sizes, FUNCTION_LINES_MAX));
}

/// The breaches of one list: `place size` a line, sorted; lines that begin with `#` explain it.
fn ratchet(list: &str, sizes: &BTreeMap<String, usize>, max: usize) -> Vec<String> {
    let path = format!("tests/golden/{list}");
    let Ok(text) = fs::read_to_string(root().join(&path)) else { return vec![format!("{path} is missing")] };
    compare(&path, &text, sizes, max)
}

fn compare(path: &str, list: &str, sizes: &BTreeMap<String, usize>, max: usize) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines: Vec<_> = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    if !lines.is_sorted() {
        breaches.push(format!("{path} is not sorted"));
    }
    let mut allowed = BTreeMap::new();
    for line in lines {
        match line.rsplit_once(' ').map(|(place, size)| (place, size.parse::<usize>())) {
            Some((place, Ok(size))) => drop(allowed.insert(place, size)),
            _ => breaches.push(format!("{path}: `{line}` is not `place size`")),
        }
    }
    for (place, size) in sizes.iter().filter(|(_, size)| **size > max) {
        match allowed.get(place.as_str()) {
            Some(listed) if size <= listed => {}
            Some(listed) => {
                breaches.push(format!("{place} grew to {size} lines; {path} holds it at {listed}"))
            }
            None => breaches.push(format!("{place} has {size} lines, more than {max}: divide it")),
        }
    }
    for place in allowed.keys() {
        if sizes.get(*place).is_none_or(|size| *size <= max) {
            breaches.push(format!("{path}: {place} needs its line no more, take it out"));
        }
    }
    breaches
}

/// Name and number of lines of each function outside tests, as rustfmt lays them out.
fn functions(file: &SourceFile) -> Vec<(String, usize)> {
    let lines: Vec<_> = file.product_lines().map(|(_, line)| line).collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let Some(name) = function_name(text) else { continue };
        let indent = line.len() - text.len();
        let end = format!("{}}}", " ".repeat(indent));
        // A signature without a body ends in a semicolon before any line closes at its own depth.
        let body = lines.iter().skip(start).take_while(|line| !line.ends_with(';') || deeper(line, indent));
        if let Some(last) = body.clone().position(|line| *line == end) {
            found.push((name.to_owned(), last + 1));
        }
    }
    found
}

fn deeper(line: &str, indent: usize) -> bool {
    line.len() - line.trim_start().len() > indent
}

fn function_name(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    for word in words.by_ref() {
        match word {
            "fn" => break,
            "const" | "async" | "default" | "pub" => {}
            visibility if visibility.starts_with("pub(") => {}
            _ => return None,
        }
    }
    let name = words.next()?;
    name.split(['(', '<']).next()
}

#[test]
fn the_length_of_a_function_is_read_from_its_braces() {
    let file = SourceFile::of_text(
        "server/src/x.rs",
        "//! x\nimpl X {\n    pub(crate) async fn long<T>(\n        a: T,\n    ) -> T {\n        a;\n        a\n    }\n\n    fn one() {}\n}\ntrait Y {\n    fn none(\n        &self,\n    );\n    fn body(&self) {\n    }\n}\n",
    );
    assert_eq!(functions(&file), [("long".to_owned(), 6), ("body".to_owned(), 2)]);
}

#[test]
fn a_list_of_exceptions_may_only_shrink() {
    let sizes =
        |pairs: &[(&str, usize)]| pairs.iter().map(|(place, size)| ((*place).to_owned(), *size)).collect();
    let breaches = |list: &str, pairs: &[(&str, usize)]| compare("list", list, &sizes(pairs), 600).len();
    assert_eq!(breaches("# why\na.rs 700\n", &[("a.rs", 700)]), 0);
    assert_eq!(breaches("a.rs 700\n", &[("a.rs", 701)]), 1, "it may not grow");
    assert_eq!(breaches("a.rs 700\n", &[("a.rs", 600)]), 1, "a line that is not needed goes");
    assert_eq!(breaches("a.rs 700\n", &[]), 1, "a file that is gone takes its line along");
    assert_eq!(breaches("", &[("a.rs", 601)]), 1, "what is not listed stays small");
    assert_eq!(breaches("b.rs 700\na.rs 700\n", &[("a.rs", 700), ("b.rs", 700)]), 1, "it is sorted");
}
