//! Cuts a text into statements at its semicolons, leaving strings, quoted names and comments
//! alone. It does not understand the statements; what it cannot make out goes to the server whole.

/// The statements of `text`, without their semicolons; empty ones are dropped.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut substance = false;
    let mut rest = text;
    while let Some(token) = next_token(rest) {
        let (piece, following) = rest.split_at(token.bytes);
        match token.kind {
            Kind::Semicolon => {
                finish(&mut statements, &mut current, &mut substance);
            }
            Kind::Blank => current.push_str(piece),
            Kind::Substance => {
                current.push_str(piece);
                substance = true;
            }
        }
        rest = following;
    }
    finish(&mut statements, &mut current, &mut substance);
    statements
}

fn finish(statements: &mut Vec<String>, current: &mut String, substance: &mut bool) {
    if std::mem::take(substance) {
        statements.push(current.trim().to_owned());
    }
    current.clear();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Semicolon,
    /// White space and comments: they make no statement.
    Blank,
    Substance,
}

struct Token {
    kind: Kind,
    bytes: usize,
}

fn next_token(text: &str) -> Option<Token> {
    let mut chars = text.chars();
    let first = chars.next()?;
    let second = chars.next();
    let token = |kind, bytes| Some(Token { kind, bytes });
    match (first, second) {
        (';', _) => token(Kind::Semicolon, 1),
        ('-', Some('-')) => token(Kind::Blank, text.find('\n').unwrap_or(text.len())),
        ('/', Some('*')) => token(Kind::Blank, block_comment(text)),
        ('\'' | '"' | '`', _) => token(Kind::Substance, quoted(text, first)),
        _ if first.is_whitespace() => token(Kind::Blank, first.len_utf8()),
        _ => token(Kind::Substance, first.len_utf8()),
    }
}

/// Bytes up to and with the closing quote; everything when there is none. A doubled quote reads
/// as two strings side by side, which comes to the same here. A backslash is itself, as it is to
/// the server.
fn quoted(text: &str, quote: char) -> usize {
    let inside = text.get(quote.len_utf8()..).unwrap_or_default();
    inside.find(quote).map_or(text.len(), |at| at + 2 * quote.len_utf8())
}

/// Bytes of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (before, c) {
            ('/', '*') => {
                depth += 1;
                before = ' ';
            }
            ('*', '/') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
                before = ' ';
            }
            _ => before = c,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn semicolons_separate_statements() {
        assert_eq!(split("SELECT 1; SELECT 2 ;"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(split(" ;; \n;"), Vec::<String>::new());
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_do_not() {
        for text in [
            "SELECT ';'",
            "SELECT 'it''s; so'",
            r"SELECT '\', ';'",
            "SELECT \"a;b\"",
            "SELECT `a;b``;c` FROM t",
            "SELECT 1 -- one; or two\n+ 1",
            "SELECT 1 /* a; /* b; */ c; */ + 1",
            "SELECT 'ünï;', ü",
        ] {
            assert_eq!(split(text), [text]);
        }
    }

    #[test]
    fn comments_alone_are_no_statement() {
        assert_eq!(split("-- nothing; here\n; /* nor; here */"), Vec::<String>::new());
        assert_eq!(split("-- first\nSELECT 1"), ["-- first\nSELECT 1"]);
    }

    #[test]
    fn what_does_not_end_goes_to_the_server_whole() {
        assert_eq!(split("SELECT 'a; b"), ["SELECT 'a; b"]);
        assert_eq!(split("SELECT 1 /* a; b"), ["SELECT 1 /* a; b"]);
    }
}
