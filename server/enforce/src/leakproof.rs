//! The list of predicates that may pass the barrier. Opening it is an act in this file alone.
//!
//! A predicate passes when it can neither fail nor have an effect on any row, so that running it
//! on hidden rows tells nothing but time: comparisons (`= <> < <= > >=`) between an unmasked
//! column and a literal of the column's own type, IN lists of such literals, BETWEEN, IS [NOT]
//! NULL, a boolean column by itself, TRUE, FALSE and NULL, and AND, OR, NOT of these. No cast, no
//! arithmetic, no function. The types of columns are a list, too.
//!
//! Dynamic filters of joins and top-k pass when they speak of bare unmasked columns of those types
//! only: their bounds come from rows that the caller sees.
//!
//! How to let another predicate pass: a case below, with a property test that it cannot fail on
//! any value of the types it takes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr};

/// Which columns of a leaf predicates may speak of.
#[derive(Debug, Clone)]
pub struct Admission {
    columns: Arc<Schema>,
    masked: Vec<String>,
}

impl Admission {
    /// Admits predicates on the columns of `schema` but those named in `masked`.
    pub fn new(columns: Arc<Schema>, masked: Vec<String>) -> Self {
        Self { columns, masked }
    }

    /// Admits nothing.
    pub fn none() -> Self {
        Self { columns: Arc::new(Schema::empty()), masked: Vec::new() }
    }

    /// Whether a user's predicate may run below the barrier.
    pub fn admits(&self, predicate: &Expr) -> bool {
        match predicate {
            Expr::BinaryExpr(binary) => match binary.op {
                Operator::And | Operator::Or => self.admits(&binary.left) && self.admits(&binary.right),
                Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq => self.compares(&binary.left, &binary.right),
                _ => false,
            },
            Expr::Not(inner) => self.admits(inner),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.column_type(inner).is_some(),
            // What `flag = true` and comparisons that hold for all rows or none are simplified to.
            Expr::Column(_) => self.column_type(predicate) == Some(&DataType::Boolean),
            Expr::Literal(ScalarValue::Boolean(_), _) => true,
            Expr::Between(between) => {
                self.fits(&between.expr, &between.low) && self.fits(&between.expr, &between.high)
            }
            Expr::InList(list) => list.list.iter().all(|item| self.fits(&list.expr, item)),
            _ => false,
        }
    }

    /// Whether a filter that arose while the plan runs may enter the leaf.
    pub fn admits_dynamic(&self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        let Some(dynamic) = filter.downcast_ref::<DynamicFilterPhysicalExpr>() else {
            return false;
        };
        let columns = dynamic.children();
        !columns.is_empty()
            && columns.iter().all(|child| {
                let column = child.downcast_ref::<Column>();
                column.is_some_and(|column| self.open_type(column.name()).is_some())
            })
    }

    /// Whether rows may be read in the order of this column.
    pub fn admits_order(&self, column: &str) -> bool {
        self.open_type(column).is_some()
    }

    fn compares(&self, left: &Expr, right: &Expr) -> bool {
        self.fits(left, right) || self.fits(right, left)
    }

    /// `column` is an open column and `literal` a literal of its type.
    fn fits(&self, column: &Expr, literal: &Expr) -> bool {
        let (Some(column), Expr::Literal(value, _)) = (self.column_type(column), literal) else {
            return false;
        };
        value.data_type() == *column
    }

    fn column_type(&self, expression: &Expr) -> Option<&DataType> {
        match expression {
            Expr::Column(column) => self.open_type(&column.name),
            _ => None,
        }
    }

    /// The type of a column that predicates may speak of.
    fn open_type(&self, column: &str) -> Option<&DataType> {
        if self.masked.iter().any(|masked| masked == column) {
            return None;
        }
        let data_type = self.columns.field_with_name(column).ok()?.data_type();
        compares_without_failing(data_type).then_some(data_type)
    }
}

/// Whether any two values of the type can be compared.
fn compares_without_failing(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        DataType::Dictionary(_, value) => compares_without_failing(value),
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]
mod tests;
