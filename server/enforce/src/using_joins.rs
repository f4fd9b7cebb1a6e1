//! Joins by the names of columns, written out before a statement is planned.
//!
//! The planner joins by names and then takes the key of either side for the one column that the dialect means. So `JOIN … USING`
//! and `NATURAL JOIN` become `JOIN … ON`. The name of a key without a table before it becomes the left side's column, the right
//! side's after a RIGHT JOIN, the first of both that is not NULL after a FULL JOIN. `*` becomes the keys, then what else the
//! left side gives, then what else the right side gives. A column with its table's name before it stays that table's.
//!
//! In a subquery such a name means the key unless the subquery has a column of that name. Which columns a table, a query or a CTE
//! gives the planner tells, for each alone; where it cannot, a name that may mean a key is refused.

mod sides;

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;

use datafusion::common::DFSchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Cte, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, OrderBy,
    OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
    Value, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions, With,
};

use crate::binder::query_of;
use crate::error::Refusal;
use sides::{Given, Side, ambiguous, key_names, parts, quoted};

/// Tells the columns of a query.
type Columns<'a> = dyn Fn(Query) -> Result<DFSchemaRef> + 'a;

/// How a relation is called to which the statement gives no name.
const UNNAMED: &str = "weir:using_";

/// Writes out the joins by names in `tree`.
pub(crate) fn write_out(tree: &mut impl VisitMut, columns: &Columns<'_>) -> Result<()> {
    if VisitMut::visit(tree, &mut Search).is_continue() {
        return Ok(());
    }
    let mut walk = Walk { columns, queries: Vec::new(), frames: Vec::new(), named: 0 };
    result(VisitMut::visit(tree, &mut walk))
}

fn result(flow: ControlFlow<DataFusionError>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn flow(result: Result<()>) -> ControlFlow<DataFusionError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// Breaks off at a join by names.
struct Search;

impl VisitorMut for Search {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        match select.from.iter_mut().any(joins_by_names) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let is_found = match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => joins_by_names(table_with_joins),
            _ => false,
        };
        if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A join within brackets that have an alias is not one of these.
fn joins_by_names(part: &mut TableWithJoins) -> bool {
    let is_within = |factor: &mut TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => joins_by_names(table_with_joins),
        _ => false,
    };
    let mut joins = part.joins.iter_mut();
    is_within(&mut part.relation)
        || joins.any(|join| is_by_names(&mut join.join_operator) || is_within(&mut join.relation))
}

fn is_by_names(operator: &mut JoinOperator) -> bool {
    matches!(parts(operator), Some((JoinConstraint::Using(_) | JoinConstraint::Natural, _)))
}

/// One query around the place where the walk is.
struct Level {
    /// Those before this place. Their bodies are their columns alone.
    ctes: Vec<Cte>,
    /// The others.
    waiting: VecDeque<TableAlias>,
    order_by: Option<OrderBy>,
    /// Whether its body is one SELECT, over whose columns it orders.
    is_select: bool,
}

/// What names mean at some place.
#[derive(Default)]
struct Frame {
    side: Side,
    from: Vec<TableWithJoins>,
    /// Names that the SELECT gives its items.
    aliases: Vec<String>,
    /// What the names of its items mean in its ORDER BY.
    outputs: Vec<(String, Expr)>,
    is_ordering: bool,
    /// Whether names here mean nothing of what is around.
    is_shut: bool,
}

impl Frame {
    fn of(side: Side) -> Self {
        Self { side, ..Self::default() }
    }
}

struct Walk<'a> {
    columns: &'a Columns<'a>,
    queries: Vec<Level>,
    frames: Vec<Frame>,
    /// How many relations got a name.
    named: usize,
}

