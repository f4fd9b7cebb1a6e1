//! Functions that the dialect has under other names, or as other forms, than the engine: each call is told by what the engine
//! has, on the syntax tree, before it is planned. So `year(d)` is a part of a date, `nvl(a, b)` is `coalesce(a, b)`, and
//! `if(c, a, b)` is a CASE.
//!
//! No argument is written twice: calls within calls would double with each of them. What needs that is a function of its
//! own ([`super::spark_functions`], [`super::calendar`]).
//!
//! The names are built in: each stands for a function that is never called ([`names`]), so that stored texts keep them, lists show
//! them, and a user's function is called by them only with its schema before its name.
//!
//! How to add a name: a line in [`TAKEN`] and what it means in [`told`]; an aggregate function's is in [`AGGREGATES`], too.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result as Planned;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType as SqlType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, NullTreatment,
    ObjectNamePart, Spanned, Value,
};

use super::calendar;
use super::text_casts::call as built_in;
use crate::error::{Condition, Error, Position};

const A_MOMENT: &str = "a date or timestamp";
const A_CONDITION: &str = "a condition";
const A_TEXT: &str = "a text";
const A_VALUE: &str = "a value";
const ONE_OF_MANY: &str = "an expression, and TRUE where NULLs are left out";

/// The names, and what each takes.
const TAKEN: &[(&str, &str)] = &[
    ("any", A_CONDITION),
    ("array", "values"),
    ("count_if", A_CONDITION),
    ("day", A_MOMENT),
    ("dayofmonth", A_MOMENT),
    ("dayofweek", A_MOMENT),
    ("dayofyear", A_MOMENT),
    ("every", A_CONDITION),
    ("first", ONE_OF_MANY),
    ("hour", A_MOMENT),
    ("if", "a condition and two values"),
    ("iff", "a condition and two values"),
    ("ifnull", "two values"),
    ("isnotnull", A_VALUE),
    ("isnull", A_VALUE),
    ("last", ONE_OF_MANY),
    ("lcase", A_TEXT),
    ("len", A_TEXT),
    ("listagg", "a text, and what stands between two of them"),
    ("minute", A_MOMENT),
    ("month", A_MOMENT),
    ("nvl", "two values"),
    ("nvl2", "three values"),
    ("quarter", A_MOMENT),
    ("second", A_MOMENT),
    ("sign", "a number"),
    ("some", A_CONDITION),
    ("ucase", A_TEXT),
    ("unix_timestamp", "a timestamp"),
    ("week", A_MOMENT),
    ("weekday", A_MOMENT),
    ("weekofyear", A_MOMENT),
    ("year", A_MOMENT),
];

/// Those of them that are functions of many rows.
const AGGREGATES: &[&str] = &["any", "count_if", "every", "first", "last", "listagg", "some"];

/// Functions that make a list of all rows that they are given, which has its own clauses elsewhere.
const COLLECTING: &[&str] = &["collect_list", "collect_set"];

/// Whether a call of that name is one of a function of many rows.
pub(super) fn folds(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

/// What makes the names built in.
pub(super) fn names() -> Vec<Arc<ScalarUDF>> {
    let stand_in = |name: &'static str| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(StandIn { name, signature }))
    };
    TAKEN.iter().map(|(name, _)| stand_in(name)).collect()
}

/// Tells a call by what the engine has, or refuses it where it has other arguments than its function takes.
pub(super) fn tell(expression: &mut Expr) -> Result<(), Error> {
    let Expr::Function(call) = expression else { return Ok(()) };
    let [ObjectNamePart::Identifier(ident)] = call.name.0.as_slice() else { return Ok(()) };
    let name = ident.value.to_lowercase();
    if calendar::takes_unit(&name) {
        unit_as_text(call);
        return Ok(());
    }
    if COLLECTING.contains(&name.as_str()) {
        return collected(call, &name);
    }
    let Some((_, taken)) = TAKEN.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    let position = position_of(call);
    let taken_out = std::mem::replace(expression, Expr::value(Value::Null));
    let written = match taken_out {
        Expr::Function(call) => told(&name, call),
        other => Some(other),
    };
    match written {
        Some(written) => {
            *expression = written;
            Ok(())
        }
        None => Err(Error::new(Condition::WrongNumArgs, format!("`{name}` takes {taken}")).at(position)),
    }
}

