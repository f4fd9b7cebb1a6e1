//! One statement of each kind, end to end.

use weir_testkit::{TestServer, block_on};

#[test]
fn a_row_filter_decides_what_each_user_sees() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.people (id INT, region STRING, salary DECIMAL(10,2));
                 INSERT INTO main.default.people VALUES (1, 'north', 10.5), (2, 'south', 20), (3, NULL, 30);
                 CREATE FUNCTION main.default.of_region(region STRING) RETURNS BOOLEAN RETURN is_account_group_member('hr') OR region = 'north';
                 ALTER TABLE main.default.people SET ROW FILTER main.default.of_region ON (region);
                 GRANT USE CATALOG ON CATALOG main TO alice;
                 GRANT USE SCHEMA ON SCHEMA main.default TO alice;
                 GRANT SELECT ON TABLE main.default.people TO alice;
                 GRANT USE CATALOG ON CATALOG main TO carol;
                 GRANT USE SCHEMA ON SCHEMA main.default TO carol;
                 GRANT SELECT ON TABLE main.default.people TO carol",
            )
            .await;
        let sql = "SELECT id, region, salary FROM main.default.people";
        assert_eq!(server.rows("alice", sql).await, ["1 | north | 10.50"]);
        assert_eq!(server.rows("carol", sql).await.len(), 3);
        assert!(server.refused("bob", sql).await.contains("not found"));
        println!("{:#?}", server.sql("alice", &format!("EXPLAIN ANALYZE {sql}")).await.unwrap().lines());
        println!("{:#?}", server.sql("alice", "SELECT * FROM system.query.history").await.unwrap().lines());
        println!("{:#?}", server.sql("admin", "SELECT * FROM system.billing.usage").await.unwrap().count());
    });
}
