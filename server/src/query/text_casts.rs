//! Casts to texts with a length. The engine's planner knows one type for texts and would drop the length without a word, so
//! that a cast to VARCHAR(n) becomes, before it plans, the first n characters of the text: what the SQL standard has it mean.
//! Other texts with a length are refused.
//!
//! Columns with a length are another matter: a value too long for one is refused (`weir_scan`'s `text_length`).

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, CharLengthUnits, CharacterLength, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Spanned, Value,
};

use crate::error::{Condition, Error, Position};

/// The greatest length that `left` takes whatever the width of its integers.
const LENGTH_MAX: u64 = i32::MAX as u64;

/// Replaces a cast to VARCHAR(n) by a call of `left`. A name of one part that is built in means nothing else, whatever functions
/// users make.
pub fn cut(expression: &mut Expr) {
    let Expr::Cast { data_type: DataType::Varchar(length @ Some(_)), .. } = expression else { return };
    let Some(CharacterLength::IntegerLength { length, .. }) = length.take() else { return };
    let length = Expr::value(Value::Number(length.to_string(), false));
    let whole = std::mem::replace(expression, Expr::value(Value::Null));
    *expression = call("left", vec![whole, length]);
}

/// A call of a function that is built in.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|part| FunctionArg::Unnamed(FunctionArgExpr::Expr(part))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Why this cast is not to be had. To be asked before [`cut`] takes lengths out.
pub fn refusal(expression: &Expr) -> Option<Error> {
    let (data_type, cast) = match expression {
        Expr::Cast { data_type, kind: CastKind::Cast | CastKind::DoubleColon, .. } => (data_type, "CAST to"),
        Expr::Cast { data_type, kind: CastKind::TryCast | CastKind::SafeCast, .. } => {
            (data_type, "TRY_CAST to")
        }
        // VARCHAR(3) 'text', which is no cast in the tree.
        Expr::TypedString(typed) if has_length(&typed.data_type) => (&typed.data_type, "a text that is a"),
        _ => return None,
    };
    let hint = match data_type {
        DataType::Varchar(_) if matches!(expression, Expr::TypedString(_)) => "write CAST(… AS VARCHAR(n))",
        DataType::Varchar(length) => match length {
            None | Some(CharacterLength::Max) => return None,
            Some(CharacterLength::IntegerLength { length: 1..=LENGTH_MAX, unit }) => match unit {
                None | Some(CharLengthUnits::Characters) => return None,
                Some(CharLengthUnits::Octets) => "lengths are counted in characters",
            },
            Some(CharacterLength::IntegerLength { .. }) => "a length is between 1 and 2147483647",
        },
        other if has_length(other) => "write STRING, or, for the first n characters of a text, VARCHAR(n)",
        _ => return None,
    };
    let start = expression.span().start;
    let text = format!("{cast} `{data_type}` is not supported");
    let position = Position { line: start.line, column: start.column };
    Some(
        Error::new(Condition::UnsupportedFeature, text)
            .with_hint(hint)
            .at((start.line > 0).then_some(position)),
    )
}

/// Whether a text with a length is or lies within a type.
fn has_length(data_type: &DataType) -> bool {
    match data_type {
        DataType::Char(length) | DataType::Character(length) | DataType::Varchar(length) => length.is_some(),
        DataType::String(length) => length.is_some(),
        DataType::Array(
            ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => has_length(element),
        DataType::Map(key, value) => has_length(key) || has_length(value),
        DataType::Struct(fields, _) => fields.iter().any(|field| has_length(&field.field_type)),
        _ => false,
    }
}
