//! Numbers `?` placeholders: the first becomes `$1`. Done on tokens, so that a `?` inside a
//! string, a quoted name or a comment stays what it is.

use datafusion::sql::sqlparser::ast::Visit;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::position_of;
use super::expression;
use crate::error::{Condition, Error, Position, Result};

/// Rewrites the tokens; returns how many `?` there were. Errors when `?` stands beside numbered
/// placeholders, since their order would be a guess.
pub(crate) fn number(tokens: &mut [TokenWithSpan]) -> Result<usize> {
    let mut count = 0_usize;
    let mut numbered = false;
    for TokenWithSpan { token, span } in tokens {
        match token {
            Token::Placeholder(text) if text == "?" => {
                count += 1;
                *token = Token::Placeholder(format!("${count}"));
            }
            Token::Placeholder(_) => numbered = true,
            _ => continue,
        }
        if numbered && count > 0 {
            return Err(mixed(position_of(span.start)));
        }
    }
    Ok(count)
}

/// Errors when a tree whose `?` were numbered has named placeholders as well; `:name` is two
/// tokens, so only the tree tells.
pub(crate) fn check_unmixed(question_marks: usize, tree: &impl Visit) -> Result<()> {
    if question_marks > 0 && expression::placeholders(tree).iter().any(|name| !name.starts_with('$')) {
        return Err(mixed(None));
    }
    Ok(())
}

fn mixed(position: Option<Position>) -> Error {
    Error::new(Condition::ParseSyntaxError, "`?` cannot stand beside named or numbered parameters")
        .at(position)
}