/// The call as the engine has it; none where it has other arguments.
fn told(name: &str, call: Function) -> Option<Expr> {
    if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
        return Some(part_of(part, one(call)?));
    }
    Some(match name {
        "any" | "some" => renamed(call, "bool_or", 1)?,
        "every" => renamed(call, "bool_and", 1)?,
        "array" => built_in("make_array", values(call)?),
        "count_if" => counted(call)?,
        // Days from 1, which is Sunday.
        "dayofweek" => whole(part_of("dow", one(call)?), BinaryOperator::Plus),
        // Days from 0, which is Monday.
        "weekday" => whole(part_of("isodow", one(call)?), BinaryOperator::Minus),
        "first" => one_of_many(call, "first_value")?,
        "last" => one_of_many(call, "last_value")?,
        "if" | "iff" => {
            let [condition, then, otherwise] = exactly(call)?;
            case(condition, then, Some(otherwise))
        }
        "nvl2" => {
            let [asked, known, unknown] = exactly(call)?;
            case(Expr::IsNotNull(Box::new(asked)), known, Some(unknown))
        }
        "ifnull" | "nvl" => built_in("coalesce", exactly::<2>(call)?.into()),
        "isnull" => Expr::IsNull(Box::new(one(call)?)),
        "isnotnull" => Expr::IsNotNull(Box::new(one(call)?)),
        "lcase" => built_in("lower", vec![one(call)?]),
        "ucase" => built_in("upper", vec![one(call)?]),
        "len" => built_in("character_length", vec![one(call)?]),
        "sign" => built_in("signum", vec![one(call)?]),
        "listagg" => listed(call)?,
        "unix_timestamp" => {
            built_in("timestampdiff", vec![text("second"), text("1970-01-01 00:00:00"), one(call)?])
        }
        _ => return None,
    })
}

/// Functions that are parts of a date or moment, as INT, and how the engine calls the part.
const PARTS: &[(&str, &str)] = &[
    ("day", "day"),
    ("dayofmonth", "day"),
    ("dayofyear", "doy"),
    ("hour", "hour"),
    ("minute", "minute"),
    ("month", "month"),
    ("quarter", "quarter"),
    ("second", "second"),
    ("week", "week"),
    ("weekofyear", "week"),
    ("year", "year"),
];

fn part_of(part: &str, moment: Expr) -> Expr {
    built_in("date_part", vec![text(part), moment])
}

fn text(written: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(written.to_owned()))
}

fn number(written: &str) -> Expr {
    Expr::value(Value::Number(written.to_owned(), false))
}

/// One more or less than a whole number, as INT.
fn whole(of: Expr, op: BinaryOperator) -> Expr {
    let moved = Expr::BinaryOp { left: Box::new(of), op, right: Box::new(number("1")) };
    as_int(moved)
}

/// A value as INT.
pub(super) fn as_int(value: Expr) -> Expr {
    let (kind, data_type) = (CastKind::Cast, SqlType::Int(None));
    Expr::Cast { kind, expr: Box::new(value), data_type, array: false, format: None }
}

fn case(condition: Expr, then: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then }],
        else_result: otherwise.map(Box::new),
    }
}

/// The arguments of a call that has them by their places alone.
fn values(call: Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = call.args else { return None };
    let value = |argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
        _ => None,
    };
    list.args.into_iter().map(value).collect()
}

fn exactly<const N: usize>(call: Function) -> Option<[Expr; N]> {
    values(call)?.try_into().ok()
}

fn one(call: Function) -> Option<Expr> {
    let [value] = exactly(call)?;
    Some(value)
}

/// The arguments between a call's brackets.
fn list_of(call: &mut Function) -> Option<&mut FunctionArgumentList> {
    match &mut call.args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    }
}

/// The call with all its clauses, of another function.
fn renamed(mut call: Function, name: &str, arguments: usize) -> Option<Expr> {
    if list_of(&mut call)?.args.len() != arguments {
        return None;
    }
    rename(&mut call, name);
    Some(Expr::Function(call))
}

fn rename(call: &mut Function, name: &str) {
    if let [ObjectNamePart::Identifier(ident)] = call.name.0.as_mut_slice() {
        name.clone_into(&mut ident.value);
        ident.quote_style = None;
    }
}

/// How many rows meet a condition: `count` of what is NULL for the others.
fn counted(mut call: Function) -> Option<Expr> {
    let list = list_of(&mut call)?;
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return None;
    }
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(condition))] = list.args.as_mut_slice() else {
        return None;
    };
    let asked = std::mem::replace(condition, Expr::value(Value::Null));
    *condition = case(asked, number("1"), None);
    rename(&mut call, "count");
    Some(Expr::Function(call))
}

