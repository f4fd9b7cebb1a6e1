//! The ways to write a table's version, of which the grammar knows one: `FOR` before it falls away, and the words of the
//! standard become those of the dialect.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// `[FOR] VERSION|SYSTEM_VERSION|TIMESTAMP|SYSTEM_TIME AS OF` as `VERSION|TIMESTAMP AS OF`.
pub(crate) fn spell_one_way(tokens: &mut Vec<TokenWithSpan>) {
    // Blanks and comments are tokens too.
    let speaks = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let words: Vec<usize> =
        tokens.iter().enumerate().filter(|(_, token)| speaks(token)).map(|(at, _)| at).collect();
    let mut dropped = Vec::new();
    for window in words.windows(4) {
        let [first, kind, r#as, of] = *window else { continue };
        if !is(tokens, first, "FOR") || !is(tokens, r#as, "AS") || !is(tokens, of, "OF") {
            continue;
        }
        let (text, keyword) = if is(tokens, kind, "VERSION") || is(tokens, kind, "SYSTEM_VERSION") {
            ("VERSION", Keyword::VERSION)
        } else if is(tokens, kind, "TIMESTAMP") || is(tokens, kind, "SYSTEM_TIME") {
            ("TIMESTAMP", Keyword::TIMESTAMP)
        } else {
            continue;
        };
        if let Some(TokenWithSpan { token: Token::Word(word), .. }) = tokens.get_mut(kind) {
            text.clone_into(&mut word.value);
            word.keyword = keyword;
        }
        dropped.push(first);
    }
    for at in dropped.into_iter().rev() {
        tokens.remove(at);
    }
}

fn is(tokens: &[TokenWithSpan], at: usize, word: &str) -> bool {
    match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(found)) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    }
}
