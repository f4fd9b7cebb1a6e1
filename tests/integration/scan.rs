//! The nine numbers of a filtered scan, exact, on a table whose files are known: in EXPLAIN
//! ANALYZE and in `system.query.history`.

use std::collections::HashMap;

use weir_testkit::{TestServer, block_on, data_files};

const NAMES: [&str; 9] = [
    "total remote execution time",
    "rows output",
    "rows output size",
    "files pruned",
    "size of files pruned",
    "files read",
    "size of files read",
    "cache hits size",
    "cache misses size",
];

/// Two files of the north (ids 0..10 and 10..20), one of the south (20..30), one without region.
async fn ground(filter: &str) -> (TestServer, Sizes) {
    let server = TestServer::start().await;
    server
        .prepare("CREATE TABLE main.default.t (id INT, region STRING, name STRING) PARTITIONED BY (region)")
        .await;
    let mut sizes = Sizes::default();
    for (first, region, key) in
        [(0, "'north'", "n1"), (10, "'north'", "n2"), (20, "'south'", "s"), (30, "NULL", "none")]
    {
        let rows: Vec<String> =
            (first..first + 10).map(|id| format!("({id}, {region}, 'name {id}')")).collect();
        let before = data_files(&server.folder("main.default.t").await);
        server.done("admin", &format!("INSERT INTO main.default.t VALUES {}", rows.join(", "))).await;
        let after = data_files(&server.folder("main.default.t").await);
        let fresh: Vec<u64> =
            after.iter().filter(|file| !before.contains(file)).map(|(_, size)| *size).collect();
        assert_eq!(fresh.len(), 1, "one INSERT into one partition is one file");
        sizes.0.insert(key, fresh[0]);
    }
    server
        .prepare(&format!(
            "CREATE FUNCTION main.default.f(region STRING, id INT) RETURNS BOOLEAN RETURN {filter};
             ALTER TABLE main.default.t SET ROW FILTER main.default.f ON (region, id);
             GRANT USE CATALOG ON CATALOG main TO alice;
             GRANT USE SCHEMA ON SCHEMA main.default TO alice;
             GRANT SELECT ON TABLE main.default.t TO alice"
        ))
        .await;
    (server, sizes)
}

