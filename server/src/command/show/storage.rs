//! SHOW VOLUMES, EXTERNAL LOCATIONS and STORAGE CREDENTIALS: those the caller sees.

use weir_catalog::SchemaName;
use weir_catalog::securable::{SecurableId, SecurableName};

use crate::command::describe::uses_location;
use crate::command::listing::{Pattern, Row};
use crate::command::session::shows_system_schema;
use crate::command::sight::Sight;
use crate::error::Result;
use crate::error::convert::not_found;

pub(super) fn volumes(sight: Sight<'_>, name: &SchemaName, pattern: &Pattern) -> Result<Vec<Row>> {
    if shows_system_schema(sight, name) {
        return Ok(Vec::new());
    }
    let named = SecurableName::Schema(name.clone());
    sight.find(&named)?;
    let schema = sight.snapshot.schema(name).ok_or_else(|| not_found(&named))?;
    let seen = sight.snapshot.volumes(schema.id).filter(|volume| sight.sees(SecurableId::Volume(volume.id)));
    let names = seen.map(|volume| volume.name.object.as_str()).filter(|name| pattern.matches(name));
    Ok(names.map(|volume| Row::of([name.schema.as_str(), volume])).collect())
}

pub(super) fn external_locations(sight: Sight<'_>, pattern: &Pattern) -> Vec<Row> {
    let locations = sight.snapshot.external_locations();
    let seen = locations.filter(|location| {
        sight.sees(SecurableId::ExternalLocation(location.id)) && pattern.matches(location.name.as_str())
    });
    seen.map(|location| {
        let told = uses_location(sight, SecurableId::ExternalLocation(location.id));
        let url = told.then(|| location.url.clone());
        Row { texts: vec![Some(location.name.to_string()), url, location.comment.clone()], flags: Vec::new() }
    })
    .collect()
}

pub(super) fn storage_credentials(sight: Sight<'_>, pattern: &Pattern) -> Vec<Row> {
    let credentials = sight.snapshot.storage_credentials();
    let seen = credentials.filter(|credential| {
        sight.sees(SecurableId::StorageCredential(credential.id)) && pattern.matches(credential.name.as_str())
    });
    seen.map(|credential| Row {
        texts: vec![Some(credential.name.to_string()), credential.comment.clone()],
        flags: Vec::new(),
    })
    .collect()
}
