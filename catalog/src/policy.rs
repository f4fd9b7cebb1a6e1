//! Policies on a table: at most one row filter, at most one mask on each column or nested field.
//!
//! A policy names a function and what its parameters get: columns of the table, by
//! column-mapping field id where the table has them, else by name, or literals. The server
//! checks types before it asks for a policy to be set; this crate keeps what was bound.
//!
//! Policies that find their tables by tags are in [`crate::tag_policy`]; [`crate::effective`] says
//! which of both hold for a table and a caller.

use std::fmt;

use crate::id::FunctionId;
use crate::name::ObjectName;
use crate::securable::Column;

/// Functions of the schema `system.policy`, there for every policy and owned by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuiltinMask {
    /// `mask_value(value)`: a constant of the value's type that tells nothing of it; NULL stays.
    MaskValue,
    /// `mask_null(value)`: NULL of the value's type.
    MaskNull,
    /// `show_first_4(value)`: the first four characters of a string, the rest as `*`; of a string of four or
    /// fewer, stars alone.
    ShowFirst4,
    /// `show_last_4(value)`: the last four, the same way.
    ShowLast4,
    /// `sha256(value)`: a string's SHA-256 as hexadecimal digits; equal values stay equal.
    Sha256,
    /// `year_of_date(value)`: a date or timestamp at the beginning of its year.
    YearOfDate,
    /// `round_number(value, step)`: a number rounded towards zero to a multiple of `step`, without noise.
    RoundNumber,
}

impl BuiltinMask {
    /// Every built-in mask, in the order of their names.
    pub const ALL: [BuiltinMask; 7] = [
        BuiltinMask::MaskNull,
        BuiltinMask::MaskValue,
        BuiltinMask::RoundNumber,
        BuiltinMask::Sha256,
        BuiltinMask::ShowFirst4,
        BuiltinMask::ShowLast4,
        BuiltinMask::YearOfDate,
    ];

    /// Its name in `system.policy`.
    pub fn name(self) -> &'static str {
        match self {
            BuiltinMask::MaskValue => "mask_value",
            BuiltinMask::MaskNull => "mask_null",
            BuiltinMask::ShowFirst4 => "show_first_4",
            BuiltinMask::ShowLast4 => "show_last_4",
            BuiltinMask::Sha256 => "sha256",
            BuiltinMask::YearOfDate => "year_of_date",
            BuiltinMask::RoundNumber => "round_number",
        }
    }

    /// The built-in mask of that name in `system.policy`.
    pub fn find(name: &ObjectName) -> Option<Self> {
        let in_policy = name.catalog.as_str() == "system" && name.schema.as_str() == "policy";
        Self::ALL.into_iter().find(|mask| in_policy && mask.name() == name.object.as_str())
    }

    /// How many arguments it takes, the masked value among them.
    pub fn arity(self) -> usize {
        match self {
            BuiltinMask::RoundNumber => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for BuiltinMask {
    /// The full name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system.policy.{}", self.name())
    }
}

/// What a policy calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyFunction {
    /// A function of the catalog.
    Sql(FunctionId),
    /// One of `system.policy`; masks only.
    Builtin(BuiltinMask),
}

impl PolicyFunction {
    /// The function of the catalog, where it is one.
    pub fn sql(self) -> Option<FunctionId> {
        match self {
            PolicyFunction::Sql(id) => Some(id),
            PolicyFunction::Builtin(_) => None,
        }
    }
}

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

impl ColumnBinding {
    /// Whether it is bound to that column: by field id where both have one, else by name.
    pub fn is_on(&self, column: &Column) -> bool {
        match (self.field_id, column.field_id) {
            (Some(bound), Some(known)) => bound == known,
            _ => self.name.to_lowercase() == column.name.to_lowercase(),
        }
    }
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
    /// An interval, as written after `INTERVAL`, e.g. `'3' DAY`.
    Interval(String),
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
    pub function: PolicyFunction,
    /// Its arguments by position; missing trailing ones take the parameters' defaults.
    pub arguments: Vec<PolicyArgument>,
    /// The rules of evaluation the policy was set under.
    pub semantics: u32,
}

/// The function's result stands in place of the column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMask {
    /// The masked column.
    pub column: ColumnBinding,
    /// The fields from the column down to the masked one, as spelled; empty where the whole column
    /// is masked. What the path leads to is the function's first argument.
    pub path: Vec<String>,
    /// The function.
    pub function: PolicyFunction,
    /// Further arguments (`USING COLUMNS`), by position from the second parameter on.
    pub arguments: Vec<PolicyArgument>,
    /// The rules of evaluation the policy was set under.
    pub semantics: u32,
}

impl ColumnMask {
    /// The masked place, e.g. `address.street`.
    pub fn place(&self) -> String {
        let parts = std::iter::once(self.column.name.as_str()).chain(self.path.iter().map(String::as_str));
        parts.collect::<Vec<_>>().join(".")
    }
}

/// The rules of evaluation in force: policies read raw values, FALSE and NULL hide, identity
/// functions speak of the session user.
pub const SEMANTICS: u32 = 1;
