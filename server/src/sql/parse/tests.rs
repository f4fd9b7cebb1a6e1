//! What is accepted, what is refused by name, where errors point, and that nothing panics.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use weir_catalog::{Literal, PrincipalKind, Privilege};

use crate::error::Condition;
use crate::session::SessionSettings;
use crate::sql::*;

fn accept(text: &str) -> Statement {
    parse(text, &SessionSettings::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn command(text: &str) -> Command {
    match accept(text) {
        Statement::Command(command) => command,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> crate::error::Error {
    match parse(text, &SessionSettings::default()) {
        Err(error) => error,
        Ok(statement) => panic!("{text} was accepted: {statement:?}"),
    }
}

#[test]
fn governance_statements_are_accepted_to_the_letter() {
    for text in [
        "CREATE FUNCTION f(region STRING, g STRING DEFAULT 'x') RETURNS BOOLEAN DETERMINISTIC RETURN region = g",
        "CREATE OR REPLACE FUNCTION f() RETURN TRUE",
        "CREATE FUNCTION f(a INT) RETURNS INT LANGUAGE SQL COMMENT 'twice' RETURN a * 2;",
        "CREATE FUNCTION f(a INT DEFAULT 1 + 1 COMMENT 'x') RETURNS TABLE (x INT COMMENT 'y', z STRING) READS SQL DATA RETURN SELECT x, z FROM t WHERE x = a",
        "CREATE FUNCTION f() RETURNS TABLE CONTAINS SQL RETURN WITH c AS (SELECT 1 AS x) SELECT * FROM c",
        "ALTER FUNCTION c.s.f RENAME TO g",
        "ALTER FUNCTION f OWNER TO bob",
        "COMMENT ON FUNCTION f IS 'x'",
        "SELECT * FROM f(1, b => 2) AS t(a), TABLE(g()), LATERAL c.s.h('x')",
        "SHOW SYSTEM FUNCTIONS LIKE 'a*'",
        "SHOW ALL FUNCTIONS IN main.s",
        "CREATE FUNCTION IF NOT EXISTS f(m MAP<STRING, ARRAY<STRUCT<a: INT, b: DECIMAL(10,2)>>>) RETURN m['a'][0].b",
        "CREATE FUNCTION mask(s STRING) RETURN CASE WHEN is_account_group_member('hr') THEN s ELSE '***' END",
        "CREATE FUNCTION f(r STRING) RETURN EXISTS (SELECT 1 FROM valid_users v WHERE v.username = session_user())",
        "CREATE TABLE t (region STRING, id INT) WITH ROW FILTER f ON (region)",
        "CREATE TABLE t (region STRING, id INT) WITH ROW FILTER f ON ()",
        "CREATE TABLE t (region STRING, id INT) WITH ROW FILTER f ON (region, 'EMEA', 5, TRUE, NULL)",
        "CREATE TABLE t (region STRING) WITH ROW FILTER `c`.`s`.`f` ON (`region`)",
        "CREATE TABLE u (name STRING, ssn STRING MASK m)",
        "CREATE TABLE u (name STRING NOT NULL COMMENT 'n', ssn STRING MASK m USING COLUMNS (country, '_viewers'))",
        "ALTER TABLE t SET ROW FILTER f ON (region)",
        "ALTER TABLE t DROP ROW FILTER",
        "ALTER TABLE `c`.`s`.`t` SET ROW FILTER `c`.`s`.`f` ON (`region`)",
        "alter table u alter column ssn set mask m",
        "ALTER TABLE u ALTER COLUMN ssn SET MASK m USING COLUMNS (country, 'lit', -1.5)",
        "ALTER TABLE u ALTER COLUMN ssn DROP MASK",
        "CREATE TABLE IF NOT EXISTS c.s.t (a INT) USING DELTA PARTITIONED BY (a) COMMENT 'x' TBLPROPERTIES ('k' = 'v', a.b = 1)",
        "CREATE TABLE t USING DELTA LOCATION 'file:///data/t'",
        "CREATE TABLE t USING DELTA AS SELECT 1 AS a",
        "CREATE TABLE t AS WITH x AS (SELECT 1 AS a) SELECT * FROM x",
        "ALTER TABLE t RENAME TO s.u",
        "ALTER TABLE t SET TBLPROPERTIES ('governance.protection' = 'strict')",
        "ALTER TABLE t OWNER TO `a@b.c`",
        "ALTER VIEW v SET OWNER TO admins",
        "ALTER CATALOG c OWNER TO `x y`",
        "ALTER SCHEMA c.s OWNER TO x",
        "ALTER FUNCTION c.s.f OWNER TO x",
        "DROP TABLE IF EXISTS t",
        "CREATE OR REPLACE TABLE t USING DELTA AS SELECT 1 AS a",
        "ALTER TABLE t DROP COLUMN c",
        "ALTER TABLE t DROP COLUMNS IF EXISTS (a, `b c`)",
        "ALTER TABLE t RENAME COLUMN `a b` TO c",
        "ALTER TABLE t ADD COLUMN c STRING MASK m USING COLUMNS (d, 'x')",
        "ALTER TABLE t ADD COLUMNS (c STRING MASK m, d INT COMMENT 'x')",
        "DROP VIEW v",
        "DROP TABLE t RESTRICT",
        "DROP TABLE IF EXISTS t CASCADE",
        "DROP VIEW v CASCADE",
        "DROP FUNCTION f RESTRICT",
        "DROP FUNCTION IF EXISTS f",
        "CREATE OR REPLACE VIEW v (a COMMENT 'c', b) COMMENT 'x' AS SELECT 1, 2",
        "CREATE CATALOG IF NOT EXISTS c COMMENT 'x'",
        "CREATE SCHEMA c.s",
        "DROP SCHEMA IF EXISTS s CASCADE",
        "DROP CATALOG c RESTRICT",
        "COMMENT ON TABLE t IS 'x'",
        "COMMENT ON COLUMN c.s.t.a IS NULL",
        "COMMENT ON CATALOG c IS 'x'",
    ] {
        accept(text);
    }
}

#[test]
fn tags_and_their_policies_are_accepted() {
    for text in [
        "CREATE GOVERNED TAG pii",
        "CREATE GOVERNED TAG IF NOT EXISTS `data class.pii` VALUES ('ssn', 'email') COMMENT 'x'",
        "CREATE GOVERNED TAG pii DESCRIPTION 'x' VALUES ('a')",
        "ALTER GOVERNED TAG pii SET VALUES ()",
        "ALTER GOVERNED TAG pii ADD VALUES ('c')",
        "ALTER GOVERNED TAG pii DROP VALUES ('c', 'd')",
        "ALTER GOVERNED TAG pii OWNER TO x",
        "DROP GOVERNED TAG IF EXISTS pii",
        "COMMENT ON GOVERNED TAG pii IS 'x'",
        "GRANT ASSIGN ON GOVERNED TAG pii TO x",
        "SHOW GOVERNED TAGS LIKE 'p*'",
        "DESCRIBE GOVERNED TAG pii",
        "ALTER CATALOG c SET TAGS ('k' = 'v', 'k2')",
        "ALTER SCHEMA c.s UNSET TAGS ('k', 'k2')",
        "ALTER TABLE t SET TAGS ('k' = 'v')",
        "ALTER VIEW v UNSET TAGS ('k')",
        "ALTER VOLUME v SET TAGS ('k' = 'v', 'k2')",
        "ALTER VOLUME c.s.v UNSET TAGS ('k')",
        "ALTER TABLE t ALTER COLUMN c SET TAGS ('k' = 'v')",
        "ALTER TABLE t ALTER COLUMN c UNSET TAGS ('k')",
        "ALTER VIEW v ALTER COLUMN c SET TAGS ('k')",
        "ALTER VIEW v SET ROW FILTER f ON (a, 'x')",
        "ALTER VIEW v DROP ROW FILTER",
        "ALTER VIEW v ALTER COLUMN c SET MASK f USING COLUMNS (d)",
        "ALTER VIEW v ALTER COLUMN c.street DROP MASK",
        "CREATE VIEW v (a COMMENT 'c' MASK f USING COLUMNS (b), b MASK g) WITH ROW FILTER h ON (b) AS SELECT 1, 2",
        "CREATE OR REPLACE VIEW v WITH ROW FILTER h ON () COMMENT 'x' AS SELECT 1",
        "SET TAG ON CATALOG c `k` = `v`",
        "SET TAG ON COLUMN c.s.t.a pii = ssn",
        "SET TAG ON VOLUME c.s.v k",
        "UNSET TAG ON TABLE t k",
        "CREATE POLICY p ON CATALOG c COMMENT 'x' ROW FILTER c.s.f TO `account users` EXCEPT `a@b.c`, g FOR TABLES WHEN has_tag('k') MATCH COLUMNS has_tag_value('pii', 'ssn') AS s, hasTag('x') y USING COLUMNS (s, 'EU', 5, TRUE, tag_value('k'))",
        "CREATE OR REPLACE POLICY p ON SCHEMA c.s COLUMN MASK system.policy.mask_value TO x FOR TABLES MATCH COLUMNS TRUE AS m ON COLUMN m",
        "CREATE POLICY IF NOT EXISTS p ON TABLE IDENTIFIER('c.s.`t`') AS PERMISSIVE ROW FILTER f TO x FOR TABLES ON NO MATCH SKIP",
        "CREATE POLICY p ON METASTORE TO x FOR TABLES ROW FILTER f WHEN NOT (has_tag('a') OR has_column_tag_value('b', 'c')) AND TRUE ON NO MATCH DENY",
        "CREATE POLICY p ON SCHEMA s COLUMN MASK m TO x FOR TABLES MATCH COLUMNS has_column_tag('k') c ON COLUMN c",
        "DROP POLICY IF EXISTS p ON CATALOG c",
        "DESC POLICY p ON SCHEMA s",
        "SHOW POLICIES ON METASTORE",
        "SHOW EFFECTIVE POLICIES ON TABLE t",
        "VALIDATE POLICY p ON TABLE t",
    ] {
        accept(text);
    }
}

#[test]
fn policies_are_read_with_their_defaults() {
    let policy = |text: &str| match command(text) {
        Command::TagPolicy(TagPolicyCommand::Create(policy)) => *policy,
        other => panic!("{text}: {other:?}"),
    };
    let filter = policy("CREATE POLICY p ON SCHEMA s ROW FILTER f TO x FOR TABLES");
    assert_eq!(filter.composition, weir_catalog::Composition::Restrictive);
    assert_eq!(filter.on_no_match, weir_catalog::OnNoMatch::Deny);
    let mask = policy(
        "CREATE POLICY p ON SCHEMA s COLUMN MASK f TO x FOR TABLES MATCH COLUMNS NOT has_tag('a') OR has_tag('b') AND TRUE AS Col ON COLUMN COL",
    );
    assert_eq!(mask.on_no_match, weir_catalog::OnNoMatch::Skip);
    assert_eq!(mask.rule, TagRule::ColumnMask { on: "col".to_owned() });
    assert_eq!(
        mask.matches.first().unwrap().condition.to_string(),
        "(NOT (has_tag('a')) OR (has_tag('b') AND TRUE))"
    );
    let many = vec!["has_tag('a')"; 60].join(" OR ");
    let long = policy(&format!("CREATE POLICY p ON SCHEMA s ROW FILTER f TO x FOR TABLES WHEN {many}"));
    assert!(long.when.depth() < 12);
    for text in [
        "CREATE POLICY p ON SCHEMA s ROW FILTER f FOR TABLES",
        "CREATE POLICY p ON SCHEMA s ROW FILTER f TO x",
        "CREATE POLICY p ON SCHEMA s TO x FOR TABLES",
        "CREATE POLICY p ON SCHEMA s COLUMN MASK f TO x FOR TABLES",
        "CREATE POLICY p ON SCHEMA s ROW FILTER f TO x FOR TABLES ON COLUMN a",
        "CREATE POLICY p ON SCHEMA s ROW FILTER f ROW FILTER g TO x FOR TABLES",
        "CREATE POLICY p ON SCHEMA s ROW FILTER f TO x FOR TABLES WHEN region = 'x'",
        "CREATE OR REPLACE POLICY IF NOT EXISTS p ON SCHEMA s ROW FILTER f TO x FOR TABLES",
        "ALTER TABLE t SET TAGS ()",
        "ALTER TABLE t SET TAGS ('a' = '1', 'A' = '2')",
    ] {
        assert_eq!(refused(text).condition(), Condition::ParseSyntaxError, "{text}");
    }
    let refused = refused("CREATE POLICY p ON FUNCTION f ROW FILTER f TO x FOR TABLES");
    assert_eq!(refused.condition(), Condition::PolicyOnSecurableTypeNotSupported);
}

#[test]
fn sessions_principals_and_lists_are_accepted() {
    for text in [
        "CREATE USER `alice@example.com`",
        "CREATE SERVICE PRINCIPAL IF NOT EXISTS app",
        "CREATE GROUP admins",
        "DROP GROUP IF EXISTS admins",
        "ALTER GROUP g ADD USER `a`",
        "ALTER GROUP g DROP SERVICE PRINCIPAL app",
        "ALTER USER a DISABLE",
        "ALTER USER a ENABLE",
        "ALTER SERVICE PRINCIPAL app MAY ACT FOR USERS",
        "ALTER SERVICE PRINCIPAL app MAY NOT ACT FOR USERS",
        "SHOW CATALOGS LIKE 'ma*|sys*'",
        "SHOW SCHEMAS IN main",
        "SHOW DATABASES",
        "SHOW TABLES FROM main.default LIKE '*'",
        "SHOW TABLES 'x*'",
        "SHOW VIEWS",
        "SHOW COLUMNS IN t IN s",
        "SHOW FUNCTIONS IN main.default",
        "SHOW USERS",
        "SHOW GROUPS",
        "SHOW GRANTS ON TABLE t",
        "SHOW GRANTS `alice` ON SCHEMA s",
        "SHOW GRANTS ON METASTORE",
        "SHOW CREATE TABLE t",
        "SHOW METASTORES",
        "SHOW TABLE EXTENDED IN c.s LIKE 'a|b*'",
        "SHOW TABLE EXTENDED LIKE 't'",
        "SHOW TBLPROPERTIES t",
        "SHOW TBLPROPERTIES c.s.t ('a.b')",
        "SHOW TBLPROPERTIES t (delta.mode)",
        "SHOW COLUMNS FROM c.s.t",
        "DESCRIBE TABLE FORMATTED t",
        "DESCRIBE TABLE EXTENDED c.s.t AS JSON",
        "DESCRIBE c.s.t `odd column`",
        "DESCRIBE TABLE EXTENDED t c",
        "DESCRIBE query",
        "DESCRIBE history.t",
        "DESCRIBE extended",
        "DESCRIBE t",
        "DESC TABLE EXTENDED main.default.t",
        "DESCRIBE EXTENDED t",
        "DESCRIBE CATALOG main",
        "DESCRIBE SCHEMA EXTENDED main.default",
        "DESCRIBE FUNCTION f",
        "USE main.default",
        "USE CATALOG main",
        "USE SCHEMA default",
        "USE default",
        "SET double_quoted_identifiers = true",
        "SET spark.databricks.remoteFiltering.blockSelfJoins=false",
        "SET double_quoted_identifiers",
        "SET",
        "RESET",
        "RESET double_quoted_identifiers",
    ] {
        command(text);
    }
}

#[test]
fn queries_and_inserts_are_accepted() {
    for text in [
        "SELECT 1;",
        "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 3",
        "WITH a AS (SELECT 1 x) SELECT a.x, count(*) FROM a GROUP BY ALL HAVING count(*) > 0",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) r FROM c.s.t QUALIFY r = 1",
        "SELECT s.a.b, m['k'], `quoted name` FROM `c`.`s`.`t` WHERE x = :name",
        "SELECT * EXCEPT (a) FROM t",
        "SELECT usage_metadata.job_id, SUM(q) FROM system.billing.usage GROUP BY ALL",
        "EXPLAIN SELECT 1",
        "CACHE SELECT * FROM c.s.t",
        "CLEAR CACHE",
        "DESCRIBE QUERY SELECT ? AS a",
        "DESC SELECT 1 AS a",
        "DESCRIBE WITH x AS (SELECT 1 AS a) SELECT * FROM x",
        "DESCRIBE QUERY VALUES (1, 2)",
        "DESCRIBE (SELECT 1)",
        "SHOW PARTITIONS c.s.t",
        "EXPLAIN ANALYZE WITH a AS (SELECT 1) SELECT * FROM a",
        "INSERT INTO t VALUES (1, ?)",
        "INSERT INTO TABLE c.s.t (a, b) SELECT a, b FROM u",
        "INSERT INTO t (SELECT 1)",
        "UPDATE t SET a = ?, t.b = b + 1 WHERE a IN (SELECT x FROM u)",
        "DELETE FROM c.s.t AS x WHERE x.a = :a",
        "TRUNCATE TABLE c.s.t",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND u.b = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED BY TARGET THEN INSERT (a, b) VALUES (u.a, 1) WHEN NOT MATCHED BY SOURCE THEN UPDATE SET b = 2",
        "SELECT * FROM a JOIN b ON a.x = b.x LEFT ANTI JOIN c USING (x)",
        "SELECT DATE '2020-01-01' + INTERVAL 1 DAY, cast(x AS DECIMAL(10,2)) FROM t",
    ] {
        accept(text);
    }
}

#[test]
fn every_way_to_write_a_version_means_the_same() {
    for (written, meant) in [
        ("SELECT * FROM t FOR VERSION AS OF 3 AS x", "SELECT * FROM t VERSION AS OF 3 AS x"),
        ("SELECT * FROM t FOR SYSTEM_VERSION AS OF 3", "SELECT * FROM t VERSION AS OF 3"),
        (
            "SELECT * FROM t for /* it */ system_time as of '2020-01-01'",
            "SELECT * FROM t TIMESTAMP AS OF '2020-01-01'",
        ),
        (
            "WITH x AS (SELECT * FROM t FOR TIMESTAMP AS OF now()) SELECT * FROM x JOIN u FOR VERSION AS OF 1",
            "WITH x AS (SELECT * FROM t TIMESTAMP AS OF now()) SELECT * FROM x JOIN u VERSION AS OF 1",
        ),
    ] {
        accept(written);
        let read = |text: &str| parse(text, &SessionSettings::default()).unwrap();
        assert_eq!(read(written), read(meant));
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    for (text, name) in [
        ("UPDATE t SET a = 1 FROM u", "UPDATE … FROM"),
        ("DELETE FROM t USING u", "DELETE … USING"),
        (
            "MERGE WITH SCHEMA EVOLUTION INTO t USING u ON TRUE WHEN MATCHED THEN DELETE",
            "MERGE WITH SCHEMA EVOLUTION",
        ),
        ("TRUNCATE TABLE t PARTITION (a = 1)", "TRUNCATE … PARTITION"),
        ("UPDATE t SET a = DEFAULT", "DEFAULT as a value"),
        ("COPY INTO t FROM 's3://b/x'", "COPY"),
        ("CREATE EXTERNAL TABLE t (a INT) STORED AS PARQUET LOCATION 'x'", "CREATE EXTERNAL TABLE"),
        ("SELECT * FROM t AT(TIMESTAMP => '2020-01-01')", "AT or BEFORE after a table"),
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT * FROM (SELECT 1) TABLESAMPLE (10 ROWS)", "TABLESAMPLE"),
        ("SELECT * FROM t PIVOT (sum(a) FOR b IN (1, 2))", "PIVOT"),
        ("SELECT * FROM t UNPIVOT (a FOR b IN (c, d))", "UNPIVOT"),
        ("SELECT * FROM t LATERAL VIEW explode(a) x AS y", "LATERAL VIEW"),
        ("SELECT * FROM t SORT BY a", "SORT BY"),
        ("SELECT * FROM t CLUSTER BY a", "CLUSTER BY"),
        ("SELECT * FROM t DISTRIBUTE BY a", "DISTRIBUTE BY"),
        ("SELECT * FROM delta.`/data/t`", "a path in place of a table"),
        ("SELECT * FROM `s3://b/t`", "a path in place of a table"),
        ("INSERT INTO delta.`/data/t` VALUES (1)", "a path in place of a table"),
        ("SELECT * FROM 'x.parquet'", "a string in place of a table"),
        ("SELECT * FROM TABLE(1 + 1)", "TABLE (…) of anything but a call"),
        ("SELECT * FROM f(1) TABLESAMPLE (1 ROWS)", "TABLESAMPLE"),
        ("INSERT OVERWRITE t SELECT 1", "INSERT OVERWRITE"),
        ("INSERT INTO t PARTITION (a = 1) SELECT 1", "INSERT … PARTITION"),
        ("DESCRIBE SHARE t", "DESCRIBE SHARE"),
        ("CREATE POLICY p ON CATALOG c TO x GRANT EXECUTE FOR MODELS", "GRANT"),
        ("CREATE POLICY p ON CATALOG c TO x DENY MANAGE ACCESS CONTROL FOR TABLES", "DENY"),
        ("CREATE POLICY p ON CATALOG c ROW FILTER f TO x FOR MODELS", "FOR MODELS"),
        ("CREATE TABLE t (a INT) WITH TAGS ('k' = 'v')", "WITH TAGS"),
        ("SET TAG ON FUNCTION f k", "SET TAG ON FUNCTION"),
        ("SELECT * INTO u FROM t", "SELECT INTO"),
        ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT (SELECT a FROM t FOR UPDATE)", "FOR UPDATE"),
        ("OPTIMIZE t", "OPTIMIZE"),
        ("VACUUM t", "VACUUM"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("BEGIN", "BEGIN"),
        ("START TRANSACTION", "START"),
        ("COMMIT", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
        ("WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r", "WITH RECURSIVE"),
        ("CALL t()", "statement CALL"),
        ("SET datafusion.execution.batch_size = 1", "setting datafusion.execution.batch_size"),
        ("SET statement_timeout = 1", "setting statement_timeout"),
        ("SET TIME ZONE 'UTC'", "SET TIME ZONE"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE TEMPORARY VIEW v AS SELECT 1", "CREATE TEMPORARY VIEW"),
        ("CREATE VOLUME v LOCATION '/x'", "LOCATION of a managed volume"),
        ("CREATE TABLE t (a INT) USING PARQUET", "USING PARQUET"),
        ("CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY)", "GENERATED"),
        ("CREATE TABLE t (a INT DEFAULT 1)", "DEFAULT"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a) RELY)", "PRIMARY KEY … RELY"),
        ("CREATE TABLE t (a INT PRIMARY KEY ENFORCED)", "PRIMARY KEY … ENFORCED"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a TIMESERIES))", "TIMESERIES"),
        ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u (b))", "FOREIGN KEY"),
        ("CREATE TABLE t (a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES u (b))", "CONSTRAINT"),
        ("CREATE TABLE t (a INT, UNIQUE (a))", "UNIQUE"),
        ("CREATE TABLE t (a INT, CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (PRIMARY KEY (a)) AS SELECT 1 AS a", "CREATE TABLE with columns and a query"),
        ("ALTER TABLE t ADD COLUMN c INT PRIMARY KEY", "ADD COLUMN … PRIMARY KEY"),
        ("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)", "ALTER TABLE … ADD CONSTRAINT"),
        ("CREATE TABLE t (a CHAR(10))", "type CHAR"),
        ("CREATE TABLE t (a ARRAY<VARCHAR(10)>)", "type VARCHAR"),
        ("CREATE FUNCTION f(a VARCHAR(10)) RETURNS INT RETURN 1", "type VARCHAR"),
        ("CREATE TABLE t (a INT) CLUSTER BY (a)", "CLUSTER BY"),
        ("CREATE TABLE t (a INT) AS SELECT 1", "CREATE TABLE with columns and a query"),
        ("ALTER TABLE t ADD COLUMN c STRING NOT NULL", "ADD COLUMN … NOT NULL"),
        ("DROP EXTERNAL LOCATION x FORCE", "DROP EXTERNAL LOCATION … FORCE"),
        ("CREATE STORAGE CREDENTIAL x WITH (SECRET 'y')", "a storage credential with a secret"),
        ("ALTER TABLE t DROP COLUMN a.b", "DROP COLUMN of a field of a column"),
        ("ALTER TABLE t RENAME COLUMN a.b TO c", "RENAME COLUMN of a field of a column"),
        ("DROP FUNCTION f CASCADE", "DROP FUNCTION … CASCADE"),
        ("ALTER TABLE t ALTER COLUMN c TYPE INT", "ALTER COLUMN … TYPE INT"),
        ("ALTER VIEW v ALTER COLUMN c TYPE INT", "ALTER VIEW … ALTER COLUMN … TYPE"),
        ("CREATE FUNCTION f() RETURN SELECT 1", "RETURN of a query"),
        ("CREATE FUNCTION f() RETURNS INT NOT DETERMINISTIC RETURN 1", "NOT DETERMINISTIC"),
        ("CREATE FUNCTION f() RETURNS INT MODIFIES SQL DATA RETURN 1", "MODIFIES SQL DATA"),
        ("CREATE FUNCTION f() RETURNS INT LANGUAGE SCALA RETURN 1", "LANGUAGE SCALA"),
        ("CREATE FUNCTION f() RETURNS INT AS $$1$$", "AS"),
        ("ALTER FUNCTION f RENAME TO other.g", "moving a function to another schema"),
        ("ALTER FUNCTION f SET TBLPROPERTIES ('a' = 'b')", "ALTER FUNCTION … SET"),
        ("CREATE FUNCTION f() LANGUAGE PYTHON AS $$x$$", "LANGUAGE PYTHON"),
        ("CREATE VIEW v AS SELECT * FROM t TABLESAMPLE (1 ROWS)", "TABLESAMPLE"),
        ("EXPLAIN EXTENDED SELECT 1", "EXPLAIN EXTENDED"),
        ("EXPLAIN INSERT INTO t VALUES (1)", "EXPLAIN of INSERT"),
        ("GRANT SELECT ON TABLE t TO x WITH GRANT OPTION", "WITH GRANT OPTION"),
        ("CREATE USER x WITH PASSWORD 'y'", "a password in a statement"),
        ("SHOW PARTITIONS t PARTITION (a = 1)", "SHOW PARTITIONS … PARTITION"),
        ("SHOW TABLE EXTENDED LIKE 'x' PARTITION (a = 1)", "SHOW TABLE EXTENDED … PARTITION"),
        ("SHOW TABLES DROPPED IN s", "SHOW … DROPPED"),
        ("CACHE LAZY TABLE t", "CACHE of anything but a query"),
        ("SHOW SHARES", "SHOW SHARES"),
        ("SHOW CONNECTIONS", "SHOW CONNECTIONS"),
        ("SHOW SERVICE CREDENTIALS", "SHOW SERVICE CREDENTIALS"),
        ("SHOW ALL IN SHARE x", "SHOW ALL"),
        ("SHOW CREATE FUNCTION f", "SHOW CREATE FUNCTION"),
        ("DESCRIBE SHARE x", "DESCRIBE SHARE"),
        ("DESCRIBE CONNECTION x", "DESCRIBE CONNECTION"),
        ("DESCRIBE PROCEDURE x", "DESCRIBE PROCEDURE"),
        ("DESCRIBE t AS JSON", "AS JSON without EXTENDED"),
        ("DESCRIBE EXTENDED t c AS JSON", "DESCRIBE of one column AS JSON"),
        ("DESCRIBE t c.f", "DESCRIBE of a field of a column"),
        ("DESCRIBE t PARTITION (a = 1)", "DESCRIBE … PARTITION"),
        ("DESCRIBE t VERSION AS OF 1", "time travel"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)", "ALTER TABLE … ADD CONSTRAINT"),
        ("ALTER TABLE t DROP CONSTRAINT c", "ALTER TABLE … DROP CONSTRAINT"),
        ("ALTER TABLE t SET LOCATION '/x'", "ALTER TABLE … SET LOCATION"),
        ("ALTER TABLE t CLUSTER BY (a)", "ALTER TABLE … CLUSTER BY"),
        ("ALTER TABLE t RECOVER PARTITIONS", "ALTER TABLE … RECOVER PARTITIONS"),
        ("ALTER TABLE t ADD PARTITION (a = 1)", "ALTER TABLE … ADD PARTITION"),
        ("ALTER TABLE t DROP PARTITION (a = 1)", "ALTER TABLE … DROP PARTITION"),
        ("ALTER TABLE t REPLACE COLUMNS (a INT)", "ALTER TABLE … REPLACE COLUMNS"),
        ("ALTER TABLE t ENABLE PREDICTIVE OPTIMIZATION", "ALTER TABLE … ENABLE PREDICTIVE"),
        ("ALTER TABLE t DEFAULT COLLATION x", "ALTER TABLE … DEFAULT COLLATION"),
        ("ALTER TABLE t DROP FEATURE x", "ALTER TABLE … DROP FEATURE"),
        ("ALTER TABLE t ALTER COLUMN c SET NOT NULL", "ALTER COLUMN … SET NOT"),
        ("ALTER TABLE t ALTER COLUMN c DROP NOT NULL", "ALTER COLUMN … DROP NOT"),
        ("ALTER TABLE t ALTER COLUMN c SET DEFAULT 1", "ALTER COLUMN … SET DEFAULT"),
        ("ALTER TABLE t ALTER COLUMN c FIRST", "ALTER COLUMN … FIRST"),
        ("ALTER VIEW v WITH SCHEMA BINDING", "ALTER VIEW … WITH"),
        ("ALTER SCHEMA s ENABLE PREDICTIVE OPTIMIZATION", "ALTER SCHEMA … ENABLE"),
        ("ALTER VOLUME v SET TBLPROPERTIES ('a' = 'b')", "ALTER VOLUME … SET"),
        ("ALTER SHARE s ADD TABLE t", "ALTER SHARE"),
        ("ALTER EXTERNAL LOCATION x SET WORKSPACE BINDING", "ALTER EXTERNAL LOCATION … SET WORKSPACE"),
        ("ALTER STORAGE CREDENTIAL x VALIDATE", "ALTER STORAGE CREDENTIAL … VALIDATE"),
        ("ALTER GOVERNED TAG x RENAME TO y", "ALTER GOVERNED TAG … RENAME TO"),
        ("ALTER TABLE t ALTER COLUMN a COMMENT 'x', b COMMENT 'y'", "ALTER COLUMN of several columns"),
        ("SHOW CREATE DATABASE s", "SHOW CREATE DATABASE"),
        ("ALTER CONNECTION c RENAME TO d", "ALTER CONNECTION"),
        ("ALTER MATERIALIZED VIEW v ALTER COLUMN c SET MASK m", "ALTER MATERIALIZED VIEW"),
        ("ALTER STREAMING TABLE v ALTER COLUMN c SET MASK m", "ALTER STREAMING TABLE"),
        ("SELECT ceil(a TO DAY) FROM t", "CEIL or FLOOR"),
        ("SELECT a FROM t GROUP BY a WITH ROLLUP", "GROUP BY … WITH ROLLUP"),
        ("TABLE t", "TABLE as a query"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "INSERT inside a query"),
    ] {
        let error = refused(text);
        assert_eq!(error.condition(), Condition::UnsupportedFeature, "{text}: {error}");
        assert!(error.message().starts_with(name), "{text}: {error}");
    }
}

#[test]
fn syntax_errors_say_where() {
    for (text, place) in [
        ("SELECT a FROM", "(line 1, column"),
        ("SELECT a,\n  FROM t WHERE (", "(line 2, column"),
        ("GRANT SELECT ON TABLE t\nFOR x", "(line 2, column 1)"),
        ("SELECT 1; SELECT 2", "(line 1, column 11)"),
        ("CREATE TABLE t (a FOO)", "(line 1, column 19)"),
        ("SELECT 'unterminated", "(line 1, column 8)"),
        ("ALTER TABLE a.b.c.d DROP ROW FILTER", "(line 1, column 13)"),
        ("DROP SCHEMA `a/b`", "(line 1, column 13)"),
    ] {
        let error = refused(text).to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
    assert_eq!(refused("").condition(), Condition::ParseSyntaxError);
    assert_eq!(refused(" ; ").condition(), Condition::ParseSyntaxError);
    assert_eq!(refused("SELECT 1; SELECT 2").message(), "one statement at a time");
}

#[test]
fn question_marks_are_numbered_outside_strings_and_comments() {
    let statement = accept("SELECT ?, '?', `?`, \"?\" /* ? */ FROM t WHERE a = ? -- ?\n AND b = ?");
    let Statement::Query(query) = statement else { panic!("a query") };
    let text = query.to_string();
    assert_eq!(text, "SELECT $1, '?', `?`, \"?\" FROM t WHERE a = $2 AND b = $3");
    assert_eq!(expression::placeholders(query.as_ref()).len(), 3);
    refused("SELECT ?, :name");
    refused("SELECT $1, ?");
    accept("SELECT $1, $2, :name");
}

#[test]
fn double_quotes_are_strings_unless_the_session_says_otherwise() {
    let quoted = SessionSettings { double_quoted_identifiers: true, ..SessionSettings::default() };
    let Statement::Query(query) = accept("SELECT \"a\" FROM t") else { panic!("a query") };
    assert_eq!(query.to_string(), "SELECT \"a\" FROM t");
    let Statement::Query(query) = parse("SELECT \"a b\" FROM \"t\"", &quoted).unwrap() else {
        panic!("a query")
    };
    assert_eq!(query.to_string(), "SELECT `a b` FROM `t`");
    parse("GRANT SELECT ON TABLE \"c\".\"s\".\"t\" TO \"x\"", &quoted).unwrap();
}

#[test]
fn a_grant_is_read_whole() {
    assert_eq!(
        command("GRANT USE CATALOG, ALL PRIVILEGES ON CATALOG Main TO `Ann Lee`"),
        Command::Grant(GrantCommand::Grant {
            privileges: vec![Privilege::UseCatalog, Privilege::AllPrivileges],
            on: SecurableReference::Catalog(CatalogReference {
                name: weir_catalog::Name::new("main").unwrap()
            }),
            principal: "Ann Lee".to_owned(),
        })
    );
    for text in [
        "GRANT SELECT ON t TO x",
        "GRANT SELECT, MODIFY ON TABLE c.s.t TO `x`",
        "GRANT EXECUTE ON FUNCTION c.s.f TO x",
        "GRANT SELECT ON VIEW v TO x",
        "GRANT USE_SCHEMA ON DATABASE s TO x",
        "GRANT CREATE CATALOG ON METASTORE TO x",
        "REVOKE ALL PRIVILEGES ON SCHEMA c.s FROM x",
        "GRANT SELECT ON schema TO x",
    ] {
        command(text);
    }
}

#[test]
fn policy_arguments_are_columns_and_literals() {
    let Command::Policy(PolicyCommand::SetRowFilter { filter, .. }) =
        command("ALTER TABLE t SET ROW FILTER f ON (Region, 'EMEA', -5, 1.5, FALSE, NULL, `true`, interval)")
    else {
        panic!("a row filter")
    };
    assert_eq!(
        filter.arguments,
        [
            PolicyArgument::Column("Region".to_owned()),
            PolicyArgument::Literal(Literal::String("EMEA".to_owned())),
            PolicyArgument::Literal(Literal::Number("-5".to_owned())),
            PolicyArgument::Literal(Literal::Number("1.5".to_owned())),
            PolicyArgument::Literal(Literal::Boolean(false)),
            PolicyArgument::Literal(Literal::Null),
            PolicyArgument::Column("true".to_owned()),
            PolicyArgument::Column("interval".to_owned()),
        ]
    );
    refused("ALTER TABLE t SET ROW FILTER f ON (upper(region))");
    refused("ALTER TABLE t SET ROW FILTER f ON (a.b)");
    refused("ALTER TABLE t SET ROW FILTER f");
}

#[test]
fn members_have_a_kind() {
    assert_eq!(
        command("ALTER GROUP `a` ADD GROUP `b`"),
        Command::Principal(PrincipalCommand::AddMember {
            group: "a".to_owned(),
            kind: PrincipalKind::Group,
            member: "b".to_owned()
        })
    );
}

#[test]
fn a_type_ends_where_its_brackets_do() {
    let text = "CREATE TABLE t (a STRUCT<x: ARRAY<INT>>, b MAP<STRING, ARRAY<STRUCT<y: ARRAY<INT>>>>, c STRUCT<z: STRUCT<w: INT>>, d INT)";
    let Command::Table(TableCommand::Create(create)) = command(text) else { panic!("a table") };
    let types: Vec<String> =
        create.columns.iter().map(|column| format!("{} {}", column.name, column.type_text)).collect();
    assert_eq!(
        types,
        [
            "a STRUCT<x: ARRAY<INT>>",
            "b MAP<STRING, ARRAY<STRUCT<y: ARRAY<INT>>>>",
            "c STRUCT<z: STRUCT<w: INT>>",
            "d INT"
        ]
    );
    refused("CREATE TABLE t (a STRUCT<x: ARRAY<INT>>>, b INT)");
    refused("CREATE TABLE t (a STRUCT<x: ARRAY<INT>, b INT)");
}

#[test]
fn types_have_one_spelling_that_reads_back() {
    for (text, spelling) in [
        ("integer", "INT"),
        ("long", "BIGINT"),
        ("real", "FLOAT"),
        ("numeric", "DECIMAL(10,0)"),
        ("dec(12, 3)", "DECIMAL(12,3)"),
        ("timestamp", "TIMESTAMP"),
        ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ"),
        ("array<array<int>>", "ARRAY<ARRAY<INT>>"),
        ("map<string, array<map<int,byte>>>", "MAP<STRING, ARRAY<MAP<INT, TINYINT>>>"),
        ("struct<a: int, `b c` struct<d:date>>", "STRUCT<a: INT, `b c`: STRUCT<d: DATE>>"),
        ("varchar( 10 )", "VARCHAR(10)"),
        ("Character(3)", "CHAR(3)"),
        ("varchar", "STRING"),
    ] {
        let read = types::parse(text).unwrap();
        assert_eq!(read.text, spelling);
        assert_eq!(types::parse(&read.text).unwrap(), read);
    }
    for text in [
        "ARRAY<INT",
        "ARRAY<INT>>",
        "DECIMAL(39,1)",
        "DECIMAL(3,4)",
        "STRUCT<>",
        "int int",
        "ARRAY<INTERVAL>",
        "ARRAY<VARCHAR(3)>",
        "VARCHAR(0)",
        "VARCHAR(3",
        "CHAR",
    ] {
        assert!(types::parse(text).is_err(), "{text}");
    }
}

#[test]
fn text_that_is_too_long_or_too_deep_is_refused() {
    let long = format!("SELECT '{}'", "x".repeat(TEXT));
    assert_eq!(refused(&long).condition(), Condition::ParseSyntaxError);
    for text in [
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT 1{}", " + 1".repeat(100_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(5_000)),
        format!("SELECT {}x", "NOT ".repeat(50_000)),
        format!("SELECT {}1", "- ".repeat(50_000)),
        format!("SELECT {}1", "INTERVAL ".repeat(50_000)),
        format!("SELECT CAST(1 AS {}INT{})", "ARRAY<".repeat(20_000), ">".repeat(20_000)),
        format!("CREATE TABLE t (a {}INT{})", "ARRAY<".repeat(60), ">".repeat(60)),
        format!("SELECT {}1{}", "CASE WHEN 1=1 THEN ".repeat(5_000), " END".repeat(5_000)),
        format!("SELECT {}", "(end,".repeat(5_000)),
        format!("SELECT a{}", "[1]".repeat(50_000)),
        format!("SELECT a{}", ".b".repeat(50_000)),
        format!("SELECT * FROM {}t", "(".repeat(40_000)),
        format!("{} SELECT 1", "EXPLAIN ".repeat(40_000)),
    ] {
        let error = refused(&text);
        assert!(
            matches!(error.condition(), Condition::ParseSyntaxError | Condition::UnsupportedFeature),
            "{error}"
        );
    }
    accept(&format!("SELECT * FROM t WHERE {}", vec!["t.a = 1"; 900].join(" OR ")));
    accept(&format!("SELECT {}", vec!["a + 1 AS b"; 5_000].join(", ")));
    let listed = |items| format!("SELECT * FROM t WHERE a IN ({})", vec!["1"; items].join(", "));
    accept(&listed(5_000));
    assert_eq!(refused(&listed(5_001)).condition(), Condition::ResourceExhausted);
    accept(&format!("INSERT INTO t VALUES {}", vec!["(1, -2, 'x')"; 20_000].join(", ")));
    accept(&format!("SELECT {}1{}", "(".repeat(50), ")".repeat(50)));
}

const TEXT: usize = super::TEXT_BYTES_MAX;

/// A small generator, so that a failing text can be found again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn garbage_never_panics() {
    let pieces: Vec<&str> = concat!(
        "SELECT FROM WHERE CREATE TABLE VIEW FUNCTION OR REPLACE GRANT ON TO ALTER SET ROW FILTER MASK USING COLUMNS ",
        "DROP ( ) , . ; ' \" ` ? $1 :a 1 2.5 1e9 'x' \"y\" `z` t a b -- /* */ < > >> = + - * / NULL TRUE CASE WHEN THEN END ",
        "SHOW DESCRIBE USE INSERT INTO VALUES WITH AS UNION ALL JOIN ARRAY MAP STRUCT INT STRING DECIMAL INTERVAL ",
        "EXPLAIN ANALYZE VERSION OF TIMESTAMP LATERAL OVER PARTITION BY ORDER LIMIT EXISTS IN NOT AND BETWEEN LIKE IS ",
        "\u{e9} \u{1F600} \0 { } [ ] -> => :: | || & ^ ~ ! @ # % \\ COMMENT OWNER USER GROUP REVOKE SCHEMA CATALOG",
    )
    .split(' ')
    .collect();
    let mut dice = Dice(42);
    for _ in 0..20_000 {
        let length = 1 + dice.throw(14);
        let words: Vec<&str> =
            (0..length).map(|_| pieces.get(dice.throw(pieces.len())).copied().unwrap()).collect();
        let text = words.join(if dice.throw(4) == 0 { "" } else { " " });
        let quoted =
            SessionSettings { double_quoted_identifiers: dice.throw(2) == 0, ..SessionSettings::default() };
        drop(parse(&text, &quoted));
    }
}

#[test]
fn truncated_statements_never_panic() {
    let text = "CREATE TABLE IF NOT EXISTS c.s.t (a ARRAY<STRUCT<x: INT>> NOT NULL COMMENT 'x' MASK m USING COLUMNS (b, 1)) \
                USING DELTA PARTITIONED BY (a) TBLPROPERTIES ('k' = 'v') WITH ROW FILTER c.s.f ON (a, NULL)";
    for end in 0..text.len() {
        drop(parse(text.get(..end).unwrap(), &SessionSettings::default()));
    }
    refused(&text.replace("(a, NULL)", "(a, NULL"));
    accept(&text.replace("PARTITIONED BY (a)", ""));
}

#[test]
fn statements_that_show_policies_are_accepted() {
    for text in [
        "EXPLAIN POLICY FOR SELECT * FROM t",
        "EXPLAIN POLICY FOR TABLE c.s.t AS USER `a@b.c`;",
        "explain policy for with x as (select 1) select * from x as user bob -- who else",
        "ALTER TABLE t SET ROW FILTER f ON (a) DRY RUN",
        "ALTER TABLE t ALTER COLUMN a SET MASK m USING COLUMNS (b) DRY RUN FOR USERS (alice, `b c`)",
        "EXECUTE AS USER bob SELECT ?",
        "EXECUTE AS USER bob FOR EXPLAIN ANALYZE SELECT 1",
        "EXECUTE AS USER bob DESCRIBE TABLE t",
        "CREATE POLICY TEST t AS USER bob EXPECT NO ROWS FOR SELECT 1",
        "CREATE OR REPLACE POLICY TEST t AS USER bob EXPECT 2 ROWS COMMENT 'c' FOR SELECT 1",
        "CREATE POLICY TEST IF NOT EXISTS t AS USER bob EXPECT VALUES (1, 'a'), (-2, NULL) FOR SELECT 1, 'a'",
        "CREATE POLICY TEST t AS USER bob EXPECT ERROR FOR SELECT 1",
        "CREATE POLICY TEST t AS USER bob EXPECT ERROR DIVIDE_BY_ZERO COMMENT 'c' FOR SELECT 1",
        "DROP POLICY TEST IF EXISTS t",
        "SHOW POLICY TESTS LIKE 'a*'",
        "DESCRIBE POLICY TEST t",
        "RUN POLICY TESTS",
        "RUN POLICY TESTS ON TABLE t",
        "REQUEST ACCESS ON TABLE c.s.t PRIVILEGES (SELECT, USE SCHEMA) COMMENT 'why'",
        "REQUEST ACCESS ON CATALOG c",
        "SHOW ACCESS REQUESTS ON SCHEMA s",
    ] {
        accept(text);
    }
    for text in [
        "EXPLAIN POLICY SELECT 1",
        "EXPLAIN POLICY FOR INSERT INTO t VALUES (1)",
        "CREATE POLICY TEST t EXPECT NO ROWS FOR SELECT 1",
        "CREATE POLICY TEST t AS USER bob EXPECT 1 FOR SELECT 1",
        "CREATE POLICY TEST t AS USER bob EXPECT VALUES (1), (1, 2) FOR SELECT 1",
        "CREATE POLICY TEST t AS USER bob EXPECT ERROR NO_SUCH_THING FOR SELECT 1",
        "CREATE OR REPLACE POLICY TEST IF NOT EXISTS t AS USER bob EXPECT NO ROWS FOR SELECT 1",
        "ALTER TABLE t DROP ROW FILTER DRY RUN",
        "ALTER TABLE t SET ROW FILTER f ON () DRY RUN FOR USERS ()",
        "RUN TESTS",
        "EXECUTE AS bob SELECT 1",
        "EXECUTE AS USER bob USE CATALOG c",
        "EXECUTE AS USER bob RUN POLICY TESTS",
        "EXECUTE AS USER bob CREATE TABLE t AS SELECT 1",
    ] {
        refused(text);
    }
}

#[test]
fn the_user_of_explain_policy_may_stand_behind_the_query() {
    let Statement::Proof(Proof::ExplainPolicy(explain)) =
        accept("EXPLAIN POLICY FOR SELECT * FROM t x WHERE a = 1 AS USER `Bob`")
    else {
        panic!("not an EXPLAIN POLICY")
    };
    assert_eq!(explain.user.as_deref(), Some("Bob"));
    let Explained::Query(query) = explain.of else { panic!("not of a query") };
    assert_eq!(query.to_string(), "SELECT * FROM t x WHERE a = 1");
    assert_eq!(
        accept("EXPLAIN POLICY AS USER bob FOR SELECT 1"),
        accept("EXPLAIN POLICY FOR SELECT 1 AS USER bob")
    );
}

#[test]
fn a_policy_may_be_named_test() {
    let policy = "CREATE POLICY test ON TABLE t ROW FILTER f TO x FOR TABLES";
    assert!(matches!(command(policy), Command::TagPolicy(_)));
    assert!(matches!(command("DROP POLICY test ON TABLE t"), Command::TagPolicy(_)));
    assert!(matches!(command("DROP POLICY TEST t"), Command::PolicyTest(_)));
}

#[test]
fn a_mistyped_statement_is_a_syntax_error_with_a_guess() {
    for (text, hint) in [
        ("SELEC 1", "did you mean SELECT?"),
        ("  instert into t values (1)", "did you mean INSERT?"),
        ("FROBNICATE t", "it may begin with SELECT"),
    ] {
        let error = parse(text, &SessionSettings::default()).unwrap_err();
        assert_eq!(error.condition(), Condition::ParseSyntaxError, "{text}");
        assert!(error.to_string().contains(hint), "{error}");
        assert!(error.position().is_some(), "{text}");
    }
}
