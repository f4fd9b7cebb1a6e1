//! Statements that are not there, by their names; what is unknown altogether is named too.

use datafusion::common::utils::datafusion_strsim::levenshtein;

use super::cursor::{Cursor, unsupported};
use crate::error::{Condition, Error};

/// The refusal of the statement at the cursor's place.
pub(crate) fn refusal(cursor: &Cursor<'_>) -> Error {
    let Some(word) = cursor.peek_word(0) else {
        if cursor.at_end() {
            return Error::new(Condition::ParseSyntaxError, "the statement is empty");
        }
        return cursor.expected("a statement");
    };
    let error = match word.as_str() {
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "END" => {
            unsupported(&format!("{word} (transactions)")).with_hint("each statement is its own transaction")
        }
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => {
            unsupported(&word).with_hint("prepare statements through the driver")
        }
        "COPY" | "LOAD" | "PUT" | "GET" => unsupported(&word).with_hint("rows come in by INSERT"),
        "TABLE" => unsupported("TABLE as a query").with_hint("SELECT * FROM it"),
        "OPTIMIZE" | "VACUUM" => unsupported(&word),
        _ if ELSEWHERE.contains(&word.as_str()) => unsupported(&format!("statement {word}")),
        _ => return misspelt(cursor, &word),
    };
    error.at(cursor.position())
}

/// Words with which statements of others begin that are not there.
const ELSEWHERE: [&str; 30] = [
    "ADD",
    "ANALYZE",
    "ATTACH",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "CONVERT",
    "DECLARE",
    "DETACH",
    "DO",
    "FETCH",
    "FSCK",
    "INSTALL",
    "KILL",
    "LIST",
    "LOCK",
    "MSCK",
    "NOTIFY",
    "PRAGMA",
    "REFRESH",
    "REINDEX",
    "RENAME",
    "REORG",
    "REPAIR",
    "RESTORE",
    "SYNC",
    "UNCACHE",
    "UNDROP",
    "UPSERT",
];

/// Words with which statements begin, for whoever mistypes one.
const STATEMENTS: [&str; 21] = [
    "ALTER", "COMMENT", "CREATE", "DELETE", "DENY", "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "GRANT",
    "INSERT", "MERGE", "RESET", "REVOKE", "SELECT", "SET", "SHOW", "TRUNCATE", "UPDATE", "USE", "WITH",
];

/// No statement of anybody's begins so.
fn misspelt(cursor: &Cursor<'_>, word: &str) -> Error {
    let error = cursor.expected("a statement");
    let distance = |known: &&&str| levenshtein(known, word);
    match STATEMENTS.iter().filter(|known| distance(known) <= 2).min_by_key(distance) {
        Some(known) => error.with_hint(format!("did you mean {known}?")),
        None => {
            error.with_hint("it may begin with SELECT, WITH, INSERT, CREATE, SHOW or DESCRIBE, for instance")
        }
    }
}

/// The refusal of `verb` with what stands at the cursor's place.
pub(crate) fn object_refusal(cursor: &Cursor<'_>, verb: &str) -> Error {
    let words: Vec<String> = (0..2).map_while(|ahead| cursor.peek_word(ahead)).collect();
    let named = match words.as_slice() {
        [] => return cursor.expected(&format!("what to {}", verb.to_lowercase())),
        [first, second] if two_words(first) => format!("{first} {second}"),
        [first, ..] => first.clone(),
    };
    unsupported(&format!("{verb} {named}")).at(cursor.position())
}

/// Kinds whose names have two words.
fn two_words(first: &str) -> bool {
    matches!(
        first,
        "EXTERNAL"
            | "MATERIALIZED"
            | "STREAMING"
            | "TEMPORARY"
            | "TEMP"
            | "GLOBAL"
            | "STORAGE"
            | "SERVICE"
            | "OR"
            | "GOVERNED"
            | "FOREIGN"
            | "LOCAL"
            | "LIVE"
            | "UNIQUE"
    )
}
