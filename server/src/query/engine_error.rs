//! From an error of the engine to a sentence for the user.
//!
//! Errors of our own come back whole from inside DataFusion. Its own planning errors are about
//! the user's text and are told in our words where we know them; errors of execution are told by
//! class, and a value in them is one that the caller could see. Of errors that have no class the log is told no text: it may hold
//! such a value.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use deltalake::DeltaTableError;
use weir_catalog::effective::PolicyRefusal;
use weir_enforce::error::PolicyKind;
use weir_enforce::{NO_COMMON_TYPE, Refusal};

use crate::error::{Condition, Error, Position};

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let position = position_of(&error);
        from_root(error).at(position)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::NotFound { name } => {
                Error::not_found(Condition::TableOrViewNotFound, "table or view", name)
            }
            Refusal::Denied(denied) => denied.into(),
            Refusal::PolicyIncompatible { kind, .. } => Error::new(incompatible(kind), text)
                .with_hint("the table's owner can alter the policy or its function"),
            Refusal::PolicyCircle { .. } => Error::new(Condition::InvalidStatement, text)
                .with_hint("ask an owner of the tables to alter one of the policies"),
            Refusal::ParameterHidden { kind, .. } => Error::new(incompatible(kind), text).with_hint(
                "write the column with its table's name or alias before it, and give the parameter a name that no \
                 column there has",
            ),
            Refusal::Policies(refusal) => Error::new(
                match refusal.cause() {
                    PolicyRefusal::MultipleMasks { .. } => Condition::MaskUnsupported,
                    PolicyRefusal::NoMatch { .. } => Condition::InsufficientPermissions,
                    PolicyRefusal::AmbiguousAlias { .. }
                    | PolicyRefusal::UnknownAlias { .. }
                    | PolicyRefusal::UnknownTag { .. }
                    | PolicyRefusal::TaggedColumnMissing { .. }
                    | PolicyRefusal::UnknownSemantics { .. }
                    | PolicyRefusal::Withheld { .. } => Condition::MaskIncompatible,
                },
                text,
            )
            .with_hint(refusal.hint()),
            Refusal::FunctionUnfit { .. } => Error::new(Condition::DatatypeMismatch, text)
                .with_hint("cast the body, or declare another RETURNS type"),
            Refusal::FunctionNotFound { .. } => Error::new(Condition::UnresolvedRoutine, text)
                .with_hint("check the name; you see only what you have a grant on"),
            Refusal::WrongArgumentCount { .. } => {
                Error::new(Condition::WrongNumArgs, text).with_hint("DESCRIBE FUNCTION lists its parameters")
            }
            Refusal::BadCall { .. } => Error::new(Condition::InvalidStatement, text),
            Refusal::FunctionBroken { detail, .. } => Error::new(Condition::InvalidStatement, text)
                .with_hint("ask the function's owner to look at it")
                .caused_by(detail),
            Refusal::PolicyFailed { .. } => Error::new(Condition::PolicyEvaluationFailed, text).with_hint(
                "the policy's function must not fail on any value: its owner can use try_cast or nullif",
            ),
            Refusal::ViewBroken { detail, .. } => Error::new(Condition::InvalidStatement, text)
                .with_hint("ask the view's owner to look at it")
                .caused_by(detail),
            Refusal::Storage { cause, .. } => Error::new(Condition::DeltaTableCorrupt, text)
                .with_hint(
                    "a file is missing or damaged, or was overwritten after it had been read (an administrator runs \
                     CLEAR CACHE where that was meant); the server's log names it",
                )
                .caused_by(cause.to_string()),
            Refusal::Open(cause) => match cause.downcast::<Error>() {
                Ok(error) => *error,
                Err(cause) => Error::internal(cause),
            },
            Refusal::BadMoment(_) => Error::new(Condition::InvalidTimeTravel, text).with_hint(
                "write VERSION AS OF 3, or TIMESTAMP AS OF a literal or an expression that names no column",
            ),
            Refusal::FutureMoment => Error::new(Condition::TimestampTooLate, text),
            Refusal::TooLarge { .. } => Error::new(Condition::ResourceExhausted, text)
                .with_hint("name each CTE, view and function less often, or write an intermediate table"),
            Refusal::Unsupported(_) => Error::new(Condition::UnsupportedFeature, text),
            Refusal::Ungoverned(_) => Error::internal(text),
        }
    }
}

fn incompatible(kind: PolicyKind) -> Condition {
    match kind {
        PolicyKind::RowFilter => Condition::RowFilterIncompatible,
        PolicyKind::ColumnMask => Condition::MaskIncompatible,
    }
}

