//! Policies over values of every type a table can hold: rows and masked values are what was asked for, in every way in, and no
//! error tells a value.

use weir_testkit::{TestServer, Way, block_on};

/// A type, a value that stays, one that is hidden, and what stands for the first under a mask.
struct Kind {
    sql_type: &'static str,
    shown: &'static str,
    hidden: &'static str,
    mask: &'static str,
    /// The shown value and the mask as text.
    texts: [&'static str; 2],
    /// Whether values have an order and can be compared.
    ordered: bool,
}

const fn ordered(
    sql_type: &'static str,
    shown: &'static str,
    hidden: &'static str,
    mask: &'static str,
    texts: [&'static str; 2],
) -> Kind {
    Kind { ordered: true, ..nested(sql_type, shown, hidden, mask, texts) }
}

const fn nested(
    sql_type: &'static str,
    shown: &'static str,
    hidden: &'static str,
    mask: &'static str,
    texts: [&'static str; 2],
) -> Kind {
    Kind { sql_type, shown, hidden, mask, texts, ordered: false }
}

const KINDS: &[Kind] = &[
    ordered("BOOLEAN", "true", "false", "true", ["true", "true"]),
    ordered("TINYINT", "-128", "127", "0", ["-128", "0"]),
    ordered("SMALLINT", "-32768", "32767", "0", ["-32768", "0"]),
    ordered("INT", "-2147483648", "2147483647", "0", ["-2147483648", "0"]),
    ordered("BIGINT", "9223372036854775807", "-9223372036854775808", "0", ["9223372036854775807", "0"]),
    ordered("FLOAT", "CAST('NaN' AS FLOAT)", "CAST(1.5 AS FLOAT)", "CAST(0 AS FLOAT)", ["NaN", "0.0"]),
    ordered(
        "DOUBLE",
        "CAST('NaN' AS DOUBLE)",
        "CAST('-Infinity' AS DOUBLE)",
        "CAST(0 AS DOUBLE)",
        ["NaN", "0.0"],
    ),
    ordered(
        "DECIMAL(38,0)",
        "CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0))",
        "CAST('-99999999999999999999999999999999999999' AS DECIMAL(38,0))",
        "CAST(0 AS DECIMAL(38,0))",
        ["99999999999999999999999999999999999999", "0"],
    ),
    ordered(
        "DECIMAL(38,38)",
        "CAST('0.00000000000000000000000000000000000001' AS DECIMAL(38,38))",
        "CAST('0.99999999999999999999999999999999999999' AS DECIMAL(38,38))",
        "CAST(0 AS DECIMAL(38,38))",
        ["0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000000"],
    ),
    ordered("STRING", "''", "'CANARY'", "'***'", ["", "***"]),
    ordered("BINARY", "X'00FF'", "X'CA'", "X''", ["00ff", ""]),
    ordered(
        "DATE",
        "DATE '0001-01-01'",
        "DATE '9999-12-31'",
        "DATE '1970-01-01'",
        ["0001-01-01", "1970-01-01"],
    ),
    ordered(
        "TIMESTAMP",
        "CAST('2024-06-01T00:00:00+14:00' AS TIMESTAMP)",
        "CAST('2024-06-01T00:00:00-12:00' AS TIMESTAMP)",
        "CAST('1970-01-01T00:00:00Z' AS TIMESTAMP)",
        ["2024-05-31T10:00:00Z", "1970-01-01T00:00:00Z"],
    ),
    ordered(
        "TIMESTAMP_NTZ",
        "CAST('1582-10-04 23:59:59.999999' AS TIMESTAMP_NTZ)",
        "CAST('9999-12-31 23:59:59.999999' AS TIMESTAMP_NTZ)",
        "CAST('1970-01-01' AS TIMESTAMP_NTZ)",
        ["1582-10-04T23:59:59.999999", "1970-01-01T00:00:00"],
    ),
    nested(
        "ARRAY<INT>",
        "make_array(1, NULL, 3)",
        "make_array(77700)",
        "make_array(0)",
        ["[1, NULL, 3]", "[0]"],
    ),
    nested(
        "STRUCT<a: INT, b: STRING>",
        "named_struct('a', 1, 'b', NULL)",
        "named_struct('a', 77700, 'b', 'CANARY')",
        "named_struct('a', 0, 'b', '***')",
        ["{a: 1, b: NULL}", "{a: 0, b: ***}"],
    ),
    nested(
        "MAP<STRING, INT>",
        "map(make_array('k'), make_array(1))",
        "map(make_array('CANARY'), make_array(77700))",
        "map(make_array('*'), make_array(0))",
        ["{k: 1}", "{*: 0}"],
    ),
    nested(
        "ARRAY<STRUCT<a: ARRAY<STRING>>>",
        "make_array(named_struct('a', make_array('x', '')))",
        "make_array(named_struct('a', make_array('CANARY')))",
        "make_array(named_struct('a', make_array('*')))",
        ["[{a: [x, ]}]", "[{a: [*]}]"],
    ),
];

/// Tables `main.default.k0`, `k1`, … with a value that shows, one that is hidden, and a NULL; a filter that hides the
/// second row by its value, where values can be compared.
async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server
        .prepare(
            "GRANT USE CATALOG ON CATALOG main TO alice;\nGRANT USE SCHEMA ON SCHEMA main.default TO alice",
        )
        .await;
    for (number, kind) in KINDS.iter().enumerate() {
        let Kind { sql_type, shown, hidden, mask, ordered, .. } = kind;
        let keeps =
            if *ordered { format!("x IS NULL OR x <> {hidden}") } else { "x IS NULL OR id = 1".to_owned() };
        let script = format!(
            "CREATE TABLE main.default.k{number} (id INT, v {sql_type});
             INSERT INTO main.default.k{number} VALUES (1, {shown}), (77700, {hidden}), (3, NULL);
             CREATE FUNCTION main.default.f{number}(id INT, x {sql_type}) RETURNS BOOLEAN RETURN {keeps};
             CREATE FUNCTION main.default.m{number}(x {sql_type}) RETURNS {sql_type} RETURN CASE WHEN x IS NULL THEN x ELSE {mask} END;
             ALTER TABLE main.default.k{number} SET ROW FILTER main.default.f{number} ON (id, v);
             GRANT SELECT ON TABLE main.default.k{number} TO alice"
        );
        server.prepare(&script).await;
    }
    server
}

#[test]
fn values_of_every_type_are_filtered_and_masked() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        let mut breaches = Vec::new();
        for masked in [false, true] {
            for (number, kind) in KINDS.iter().enumerate() {
                let table = format!("main.default.k{number}");
                if masked {
                    let set = format!("ALTER TABLE {table} ALTER COLUMN v SET MASK main.default.m{number}");
                    server.prepare(&set).await;
                }
                let text = kind.texts[usize::from(masked)];
                let wanted = [format!("1 | {text}"), "3 | NULL".to_owned()];
                let compared = if masked { kind.mask } else { kind.shown };
                let mut asked = vec![
                    (format!("SELECT id, v FROM {table}"), wanted.to_vec()),
                    (format!("SELECT count(*) AS n, count(v) AS v FROM {table}"), vec!["2 | 1".to_owned()]),
                    (format!("SELECT id FROM {table} WHERE v IS NOT NULL"), vec!["1".to_owned()]),
                    (
                        format!(
                            "SELECT id FROM (SELECT id, v FROM {table} UNION ALL SELECT 9, NULL) u WHERE v IS NULL"
                        ),
                        vec!["3".to_owned(), "9".to_owned()],
                    ),
                ];
                if kind.ordered {
                    asked.extend([
                        (format!("SELECT id, v FROM {table} WHERE v = {compared}"), vec![wanted[0].clone()]),
                        (format!("SELECT max(id) AS i, v FROM {table} GROUP BY v"), wanted.to_vec()),
                        (
                            format!("SELECT id FROM {table} ORDER BY v NULLS LAST LIMIT 1"),
                            vec!["1".to_owned()],
                        ),
                        (
                            format!("SELECT a.id FROM {table} a JOIN {table} b ON a.v = b.v"),
                            vec!["1".to_owned()],
                        ),
                        (
                            format!("SELECT id FROM {table} WHERE v IN ({compared}, {})", kind.hidden),
                            vec!["1".to_owned()],
                        ),
                    ]);
                }
                for (sql, wanted) in asked {
                    for way in Way::ALL {
                        match way.ask(&alice, &sql).await {
                            Ok(rows) if rows.sorted() == wanted => {}
                            Ok(rows) => breaches.push(format!("{way:?}: {sql}\n    {:?}", rows.sorted())),
                            Err(refusal) => breaches.push(format!("{way:?}: {sql}\n    {}", refusal.text)),
                        }
                    }
                }
            }
        }
        assert!(breaches.is_empty(), "{} breaches\n{}", breaches.len(), breaches.join("\n"));
    });
}

