//! [`Clause`]: an expression of a policy, which can be said as a function's body over its parameters, and inline over
//! the columns of a table with everything of identity replaced by what it is for alice.
//!
//! In its template `{a}` is a column, `{in:x}` whether the caller is in group `x`, `{among:c}` whether they are in the
//! group that column `c` names, `{user}` their name, and `{mapping}` the table that policies read.

use std::fmt;

use crate::table::COLUMNS;

/// Whoever asks, in all cases.
const CALLER: &str = "alice";
/// The groups of whoever asks.
const GROUPS: [&str; 2] = ["x", "y"];

/// An expression of a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    template: String,
    may_fail: bool,
}

/// A policy's function and the columns that are its arguments.
#[derive(Debug, Clone)]
pub struct PolicyFunction {
    /// `name TYPE` each.
    pub parameters: Vec<String>,
    /// Over the parameters.
    pub body: String,
    /// The argument of each parameter.
    pub columns: Vec<String>,
}

enum Part<'a> {
    Text(&'a str),
    Column(&'a str),
    InGroup(&'a str),
    Among(&'a str),
    User,
    Mapping,
}

impl Clause {
    /// An expression that fails on no row.
    pub fn new(template: impl Into<String>) -> Self {
        Self { template: template.into(), may_fail: false }
    }

    /// An expression that may fail on some row.
    pub(crate) fn failing(template: impl Into<String>) -> Self {
        Self { template: template.into(), may_fail: true }
    }

    /// Another made of this one's and perhaps another's template.
    pub(crate) fn joined(&self, other: &Self, template: impl Fn(&str, &str) -> String) -> Self {
        let template = template(&self.template, &other.template);
        Self { template, may_fail: self.may_fail || other.may_fail }
    }

    /// Whether it may fail on some row.
    pub fn may_fail(&self) -> bool {
        self.may_fail
    }

    /// As a function whose first parameters are `before`, used or not.
    pub fn function(&self, before: &[&str], mapping: &str) -> PolicyFunction {
        let mut columns: Vec<String> = before.iter().map(|column| (*column).to_owned()).collect();
        for part in parts(&self.template) {
            if let Part::Column(column) | Part::Among(column) = part
                && !columns.iter().any(|known| known == column)
            {
                columns.push(column.to_owned());
            }
        }
        let parameters = columns.iter().map(|column| {
            let found = COLUMNS.iter().find(|(name, _)| name == column);
            format!("of_{column} {}", found.map_or("INT", |(_, of)| of.sql()))
        });
        let body = self.said(|part| match part {
            Part::Column(column) => format!("of_{column}"),
            Part::Among(column) => format!("is_account_group_member(of_{column})"),
            other => for_whoever_asks(other, mapping),
        });
        PolicyFunction { parameters: parameters.collect(), body, columns }
    }

    /// Over the columns of `table`, for alice, who is in the groups `x` and `y`.
    pub fn inline(&self, table: &str, mapping: &str) -> String {
        self.said(|part| match part {
            Part::Column(column) => format!("{table}.{column}"),
            Part::InGroup(group) => GROUPS.contains(&group).to_string().to_uppercase(),
            Part::Among(column) => format!("{table}.{column} IN ('{}')", GROUPS.join("', '")),
            Part::User => format!("'{CALLER}'"),
            Part::Mapping => mapping.to_owned(),
            Part::Text(text) => text.to_owned(),
        })
    }

    /// Over the columns of `table`, for whoever asks.
    pub fn over(&self, table: &str, mapping: &str) -> String {
        self.said(|part| match part {
            Part::Column(column) => format!("{table}.{column}"),
            Part::Among(column) => format!("is_account_group_member({table}.{column})"),
            other => for_whoever_asks(other, mapping),
        })
    }

    /// Whether it is another for another caller.
    pub fn tests_identity(&self) -> bool {
        parts(&self.template)
            .iter()
            .any(|part| matches!(part, Part::InGroup(_) | Part::Among(_) | Part::User))
    }

    fn said(&self, say: impl Fn(Part<'_>) -> String) -> String {
        parts(&self.template).into_iter().map(say).collect()
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

/// The parts that speak of no column.
fn for_whoever_asks(part: Part<'_>, mapping: &str) -> String {
    match part {
        Part::InGroup(group) => format!("is_account_group_member('{group}')"),
        Part::User => "current_user()".to_owned(),
        Part::Mapping => mapping.to_owned(),
        Part::Text(text) | Part::Column(text) | Part::Among(text) => text.to_owned(),
    }
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, left)) = after.split_once('}') else { break };
        parts.push(Part::Text(before));
        parts.push(match name.split_once(':') {
            Some(("in", group)) => Part::InGroup(group),
            Some((_, column)) => Part::Among(column),
            None if name == "user" => Part::User,
            None if name == "mapping" => Part::Mapping,
            None => Part::Column(name),
        });
        rest = left;
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_said_as_a_function_and_inline() {
        let clause = Clause::new(
            "{in:z} OR {among:c} OR {a} = 1 AND {user} = {c} AND {a} IN (SELECT m.k FROM {mapping} m)",
        );
        let function = clause.function(&["b"], "s.mapping");
        assert_eq!(function.parameters, ["of_b BIGINT", "of_c STRING", "of_a INT"]);
        assert_eq!(function.columns, ["b", "c", "a"]);
        assert_eq!(
            function.body,
            "is_account_group_member('z') OR is_account_group_member(of_c) OR of_a = 1 AND current_user() = of_c AND of_a IN (SELECT m.k FROM s.mapping m)"
        );
        assert_eq!(
            clause.inline("raw", "mapping"),
            "FALSE OR raw.c IN ('x', 'y') OR raw.a = 1 AND 'alice' = raw.c AND raw.a IN (SELECT m.k FROM mapping m)"
        );
    }
}