fn from_root(error: DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) => from_root(*inner),
        DataFusionError::Diagnostic(_, inner) => from_root(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => from_root(errors.swap_remove(0)),
        DataFusionError::Shared(inner) => from_shared(&inner),
        DataFusionError::External(cause) => from_external(cause),
        DataFusionError::SchemaError(error, _) => from_schema(&error),
        DataFusionError::Plan(text) => from_planning(&text),
        DataFusionError::NotImplemented(text) => from_unsupported(&text),
        DataFusionError::SQL(error, _) => {
            Error::new(Condition::ParseSyntaxError, first_line(&error.to_string()))
        }
        DataFusionError::ResourcesExhausted(text) => exhausted(&text),
        DataFusionError::ArrowError(error, _) => from_arrow(&error.to_string()),
        DataFusionError::Execution(text) => from_arrow(&text),
        other => unclassed(&other),
    }
}

/// An error of ours. The text of those that speak of plans, and of nothing that was read, goes to the log.
fn unclassed(error: &DataFusionError) -> Error {
    match error {
        // It is about the user's text, whatever the engine calls it.
        DataFusionError::Internal(text) if text.contains(" in BETWEEN expression") => {
            let message = "what stands before BETWEEN and its bounds have no common type";
            Error::new(Condition::DatatypeMismatch, message).with_hint("cast one of them")
        }
        DataFusionError::Internal(text) | DataFusionError::Configuration(text) => {
            Error::internal(text.clone())
        }
        DataFusionError::ExecutionJoin(_) => {
            Error::internal("a task of the engine ended by a panic or was stopped")
        }
        DataFusionError::ObjectStore(cause) => Error::internal(cause.to_string()),
        DataFusionError::IoError(cause) => Error::internal(cause.to_string()),
        _ => Error::internal("the engine met an error of a kind that is not known here"),
    }
}

/// What an expression met in rows that the caller sees, as the library says it that evaluates it.
fn from_library(cause: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(cause) = cause.downcast_ref::<DeltaTableError>() {
        return Error::internal(cause.to_string());
    }
    match cause.is::<regex::Error>() {
        true => Error::new(Condition::InvalidParameterValue, "a value is not a regular expression")
            .with_hint("a parenthesis, bracket or backslash that stands for itself is written with a backslash before it"),
        false => Error::internal("a library met an error of a kind that is not known here"),
    }
}

fn exhausted(text: &str) -> Error {
    Error::new(Condition::ResourceExhausted, "the statement needs more memory or disk than it may use")
        .with_hint(
            "read fewer columns or rows, or ask an administrator for more of [limits] statement_memory_bytes, \
             memory_bytes or temp_bytes",
        )
        .caused_by(text.to_owned())
}

/// One error that several readers got: told by what it is, since it cannot be taken apart.
fn from_shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_shared(inner),
        DataFusionError::Shared(inner) => from_shared(inner),
        DataFusionError::ArrowError(error, _) => from_arrow(&error.to_string()),
        DataFusionError::Execution(text) => from_arrow(text),
        DataFusionError::Plan(text) => from_planning(text),
        DataFusionError::NotImplemented(text) => from_unsupported(text),
        DataFusionError::ResourcesExhausted(text) => exhausted(text),
        DataFusionError::External(cause) => from_shared_external(cause.as_ref()),
        other => unclassed(other),
    }
}

fn from_shared_external(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return error.clone();
    }
    if let Some(inner) = cause.downcast_ref::<DataFusionError>() {
        return from_shared(inner);
    }
    match cause.downcast_ref::<Refusal>() {
        Some(Refusal::PolicyFailed { table }) => Refusal::PolicyFailed { table: table.clone() }.into(),
        Some(Refusal::Storage { table, cause }) => {
            let cause = Box::new(DataFusionError::Execution(cause.to_string()));
            Refusal::Storage { table: table.clone(), cause }.into()
        }
        _ => from_library(cause),
    }
}

fn from_external(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let cause = match cause.downcast::<Refusal>() {
        Ok(refusal) => return (*refusal).into(),
        Err(cause) => cause,
    };
    let cause = match cause.downcast::<Error>() {
        Ok(error) => return *error,
        Err(cause) => cause,
    };
    match cause.downcast::<DataFusionError>() {
        Ok(inner) => from_root(*inner),
        Err(cause) => from_library(cause.as_ref()),
    }
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            Error::new(Condition::UnresolvedColumn, format!("column `{}` not found", field.flat_name()))
                .with_hint("DESCRIBE TABLE lists the columns")
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            Condition::UnresolvedColumn,
            format!("column `{}` is in more than one table", field.name),
        )
        .with_hint("write the table's name or alias before it"),
        other => Error::new(Condition::InvalidStatement, first_line(&other.to_string())),
    }
}

