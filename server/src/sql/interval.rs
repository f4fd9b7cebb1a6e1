//! Intervals whose units stand inside the text: `INTERVAL '60 second'`, `INTERVAL '1 hour 30 minutes'`. Grafana and tools made
//! for PostgreSQL write them so. An interval that says no unit, inside or after the text, is a syntax error: it would mean
//! seconds to one reader and days to another.

use datafusion::sql::sqlparser::ast::{Expr, Interval};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The words for units, without the `s` of the plural.
const UNITS: &[&str] =
    &["year", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond"];

/// Reads INTERVAL and a text that says its units, where that is ahead; otherwise nothing is read.
pub(super) fn with_units_inside(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let Token::Word(word) = &parser.peek_token_ref().token else { return None };
    if word.keyword != Keyword::INTERVAL || word.quote_style.is_some() {
        return None;
    }
    match &parser.peek_nth_token_ref(1).token {
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) if says_units(text) => {}
        _ => return None,
    }
    parser.advance_token();
    let value = match parser.parse_value() {
        Ok(value) => value,
        Err(error) => return Some(Err(error)),
    };
    // INTERVAL '1 day' HOUR would say two things.
    if parser.next_token_is_temporal_unit() {
        return Some(
            parser.expected_ref("no unit after INTERVAL with units inside", parser.peek_token_ref()),
        );
    }
    Some(Ok(Expr::Interval(Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })))
}

/// Whether a text is pairs of a number and a unit, one at least.
fn says_units(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut pairs = words.chunks(2);
    !words.is_empty()
        && pairs.all(|pair| matches!(pair, [number, unit] if is_number(number) && is_unit(unit)))
}

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let is_plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_plain && digits.starts_with(|c: char| c.is_ascii_digit()) && digits.parse::<f64>().is_ok()
}

fn is_unit(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    UNITS.contains(&word.strip_suffix('s').unwrap_or(&word))
}

#[cfg(test)]
mod tests {
    use super::says_units;

    #[test]
    fn each_number_of_an_interval_has_its_unit() {
        for text in
            ["60 second", " 1  Hour 30 minutes ", "-1 day", "+2 weeks", "1.5 seconds", "1 year 2 MONTHS"]
        {
            assert!(says_units(text), "{text}");
        }
        for text in [
            "",
            "60",
            "second",
            "1 day 5",
            "1day",
            "1 parsec",
            "day 1",
            "inf seconds",
            ". days",
            "1 dayss",
            "1 - days",
        ] {
            assert!(!says_units(text), "{text}");
        }
    }
}