/// The value of one of the rows. A second argument says whether NULLs are left out.
fn one_of_many(mut call: Function, name: &str) -> Option<Expr> {
    let list = list_of(&mut call)?;
    let left_out = match list.args.as_slice() {
        [_] => None,
        [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(said)))] => match &said.value {
            Value::Boolean(left_out) => Some(*left_out),
            _ => return None,
        },
        _ => return None,
    };
    list.args.truncate(1);
    if left_out == Some(true) {
        call.null_treatment = Some(NullTreatment::IgnoreNulls);
    }
    rename(&mut call, name);
    Some(Expr::Function(call))
}

/// Texts in a row: `string_agg`, of which the order stands between the brackets.
fn listed(mut call: Function) -> Option<Expr> {
    let order = std::mem::take(&mut call.within_group);
    let list = list_of(&mut call)?;
    match list.args.len() {
        1 => list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text("")))),
        2 => {}
        _ => return None,
    }
    if !order.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    rename(&mut call, "string_agg");
    Some(Expr::Function(call))
}

/// A list of all rows holds to no order, and one of distinct values is a set.
fn collected(call: &mut Function, name: &str) -> Result<(), Error> {
    let position = position_of(call);
    let Some(list) = list_of(call) else { return Ok(()) };
    if !list.clauses.is_empty() {
        let clause = format!("a clause between the brackets of `{name}`");
        return Err(Error::new(Condition::UnsupportedFeature, format!("{clause} is not supported"))
            .with_hint("array_agg(x ORDER BY y) FILTER (WHERE x IS NOT NULL) holds to an order")
            .at(position));
    }
    if list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct) {
        rename(call, "collect_set");
    }
    Ok(())
}

/// The unit of time that stands as a word before two other arguments, as a text.
fn unit_as_text(call: &mut Function) {
    let Some(list) = list_of(call) else { return };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(unit)), _, _] = list.args.as_mut_slice() else { return };
    if let Expr::Identifier(word) = unit {
        let word = word.value.to_lowercase();
        *unit = text(&word);
    }
}

fn position_of(call: &Function) -> Option<Position> {
    let start = call.name.span().start;
    (start.line > 0).then_some(Position { line: start.line, column: start.column })
}

/// The function behind a name whose calls are all told by others.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StandIn {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, _types: &[DataType]) -> Planned<Vec<DataType>> {
        plan_err!("{} cannot stand here", self.name)
    }

    fn return_type(&self, _types: &[DataType]) -> Planned<DataType> {
        plan_err!("{} cannot stand here", self.name)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Planned<ColumnarValue> {
        exec_err!("{} was not told by another function", self.name)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use super::*;
    use crate::sql::parse_expression;

    fn told_as(text: &str) -> Result<String, String> {
        let mut expression = parse_expression(text).unwrap();
        tell(&mut expression).map(|()| expression.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn calls_are_told_by_what_the_engine_has() {
        for (written, told) in [
            ("year(d)", "date_part('year', d)"),
            ("DayOfWeek(d)", "CAST(date_part('dow', d) + 1 AS INT)"),
            ("nvl(a, b)", "coalesce(a, b)"),
            ("nvl2(a, 1, 0)", "CASE WHEN a IS NOT NULL THEN 1 ELSE 0 END"),
            ("if(a > 1, 'x', 'y')", "CASE WHEN a > 1 THEN 'x' ELSE 'y' END"),
            ("count_if(a > 1)", "count(CASE WHEN a > 1 THEN 1 END)"),
            ("first(a, true)", "first_value(a) IGNORE NULLS"),
            ("listagg(a)", "string_agg(a, '')"),
            ("listagg(a, ';') WITHIN GROUP (ORDER BY b)", "string_agg(a, ';' ORDER BY b)"),
            ("collect_list(DISTINCT a)", "collect_set(a)"),
            ("datediff(MONTH, a, b)", "datediff('month', a, b)"),
            ("any(a)", "bool_or(a)"),
            ("s.year(d)", "s.year(d)"),
        ] {
            assert_eq!(told_as(written).unwrap(), told, "{written}");
        }
    }

    #[test]
    fn other_arguments_are_refused() {
        for written in ["year()", "year(a, b)", "nvl(a)", "if(a, b)", "first(a, b)", "count_if(*)", "len(*)"]
        {
            assert!(told_as(written).is_err(), "{written}");
        }
    }
}
