//! Hidden and missing things have one text; hints are kept.

#![expect(clippy::unwrap_used, reason = "tests")]

use weir_catalog::ObjectName;
use weir_catalog::error::Error as CatalogError;
use weir_catalog::securable::{SecurableKind, SecurableName};

use crate::error::{Condition, Error, Kind};

#[test]
fn a_table_that_is_not_found_is_told_as_the_enforcer_tells_it() {
    let name = ObjectName::new("main", "hr", "people").unwrap();
    let told = Error::from(CatalogError::NotFound { securable: SecurableName::Table(name.clone()) });
    let other = Error::not_found(Condition::TableOrViewNotFound, "table or view", &name);
    assert_eq!(told.to_string(), other.to_string());
}

#[test]
fn kinds_and_hints_survive() {
    let told =
        Error::from(CatalogError::NotEmpty { kind: SecurableKind::Schema, name: "main.hr".to_owned() });
    assert_eq!(told.condition(), Condition::SchemaNotEmpty);
    assert_eq!(told.kind(), Kind::FailedPrecondition);
    assert_eq!(told.hint(), Some("say CASCADE to drop what it holds as well"));
    assert_eq!(Error::from(CatalogError::Contention).kind(), Kind::Conflict);
}
