//! Where `x IN (subquery)` may stand in a policy.
//!
//! The engine makes a join of it, which answers FALSE where SQL answers NULL: for a NULL that is looked for, or among
//! the rows that it is looked for in. That is the same where FALSE and NULL both drop the row, or both lead to the
//! next branch of a CASE. Anywhere else, as under NOT, it would keep a row or show a value, and is refused.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Why a policy with a misplaced membership cannot hold.
pub(super) const MISPLACED: &str = "NOT IN with a subquery stands within OR, CASE or NOT, or beside another permissive filter or one of a wider scope, \
                                    where it would not tell NULL from FALSE: write NOT EXISTS";

/// How an expression is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// As a condition all of which must hold: NOT IN is a join of its own there, and knows NULL.
    Conjunct,
    /// As a condition.
    Condition,
    /// For its value.
    Value,
}

/// Whether a row filter asks for membership only where the answer is SQL's.
pub(super) fn filter_holds(filter: &Expr) -> Result<bool> {
    holds(filter, Use::Conjunct)
}

/// Whether a filter does that is asked within a CASE.
pub(super) fn condition_holds(filter: &Expr) -> Result<bool> {
    holds(filter, Use::Condition)
}

/// Whether a mask does.
pub(super) fn mask_holds(mask: &Expr) -> Result<bool> {
    holds(mask, Use::Value)
}

fn holds(expression: &Expr, used: Use) -> Result<bool> {
    let within = match used {
        Use::Value => Use::Value,
        Use::Conjunct | Use::Condition => Use::Condition,
    };
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) if used != Use::Value => {
            Ok(holds(left, used)? && holds(right, used)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) if used != Use::Value => {
            Ok(holds(left, within)? && holds(right, within)?)
        }
        Expr::Alias(alias) => holds(&alias.expr, used),
        // Neither tells NULL from FALSE.
        Expr::IsTrue(inner) | Expr::IsNotTrue(inner) => holds(inner, Use::Condition),
        Expr::InSubquery(membership) => {
            let placed = match membership.negated {
                true => used == Use::Conjunct,
                false => used != Use::Value,
            };
            Ok(placed && holds(&membership.expr, Use::Value)?)
        }
        Expr::Case(case) if case.expr.is_none() => {
            for (when, then) in &case.when_then_expr {
                if !holds(when, Use::Condition)? || !holds(then, within)? {
                    return Ok(false);
                }
            }
            case.else_expr.as_ref().map_or(Ok(true), |other| holds(other, within))
        }
        other => {
            let mut all = true;
            other.apply_children(|child| {
                all = all && holds(child, Use::Value)?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(all)
        }
    }
}
