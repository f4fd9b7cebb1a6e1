//! The books: usage and history agree to the last digit, whatever becomes of statements.

mod ledger;
mod process;

use weir_testkit::{Client, Refusal};

/// Fails unless usage and history agree: in sum, by product, and statement by statement.
async fn reconcile(client: &Client) {
    let totals = "SELECT (SELECT sum(usage_quantity) FROM system.billing.usage) AS used, \
                  (SELECT sum(filtering_dbus) + sum(sql_dbus) FROM system.query.history) AS told";
    let by_product = "SELECT billing_origin_product, identity_metadata.run_as AS who, sum(usage_quantity) AS q \
                      FROM system.billing.usage GROUP BY ALL HAVING sum(usage_quantity) <> 0";
    let by_statement = "SELECT 'FINE_GRAINED_ACCESS_CONTROL' AS p, executed_as AS who, sum(filtering_dbus) AS q FROM system.query.history GROUP BY ALL HAVING sum(filtering_dbus) <> 0 \
                        UNION ALL SELECT 'SQL' AS p, executed_as AS who, sum(sql_dbus) AS q FROM system.query.history GROUP BY ALL HAVING sum(sql_dbus) <> 0";
    // each of these is a statement itself and enters the books: all numbers come from one
    let sql = format!(
        "SELECT 'total' AS kind, CAST(used AS STRING) AS a, CAST(told AS STRING) AS b, CAST(used = told AS STRING) AS c FROM ({totals}) \
         UNION ALL SELECT 'differs' AS kind, coalesce(u.who, h.who) AS a, CAST(u.q AS STRING) AS b, CAST(h.q AS STRING) AS c \
         FROM ({by_product}) u FULL JOIN ({by_statement}) h ON u.billing_origin_product = h.p AND u.who = h.who \
         WHERE u.q IS NULL OR h.q IS NULL OR u.q <> h.q"
    );
    let rows = client.statement(&sql).await.unwrap_or_else(|Refusal { text, .. }| panic!("{text}"));
    let lines = rows.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("total | 0.") && lines[0].ends_with(" | true"), "{lines:?}");
}
