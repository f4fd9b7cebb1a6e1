//! How large a statement becomes when each CTE is written out wherever it is named, as the
//! planner does: a kilobyte of text can double with each CTE, and planning has no way to stop
//! midway.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};

use crate::error::{Condition, Error, Result};
use crate::query::column_bounds::check_columns;

/// The most tables a statement may name, each CTE counted as often as it is named.
const TABLES_MAX: u64 = 5_000;

/// Refuses a query that names too many tables once its CTEs are written out, or lists too many columns.
pub fn check_expansion(query: &Query) -> Result<()> {
    check_columns(query)?;
    let mut bodies = Bodies::default();
    // The visitor never breaks off.
    let _: ControlFlow<()> = query.visit(&mut bodies);
    let mut sizes = HashMap::new();
    let total = names_in(query)
        .iter()
        .fold(0_u64, |sum, name| sum.saturating_add(size_of(name, &bodies.0, &mut sizes)));
    if total <= TABLES_MAX {
        return Ok(());
    }
    let text = format!("the statement names more than {TABLES_MAX} tables once its CTEs are written out");
    Err(Error::new(Condition::ResourceExhausted, text)
        .with_hint("name each CTE less often, or write an intermediate table"))
}

/// The names in the body of each CTE, by the CTE's name; CTEs of one name together.
#[derive(Default)]
struct Bodies(HashMap<String, Vec<String>>);

impl Visitor for Bodies {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let names = names_in(&cte.query);
            self.0.entry(cte.alias.name.value.to_lowercase()).or_default().extend(names);
        }
        ControlFlow::Continue(())
    }
}

fn names_in(query: &Query) -> Vec<String> {
    #[derive(Default)]
    struct Names(Vec<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            self.0.push(relation.to_string().replace('`', "").to_lowercase());
            ControlFlow::Continue(())
        }
    }
    let mut names = Names::default();
    let _: ControlFlow<()> = query.visit(&mut names);
    names.0
}

/// Tables behind `name`: one, unless it is a CTE's. A CTE that names itself means a table there.
fn size_of(name: &str, bodies: &HashMap<String, Vec<String>>, sizes: &mut HashMap<String, u64>) -> u64 {
    if let Some(size) = sizes.get(name) {
        return *size;
    }
    let Some(names) = bodies.get(name) else { return 1 };
    sizes.insert(name.to_owned(), 1);
    let size =
        names.iter().fold(0_u64, |sum, inner| sum.saturating_add(size_of(inner, bodies, sizes))).max(1);
    sizes.insert(name.to_owned(), size);
    size
}
