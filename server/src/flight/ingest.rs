//! Bulk ingestion: the command's options, and its rows.

use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};

use super::Door;
use super::binding::Incoming;
use super::call::Call;
use super::command::{refuse_transaction, refused};
use super::writes::Written;
use crate::error::{Condition, Error, Result};
use crate::run::{IfExists, IfMissing, Ingestion, Outcome};

impl Door {
    pub(crate) async fn ingest(
        &self,
        call: &Call,
        command: CommandStatementIngest,
        incoming: Incoming,
    ) -> Result<Written> {
        let ingestion = ingestion(command)?;
        let sent = incoming.into_rows().await?;
        match self.warehouse.ingest(call.context.clone(), &ingestion, sent).await? {
            Outcome::Done { rows, session } => Ok(Written { rows, session }),
            Outcome::Rows(_) => Err(Error::internal("rows came of rows that were sent")),
        }
    }
}

/// What the command asks for, every option of it.
fn ingestion(command: CommandStatementIngest) -> Result<Ingestion> {
    refuse_transaction(command.transaction_id.as_ref())?;
    if command.temporary {
        return Err(refused("temporary tables"));
    }
    if let Some(option) = command.options.keys().min() {
        return Err(refused(&format!("option `{option}` of bulk ingestion")));
    }
    let options = command.table_definition_options.ok_or_else(|| unsaid("table_definition_options"))?;
    let (if_missing, if_exists) = (if_missing(options)?, if_exists(options)?);
    let named = |part: Option<String>| part.filter(|part| !part.is_empty());
    let (catalog, schema) = (named(command.catalog), named(command.schema));
    if catalog.is_some() && schema.is_none() {
        return Err(Error::new(Condition::InvalidParameterValue, "a catalog is named and no schema in it")
            .with_hint("name the schema too"));
    }
    let parts: Vec<String> = [catalog, schema, Some(command.table)].into_iter().flatten().collect();
    Ingestion::new(&parts, if_missing, if_exists)
}

fn if_missing(options: TableDefinitionOptions) -> Result<IfMissing> {
    match options.if_not_exist() {
        TableNotExistOption::Create => Ok(IfMissing::Create),
        TableNotExistOption::Fail => Ok(IfMissing::Fail),
        TableNotExistOption::Unspecified => Err(unsaid("if_not_exist")),
    }
}

fn if_exists(options: TableDefinitionOptions) -> Result<IfExists> {
    match options.if_exists() {
        TableExistsOption::Append => Ok(IfExists::Append),
        TableExistsOption::Replace => Ok(IfExists::Replace),
        TableExistsOption::Fail => Ok(IfExists::Fail),
        TableExistsOption::Unspecified => Err(unsaid("if_exists")),
    }
}

fn unsaid(option: &str) -> Error {
    let text = format!("bulk ingestion does not say `{option}`, or says a value that is not known");
    Error::new(Condition::InvalidParameterValue, text)
}