#[test]
fn a_policy_that_fails_on_a_value_tells_no_value() {
    block_on(async {
        let server = ground().await;
        let alice = server.client("alice");
        for (number, kind) in KINDS.iter().enumerate() {
            let sql_type = kind.sql_type;
            // Fails on some of the values: on what is hidden, on what is shown, or, for some types, when it is set.
            let bodies = [
                "1 / (id - 77700) = 1".to_owned(),
                "CAST(CAST(x AS STRING) AS DATE) = DATE '2024-01-01'".to_owned(),
                "CAST(concat('CANARY', CAST(id AS STRING)) AS INT) = 1".to_owned(),
            ];
            for body in bodies {
                let made = format!(
                    "CREATE OR REPLACE FUNCTION main.default.f{number}(id INT, x {sql_type}) RETURNS BOOLEAN RETURN {body}"
                );
                if let Err(refusal) = server.client("admin").update(&made).await {
                    assert!(!refusal.text.contains("77700 "), "{refusal:?}");
                    continue;
                }
                for way in Way::ALL {
                    let told = way.ask(&alice, &format!("SELECT id, v FROM main.default.k{number}")).await;
                    let Err(refusal) = told else { continue };
                    assert!(
                        refusal.text.starts_with("[POLICY_EVALUATION_FAILED]"),
                        "{way:?}: {sql_type}: {body}: {refusal:?}"
                    );
                    for secret in ["CANARY", "77700", "1582", "9999", "0001"] {
                        assert!(!refusal.text.contains(secret), "{sql_type}: {body}: {refusal:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_value_of_a_mebibyte_is_filtered_and_masked() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, v STRING);
                 INSERT INTO main.default.t SELECT i, repeat(CASE WHEN i = 1 THEN 'x' ELSE 'CANARY' END, 1048576) FROM (VALUES (1), (2)) n(i);
                 CREATE FUNCTION main.default.f(v STRING) RETURNS BOOLEAN RETURN v NOT LIKE 'CANARY%';
                 CREATE FUNCTION main.default.m(v STRING) RETURNS STRING RETURN concat(v, '!');
                 ALTER TABLE main.default.t SET ROW FILTER main.default.f ON (v);
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT ON TABLE main.default.t TO alice",
            )
            .await;
        for way in Way::ALL {
            let rows = way.ask(&server.client("alice"), "SELECT v FROM main.default.t").await.unwrap();
            assert!(rows.lines() == ["x".repeat(1_048_576)], "{way:?}");
        }
        server.prepare("ALTER TABLE main.default.t ALTER COLUMN v SET MASK main.default.m").await;
        let sql = "SELECT length(v) AS n, right(v, 2) AS r FROM main.default.t WHERE v > 'w'";
        assert_eq!(server.rows("alice", sql).await, ["1048577 | x!"]);
        // An error that would hold the value is cut, or holds what is shown.
        let refusal = server.refused("alice", "SELECT CAST(v AS INT) FROM main.default.t").await;
        assert!(refusal.len() < 4096 && !refusal.contains("CANARY"), "{} bytes", refusal.len());
    });
}

#[test]
fn statistics_that_lack_a_value_hide_no_row_of_it() {
    block_on(async {
        let server = TestServer::start().await;
        // NaN is in no statistics, and 38 digits are not in the statistics of this table's log.
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, f DOUBLE, d DECIMAL(38,0));
                 INSERT INTO main.default.t VALUES (1, CAST('NaN' AS DOUBLE), CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0))), (2, CAST(1.5 AS DOUBLE), CAST(1 AS DECIMAL(38,0)))",
            )
            .await;
        let most = "CAST('99999999999999999999999999999999999999' AS DECIMAL(38,0))";
        for (condition, ids) in [
            ("f > 2".to_owned(), vec!["1"]),
            ("f >= 1.5".to_owned(), vec!["1", "2"]),
            ("f <> 1.5".to_owned(), vec!["1"]),
            ("f = CAST('NaN' AS DOUBLE)".to_owned(), vec!["1"]),
            ("NOT f < 2".to_owned(), vec!["1"]),
            ("f < 2".to_owned(), vec!["2"]),
            ("1.5 <= f AND NOT f > 1.5".to_owned(), vec!["2"]),
            (format!("d = {most}"), vec!["1"]),
            (format!("d >= {most}"), vec!["1"]),
            (format!("d IN ({most})"), vec!["1"]),
            (format!("d BETWEEN {most} AND {most}"), vec!["1"]),
        ] {
            let sql = format!("SELECT id FROM main.default.t WHERE {condition}");
            assert_eq!(server.rows("admin", &sql).await, ids, "{sql}");
            let sql = format!("UPDATE main.default.t SET id = id WHERE {condition}");
            assert_eq!(server.done("admin", &sql).await, ids.len() as i64, "{sql}");
        }
        let most = "SELECT max(f) AS f, max(d) AS d, min(f) AS g FROM main.default.t";
        let wanted = ["NaN | 99999999999999999999999999999999999999 | 1.5"];
        assert_eq!(server.rows("admin", most).await, wanted);
        let top = "SELECT id FROM main.default.t ORDER BY f DESC, d LIMIT 1";
        assert_eq!(server.rows("admin", top).await, ["1"]);
        let joined = "SELECT a.id FROM main.default.t a JOIN main.default.t b ON a.f = b.f AND a.d = b.d";
        assert_eq!(server.rows("admin", joined).await, ["1", "2"]);
    });
}

