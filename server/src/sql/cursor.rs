//! [`Cursor`]: our grammar's hold on sqlparser's token stream. Words are compared without case;
//! a quoted word is never a keyword; every error says where it is.

use datafusion::sql::sqlparser::ast::{self, Expr, Ident};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Word};

use super::reference::{CatalogReference, ObjectReference, SchemaReference};
use crate::error::{Condition, Error, Position, Result};

/// A place in the statement's tokens.
pub(crate) struct Cursor<'a> {
    parser: Parser<'a>,
    question_marks: usize,
    end: Option<Position>,
}

impl<'a> Cursor<'a> {
    /// At the first token. `question_marks` is how many placeholders were `?`, `end` where the
    /// text ends.
    pub(crate) fn new(parser: Parser<'a>, question_marks: usize, end: Option<Position>) -> Self {
        Self { parser, question_marks, end }
    }

    /// Where the token ahead stands.
    pub(crate) fn position(&self) -> Option<Position> {
        position_of(self.parser.peek_token_ref().span.start).or(self.end)
    }

    /// How many placeholders were `?`.
    pub(crate) fn question_marks(&self) -> usize {
        self.question_marks
    }

    /// sqlparser's error; at the end of the text where it does not say.
    fn told<T>(&self, result: Result<T, ParserError>) -> Result<T> {
        result.map_err(|error| {
            let error = from_parser(error);
            if error.position().is_some() { error } else { error.at(self.end) }
        })
    }

