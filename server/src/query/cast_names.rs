//! Gives each cast of a query its call of [`weir_enforce::named_casts`], by which it counts in the name of what it is part of.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, Statement, Value, VisitMut, VisitorMut};
use weir_enforce::named_casts::NAMED_CAST;

use super::text_casts::call;
use crate::sql::types;

/// Names the casts of a statement. Those of constants and parameters by themselves have no name that could be meant twice.
pub(crate) fn name_casts(statement: &mut Statement) {
    // It never breaks off.
    let (ControlFlow::Continue(()) | ControlFlow::Break(())) = statement.visit(&mut CastNames);
}

struct CastNames;

impl VisitorMut for CastNames {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { kind, expr, data_type, .. } = expression
            && !is_constant(expr)
        {
            let to = Expr::value(Value::SingleQuotedString(spelled(kind, data_type)));
            let value = std::mem::replace(expr.as_mut(), Expr::value(Value::Null));
            **expr = call(NAMED_CAST, vec![value, to]);
        }
        ControlFlow::Continue(())
    }
}

/// The one spelling of a type, whichever of its words is written, and whether the cast only tries.
fn spelled(kind: &CastKind, data_type: &DataType) -> String {
    let written = data_type.to_string();
    // reason: what the catalog has no type for is called as it is written
    let to = types::parse(&written).map_or(written, |known| known.text);
    match kind {
        CastKind::Cast | CastKind::DoubleColon => to,
        CastKind::TryCast | CastKind::SafeCast => format!("{to}, if it can be"),
    }
}

fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => true,
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_constant(inner),
        _ => false,
    }
}
