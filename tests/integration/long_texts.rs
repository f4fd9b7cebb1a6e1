//! Long texts of statements in the books.

use weir_testkit::{ADMIN, TestServer, block_on};

#[test]
fn of_a_long_statement_the_books_keep_the_beginning() {
    block_on(async {
        let server = TestServer::start().await;
        let long = format!("SELECT 1 /* {} */", "ü".repeat(60_000));
        assert_eq!(server.rows(ADMIN, &long).await, ["1"]);
        assert_eq!(server.rows(ADMIN, "SELECT 2 /* ü */").await, ["2"]);
        let kept = "SELECT DISTINCT statement_text LIKE '%(120015 bytes)' AS cut, octet_length(statement_text) <= 65536 AS fits
            FROM system.query.history WHERE statement_text LIKE 'SELECT 1 /* üü%'";
        assert_eq!(server.rows(ADMIN, kept).await, ["true | true"]);
        let whole = "SELECT DISTINCT statement_text FROM system.query.history WHERE statement_text LIKE 'SELECT 2 /* ü%'";
        assert_eq!(server.rows(ADMIN, whole).await, ["SELECT 2 /* ü */"]);
    });
}
