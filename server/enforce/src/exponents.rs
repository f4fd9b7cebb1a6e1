//! A number with an exponent is a DOUBLE, as the dialect has it; the planner alone knows numbers with a point as decimals.
//!
//! So is a number with a point in a column of VALUES where another row has such a one, or a cast to a type of doubles: the planner would
//! make decimals of both, which 1e-30 becomes 0 in.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Query, SetExpr, Value, ValueWithSpan, Values, VisitMut,
    VisitorMut,
};

/// Makes each number with an exponent in `tree` a DOUBLE, and those with a point beside doubles.
pub(crate) fn as_doubles(tree: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = VisitMut::visit(tree, &mut Exponents);
}

struct Exponents;

impl VisitorMut for Exponents {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Infallible> {
        make_double_where(expression, |text| text.contains(['e', 'E']));
        ControlFlow::Continue(())
    }

    /// After the expressions within.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        in_body(&mut query.body);
        ControlFlow::Continue(())
    }
}

/// The VALUES of a query without subqueries, which are visited by themselves.
fn in_body(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) => in_values(values),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left);
            in_body(right);
        }
        _ => {}
    }
}

fn in_values(values: &mut Values) {
    let width = values.rows.iter().map(|row| row.content.len()).max().unwrap_or(0);
    for place in 0..width {
        let mut column = values.rows.iter_mut().filter_map(|row| row.content.get_mut(place));
        if column.any(|value| is_double(value)) {
            let column = values.rows.iter_mut().filter_map(|row| row.content.get_mut(place));
            column.for_each(make_double);
        }
    }
}

fn is_double(value: &Expr) -> bool {
    match value {
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_double(expr),
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Double(_)
                | DataType::DoublePrecision
                | DataType::Float(_)
                | DataType::Real
                | DataType::Float4
                | DataType::Float8
                | DataType::Float32
                | DataType::Float64
        ),
        _ => false,
    }
}

/// Makes a written number with a point a double, whatever its sign.
fn make_double(value: &mut Expr) {
    match value {
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => make_double(expr),
        number => make_double_where(number, |text| text.contains('.')),
    }
}

fn make_double_where(expression: &mut Expr, is_meant: impl Fn(&str) -> bool) {
    if let Expr::Value(value) = expression
        && let Value::Number(text, _) = &value.value
        && is_meant(text)
    {
        let text = Value::SingleQuotedString(text.clone());
        let written = ValueWithSpan { value: text, span: value.span };
        *expression = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Value(written)),
            data_type: DataType::Double(ExactNumberInfo::None),
            array: false,
            format: None,
        };
    }
}
