//! [`Walk`]: a page of documentation whose SQL is run.
//!
//! A fenced block that begins with ```` ```sql ```` is run when a comment in it says who asks:
//!
//! ```text
//! -- as alice
//! SELECT …;
//! ```
//!
//! A block without such a comment is for reading alone. Statements end with `;` at the end of a line. A fenced
//! `text` block right after it holds what the last statement answers, one row a line with ` | ` between
//! values, in any order; `[CONDITION] …` is a refusal of that condition.

use std::path::Path;

use crate::server::TestServer;

/// A page.
#[derive(Debug)]
pub struct Walk {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    line: usize,
    user: String,
    statements: Vec<String>,
    expected: Option<Vec<String>>,
}

impl Walk {
    /// Reads a page.
    pub fn read(path: &Path) -> Self {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        let mut steps: Vec<Step> = Vec::new();
        // Whether the last block was run, so that an answer belongs to it.
        let mut answers_next = false;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else {
                answers_next &= line.trim().is_empty();
                continue;
            };
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| !line.starts_with("```")).collect();
            match (kind, body.first().and_then(|line| line.strip_prefix("-- as "))) {
                ("sql", Some(user)) => {
                    let script = body.join("\n");
                    let (_, script) = script.split_once('\n').expect("a statement after who asks");
                    let statements =
                        script.split(";\n").map(|text| text.trim().trim_end_matches(';').to_owned());
                    let statements = statements.filter(|text| !text.is_empty()).collect();
                    let user = user.trim().to_owned();
                    steps.push(Step { line: number + 1, user, statements, expected: None });
                    answers_next = true;
                }
                ("text", _) if answers_next => {
                    let expected = body.iter().map(|line| line.trim_end().to_owned()).collect();
                    steps.last_mut().expect("a step before its answer").expected = Some(expected);
                    answers_next = false;
                }
                _ => answers_next = false,
            }
        }
        assert!(!steps.is_empty(), "{} has nothing to run", path.display());
        Self { steps }
    }

    /// Runs it from top to bottom; panics with everything that differs.
    pub async fn run(&self, server: &TestServer) {
        let mut breaches = Vec::new();
        for step in &self.steps {
            let (last, before) = step.statements.split_last().expect("a statement");
            for statement in before {
                if let Err(refusal) = server.sql(&step.user, statement).await {
                    breaches.push(format!("line {}: {statement}\n    refused: {}", step.line, refusal.text));
                }
            }
            let told = server.sql(&step.user, last).await;
            let differs = match (&told, &step.expected) {
                (Ok(_), None) => None,
                (Err(refusal), None) => Some(format!("refused: {}", refusal.text)),
                (Ok(rows), Some(expected)) => {
                    let (mut expected, found) = (expected.clone(), rows.sorted());
                    expected.sort();
                    (expected != found).then(|| format!("answered:\n{}", found.join("\n")))
                }
                (Err(refusal), Some(expected)) => {
                    let condition =
                        expected.first().and_then(|line| line.split_once(']')).map(|(name, _)| name);
                    let same = condition.is_some_and(|name| refusal.text.starts_with(&format!("{name}]")));
                    (!same).then(|| format!("refused: {}", refusal.text))
                }
            };
            if let Some(differs) = differs {
                breaches.push(format!("line {}: {last}\n    {differs}", step.line));
            }
        }
        assert!(breaches.is_empty(), "{} steps differ\n\n{}\n", breaches.len(), breaches.join("\n\n"));
    }
}
