//! A statement for each way of speaking, as alice says it.

use weir_server::ways_in::WayIn;

/// One way in, and how it is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct WayAttack {
    /// Which.
    pub(super) way: WayIn,
    /// What alice says.
    pub(super) sql: &'static str,
    /// Whether carol, from whom nothing is hidden, sees a canary by the same words.
    pub(super) shows: bool,
}

const fn shows(set: &'static str, name: &'static str, sql: &'static str) -> WayAttack {
    WayAttack { way: WayIn { set, name }, sql, shows: true }
}

const fn tells(set: &'static str, name: &'static str, sql: &'static str) -> WayAttack {
    WayAttack { way: WayIn { set, name }, sql, shows: false }
}

/// What the attacks go through, and the rights to try; alice owns two tables that others read.
pub(super) const SET_UP: &str = "
CREATE VIEW main.hr.v AS SELECT * FROM main.hr.people;
CREATE VIEW main.hr.vv AS SELECT * FROM main.hr.v;
CREATE FUNCTION main.hr.ssn_of(i INT) RETURNS STRING RETURN (SELECT max(ssn) FROM main.hr.people WHERE id = i);
CREATE FUNCTION main.hr.persons() RETURNS TABLE RETURN SELECT id, name, ssn FROM main.hr.people;
CREATE TABLE main.hr.fed (id INT, region STRING, ssn STRING) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true');
INSERT INTO main.hr.fed VALUES (1, 'north', 'CANARY-1'), (2, 'south', 'CANARY-2');
UPDATE main.hr.fed SET region = 'south' WHERE ssn = 'CANARY-1';
ALTER TABLE main.hr.fed SET ROW FILTER main.gov.of_region ON (region);
ALTER TABLE main.hr.fed ALTER COLUMN ssn SET MASK main.gov.hidden_text;
GRANT SELECT ON TABLE main.hr.fed TO alice;
GRANT SELECT ON TABLE main.hr.fed TO carol;
CREATE TABLE main.hr.mine (id INT, text STRING);
INSERT INTO main.hr.mine VALUES (1, 'own');
GRANT CREATE TABLE, CREATE FUNCTION, CREATE VOLUME ON SCHEMA main.hr TO alice;
GRANT MODIFY ON TABLE main.hr.people TO alice;
GRANT SELECT, MODIFY, MANAGE ON TABLE main.hr.mine TO alice;
GRANT SELECT ON TABLE main.hr.mine TO carol;
GRANT SELECT ON TABLE main.hr.cities TO carol;
GRANT SELECT ON VIEW main.hr.v TO alice;
GRANT SELECT ON VIEW main.hr.vv TO alice;
GRANT SELECT ON VIEW main.hr.v TO carol;
GRANT SELECT ON VIEW main.hr.vv TO carol;
GRANT EXECUTE ON FUNCTION main.hr.ssn_of TO alice;
GRANT EXECUTE ON FUNCTION main.hr.persons TO alice;
GRANT EXECUTE ON FUNCTION main.hr.ssn_of TO carol;
GRANT EXECUTE ON FUNCTION main.hr.persons TO carol;
CREATE GOVERNED TAG level;
GRANT IMPERSONATE ON METASTORE TO admin;
CREATE POLICY TEST of_carol AS USER carol EXPECT 6 ROWS FOR SELECT * FROM main.hr.people";

