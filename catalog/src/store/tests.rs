//! Migrations: the same in both stores; an old store loses nothing on the way up, and one that was
//! interrupted finishes at the next start.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, query, query_as, query_scalar, raw_sql};

use super::suite::PostgresServer;
use super::*;
use crate::policy::{Literal, PolicyArgument, PolicyFunction};
use crate::principal::ACCOUNT_USERS;
use crate::privilege::Privilege;
use crate::securable::SecurableId;
use crate::snapshot::Snapshot;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What a store of the first version held: a row in each of its tables, policies among them.
const OLD_ROWS: &str = r#"
INSERT INTO metastore VALUES (1, '00000000-0000-7000-8000-000000000001', 7);
INSERT INTO principals VALUES ('00000000-0000-7000-8000-00000000000a', 'admin', 'USER', FALSE, TRUE, FALSE);
INSERT INTO principals VALUES ('00000000-0000-7000-8000-00000000000b', 'hr', 'GROUP', FALSE, FALSE, FALSE);
INSERT INTO memberships VALUES ('00000000-0000-7000-8000-00000000000b', '00000000-0000-7000-8000-00000000000a');
INSERT INTO passwords VALUES ('00000000-0000-7000-8000-00000000000a', 'a hash');
INSERT INTO catalogs VALUES ('00000000-0000-7000-8000-0000000000c1', 'main', '00000000-0000-7000-8000-00000000000a', 'a remark');
INSERT INTO schemas VALUES ('00000000-0000-7000-8000-0000000000d1', '00000000-0000-7000-8000-0000000000c1', 'hr', '00000000-0000-7000-8000-00000000000b', NULL);
INSERT INTO functions VALUES ('00000000-0000-7000-8000-0000000000f1', '00000000-0000-7000-8000-0000000000d1', 'mine', '00000000-0000-7000-8000-00000000000a',
    '[{"name":"region","type":"STRING","default":null}]', 'BOOLEAN', 'region = ''EMEA''', '[]', NULL);
INSERT INTO tables VALUES ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000d1', 'people', '00000000-0000-7000-8000-00000000000a',
    'MANAGED', 'tables/1', NULL, NULL, NULL, '[{"name":"region","type":"STRING","nullable":true,"comment":null}]',
    '{"function":"00000000-0000-7000-8000-0000000000f1","arguments":[{"string":"EMEA"}],"semantics":1}',
    '[{"column":{"name":"region","field_id":null,"type":"STRING"},"function":"00000000-0000-7000-8000-0000000000f1","arguments":["null"],"semantics":1}]',
    '{"governance.protection":"strict"}', NULL, 1800000000000000, '00000000-0000-7000-8000-00000000000b');
INSERT INTO tables VALUES ('00000000-0000-7000-8000-0000000000e2', '00000000-0000-7000-8000-0000000000d1', 'seen', '00000000-0000-7000-8000-00000000000a',
    'VIEW', NULL, 'SELECT 1', TRUE, '["00000000-0000-7000-8000-0000000000e1"]', '[]', NULL, '[]', '{}', NULL, 1800000000000000, '00000000-0000-7000-8000-00000000000a');
INSERT INTO grants VALUES ('TABLE', '00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-00000000000b', 'SELECT');
INSERT INTO grants VALUES ('METASTORE', '', '00000000-0000-7000-8000-00000000000b', 'CREATE CATALOG');
INSERT INTO audit (event_time_us, principal_id, action, securable, answer, because)
    VALUES (1800000000000000, '00000000-0000-7000-8000-00000000000a', 'createTable', 'table `main.hr.people`', 'allowed', '');
"#;

