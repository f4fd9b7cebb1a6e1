//! What a part of FROM gives: its columns, and those by whose names two parts are joined.

use datafusion::common::{Column, DFSchema, SchemaError, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, SelectItem, SelectItemQualifiedWildcardKind, Value, WildcardAdditionalOptions,
};

use crate::error::Refusal;

/// A column as a name without a table before it means it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    name: String,
    /// The first of them that is not NULL.
    values: Vec<Expr>,
    is_key: bool,
}

impl Given {
    fn column(relation: &[String], name: &str) -> Self {
        let own = quoted(name);
        let value = match relation {
            [] => Expr::Identifier(own),
            parts => Expr::CompoundIdentifier(parts.iter().map(|part| quoted(part)).chain([own]).collect()),
        };
        Self { name: name.to_owned(), values: vec![value], is_key: false }
    }

    /// Whether it stands for the columns of two sides.
    pub(super) fn is_key(&self) -> bool {
        self.is_key
    }

    pub(super) fn value(&self) -> Expr {
        match self.values.split_last() {
            Some((only, [])) => only.clone(),
            Some((last, before)) => Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: before.iter().map(unless_null).collect(),
                else_result: Some(Box::new(last.clone())),
            },
            None => Expr::Identifier(quoted(&self.name)),
        }
    }

    /// It in a SELECT, under its name.
    fn item(&self) -> SelectItem {
        match self.values.as_slice() {
            [only] => SelectItem::UnnamedExpr(only.clone()),
            _ => SelectItem::ExprWithAlias { expr: self.value(), alias: quoted(&self.name) },
        }
    }
}

fn unless_null(value: &Expr) -> CaseWhen {
    CaseWhen { condition: Expr::IsNotNull(Box::new(value.clone())), result: value.clone() }
}

/// A name as it is.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('`', name)
}

/// What a part of FROM gives.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// In the order of `*`.
    visible: Vec<Given>,
    /// Every column, after the parts of its relation's name.
    columns: Vec<(Vec<String>, String)>,
    is_unknown: bool,
}

impl Side {
    /// Of one relation.
    pub(super) fn of_relation(schema: &DFSchema) -> Self {
        let mut side = Self::default();
        for (relation, field) in schema.iter() {
            // reason: a column of no relation is called by its name alone
            let parts = relation.map(TableReference::to_vec).unwrap_or_default();
            side.visible.push(Given::column(&parts, field.name()));
            side.columns.push((parts, field.name().clone()));
        }
        side
    }

    /// Of names that are no columns.
    pub(super) fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let visible = names.map(|name| Given::column(&[], name)).collect();
        Self { visible, ..Self::default() }
    }

    /// Of a relation whose columns cannot be told.
    pub(super) fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    pub(super) fn has_keys(&self) -> bool {
        self.visible.iter().any(Given::is_key)
    }

    /// Whether every column is some relation's.
    pub(super) fn is_named(&self) -> bool {
        self.columns.iter().all(|(relation, _)| !relation.is_empty())
    }

    pub(super) fn called<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Given> {
        self.visible.iter().filter(move |given| given.name == name)
    }

    /// Both, without a condition.
    pub(super) fn beside(mut self, right: Side) -> Self {
        self.visible.extend(right.visible);
        self.columns.extend(right.columns);
        self.is_unknown |= right.is_unknown;
        self
    }

    /// The names that both have, in the order of this one.
    pub(super) fn common(&self, right: &Side) -> Vec<String> {
        let here = self.visible.iter().map(|given| given.name.as_str());
        distinct(here.filter(|name| right.called(name).next().is_some()))
    }

    /// Both joined by the equality of `keys`, and the condition for that.
    pub(super) fn join(self, right: Side, gives: Gives, keys: &[String]) -> Result<(Self, Expr)> {
        let mut visible = Vec::new();
        let mut condition: Option<Expr> = None;
        for key in keys {
            let (mine, theirs) = (only(&self.visible, key)?, only(&right.visible, key)?);
            let equal = binary(mine.value(), BinaryOperator::Eq, theirs.value());
            condition = Some(match condition {
                Some(before) => binary(before, BinaryOperator::And, equal),
                None => equal,
            });
            let values = match gives {
                Gives::LeftKey | Gives::OnlyLeft => mine.values.clone(),
                Gives::RightKey | Gives::OnlyRight => theirs.values.clone(),
                Gives::EitherKey => [mine.values.as_slice(), theirs.values.as_slice()].concat(),
            };
            visible.push(Given { name: key.clone(), values, is_key: true });
        }
        let mut both = match gives {
            Gives::OnlyLeft => self,
            Gives::OnlyRight => right,
            Gives::LeftKey | Gives::RightKey | Gives::EitherKey => self.beside(right),
        };
        visible.extend(both.visible.into_iter().filter(|given| !keys.contains(&given.name)));
        both.visible = visible;
        Ok((both, condition.unwrap_or_else(|| Expr::value(Value::Boolean(true)))))
    }

    /// Whether `idents` begin with a relation of this one, or with the end of its name.
    pub(super) fn names_relation(&self, idents: &[Ident]) -> bool {
        self.columns.iter().any(|(relation, _)| {
            (0..relation.len()).any(|start| {
                relation.len() - start < idents.len()
                    && relation.iter().skip(start).zip(idents).all(|(part, ident)| *part == ident.value)
            })
        })
    }

    /// The items of a SELECT over this one, with `*` written out and the keys under their names.
    pub(super) fn items(&self, projection: Vec<SelectItem>) -> Result<Vec<SelectItem>> {
        let mut items = Vec::with_capacity(projection.len());
        for item in projection {
            match &item {
                SelectItem::Wildcard(options) => spread(&self.visible, options, &mut items)?,
                SelectItem::QualifiedWildcard(kind, options) => match self.of(kind) {
                    Some(columns) => spread(&columns, options, &mut items)?,
                    None => items.push(item),
                },
                SelectItem::UnnamedExpr(expression) => items.push(self.key_item(expression).unwrap_or(item)),
                SelectItem::ExprWithAlias { .. } | SelectItem::ExprWithAliases { .. } => items.push(item),
            }
        }
        Ok(items)
    }

    /// A key that is named by itself.
    fn key_item(&self, expression: &Expr) -> Option<SelectItem> {
        match expression {
            Expr::Nested(inner) => self.key_item(inner),
            Expr::Identifier(ident) => {
                // reason: a name that means no column is no key, and refused where it is looked up
                let key = only(&self.visible, &ident.value).ok().filter(|given| given.is_key)?;
                Some(key.item())
            }
            _ => None,
        }
    }

    /// The columns of the relation that stands before `.*`.
    fn of(&self, kind: &SelectItemQualifiedWildcardKind) -> Option<Vec<Given>> {
        let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else { return None };
        let written: Vec<&str> =
            name.0.iter().filter_map(ObjectNamePart::as_ident).map(|part| part.value.as_str()).collect();
        let columns: Vec<Given> = self
            .columns
            .iter()
            .filter(|(relation, _)| *relation == written)
            .map(|(relation, name)| Given::column(relation, name))
            .collect();
        if columns.is_empty() { None } else { Some(columns) }
    }
}

