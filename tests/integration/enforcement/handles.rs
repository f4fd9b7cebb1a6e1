//! Tickets and prepared statements across users, policies and grants: every use is under the
//! rights of that moment and of that caller.

use arrow_flight::sql::{CommandPreparedStatementQuery, CommandStatementQuery};
use tonic::Code;
use weir_testkit::block_on;

use super::People;

const ALL: &str = "SELECT id, ssn FROM main.hr.people";

#[test]
fn a_prepared_statement_follows_a_policy_that_changes() {
    block_on(async {
        let people = People::ground().await;
        let alice = people.client("alice");
        let prepared = alice.prepare(ALL).await.unwrap();
        let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
        let early = alice.info(&command).await.unwrap().endpoint.remove(0).ticket.unwrap();
        assert_eq!(alice.run(&prepared.handle).await.unwrap().sorted(), ["1 | ***", "2 | ***", "3 | ***"]);

        people
            .server
            .prepare(
                "CREATE FUNCTION main.gov.one(id INT) RETURNS BOOLEAN RETURN id = 1;
                 ALTER TABLE main.hr.people DROP ROW FILTER;
                 ALTER TABLE main.hr.people SET ROW FILTER main.gov.one ON (id)",
            )
            .await;
        assert_eq!(alice.run(&prepared.handle).await.unwrap().sorted(), ["1 | ***"]);
        assert_eq!(alice.fetch(early).await.unwrap().sorted(), ["1 | ***"]);

        people.server.prepare("CREATE FUNCTION main.gov.stars(v STRING) RETURNS STRING RETURN '#'").await;
        people.server.prepare("ALTER TABLE main.hr.people ALTER COLUMN ssn DROP MASK").await;
        people.server.prepare("ALTER TABLE main.hr.people ALTER COLUMN ssn SET MASK main.gov.stars").await;
        assert_eq!(alice.run(&prepared.handle).await.unwrap().sorted(), ["1 | #"]);
    });
}

#[test]
fn a_prepared_statement_ends_with_its_grant() {
    block_on(async {
        let people = People::ground().await;
        let alice = people.client("alice");
        let prepared = alice.prepare(ALL).await.unwrap();
        let statement = CommandStatementQuery { query: ALL.to_owned(), transaction_id: None };
        let ticket = alice.info(&statement).await.unwrap().endpoint.remove(0).ticket.unwrap();
        people.server.prepare("REVOKE SELECT ON TABLE main.hr.people FROM alice").await;
        for told in [alice.run(&prepared.handle).await, alice.fetch(ticket).await, alice.statement(ALL).await]
        {
            let refusal = told.unwrap_err();
            assert!([Code::PermissionDenied, Code::NotFound].contains(&refusal.code), "{refusal:?}");
        }
        people.server.prepare("GRANT SELECT ON TABLE main.hr.people TO alice").await;
        assert_eq!(alice.run(&prepared.handle).await.unwrap().count(), 3);
    });
}

#[test]
fn leaving_a_group_holds_for_the_next_call() {
    block_on(async {
        let people = People::ground().await;
        let carol = people.client("carol");
        let prepared = carol.prepare(ALL).await.unwrap();
        assert_eq!(carol.run(&prepared.handle).await.unwrap().count(), 6);
        people.server.prepare("ALTER GROUP hr DROP USER carol").await;
        assert_eq!(carol.run(&prepared.handle).await.unwrap().sorted(), ["1 | ***", "2 | ***", "3 | ***"]);
        people.server.prepare("ALTER USER carol DISABLE").await;
        assert_eq!(carol.run(&prepared.handle).await.unwrap_err().code, Code::Unauthenticated);
    });
}