/// A store of the first version in that file.
async fn old_sqlite(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    SQLITE.run_direct(Some(1), &mut connection, false).await.unwrap();
    raw_sql(OLD_ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A store of the first version in a fresh database.
async fn old_postgres() -> String {
    let url = PostgresServer::of_this_process().database().await;
    let mut connection = PostgresServer::connect(&url).await;
    POSTGRES.run_direct(Some(1), &mut connection, false).await.unwrap();
    raw_sql(OLD_ROWS).execute(&mut connection).await.unwrap();
    url
}

/// All that [`OLD_ROWS`] said is there.
async fn assert_nothing_lost(store: &dyn Store) {
    let (epoch, content) = store.load().await.unwrap();
    // One more than it was: there is a group of everybody now.
    assert_eq!(epoch, Epoch(8));
    let counts =
        [content.catalogs.len(), content.schemas.len(), content.functions.len(), content.tables.len()];
    assert_eq!((counts, content.memberships.len(), content.grants.len()), ([1, 1, 1, 2], 1, 2));
    let snapshot = Snapshot::new(epoch, content);
    let admin = snapshot.principal_by_name("admin").unwrap();
    let group = snapshot.principal_by_name("hr").unwrap();
    assert!(admin.account_admin && snapshot.acts_as(admin.id, group.id));
    let everybody = snapshot.principal_by_name(ACCOUNT_USERS).unwrap();
    assert!(everybody.is_group() && snapshot.acts_as(admin.id, everybody.id));
    let since = store.increment(Epoch(7)).await.unwrap().unwrap().1;
    assert_eq!(since.content.principals.iter().map(|known| known.id).collect::<Vec<_>>(), [everybody.id]);
    assert_eq!(store.password_hash(admin.id).await.unwrap().as_deref(), Some("a hash"));
    let name = crate::name::ObjectName::new("main", "hr", "people").unwrap();
    let table = snapshot.table(&name).unwrap();
    let function = snapshot.all_functions().next().unwrap();
    let filter = table.row_filter.as_ref().unwrap();
    assert_eq!(filter.function, PolicyFunction::Sql(function.id));
    assert_eq!(filter.arguments, [PolicyArgument::Literal(Literal::String("EMEA".to_owned()))]);
    assert_eq!(table.masks[0].function, PolicyFunction::Sql(function.id));
    assert_eq!(table.masks[0].arguments, [PolicyArgument::Literal(Literal::Null)]);
    assert_eq!((table.stamps.created_by, table.stamps.altered_by), (group.id, group.id));
    assert!(snapshot.is_granted(group.id, Privilege::Select, SecurableId::Table(table.id)));
    assert!(snapshot.is_granted(group.id, Privilege::CreateCatalog, SecurableId::Metastore));
    let seen =
        snapshot.table(&crate::name::ObjectName { object: crate::name::Name::new("seen").unwrap(), ..name });
    assert_eq!(seen.unwrap().view().unwrap().reads, [table.id]);
    let events = store.audit_list(10).await.unwrap();
    assert_eq!((events.len(), events[0].by_name.as_str()), (1, "admin"));
}

#[tokio::test]
async fn an_old_sqlite_store_loses_nothing_on_the_way_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    old_sqlite(&path).await;
    assert_nothing_lost(&SqliteStore::open(&path).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_postgresql_store_loses_nothing_on_the_way_up() {
    let url = old_postgres().await;
    assert_nothing_lost(&PostgresStore::open(&url).await.unwrap()).await;
}

/// The migrations of a store, the last of them with a statement at its end that fails.
async fn broken(store: &str, into: &Path) -> Migrator {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(store);
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for (place, name) in names.iter().enumerate() {
        let mut text = std::fs::read_to_string(name).unwrap();
        if place + 1 == names.len() {
            text.push_str("\nINSERT INTO there_is_no_such_table VALUES (1);\n");
        }
        std::fs::write(into.join(name.file_name().unwrap()), text).unwrap();
    }
    Migrator::new(into).await.unwrap()
}

#[tokio::test]
async fn a_migration_of_sqlite_that_fails_midway_leaves_the_store_as_it_was() {
    let (dir, migrations) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = dir.path().join("catalog.sqlite");
    old_sqlite(&path).await;
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let broken = broken("sqlite", migrations.path()).await;
    // As the store does it: one transaction around all.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    broken.run_direct(None, &mut *transaction, false).await.unwrap_err();
    drop(transaction);
    let tables: i64 =
        query_scalar("SELECT count(*) FROM sqlite_master WHERE name IN ('touched', 'grants_next')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(tables, 0);
    connection.close().await.unwrap();
    assert_nothing_lost(&SqliteStore::open(&path).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_of_postgresql_that_fails_midway_is_done_at_the_next_start() {
    let migrations = tempfile::tempdir().unwrap();
    let url = old_postgres().await;
    let mut connection = PostgresServer::connect(&url).await;
    let broken = broken("postgres", migrations.path()).await;
    broken.run_direct(None, &mut connection, false).await.unwrap_err();
    connection.close().await.unwrap();
    assert_nothing_lost(&PostgresStore::open(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_of_postgresql_that_is_cut_off_is_done_at_the_next_start() {
    let url = old_postgres().await;
    let mut holder = PostgresServer::connect(&url).await;
    // The last statements of the second migration wait for this reader.
    raw_sql("BEGIN; SELECT * FROM audit;").execute(&mut holder).await.unwrap();
    let starting = tokio::spawn({
        let url = url.clone();
        async move { PostgresStore::open(&url).await }
    });
    let mut watcher = PostgresServer::connect(&url).await;
    let waits =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting: i32 = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        loop {
            if let Some(pid) = query_scalar(waits).fetch_optional(&mut watcher).await.unwrap() {
                break pid;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    query("SELECT pg_terminate_backend($1)").bind(waiting).execute(&mut watcher).await.unwrap();
    starting.await.unwrap().unwrap_err();
    raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let half: i64 = query_scalar("SELECT count(*) FROM pg_tables WHERE tablename = 'touched'")
        .fetch_one(&mut watcher)
        .await
        .unwrap();
    assert_eq!(half, 0, "half of a migration stayed");
    assert_nothing_lost(&PostgresStore::open(&url).await.unwrap()).await;
}

#[test]
fn both_folders_of_migrations_have_the_same_numbers_and_names() {
    let list = |migrator: &Migrator| -> Vec<(i64, String)> {
        migrator.iter().map(|migration| (migration.version, migration.description.to_string())).collect()
    };
    assert_eq!(list(&SQLITE), list(&POSTGRES));
    assert_eq!(SQLITE.iter().map(|migration| migration.version).collect::<Vec<_>>()[0], 1);
}

/// A schema as lines: columns with type and nullability, and keys.
type Lines = BTreeSet<String>;

async fn sqlite_schema(database: &mut SqliteConnection) -> Lines {
    let mut lines = Lines::new();
    let columns: Vec<(String, String, String, bool, i64)> = query_as(
        "SELECT m.name, p.name, p.type, p.\"notnull\", p.pk FROM sqlite_master m
         JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'
         AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    let mut primary: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    for (table, column, kind, not_null, place) in columns {
        let kind = match kind.as_str() {
            "INTEGER" => "number",
            "BLOB" => "bytes",
            "TEXT" => "text",
            other => other,
        };
        let null = if not_null || place > 0 { "NOT NULL" } else { "NULL" };
        lines.insert(format!("{table}.{column} {kind} {null}"));
        if place > 0 {
            primary.entry(table).or_default().insert(place, column);
        }
    }
    for (table, columns) in primary {
        let columns: Vec<_> = columns.into_values().collect();
        lines.insert(format!("{table} p ({})", columns.join(", ")));
    }
    let keys: Vec<(String, String, String, String)> = query_as(
        "SELECT m.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_master m
         JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    lines.extend(keys.iter().map(|(table, from, to, column)| format!("{table} f ({from}) {to} ({column})")));
    let unique: Vec<(String, String)> = query_as(
        "SELECT m.name, (SELECT group_concat(name, ', ') FROM
             (SELECT i.name FROM pragma_index_info(l.name) i ORDER BY i.seqno))
         FROM sqlite_master m JOIN pragma_index_list(m.name) l WHERE m.type = 'table' AND l.origin = 'u'",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    lines.extend(unique.iter().map(|(table, columns)| format!("{table} u ({columns})")));
    lines
}

async fn postgres_schema(database: &mut PgConnection) -> Lines {
    let mut lines = Lines::new();
    let columns: Vec<(String, String, String, String)> = query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    for (table, column, kind, nullable) in columns {
        let kind = match kind.as_str() {
            "integer" | "bigint" | "boolean" => "number",
            "bytea" => "bytes",
            other => other,
        };
        let null = if nullable == "NO" { "NOT NULL" } else { "NULL" };
        lines.insert(format!("{table}.{column} {kind} {null}"));
    }
    let names = |keys: &str, of: &str| {
        format!(
            "(SELECT string_agg(a.attname::text, ', ' ORDER BY k.place) FROM unnest({keys}) WITH ORDINALITY k(number, place)
              JOIN pg_attribute a ON a.attrelid = {of} AND a.attnum = k.number)"
        )
    };
    let keys = format!(
        "SELECT c.conrelid::regclass::text, c.contype::text, {}, coalesce(c.confrelid::regclass::text, ''), {}
         FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
         WHERE n.nspname = 'public' AND c.contype IN ('p', 'u', 'f') AND c.conrelid::regclass::text <> '_sqlx_migrations'",
        names("c.conkey", "c.conrelid"),
        names("c.confkey", "c.confrelid"),
    );
    let keys: Vec<(String, String, String, String, Option<String>)> =
        query_as(sqlx::AssertSqlSafe(keys)).fetch_all(&mut *database).await.unwrap();
    for (table, kind, columns, to, others) in keys {
        lines.insert(match others {
            Some(others) => format!("{table} {kind} ({columns}) {to} ({others})"),
            None => format!("{table} {kind} ({columns})"),
        });
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_have_the_same_tables_columns_and_keys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.sqlite");
    drop(SqliteStore::open(&path).await.unwrap());
    let url = PostgresServer::of_this_process().database().await;
    drop(PostgresStore::open(&url).await.unwrap());
    let mut sqlite =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let sqlite = sqlite_schema(&mut sqlite).await;
    let postgres = postgres_schema(&mut PostgresServer::connect(&url).await).await;
    let only = |one: &Lines, other: &Lines| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!((only(&sqlite, &postgres), only(&postgres, &sqlite)), (Vec::new(), Vec::new()));
    assert!(
        sqlite.contains("tables.location text NULL")
            && sqlite.contains("grants f (principal_id) principals (id)")
    );
}
