//! [`constant_row`]: a query that reads nothing and gives one row of constants, `SELECT 1`, made physical by itself.
//!
//! Clients ask such a thing to see whether a connection lives. The engine's twenty rules for physical plans find nothing to do
//! there, and are a tenth of what the server spends on it.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::expr::physical_name;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// The physical plan of `optimised`, where that is one row of constants and nothing else.
pub(crate) fn constant_row(optimised: &LogicalPlan) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let LogicalPlan::Projection(projection) = optimised else { return Ok(None) };
    let LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema }) =
        projection.input.as_ref()
    else {
        return Ok(None);
    };
    let mut columns = Vec::with_capacity(projection.expr.len());
    for written in &projection.expr {
        let Some(expr) = constant(written) else { return Ok(None) };
        columns.push(ProjectionExpr { expr, alias: physical_name(written)? });
    }
    let row = PlaceholderRowExec::new(Arc::clone(schema.inner()));
    let output = projection.schema.as_arrow();
    Ok(Some(Arc::new(ProjectionExec::try_new_with_schema_metadata(columns, Arc::new(row), output)?)))
}

fn constant(expression: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
    match expression {
        Expr::Literal(value, metadata) => {
            Some(Arc::new(Literal::new_with_metadata(value.clone(), metadata.clone())))
        }
        Expr::Alias(alias) if alias.metadata.is_none() => constant(&alias.expr),
        _ => None,
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed test is a panic; the engine alone is asked"
)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::SessionState;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn optimised(state: &SessionState, query: &str) -> LogicalPlan {
        state.optimize(&state.create_logical_plan(query).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_row_of_constants_is_what_the_engine_makes_of_it() {
        let session = SessionContext::new();
        let state = session.state();
        let queries = [
            "SELECT 1",
            "SELECT 1 + 1 AS two, 'x', NULL, CAST('2020-02-02' AS DATE) AS day",
            "SELECT 1 AS n WHERE 1 = 1",
            "SELECT [1, 2] AS list, named_struct('a', 1) AS fields",
        ];
        for query in queries {
            let plan = optimised(&state, query).await;
            let here = constant_row(&plan).unwrap().unwrap();
            let engines = state.query_planner().create_physical_plan(&plan, &state).await.unwrap();
            assert_eq!(here.schema(), engines.schema(), "{query}");
            let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
            assert_eq!(shown(&here), shown(&engines), "{query}");
            let given = collect(here, session.task_ctx()).await.unwrap();
            let wanted = collect(engines, session.task_ctx()).await.unwrap();
            let text = |rows: &[_]| pretty_format_batches(rows).unwrap().to_string();
            assert_eq!(text(&given), text(&wanted), "{query}");
        }
    }

    #[tokio::test]
    async fn whatever_is_not_a_row_of_constants_is_left_to_the_engine() {
        let state = SessionContext::new().state();
        let queries = [
            "SELECT random()",
            "SELECT 1 WHERE random() < 2",
            "SELECT (SELECT max(column1) FROM (VALUES (1), (2)))",
            "SELECT count(*) FROM (VALUES (1))",
            "SELECT 1 UNION ALL SELECT 2",
            "SELECT 1 LIMIT 0",
            "VALUES (1)",
        ];
        for query in queries {
            assert!(constant_row(&optimised(&state, query).await).unwrap().is_none(), "{query}");
        }
    }
}
