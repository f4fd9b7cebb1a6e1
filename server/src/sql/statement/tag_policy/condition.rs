//! Conditions on tags: `has_tag('k') AND NOT has_tag_value('k', 'v') OR TRUE`.
//!
//! What is joined by one operator becomes a tree as flat as can be, so that a long list is no deep
//! one. The catalog refuses what is nested too deeply all the same.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::TagCondition;

use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::nesting;

/// How deep brackets and NOT may be nested.
const DEPTH_MAX: usize = 24;

/// A condition at the cursor.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<TagCondition> {
    either(cursor, 0)
}

fn either(cursor: &mut Cursor<'_>, depth: usize) -> Result<TagCondition> {
    let mut parts = vec![both(cursor, depth)?];
    while cursor.word("OR") {
        parts.push(both(cursor, depth)?);
    }
    Ok(balanced(parts, TagCondition::Or))
}

fn both(cursor: &mut Cursor<'_>, depth: usize) -> Result<TagCondition> {
    let mut parts = vec![single(cursor, depth)?];
    while cursor.word("AND") {
        parts.push(single(cursor, depth)?);
    }
    Ok(balanced(parts, TagCondition::And))
}

type Join = fn(Box<TagCondition>, Box<TagCondition>) -> TagCondition;

/// The parts joined in pairs, and the pairs in pairs.
fn balanced(mut parts: Vec<TagCondition>, join: Join) -> TagCondition {
    while parts.len() > 1 {
        let mut joined = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(Box::new(left), Box::new(right)),
                None => left,
            });
        }
        parts = joined;
    }
    parts.pop().unwrap_or(TagCondition::True)
}

fn single(cursor: &mut Cursor<'_>, depth: usize) -> Result<TagCondition> {
    if depth > DEPTH_MAX {
        return Err(nesting::too_deep().at(cursor.position()));
    }
    if cursor.word("NOT") {
        return Ok(TagCondition::Not(Box::new(single(cursor, depth + 1)?)));
    }
    if cursor.symbol(&Token::LParen) {
        let inner = either(cursor, depth + 1)?;
        cursor.expect_symbol(&Token::RParen)?;
        return Ok(inner);
    }
    if cursor.word("TRUE") {
        return Ok(TagCondition::True);
    }
    // `hasTag` and its kin are the reference's older spelling.
    let Some(function) = cursor.peek_word(0).map(|word| word.replace('_', "")) else {
        return Err(cursor.expected("a condition on tags"));
    };
    if !matches!(function.as_str(), "HASTAG" | "HASTAGVALUE" | "HASCOLUMNTAG" | "HASCOLUMNTAGVALUE") {
        return Err(cursor.expected("has_tag, has_tag_value, has_column_tag, has_column_tag_value or TRUE"));
    }
    cursor.take();
    cursor.expect_symbol(&Token::LParen)?;
    let key = super::super::tag::key(cursor)?;
    let value = if function.ends_with("VALUE") {
        cursor.expect_symbol(&Token::Comma)?;
        cursor.string()?
    } else {
        String::new()
    };
    cursor.expect_symbol(&Token::RParen)?;
    Ok(match function.as_str() {
        "HASTAG" => TagCondition::HasTag(key),
        "HASTAGVALUE" => TagCondition::HasTagValue(key, value),
        "HASCOLUMNTAG" => TagCondition::HasColumnTag(key),
        _ => TagCondition::HasColumnTagValue(key, value),
    })
}
