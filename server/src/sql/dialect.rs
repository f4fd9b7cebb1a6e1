//! The dialect: Databricks' as sqlparser knows it, with `$1` placeholders, with the units of an interval
//! inside its text, and with `"x"` as an identifier where the session says so.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{DatabricksDialect, Dialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

use super::interval;

/// Databricks SQL as this server reads it.
#[derive(Debug, Clone, Copy)]
pub struct WarehouseDialect {
    /// `"x"` quotes an identifier rather than a string.
    pub double_quoted_identifiers: bool,
}

/// Delegates each answer that sqlparser's dialect gives apart from the defaults.
macro_rules! delegate {
    ($($name:ident),+ $(,)?) => {
        $(fn $name(&self) -> bool {
            DatabricksDialect.$name()
        })+
    };
}

impl Dialect for WarehouseDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`' || (ch == '"' && self.double_quoted_identifiers)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DatabricksDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DatabricksDialect.is_identifier_part(ch)
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        interval::with_units_inside(parser)
    }

    /// What stands behind IS [NOT] DISTINCT FROM ends before AND and OR, as behind every other comparison; sqlparser takes all that
    /// follows.
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let differ: fn(Box<Expr>, Box<Expr>) -> Expr =
            if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsDistinctFrom
            } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsNotDistinctFrom
            } else {
                return None;
            };
        let other = parser.parse_subexpr(precedence);
        Some(other.map(|other| differ(Box::new(expr.clone()), Box::new(other))))
    }

    fn supports_dollar_placeholder(&self) -> bool {
        true
    }

    delegate! {
        require_interval_qualifier,
        supports_bang_not_operator,
        supports_cte_without_as,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_lambda_functions,
        supports_nested_comments,
        supports_numeric_prefix,
        supports_optimize_table,
        supports_select_item_multi_column_alias,
        supports_select_wildcard_except,
        supports_struct_literal,
        supports_table_versioning,
        supports_values_as_table_factor,
    }
}
