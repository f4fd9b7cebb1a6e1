//! Which predicates the statistics of files answer rightly.
//!
//! Statistics lack NaN, which is greater than every number here: a predicate that NaN passes may not leave files out. Delta's
//! statistics are JSON, whose numbers writers take for doubles: of decimals with more digits than a double has they tell
//! something near the truth.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Operator};

/// Decimal digits that a double keeps.
const EXACT_DIGITS: u8 = 15;

/// How far the statistics of a column tell the truth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// Of all values.
    Whole,
    /// Of all but NaN.
    ButNan,
    /// Of how many are NULL alone.
    Nulls,
}

/// Those of `predicates` by which files may be left out. What is left away here must stay above the scan.
pub(crate) fn answered(predicates: &[Expr], schema: &Schema) -> Result<Vec<Expr>> {
    let mut kept = Vec::with_capacity(predicates.len());
    for predicate in predicates {
        if is_answered(predicate, schema)? {
            kept.push(predicate.clone());
        }
    }
    Ok(kept)
}

/// Whether no file that holds a row for `predicate` is left out by its statistics.
fn is_answered(predicate: &Expr, schema: &Schema) -> Result<bool> {
    Ok(match predicate {
        Expr::IsNull(inner) | Expr::IsNotNull(inner) if matches!(inner.as_ref(), Expr::Column(_)) => true,
        Expr::BinaryExpr(both) if matches!(both.op, Operator::And | Operator::Or) => {
            is_answered(&both.left, schema)? && is_answered(&both.right, schema)?
        }
        Expr::BinaryExpr(compared) => {
            let (left, right) = (compared.left.as_ref(), compared.right.as_ref());
            let below = matches!(compared.op, Operator::Lt | Operator::LtEq | Operator::Eq);
            let above = matches!(compared.op, Operator::Gt | Operator::GtEq | Operator::Eq);
            (below && is_number_of(left, right, schema))
                || (above && is_number_of(right, left, schema))
                || speaks_of_whole(predicate, schema)?
        }
        Expr::Between(between) if !between.negated => {
            let bounds = [between.low.as_ref(), between.high.as_ref()];
            bounds.iter().all(|bound| is_number_of(&between.expr, bound, schema))
                || speaks_of_whole(predicate, schema)?
        }
        Expr::InList(list) if !list.negated => {
            list.list.iter().all(|item| is_number_of(&list.expr, item, schema))
                || speaks_of_whole(predicate, schema)?
        }
        other => speaks_of_whole(other, schema)?,
    })
}

/// Whether `column` is a column of floating point, and `literal` a number and not NaN.
fn is_number_of(column: &Expr, literal: &Expr, schema: &Schema) -> bool {
    let Expr::Column(column) = column else { return false };
    let is_number = match literal {
        Expr::Literal(ScalarValue::Float64(Some(number)), _) => !number.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(number)), _) => !number.is_nan(),
        _ => false,
    };
    is_number && truth_of(&column.name, schema) == Truth::ButNan
}

fn speaks_of_whole(predicate: &Expr, schema: &Schema) -> Result<bool> {
    let untold = predicate.exists(|part| {
        Ok(matches!(part, Expr::Column(column) if truth_of(&column.name, schema) != Truth::Whole))
    })?;
    Ok(!untold)
}

fn truth_of(column: &str, schema: &Schema) -> Truth {
    match schema.field_with_name(column).map(|field| field.data_type()) {
        Ok(data_type) => truth_of_type(data_type),
        // A column that is not there has no statistics either.
        Err(_) => Truth::Whole,
    }
}

/// Whether the least and greatest values that statistics tell of such a column are those that are there.
pub(crate) fn is_told_whole(data_type: &DataType) -> bool {
    truth_of_type(data_type) == Truth::Whole
}

fn truth_of_type(data_type: &DataType) -> Truth {
    match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Truth::ButNan,
        DataType::Decimal128(digits, _) | DataType::Decimal256(digits, _) if *digits > EXACT_DIGITS => {
            Truth::Nulls
        }
        DataType::Struct(fields)
            if fields.iter().any(|field| truth_of_type(field.data_type()) != Truth::Whole) =>
        {
            Truth::Nulls
        }
        _ => Truth::Whole,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use datafusion::arrow::datatypes::Field;
    use datafusion::logical_expr::{col, lit, not};

    use super::*;

    fn answered(predicate: Expr) -> bool {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("f", DataType::Float64, true),
            Field::new("d", DataType::Decimal128(38, 2), true),
            Field::new("s", DataType::Decimal128(15, 2), true),
        ]);
        is_answered(&predicate, &schema).unwrap()
    }

    #[test]
    fn what_nan_passes_leaves_no_file_out() {
        for told in [
            col("f").lt(lit(1.0)),
            lit(1.0).gt_eq(col("f")),
            col("f").eq(lit(1.0)),
            col("f").between(lit(0.0), lit(1.0)),
            col("f").in_list(vec![lit(1.0), lit(2.0)], false),
            col("f").lt(lit(1.0)).and(col("n").gt(lit(1))),
            col("f").is_null(),
            col("n").gt(lit(1)),
            not(col("n").gt(lit(1))),
            col("s").gt(lit(1)),
        ] {
            assert!(answered(told.clone()), "{told}");
        }
        for untold in [
            col("f").gt(lit(1.0)),
            lit(1.0).lt_eq(col("f")),
            col("f").not_eq(lit(1.0)),
            col("f").eq(lit(f64::NAN)),
            col("f").lt_eq(lit(f64::NAN)),
            col("f").not_between(lit(0.0), lit(1.0)),
            col("f").in_list(vec![lit(1.0), lit(f64::NAN)], false),
            col("f").in_list(vec![lit(1.0)], true),
            not(col("f").lt(lit(1.0))),
            col("f").lt(lit(1.0)).or(col("f").gt(lit(2.0))),
        ] {
            assert!(!answered(untold.clone()), "{untold}");
        }
    }

    #[test]
    fn decimals_beyond_doubles_leave_no_file_out() {
        let value = Expr::Literal(ScalarValue::Decimal128(Some(1), 38, 2), None);
        assert!(!answered(col("d").eq(value.clone())));
        assert!(!answered(col("d").in_list(vec![value], false)));
        assert!(answered(col("d").is_not_null()));
    }
}
