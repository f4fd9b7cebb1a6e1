//! Statements that would bring a server down are refused, and the server goes on.

use weir_testkit::{TestServer, block_on};

#[test]
fn a_plan_that_doubles_with_each_cte_is_refused_before_it_is_planned() {
    block_on(async {
        let server = TestServer::start().await;
        let mut text = "WITH c0 AS (SELECT 1 AS id)".to_owned();
        for level in 1..25 {
            let below = level - 1;
            text.push_str(&format!(", c{level} AS (SELECT a.id FROM c{below} a, c{below} b)"));
        }
        text.push_str(" SELECT count(*) FROM c24");
        let refusal = server.sql("admin", &text).await.unwrap_err();
        assert!(refusal.text.contains("RESOURCE_EXHAUSTED"), "{}", refusal.text);
        assert!(server.sql("admin", "SELECT 1").await.is_ok());
    });
}
