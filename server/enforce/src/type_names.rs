//! Names of types that DataFusion's planner does not read, or reads as another type; what they mean is what columns of these
//! types hold.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast;

/// BINARY, TIMESTAMP and TIMESTAMP_NTZ.
#[derive(Debug)]
pub(crate) struct TypeNames;

impl TypePlanner for TypeNames {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            ast::DataType::Binary(None) => DataType::Binary,
            ast::DataType::TimestampNtz(None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            ast::DataType::Timestamp(None, zone) => {
                let zone = (*zone != ast::TimezoneInfo::WithoutTimeZone).then(|| Arc::from("UTC"));
                DataType::Timestamp(TimeUnit::Microsecond, zone)
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}
