//! Every way in has its attack. The list of ways is the server's own (`weir_server::ways_in`): what is added there and is
//! not attacked here fails.

mod attacks;
mod protocol;

use std::collections::BTreeSet;

use weir_server::ways_in::{WayIn, server_tables, ways_in};
use weir_testkit::{Way, block_on, read_parquet_folder, text_of as text_of_rows};

use super::{People, canary_in, text_of};
use attacks::{ATTACKS, SET_UP, WayAttack};

async fn ground() -> People {
    let people = People::ground().await;
    people.server.prepare(SET_UP).await;
    people
}

/// What of the hidden rows must never change, as carol sees it.
const HIDDEN: &str =
    "SELECT id, name, region, ssn, salary, secret, born FROM main.hr.people WHERE id >= 77700";

#[test]
fn every_way_in_has_an_attack() {
    let attacked: BTreeSet<WayIn> = ATTACKS.iter().map(|attack| attack.way).collect();
    let (protocol, spoken): (Vec<WayIn>, Vec<WayIn>) =
        ways_in().into_iter().partition(|way| protocol::SETS.contains(&way.set));
    let missing: Vec<&WayIn> = spoken.iter().filter(|way| !attacked.contains(way)).collect();
    assert!(missing.is_empty(), "no attack is run through {missing:?}");
    let stale: Vec<&WayIn> = attacked.iter().filter(|way| !spoken.contains(way)).collect();
    assert!(stale.is_empty(), "no way in has the name of {stale:?}");
    assert!(protocol.len() > 30, "{protocol:?}");
}

#[test]
fn no_statement_is_a_way_to_what_is_hidden() {
    block_on(async {
        let people = ground().await;
        let before = people.server.rows("carol", HIDDEN).await;
        assert_eq!(before.len(), 3);
        let mut breaches = Vec::new();
        for attack in ATTACKS {
            breaches.extend(attack.breaches(&people).await);
        }
        assert!(breaches.is_empty(), "{} breaches\n{}", breaches.len(), breaches.join("\n"));
        assert_eq!(people.server.rows("carol", HIDDEN).await, before);
        // What alice stored is what she saw.
        for table in ["main.hr.mine", "main.hr.made"] {
            let stored = read_parquet_folder(&people.server.folder(table).await);
            let stored = text_of_rows(&stored);
            assert!(!stored.is_empty(), "{table}");
            assert_eq!(canary_in(&stored.join("\n"), ""), None, "{table}");
        }
    });
}

#[test]
fn no_call_of_the_protocol_is_a_way_to_what_is_hidden() {
    block_on(async {
        let people = ground().await;
        let mut breaches = Vec::new();
        for way in ways_in().into_iter().filter(|way| protocol::SETS.contains(&way.set)) {
            breaches.extend(protocol::breaches(&people, way).await);
        }
        assert!(breaches.is_empty(), "{} breaches\n{}", breaches.len(), breaches.join("\n"));
    });
}

#[test]
fn no_table_of_the_servers_own_tells_what_is_hidden() {
    block_on(async {
        let people = ground().await;
        // Carol's statement and its end stand in the books, and so does what the ground was made of.
        people.server.rows("carol", "SELECT ssn FROM main.hr.people WHERE ssn <> 'CANARY-books'").await;
        let mut shown_to_admin = 0;
        for table in server_tables("system").into_iter().chain(server_tables("main")) {
            let sql = format!("SELECT * FROM {table}");
            shown_to_admin +=
                usize::from(canary_in(&text_of(&people.client("admin").statement(&sql).await), "").is_some());
            for way in Way::ALL {
                let told = text_of(&way.ask(&people.client("alice"), &sql).await);
                assert_eq!(canary_in(&told, ""), None, "{way:?}: {sql}\n{told}");
            }
        }
        assert!(shown_to_admin > 0, "the books hold no canary, so that this test cannot fail");
    });
}

impl WayAttack {
    async fn breaches(&self, people: &People) -> Vec<String> {
        let mut breaches = Vec::new();
        let named = weir_server::ways_in::of_statement(self.sql);
        if self.way.set != "relation" && !named.as_ref().is_ok_and(|named| named.contains(&self.way)) {
            breaches.push(format!("{:?} is not what is said by {}", self.way, self.sql));
        }
        let alice = people.client("alice");
        for way in Way::ALL {
            let told = text_of(&way.ask(&alice, self.sql).await);
            if let Some(canary) = canary_in(&told, self.sql) {
                breaches.push(format!("{:?} by {way:?}: {canary} for {}\n    {told}", self.way, self.sql));
            }
        }
        for told in people.told_about(&alice, self.sql).await {
            if let Some(canary) = canary_in(&told, self.sql) {
                breaches.push(format!("told of {:?}: {canary} for {}\n    {told}", self.way, self.sql));
            }
        }
        if self.shows {
            let told = text_of(&people.client("carol").statement(self.sql).await);
            if canary_in(&told, self.sql).is_none() {
                breaches.push(format!(
                    "{:?} shows carol no canary, so that it cannot fail: {}\n    {told}",
                    self.way, self.sql
                ));
            }
        }
        breaches
    }
}