#[test]
fn a_stolen_ticket_or_handle_is_not_found() {
    block_on(async {
        let people = People::ground().await;
        let (alice, bob, carol) = (people.client("alice"), people.client("bob"), people.client("carol"));
        let statement = CommandStatementQuery { query: ALL.to_owned(), transaction_id: None };
        let ticket = carol.info(&statement).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let handle = carol.prepare(ALL).await.unwrap().handle;
        let mut changed = ticket.ticket.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        let changed = arrow_flight::Ticket { ticket: changed.into() };

        let mut texts = Vec::new();
        for thief in [&alice, &bob] {
            texts.push(thief.fetch(ticket.clone()).await.unwrap_err());
            texts.push(thief.run(&handle).await.unwrap_err());
            texts.push(thief.fetch(changed.clone()).await.unwrap_err());
            let values = arrow::array::RecordBatch::new_empty(arrow::datatypes::Schema::empty().into());
            texts.push(thief.bind(&handle, &values).await.unwrap_err());
            texts.push(thief.run_update(&handle, None).await.unwrap_err());
        }
        texts.push(carol.fetch(changed).await.unwrap_err());
        texts.push(carol.run(&bytes::Bytes::from_static(b"guess")).await.unwrap_err());
        for refusal in &texts {
            assert_eq!(refusal.code, Code::NotFound, "{refusal:?}");
            assert_eq!(refusal.text, texts[0].text, "one text for all");
        }
        // a thief closes nothing
        alice.close(&handle).await.unwrap();
        assert_eq!(carol.run(&handle).await.unwrap().count(), 6);
        assert_eq!(carol.fetch(ticket).await.unwrap().count(), 6);
    });
}

#[test]
fn a_ticket_and_a_handle_expire() {
    block_on(async {
        let people = People::ground().await;
        let day = std::time::Duration::from_secs(30 * 3600);
        let alice = people.server.anonymous().with_token(&people.server.token_living("alice", day));
        let statement = CommandStatementQuery { query: ALL.to_owned(), transaction_id: None };
        let ticket = alice.info(&statement).await.unwrap().endpoint.remove(0).ticket.unwrap();
        let handle = alice.prepare(ALL).await.unwrap().handle;
        people.server.clock().advance(chrono::Duration::minutes(16));
        assert_eq!(alice.fetch(ticket).await.unwrap_err().code, Code::NotFound);
        assert_eq!(alice.run(&handle).await.unwrap().count(), 3);
        people.server.clock().advance(chrono::Duration::hours(25));
        assert_eq!(alice.run(&handle).await.unwrap_err().code, Code::NotFound);
    });
}

#[test]
fn a_session_cookie_of_another_user_is_no_session() {
    block_on(async {
        let people = People::ground().await;
        let anonymous = people.server.anonymous();
        let carol = people.client("carol");
        let request = carol.request(arrow_flight::FlightDescriptor::new_cmd("SELECT 1"));
        let answer = carol.raw().get_flight_info(request).await.unwrap();
        let cookie = answer.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let alone = anonymous.with_cookie(&cookie);
        assert_eq!(alone.statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        let alice = people.client("alice").with_cookie(&cookie);
        assert_eq!(alice.statement("SELECT current_user()").await.unwrap().value(), "alice");
        assert_eq!(alice.statement("SELECT count(*) FROM main.hr.people").await.unwrap().value(), "3");
    });
}

#[test]
fn headers_that_name_a_user_are_not_believed() {
    block_on(async {
        let people = People::ground().await;
        for name in ["x-forwarded-user", "x-forwarded-email", "x-remote-user", "user", "x-weir-user"] {
            let alice = people.client("alice").with_header(name, "carol");
            assert_eq!(alice.statement("SELECT current_user()").await.unwrap().value(), "alice");
            let nobody = people.server.anonymous().with_header(name, "carol");
            assert_eq!(nobody.statement("SELECT 1").await.unwrap_err().code, Code::Unauthenticated);
        }
        let both =
            people.client("alice").with_header("x-forwarded-access-token", people.server.token("carol"));
        assert_eq!(both.statement("SELECT current_user()").await.unwrap_err().code, Code::Unauthenticated);
        let same =
            people.client("alice").with_header("x-forwarded-access-token", people.server.token("alice"));
        assert_eq!(same.statement("SELECT current_user()").await.unwrap().value(), "alice");
        let forwarded =
            people.server.anonymous().with_header("x-forwarded-access-token", people.server.token("alice"));
        assert_eq!(forwarded.statement("SELECT current_user()").await.unwrap().value(), "alice");
    });
}
