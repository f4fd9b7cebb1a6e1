//! Refuses by name each clause of a query that the planner would drop or that is not built. The
//! whole tree is walked: subqueries, CTEs, joins, text of views, bodies of functions.
//!
//! Clauses that the planner itself refuses need no line here; those that it ignores do.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function, FunctionArguments, GroupByExpr, Ident, Join,
    JoinConstraint, JoinOperator, LimitClause, NamedWindowDefinition, NamedWindowExpr, ObjectName,
    ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr,
    SetOperator, SetQuantifier, Spanned, Statement, TableAlias, TableFactor, TableVersion, TableWithJoins,
    Value, ValueWithSpan, Values, Visit, Visitor, WildcardAdditionalOptions, WindowFrameBound, WindowSpec,
    WindowType,
};

use super::cursor::{position_of, unsupported};
use crate::error::{Condition, Error, Result};

/// Checks a query.
pub fn check_query(query: &Query) -> Result<()> {
    finish(query.visit(&mut Walk))
}

/// Checks an expression.
pub fn check_expression(expression: &Expr) -> Result<()> {
    finish(expression.visit(&mut Walk))
}

fn finish(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Whether a two-part name is a path of files rather than a table.
pub(crate) fn is_path(_format: &str, path: &str) -> bool {
    path.contains('/')
}

/// The refusal of a path in place of a table.
pub(crate) fn path_table(format: &str) -> Error {
    unsupported(&format!("a path in place of a table ({format}.`…`)"))
        .with_hint("tables are read by their names in the catalog")
}

struct Walk;

/// The first clause that is there, by its name.
fn first<'a>(clauses: &[(bool, &'a str)]) -> Option<&'a str> {
    clauses.iter().find(|(present, _)| *present).map(|(_, name)| *name)
}

