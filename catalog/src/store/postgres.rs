//! The store for many servers: one PostgreSQL database.
//!
//! A write locks the metastore's row by moving its epoch, so that writers queue there and one that
//! comes too late finds the epoch moved. Reads of more than one table see one moment.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::Store;
use super::sql::store_sql;

store_sql!(PgConnection);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a statement waits for a connection, and a connection for the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement waits for what the database does, from the connection to the answer. A database behind a network
/// that lets nothing through says nothing, and neither does one that waits for a lock.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Of one server process; statements wait for their turn beyond that.
const CONNECTIONS: u32 = 8;

/// All that a transaction reads, it reads as of its first statement.
const AT_ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The catalog in one PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    patience: Duration,
}

impl PostgresStore {
    /// Connects and brings the tables up to date. `url` is `postgres://user:password@host:port/database`,
    /// with PostgreSQL's own parameters; it is in no error.
    pub async fn open(url: &str) -> Result<Self, Error> {
        // The parser takes whatever stands before `://`.
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Error::Address);
        }
        let options: PgConnectOptions = url.parse().map_err(|_| Error::Address)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_with(options.application_name("weir"))
            .await?;
        let store = Self { pool, patience: ANSWER_TIMEOUT };
        store.migrate().await?;
        Ok(store)
    }

    /// What `work` gives, unless the database takes too long. A commit that is given up may be made or not.
    async fn answered<T>(&self, work: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(answer) => answer,
            Err(_) => {
                let cause = io::Error::new(io::ErrorKind::TimedOut, "the database does not answer");
                Err(Error::Unavailable(Box::new(cause)))
            }
        }
    }

    /// Under PostgreSQL's advisory lock, so that of several servers that start at once one migrates and
    /// the others find it done.
    async fn migrate(&self) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        // Not `run`, whose future cannot move between threads.
        MIGRATIONS
            .run_direct(None, &mut *connection, false)
            .await
            .map_err(|error| Error::Migration(Box::new(error)))?;
        begin(&mut connection).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn epoch(&self) -> Result<Epoch, Error> {
        self.answered(async { epoch(&mut *self.pool.acquire().await?).await }).await
    }

    async fn load(&self) -> Result<(Epoch, Content), Error> {
        self.answered(async {
            let mut transaction = self.pool.begin_with(AT_ONE_MOMENT).await?;
            let loaded = load(&mut transaction).await?;
            transaction.commit().await?;
            Ok(loaded)
        })
        .await
    }

    async fn increment(&self, since: Epoch) -> Result<Option<(Epoch, Increment)>, Error> {
        self.answered(async {
            let mut transaction = self.pool.begin_with(AT_ONE_MOMENT).await?;
            let changed = increment(&mut transaction, since).await?;
            transaction.commit().await?;
            Ok(changed)
        })
        .await
    }

    async fn commit(&self, expected: Epoch, changes: &[Change], event: &AuditEvent) -> Result<Epoch, Error> {
        self.answered(async {
            let mut transaction = self.pool.begin().await?;
            // The transaction rolls back when it is dropped.
            let moved = commit(&mut transaction, expected, changes, event).await?;
            transaction.commit().await?;
            Ok(moved)
        })
        .await
    }

    async fn audit_add(&self, event: &AuditEvent) -> Result<(), Error> {
        self.answered(async { audit_add(&mut *self.pool.acquire().await?, event).await }).await
    }

    async fn audit_list(&self, limit: u32) -> Result<Vec<AuditEvent>, Error> {
        self.answered(async { audit_list(&mut *self.pool.acquire().await?, limit).await }).await
    }

    async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<(i64, AuditEvent)>, Error> {
        self.answered(async { audit_page(&mut *self.pool.acquire().await?, after, limit).await }).await
    }

    async fn access_request_add(&self, request: &AccessRequest) -> Result<(), Error> {
        self.answered(async { access_request_add(&mut *self.pool.acquire().await?, request).await }).await
    }

    async fn access_request_list(&self, limit: u32) -> Result<Vec<AccessRequest>, Error> {
        self.answered(async { access_request_list(&mut *self.pool.acquire().await?, limit).await }).await
    }

    async fn access_token(&self, digest: &[u8; 32]) -> Result<Option<AccessToken>, Error> {
        self.answered(async { access_token(&mut *self.pool.acquire().await?, digest).await }).await
    }

    async fn access_token_by_id(&self, id: AccessTokenId) -> Result<Option<AccessToken>, Error> {
        self.answered(async { access_token_by_id(&mut *self.pool.acquire().await?, id).await }).await
    }

    async fn access_token_list(&self) -> Result<Vec<AccessToken>, Error> {
        self.answered(async { access_token_list(&mut *self.pool.acquire().await?).await }).await
    }

    async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.answered(async { secret(&mut *self.pool.acquire().await?, name).await }).await
    }

    async fn secret_keep(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, Error> {
        self.answered(async { secret_keep(&mut *self.pool.acquire().await?, name, candidate).await }).await
    }

    async fn password_hash(&self, principal: PrincipalId) -> Result<Option<String>, Error> {
        self.answered(async { password_hash(&mut *self.pool.acquire().await?, principal).await }).await
    }
}

#[cfg(test)]
mod tests;