/// What the engine does not do. Its own structures, which stand in its texts, tell users nothing.
fn from_unsupported(text: &str) -> Error {
    let line = first_line(text);
    match line.strip_prefix("physical plan does not support logical expression ") {
        Some(expression) => unplanned(expression),
        None => Error::new(Condition::UnsupportedFeature, without_structure(line)),
    }
}

/// An expression that has no physical one where it stands: nearly always a subquery that did not become a join.
fn unplanned(expression: &str) -> Error {
    let of_subqueries =
        ["OuterReferenceColumn(", "ScalarSubquery(", "Exists(", "InSubquery(", "SetComparison("];
    match of_subqueries.iter().any(|told| expression.contains(told)) {
        true => Error::new(Condition::UnsupportedFeature, "a subquery at this place is not supported")
            .with_hint("write it as a join"),
        false => Error::new(Condition::UnsupportedFeature, "an expression at this place is not supported")
            .with_hint("compute it in a subquery in FROM and name its column here"),
    }
}

fn from_planning(text: &str) -> Error {
    let line = first_line(text);
    if let Some(told) = line.strip_prefix(NO_COMMON_TYPE) {
        return Error::new(Condition::DatatypeMismatch, told).with_hint(
            "cast one of them: a number that is cast to TIMESTAMP is one of seconds since 1970, one that is cast to DATE one of days",
        );
    }
    if line.contains(" require unique expression names") {
        let message = "two columns of a subquery, view or new table have the same name";
        return Error::new(Condition::InvalidStatement, message)
            .with_hint("give one of them an alias with AS");
    }
    if let Some(name) = line.strip_prefix("invalid function '") {
        let name = name.split('\'').next().unwrap_or_default();
        return Error::new(Condition::UnresolvedRoutine, format!("function `{name}` not found"))
            .with_hint("it is not on the list of functions that queries may call");
    }
    if let Some(call) = line.strip_prefix("failed to coerce arguments to satisfy a call to '") {
        return unfit_arguments(call.split('\'').next().unwrap_or_default());
    }
    match line.strip_prefix("function '").and_then(|call| call.split_once("' ")) {
        Some((name, reason)) => from_call(name, reason),
        None => Error::new(Condition::InvalidStatement, line),
    }
}

/// A call whose arguments do not fit. What the engine says of its own types is left out.
fn from_call(name: &str, reason: &str) -> Error {
    let reason = reason.split(". No function matches ").next().unwrap_or(reason);
    if let Some(cause) = reason.strip_prefix("user-defined coercion failed with: ") {
        return match cause.strip_prefix("Error during planning: ") {
            Some(cause) => Error::new(Condition::DatatypeMismatch, cause),
            None => unfit_arguments(name),
        };
    }
    let counts =
        reason.strip_prefix("expects ").and_then(|counts| counts.split_once(" arguments but received "));
    match counts {
        Some((taken, given)) => {
            let message = format!("function `{name}` takes {taken} arguments, {given} given");
            Error::new(Condition::WrongNumArgs, message)
        }
        None => unfit_arguments(name),
    }
}

fn unfit_arguments(function: &str) -> Error {
    let message = format!("function `{function}` does not take arguments of these types");
    Error::new(Condition::DatatypeMismatch, message)
        .with_hint("cast them; DESCRIBE QUERY tells the types of a query's columns")
}

/// Arithmetic and casts on rows that the caller sees.
fn from_arrow(text: &str) -> Error {
    let line = first_line(text);
    let lower = line.to_lowercase();
    if lower.starts_with("io error") {
        return from_spill(&lower, text);
    }
    if lower.starts_with("interval expression cannot be ") {
        let message = "an INTERVAL in a window frame whose number is not a text is not supported";
        return Error::new(Condition::UnsupportedFeature, message).with_hint("write INTERVAL '1' DAY");
    }
    let condition = if lower.contains("divide by zero") || lower.contains("division by zero") {
        Condition::DivideByZero
    } else if lower.contains("overflow") || lower.contains("out of range") {
        Condition::ArithmeticError
    } else if lower.contains("cast") || lower.contains("parser error") || lower.contains("parse") {
        Condition::CastInvalidInput
    } else {
        return Error::new(Condition::InvalidStatement, line);
    };
    let hint = match condition {
        Condition::DivideByZero => "nullif(divisor, 0) gives NULL instead",
        Condition::CastInvalidInput => "try_cast gives NULL instead",
        _ => "cast to a wider type first",
    };
    Error::new(condition, line).with_hint(hint)
}

