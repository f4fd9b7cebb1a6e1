//! SHOW: what the caller may see, in the reference's column names.

use weir_catalog::securable::{SecurableId, SecurableKind, SecurableName};
use weir_catalog::{
    Effect, Grant, Name, PrincipalKind, SchemaName, Table, Within, visible_grants, visible_grants_to,
};

use super::describe::{require_description, require_text};
use super::listing::{Columns, Pattern, Row, listing};
use super::session::{is_system, shows_system_schema};
use super::sight::Sight;
use super::{Call, describe, tag_policy};
use crate::error::Result;
use crate::run::Outcome;
use crate::sql::{
    FunctionOrigin, ObjectReference, SchemaReference, SecurableReference, Show, ShowKind, types,
};
use crate::system::{SYSTEM_CATALOG, ServerTable};

mod alterations;
mod create_table;
mod storage;
mod table_extended;

/// The columns of a list of that kind.
pub(super) fn columns(kind: &ShowKind) -> Columns {
    match kind {
        ShowKind::Catalogs => Columns::texts(&["catalog"]),
        ShowKind::Schemas(_) => Columns::texts(&["databaseName"]),
        ShowKind::Metastores => Columns::texts(&["metastore"]),
        ShowKind::Tables(_) => {
            Columns { texts: &["database", "tableName"], flags: &["isTemporary"], more: &[] }
        }
        ShowKind::TableExtended(_) => {
            Columns { texts: &["database", "tableName"], flags: &["isTemporary"], more: &["information"] }
        }
        ShowKind::Views(_) => {
            let flags = &["isTemporary", "isMaterialized"];
            Columns { texts: &["namespace", "viewName"], flags, more: &[] }
        }
        ShowKind::Columns(_) => Columns::texts(&["col_name"]),
        ShowKind::Functions { .. } => Columns::texts(&["function"]),
        ShowKind::Users | ShowKind::ServicePrincipals | ShowKind::Groups => Columns::texts(&["name"]),
        ShowKind::Grants { .. } => Columns::texts(&["Principal", "ActionType", "ObjectType", "ObjectKey"]),
        ShowKind::GrantsTo(_) => Columns::texts(&["Principal", "ActionType", "ObjectType", "ObjectKey"]),
        ShowKind::Volumes(_) => Columns::texts(&["database", "volume_name"]),
        ShowKind::ExternalLocations => Columns::texts(&["name", "url", "comment"]),
        ShowKind::StorageCredentials => Columns::texts(&["name", "comment"]),
        ShowKind::CreateTable(_) => Columns::texts(&["createtab_stmt"]),
        ShowKind::Properties { .. } => Columns::texts(&["key", "value"]),
        ShowKind::GovernedTags => Columns::texts(&["tag_key", "allowed_values", "owner", "comment"]),
        ShowKind::Policies(_) => Columns::texts(&[
            "name",
            "policy_type",
            "on_securable_type",
            "on_securable",
            "function",
            "to_principals",
            "except_principals",
            "comment",
        ]),
        ShowKind::EffectivePolicies(_) => Columns::texts(&[
            "name",
            "policy_type",
            "on_securable_type",
            "on_securable",
            "function",
            "to_principals",
            "except_principals",
            "columns",
        ]),
    }
}

pub(super) async fn run(call: Call<'_>, show: &Show) -> Result<Outcome> {
    let snapshot = call.snapshot().await?;
    let sight = Sight::new(call, &snapshot);
    let pattern = Pattern::new(show.pattern.as_deref());
    let rows = match &show.kind {
        ShowKind::Catalogs => named(catalogs(sight), &pattern),
        ShowKind::Schemas(catalog) => {
            let session = &call.context.session.catalog;
            let catalog =
                catalog.as_ref().map_or_else(|| Name::new(session), |catalog| Ok(catalog.name.clone()))?;
            named(schemas(sight, &catalog)?, &pattern)
        }
        ShowKind::Metastores => vec![Row::of([snapshot.metastore_id().to_string().as_str()])],
        ShowKind::TableExtended(schema) => {
            table_extended::rows(sight, &schema_name(call, schema.as_ref())?, &pattern)?
        }
        ShowKind::Tables(schema) => tables(sight, &schema_name(call, schema.as_ref())?, &pattern)?,
        ShowKind::Views(schema) => views(sight, &schema_name(call, schema.as_ref())?, &pattern)?,
        ShowKind::Columns(table) => named(column_names(call, sight, table)?, &pattern),
        ShowKind::Functions { origin, schema } => {
            let mut names = match origin {
                FunctionOrigin::User => Vec::new(),
                FunctionOrigin::System | FunctionOrigin::All => call.environment.analysis.builtin_functions(),
            };
            let schema = schema_name(call, schema.as_ref())?;
            if *origin != FunctionOrigin::System {
                names.extend(functions(sight, &schema)?);
            }
            named(names, &pattern)
        }
        ShowKind::Users => named(principals(sight, PrincipalKind::User), &pattern),
        ShowKind::ServicePrincipals => named(principals(sight, PrincipalKind::ServicePrincipal), &pattern),
        ShowKind::Groups => named(principals(sight, PrincipalKind::Group), &pattern),
        ShowKind::Grants { principal, on } => grants(call, sight, principal.as_deref(), on)?,
        ShowKind::GrantsTo(principal) => grants_to(sight, principal)?,
        ShowKind::Volumes(schema) => storage::volumes(sight, &schema_name(call, schema.as_ref())?, &pattern)?,
        ShowKind::ExternalLocations => storage::external_locations(sight, &pattern),
        ShowKind::StorageCredentials => storage::storage_credentials(sight, &pattern),
        ShowKind::CreateTable(name) => {
            let table = sight.table(&name.resolve(&call.context.session)?)?;
            require_text(sight, table)?;
            let partitions = partition_columns(call, table).await?;
            vec![Row::of([&create_table::text(sight, table, &partitions)])]
        }
        ShowKind::GovernedTags => governed_tags(sight, &pattern),
        ShowKind::Policies(scope) => tag_policy::standing(call, sight, scope)?,
        ShowKind::EffectivePolicies(on) => tag_policy::effective(call, sight, on)?,
        ShowKind::Properties { table, key } => {
            let table = sight.table(&table.resolve(&call.context.session)?)?;
            require_description(sight, table)?;
            properties(table, key.as_deref())
        }
    };
    listing(columns(&show.kind), &rows)
}