    /// The unquoted word `ahead` tokens from here, in upper case.
    pub(crate) fn peek_word(&self, ahead: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(Word { value, quote_style: None, .. }) => Some(value.to_uppercase()),
            _ => None,
        }
    }

    /// Whether that unquoted word is `ahead` tokens from here.
    pub(crate) fn peek_nth_word(&self, ahead: usize, word: &str) -> bool {
        self.peek_word(ahead).as_deref() == Some(word)
    }

    /// Whether these unquoted words are ahead, in order.
    pub(crate) fn peek_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(Word { value, quote_style: None, .. }) => value.eq_ignore_ascii_case(word),
            _ => false,
        })
    }

    /// Consumes the words if all are ahead.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let ahead = self.peek_words(words);
        if ahead {
            for _ in words {
                self.parser.advance_token();
            }
        }
        ahead
    }

    /// Consumes the word if it is ahead.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Consumes the words or errors.
    pub(crate) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        if self.words(words) { Ok(()) } else { Err(self.expected(&words.join(" "))) }
    }

    /// Whether the token is ahead.
    pub(crate) fn peek_symbol(&self, symbol: &Token) -> bool {
        self.parser.peek_token_ref().token == *symbol
    }

    /// Whether the token is `ahead` tokens from here.
    pub(crate) fn peek_nth_symbol(&self, ahead: usize, symbol: &Token) -> bool {
        self.parser.peek_nth_token_ref(ahead).token == *symbol
    }

    /// The token `ahead` tokens from here.
    pub(crate) fn peek_nth(&self, ahead: usize) -> &Token {
        &self.parser.peek_nth_token_ref(ahead).token
    }

    /// Whether the statement would be over `ahead` tokens from here.
    pub(crate) fn is_end_after(&self, ahead: usize) -> bool {
        matches!(self.peek_nth(ahead), Token::EOF | Token::SemiColon)
    }

    /// Whether the unquoted word `ahead` tokens from here ends a securable's name.
    pub(crate) fn peek_nth_is_clause(&self, ahead: usize) -> bool {
        matches!(self.peek_word(ahead).as_deref(), Some("TO" | "FROM" | "IS"))
    }

    /// Whether a number is `ahead` tokens from here.
    pub(crate) fn is_number(&self, ahead: usize) -> bool {
        matches!(self.parser.peek_nth_token_ref(ahead).token, Token::Number(..))
    }

    /// Consumes the token if it is ahead.
    pub(crate) fn symbol(&mut self, symbol: &Token) -> bool {
        self.parser.consume_token(symbol)
    }

    /// Consumes the token or errors.
    pub(crate) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    /// The token ahead, consumed.
    pub(crate) fn take(&mut self) -> Token {
        self.parser.next_token().token
    }

    /// The token ahead.
    pub(crate) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// An identifier, quoted or not.
    pub(crate) fn identifier(&mut self) -> Result<Ident> {
        if !matches!(self.peek(), Token::Word(_)) {
            return Err(self.expected("an identifier"));
        }
        let identifier = self.parser.parse_identifier();
        self.told(identifier)
    }

    /// A string literal.
    pub(crate) fn string(&mut self) -> Result<String> {
        match self.peek() {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => {
                let text = text.clone();
                self.parser.advance_token();
                Ok(text)
            }
            _ => Err(self.expected("a string literal")),
        }
    }

    /// A query of sqlparser's grammar.
    pub(crate) fn query(&mut self) -> Result<Box<ast::Query>> {
        let query = self.parser.parse_query();
        self.told(query)
    }

    /// An expression of sqlparser's grammar.
    pub(crate) fn expression(&mut self) -> Result<Expr> {
        let expression = self.parser.parse_expr();
        self.told(expression)
    }

    /// A literal of sqlparser's grammar: string, number, TRUE, FALSE, NULL.
    pub(crate) fn value(&mut self) -> Result<ast::Value> {
        let value = self.parser.parse_value().map(|value| value.value);
        self.told(value)
    }

    /// A dotted name's parts as written, and where it begins.
    pub(crate) fn parts(&mut self) -> Result<(Vec<String>, Option<Position>)> {
        let position = self.position();
        let mut parts = vec![self.identifier()?.value];
        while self.symbol(&Token::Period) {
            parts.push(self.identifier()?.value);
        }
        Ok((parts, position))
    }

    /// A catalog's name.
    pub(crate) fn catalog(&mut self) -> Result<CatalogReference> {
        let (parts, position) = self.parts()?;
        CatalogReference::from_parts(&parts, position)
    }

    /// A name of one part.
    pub(crate) fn name(&mut self) -> Result<weir_catalog::Name> {
        let position = self.position();
        let name = self.identifier()?.value;
        if self.peek_symbol(&Token::Period) {
            return Err(self.expected("a name of one part"));
        }
        super::reference::checked(&name, position)
    }

    /// A schema's name.
    pub(crate) fn schema(&mut self) -> Result<SchemaReference> {
        let (parts, position) = self.parts()?;
        SchemaReference::from_parts(&parts, position)
    }

    /// The name of a table, view or function. A path in its place is refused by name.
    pub(crate) fn object(&mut self) -> Result<ObjectReference> {
        let (parts, position) = self.parts()?;
        if let [format, path] = parts.as_slice()
            && super::refused_clauses::is_path(format, path)
        {
            return Err(super::refused_clauses::path_table(format).at(position));
        }
        ObjectReference::from_parts(&parts, position)
    }

    /// Items separated by commas, one at least.
    pub(crate) fn comma_separated<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.symbol(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, …)`; nothing between the brackets is allowed.
    pub(crate) fn bracketed<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_symbol(&Token::LParen)?;
        if self.symbol(&Token::RParen) {
            return Ok(Vec::new());
        }
        let items = self.comma_separated(item)?;
        self.expect_symbol(&Token::RParen)?;
        Ok(items)
    }

    /// IF NOT EXISTS.
    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.words(&["IF", "NOT", "EXISTS"])
    }

    /// IF EXISTS.
    pub(crate) fn if_exists(&mut self) -> bool {
        self.words(&["IF", "EXISTS"])
    }

    /// Whether the statement is over, semicolons aside.
    pub(crate) fn at_end(&self) -> bool {
        matches!(self.peek(), Token::EOF | Token::SemiColon)
    }

    /// The end of the text, or an error that names what is there instead.
    pub(crate) fn expect_end(&mut self) -> Result<()> {
        let mut semicolon = false;
        while self.symbol(&Token::SemiColon) {
            semicolon = true;
        }
        match self.peek() {
            Token::EOF => Ok(()),
            _ if semicolon => Err(Error::new(Condition::ParseSyntaxError, "one statement at a time")
                .with_hint("send each statement by itself")
                .at(self.position())),
            _ => Err(self.expected("the end of the statement")),
        }
    }

    /// A syntax error at the token ahead.
    pub(crate) fn expected(&self, what: &str) -> Error {
        let found = match self.peek() {
            Token::EOF => "the end of the statement".to_owned(),
            token => format!("`{token}`"),
        };
        Error::new(Condition::ParseSyntaxError, format!("expected {what}, found {found}")).at(self.position())
    }

    /// The refusal, by name, of what stands ahead.
    pub(crate) fn unsupported(&self, what: &str) -> Error {
        unsupported(what).at(self.position())
    }

    /// The refusal, by name, of an alteration that this kind of thing does not have.
    pub(crate) fn unknown_alteration(&self, kind: &str, expected: &str) -> Error {
        let words: Vec<String> = (0..2).map_while(|ahead| self.peek_word(ahead)).collect();
        match words.is_empty() {
            true => self.expected(expected),
            false => self.unsupported(&format!("ALTER {kind} … {}", words.join(" "))),
        }
    }

    /// Like [`Cursor::expected`], but a known clause that is not there is refused by its name.
    pub(crate) fn unknown_clause(&self, expected: &str, refused: &[&[&str]]) -> Error {
        match refused.iter().find(|words| self.peek_words(words)) {
            Some(words) => self.unsupported(&words.join(" ")),
            None => self.expected(expected),
        }
    }
}

/// The refusal of a feature by its name.
pub(crate) fn unsupported(what: &str) -> Error {
    Error::new(Condition::UnsupportedFeature, format!("{what} is not supported"))
}

/// A place of sqlparser's, where it has one.
pub(crate) fn position_of(location: Location) -> Option<Position> {
    (location.line > 0).then_some(Position { line: location.line, column: location.column })
}

/// sqlparser's error in our words, its position taken out of its text.
fn from_parser(error: ParserError) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => return super::nesting::too_deep(),
    };
    let (message, position) = split_position(&text);
    if let Some(token) = message.strip_prefix("No infix parser for token ") {
        return unknown_operator(token).at(position);
    }
    let message = message.replace("Expected: ", "expected ").replace(", found: ", ", found ");
    let message = message.replace("found EOF", "found the end of the statement");
    Error::new(Condition::ParseSyntaxError, message).at(position)
}

/// The refusal of an operator that the grammar knows and nothing here does. `token` is the parser's structure around it.
fn unknown_operator(token: &str) -> Error {
    let word = token.split_once("value: \"").and_then(|(_, rest)| rest.split_once('"'));
    match word {
        Some((word, _)) => unsupported(&format!("operator {}", word.to_uppercase())),
        None => unsupported("an operator at this place"),
    }
}

/// Splits ` at Line: 1, Column: 8` off.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (text, None) };
    match (line.parse(), column.parse()) {
        (Ok(line), Ok(column)) => (message, Some(Position { line, column })),
        _ => (text, None),
    }
}
