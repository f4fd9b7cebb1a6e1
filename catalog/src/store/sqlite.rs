//! The embedded store: one SQLite file, which several processes may open at once.
//!
//! Write-ahead logging lets readers go on while one writer commits; a commit is on disk before
//! it is acknowledged. Writers queue at `BEGIN IMMEDIATE`, so a commit that finds its epoch
//! cannot be overtaken.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::rows::{self, TableCells};
use super::{Change, Error, Store};
use crate::audit::AuditEvent;
use crate::function::Function;
use crate::grant::Grant;
use crate::id::{MetastoreId, PrincipalId};
use crate::principal::Principal;
use crate::securable::{SecurableId, Table};
use crate::snapshot::{Content, Epoch};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a statement waits for another process's write before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// How often a file that is locked while it is opened is tried again, and after how long.
const OPEN_ATTEMPTS: usize = 40;
const OPEN_PAUSE: Duration = Duration::from_millis(25);

/// Reads beside one another; writes queue in SQLite.
const CONNECTIONS: u32 = 4;

/// The catalog in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there (readable by its owner only: it holds keys
    /// and password hashes), and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        create_private(path).map_err(|error| Error::Unavailable(Box::new(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let mut attempt = 0;
        loop {
            match Self::connect(options.clone()).await {
                // While another process opens the file first or closes it last, SQLite reports it
                // locked without waiting out the timeout.
                Err(Error::Unavailable(_)) if attempt < OPEN_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn connect(options: SqliteConnectOptions) -> Result<Self, Error> {
        // A local file's connections do not grow old; keeping them keeps the log open.
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).idle_timeout(None).max_lifetime(None);
        let store = Self { pool: pool.connect_with(options).await? };
        store.migrate().await?;
        Ok(store)
    }

    /// Under the write lock, so that of several processes that start at once one migrates and
    /// the others find it done.
    async fn migrate(&self) -> Result<(), Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // Not `run`, whose future cannot move between threads.
        MIGRATIONS
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(|error| Error::Migration(Box::new(error)))?;
        query("INSERT INTO metastore (one, id, epoch) VALUES (1, ?, 0) ON CONFLICT (one) DO NOTHING")
            .bind(MetastoreId::fresh().to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path).map(drop)
}

#[async_trait]
impl Store for SqliteStore {
    async fn epoch(&self) -> Result<Epoch, Error> {
        let epoch: i64 = query_scalar("SELECT epoch FROM metastore").fetch_one(&self.pool).await?;
        stored_epoch(epoch)
    }

    async fn load(&self) -> Result<(Epoch, Content), Error> {
        let mut transaction = self.pool.begin().await?;
        let loaded = load(&mut transaction).await?;
        transaction.commit().await?;
        Ok(loaded)
    }

