//! Policy as code: `weir catalog export`, `import` and `check`, as a governor runs them.

use std::path::Path;
use std::process::Output;

use weir_testkit::{ADMIN, PostgresServer, Program, Setup, TestServer, block_on};

/// What a program printed; it must have ended well.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a program said when it failed.
fn sentence(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    for banned in ["panicked", "RUST_BACKTRACE", "Os {", "Error {", "Some("] {
        assert!(!told.contains(banned), "{told}");
    }
    told
}

/// `weir catalog …` on a data directory.
fn catalog(words: &[&str], directory: &Path) -> Output {
    let place = ["--data-dir", directory.to_str().unwrap()];
    Program::output(&[&["catalog"], words, &place].concat())
}

/// A server that has run, with tables, policies and grants made over its door; its data directory's parent.
async fn governed() -> tempfile::TempDir {
    let server = TestServer::start_with(Setup::default()).await;
    server
        .prepare(
            "CREATE SCHEMA main.hr COMMENT 'people: \"no\" #1';
             CREATE TABLE main.hr.people (name STRING, region STRING, pay DECIMAL(9,2)) USING DELTA;
             INSERT INTO main.hr.people VALUES ('ann', 'EMEA', 1.5), ('bob', 'APAC', 2.5);
             CREATE FUNCTION main.hr.emea (r STRING) RETURNS BOOLEAN RETURN r = 'EMEA';
             CREATE FUNCTION main.hr.hidden (p DECIMAL(9,2)) RETURNS DECIMAL(9,2) RETURN CASE WHEN is_account_group_member('hr') THEN p END;
             ALTER TABLE main.hr.people SET ROW FILTER main.hr.emea ON (region);
             ALTER TABLE main.hr.people ALTER COLUMN pay SET MASK main.hr.hidden;
             CREATE VIEW main.hr.mine AS SELECT name, current_user() AS me FROM main.hr.people;
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA ON SCHEMA main.hr TO alice;
             CREATE USER `no`;
             CREATE USER `1.50`;
             CREATE USER `Ann \"O'Neil\": #1 `;
             GRANT SELECT ON TABLE main.hr.people TO `Ann \"O'Neil\": #1 `;
             GRANT SELECT ON TABLE main.hr.people TO `no`;
             GRANT SELECT ON TABLE main.hr.people TO alice",
        )
        .await;
    server.stop().await
}

#[test]
fn a_catalog_goes_out_as_a_file_and_comes_back_the_same() {
    block_on(async {
        let ground = governed().await;
        let data = ground.path().join("data");
        let text = printed(&catalog(&["export"], &data));
        for word in ["main.hr.people", "row_filter", "main.hr.emea", "alice", "people: "] {
            assert!(text.contains(word), "{word} is not in\n{text}");
        }
        assert!(!text.contains("argon2") && !text.contains("sealing"), "{text}");
        let file = ground.path().join("catalog.yaml");
        catalog(&["export", "--file", file.to_str().unwrap()], &data);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        let again = catalog(&["import", file.to_str().unwrap(), "--as", ADMIN], &data);
        assert_eq!(printed(&again), "");
        assert!(String::from_utf8_lossy(&again.stderr).contains("nothing differs"), "{again:?}");
        assert!(catalog(&["check"], &data).status.success());

        // Into another store, whose tables lie where they lay.
        let url = PostgresServer::of_this_process().database().await;
        let config = ground.path().join("weir.toml");
        let tables = data.join("tables");
        let settings = format!(
            "[server]\ndata_directory = \"{}\"\n[storage]\ndata_root = \"{}\"\n[catalog]\nurl = \"{url}\"\n",
            ground.path().join("other").display(),
            tables.display()
        );
        std::fs::write(&config, settings).unwrap();
        let place = ["--config", config.to_str().unwrap()];
        printed(&Program::output(&[&["catalog", "migrate", "--admin", ADMIN][..], &place].concat()));
        let import = ["catalog", "import", file.to_str().unwrap(), "--as", ADMIN];
        let trial = printed(&Program::output(&[&import[..], &["--dry-run"], &place].concat()));
        assert!(trial.contains("+ tables main.hr.people"), "{trial}");
        assert_eq!(printed(&Program::output(&[&import[..], &place].concat())), trial);
        let other = printed(&Program::output(&[&["catalog", "export"][..], &place].concat()));
        assert_eq!(other, text);
        let shown = printed(&Program::output(&[&["config"][..], &place].concat()));
        assert!(!shown.contains(&url) && !shown.contains("postgres://"), "{shown}");

        // And a server on it filters and masks as the first did.
        let mut setup = Setup::default();
        setup.config.catalog.url = Some(weir_server::config::StoreUrl::new(url));
        setup.config.storage.data_root = Some(tables);
        let server = TestServer::start_in(tempfile::tempdir().unwrap(), setup).await;
        assert_eq!(server.rows("alice", "SELECT name, pay FROM main.hr.people").await.len(), 1);
        assert_eq!(server.rows("alice", "SELECT name FROM main.hr.people").await, ["ann"]);
    });
}

