//! The embedded store: one SQLite file, which several processes may open at once.
//!
//! Write-ahead logging lets readers go on while one writer commits; a commit is on disk before
//! it is acknowledged. Writers queue at `BEGIN IMMEDIATE`, so a commit that finds its epoch
//! cannot be overtaken.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;

use super::Store;
use super::sql::store_sql;
use wal_index::{Header, WalIndex};

mod wal_index;

store_sql!(SqliteConnection);

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
    index: WalIndex,
    /// The epoch as of a header of the index.
    known: Arc<watch::Sender<Option<(Header, Epoch)>>>,
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
            match Self::connect(options.clone(), WalIndex::of(path)).await {
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

    async fn connect(options: SqliteConnectOptions, index: WalIndex) -> Result<Self, Error> {
        // A local file's connections do not grow old; keeping them keeps the log open.
        let pool =
            SqlitePoolOptions::new().max_connections(CONNECTIONS).idle_timeout(None).max_lifetime(None);
        let store = Self::over(pool.connect_with(options).await?, index);
        store.migrate().await?;
        Ok(store)
    }

    fn over(pool: SqlitePool, index: WalIndex) -> Self {
        Self { pool, index, known: Arc::new(watch::Sender::new(None)) }
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
        begin(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// A file that is there is not opened: to close it again would take SQLite's locks off it, which this process may have by another store.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match OpenOptions::new().append(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

#[async_trait]
impl Store for SqliteStore {
    /// Asks the database only where somebody has committed since it was last asked: to ask is to switch threads twice.
    async fn epoch(&self) -> Result<Epoch, Error> {
        // Before the question: what is committed in between shows in the next header.
        let header = self.index.header();
        let known = *self.known.borrow();
        if let (Some(header), Some((of, epoch))) = (header, known)
            && header == of
        {
            return Ok(epoch);
        }
        let epoch = epoch(&mut *self.pool.acquire().await?).await?;
        self.known.send_replace(header.map(|header| (header, epoch)));
        Ok(epoch)
    }

    async fn load(&self) -> Result<(Epoch, Content), Error> {
        let mut transaction = self.pool.begin().await?;
        let loaded = load(&mut transaction).await?;
        transaction.commit().await?;
        Ok(loaded)
    }

    async fn increment(&self, since: Epoch) -> Result<Option<(Epoch, Increment)>, Error> {
        let mut transaction = self.pool.begin().await?;
        let changed = increment(&mut transaction, since).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    async fn commit(&self, expected: Epoch, changes: &[Change], event: &AuditEvent) -> Result<Epoch, Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // The transaction rolls back when it is dropped.
        let moved = commit(&mut transaction, expected, changes, event).await?;
        transaction.commit().await?;
        Ok(moved)
    }

    async fn audit_add(&self, event: &AuditEvent) -> Result<(), Error> {
        audit_add(&mut *self.pool.acquire().await?, event).await
    }

    async fn audit_list(&self, limit: u32) -> Result<Vec<AuditEvent>, Error> {
        audit_list(&mut *self.pool.acquire().await?, limit).await
    }

    async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<(i64, AuditEvent)>, Error> {
        audit_page(&mut *self.pool.acquire().await?, after, limit).await
    }

    async fn access_request_add(&self, request: &AccessRequest) -> Result<(), Error> {
        access_request_add(&mut *self.pool.acquire().await?, request).await
    }

    async fn access_request_list(&self, limit: u32) -> Result<Vec<AccessRequest>, Error> {
        access_request_list(&mut *self.pool.acquire().await?, limit).await
    }

    async fn access_token(&self, digest: &[u8; 32]) -> Result<Option<AccessToken>, Error> {
        access_token(&mut *self.pool.acquire().await?, digest).await
    }

    async fn access_token_by_id(&self, id: AccessTokenId) -> Result<Option<AccessToken>, Error> {
        access_token_by_id(&mut *self.pool.acquire().await?, id).await
    }

    async fn access_token_list(&self) -> Result<Vec<AccessToken>, Error> {
        access_token_list(&mut *self.pool.acquire().await?).await
    }

    async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        secret(&mut *self.pool.acquire().await?, name).await
    }

    async fn secret_keep(&self, name: &str, candidate: &[u8]) -> Result<Vec<u8>, Error> {
        secret_keep(&mut *self.pool.acquire().await?, name, candidate).await
    }

    async fn password_hash(&self, principal: PrincipalId) -> Result<Option<String>, Error> {
        password_hash(&mut *self.pool.acquire().await?, principal).await
    }
}

#[cfg(test)]
mod tests;