#[test]
fn statistics_that_lack_a_value_hide_no_change_of_it() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, f DOUBLE) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
                 INSERT INTO main.default.t VALUES (1, CAST('NaN' AS DOUBLE)), (2, CAST(1.5 AS DOUBLE))",
            )
            .await;
        for (condition, ids) in [
            ("f > 2", vec!["1"]),
            ("f >= 1.5", vec!["1", "2"]),
            ("NOT f < 2", vec!["1"]),
            ("f < 2", vec!["2"]),
        ] {
            let sql = format!("SELECT id FROM table_changes('main.default.t', 0) WHERE {condition}");
            assert_eq!(server.rows("admin", &sql).await, ids, "{sql}");
        }
    });
}

#[test]
fn a_double_beside_a_decimal_is_compared_as_a_double() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (id INT, f DOUBLE, d DECIMAL(4,1));
                 INSERT INTO main.default.t VALUES (1, CAST('NaN' AS DOUBLE), 9.5), (2, 15e-1, 1.5), (3, 1e300, 2.5), (4, NULL, NULL);
                 CREATE TABLE main.default.g (id INT, f DOUBLE);
                 INSERT INTO main.default.g SELECT id, f FROM main.default.t;
                 CREATE FUNCTION main.default.near(f DOUBLE) RETURNS BOOLEAN RETURN f BETWEEN 1.5 AND 2.5 OR f IN (0.5, 1e300) OR coalesce(f, 0.5) < 1;
                 ALTER TABLE main.default.g SET ROW FILTER main.default.near ON (f);
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice",
            )
            .await;
        for (condition, ids) in [
            ("f > 1.6", vec!["1", "3"]),
            ("f BETWEEN 1.5 AND 2.5", vec!["2"]),
            ("f NOT BETWEEN 1.5 AND 2.5", vec!["1", "3"]),
            ("1.5 BETWEEN f AND d", vec!["2"]),
            ("f IN (0.5, 1.5)", vec!["2"]),
            ("f NOT IN (0.5, 1.5)", vec!["1", "3"]),
            ("d IN (f, 0)", vec!["2"]),
            ("f IN (SELECT b.d FROM main.default.t b)", vec!["2"]),
            ("d IN (SELECT b.f FROM main.default.t b)", vec!["2"]),
            ("CASE f WHEN 1.5 THEN TRUE ELSE FALSE END", vec!["2"]),
            ("CASE WHEN id < 3 THEN f ELSE 0.5 END < 2", vec!["2", "3", "4"]),
            ("coalesce(f, 0.5) < 1", vec!["4"]),
            ("nvl(f, 0.5) < 1", vec!["4"]),
            ("nullif(f, 1.5) IS NULL", vec!["2", "4"]),
            ("greatest(f, 1.6) > 2", vec!["1", "3"]),
            ("id IN (SELECT b.id FROM main.default.t b WHERE b.f BETWEEN 1.5 AND 2.5)", vec!["2"]),
        ] {
            let sql = format!("SELECT id FROM main.default.t WHERE {condition} ORDER BY id");
            assert_eq!(server.rows("alice", &sql).await, ids, "{sql}");
        }
        assert_eq!(server.rows("alice", "SELECT id FROM main.default.g ORDER BY id").await, ["2", "3", "4"]);
        let kinds = "SELECT coalesce(f, 0.5) AS a, CASE WHEN id = 4 THEN 2.5 ELSE f END AS b, f IN (1.5) AS c FROM main.default.t WHERE id IN (1, 4)";
        assert_eq!(server.rows("alice", kinds).await, ["0.5 | 2.5 | NULL", "NaN | NaN | false"]);
        let grouped = "SELECT CASE WHEN f > 2 THEN f ELSE 0.5 END AS k, count(*) AS n FROM main.default.t WHERE id > 1 GROUP BY CASE WHEN f > 2 THEN f ELSE 0.5 END HAVING count(*) BETWEEN 0.5 AND 1.5";
        assert_eq!(server.rows("alice", grouped).await, ["1e300 | 1"]);
        let joined = "SELECT a.id FROM main.default.t a JOIN main.default.t b ON a.f = b.d";
        assert_eq!(server.rows("alice", joined).await, ["2"]);
        let united = "SELECT f FROM main.default.t WHERE id < 3 UNION ALL SELECT 0.5 UNION ALL SELECT d FROM main.default.t WHERE id = 3";
        assert_eq!(server.rows("alice", united).await, ["0.5", "1.5", "2.5", "NaN"]);
    });
}
