//! Functions that give rows, and calls that give one value behind a barrier: both are leaves like a
//! view that its reader may not read through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DFSchema, Spans};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, Subquery, TableSource};

use super::body::{Body, Saying};
use super::inline::{Arguments, Place, as_value, fit, is_constant};
use crate::error::Refusal;
use crate::governed_scan_exec::StatementSeal;
use crate::sealed_view;

/// The rows of a call: a sealed leaf, since the body runs with its owner's rights; inside a policy,
/// which is in its table's leaf already, a view that is read through.
pub(super) fn rows(body: &Body, arguments: Vec<Expr>, place: &Place) -> Result<Arc<dyn TableSource>> {
    let Saying::Rows(plan) = &body.saying else {
        let reason = "it gives one value, not rows".to_owned();
        return Err(Refusal::BadCall { function: body.name.clone(), reason }.into());
    };
    let schema = DFSchema::empty();
    let mut values = Vec::new();
    for (argument, parameter) in arguments.into_iter().zip(&body.parameters) {
        if !is_constant(&argument)? {
            let reason = format!("argument `{}` must be a constant", parameter.name());
            return Err(Refusal::BadCall { function: body.name.clone(), reason }.into());
        }
        values.push(fit(argument, parameter, &schema)?);
    }
    let plan = Arguments { body, values: &values, schema: &schema }.in_rows(plan.clone())?;
    Ok(match place {
        Place::Open => provider_as_source(Arc::new(ViewTable::new(plan, None))),
        Place::Sealed(seal, _) => sealed_view::sealed(body.name.clone(), None, plan, seal.clone())?,
    })
}

/// `value`, which stands on no column of the statement, from a sealed leaf of one row.
pub(super) fn one_row(body: &Body, value: Expr, seal: &StatementSeal, numbers: &AtomicUsize) -> Result<Expr> {
    let value = as_value(value, body)?;
    let plan = LogicalPlanBuilder::empty(true).project(vec![value.alias("value")])?.build()?;
    let source = sealed_view::sealed(body.name.clone(), None, plan, seal.clone())?;
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let scan = LogicalPlanBuilder::scan(format!("{}() #{number}", body.name), source, None)?.build()?;
    Ok(Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(scan),
        outer_ref_columns: Vec::new(),
        spans: Spans::new(),
    }))
}
