//! [`ChangeCall`]: `table_changes('table', from [, to])` in FROM, as it is written.

use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, TableAlias,
    TableFactor, Value, ValueWithSpan,
};

use crate::error::Refusal;

/// The name of the function that gives the changes of a table's rows.
pub const TABLE_CHANGES: &str = "table_changes";

/// A call in FROM.
pub(crate) struct ChangeCall {
    arguments: Vec<FunctionArg>,
    alias: Option<TableAlias>,
}

impl ChangeCall {
    /// The call that `factor` is, if it is one.
    pub(crate) fn take(factor: &mut TableFactor) -> Option<Self> {
        match factor {
            TableFactor::Table { name, args: Some(args), alias, version: None, .. } if is_it(name) => {
                Some(Self { arguments: args.args.clone(), alias: alias.take() })
            }
            TableFactor::Function { name, args, alias, .. } if is_it(name) => {
                Some(Self { arguments: args.clone(), alias: alias.take() })
            }
            TableFactor::TableFunction { expr: Expr::Function(call), alias } if is_it(&call.name) => {
                Some(Self { arguments: arguments_of(call), alias: alias.take() })
            }
            _ => None,
        }
    }

    /// The parts of the table's name, and both ends.
    pub(crate) fn arguments(
        &self,
        parse: fn(&str) -> Result<Expr>,
    ) -> Result<(Vec<String>, Expr, Option<Expr>), Refusal> {
        let mut values = Vec::new();
        for argument in &self.arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => values.push(value),
                _ => return Err(bad("its arguments have places and no names")),
            }
        }
        let (table, from, to) = match values.as_slice() {
            [table, from] => (table, from, None),
            [table, from, to] => (table, from, Some((*to).clone())),
            _ => {
                let (least, most, found) = (2, 3, values.len());
                return Err(Refusal::WrongArgumentCount {
                    function: TABLE_CHANGES.to_owned(),
                    least,
                    most,
                    found,
                });
            }
        };
        let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }) = table else {
            return Err(bad("its first argument is a table's name as a string"));
        };
        let parts = parts_of(name, parse).ok_or_else(|| bad("its first argument is no table's name"))?;
        Ok((parts, (*from).clone(), to))
    }

    /// The table `name` in the call's place.
    pub(crate) fn instead(self, name: ObjectName) -> TableFactor {
        let own = || TableAlias {
            explicit: true,
            name: Ident::with_quote('`', TABLE_CHANGES),
            columns: Vec::new(),
            at: None,
        };
        TableFactor::Table {
            name,
            alias: Some(self.alias.unwrap_or_else(own)),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        }
    }
}

/// The parts of a dotted name, in backticks or without.
fn parts_of(name: &str, parse: fn(&str) -> Result<Expr>) -> Option<Vec<String>> {
    match parse(name).ok()? {
        Expr::Identifier(part) => Some(vec![part.value]),
        Expr::CompoundIdentifier(parts) => Some(parts.into_iter().map(|part| part.value).collect()),
        _ => None,
    }
}

fn is_it(name: &ObjectName) -> bool {
    match name.0.as_slice() {
        [part] => part.as_ident().is_some_and(|part| part.value.eq_ignore_ascii_case(TABLE_CHANGES)),
        _ => false,
    }
}

fn arguments_of(call: &Function) -> Vec<FunctionArg> {
    match &call.args {
        FunctionArguments::List(list) => list.args.clone(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => Vec::new(),
    }
}

fn bad(reason: &str) -> Refusal {
    Refusal::BadCall { function: TABLE_CHANGES.to_owned(), reason: reason.to_owned() }
}
