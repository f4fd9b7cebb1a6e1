//! A number with an exponent is a DOUBLE, as the dialect has it; the planner alone knows numbers with a point as decimals.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Value, ValueWithSpan, VisitMut, VisitorMut,
};

/// Makes each number with an exponent in `tree` a DOUBLE.
pub(crate) fn as_doubles(tree: &mut impl VisitMut) {
    let ControlFlow::Continue(()) = VisitMut::visit(tree, &mut Exponents);
}

struct Exponents;

impl VisitorMut for Exponents {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Value(value) = expression
            && let Value::Number(text, _) = &value.value
            && text.contains(['e', 'E'])
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
        ControlFlow::Continue(())
    }
}
