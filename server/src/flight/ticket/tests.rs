//! A token opens for its principal, for its purpose, in its time, unchanged; else *not found*.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test is a panic")]

use super::*;
use crate::error::Condition;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn statement() -> Statement {
    let session = SessionSettings {
        catalog: "sales".to_owned(),
        schema: "eu".to_owned(),
        double_quoted_identifiers: true,
        use_cached_result: false,
        accepted: [("a".to_owned(), "b".to_owned())].into(),
        read_at: Some(-5),
    };
    Statement {
        sql: "SELECT 1".to_owned(),
        session: (&session).into(),
        parameters: Some(Bytes::from_static(b"ipc")),
        prepared: None,
    }
}

fn token(principal: PrincipalId) -> Token {
    let content = Content::Rows(statement());
    Token::new(principal, Epoch(7), Some(now() + TICKET_LIFE), content).unwrap()
}

fn refused(result: Result<Token>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.condition(), Condition::HandleNotFound);
    error.to_string()
}

#[test]
fn a_token_comes_back_whole() {
    let (seal, alice) = (Seal::new([1; 32]), PrincipalId::fresh());
    let token = token(alice);
    let sealed = token.seal(&seal, Purpose::Ticket).unwrap();
    let sealed = from_ticket(&into_ticket(sealed)).unwrap();
    let opened = Token::open(&seal, Purpose::Ticket, &sealed, alice, now()).unwrap();
    assert_eq!(opened, token);
    let Content::Rows(found) = opened.content().unwrap() else { unreachable!() };
    assert_eq!(SessionSettings::from(found.session.clone()).catalog, "sales");
    assert_eq!(opened.epoch(), Epoch(7));
}

#[test]
fn everything_else_is_not_found_with_one_text() {
    let (seal, alice) = (Seal::new([1; 32]), PrincipalId::fresh());
    let sealed = token(alice).seal(&seal, Purpose::Ticket).unwrap();
    let later = now() + TICKET_LIFE;
    let texts = [
        refused(Token::open(&seal, Purpose::Ticket, &sealed, PrincipalId::fresh(), now())),
        refused(Token::open(&seal, Purpose::Ticket, &sealed, alice, later)),
        refused(Token::open(&seal, Purpose::Prepared, &sealed, alice, now())),
        refused(Token::open(&Seal::new([2; 32]), Purpose::Ticket, &sealed, alice, now())),
        refused(Token::open(&seal, Purpose::Ticket, b"", alice, now())),
        refused(Token::open(&seal, Purpose::Ticket, &[0; 200], alice, now())),
        from_ticket(&arrow_flight::Ticket { ticket: Bytes::from_static(b"guess") }).unwrap_err().to_string(),
    ];
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn a_token_with_any_byte_changed_does_not_open() {
    let (seal, alice) = (Seal::new([1; 32]), PrincipalId::fresh());
    let sealed = token(alice).seal(&seal, Purpose::Ticket).unwrap();
    for position in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[position] ^= 1;
        refused(Token::open(&seal, Purpose::Ticket, &changed, alice, now()));
    }
    refused(Token::open(&seal, Purpose::Ticket, &sealed[..sealed.len() - 1], alice, now()));
}

#[test]
fn nothing_of_the_content_can_be_read_in_a_sealed_token() {
    let (seal, alice) = (Seal::new([1; 32]), PrincipalId::fresh());
    let sealed = token(alice).seal(&seal, Purpose::Ticket).unwrap();
    assert!(!sealed.windows(6).any(|window| window == b"SELECT"));
    let again = token(alice).seal(&seal, Purpose::Ticket).unwrap();
    assert_ne!(sealed, again);
}

#[test]
fn a_ticket_that_is_fetched_at_once_is_as_new_as_when_it_was_told() {
    let token = token(PrincipalId::fresh());
    let after = |millis| token.told_lately(now() + Duration::milliseconds(millis));
    assert_eq!(after(0), Some(now()));
    assert_eq!(after(5_000), Some(now()));
    assert_eq!(after(5_001), None);
    assert_eq!(after(-1), None, "a clock that was set back");
    let renewed = token.living_until(now() + Duration::seconds(60) + TICKET_LIFE);
    assert_eq!(renewed.told_lately(now() + Duration::seconds(61)), Some(now() + Duration::seconds(60)));
}
