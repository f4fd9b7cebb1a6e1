//! SQL functions, used by policies and queries.
//!
//! A body is an expression (or, of a table function, a query) over the parameters, stored with every
//! table and function name written out in three parts so that it means the same in every session. It
//! runs with its owner's rights.

use crate::id::{FunctionId, PrincipalId, SchemaId, TableId};
use crate::name::ObjectName;
use crate::stamps::Stamps;

/// One parameter of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, folded to lower case.
    pub name: String,
    /// Its type, in SQL.
    pub type_text: String,
    /// A constant SQL expression, where the parameter may be left out.
    pub default: Option<String>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// One value; its declared or derived type, in SQL.
    Scalar(String),
    /// Rows of these columns, each with its name and type in SQL.
    Table(Vec<Parameter>),
}

impl Returns {
    /// The type in SQL, e.g. `BOOLEAN` or `TABLE (id INT)`.
    pub fn text(&self) -> String {
        match self {
            Returns::Scalar(text) => text.clone(),
            Returns::Table(columns) => {
                let columns = columns.iter().map(|column| format!("{} {}", column.name, column.type_text));
                format!("TABLE ({})", columns.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The type of the one value, where it gives one.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Returns::Scalar(text) => Some(text),
            Returns::Table(_) => None,
        }
    }
}

/// A SQL function.
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
    /// A value or rows.
    pub returns: Returns,
    /// The expression, or the query of a table function, names resolved.
    pub body: String,
    /// The tables its body reads.
    pub reads: Vec<TableId>,
    /// The functions its body calls.
    pub calls: Vec<FunctionId>,
    /// A remark for people.
    pub comment: Option<String>,
    /// When and by whom.
    pub stamps: Stamps,
}
