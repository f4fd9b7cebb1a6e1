//! Bounds how deep a statement's tree can become, before it is built. A tree too deep would
//! exhaust the stack where it is walked or dropped, and with it the process.
//!
//! Two measures on tokens: brackets within brackets, and the height that chains of operators,
//! set operations and brackets can add up to. Both are upper bounds; neither looks at meaning.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::cursor::position_of;
use crate::error::{Condition, Error, Result};

/// Brackets, type brackets and CASE within one another.
const BRACKETS_MAX: usize = 64;

/// Operators one above the other.
const HEIGHT_MAX: usize = 1_000;

/// What sqlparser may descend. Higher than the brackets allow, since it counts several levels a
/// bracket; its own stack grows as needed.
pub(crate) const RECURSION_MAX: usize = 300;

/// The refusal of a statement that is nested too deeply.
pub(crate) fn too_deep() -> Error {
    Error::new(Condition::ParseSyntaxError, "the statement is nested too deeply")
        .with_hint("use fewer brackets and shorter chains of operators, or IN with a list")
}

/// One bracket that is open, and the highest tree that what it holds so far can become: parts
/// stand side by side, AND and OR join operands, set operations join parts.
#[derive(Default)]
struct Level {
    case: bool,
    operators: usize,
    inner: usize,
    highest_operand: usize,
    connectives: usize,
    highest_part: usize,
    set_operations: usize,
}

impl Level {
    fn operand(&self) -> usize {
        self.highest_operand.max(self.operators + self.inner)
    }

    fn end_operand(&mut self) {
        self.highest_operand = self.operand();
        self.operators = 0;
        self.inner = 0;
    }

    fn end_part(&mut self) {
        self.highest_part = self.highest_part.max(self.operand() + self.connectives);
        self.operators = 0;
        self.inner = 0;
        self.highest_operand = 0;
        self.connectives = 0;
    }

    fn height(&self) -> usize {
        self.highest_part.max(self.operand() + self.connectives) + self.set_operations + 1
    }

    fn note(&mut self, role: Role) {
        match role {
            Role::Operator => self.operators += 1,
            Role::Connective => {
                self.end_operand();
                self.connectives += 1;
            }
            Role::SetOperation => {
                self.end_part();
                self.set_operations += 1;
            }
            Role::Part => self.end_part(),
            Role::Open | Role::Close | Role::Case | Role::End | Role::Leaf => {}
        }
    }
}

/// Checks the tokens.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    let mut prefixes = 0_usize;
    for TokenWithSpan { token, span } in tokens {
        if matches!(token, Token::Whitespace(_)) {
            continue;
        }
        let role = role(token);
        prefixes = if role == Role::Operator { prefixes + 1 } else { 0 };
        match role {
            Role::Open | Role::Case => {
                if let Some(level) = levels.last_mut() {
                    level.operators += 1;
                }
                levels.push(Level { case: role == Role::Case, ..Level::default() });
            }
            Role::Close => {
                while levels.last().is_some_and(|level| level.case) {
                    close(&mut levels);
                }
                close(&mut levels);
            }
            Role::End if levels.last().is_some_and(|level| level.case) => close(&mut levels),
            _ => {
                if let Some(level) = levels.last_mut() {
                    level.note(role);
                }
            }
        }
        let height: usize = levels.iter().map(Level::height).sum();
        if levels.len() > BRACKETS_MAX || height > HEIGHT_MAX || prefixes > BRACKETS_MAX {
            return Err(too_deep().at(position_of(span.start)));
        }
    }
    Ok(())
}

/// Closes the innermost bracket, unless there is none.
fn close(levels: &mut Vec<Level>) {
    if levels.len() < 2 {
        return;
    }
    let height = levels.pop().map_or(0, |level| level.height());
    if let Some(level) = levels.last_mut() {
        level.inner = level.inner.max(height);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Open,
    Close,
    Case,
    End,
    /// AND, OR: below every operator.
    Connective,
    /// Puts one node above what it joins.
    Operator,
    SetOperation,
    /// Begins something beside what came before.
    Part,
    Leaf,
}

fn role(token: &Token) -> Role {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Role::Open,
        Token::RParen | Token::RBracket | Token::RBrace => Role::Close,
        Token::Comma | Token::SemiColon => Role::Part,
        Token::Word(Word { value, quote_style: None, .. }) => word_role(value),
        Token::Word(_)
        | Token::EOF
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Placeholder(_) => Role::Leaf,
        _ => Role::Operator,
    }
}

fn word_role(word: &str) -> Role {
    match word.to_uppercase().as_str() {
        "CASE" => Role::Case,
        "END" => Role::End,
        "AND" | "OR" | "XOR" => Role::Connective,
        "UNION" | "EXCEPT" | "INTERSECT" | "MINUS" | "JOIN" => Role::SetOperation,
        "SELECT" | "FROM" | "WHERE" | "HAVING" | "QUALIFY" | "GROUP" | "ORDER" | "ON" | "WHEN" | "THEN"
        | "ELSE" | "VALUES" => Role::Part,
        "NOT" | "IS" | "IN" | "LIKE" | "ILIKE" | "RLIKE" | "REGEXP" | "SIMILAR" | "BETWEEN" | "DIV"
        | "AT" | "COLLATE" | "INTERVAL" | "PRIOR" | "EXPLAIN" | "ARRAY" | "STRUCT" | "MAP" | "ANY"
        | "ALL" | "SOME" | "NOTNULL" | "ISNULL" | "OVERLAPS" | "MOD" => Role::Operator,
        _ => Role::Leaf,
    }
}
