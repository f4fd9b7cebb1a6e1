//! What Grafana's Flight SQL data source sends, call by call: its health check, its lists of tables and columns, and the SQL
//! that its macros become.

use arrow::datatypes::{DataType, TimeUnit};
use arrow_flight::sql::{CommandGetSqlInfo, CommandGetTables};
use weir_testkit::{ADMIN, TestServer, block_on};

const GROUND: &str = "
CREATE TABLE main.default.metrics (time TIMESTAMP, host STRING, value DOUBLE);
INSERT INTO main.default.metrics VALUES ('2023-01-01T00:00:01Z', 'a', 1), ('2023-01-01T00:00:09Z', 'a', 3), ('2023-01-01T00:09:59Z', 'a', 5), ('2023-01-01T00:00:02Z', 'secret', 900), ('2023-01-02T00:00:00Z', 'a', 7);
CREATE FUNCTION main.default.open(host STRING) RETURNS BOOLEAN RETURN host <> 'secret';
ALTER TABLE main.default.metrics SET ROW FILTER main.default.open ON (host);
GRANT USE CATALOG ON CATALOG main TO alice;
GRANT USE SCHEMA ON SCHEMA main.default TO alice;
GRANT SELECT ON TABLE main.default.metrics TO alice
";

/// `$__dateBin(time)` and `$__timeFilter(time)`, for ten seconds and ten minutes.
const DATE_BIN: &str = "date_bin(interval '10 second', time, timestamp '1970-01-01T00:00:00Z')";
const TIME_FILTER: &str = "time >= '2023-01-01T00:00:00Z' AND time <= '2023-01-01T00:10:00Z'";

async fn ground() -> TestServer {
    let server = TestServer::start().await;
    server.prepare(GROUND).await;
    server
}

#[test]
fn the_sql_of_each_macro_is_answered() {
    block_on(async {
        let server = ground().await;
        assert_eq!(server.rows("alice", "select 1").await, ["1"]);
        let binned = ["2023-01-01T00:00:00Z | 2.0", "2023-01-01T00:09:50Z | 5.0"];
        for (sql, rows) in [
            // $__dateBin and $__timeFilter
            (format!("select {DATE_BIN}, avg(value) from main.default.metrics where {TIME_FILTER} group by 1"), binned.to_vec()),
            // $__dateBinAlias
            (format!("select {DATE_BIN} as time_binned, avg(value) from main.default.metrics where {TIME_FILTER} group by time_binned"), binned.to_vec()),
            // $__interval, $__timeRangeFrom and $__timeRangeTo
            (
                "select count(*) from main.default.metrics where time - interval '10 second' >= '2023-01-01T00:00:00Z' and time <= '2023-01-01T00:10:00Z'".to_owned(),
                vec!["1"],
            ),
            // $__timeFrom and $__timeTo
            (
                "select count(*) from main.default.metrics where time >= cast('2023-01-01T00:00:00Z' as timestamp) and time < cast('2023-01-01T00:10:00Z' as timestamp)".to_owned(),
                vec!["3"],
            ),
            // $__timeGroup
            (
                "select datepart('minute', time),datepart('hour', time),datepart('day', time),datepart('month', time),datepart('year', time), count(*) from main.default.metrics
                 group by datepart('minute', time),datepart('hour', time),datepart('day', time),datepart('month', time),datepart('year', time)".to_owned(),
                vec!["0 | 0 | 1 | 1 | 2023 | 2", "0 | 0 | 2 | 1 | 2023 | 1", "9 | 0 | 1 | 1 | 2023 | 1"],
            ),
            // $__timeGroupAlias
            (
                "select datepart('day', time) as time_day,datepart('month', time) as time_month,datepart('year', time) as time_year, max(value) from main.default.metrics
                 group by time_day,time_month,time_year".to_owned(),
                vec!["1 | 1 | 2023 | 5.0", "2 | 1 | 2023 | 7.0"],
            ),
        ] {
            assert_eq!(server.rows("alice", &sql).await, rows, "{sql}");
        }
    });
}

#[test]
fn times_are_nanoseconds_where_the_plugin_needs_them() {
    block_on(async {
        let server = ground().await;
        let client = server.client("alice");
        let time = async |sql: String| {
            let rows = client.statement(&sql).await.unwrap();
            rows.schema.field(0).data_type().clone()
        };
        let plain = time("SELECT time FROM main.default.metrics".to_owned()).await;
        assert_eq!(plain, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        // It takes every timestamp for nanoseconds. What its own macro gives are such, a column is by a function.
        let binned = time(format!("SELECT {DATE_BIN} FROM main.default.metrics")).await;
        assert_eq!(binned, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
        let made = "SELECT to_timestamp_nanos(time) AS time FROM main.default.metrics";
        assert!(matches!(time(made.to_owned()).await, DataType::Timestamp(TimeUnit::Nanosecond, _)));
    });
}

#[test]
fn an_interval_says_its_units_inside_or_after_its_text() {
    block_on(async {
        let server = ground().await;
        for (interval, day) in [
            ("INTERVAL '24 hour'", 2),
            ("interval '1 Day'", 2),
            ("INTERVAL '1 day 23 hours 60 minutes'", 3),
            ("INTERVAL '1' DAY", 2),
            ("INTERVAL 1 + 1 DAY", 3),
            ("INTERVAL '-1 day' + INTERVAL '2 days'", 2),
        ] {
            let sql = format!("SELECT date_part('day', TIMESTAMP '2023-01-01T00:00:00Z' + {interval})");
            assert_eq!(server.rows("alice", &sql).await, [day.to_string()], "{interval}");
        }
        for interval in [
            "INTERVAL '60'",
            "INTERVAL '1 day 5'",
            "INTERVAL 60",
            "INTERVAL '1 parsec'",
            "INTERVAL '1 day' HOUR",
        ] {
            let told = server.refused("alice", &format!("SELECT {interval}")).await;
            assert!(told.starts_with("[PARSE_SYNTAX_ERROR]") && told.contains("unit"), "{interval}: {told}");
        }
        // It is stored as it is written.
        server.done(ADMIN, "CREATE VIEW main.default.later AS SELECT TIMESTAMP '2023-01-01T00:00:00Z' + INTERVAL '90 minutes' AS t").await;
        assert_eq!(server.rows(ADMIN, "SELECT date_part('minute', t) FROM main.default.later").await, ["30"]);
    });
}

#[test]
fn its_lists_show_what_the_user_may_see() {
    block_on(async {
        let server = ground().await;
        let tables = async |user: &str| {
            let types = ["BASE TABLE", "table"].map(str::to_owned).to_vec();
            let command = CommandGetTables { table_types: types, ..CommandGetTables::default() };
            server.client(user).ask(&command).await.unwrap().lines()
        };
        assert!(tables("alice").await.iter().any(|line| line.contains("| metrics | TABLE")));
        assert!(!tables("bob").await.iter().any(|line| line.contains("metrics")));
        let columns = async |user: &str| {
            let command = CommandGetTables {
                table_name_filter_pattern: Some("metrics".to_owned()),
                include_schema: true,
                ..CommandGetTables::default()
            };
            server.client(user).ask(&command).await.unwrap().count()
        };
        assert_eq!((columns("alice").await, columns("bob").await), (1, 0));
        let info = server.client("alice").ask(&CommandGetSqlInfo { info: Vec::new() }).await.unwrap();
        assert!(info.count() > 0);
    });
}
