//! The files of the house as text: which there are, which lines of them are product and which test.
//!
//! Reads the clone this test was built in. Build trees, hidden folders and what Git ignores are left out.

use std::fs;
use std::path::{Path, PathBuf};

/// What a file is written in, as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Rust.
    Rust,
    /// Anything else that is text.
    Other,
}

/// One file of the repository.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Its path from the root, with `/`.
    pub(super) path: String,
    text: String,
}

/// Folders that hold what is built or downloaded, not what is written.
const NOT_OURS: &[&str] = &["target", "weir-data", "node_modules", "__pycache__"];
/// Hidden folders that are part of the house.
const HIDDEN_OURS: &[&str] = &[".ci", ".cargo", ".config", ".github"];
/// Endings of text files; a file without an ending counts as text too.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "txt", "sql", "slt", "py", "sh", "ini", "xml", "java", "html", "css", "js", "json",
    "yaml", "yml",
];

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Every text file of the repository, sorted by path.
pub(super) fn repository() -> Vec<SourceFile> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let hidden = name.starts_with('.') && !HIDDEN_OURS.contains(&name.as_str());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !hidden && !NOT_OURS.contains(&name.as_str()) {
                collect(&entry.path(), &path, files);
            }
        } else if kind.is_file() && is_text(&name) {
            // A file that is not UTF-8 is no text.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push(SourceFile { path, text });
            }
        }
    }
}

fn is_text(name: &str) -> bool {
    let name = name.trim_start_matches('.');
    name.rsplit_once('.').is_none_or(|(_, ending)| TEXT.contains(&ending))
}

impl SourceFile {
    /// A file for the tests of the rules themselves.
    pub(super) fn of_text(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// What it is written in.
    pub(super) fn language(&self) -> Language {
        if self.path.ends_with(".rs") { Language::Rust } else { Language::Other }
    }

    /// Its first line.
    pub(super) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Its whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its lines, numbered from one.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// A breach at a line.
    pub(super) fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Whether the whole file is there for tests.
    pub(super) fn is_test(&self) -> bool {
        let parts: Vec<_> = self.path.split('/').collect();
        let (name, folders) = match parts.split_last() {
            Some((name, folders)) => (*name, folders),
            None => ("", parts.as_slice()),
        };
        folders.iter().any(|folder| matches!(*folder, "tests" | "test"))
            || name == "tests.rs"
            || name == "suite.rs"
    }

    /// Its lines that are not tests: nothing of a test file, and no inline `#[cfg(test)] mod … { … }`.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = Vec::new();
        let mut all = self.numbered().peekable();
        let mut conditional = false;
        while let Some((number, line)) = all.next() {
            if self.is_test() {
                break;
            }
            let text = line.trim_start();
            let indent = line.len() - text.len();
            if conditional && is_inline_module(text) {
                let end = format!("{}}}", " ".repeat(indent));
                while all.next_if(|(_, inside)| *inside != end).is_some() {}
                all.next();
                conditional = false;
                continue;
            }
            if text.starts_with("#[cfg(") && text.contains("test") {
                conditional = true;
            } else if !text.starts_with("#[") && !text.starts_with("//") && !text.is_empty() {
                conditional = false;
            }
            lines.push((number, line));
        }
        lines.into_iter()
    }
}

fn is_inline_module(line: &str) -> bool {
    let declaration = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
    declaration.starts_with("mod ") && line.ends_with('{')
}

/// The comment of a line of Rust, without what stands before it; `None` where there is none.
///
/// A `//` inside a string literal on the same line is not a comment.
pub(super) fn comment(line: &str) -> Option<&str> {
    line.match_indices("//").find_map(|(place, _)| {
        let before = line.get(..place)?;
        let quotes = before.replace("\\\"", "").replace("'\"'", "").matches('"').count();
        let address = before.ends_with(':');
        (quotes % 2 == 0 && !address).then(|| line.get(place..)).flatten()
    })
}

#[test]
fn inline_tests_are_no_product_lines() {
    let file = SourceFile::of_text(
        "server/src/x.rs",
        "//! x\nfn product() {}\n\n#[cfg(test)]\n#[expect(a)]\nmod tests {\n    fn inside() {\n    }\n}\nfn after() {}\n",
    );
    let kept: Vec<_> = file.product_lines().map(|(number, _)| number).collect();
    assert_eq!(kept, [1, 2, 3, 4, 5, 10]);
}

#[test]
fn a_comment_is_told_from_slashes_in_a_string() {
    assert_eq!(comment("let a = 1; // why"), Some("// why"));
    assert_eq!(comment(r#"let url = "grpc://host";"#), None);
    assert_eq!(comment("/// docs"), Some("/// docs"));
    assert_eq!(comment("let a = 1;"), None);
}