#[derive(Debug, Default)]
struct Sizes(HashMap<&'static str, u64>);

impl Sizes {
    fn of(&self, files: &[&str]) -> u64 {
        files.iter().map(|file| self.0[file]).sum()
    }
}

/// The numbers that EXPLAIN ANALYZE shows under its only leaf; times in microseconds.
async fn numbers(server: &TestServer, sql: &str) -> HashMap<String, u64> {
    let lines = server.sql("alice", &format!("EXPLAIN ANALYZE {sql}")).await.unwrap().lines();
    let mut found = HashMap::new();
    for line in lines.iter().filter(|line| line.starts_with("  ")) {
        let Some((name, value)) = line.trim().split_once(": ") else { continue };
        let number = match value.strip_suffix(" ms") {
            Some(time) => (time.parse::<f64>().unwrap() * 1000.0) as u64,
            None => match value.trim_end_matches(" B").parse() {
                Ok(number) => number,
                Err(_) => continue,
            },
        };
        found.insert(name.to_owned(), number);
    }
    for name in NAMES {
        assert!(found.contains_key(name), "no `{name}` in {lines:#?}");
    }
    found
}

/// Asks `sql`, and compares EXPLAIN ANALYZE and history with the files that must have been read.
async fn check(server: &TestServer, sizes: &Sizes, sql: &str, rows: u64, read: &[&str]) {
    let found = numbers(server, sql).await;
    let all = ["n1", "n2", "s", "none"];
    let pruned: Vec<&str> = all.into_iter().filter(|file| !read.contains(file)).collect();
    let expected = [
        ("rows output", rows),
        ("files read", read.len() as u64),
        ("size of files read", sizes.of(read)),
        ("files pruned", pruned.len() as u64),
        ("size of files pruned", sizes.of(&pruned)),
    ];
    for (name, number) in expected {
        assert_eq!(found[name], number, "{name}: {sql}");
    }
    if rows > 0 {
        assert!(
            found["total remote execution time"] > 0 && found["rows output size"] > 0,
            "{sql}: {found:?}"
        );
    }
    server.rows("alice", sql).await;
    let history = format!(
        "SELECT rows_output, read_files, read_files_bytes, pruned_files, pruned_files_bytes, read_rows, produced_rows, \
         read_bytes = read_cache_bytes + read_remote_bytes, rows_output_bytes FROM system.query.history \
         WHERE statement_text = '{}' AND statement_type = 'SELECT'",
        sql.replace('\'', "''")
    );
    let told = server.rows("alice", &history).await;
    let line = format!(
        "{rows} | {} | {} | {} | {} | {rows} | {rows} | true | {}",
        read.len(),
        sizes.of(read),
        pruned.len(),
        sizes.of(&pruned),
        found["rows output size"]
    );
    assert_eq!(told, [line], "{sql}");
}

#[test]
fn the_policy_prunes_partitions() {
    block_on(async {
        let (server, sizes) = ground("region = 'north'").await;
        check(&server, &sizes, "SELECT id, name FROM main.default.t", 20, &["n1", "n2"]).await;
        check(&server, &sizes, "SELECT * FROM main.default.t", 20, &["n1", "n2"]).await;
    });
}

#[test]
fn the_query_prunes_by_partition_and_by_statistics() {
    block_on(async {
        // a policy that prunes nothing
        let (server, sizes) = ground("id <> 15").await;
        let all = ["n1", "n2", "s", "none"];
        check(&server, &sizes, "SELECT id FROM main.default.t", 39, &all).await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE region = 'south'", 10, &["s"]).await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE region IS NULL", 10, &["none"]).await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE region IN ('south', 'west')", 10, &["s"])
            .await;
        check(
            &server,
            &sizes,
            "SELECT id FROM main.default.t WHERE id >= 25 AND id < 35",
            10,
            &["s", "none"],
        )
        .await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE id = 5", 1, &["n1"]).await;
    });
}

#[test]
fn policy_and_query_prune_together() {
    block_on(async {
        let (server, sizes) = ground("region = 'north' OR id >= 30").await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE id < 10", 10, &["n1"]).await;
        check(
            &server,
            &sizes,
            "SELECT id FROM main.default.t WHERE region = 'north' AND id > 12",
            7,
            &["n2"],
        )
        .await;
    });
    block_on(async {
        let (server, sizes) = ground("region = 'north'").await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE id >= 10", 10, &["n2"]).await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE region = 'south'", 0, &[]).await;
        check(&server, &sizes, "SELECT id FROM main.default.t WHERE id > 1000", 0, &[]).await;
    });
}

#[test]
fn the_second_run_is_served_from_the_cache() {
    block_on(async {
        let (server, _) = ground("region = 'north'").await;
        let sql = "SELECT id, name FROM main.default.t";
        let first = numbers(&server, sql).await;
        let second = numbers(&server, sql).await;
        let third = numbers(&server, sql).await;
        assert!(first["cache misses size"] > 0, "{first:?}");
        assert_eq!(second["cache misses size"], 0);
        assert!(second["cache hits size"] > 0, "{second:?}");
        assert_eq!(second["cache hits size"], third["cache hits size"]);
        assert_eq!(second["rows output size"], first["rows output size"]);
    });
}

#[test]
fn numbers_of_several_scans_are_summed_in_history() {
    block_on(async {
        let (server, sizes) = ground("region = 'north'").await;
        let sql =
            "SELECT count(*) AS c FROM main.default.t a JOIN main.default.t b ON a.id = b.id WHERE b.id < 10";
        assert_eq!(server.rows("alice", sql).await, ["10"]);
        let history = "SELECT read_files + pruned_files, read_files_bytes + pruned_files_bytes FROM system.query.history \
                       WHERE statement_text LIKE 'SELECT count(*) AS c%'";
        let all = sizes.of(&["n1", "n2", "s", "none"]);
        assert_eq!(server.rows("alice", history).await, [format!("8 | {}", 2 * all)]);
    });
}