fn refuse(name: Option<&str>, place: &impl Spanned) -> Result<()> {
    match name {
        Some(name) => Err(unsupported(name).at(position_of(place.span().start))),
        None => Ok(()),
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl Visitor for Walk {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        flow(check_query_clauses(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        flow(check_select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        flow(check_table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        flow(check_one_expression(expression))
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Error> {
        let text = statement.to_string();
        let word = text.split_whitespace().next().unwrap_or_default();
        flow(refuse(Some(&format!("{word} inside a query")), statement))
    }
}

fn check_query_clauses(query: &Query) -> Result<()> {
    let Query {
        with,
        body,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    let clauses = [
        (with.as_ref().is_some_and(|with| with.recursive), "WITH RECURSIVE"),
        (
            fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent),
            "FETCH … PERCENT or WITH TIES",
        ),
        (fetch.is_some() && limits(limit_clause.as_ref()), "FETCH beside LIMIT"),
        (!locks.is_empty(), "FOR UPDATE and FOR SHARE"),
        (for_clause.is_some(), "FOR XML, JSON or BROWSE"),
        (settings.is_some(), "SETTINGS"),
        (format_clause.is_some(), "FORMAT"),
        (!pipe_operators.is_empty(), "a query in pipe syntax"),
    ];
    refuse(first(&clauses), query)?;
    for cte in with.iter().flat_map(|with| &with.cte_tables) {
        let clauses =
            [(cte.from.is_some(), "FROM after a CTE"), (cte.materialized.is_some(), "MATERIALIZED")];
        refuse(first(&clauses), query)?;
        check_alias(Some(&cte.alias))?;
    }
    if let Some(order_by) = order_by {
        check_order_by(order_by)?;
    }
    if let Some(LimitClause::LimitOffset { limit_by, .. }) = limit_clause
        && !limit_by.is_empty()
    {
        return refuse(Some("LIMIT … BY"), query);
    }
    check_body(body)
}

/// Whether a clause says how many rows there are at most.
fn limits(clause: Option<&LimitClause>) -> bool {
    match clause {
        None | Some(LimitClause::LimitOffset { limit: None, .. }) => false,
        Some(LimitClause::LimitOffset { .. } | LimitClause::OffsetCommaLimit { .. }) => true,
    }
}

/// Walks set operations without recursion; they lean to the left.
fn check_body(body: &SetExpr) -> Result<()> {
    let mut pending = vec![body];
    while let Some(body) = pending.pop() {
        match body {
            // The engine joins the two, and has a row as often as the left one has it.
            SetExpr::SetOperation {
                op: op @ (SetOperator::Intersect | SetOperator::Except | SetOperator::Minus),
                set_quantifier: SetQuantifier::All | SetQuantifier::AllByName,
                ..
            } => {
                let hint = "number equal rows with row_number() and leave ALL out";
                return Err(unsupported(&format!("{op} ALL")).with_hint(hint));
            }
            SetExpr::SetOperation { left, right, .. } => pending.extend([left.as_ref(), right.as_ref()]),
            SetExpr::Table(_) => return Err(unsupported("TABLE as a query").with_hint("SELECT * FROM it")),
            SetExpr::Values(Values { explicit_row: true, .. }) => return Err(unsupported("VALUES ROW")),
            // Selects and inner queries are visited by themselves, statements by
            // `pre_visit_statement`.
            SetExpr::Select(_)
            | SetExpr::Query(_)
            | SetExpr::Values(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_) => {}
        }
    }
    Ok(())
}

fn check_order_by(order_by: &OrderBy) -> Result<()> {
    refuse(order_by.interpolate.as_ref().map(|_| "INTERPOLATE"), order_by)?;
    match &order_by.kind {
        OrderByKind::All(_) => Ok(()),
        OrderByKind::Expressions(expressions) => expressions.iter().try_for_each(check_order_by_expression),
    }
}

fn check_order_by_expression(expression: &OrderByExpr) -> Result<()> {
    refuse(expression.with_fill.as_ref().map(|_| "WITH FILL"), expression)
}

fn check_select(select: &Select) -> Result<()> {
    let modifiers = match &select.group_by {
        GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => !modifiers.is_empty(),
    };
    let clauses = [
        (!select.optimizer_hints.is_empty(), "an optimizer hint"),
        (select.select_modifiers.is_some(), "a modifier of SELECT"),
        (select.top.is_some() || select.top_before_distinct, "TOP"),
        (select.exclude.is_some(), "EXCLUDE"),
        (select.into.is_some(), "SELECT INTO"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (select.value_table_mode.is_some(), "SELECT AS STRUCT or VALUE"),
        (select.flavor != SelectFlavor::Standard, "a query that begins with FROM"),
        (modifiers, "GROUP BY … WITH ROLLUP, CUBE or TOTALS"),
    ];
    refuse(first(&clauses), select)?;
    for NamedWindowDefinition(_, window) in &select.named_window {
        if let NamedWindowExpr::WindowSpec(window) = window {
            check_window(window, select)?;
        }
    }
    select.projection.iter().try_for_each(check_item)?;
    select.from.iter().flat_map(|from| &from.joins).try_for_each(check_join)
}

fn check_item(item: &SelectItem) -> Result<()> {
    match item {
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => Ok(()),
        SelectItem::ExprWithAliases { .. } => refuse(Some("one alias for several columns"), item),
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            check_wildcard(options, item)
        }
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions, item: &SelectItem) -> Result<()> {
    let clauses = [
        (options.opt_ilike.is_some(), "* ILIKE"),
        (options.opt_rename.is_some(), "* RENAME"),
        (options.opt_alias.is_some(), "an alias for *"),
    ];
    refuse(first(&clauses), item)
}

fn check_join(join: &Join) -> Result<()> {
    let operator = match &join.join_operator {
        JoinOperator::CrossJoin(constraint) if !matches!(constraint, JoinConstraint::None) => {
            Some("CROSS JOIN with a condition")
        }
        JoinOperator::CrossApply | JoinOperator::OuterApply => Some("APPLY"),
        JoinOperator::AsOf { .. } => Some("ASOF JOIN"),
        JoinOperator::StraightJoin(_) => Some("STRAIGHT_JOIN"),
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            Some("ARRAY JOIN")
        }
        _ => None,
    };
    refuse(operator.or(join.global.then_some("GLOBAL JOIN")), join)
}

fn check_table_factor(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { .. } => check_table(factor),
        TableFactor::Derived { sample, alias, .. } => {
            refuse(sample.as_ref().map(|_| "TABLESAMPLE"), factor)?;
            check_alias(alias.as_ref())
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            let TableWithJoins { joins, .. } = table_with_joins.as_ref();
            joins.iter().try_for_each(check_join)?;
            check_alias(alias.as_ref())
        }
        TableFactor::TableFunction { expr: Expr::Function(_), alias } => check_alias(alias.as_ref()),
        TableFactor::TableFunction { .. } => refuse(Some("TABLE (…) of anything but a call"), factor),
        TableFactor::Function { with_ordinality: true, .. } => refuse(Some("WITH ORDINALITY"), factor),
        TableFactor::Function { alias, .. } => check_alias(alias.as_ref()),
        TableFactor::UNNEST { .. } => refuse(Some("UNNEST in FROM"), factor),
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
            refuse(Some("JSON_TABLE"), factor)
        }
        TableFactor::Pivot { .. } => refuse(Some("PIVOT"), factor),
        TableFactor::Unpivot { .. } => refuse(Some("UNPIVOT"), factor),
        TableFactor::MatchRecognize { .. } => refuse(Some("MATCH_RECOGNIZE"), factor),
        TableFactor::XmlTable { .. } => refuse(Some("XMLTABLE"), factor),
        TableFactor::SemanticView { .. } => refuse(Some("SEMANTIC_VIEW"), factor),
    }
}

fn check_table(factor: &TableFactor) -> Result<()> {
    let TableFactor::Table {
        name,
        alias,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = factor
    else {
        return Ok(());
    };
    let clauses = [
        (args.as_ref().is_some_and(|args| args.settings.is_some()), "SETTINGS"),
        (matches!(version, Some(TableVersion::Function(_))), "AT or BEFORE after a table"),
        (matches!(version, Some(TableVersion::Changes { .. })), "CHANGES of a table"),
        (version.is_some() && args.is_some(), "time travel of a table function"),
        (sample.is_some(), "TABLESAMPLE"),
        (!with_hints.is_empty(), "a table hint"),
        (*with_ordinality, "WITH ORDINALITY"),
        (!partitions.is_empty(), "PARTITION of a table"),
        (json_path.is_some(), "a path into a table"),
        (!index_hints.is_empty(), "an index hint"),
    ];
    refuse(first(&clauses), name)?;
    check_table_name(name)?;
    check_alias(alias.as_ref())
}

fn check_table_name(name: &ObjectName) -> Result<()> {
    let position = position_of(name.span().start);
    let mut parts = Vec::new();
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(Ident { quote_style: Some('\''), .. }) => {
                return Err(unsupported("a string in place of a table").at(position));
            }
            ObjectNamePart::Identifier(ident) => parts.push(ident.value.as_str()),
            ObjectNamePart::Function(_) => {
                return Err(unsupported("a function in a table's name").at(position));
            }
        }
    }
    match parts.as_slice() {
        [format, path] if is_path(format, path) => Err(path_table(format).at(position)),
        [path] if is_path("", path) => Err(unsupported("a path in place of a table").at(position)),
        [] => Err(Error::new(Condition::ParseSyntaxError, "a table's name is empty")),
        _ if parts.len() > 3 => Err(Error::new(
            Condition::InvalidIdentifier,
            format!("`{}` has more than three parts", parts.join(".")),
        )
        .at(position)),
        _ => Ok(()),
    }
}

fn check_alias(alias: Option<&TableAlias>) -> Result<()> {
    let Some(alias) = alias else { return Ok(()) };
    let clauses = [
        (alias.at.is_some(), "AT after an alias"),
        (alias.columns.iter().any(|column| column.data_type.is_some()), "types in an alias"),
        // Relations of functions' bodies have such names.
        (alias.name.value.to_lowercase().starts_with("weir:"), "an alias that begins with `weir:`"),
    ];
    refuse(first(&clauses), alias)
}

/// The most columns of a CUBE, of which the planner makes a set for each subset.
const CUBE_MAX: usize = 12;
/// The most items of an IN list: pruning walks them by recursion.
const IN_LIST_MAX: usize = 5_000;

fn check_one_expression(expression: &Expr) -> Result<()> {
    let name = match expression {
        Expr::Cast { format: Some(_), .. } => Some("FORMAT in a cast"),
        Expr::Cast { array: true, .. } => Some("ARRAY in a cast"),
        Expr::Ceil { field, .. } | Expr::Floor { field, .. } if !is_plain_rounding(field) => {
            Some("CEIL or FLOOR to a unit or scale")
        }
        Expr::Collate { .. } => Some("COLLATE"),
        Expr::Convert { .. } => Some("CONVERT"),
        Expr::IsNormalized { .. } => Some("IS NORMALIZED"),
        Expr::MatchAgainst { .. } => Some("MATCH … AGAINST"),
        Expr::MemberOf(_) => Some("MEMBER OF"),
        Expr::OuterJoin(_) => Some("(+)"),
        Expr::Prior(_) => Some("PRIOR"),
        Expr::Prefixed { .. } => Some("a prefix before a literal"),
        Expr::Function(function) => return check_function(function, expression),
        Expr::Cube(sets) if sets.len() > CUBE_MAX => {
            let text = format!("CUBE of {} columns; {CUBE_MAX} are the most", sets.len());
            return Err(Error::new(Condition::ResourceExhausted, text)
                .with_hint("name the groupings that are wanted in GROUPING SETS")
                .at(position_of(expression.span().start)));
        }
        Expr::InList { list, .. } if list.len() > IN_LIST_MAX => {
            let text = format!("an IN list of {} items; {IN_LIST_MAX} are the most", list.len());
            return Err(Error::new(Condition::ResourceExhausted, text)
                .with_hint("put the items into VALUES and join with it")
                .at(position_of(expression.span().start)));
        }
        Expr::Value(value) => match &value.value {
            Value::DollarQuotedString(_) => Some("a string in dollar signs"),
            _ => None,
        },
        _ => None,
    };
    refuse(name, expression)
}

/// The most rows of a bound of a window's frame: the engine adds them to the places of rows.
const FRAME_ROWS_MAX: u64 = 1 << 40;

fn check_window(window: &WindowSpec, place: &impl Spanned) -> Result<()> {
    let Some(frame) = &window.window_frame else { return Ok(()) };
    let bounds = std::iter::once(&frame.start_bound).chain(&frame.end_bound);
    let too_far = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) => match &**rows {
            Expr::Value(ValueWithSpan { value: Value::Number(rows, _), .. }) => {
                rows.parse::<u64>().is_ok_and(|rows| rows > FRAME_ROWS_MAX)
            }
            _ => false,
        },
        _ => false,
    };
    if !bounds.into_iter().any(too_far) {
        return Ok(());
    }
    let text = format!("a window's frame reaches over more than {FRAME_ROWS_MAX} rows");
    Err(Error::new(Condition::InvalidParameterValue, text)
        .with_hint("UNBOUNDED PRECEDING and UNBOUNDED FOLLOWING reach over all of them")
        .at(position_of(place.span().start)))
}

fn is_plain_rounding(kind: &CeilFloorKind) -> bool {
    matches!(kind, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}

/// Aggregates that hold all rows of a window, and would copy them for each row.
const GATHERING: &[&str] = &["array_agg", "collect_list", "collect_set", "listagg", "string_agg"];

fn check_gathering(function: &Function, place: &Expr) -> Result<()> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(()) };
    let name = name.value.to_lowercase();
    if function.over.is_none() || !GATHERING.contains(&name.as_str()) {
        return Ok(());
    }
    Err(unsupported(&format!("{name} with OVER"))
        .with_hint("group by the keys and join with the result")
        .at(position_of(place.span().start)))
}

fn check_function(function: &Function, place: &Expr) -> Result<()> {
    let clauses = [
        (!matches!(function.parameters, FunctionArguments::None), "parameters before a function's arguments"),
        (function.uses_odbc_syntax, "{fn …}"),
        (
            matches!(function.args, FunctionArguments::Subquery(_)),
            "a query as a function's argument without brackets",
        ),
    ];
    refuse(first(&clauses), place)?;
    check_gathering(function, place)?;
    if let Some(WindowType::WindowSpec(window)) = &function.over {
        check_window(window, place)?;
    }
    match &function.args {
        FunctionArguments::List(list) => list.clauses.iter().try_for_each(|clause| match clause {
            datafusion::sql::sqlparser::ast::FunctionArgumentClause::OrderBy(expressions) => {
                expressions.iter().try_for_each(check_order_by_expression)
            }
            _ => Ok(()),
        }),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Ok(()),
    }
}
