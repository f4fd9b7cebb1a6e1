//! What a client can ask for by a descriptor or in DoPut: one closed set, decoded here.
//!
//! A command that is part of the protocol but not there is a variant too, so that it is
//! refused by its name. Text that is no protobuf at all is taken as a statement: the pure C#
//! driver sends it so.

use arrow_flight::FlightDescriptor;
use arrow_flight::flight_descriptor::DescriptorType;
use arrow_flight::sql::{self, Any, Command as Known};
use bytes::Bytes;
use prost::Message;
use strum::VariantNames;

use crate::error::{Condition, Error, Result};

/// A command of Flight SQL.
#[derive(Debug, Clone, PartialEq, VariantNames)]
pub(crate) enum Command {
    /// Run a statement; asked by GetFlightInfo, fetched by DoGet.
    Statement(String),
    /// Run a statement and count; DoPut.
    Update(String),
    /// Run a prepared statement, or bind its parameters.
    PreparedQuery(Bytes),
    /// Run a prepared statement and count; DoPut.
    PreparedUpdate(Bytes),
    /// Put rows that are sent into a table; DoPut.
    Ingest(Box<sql::CommandStatementIngest>),
    /// Ask about the server or what is in it.
    Metadata(Metadata),
    /// Part of the protocol, and not there: its name.
    Refused(&'static str),
}

/// A command that asks about the server or what is in it; each variant is the protocol's command
/// of that name.
#[derive(Debug, Clone, PartialEq, VariantNames)]
pub(crate) enum Metadata {
    Catalogs(sql::CommandGetCatalogs),
    DbSchemas(sql::CommandGetDbSchemas),
    Tables(sql::CommandGetTables),
    TableTypes(sql::CommandGetTableTypes),
    PrimaryKeys(sql::CommandGetPrimaryKeys),
    ExportedKeys(sql::CommandGetExportedKeys),
    ImportedKeys(sql::CommandGetImportedKeys),
    CrossReference(sql::CommandGetCrossReference),
    SqlInfo(sql::CommandGetSqlInfo),
    XdbcTypeInfo(sql::CommandGetXdbcTypeInfo),
}

impl Command {
    /// The command in a descriptor.
    pub(crate) fn of_descriptor(descriptor: &FlightDescriptor) -> Result<Self> {
        match descriptor.r#type() {
            DescriptorType::Cmd => Self::decode(&descriptor.cmd),
            DescriptorType::Path | DescriptorType::Unknown => Err(Error::new(
                Condition::InvalidParameterValue,
                "the descriptor holds no command; flights are not addressed by path here",
            )),
        }
    }

    /// The command in the bytes of a descriptor or a ticket.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self> {
        match Any::decode(bytes.as_ref()) {
            Ok(any) if any.type_url.contains('/') => Self::of_any(any),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) if !text.trim().is_empty() => Ok(Command::Statement(text.to_owned())),
                _ => Err(Error::new(Condition::InvalidParameterValue, "the command cannot be read")),
            },
        }
    }

    fn of_any(any: Any) -> Result<Self> {
        let known = Known::try_from(any).map_err(|cause| {
            Error::new(Condition::InvalidParameterValue, "the command cannot be read").caused_by(cause)
        })?;
        Ok(match known {
            Known::CommandStatementQuery(c) => {
                refuse_transaction(c.transaction_id.as_ref())?;
                Command::Statement(c.query)
            }
            Known::CommandStatementUpdate(c) => {
                refuse_transaction(c.transaction_id.as_ref())?;
                Command::Update(c.query)
            }
            Known::CommandPreparedStatementQuery(c) => Command::PreparedQuery(c.prepared_statement_handle),
            Known::CommandPreparedStatementUpdate(c) => Command::PreparedUpdate(c.prepared_statement_handle),
            Known::CommandStatementIngest(c) => Command::Ingest(Box::new(c)),
            Known::CommandStatementSubstraitPlan(_) => Command::Refused("Substrait plans"),
            Known::CommandGetCatalogs(c) => Command::Metadata(Metadata::Catalogs(c)),
            Known::CommandGetDbSchemas(c) => Command::Metadata(Metadata::DbSchemas(c)),
            Known::CommandGetTables(c) => Command::Metadata(Metadata::Tables(c)),
            Known::CommandGetTableTypes(c) => Command::Metadata(Metadata::TableTypes(c)),
            Known::CommandGetPrimaryKeys(c) => Command::Metadata(Metadata::PrimaryKeys(c)),
            Known::CommandGetExportedKeys(c) => Command::Metadata(Metadata::ExportedKeys(c)),
            Known::CommandGetImportedKeys(c) => Command::Metadata(Metadata::ImportedKeys(c)),
            Known::CommandGetCrossReference(c) => Command::Metadata(Metadata::CrossReference(c)),
            Known::CommandGetSqlInfo(c) => Command::Metadata(Metadata::SqlInfo(c)),
            Known::CommandGetXdbcTypeInfo(c) => Command::Metadata(Metadata::XdbcTypeInfo(c)),
            other => return Err(not_a_command(other.type_url())),
        })
    }
}

fn not_a_command(type_url: &str) -> Error {
    let name: String = type_url.chars().filter(|c| !c.is_control()).take(200).collect();
    Error::new(Condition::UnsupportedFeature, format!("`{name}` is not a command of this server"))
}

/// The error for a part of the protocol that is not there.
pub(crate) fn refused(what: &str) -> Error {
    Error::new(Condition::UnsupportedFeature, format!("{what}: not supported over Flight SQL"))
}

/// Statements stand alone here; one that says it belongs to a transaction is refused.
pub(crate) fn refuse_transaction(id: Option<&Bytes>) -> Result<()> {
    match id {
        Some(id) if !id.is_empty() => Err(refused("transactions")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

    use arrow_flight::sql::ProstMessageExt;

    use super::*;

    fn decode<M: ProstMessageExt>(message: &M) -> Result<Command> {
        Command::decode(&message.as_any().encode_to_vec().into())
    }

    #[test]
    fn a_statement_is_read_from_its_envelope_or_from_bare_text() {
        let wrapped = sql::CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
        assert_eq!(decode(&wrapped).unwrap(), Command::Statement("SELECT 1".to_owned()));
        for text in ["SELECT 1", "\n select 'ä'", "WITH x AS (SELECT 1) SELECT * FROM x"] {
            let bare = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(Command::decode(&bare).unwrap(), Command::Statement(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let substrait = decode(&sql::CommandStatementSubstraitPlan::default()).unwrap();
        assert_eq!(substrait, Command::Refused("Substrait plans"));
        let in_transaction = sql::CommandStatementQuery {
            query: String::new(),
            transaction_id: Some(Bytes::from_static(b"t")),
        };
        assert_eq!(decode(&in_transaction).unwrap_err().condition(), Condition::UnsupportedFeature);
        let unknown = Any { type_url: "type.example/x.y.Z".to_owned(), value: Bytes::new() };
        let error = Command::decode(&unknown.encode_to_vec().into()).unwrap_err();
        assert!(error.message().contains("x.y.Z"));
    }

    #[test]
    fn bytes_that_are_neither_are_invalid() {
        for bytes in [b"".as_slice(), b"\xff\xfe\x00"] {
            let error = Command::decode(&Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.condition(), Condition::InvalidParameterValue);
        }
    }
}
