//! Patterns of `date_format` as the dialect writes them (`yyyy-MM-dd`), and of `to_char` as it does not.
//!
//! The engine knows one kind of pattern, that of strftime (`%Y-%m-%d`), and gives back as it is what has no `%` in it: `yyyy-MM-dd`
//! would be the answer for each day. So a constant pattern of `date_format` without `%` is written in strftime's letters, and
//! one with a letter that has no equal there is refused; one of `to_char` is refused. The letters are those of Java's
//! DateTimeFormatter, as the documentation of Spark's datetime patterns lists them.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, Value,
};

use crate::error::{Condition, Error, Position};

/// The most letters of one part of a pattern.
const LETTERS_MAX: usize = 9;

/// Writes the constant pattern of a call in the engine's letters, or refuses it.
pub(super) fn translate(expression: &mut Expr) -> Result<(), Error> {
    let Expr::Function(call) = expression else { return Ok(()) };
    let start = call.name.span().start;
    let position = (start.line > 0).then_some(Position { line: start.line, column: start.column });
    let is_translated = match call.name.to_string().to_lowercase().as_str() {
        "date_format" => true,
        "to_char" => false,
        _ => return Ok(()),
    };
    let Some(pattern) = pattern_of(call) else { return Ok(()) };
    if pattern.contains('%') || !pattern.contains(char::is_alphabetic) || is_of_durations(pattern) {
        return Ok(());
    }
    let refused = |text: String| Error::new(Condition::InvalidParameterValue, text).at(position);
    if !is_translated {
        let text = format!("`to_char` takes patterns of strftime, and `{pattern}` has no `%` in it");
        return Err(refused(text).with_hint("write '%Y-%m-%d %H:%M:%S', or call date_format"));
    }
    match in_strftime(pattern) {
        Ok(written) => *pattern = written,
        Err(part) => {
            let text = format!("`date_format` has no pattern `{part}`");
            let hint = "letters are y M d D H h m s S a E, texts stand in single quotes; strftime's \
                        patterns ('%Y-%m-%d') are taken too";
            return Err(refused(text).with_hint(hint));
        }
    }
    Ok(())
}

/// The formats of a duration, which are words.
fn is_of_durations(pattern: &str) -> bool {
    ["pretty", "iso8601"].contains(&pattern.to_lowercase().as_str())
}

fn pattern_of(call: &mut Function) -> Option<&mut String> {
    let FunctionArguments::List(arguments) = &mut call.args else { return None };
    match arguments.args.as_mut_slice() {
        [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &mut value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The pattern in strftime's letters, or the part that has no equal there.
fn in_strftime(pattern: &str) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\'' => {
                let mut text = String::new();
                let mut ended = false;
                while let Some(inner) = rest.next() {
                    match (inner, rest.peek()) {
                        ('\'', Some('\'')) => {
                            rest.next();
                            text.push('\'');
                        }
                        ('\'', _) => {
                            ended = true;
                            break;
                        }
                        (other, _) => text.push(other),
                    }
                }
                match ended {
                    // Two quotes are one.
                    true if text.is_empty() => written.push('\''),
                    true => written.push_str(&text),
                    false => return Err(format!("'{text}")),
                }
            }
            letter if letter.is_ascii_alphabetic() => {
                let mut part = String::from(letter);
                while part.len() < LETTERS_MAX && rest.next_if_eq(&letter).is_some() {
                    part.push(letter);
                }
                written.push_str(equal(&part).ok_or(part)?);
            }
            other => written.push(other),
        }
    }
    Ok(written)
}

/// What a run of one letter is to strftime.
fn equal(part: &str) -> Option<&'static str> {
    Some(match part {
        "y" | "yyy" | "yyyy" | "u" | "uuuu" => "%Y",
        "yy" | "uu" => "%y",
        "M" | "L" => "%-m",
        "MM" | "LL" => "%m",
        "MMM" | "LLL" => "%b",
        "MMMM" | "LLLL" => "%B",
        "d" => "%-d",
        "dd" => "%d",
        "D" => "%-j",
        "DDD" => "%j",
        "E" | "EE" | "EEE" => "%a",
        "EEEE" => "%A",
        "a" => "%p",
        "H" => "%-H",
        "HH" => "%H",
        "h" => "%-I",
        "hh" => "%I",
        "m" => "%-M",
        "mm" => "%M",
        "s" => "%-S",
        "ss" => "%S",
        "SSS" => "%3f",
        "SSSSSS" => "%6f",
        "SSSSSSSSS" => "%9f",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_the_dialect_become_those_of_the_engine() {
        for (pattern, written) in [
            ("yyyy-MM-dd HH:mm:ss.SSS", "%Y-%m-%d %H:%M:%S.%3f"),
            ("d MMMM yy, EEEE", "%-d %B %y, %A"),
            ("yyyy-MM-dd'T'hh:mm a", "%Y-%m-%dT%I:%M %p"),
            ("h 'o''clock'", "%-I o'clock"),
            ("yyyy''MM", "%Y'%m"),
            ("yyyyMMdd", "%Y%m%d"),
            ("", ""),
        ] {
            assert_eq!(in_strftime(pattern).as_deref(), Ok(written), "{pattern}");
        }
    }

    #[test]
    fn what_has_no_equal_is_told_by_its_letters() {
        for (pattern, part) in [
            ("YYYY-MM-dd", "YYYY"),
            ("yyyy-QQ", "QQ"),
            ("SS", "SS"),
            ("yyyy 'open", "'open"),
            ("yyyyyyyyyy", "yyyyyyyyy"),
        ] {
            assert_eq!(in_strftime(pattern), Err(part.to_owned()), "{pattern}");
        }
    }
}