/// Which columns a join gives, and whose its keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    LeftKey,
    RightKey,
    EitherKey,
    OnlyLeft,
    OnlyRight,
}

/// The condition of a join, and what the join gives.
pub(super) fn parts(operator: &mut JoinOperator) -> Option<(&mut JoinConstraint, Gives)> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => Some((constraint, Gives::LeftKey)),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
            Some((constraint, Gives::RightKey))
        }
        JoinOperator::FullOuter(constraint) => Some((constraint, Gives::EitherKey)),
        JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint) => Some((constraint, Gives::OnlyLeft)),
        JoinOperator::RightSemi(constraint) | JoinOperator::RightAnti(constraint) => {
            Some((constraint, Gives::OnlyRight))
        }
        _ => None,
    }
}

/// The names in USING, each once.
pub(super) fn key_names(names: &[ObjectName]) -> Result<Vec<String>> {
    let mut keys = Vec::with_capacity(names.len());
    for name in names {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return Err(Refusal::Unsupported(format!("USING of `{name}`, which is no column's name,")).into());
        };
        keys.push(ident.value.as_str());
    }
    Ok(distinct(keys.into_iter()))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The refusal of a name that means several columns.
pub(super) fn ambiguous(name: &str) -> DataFusionError {
    let field = Box::new(Column::new_unqualified(name));
    DataFusionError::SchemaError(Box::new(SchemaError::AmbiguousReference { field }), Box::new(None))
}

/// The one column called `name`.
fn only<'a>(columns: &'a [Given], name: &str) -> Result<&'a Given> {
    let mut found = columns.iter().filter(|given| given.name == name);
    match (found.next(), found.next()) {
        (Some(given), None) => Ok(given),
        (Some(_), Some(_)) => Err(ambiguous(name)),
        (None, _) => {
            let field = Box::new(Column::new_unqualified(name));
            let missing = SchemaError::FieldNotFound { field, valid_fields: Vec::new() };
            Err(DataFusionError::SchemaError(Box::new(missing), Box::new(None)))
        }
    }
}

/// The columns that `*` gives, as items.
fn spread(columns: &[Given], options: &WildcardAdditionalOptions, items: &mut Vec<SelectItem>) -> Result<()> {
    if options.opt_ilike.is_some() || options.opt_rename.is_some() || options.opt_alias.is_some() {
        return Err(Refusal::Unsupported("ILIKE, RENAME or an alias after *".to_owned()).into());
    }
    let left_out = left_out(options);
    for name in &left_out {
        only(columns, name)?;
    }
    let replaced: Vec<(&str, &Expr)> = options
        .opt_replace
        .iter()
        .flat_map(|replace| &replace.items)
        .map(|element| (element.column_name.value.as_str(), &element.expr))
        .collect();
    for (name, _) in &replaced {
        only(columns, name)?;
    }
    for column in columns.iter().filter(|column| !left_out.contains(&column.name.as_str())) {
        items.push(match replaced.iter().find(|(name, _)| *name == column.name) {
            Some((name, expression)) => {
                SelectItem::ExprWithAlias { expr: (*expression).clone(), alias: quoted(name) }
            }
            None => column.item(),
        });
    }
    Ok(())
}

/// The names behind EXCEPT.
fn left_out(options: &WildcardAdditionalOptions) -> Vec<&str> {
    let except = options.opt_except.iter();
    let mut names: Vec<&str> = except
        .flat_map(|except| std::iter::once(&except.first_element).chain(&except.additional_elements))
        .map(|ident| ident.value.as_str())
        .collect();
    let excluded = match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ExcludeSelectItem::Multiple(excluded)) => excluded.as_slice(),
        None => &[],
    };
    let last = excluded.iter().filter_map(|name| name.0.last()).filter_map(ObjectNamePart::as_ident);
    names.extend(last.map(|ident| ident.value.as_str()));
    names
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
