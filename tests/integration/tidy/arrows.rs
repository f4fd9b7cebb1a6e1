//! The arrows between crates and between the modules of the server: who may know of whom.
//!
//! The tables below are the layers of the house. An arrow that is not in them fails with its line:
//! turn it round with a trait in the lower layer that `app` joins, or extend the table here and say
//! why in the change. An arrow of a table that no code draws is fine; the table says what may be.

use std::collections::BTreeSet;

use super::source::{Language, SourceFile, comment, repository};
use super::{assert_none, rust_files};

/// Each crate, its manifest, the crates of ours it may use, and the foreign ones it must never see.
const CRATES: &[(&str, &str, &str)] = &[
    ("server/meter/Cargo.toml", "", "deltalake tonic arrow-flight"),
    ("catalog/Cargo.toml", "", "datafusion arrow deltalake tonic axum"),
    ("server/scan/Cargo.toml", "weir-meter", "tonic arrow-flight axum sqlx"),
    (
        "server/enforce/Cargo.toml",
        "weir-catalog weir-meter weir-generator",
        "deltalake tonic arrow-flight axum sqlx",
    ),
    ("server/Cargo.toml", "weir-catalog weir-meter weir-scan weir-enforce", ""),
    // Makes cases as plain data; the crate that it is used against does not show in it.
    ("tests/generator/Cargo.toml", "", "datafusion arrow deltalake tonic arrow-flight"),
    ("tests/kit/Cargo.toml", "weir-server weir-catalog weir-scan", ""),
];
/// Crates at the end of all arrows; nothing of the product uses them.
const ENDS: &[&str] =
    &["tests/Cargo.toml", "tests/features/Cargo.toml", "benches/Cargo.toml", "fuzz/Cargo.toml"];

/// Each module of the server and the modules it may use, from the ground up.
///
/// `error` also stands for what `lib.rs` re-exports from it.
const MODULES: &[(&str, &str)] = &[
    ("clock", ""),
    ("error", ""),
    ("config", "error"),
    ("connections", ""),
    ("telemetry", "error config"),
    ("session", "error"),
    ("identity", "clock error config"),
    ("location", "error config"),
    ("context", "clock error identity session"),
    ("sql", "error session"),
    // SHOW, DESCRIBE and the doors' metadata list the system tables beside the catalog's.
    // What a statement that is no query does is told to the spine as an outcome of the spine.
    ("query", "clock error config context session identity sql location run"),
    ("command", "clock error context session identity sql location query run system"),
    // The books hear of statements through the record's sinks; the spine never calls them.
    ("billing", "clock error config location query"),
    ("metrics", "error query"),
    ("traces", "config error query"),
    ("system", "clock error context location sql query billing"),
    ("run", "clock error context session identity sql query command system"),
    ("flight", "clock error config connections context session identity run"),
    ("tokens", "clock error config connections context identity"),
    ("ways_in", "error session sql system flight"),
    ("client", "clock error config telemetry identity app demo"),
    ("demo", "clock error config telemetry identity location context session run app client"),
];
/// The composition root and the ways in, which know everybody.
const KNOW_EVERYBODY: &[&str] = &["app", "main", "lib"];

/// Whether a list of names, divided by spaces, holds `name`.
fn lists(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|listed| listed == name)
}

#[test]
fn crates_know_only_the_crates_below_them() {
    let mut breaches = Vec::new();
    for file in repository().iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        if ENDS.contains(&file.path.as_str()) {
            continue;
        }
        let Some((_, ours, never)) = CRATES.iter().find(|(path, _, _)| *path == file.path) else {
            breaches.push(file.at(1, "a crate without a place in the table of arrows.rs"));
            continue;
        };
        for (number, name) in dependencies(file) {
            if (name.starts_with("weir-") && !lists(ours, name)) || lists(never, name) {
                breaches.push(file.at(number, &format!("may not use `{name}`")));
            }
        }
    }
    assert_none("arrows between crates point down", &breaches);
}

/// The names under `[dependencies]` and its kin.
fn dependencies(file: &SourceFile) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut names = Vec::new();
    for (number, line) in file.numbered() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if inside && !line.starts_with('#') && !line.is_empty() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            names.push((number, name));
        }
    }
    names
}

#[test]
fn modules_of_the_server_know_only_the_modules_below_them() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        let Some(module) = module_of(&file.path) else { continue };
        if KNOW_EVERYBODY.contains(&module) {
            continue;
        }
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            breaches.push(file.at(1, &format!("module `{module}` has no place in the table of arrows.rs")));
            continue;
        };
        for (number, target) in arrows(&file) {
            if target != module && !lists(allowed, &target) {
                breaches.push(file.at(number, &format!("`{module}` may not know of `{target}`")));
            }
        }
    }
    assert_none("arrows between modules point down", &breaches);
}

/// The module of the server that a file belongs to.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("server/src/")?;
    inside.split(['/', '.']).next()
}

/// Each module that the product lines of `file` name after `crate::`.
fn arrows(file: &SourceFile) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    let mut open = false;
    for (number, line) in file.product_lines() {
        let code = line.strip_suffix(comment(line).unwrap_or_default()).unwrap_or(line);
        if open {
            // Inside `use crate::{`: a line for each entry, as rustfmt lays them out.
            open = !code.trim_start().starts_with('}');
            found.extend(code.split(',').filter_map(first_name).map(|name| (number, name)));
        }
        for after in code.split("crate::").skip(1) {
            if let Some(list) = after.strip_prefix('{') {
                open = !list.contains('}');
                found.extend(list.split(',').filter_map(first_name).map(|name| (number, name)));
            } else {
                found.extend(first_name(after).map(|name| (number, name)));
            }
        }
    }
    found
}

/// The module at the beginning of a path; a type re-exported at the root belongs to `error`.
fn first_name(path: &str) -> Option<String> {
    let name: String =
        path.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let first = name.chars().next()?;
    Some(if first.is_uppercase() { "error".to_owned() } else { name })
}

#[test]
fn arrows_are_read_from_uses_and_from_paths() {
    let file = SourceFile::of_text(
        "server/src/sql/parse.rs",
        "//! docs of crate::flight\nuse crate::{Error, session::X, run};\nuse crate::{\n    query::A,\n    Result,\n};\nfn f() -> crate::context::Context {} // crate::app\n#[cfg(test)]\nmod tests {\n    use crate::demo;\n}\n",
    );
    let found: BTreeSet<_> = arrows(&file).into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, ["context", "error", "query", "run", "session"].map(str::to_owned).into());
    assert_eq!(module_of(&file.path), Some("sql"));
    assert_eq!(file.language(), Language::Rust);
}

#[test]
fn the_table_of_modules_has_no_cycle_but_the_spines() {
    // The spine's types go to those it calls, and the client's `weir demo` and the demo's printing know each other.
    let known = [("run", "query"), ("run", "command"), ("client", "demo")];
    let mut cycles = Vec::new();
    for (module, allowed) in MODULES {
        for target in allowed.split_whitespace() {
            let back = MODULES.iter().any(|(name, targets)| *name == target && lists(targets, module));
            if back && !known.contains(&(*module, target)) && !known.contains(&(target, *module)) {
                cycles.push(format!("{module} and {target} know each other"));
            }
        }
    }
    assert_none("no cycles", &cycles);
}
