//! The house rules as a test: what the compiler and the linter do not see, read from the files.
//!
//! Text alone is looked at, with nothing but the standard library. Each test collects every breach
//! and fails with all of them, one a line, as `file:line: what is wrong`.
//!
//! Exceptions stand in `tests/golden/large_files.txt` and `long_functions.txt`; both are sorted and
//! may only shrink. How to add a rule: one test below, or a file in `tidy/` when it needs more than
//! a screen.

mod arrows;
mod attacks;
mod callers_catalog;
mod columns;
mod conformance;
mod sizes;
mod source;

use source::{Language, SourceFile, repository};

/// Names that say nothing of what is inside.
const BANNED_NAMES: &[&str] = &[
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "shared",
    "manager",
    "handler",
    "handlers",
    "processor",
    "base",
    "core",
    "impl",
    "data",
    "info",
    "next",
    "v2",
    "new",
    "old",
];

/// Words by which a comment speaks of history instead of what holds.
const WORDS_OF_HISTORY: &[&str] = &["previously", "no longer", "used to be", "formerly", "for now"];

/// Fails with every breach, so that one run shows all there is to do.
fn assert_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}\n  {}\n", breaches.join("\n  "));
}

fn rust_files() -> Vec<SourceFile> {
    let files: Vec<_> = repository().into_iter().filter(|file| file.language() == Language::Rust).collect();
    assert!(files.len() > 20, "the house was not found: only {} Rust files", files.len());
    files
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let breaches: Vec<_> = rust_files()
        .iter()
        .filter(|file| {
            let words = file.first_line().strip_prefix("//!").unwrap_or_default().trim();
            words.is_empty() || words == "placeholder"
        })
        .map(|file| file.at(1, "begin with `//!`: what it is, its promise, what it does not do"))
        .collect();
    assert_none("every file says what it is", &breaches);
}

#[test]
fn a_module_with_a_folder_is_a_file_beside_it() {
    let breaches: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.path.ends_with("/mod.rs"))
        .map(|file| file.at(1, "move it beside its folder, under the folder's name"))
        .collect();
    assert_none("no mod.rs", &breaches);
}

#[test]
fn files_and_folders_are_named_by_nouns_of_the_domain() {
    let mut breaches = Vec::new();
    for file in repository() {
        let stem = file.path.rsplit_once('.').map_or(file.path.as_str(), |(stem, _)| stem);
        for part in stem.split('/') {
            let banned = BANNED_NAMES.contains(&part) || part.starts_with("do_") || part.starts_with("my_");
            if banned {
                breaches
                    .push(file.at(1, &format!("`{part}` names nothing: which noun of the domain is it?")));
            }
        }
    }
    assert_none("no drawer for junk", &breaches);
}

#[test]
fn inline_modules_are_named_by_nouns_of_the_domain() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        for (number, line) in file.numbered() {
            let words: Vec<_> = line.split_whitespace().take_while(|word| *word != "{").collect();
            let named = words.iter().position(|word| *word == "mod").and_then(|place| words.get(place + 1));
            let name = named.map_or("", |name| name.trim_end_matches(';'));
            if BANNED_NAMES.contains(&name) && !line.trim_start().starts_with("//") {
                breaches.push(file.at(number, &format!("module `{name}` names nothing")));
            }
        }
    }
    assert_none("no drawer for junk", &breaches);
}

#[test]
fn comments_tell_what_holds_and_not_what_was() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        if file.path.starts_with("tests/integration/tidy") {
            continue;
        }
        for (number, line) in file.numbered() {
            let Some(comment) = source::comment(line) else { continue };
            let comment = comment.to_lowercase();
            for word in WORDS_OF_HISTORY.iter().filter(|word| comment.contains(*word)) {
                breaches.push(file.at(number, &format!("\"{word}\" tells history; git keeps it")));
            }
        }
    }
    assert_none("comments do not rot", &breaches);
}

