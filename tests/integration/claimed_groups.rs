//! Groups that a token claims for its subject: they hold wherever a group holds, for that token alone, and reach neither
//! rank, nor plans and results of others, nor what runs with the rights of an owner.

use arrow_flight::sql::{CommandGetTables, CommandStatementQuery};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tonic::Code;
use weir_server::clock::Clock;
use weir_server::config::{Config, Issuer};
use weir_testkit::{ADMIN, Client, IdentityProvider, Setup, TestServer, block_on};

/// Bob and alice hold the same by themselves; dave too, who is an analyst by the catalog. Analysts read `s`, see all rows of
/// `t` with salaries, and may give `s` away.
const GROUND: &str = "
CREATE USER dave;
CREATE GROUP analysts;
CREATE GROUP readers;
CREATE GROUP admins;
ALTER GROUP analysts ADD USER dave;
ALTER GROUP readers ADD GROUP analysts;
ALTER METASTORE OWNER TO admins;
CREATE TABLE main.default.t (region STRING, salary INT);
INSERT INTO main.default.t VALUES ('north', 10), ('south', 20);
CREATE FUNCTION main.default.seen(region STRING) RETURNS BOOLEAN RETURN region = 'north' OR is_account_group_member('readers');
CREATE FUNCTION main.default.told(salary INT) RETURNS INT RETURN CASE WHEN is_member('analysts') THEN salary END;
ALTER TABLE main.default.t SET ROW FILTER main.default.seen ON (region);
ALTER TABLE main.default.t ALTER COLUMN salary SET MASK main.default.told;
CREATE CATALOG closed;
CREATE SCHEMA closed.own;
CREATE TABLE closed.own.s (x INT);
INSERT INTO closed.own.s VALUES (1), (2), (3);
CREATE TABLE main.default.u (x INT);
INSERT INTO main.default.u VALUES (7);
CREATE POLICY hidden ON TABLE main.default.u COLUMN MASK system.policy.mask_null TO `account users` EXCEPT analysts FOR TABLES MATCH COLUMNS TRUE AS c ON COLUMN c;
CREATE VIEW main.default.v AS SELECT x FROM closed.own.s WHERE is_account_group_member('analysts');
GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`;
GRANT SELECT ON TABLE main.default.t TO `account users`;
GRANT SELECT ON TABLE main.default.u TO `account users`;
GRANT SELECT ON VIEW main.default.v TO `account users`;
GRANT USE CATALOG, USE SCHEMA ON CATALOG closed TO readers;
GRANT SELECT, MODIFY, MANAGE ON TABLE closed.own.s TO readers";

struct Ground {
    server: TestServer,
    provider: IdentityProvider,
    other: IdentityProvider,
}

fn naming(provider: &IdentityProvider, groups: &[(&str, &str)]) -> Issuer {
    let groups = groups.iter().map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned())).collect();
    Issuer { groups_claim: Some("groups".to_owned()), groups, ..provider.configured() }
}

async fn ground() -> Ground {
    let (provider, other) = (IdentityProvider::start().await, IdentityProvider::start().await);
    let mut config = Config::default();
    config.identity.issuers = vec![
        naming(&provider, &[("idp-analysts", "analysts"), ("idp-admins", "admins"), ("idp-bob", "bob")]),
        naming(&other, &[("idp-hr", "hr")]),
    ];
    let server = TestServer::start_with(Setup { config, ..Setup::default() }).await;
    server.prepare(GROUND).await;
    Ground { server, provider, other }
}

impl Ground {
    fn token(&self, user: &str, names: Value) -> String {
        self.provider.token("first", user, self.server.clock().now(), &json!({"groups": names}))
    }

    fn client(&self, user: &str, names: Value) -> Client {
        self.server.anonymous().with_token(&self.token(user, names))
    }

    /// Bob, an analyst by his token.
    fn member(&self) -> Client {
        self.client("bob", json!(["idp-analysts"]))
    }

    /// Bob, with a token that says nothing of analysts.
    fn plain(&self) -> Client {
        self.client("bob", json!(["idp-others"]))
    }
}

async fn told(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    match client.statement(sql).await {
        Ok(rows) => Ok(rows.sorted()),
        Err(refusal) => Err(refusal.text),
    }
}

/// Questions to which an analyst and another get different answers.
const QUESTIONS: &[&str] = &[
    "SELECT region, salary FROM main.default.t",
    "SELECT count(*) FROM main.default.t WHERE salary > 0",
    "SELECT count(*) FROM closed.own.s",
    "SELECT x FROM main.default.u",
    "SELECT x FROM main.default.v",
    "SELECT is_account_group_member('analysts') AS a, is_member('readers') AS r, is_member('hr') AS h",
    "SELECT g, is_member(g) AS m FROM (VALUES ('analysts'), ('hr')) AS v(g)",
    "SHOW GROUPS",
    "SHOW TABLES IN closed.own",
    "SHOW GRANTS ON TABLE closed.own.s",
    "DESCRIBE closed.own.s",
    "EXPLAIN POLICY FOR TABLE main.default.u",
    "SELECT catalog_name FROM system.information_schema.catalogs",
    "SELECT grantee, privilege_type FROM system.information_schema.table_privileges WHERE grantee = 'readers'",
    "SELECT * FROM system.access.effective_privileges WHERE grantee = 'readers'",
    "INSERT INTO closed.own.s SELECT x FROM closed.own.s WHERE x > 3",
    "SELECT count(*) FROM closed.own.s VERSION AS OF 1",
];

#[test]
fn a_claimed_group_holds_wherever_a_group_holds() {
    block_on(async {
        let ground = ground().await;
        let (member, plain) = (ground.member(), ground.plain());
        let (stored, alice) = (ground.server.client("dave"), ground.server.client("alice"));
        for question in QUESTIONS {
            let answer = told(&member, question).await;
            assert!(answer.is_ok(), "{question}: {answer:?}");
            assert_eq!(answer, told(&stored, question).await, "{question}");
            let without = told(&plain, question).await;
            assert_eq!(without, told(&alice, question).await, "{question}");
            assert_ne!(answer, without, "{question}");
        }
        assert_eq!(told(&member, "SELECT region, salary FROM main.default.t").await.unwrap().len(), 2);
        let listed = async |client: &Client| {
            let tables = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
            client.ask(&tables).await.unwrap().lines().iter().any(|line| line.contains("| s |"))
        };
        assert!(listed(&member).await && !listed(&plain).await);
        // Changes of the catalog are decided likewise, and the trail says by which claim.
        let gives = "GRANT SELECT ON TABLE closed.own.s TO carol";
        assert_eq!(plain.update(gives).await.unwrap_err().code, Code::NotFound);
        assert_eq!(alice.update(gives).await.unwrap_err().code, Code::NotFound);
        member.update(gives).await.unwrap();
        let given = ground.server.rows(ADMIN, "SHOW GRANTS carol ON TABLE closed.own.s").await;
        assert_eq!(given, ["carol | SELECT | TABLE | closed.own.s"]);
        let trail = "SELECT request_params['claimed_groups'] AS claimed, user_identity.email AS who \
                     FROM system.access.audit WHERE action_name = 'updatePermissions' \
                     AND request_params['claimed_groups'] IS NOT NULL";
        assert_eq!(ground.server.rows(ADMIN, trail).await, ["analysts | bob"]);
    });
}

#[test]
fn a_claim_counts_as_configured_and_reaches_no_rank() {
    block_on(async {
        let ground = ground().await;
        let server = &ground.server;
        let now = server.clock().now();
        let groups = async |client: &Client| told(client, "SHOW GROUPS").await;
        let none = groups(&ground.plain()).await.unwrap();
        assert!(!none.join(" ").contains("analysts"), "{none:?}");
        let elsewhere = |names: Value| {
            server.anonymous().with_token(&ground.other.token("first", "bob", now, &json!({"groups": names})))
        };
        for client in [
            ground.client("bob", json!(["analysts", "readers", "admins", "hr", "account users"])),
            ground.client("bob", json!(["IDP-ANALYSTS", "idp-analysts ", "idp-hr", "idp-bob"])),
            ground.client("bob", json!("idp-analysts,idp-hr")),
            ground.client("bob", json!([])),
            elsewhere(json!(["idp-analysts", "analysts", "idp-admins"])),
            // A group that is the metastore admin is not claimed, whatever is configured.
            ground.client("bob", json!(["idp-admins"])),
        ] {
            assert_eq!(groups(&client).await.unwrap(), none);
            let refusal = client.statement("SELECT * FROM closed.own.s").await.unwrap_err();
            assert_eq!(refusal.code, Code::NotFound);
            assert_eq!(client.update("CREATE CATALOG mine").await.unwrap_err().code, Code::PermissionDenied);
        }
        assert!(groups(&elsewhere(json!(["idp-hr"]))).await.unwrap().contains(&"hr".to_owned()));
        for names in
            [json!(7), json!({"idp-analysts": true}), json!(["idp-analysts", null]), json!(vec!["x"; 1001])]
        {
            let refusal = ground.client("bob", names).statement("SELECT 1").await.unwrap_err();
            assert_eq!(refusal.code, Code::Unauthenticated, "{refusal:?}");
        }
        // Once the group is one of administrators, or is gone, it gives nothing from the next call on.
        let member = ground.member();
        assert!(groups(&member).await.unwrap().contains(&"analysts".to_owned()));
        server.done(ADMIN, "ALTER GROUP admins ADD GROUP analysts").await;
        assert_eq!(groups(&member).await.unwrap(), none);
        assert_eq!(member.update("CREATE CATALOG mine").await.unwrap_err().code, Code::PermissionDenied);
        server.done(ADMIN, "ALTER GROUP admins DROP GROUP analysts").await;
        assert!(groups(&member).await.unwrap().contains(&"analysts".to_owned()));
        server
            .prepare(
                "DROP POLICY hidden ON TABLE main.default.u;
                 DROP VIEW main.default.v;
                 ALTER TABLE main.default.t ALTER COLUMN salary DROP MASK;
                 DROP FUNCTION main.default.told;
                 DROP GROUP analysts",
            )
            .await;
        assert_eq!(groups(&member).await.unwrap(), none);
        assert_eq!(member.statement("SELECT * FROM closed.own.s").await.unwrap_err().code, Code::NotFound);
    });
}

#[test]
fn nobody_meets_the_plan_result_or_handle_of_a_member() {
    block_on(async {
        let ground = ground().await;
        let (member, plain) = (ground.member(), ground.plain());
        let rows = "SELECT region, salary FROM main.default.t ORDER BY region";
        let of_all = async |client: &Client| client.statement(rows).await.unwrap().lines();
        let (shown, hidden) = (of_all(&member).await, of_all(&plain).await);
        assert_eq!(shown, ["north | 10", "south | 20"]);
        assert_eq!((hidden.len(), hidden[0].contains("10")), (1, false));
        for _ in 0..4 {
            assert_eq!((of_all(&member).await, of_all(&plain).await), (shown.clone(), hidden.clone()));
            assert_eq!(member.prepared(rows).await.unwrap().lines(), shown);
            assert_eq!(plain.prepared(rows).await.unwrap().lines(), hidden);
        }
        // A handle and a ticket are the user's, and worth what the token in the call is worth.
        let handle = member.prepare(rows).await.unwrap().handle;
        assert_eq!(member.run(&handle).await.unwrap().lines(), shown);
        assert_eq!(plain.run(&handle).await.unwrap().lines(), hidden);
        let command = CommandStatementQuery { query: rows.to_owned(), transaction_id: None };
        let ticket =
            async |client: &Client| client.info(&command).await.unwrap().endpoint[0].ticket.clone().unwrap();
        let (of_member, of_plain) = (ticket(&member).await, ticket(&plain).await);
        assert_eq!(plain.fetch(of_member.clone()).await.unwrap().lines(), hidden);
        assert_eq!(member.fetch(of_plain).await.unwrap().lines(), shown);
        assert_eq!(member.fetch(of_member.clone()).await.unwrap().lines(), shown);
        let secret =
            CommandStatementQuery { query: "SELECT x FROM closed.own.s".to_owned(), transaction_id: None };
        let ticket = member.info(&secret).await.unwrap().endpoint[0].ticket.clone().unwrap();
        assert_eq!(member.fetch(ticket.clone()).await.unwrap().count(), 3);
        assert_eq!(plain.fetch(ticket.clone()).await.unwrap_err().code, Code::NotFound);
        // Access ends when the token does.
        ground.server.clock().advance(TimeDelta::minutes(10));
        assert_eq!(member.statement(rows).await.unwrap().lines(), shown);
        ground.server.clock().advance(TimeDelta::hours(24));
        assert_eq!(member.statement(rows).await.unwrap_err().code, Code::Unauthenticated);
        let later = ground.plain();
        assert_eq!(later.statement(rows).await.unwrap().lines(), hidden);
        assert_eq!(later.statement("SELECT x FROM closed.own.s").await.unwrap_err().code, Code::NotFound);
    });
}

#[test]
fn what_runs_with_an_owners_rights_has_nothing_of_a_claim() {
    block_on(async {
        let ground = ground().await;
        let (server, member) = (&ground.server, ground.member());
        server
            .prepare(
                "GRANT CREATE TABLE, CREATE FUNCTION ON SCHEMA main.default TO bob;
                 CREATE VIEW main.default.bobs AS SELECT x FROM closed.own.s;
                 CREATE FUNCTION main.default.most() RETURNS INT RETURN (SELECT max(x) FROM closed.own.s);
                 GRANT SELECT ON VIEW main.default.bobs TO `account users`;
                 GRANT EXECUTE ON FUNCTION main.default.most TO `account users`;
                 ALTER VIEW main.default.bobs OWNER TO bob;
                 ALTER FUNCTION main.default.most OWNER TO bob",
            )
            .await;
        assert_eq!(member.statement("SELECT max(x) FROM closed.own.s").await.unwrap().value(), "3");
        // A view or a function means the same for whoever asks, also for the member who owns it.
        for sql in ["SELECT * FROM main.default.bobs", "SELECT main.default.most()"] {
            for client in [&member, &ground.plain(), &server.client("dave"), &server.client(ADMIN)] {
                assert!(client.statement(sql).await.is_err(), "{sql}");
            }
        }
        // So none is made that could not run.
        for sql in [
            "CREATE VIEW main.default.w AS SELECT x FROM closed.own.s",
            "CREATE FUNCTION main.default.w() RETURNS INT RETURN (SELECT max(x) FROM closed.own.s)",
        ] {
            let refusal = member.update(sql).await.unwrap_err();
            assert_eq!(refusal.code, Code::NotFound, "{sql}: {refusal:?}");
        }
        server.prepare("ALTER GROUP analysts ADD USER bob").await;
        assert_eq!(
            server.client("alice").statement("SELECT main.default.most()").await.unwrap().value(),
            "3"
        );
        assert_eq!(
            server.client("alice").statement("SELECT max(x) FROM main.default.bobs").await.unwrap().value(),
            "3"
        );
        server.prepare("ALTER GROUP analysts DROP USER bob").await;
        // What the member makes by the claim is of the moment.
        member.update("CREATE TABLE main.default.copied AS SELECT x FROM closed.own.s").await.unwrap();
        assert_eq!(
            ground.plain().statement("SELECT max(x) FROM main.default.copied").await.unwrap().value(),
            "3"
        );
    });
}

#[test]
fn who_runs_as_another_takes_no_claim_along_and_finds_none() {
    block_on(async {
        let ground = ground().await;
        let server = &ground.server;
        server.prepare("GRANT IMPERSONATE ON METASTORE TO alice").await;
        server
            .done(
                "alice",
                "CREATE POLICY TEST of_bob AS USER bob EXPECT 1 ROW FOR SELECT * FROM main.default.t",
            )
            .await;
        let asked = "SELECT current_user() AS who, is_member('analysts') AS member, count(*) AS n FROM main.default.t GROUP BY ALL";
        let alice = ground.client("alice", json!(["idp-analysts"]));
        assert_eq!(alice.statement(asked).await.unwrap().lines(), ["alice | true | 2"]);
        for user in ["bob", "alice"] {
            let as_user = format!("EXECUTE AS USER {user} {asked}");
            assert_eq!(alice.statement(&as_user).await.unwrap().lines(), [format!("{user} | false | 1")]);
            let refusal =
                alice.statement(&format!("EXECUTE AS USER {user} SELECT * FROM closed.own.s")).await;
            assert_eq!(refusal.unwrap_err().code, Code::NotFound);
        }
        let tests = alice.statement("RUN POLICY TESTS").await.unwrap().lines().join("\n");
        assert!(tests.contains("of_bob | bob | true"), "{tests}");
        // What is told of a user is told by the catalog, whoever asks.
        let about =
            alice.statement("EXPLAIN POLICY FOR TABLE main.default.u AS USER bob").await.unwrap().lines();
        assert!(about.iter().all(|line| !line.contains("exempt")), "{about:?}");
    });
}
