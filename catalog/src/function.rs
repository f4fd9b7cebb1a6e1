//! SQL functions, used by policies.
//!
//! A body is an expression over the parameters, stored with every table name written out in
//! three parts so that it means the same in every session. It runs with its owner's rights.

use crate::id::{FunctionId, PrincipalId, SchemaId, TableId};
use crate::name::ObjectName;

/// One parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, folded to lower case.
    pub name: String,
    /// Its type, in SQL.
    pub type_text: String,
    /// A constant SQL expression, where the parameter may be left out.
    pub default: Option<String>,
}

/// A scalar SQL function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Survives CREATE OR REPLACE.
    pub id: FunctionId,
    /// The schema that holds it.
    pub schema: SchemaId,
    /// Its full name.
    pub name: ObjectName,
    /// Whose rights its body has.
    pub owner: PrincipalId,
    /// In order.
    pub parameters: Vec<Parameter>,
    /// The declared or derived type of its result, in SQL.
    pub returns: String,
    /// The expression, names resolved.
    pub body: String,
    /// The tables its body reads.
    pub reads: Vec<TableId>,
    /// A remark for people.
    pub comment: Option<String>,
}