/// All properties, or the one asked for; that it is not there is told in the place of its value.
fn properties(table: &Table, key: Option<&str>) -> Vec<Row> {
    let Some(key) = key else {
        return table.properties.iter().map(|(key, value)| Row::of([key.as_str(), value])).collect();
    };
    match table.properties.get(key) {
        Some(value) => vec![Row::of([key, value])],
        None => vec![Row::of([key, &format!("table `{}` does not have the property `{key}`", table.name)])],
    }
}

fn named(names: Vec<String>, pattern: &Pattern) -> Vec<Row> {
    names.iter().filter(|name| pattern.matches(name)).map(|name| Row::of([name.as_str()])).collect()
}

fn schema_name(call: Call<'_>, written: Option<&SchemaReference>) -> Result<SchemaName> {
    let session = &call.context.session;
    match written {
        Some(schema) => schema.resolve(session),
        None => Ok(SchemaName::new(&session.catalog, &session.schema)?),
    }
}

fn catalogs(sight: Sight<'_>) -> Vec<String> {
    let seen = sight.visible().catalogs(&Within::default());
    let mut names: Vec<String> = seen.into_iter().map(|catalog| catalog.name.to_string()).collect();
    names.push(SYSTEM_CATALOG.to_owned());
    names.sort();
    names
}

fn schemas(sight: Sight<'_>, catalog: &Name) -> Result<Vec<String>> {
    if !is_system(catalog.as_str()) {
        sight.find(&SecurableName::Catalog(catalog.clone()))?;
    }
    let within = Within { catalog: Some(catalog.clone()), ..Within::default() };
    let seen = sight.visible().schemas(&within);
    let mut names: Vec<String> = seen.into_iter().map(|schema| schema.name.schema.to_string()).collect();
    names.extend(ServerTable::schemas_in(catalog.as_str()).into_iter().map(str::to_owned));
    names.sort();
    Ok(names)
}

/// The tables and views of a schema that the caller sees.
fn seen_tables<'a>(sight: Sight<'a>, name: &SchemaName) -> Result<Vec<&'a Table>> {
    sight.find(&SecurableName::Schema(name.clone()))?;
    Ok(sight.visible().tables(&within(name)))
}

fn within(name: &SchemaName) -> Within {
    Within { catalog: Some(name.catalog.clone()), schema: Some(name.schema.clone()), object: None }
}

/// The server's own tables in that schema, where it holds such.
fn system_tables(sight: Sight<'_>, name: &SchemaName) -> Option<Vec<ServerTable>> {
    shows_system_schema(sight, name).then(|| {
        let tables = ServerTable::all_in(name.catalog.as_str());
        tables.filter(|table| table.schema() == name.schema.as_str()).collect()
    })
}

fn tables(sight: Sight<'_>, schema: &SchemaName, pattern: &Pattern) -> Result<Vec<Row>> {
    let names: Vec<String> = match system_tables(sight, schema) {
        Some(tables) => tables.iter().map(|table| table.table().to_owned()).collect(),
        None => seen_tables(sight, schema)?.iter().map(|table| table.name.object.to_string()).collect(),
    };
    let matching = names.iter().filter(|name| pattern.matches(name));
    Ok(matching.map(|name| Row::of([schema.schema.as_str(), name]).with_flags([false])).collect())
}

