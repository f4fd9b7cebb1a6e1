//! Policies on a table: at most one row filter, at most one mask on each column.
//!
//! A policy names a SQL function and what its parameters get: columns of the table, by
//! column-mapping field id where the table has them, else by name, or literals. The server
//! checks types before it asks for a policy to be set; this crate keeps what was bound.

use crate::id::FunctionId;

/// How a policy holds on to a column of its table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnBinding {
    /// The column's name as the table spells it when the policy was set.
    pub name: String,
    /// The column-mapping field id, where the table has them. It wins over the name.
    pub field_id: Option<i64>,
    /// The column's type when the policy was set, in SQL. Another type later makes the table
    /// refuse to be read.
    pub type_text: String,
}

/// A constant argument of a policy function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Literal {
    /// A string.
    String(String),
    /// A number, as written.
    Number(String),
    /// TRUE or FALSE.
    Boolean(bool),
    /// NULL.
    Null,
}

/// What one parameter of a policy function receives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PolicyArgument {
    /// The raw value of a column in the row at hand.
    Column(ColumnBinding),
    /// The same value for each row.
    Literal(Literal),
}

/// A row is visible when the function returns TRUE; FALSE and NULL hide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    /// The boolean SQL function.
    pub function: FunctionId,
    /// Its arguments by position; missing trailing ones take the parameters' defaults.
    pub arguments: Vec<PolicyArgument>,
    /// The rules of evaluation the policy was set under.
    pub semantics: u32,
}

/// The function's result stands in place of the column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMask {
    /// The masked column; the function's first argument.
    pub column: ColumnBinding,
    /// The SQL function.
    pub function: FunctionId,
    /// Further arguments (`USING COLUMNS`), by position from the second parameter on.
    pub arguments: Vec<PolicyArgument>,
    /// The rules of evaluation the policy was set under.
    pub semantics: u32,
}

/// The rules of evaluation in force: policies read raw values, FALSE and NULL hide, identity
/// functions speak of the session user.
pub const SEMANTICS: u32 = 1;