impl VisitorMut for Walk<'_> {
    type Break = DataFusionError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<DataFusionError> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.queries.push(Level {
            ctes: Vec::new(),
            waiting: ctes.map(|cte| cte.alias.clone()).collect(),
            order_by: query.order_by.take(),
            is_select: matches!(*query.body, SetExpr::Select(_)),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<DataFusionError> {
        flow(self.leave_query(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<DataFusionError> {
        flow(self.enter_select(select))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<DataFusionError> {
        let Some(mut frame) = self.frames.pop() else { return ControlFlow::Continue(()) };
        select.from = std::mem::take(&mut frame.from);
        if self.queries.last().is_some_and(|level| level.is_select) {
            frame.outputs = outputs(select, &frame.side);
            frame.is_ordering = true;
            self.frames.push(frame);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<DataFusionError> {
        if let Expr::Lambda(lambda) = expression {
            let names = lambda.params.iter().map(|parameter| parameter.name.value.as_str());
            self.frames.push(Frame::of(Side::of_names(names)));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<DataFusionError> {
        match expression {
            Expr::Lambda(_) => {
                self.frames.pop();
            }
            Expr::CompoundIdentifier(idents) => return flow(self.check_field(idents)),
            Expr::Identifier(ident) => match self.key(&ident.value) {
                Ok(Some(value)) => *expression = value,
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            },
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_> {
    /// Looks at FROM before all else of a SELECT, and keeps it out of the walk from then on.
    fn enter_select(&mut self, select: &mut Select) -> Result<()> {
        let mut from = std::mem::take(&mut select.from);
        let by_names = from.iter_mut().any(joins_by_names);
        let mut side = Side::default();
        for part in &mut from {
            side = side.beside(self.in_joins(part, by_names)?);
        }
        let alias = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        let aliases = select.projection.iter().filter_map(alias).collect();
        if by_names {
            select.projection = side.items(std::mem::take(&mut select.projection))?;
        }
        self.frames.push(Frame { side, from, aliases, ..Frame::default() });
        Ok(())
    }

    fn in_joins(&mut self, part: &mut TableWithJoins, by_names: bool) -> Result<Side> {
        let mut left = self.in_factor(&mut part.relation, by_names)?;
        for join in &mut part.joins {
            let right = self.in_factor(&mut join.relation, by_names)?;
            left = self.in_join(left, right, &mut join.join_operator)?;
        }
        Ok(left)
    }

    fn in_join(&mut self, left: Side, right: Side, operator: &mut JoinOperator) -> Result<Side> {
        let Some((constraint, gives)) = parts(operator) else {
            return Err(Refusal::Unsupported("such a join beside USING or NATURAL".to_owned()).into());
        };
        let keys = match constraint {
            JoinConstraint::None => None,
            JoinConstraint::On(condition) => {
                self.frames.push(Frame::of(left.clone().beside(right.clone())));
                result(VisitMut::visit(condition, self))?;
                self.frames.pop();
                None
            }
            JoinConstraint::Using(names) => Some(key_names(names)?),
            JoinConstraint::Natural => Some(left.common(&right)),
        };
        // reason: a join by nothing has no keys
        let (joined, condition) = left.join(right, gives, keys.as_deref().unwrap_or_default())?;
        if keys.is_some() {
            *constraint = JoinConstraint::On(condition);
        }
        Ok(joined)
    }

    fn in_factor(&mut self, factor: &mut TableFactor, by_names: bool) -> Result<Side> {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            return self.in_joins(table_with_joins, by_names);
        }
        as_query(factor);
        let is_lateral = matches!(
            factor,
            TableFactor::Derived { lateral: true, .. } | TableFactor::Function { lateral: true, .. }
        );
        if is_lateral && by_names {
            return Err(Refusal::Unsupported("LATERAL beside USING or NATURAL".to_owned()).into());
        }
        if is_lateral {
            self.frames.push(Frame::of(Side::unknown()));
        }
        result(VisitMut::visit(factor, self))?;
        if is_lateral {
            self.frames.pop();
        }
        if by_names {
            self.name(factor);
        }
        match self.columns_of(factor.clone()) {
            Ok(schema) => {
                let side = Side::of_relation(&schema);
                match by_names && !side.is_named() {
                    true => Err(Refusal::Unsupported("USING or NATURAL over such a table".to_owned()).into()),
                    false => Ok(side),
                }
            }
            Err(error) if by_names => Err(error),
            Err(_) => Ok(Side::unknown()),
        }
    }

    /// Names what has no name, so that each of its columns can be told from those of its like.
    fn name(&mut self, factor: &mut TableFactor) {
        let alias = match factor {
            TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Table { alias, args: Some(_), .. } => alias,
            _ => return,
        };
        if alias.is_none() {
            self.named += 1;
            let name = quoted(&format!("{UNNAMED}{}", self.named));
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
    }

    fn columns_of(&self, factor: TableFactor) -> Result<DFSchemaRef> {
        let mut names = Names::default();
        // The visitor never breaks off.
        let _: ControlFlow<()> = Visit::visit(&factor, &mut names);
        let mut ctes: Vec<Cte> = Vec::new();
        for cte in self.queries.iter().flat_map(|level| &level.ctes) {
            let name = &cte.alias.name.value;
            if names.0.contains(name) {
                ctes.retain(|outer| outer.alias.name.value != *name);
                ctes.push(cte.clone());
            }
        }
        let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let from = vec![TableWithJoins { relation: factor, joins: Vec::new() }];
        (self.columns)(query(ctes, vec![all], from))
    }

    fn leave_query(&mut self, query: &mut Query) -> Result<()> {
        let Some(level) = self.queries.last_mut() else { return Ok(()) };
        let is_select = level.is_select;
        if let Some(mut order_by) = level.order_by.take() {
            if !is_select {
                self.frames.push(Frame { is_shut: true, ..Frame::default() });
            }
            self.in_order(&mut order_by)?;
            if !is_select {
                self.frames.pop();
            }
            query.order_by = Some(order_by);
        }
        if is_select {
            self.frames.pop();
        }
        self.queries.pop();
        self.keep_cte(query);
        Ok(())
    }

    /// A name by itself in ORDER BY is that of an item, if there is one such.
    fn in_order(&mut self, order_by: &mut OrderBy) -> Result<()> {
        let OrderByKind::Expressions(expressions) = &mut order_by.kind else { return Ok(()) };
        for expression in expressions {
            match self.output(&expression.expr) {
                Some(output) => expression.expr = output,
                None => result(VisitMut::visit(expression, self))?,
            }
        }
        Ok(())
    }

    fn output(&self, expression: &Expr) -> Option<Expr> {
        let Expr::Identifier(ident) = expression else { return None };
        let mut found = self.frames.last()?.outputs.iter().filter(|(name, _)| *name == ident.value);
        match (found.next(), found.next()) {
            (Some((_, meaning)), None) => Some(meaning.clone()),
            _ => None,
        }
    }

    /// Keeps the columns of a query of WITH for those that name it. One that cannot be planned by itself is kept as it is.
    fn keep_cte(&mut self, written: &Query) {
        let Some(alias) = self.queries.last_mut().and_then(|level| level.waiting.pop_front()) else { return };
        let (lateral, sample) = (false, None);
        let subquery = Box::new(written.clone());
        let factor = TableFactor::Derived { lateral, subquery, alias: Some(alias.clone()), sample };
        let (alias, body) = match self.columns_of(factor) {
            Ok(schema) => {
                let null = |name: &String| SelectItem::ExprWithAlias {
                    expr: Expr::value(Value::Null),
                    alias: quoted(name),
                };
                let items = schema.fields().iter().map(|field| null(field.name())).collect();
                (TableAlias { columns: Vec::new(), ..alias }, query(Vec::new(), items, Vec::new()))
            }
            Err(_) => (alias, written.clone()),
        };
        let closing_paren_token = AttachedToken::empty();
        let cte = Cte { alias, query: Box::new(body), from: None, materialized: None, closing_paren_token };
        if let Some(level) = self.queries.last_mut() {
            level.ctes.push(cte);
        }
    }

    /// What a name means that is a key's.
    fn key(&self, name: &str) -> Result<Option<Expr>> {
        let mut is_unsure = false;
        for frame in self.frames.iter().rev() {
            let is_alias = frame.aliases.iter().any(|alias| alias == name);
            if frame.is_shut || (frame.is_ordering && is_alias) {
                return Ok(None);
            }
            let found: Vec<&Given> = frame.side.called(name).collect();
            match found.as_slice() {
                [] => is_unsure |= frame.side.is_unknown() || is_alias,
                [key] if key.is_key() && !is_unsure => return Ok(Some(key.value())),
                several if several.iter().any(|given| given.is_key()) => return Err(ambiguous(name)),
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Refuses a field of a key, which has no name of its own.
    fn check_field(&self, idents: &[Ident]) -> Result<()> {
        let Some(first) = idents.first() else { return Ok(()) };
        for frame in self.frames.iter().rev() {
            if frame.is_shut || frame.side.names_relation(idents) {
                return Ok(());
            }
            let found: Vec<&Given> = frame.side.called(&first.value).collect();
            if found.iter().any(|given| given.is_key()) {
                let what = format!("a field of `{}`, by which tables are joined,", first.value);
                return Err(Refusal::Unsupported(what).into());
            }
            if !found.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The names of one part in a tree.
#[derive(Default)]
struct Names(HashSet<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() {
            self.0.insert(ident.value.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Joins in brackets with an alias are the query that gives all their columns.
fn as_query(factor: &mut TableFactor) {
    let TableFactor::NestedJoin { table_with_joins, alias } = factor else { return };
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let subquery = Box::new(query(Vec::new(), vec![all], vec![table_with_joins.as_ref().clone()]));
    let alias = alias.take();
    *factor = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
}

/// What the names of a SELECT's items mean in its ORDER BY: over joined keys the column itself, which the planner would take for
/// that of either side.
fn outputs(select: &Select, side: &Side) -> Vec<(String, Expr)> {
    let output = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) | SelectItem::ExprWithAlias { alias: ident, .. } => {
            Some((ident.value.clone(), Expr::Identifier(ident.clone())))
        }
        SelectItem::UnnamedExpr(column @ Expr::CompoundIdentifier(idents)) => {
            let last = idents.last()?;
            let meaning = if side.has_keys() { column.clone() } else { Expr::Identifier(last.clone()) };
            Some((last.value.clone(), meaning))
        }
        _ => None,
    };
    select.projection.iter().filter_map(output).collect()
}

fn query(ctes: Vec<Cte>, projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Query {
    let with = With { with_token: AttachedToken::empty(), recursive: false, cte_tables: ctes };
    let with = Some(with).filter(|with| !with.cte_tables.is_empty());
    query_of(with, SetExpr::Select(Box::new(select(projection, from))))
}

fn select(projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}