fn views(sight: Sight<'_>, schema: &SchemaName, pattern: &Pattern) -> Result<Vec<Row>> {
    let names: Vec<&str> = match system_tables(sight, schema) {
        Some(tables) => tables.into_iter().filter(|table| table.is_view()).map(ServerTable::table).collect(),
        None => {
            let tables = seen_tables(sight, schema)?.into_iter();
            let views = tables.filter(|table| table.securable_kind() == SecurableKind::View);
            views.map(|view| view.name.object.as_str()).collect()
        }
    };
    let names = names.into_iter().filter(|name| pattern.matches(name));
    Ok(names.map(|name| Row::of([schema.schema.as_str(), name]).with_flags([false, false])).collect())
}

fn column_names(call: Call<'_>, sight: Sight<'_>, table: &ObjectReference) -> Result<Vec<String>> {
    let name = table.resolve(&call.context.session)?;
    if let Some(system) = describe::system_table(sight, &name) {
        return Ok(system.columns().iter().map(|column| column.name.to_owned()).collect());
    }
    let table = sight.table(&name)?;
    require_description(sight, table)?;
    Ok(table.columns.iter().map(|column| column.name.clone()).collect())
}

fn functions(sight: Sight<'_>, name: &SchemaName) -> Result<Vec<String>> {
    if shows_system_schema(sight, name) {
        return Ok(Vec::new());
    }
    sight.find(&SecurableName::Schema(name.clone()))?;
    let seen = sight.visible().functions(&within(name));
    Ok(seen.into_iter().map(|function| function.name.to_string()).collect())
}

/// All for account admins; oneself and one's groups for others.
fn principals(sight: Sight<'_>, kind: PrincipalKind) -> Vec<String> {
    let all = sight.is_account_admin();
    let groups = sight.snapshot.groups_of(sight.by);
    let seen = sight.snapshot.principals().filter(|principal| {
        principal.kind == kind && (all || principal.id == sight.by || groups.contains(&principal.id))
    });
    seen.map(|principal| principal.name.clone()).collect()
}

fn governed_tags(sight: Sight<'_>, pattern: &Pattern) -> Vec<Row> {
    let seen = sight.snapshot.governed_tags().filter(|tag| sight.sees(SecurableId::GovernedTag(tag.id)));
    let matching = seen.filter(|tag| pattern.matches(tag.key.as_str()));
    let rows = matching.map(|tag| {
        let owner = sight.principal_name(tag.owner);
        let comment = tag.comment.as_deref().unwrap_or_default();
        Row::of([tag.key.as_str(), &tag.values.join(", "), &owner, comment])
    });
    rows.collect()
}

fn grants(
    call: Call<'_>,
    sight: Sight<'_>,
    principal: Option<&str>,
    on: &SecurableReference,
) -> Result<Vec<Row>> {
    let id = sight.find(&sight.securable(call, on)?)?;
    let grants = visible_grants(sight.snapshot, sight.by, id);
    Ok(grant_rows(sight, &grants, |name| principal.is_none_or(|wanted| wanted == name)))
}

/// Who is not known and who holds nothing that the caller may read look the same.
fn grants_to(sight: Sight<'_>, principal: &str) -> Result<Vec<Row>> {
    let Some(to) = sight.snapshot.principal_by_name(principal) else { return Ok(Vec::new()) };
    Ok(grant_rows(sight, &visible_grants_to(sight.snapshot, sight.by, to.id), |_| true))
}

fn grant_rows(sight: Sight<'_>, grants: &[Grant], wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    let mut rows: Vec<[String; 4]> = grants
        .iter()
        .map(|grant| {
            let kind =
                sight.snapshot.kind_of(grant.securable).map(|kind| kind.to_string()).unwrap_or_default();
            let key = match grant.securable {
                SecurableId::Metastore => sight.snapshot.metastore_id().to_string(),
                securable => sight.snapshot.display_name(securable),
            };
            let action = match grant.effect {
                Effect::Allow => grant.privilege.name().to_owned(),
                Effect::Deny => format!("DENY {}", grant.privilege),
            };
            [sight.principal_name(grant.principal), action, kind, key]
        })
        .filter(|[name, ..]| wanted(name))
        .collect();
    rows.sort();
    rows.iter().map(|row| Row::of(row.each_ref().map(String::as_str))).collect()
}

/// The columns that partition a table; its Delta log tells.
pub(super) async fn partition_columns(call: Call<'_>, table: &Table) -> Result<Vec<String>> {
    let Some(place) = call.environment.locations.of(table)? else { return Ok(Vec::new()) };
    let opened = call.environment.tables.open(&place).await?;
    Ok(opened.partition_columns().to_vec())
}

/// A three-part name as it may stand in SQL.
fn quoted_name(name: &weir_catalog::ObjectName) -> String {
    types::quoted_path([&name.catalog, &name.schema, &name.object].map(|part| part.as_str()))
}