/// Files of operators that spill: tables are not read through these errors.
fn from_spill(lower: &str, text: &str) -> Error {
    let is_full = ["used disk space during the spilling", "no space left", "os error 28", "quota exceeded"];
    match is_full.iter().any(|told| lower.contains(told)) {
        true => exhausted(text),
        false => Error::internal(text.to_owned()),
    }
}

/// The engine's sentence without its class names, backtraces and suggestions.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" No field named ").next().unwrap_or(line);
    let line = [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
    ]
    .iter()
    .fold(line, |line, prefix| line.strip_prefix(prefix).unwrap_or(line));
    let line = line.trim_end_matches('.');
    let mut characters = line.chars();
    match (characters.next(), characters.clone().next()) {
        // A name in capitals stays one.
        (Some(_), Some(second)) if second.is_uppercase() => line.to_owned(),
        (Some(first), _) => format!("{}{}", first.to_lowercase(), characters.as_str()),
        (None, _) => String::new(),
    }
}

/// A sentence without the parser's own structures, which the engine prints after a colon.
fn without_structure(line: String) -> String {
    let before = line.split_once(" { ").map(|(before, _)| before);
    match before.and_then(|before| before.split_once(": ")) {
        Some((sentence, _)) => sentence.to_owned(),
        None => line,
    }
}

fn position_of(error: &DataFusionError) -> Option<Position> {
    match error {
        DataFusionError::Diagnostic(diagnostic, _) => {
            diagnostic.span.map(|span| Position { line: span.start.line, column: span.start.column })
        }
        DataFusionError::Context(_, inner) => position_of(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(position_of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_is_told_and_no_path_of_the_machine() {
        for text in [
            "Io error: The used disk space during the spilling process has exceeded the allowable limit of 1 KB.",
            "Io error: No space left on device (os error 28) while writing /spill/1",
        ] {
            let error = from_root(DataFusionError::Execution(text.to_owned()));
            assert_eq!(error.condition(), Condition::ResourceExhausted, "{text}");
            assert!(!error.to_string().contains("/spill"), "{error}");
        }
        let other = from_arrow("Io error: Input/output error (os error 5) while reading /spill/1");
        assert_eq!(other.condition(), Condition::InternalError);
        assert!(!other.to_string().contains("/spill"), "{other}");
    }

    #[test]
    fn what_the_engine_does_not_do_is_told_without_its_structures() {
        let unplanned = |expression: &str| {
            let text = format!("Physical plan does not support logical expression {expression}");
            DataFusionError::NotImplemented(text)
        };
        let interval = "INTERVAL expression cannot be Value(ValueWithSpan { value: Number(\"1\", false) })";
        let twice = "Projections require unique expression names but the expression \"t.id\" at position 0 and \
                     \"t.id\" at position 1 have the same name. Consider aliasing (\"AS\") one of them.";
        let between = "Failed to coerce types Int32 and Boolean in BETWEEN expression";
        let subquery = (Condition::UnsupportedFeature, "a subquery at this place is not supported");
        for (error, told) in [
            (unplanned("OuterReferenceColumn(Field { name: \"id\" }, Column { name: \"id\" })"), subquery),
            (unplanned("ScalarSubquery(<subquery>)"), subquery),
            (unplanned("Exists(Exists { subquery: <subquery>, negated: false })"), subquery),
            (
                unplanned("Unnest(Unnest { expr: x })"),
                (Condition::UnsupportedFeature, "an expression at this place is not supported"),
            ),
            (
                DataFusionError::Execution(interval.to_owned()),
                (
                    Condition::UnsupportedFeature,
                    "an INTERVAL in a window frame whose number is not a text is not supported",
                ),
            ),
            (
                DataFusionError::Internal(between.to_owned()),
                (
                    Condition::DatatypeMismatch,
                    "what stands before BETWEEN and its bounds have no common type",
                ),
            ),
            (
                DataFusionError::Plan(format!("{NO_COMMON_TYPE}a number stands beside a DATE")),
                (Condition::DatatypeMismatch, "a number stands beside a DATE"),
            ),
            (
                DataFusionError::Plan(twice.to_owned()),
                (
                    Condition::InvalidStatement,
                    "two columns of a subquery, view or new table have the same name",
                ),
            ),
        ] {
            let error = from_root(error);
            assert_eq!((error.condition(), error.message()), told);
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