pub(super) const ATTACKS: &[WayAttack] = &[
    // How a query comes to rows.
    shows("relation", "table", "SELECT * FROM main.hr.people"),
    shows("relation", "view", "SELECT * FROM main.hr.v"),
    shows("relation", "view over views", "SELECT * FROM main.hr.vv"),
    shows("relation", "derived table", "SELECT d.s FROM (SELECT ssn AS s, region FROM main.hr.people) d"),
    shows(
        "relation",
        "nested join",
        "SELECT * FROM (main.hr.people p JOIN main.hr.cities c ON p.region = c.region)",
    ),
    shows(
        "relation",
        "self-join",
        "SELECT a.ssn, b.salary FROM main.hr.people a JOIN main.hr.people b ON a.id = b.id",
    ),
    shows(
        "relation",
        "LATERAL",
        "SELECT c.city, l.ssn FROM main.hr.cities c, LATERAL (SELECT p.ssn FROM main.hr.people p WHERE p.region = c.region) l",
    ),
    shows(
        "relation",
        "VALUES beside a table",
        "SELECT p.ssn FROM (VALUES (1), (77700)) v(i) LEFT JOIN main.hr.people p ON p.id = v.i",
    ),
    shows("relation", "CTE", "WITH x AS (SELECT ssn FROM main.hr.people) SELECT * FROM x"),
    shows(
        "relation",
        "CTE used twice",
        "WITH x AS (SELECT id, ssn FROM main.hr.people) SELECT a.ssn FROM x a JOIN x b ON a.id = b.id",
    ),
    shows("relation", "UNION", "SELECT text FROM main.hr.mine UNION SELECT ssn FROM main.hr.people"),
    shows("relation", "INTERSECT", "SELECT ssn FROM main.hr.people INTERSECT SELECT ssn FROM main.hr.v"),
    shows("relation", "EXCEPT", "SELECT ssn FROM main.hr.people EXCEPT SELECT text FROM main.hr.mine"),
    shows(
        "relation",
        "scalar subquery",
        "SELECT (SELECT max(ssn) FROM main.hr.people) AS m, (SELECT min(born) FROM main.hr.people) AS b",
    ),
    shows(
        "relation",
        "EXISTS",
        "SELECT v.ssn FROM main.hr.v v WHERE EXISTS (SELECT 1 FROM main.hr.people p WHERE p.secret = 5)",
    ),
    shows(
        "relation",
        "IN",
        "SELECT v.ssn FROM main.hr.v v WHERE v.name IN (SELECT p.name FROM main.hr.people p WHERE p.salary > 1)",
    ),
    shows(
        "relation",
        "NOT IN",
        "SELECT ssn FROM main.hr.people WHERE id NOT IN (SELECT id FROM main.hr.mine)",
    ),
    shows(
        "relation",
        "correlated subquery",
        "SELECT c.city, (SELECT max(p.ssn) FROM main.hr.people p WHERE p.region = c.region) AS m FROM main.hr.cities c",
    ),
    shows(
        "relation",
        "subquery in HAVING, ORDER BY and a window",
        "SELECT region, max(ssn) AS m, sum(count(*)) OVER (ORDER BY region) AS n FROM main.hr.people GROUP BY region HAVING max(ssn) <= (SELECT max(ssn) FROM main.hr.people) ORDER BY (SELECT min(salary) FROM main.hr.people), m",
    ),
    shows("relation", "unnest", "SELECT unnest(make_array(ssn, name)) AS u FROM main.hr.people"),
    shows("relation", "SQL function", "SELECT main.hr.ssn_of(1) AS a, main.hr.ssn_of(77700) AS b"),
    shows("relation", "table function", "SELECT * FROM main.hr.persons()"),
    shows("relation", "version as of", "SELECT * FROM main.hr.people VERSION AS OF 2"),
    shows("relation", "timestamp as of", "SELECT * FROM main.hr.people TIMESTAMP AS OF current_timestamp()"),
    shows("relation", "table_changes", "SELECT * FROM table_changes('main.hr.fed', 0)"),
    // Statements.
    shows(
        "statement",
        "Query",
        "SELECT name, ssn, salary, secret, born, contact FROM main.hr.people ORDER BY secret LIMIT 10",
    ),
    tells("statement", "Explain", "EXPLAIN SELECT ssn FROM main.hr.people WHERE 1 / (secret - 5) > 0"),
    tells("explain", "Plan", "EXPLAIN SELECT max(ssn) FROM main.hr.people WHERE salary > 100"),
    tells(
        "explain",
        "Analyze",
        "EXPLAIN ANALYZE SELECT max(ssn), count(*) FROM main.hr.people WHERE born < DATE '1950-01-01'",
    ),
    tells("statement", "Cache", "CACHE SELECT max(ssn) FROM main.hr.people WHERE salary > 100"),
    tells("command", "Cache", "CLEAR CACHE"),
    tells("statement", "DescribeQuery", "DESCRIBE QUERY SELECT ssn, salary FROM main.hr.people"),
    tells("statement", "ShowPartitions", "SHOW PARTITIONS main.hr.people"),
    tells("statement", "Insert", "INSERT INTO main.hr.mine SELECT id, ssn FROM main.hr.people"),
    tells("statement", "Change", "UPDATE main.hr.people SET name = upper(name) WHERE 1 / (secret - 5) < 0"),
    tells("change", "Update", "UPDATE main.hr.mine SET text = (SELECT max(ssn || name) FROM main.hr.people)"),
    tells("change", "Delete", "DELETE FROM main.hr.people WHERE ssn LIKE 'CANARY%' OR secret = 5"),
    tells("change", "Truncate", "TRUNCATE TABLE main.hr.people"),
    tells(
        "change",
        "Merge",
        "MERGE INTO main.hr.mine m USING main.hr.people p ON m.id = p.id WHEN NOT MATCHED THEN INSERT (id, text) VALUES (p.id, p.ssn)",
    ),
    tells(
        "merge",
        "Delete",
        "MERGE INTO main.hr.people p USING (VALUES (77700)) s(i) ON p.id = s.i WHEN MATCHED THEN DELETE",
    ),
    tells(
        "merge",
        "Update",
        "MERGE INTO main.hr.people p USING (VALUES (77700)) s(i) ON p.id = s.i WHEN MATCHED THEN UPDATE SET name = p.ssn",
    ),
    tells(
        "merge",
        "UpdateAll",
        "MERGE INTO main.hr.mine m USING (SELECT id, ssn AS text FROM main.hr.people) s ON m.id = s.id WHEN MATCHED THEN UPDATE SET *",
    ),
    tells(
        "merge",
        "Insert",
        "MERGE INTO main.hr.mine m USING (SELECT max(name) AS n FROM main.hr.people) s ON FALSE WHEN NOT MATCHED THEN INSERT (id, text) VALUES (9, s.n)",
    ),
    tells(
        "merge",
        "InsertAll",
        "MERGE INTO main.hr.mine m USING (SELECT id, ssn AS text FROM main.hr.people) s ON m.id = s.id WHEN NOT MATCHED THEN INSERT *",
    ),
    tells(
        "statement",
        "CreateTableAs",
        "CREATE OR REPLACE TABLE main.hr.made AS SELECT 'CAN' AS w, name, ssn, salary, born FROM main.hr.people UNION ALL SELECT 'x', 'x', 'x', 0.00, NULL",
    ),
    tells("statement", "ExecuteAs", "EXECUTE AS USER carol SELECT ssn FROM main.hr.people"),
    // What shows policies at work.
    tells("statement", "Proof", "EXPLAIN POLICY FOR TABLE main.hr.people AS USER carol"),
    tells("proof", "ExplainPolicy", "EXPLAIN POLICY FOR SELECT ssn FROM main.hr.people WHERE ssn > 'C'"),
    tells(
        "proof",
        "DryRun",
        "ALTER TABLE main.hr.people SET ROW FILTER main.gov.of_region ON (name) DRY RUN FOR USERS (carol)",
    ),
    tells("proof", "RunTests", "RUN POLICY TESTS"),
    // What the catalog answers.
    tells("statement", "Command", "SHOW TABLES IN main.hr"),
    tells("command", "Catalog", "DROP CATALOG main CASCADE"),
    tells("command", "Schema", "DROP SCHEMA main.gov CASCADE"),
    tells("command", "Table", "ALTER TABLE main.hr.people RENAME COLUMN ssn TO s"),
    tells(
        "command",
        "View",
        "CREATE OR REPLACE VIEW main.hr.alices AS SELECT ssn FROM main.hr.people WHERE 1 / (secret - 5) < 0",
    ),
    tells("command", "Volume", "CREATE VOLUME IF NOT EXISTS main.hr.files"),
    tells(
        "command",
        "ExternalLocation",
        "CREATE EXTERNAL LOCATION l URL 'file:///elsewhere/l' WITH (STORAGE CREDENTIAL c)",
    ),
    tells("command", "StorageCredential", "DROP STORAGE CREDENTIAL c"),
    tells(
        "command",
        "Function",
        "CREATE OR REPLACE FUNCTION main.hr.alices_f(i INT) RETURNS STRING RETURN (SELECT max(ssn) FROM main.hr.people WHERE id = i)",
    ),
    tells("command", "Policy", "ALTER TABLE main.hr.people DROP ROW FILTER"),
    tells("command", "TagPolicy", "DROP POLICY p ON CATALOG main"),
    tells("command", "GovernedTag", "DROP GOVERNED TAG level"),
    tells("command", "Tag", "ALTER TABLE main.hr.people ALTER COLUMN ssn UNSET TAGS ('level')"),
    tells(
        "command",
        "PolicyTest",
        "CREATE POLICY TEST of_alice AS USER carol EXPECT 0 ROWS FOR SELECT * FROM main.hr.people WHERE ssn LIKE 'C%'",
    ),
    tells("command", "Access", "REQUEST ACCESS ON TABLE main.hr.people"),
    tells("command", "AccessToken", "CREATE ACCESS TOKEN stolen FOR carol"),
    tells("command", "AccessToken", "SHOW ACCESS TOKENS"),
    tells("command", "Grant", "GRANT SELECT ON TABLE main.hr.people TO bob"),
    tells("command", "Owner", "ALTER TABLE main.hr.people OWNER TO alice"),
    tells("command", "Principal", "ALTER GROUP hr ADD USER alice"),
    tells("command", "Show", "SHOW CATALOGS"),
    tells("command", "Describe", "DESCRIBE TABLE EXTENDED main.hr.people"),
    tells("command", "Session", "USE SCHEMA main.hr"),
    tells("describe", "Table", "DESCRIBE TABLE EXTENDED main.hr.people"),
    tells("describe", "Json", "DESCRIBE TABLE EXTENDED main.hr.people AS JSON"),
    tells("describe", "History", "DESCRIBE HISTORY main.hr.people"),
    tells("describe", "Detail", "DESCRIBE DETAIL main.hr.people"),
    tells("describe", "Column", "DESCRIBE TABLE EXTENDED main.hr.people ssn"),
    tells("describe", "Catalog", "DESCRIBE CATALOG EXTENDED main"),
    tells("describe", "Schema", "DESCRIBE SCHEMA EXTENDED main.hr"),
    tells("describe", "Function", "DESCRIBE FUNCTION EXTENDED main.hr.ssn_of"),
    tells("describe", "Policy", "DESCRIBE POLICY p ON TABLE main.hr.people"),
    tells("describe", "GovernedTag", "DESCRIBE GOVERNED TAG level"),
    tells("describe", "Volume", "DESCRIBE VOLUME main.hr.files"),
    tells("describe", "ExternalLocation", "DESCRIBE EXTERNAL LOCATION l"),
    tells("describe", "StorageCredential", "DESCRIBE STORAGE CREDENTIAL c"),
    tells("describe", "Metastore", "DESCRIBE METASTORE"),
    tells("show", "Catalogs", "SHOW CATALOGS"),
    tells("show", "Metastores", "SHOW METASTORES"),
    tells("show", "Schemas", "SHOW SCHEMAS IN main"),
    tells("show", "Tables", "SHOW TABLES IN main.hr"),
    tells("show", "TableExtended", "SHOW TABLE EXTENDED IN main.hr LIKE 'people'"),
    tells("show", "Views", "SHOW VIEWS IN main.hr"),
    tells("show", "Columns", "SHOW COLUMNS IN main.hr.people"),
    tells("show", "Functions", "SHOW USER FUNCTIONS IN main.gov"),
    tells("show", "Users", "SHOW USERS"),
    tells("show", "ServicePrincipals", "SHOW SERVICE PRINCIPALS"),
    tells("show", "Groups", "SHOW GROUPS"),
    tells("show", "Grants", "SHOW GRANTS ON TABLE main.hr.people"),
    tells("show", "GrantsTo", "SHOW GRANTS TO carol"),
    tells("show", "Volumes", "SHOW VOLUMES IN main.hr"),
    tells("show", "ExternalLocations", "SHOW EXTERNAL LOCATIONS"),
    tells("show", "StorageCredentials", "SHOW STORAGE CREDENTIALS"),
    tells("show", "CreateTable", "SHOW CREATE TABLE main.hr.people"),
    tells("show", "Properties", "SHOW TBLPROPERTIES main.hr.people"),
    tells("show", "GovernedTags", "SHOW GOVERNED TAGS"),
    tells("show", "Policies", "SHOW POLICIES ON TABLE main.hr.people"),
    tells("show", "EffectivePolicies", "SHOW EFFECTIVE POLICIES ON TABLE main.hr.people"),
    tells("session", "UseCatalog", "USE CATALOG main"),
    tells("session", "UseSchema", "USE SCHEMA main.hr"),
    tells("session", "Set", "SET double_quoted_identifiers = true"),
    tells("session", "ReadAt", "SET read_at_snapshot = (SELECT max(ssn) FROM main.hr.people)"),
    tells("session", "ShowSetting", "SET double_quoted_identifiers"),
    tells("session", "Reset", "RESET double_quoted_identifiers"),
];