#[test]
fn every_todo_names_its_issue() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        for (number, line) in file.numbered() {
            let Some(comment) = source::comment(line) else { continue };
            for mark in ["TODO", "FIXME", "XXX"] {
                let Some((_, after)) = comment.split_once(mark) else { continue };
                let issue = after.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
                let named = issue
                    .is_some_and(|(id, _)| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
                if !named && !file.path.starts_with("tests/integration/tidy") {
                    breaches.push(file.at(number, &format!("write {mark}(#issue)")));
                }
            }
        }
    }
    assert_none("nothing is left to be done without an issue", &breaches);
}

#[test]
fn no_file_knows_a_path_of_one_machine() {
    let mut breaches = Vec::new();
    for file in repository() {
        let mut roots = vec!["work", "root"];
        if !file.is_test() {
            roots.push("tmp");
        }
        for (number, line) in file.numbered() {
            for root in &roots {
                if names_absolute_path(line, root) {
                    breaches.push(file.at(number, &format!("/{root}/ exists on one machine only")));
                }
            }
        }
    }
    assert_none("the house stands anywhere", &breaches);
}

/// Whether a path in `line` begins at `root`, a folder at the top of the machine.
fn names_absolute_path(line: &str, root: &str) -> bool {
    let path = format!("/{root}/");
    line.match_indices(&path).any(|(place, _)| {
        let before = line.get(..place).and_then(|text| text.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || ".-_}>/~$".contains(character))
    })
}

#[test]
fn policies_and_scans_are_no_wire_types() {
    let mut breaches = Vec::new();
    for file in rust_files() {
        let closed = file.path.starts_with("server/enforce/")
            || file.path.starts_with("server/scan/")
            || (file.path.starts_with("catalog/")
                && !file.path.starts_with("catalog/src/store/rows")
                // The catalog's own file format: structs of nothing else, converted beside them.
                && !file.path.starts_with("catalog/src/document"));
        for (number, line) in file.product_lines().filter(|_| closed) {
            let derives =
                line.contains("derive(") && (line.contains("Serialize") || line.contains("Deserialize"));
            if derives && source::comment(line).is_none() {
                breaches.push(file.at(number, "convert at the door or in catalog/src/store/rows.rs instead"));
            }
        }
    }
    assert_none("no serde derives in enforce, scan and catalog", &breaches);
}

/// `.ok()?` is left alone: it hands the absence on to a caller who must look at it.
#[test]
fn no_failure_is_swallowed_where_it_could_open_a_door_or_lose_money() {
    let guarded = ["server/enforce/", "server/src/identity", "server/src/billing"];
    let mut breaches = Vec::new();
    for file in rust_files().iter().filter(|file| guarded.iter().any(|place| file.path.starts_with(place))) {
        let mut above = String::new();
        for (number, line) in file.product_lines() {
            let swallows = ["let _ =", "unwrap_or_default"].iter().any(|word| line.contains(word))
                || line.replace(".ok()?", "").contains(".ok()");
            let code = !line.trim_start().starts_with("//");
            if swallows && code && !line.contains("// reason:") && !above.contains("// reason:") {
                breaches.push(
                    file.at(number, "say why it may be ignored: `// reason: …` here or on the line above"),
                );
            }
            above = line.to_owned();
        }
    }
    assert_none("no silent success", &breaches);
}

#[test]
fn no_decision_hangs_on_the_text_of_an_error() {
    let mut breaches = Vec::new();
    for file in rust_files().iter().filter(|file| !file.is_test()) {
        for (number, line) in file.product_lines() {
            if line.contains(".to_string().contains(") || line.contains(".to_string().starts_with(") {
                breaches.push(file.at(number, "match on a kind or a variant instead of on text"));
            }
        }
    }
    assert_none("errors are values", &breaches);
}

#[test]
fn no_test_is_switched_off() {
    let switches = ["ignore", "should_panic"].map(|name| format!("#[{name}"));
    let mut breaches = Vec::new();
    for file in rust_files() {
        for (number, line) in file.numbered() {
            if switches.iter().any(|switch| line.trim_start().starts_with(switch)) {
                breaches.push(file.at(number, "a test runs and asserts, or it goes"));
            }
        }
    }
    assert_none("every test runs", &breaches);
}