    async fn commit(&self, expected: Epoch, changes: &[Change], event: &AuditEvent) -> Result<Epoch, Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let moved: Option<i64> =
            query_scalar("UPDATE metastore SET epoch = epoch + 1 WHERE epoch = ? RETURNING epoch")
                .bind(i64::try_from(expected.0).map_err(|_| Error::Conflict)?)
                .fetch_optional(&mut *transaction)
                .await?;
        // The transaction rolls back when it is dropped.
        let moved = moved.ok_or(Error::Conflict)?;
        for change in changes {
            apply(&mut transaction, change).await?;
        }
        add_event(&mut transaction, event).await?;
        transaction.commit().await?;
        stored_epoch(moved)
    }

    async fn audit_add(&self, event: &AuditEvent) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        add_event(&mut connection, event).await
    }

    async fn audit_list(&self, limit: u32) -> Result<Vec<AuditEvent>, Error> {
        let rows: Vec<rows::AuditRow> = query_as(
            "SELECT event_time_us, principal_id, action, securable, answer, because
             FROM audit ORDER BY number DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(rows::AuditRow::into_model).collect()
    }

    async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = query_scalar("SELECT value FROM secrets WHERE name = ?").bind(name);
        Ok(found.fetch_optional(&self.pool).await?)
    }

    async fn secret_keep(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, Error> {
        query("INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(candidate)
            .execute(&self.pool)
            .await?;
        let kept = query_scalar("SELECT value FROM secrets WHERE name = ?").bind(name);
        Ok(kept.fetch_one(&self.pool).await?)
    }

    async fn password_hash(&self, principal: PrincipalId) -> Result<Option<String>, Error> {
        let found =
            query_scalar("SELECT hash FROM passwords WHERE principal_id = ?").bind(principal.to_string());
        Ok(found.fetch_optional(&self.pool).await?)
    }
}

fn stored_epoch(epoch: i64) -> Result<Epoch, Error> {
    let epoch =
        u64::try_from(epoch).map_err(|_| Error::Damaged { what: "epoch", value: epoch.to_string() })?;
    Ok(Epoch(epoch))
}

async fn load(connection: &mut SqliteConnection) -> Result<(Epoch, Content), Error> {
    let (metastore, epoch): (String, i64) =
        query_as("SELECT id, epoch FROM metastore").fetch_one(&mut *connection).await?;
    let principals: Vec<rows::PrincipalRow> =
        query_as("SELECT * FROM principals").fetch_all(&mut *connection).await?;
    let memberships: Vec<(String, String)> =
        query_as("SELECT group_id, member_id FROM memberships").fetch_all(&mut *connection).await?;
    let catalogs: Vec<rows::CatalogRow> =
        query_as("SELECT * FROM catalogs").fetch_all(&mut *connection).await?;
    let schemas: Vec<rows::SchemaRow> = query_as("SELECT * FROM schemas").fetch_all(&mut *connection).await?;
    let tables: Vec<rows::TableRow> = query_as("SELECT * FROM tables").fetch_all(&mut *connection).await?;
    let functions: Vec<rows::FunctionRow> =
        query_as("SELECT * FROM functions").fetch_all(&mut *connection).await?;
    let grants: Vec<rows::GrantRow> = query_as("SELECT * FROM grants").fetch_all(&mut *connection).await?;

    let catalogs = catalogs.into_iter().map(rows::CatalogRow::into_model).collect::<Result<Vec<_>, _>>()?;
    let catalog_names: HashMap<_, _> = catalogs.iter().map(|c| (c.id, c.name.clone())).collect();
    let schemas =
        schemas.into_iter().map(|row| row.into_model(&catalog_names)).collect::<Result<Vec<_>, _>>()?;
    let schema_names: HashMap<_, _> = schemas.iter().map(|s| (s.id, s.name.clone())).collect();
    let memberships = memberships
        .iter()
        .map(|(group, member)| Ok((rows::id("group id", group)?, rows::id("member id", member)?)))
        .collect::<Result<_, Error>>()?;
    let content = Content {
        metastore: rows::id("metastore id", &metastore)?,
        principals: principals.into_iter().map(rows::PrincipalRow::into_model).collect::<Result<_, _>>()?,
        memberships,
        catalogs,
        tables: tables.into_iter().map(|row| row.into_model(&schema_names)).collect::<Result<_, _>>()?,
        functions: functions
            .into_iter()
            .map(|row| row.into_model(&schema_names))
            .collect::<Result<_, _>>()?,
        schemas,
        grants: grants.into_iter().map(rows::GrantRow::into_model).collect::<Result<_, _>>()?,
    };
    Ok((stored_epoch(epoch)?, content))
}

async fn add_event(connection: &mut SqliteConnection, event: &AuditEvent) -> Result<(), Error> {
    query(
        "INSERT INTO audit (event_time_us, principal_id, action, securable, answer, because)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(event.at.timestamp_micros())
    .bind(event.by.map(|id| id.to_string()))
    .bind(&event.action)
    .bind(&event.securable)
    .bind(&event.answer)
    .bind(&event.because)
    .execute(connection)
    .await?;
    Ok(())
}

async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), Error> {
    match change {
        Change::PrincipalPut(principal) => put_principal(connection, principal).await,
        Change::PrincipalRemove(id) => remove_principal(connection, *id).await,
        Change::MemberAdd { group, member } => {
            let add = query(
                "INSERT INTO memberships (group_id, member_id) VALUES (?, ?)
                 ON CONFLICT (group_id, member_id) DO NOTHING",
            );
            add.bind(group.to_string()).bind(member.to_string()).execute(connection).await?;
            Ok(())
        }
        Change::MemberRemove { group, member } => {
            let remove = query("DELETE FROM memberships WHERE group_id = ? AND member_id = ?");
            remove.bind(group.to_string()).bind(member.to_string()).execute(connection).await?;
            Ok(())
        }
        Change::PasswordPut { principal, hash } => {
            let put = query(
                "INSERT INTO passwords (principal_id, hash) VALUES (?, ?)
                 ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash",
            );
            put.bind(principal.to_string()).bind(hash).execute(connection).await?;
            Ok(())
        }
        Change::CatalogPut(catalog) => {
            let put = query(
                "INSERT INTO catalogs (id, name, owner, comment) VALUES (?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment",
            );
            let put = put.bind(catalog.id.to_string()).bind(catalog.name.as_str());
            put.bind(catalog.owner.to_string()).bind(&catalog.comment).execute(connection).await?;
            Ok(())
        }
        Change::SchemaPut(schema) => {
            let put = query(
                "INSERT INTO schemas (id, catalog_id, name, owner, comment) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment",
            );
            let put = put.bind(schema.id.to_string()).bind(schema.catalog.to_string());
            let put = put.bind(schema.name.schema.as_str()).bind(schema.owner.to_string());
            put.bind(&schema.comment).execute(connection).await?;
            Ok(())
        }
        Change::TablePut(table) => put_table(connection, table).await,
        Change::FunctionPut(function) => put_function(connection, function).await,
        Change::CatalogRemove(id) => remove_securable(connection, SecurableId::Catalog(*id)).await,
        Change::SchemaRemove(id) => remove_securable(connection, SecurableId::Schema(*id)).await,
        Change::TableRemove(id) => remove_securable(connection, SecurableId::Table(*id)).await,
        Change::FunctionRemove(id) => remove_securable(connection, SecurableId::Function(*id)).await,
        Change::GrantAdd(grant) => add_grant(connection, grant).await,
        Change::GrantRemove(grant) => remove_grant(connection, grant).await,
    }
}

async fn add_grant(connection: &mut SqliteConnection, grant: &Grant) -> Result<(), Error> {
    let (kind, id) = rows::securable_cells(grant.securable);
    let add = query(
        "INSERT INTO grants (securable_kind, securable_id, principal_id, privilege) VALUES (?, ?, ?, ?)
         ON CONFLICT (securable_kind, securable_id, principal_id, privilege) DO NOTHING",
    );
    let add = add.bind(kind).bind(id).bind(grant.principal.to_string());
    add.bind(grant.privilege.name()).execute(connection).await?;
    Ok(())
}

async fn remove_grant(connection: &mut SqliteConnection, grant: &Grant) -> Result<(), Error> {
    let (kind, id) = rows::securable_cells(grant.securable);
    let remove = query(
        "DELETE FROM grants
         WHERE securable_kind = ? AND securable_id = ? AND principal_id = ? AND privilege = ?",
    );
    let remove = remove.bind(kind).bind(id).bind(grant.principal.to_string());
    remove.bind(grant.privilege.name()).execute(connection).await?;
    Ok(())
}

async fn put_principal(connection: &mut SqliteConnection, principal: &Principal) -> Result<(), Error> {
    query(
        "INSERT INTO principals (id, name, kind, disabled, account_admin, may_act_for_users)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
             disabled = excluded.disabled, account_admin = excluded.account_admin,
             may_act_for_users = excluded.may_act_for_users",
    )
    .bind(principal.id.to_string())
    .bind(&principal.name)
    .bind(rows::principal_kind(principal.kind))
    .bind(principal.disabled)
    .bind(principal.account_admin)
    .bind(principal.may_act_for_users)
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_principal(connection: &mut SqliteConnection, id: PrincipalId) -> Result<(), Error> {
    let id = id.to_string();
    let memberships = query("DELETE FROM memberships WHERE group_id = ?1 OR member_id = ?1");
    memberships.bind(&id).execute(&mut *connection).await?;
    let password = query("DELETE FROM passwords WHERE principal_id = ?");
    password.bind(&id).execute(&mut *connection).await?;
    query("DELETE FROM principals WHERE id = ?").bind(&id).execute(&mut *connection).await?;
    Ok(())
}

async fn put_table(connection: &mut SqliteConnection, table: &Table) -> Result<(), Error> {
    let cells = TableCells::of(table)?;
    query(
        "INSERT INTO tables (id, schema_id, name, owner, kind, location, view_text, view_tests_identity,
             view_reads, columns, row_filter, masks, properties, comment, created_at_us, created_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, owner = excluded.owner, kind = excluded.kind,
             location = excluded.location, view_text = excluded.view_text,
             view_tests_identity = excluded.view_tests_identity, view_reads = excluded.view_reads,
             columns = excluded.columns, row_filter = excluded.row_filter, masks = excluded.masks,
             properties = excluded.properties, comment = excluded.comment",
    )
    .bind(table.id.to_string())
    .bind(table.schema.to_string())
    .bind(table.name.object.as_str())
    .bind(table.owner.to_string())
    .bind(cells.kind)
    .bind(cells.location)
    .bind(cells.view_text)
    .bind(cells.view_tests_identity)
    .bind(cells.view_reads)
    .bind(cells.columns)
    .bind(cells.row_filter)
    .bind(cells.masks)
    .bind(cells.properties)
    .bind(&table.comment)
    .bind(table.created_at.timestamp_micros())
    .bind(table.created_by.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_function(connection: &mut SqliteConnection, function: &Function) -> Result<(), Error> {
    query(
        "INSERT INTO functions (id, schema_id, name, owner, parameters, returns, body, reads, comment)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, owner = excluded.owner, parameters = excluded.parameters,
             returns = excluded.returns, body = excluded.body, reads = excluded.reads,
             comment = excluded.comment",
    )
    .bind(function.id.to_string())
    .bind(function.schema.to_string())
    .bind(function.name.object.as_str())
    .bind(function.owner.to_string())
    .bind(rows::parameters_to_json(&function.parameters)?)
    .bind(&function.returns)
    .bind(&function.body)
    .bind(rows::ids_to_json(&function.reads)?)
    .bind(&function.comment)
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_securable(connection: &mut SqliteConnection, securable: SecurableId) -> Result<(), Error> {
    let (kind, id) = rows::securable_cells(securable);
    let grants = query("DELETE FROM grants WHERE securable_kind = ? AND securable_id = ?");
    grants.bind(kind).bind(&id).execute(&mut *connection).await?;
    let remove = match securable {
        SecurableId::Metastore => return Ok(()),
        SecurableId::Catalog(_) => query("DELETE FROM catalogs WHERE id = ?"),
        SecurableId::Schema(_) => query("DELETE FROM schemas WHERE id = ?"),
        SecurableId::Table(_) => query("DELETE FROM tables WHERE id = ?"),
        SecurableId::Function(_) => query("DELETE FROM functions WHERE id = ?"),
    };
    remove.bind(&id).execute(&mut *connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