#[test]
fn a_changed_file_changes_that_and_nothing_else() {
    block_on(async {
        let ground = governed().await;
        let data = ground.path().join("data");
        let text = printed(&catalog(&["export"], &data));
        let file = ground.path().join("catalog.yaml");
        let path = file.to_str().unwrap().to_owned();
        std::fs::write(
            &file,
            text.replace("people: \\\"no\\\" #1", "staff").replace("people: \"no\" #1", "staff"),
        )
        .unwrap();
        let said = printed(&catalog(&["import", &path, "--as", ADMIN], &data));
        assert!(said.starts_with("~ schemas main.hr\n    comment: ") && said.contains("staff"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    });
}

#[test]
fn a_file_that_cannot_be_imported_is_refused_in_a_sentence_and_changes_nothing() {
    block_on(async {
        let ground = governed().await;
        let data = ground.path().join("data");
        let text = printed(&catalog(&["export"], &data));
        let file = ground.path().join("catalog.yaml");
        let path = file.to_str().unwrap().to_owned();
        let import = |content: &str, who: &str| {
            std::fs::write(&file, content).unwrap();
            sentence(&catalog(&["import", &path, "--as", who], &data))
        };
        assert!(import(&text, "alice").contains("only an account admin"));
        assert!(import(&text, "nobody").contains("nobody"));
        assert!(import("weir_catalog: 1\ntabels: {}\n", ADMIN).contains("tabels"));
        assert!(import("a: [", ADMIN).contains("cannot be imported"));
        assert!(import("", ADMIN).contains("error"));
        let elsewhere = "weir_catalog: 1\ntables:\n  main.hr.ghost:\n    kind: managed\n    owner: admin\n    \
                         location: nowhere/ghost\n    columns: []\n";
        let said = import(elsewhere, ADMIN);
        assert!(said.contains("`main.hr.ghost`") && said.contains("CREATE TABLE"), "{said}");
        let gone = text.replace("main.hr.emea:", "main.hr.renamed:");
        std::fs::write(&file, &gone).unwrap();
        let said = sentence(&catalog(&["import", &path, "--as", ADMIN, "--prune"], &data));
        assert!(said.contains("`main.hr.emea` not found"), "{said}");
        assert!(
            sentence(&catalog(&["import", "/nowhere/file", "--as", ADMIN], &data)).contains("/nowhere/file")
        );
        assert_eq!(printed(&catalog(&["export"], &data)), text);
    });
}

#[test]
fn an_older_file_takes_neither_columns_nor_their_tags_away() {
    block_on(async {
        let server = TestServer::start_with(Setup::default()).await;
        server
            .prepare(
                "CREATE SCHEMA main.i;
                 CREATE GOVERNED TAG pii VALUES ('ssn');
                 CREATE FUNCTION main.i.star(v STRING) RETURNS STRING RETURN '***';
                 CREATE POLICY hide ON CATALOG main COLUMN MASK main.i.star TO `account users` EXCEPT hr FOR TABLES MATCH COLUMNS has_tag_value('pii', 'ssn') AS c ON COLUMN c;
                 CREATE TABLE main.i.plain (id INT, name STRING);
                 CREATE TABLE main.i.mapped (id INT, ssn STRING) TBLPROPERTIES ('delta.columnMapping.mode' = 'name');
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA, SELECT ON SCHEMA main.i TO alice",
            )
            .await;
        let ground = server.stop().await;
        let (data, file) = (ground.path().join("data"), ground.path().join("catalog.yaml"));
        let path = file.to_str().unwrap().to_owned();
        printed(&catalog(&["export", "--file", &path], &data));
        let server = TestServer::start_in(ground, Setup::default()).await;
        server
            .prepare(
                "ALTER TABLE main.i.plain ADD COLUMN (ssn STRING);
                 ALTER TABLE main.i.plain ALTER COLUMN ssn SET TAGS ('pii' = 'ssn');
                 INSERT INTO main.i.plain VALUES (1, 'ann', 'SECRET');
                 ALTER TABLE main.i.mapped RENAME COLUMN ssn TO number;
                 ALTER TABLE main.i.mapped ALTER COLUMN number SET TAGS ('pii' = 'ssn');
                 INSERT INTO main.i.mapped VALUES (1, 'SECRET')",
            )
            .await;
        let ground = server.stop().await;
        let before = printed(&catalog(&["export"], &data));
        let imported = catalog(&["import", &path, "--as", ADMIN], &data);
        assert_eq!(printed(&imported), "");
        assert!(String::from_utf8_lossy(&imported.stderr).contains("nothing differs"), "{imported:?}");
        let said = sentence(&catalog(&["import", &path, "--as", ADMIN, "--prune"], &data));
        assert!(said.contains("column `ssn`") && said.contains("governed tags `pii`"), "{said}");
        assert_eq!(printed(&catalog(&["export"], &data)), before);
        let server = TestServer::start_in(ground, Setup::default()).await;
        assert_eq!(server.rows("alice", "SELECT * FROM main.i.plain").await, ["1 | ann | ***"]);
        assert_eq!(server.rows("alice", "SELECT * FROM main.i.mapped").await, ["1 | ***"]);
    });
}
