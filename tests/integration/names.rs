//! Names with every odd character: each is taken and means the same everywhere, or is refused in words that a user
//! can act on; and no look-alike of a masked column's name reads past its mask.

use weir_testkit::{ADMIN, Refusal, TestServer, Way, block_on};

/// Names as they stand between backticks, with whether the catalog takes them.
fn odd_names() -> Vec<(String, bool)> {
    let taken = |name: &str| (name.to_owned(), true);
    let refused = |name: &str| (name.to_owned(), false);
    vec![
        taken("a``b"),
        taken("a\"b"),
        taken("a'b"),
        taken("a\\b"),
        taken("a;b"),
        taken("--a"),
        taken("/*a".replace('/', "").as_str()),
        taken("a%b_c"),
        taken("a$b#c@d!e"),
        taken("(a)"),
        taken("ｓｓｎ"),
        taken("e\u{301}te\u{301}"),
        taken("été"),
        taken("straße"),
        taken("日本語"),
        taken("😀"),
        taken("\u{200b}a"),
        taken("\u{202e}abc"),
        taken("1"),
        taken("select"),
        taken(&"x".repeat(255)),
        refused(&"x".repeat(256)),
        refused(&"é".repeat(128)),
        refused(&"x".repeat(100_000)),
        refused("a.b"),
        refused("a/b"),
        refused("a b"),
        refused("a\nb"),
        refused("a\tb"),
        refused("a\0b"),
        refused("a\u{7f}b"),
        refused("a\u{a0}b"),
        refused("a\u{3000}b"),
        refused(" "),
        refused(""),
    ]
}

fn assert_clear(refusal: &Refusal, sql: &str) {
    let text = &refusal.text;
    assert!(text.starts_with('[') && text.contains("SQLSTATE: "), "{}: {text}", shown(sql));
    for banned in ["panicked", "INTERNAL", "Ident", "::", "Some(", "Error("] {
        assert!(!text.contains(banned), "`{banned}` in {}: {text}", shown(sql));
    }
    assert!(text.len() < 3_000, "an error of {} bytes", text.len());
}

fn shown(sql: &str) -> String {
    sql.chars().take(200).collect()
}

#[test]
fn an_odd_name_is_taken_everywhere_or_refused_clearly() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '***';\nGRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice").await;
        let admin = server.client(ADMIN);
        for (name, taken) in odd_names() {
            let creations = [
                format!("CREATE CATALOG `{name}`"),
                format!("CREATE SCHEMA main.`{name}`"),
                format!("CREATE TABLE main.default.`{name}` (id INT, ssn STRING MASK main.default.stars)"),
                format!("CREATE FUNCTION main.default.`{name}`(v STRING) RETURNS STRING RETURN v"),
                format!("CREATE VIEW main.default.`v{name}` AS SELECT 1 AS one"),
            ];
            for sql in &creations {
                match admin.update(sql).await {
                    Ok(_) => assert!(taken || sql.contains("`v"), "taken: {}", shown(sql)),
                    Err(refusal) => {
                        assert!(!taken || name.len() == 255, "{}: {refusal:?}", shown(sql));
                        assert_clear(&refusal, sql);
                    }
                }
            }
            for sql in [
                format!("SELECT * FROM main.default.`{name}`"),
                format!("SELECT ssn FROM `MAIN`.`Default`.`{name}` AS `{name}`"),
                format!("DESCRIBE TABLE main.default.`{name}`"),
                format!("SHOW TABLES IN main.`{name}`"),
                format!("SHOW GRANTS ON SCHEMA main.`{name}`"),
                format!("EXPLAIN POLICY FOR TABLE main.default.`{name}`"),
            ] {
                for way in [Way::Statement, Way::Prepared] {
                    match way.ask(&admin, &sql).await {
                        Ok(_) => assert!(taken, "{}", shown(&sql)),
                        Err(refusal) => {
                            assert!(!taken, "{}: {refusal:?}", shown(&sql));
                            assert_clear(&refusal, &sql);
                        }
                    }
                }
            }
        }
        // Everything that was taken is listed, and the listing's own statement makes it again.
        let listed = server.rows(ADMIN, "SELECT table_name FROM main.information_schema.tables WHERE table_schema = 'default' AND table_type <> 'VIEW'").await;
        for (name, _) in odd_names().into_iter().filter(|(_, taken)| *taken) {
            let name = name.replace("``", "`").to_lowercase();
            assert!(listed.contains(&name), "{name} is not among {listed:?}");
        }
        let made = server.rows(ADMIN, "SHOW CREATE TABLE main.default.`a``b`").await.join("\n");
        assert!(made.contains("`a``b`") && made.contains("MASK"), "{made}");
    });
}

#[test]
fn principals_tags_and_policies_take_odd_names_or_refuse_them_clearly() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare("CREATE TABLE main.default.t (id INT, ssn STRING)").await;
        let admin = server.client(ADMIN);
        for (number, (name, _)) in odd_names().into_iter().enumerate() {
            let quoted = name.replace('\'', "\\'").replace("``", "`");
            for sql in [
                format!("CREATE USER `{name}`"),
                format!("CREATE GROUP `g{name}`"),
                format!("GRANT SELECT ON TABLE main.default.t TO `{name}`"),
                format!("CREATE GOVERNED TAG `{name}`"),
                format!("CREATE GOVERNED TAG tag_{number} VALUES ('{quoted}')"),
                format!("ALTER TABLE main.default.t SET TAGS ('{quoted}' = '{quoted}')"),
                format!(
                    "CREATE POLICY `{name}` ON SCHEMA main.default COLUMN MASK system.policy.mask_null TO `{name}` FOR TABLES MATCH COLUMNS has_tag('{quoted}') m ON COLUMN m"
                ),
                format!("COMMENT ON TABLE main.default.t IS '{quoted}'"),
                format!("EXECUTE AS USER `{name}` SELECT 1"),
                format!("DROP POLICY IF EXISTS `{name}` ON SCHEMA main.default"),
            ] {
                if let Err(refusal) = admin.update(&sql).await {
                    assert_clear(&refusal, &sql);
                }
            }
        }
        // A name that was taken is its own user, whatever is like it.
        for (one, other) in [("été", "e\u{301}te\u{301}"), ("ｓｓｎ", "ssn"), ("\u{200b}a", "a")] {
            let same = server
                .client(ADMIN)
                .update(&format!("GRANT SELECT ON TABLE main.default.t TO `{other}`"))
                .await;
            let known = odd_names().iter().any(|(name, _)| name == other);
            assert_eq!(same.is_ok(), known, "{one} and {other}: {same:?}");
        }
        assert_eq!(server.rows(ADMIN, "SELECT count(*) FROM main.default.t").await, ["0"]);
    });
}

#[test]
fn no_look_alike_of_a_masked_column_reads_past_its_mask() {
    block_on(async {
        let server = TestServer::start().await;
        server
            .prepare(
                "CREATE TABLE main.default.t (k STRING, ssn STRING, `été` STRING, `straße` STRING, s STRUCT<key: STRING>);
                 INSERT INTO main.default.t VALUES ('raw', 'raw', 'raw', 'raw', named_struct('key', 'raw'));
                 CREATE FUNCTION main.default.stars(v STRING) RETURNS STRING RETURN '***';
                 ALTER TABLE main.default.t ALTER COLUMN k SET MASK main.default.stars;
                 ALTER TABLE main.default.t ALTER COLUMN `SSN` SET MASK main.default.stars;
                 ALTER TABLE main.default.t ALTER COLUMN `ÉTÉ` SET MASK main.default.stars;
                 ALTER TABLE main.default.t ALTER COLUMN `straße` SET MASK main.default.stars;
                 ALTER TABLE main.default.t ALTER COLUMN s.KEY SET MASK main.default.stars;
                 GRANT USE CATALOG, USE SCHEMA, SELECT ON CATALOG main TO alice",
            )
            .await;
        // The Kelvin sign folds to `k`, the long s is no `s`, composed and decomposed letters are two names.
        for column in [
            "k",
            "K",
            "\u{212a}",
            "ssn",
            "SSN",
            "\u{17f}\u{17f}n",
            "ｓｓｎ",
            "ＳＳＮ",
            "ssn\u{200b}",
            "\u{feff}ssn",
            "été",
            "ÉTÉ",
            "e\u{301}te\u{301}",
            "straße",
            "STRASSE",
            "STRAẞE",
            "strasse",
            "s.key",
            "S.KEY",
            "s.\u{212a}EY",
            "t.ssn",
        ] {
            for quoted in [
                column.to_owned(),
                column.split('.').map(|part| format!("`{part}`")).collect::<Vec<_>>().join("."),
            ] {
                for way in Way::ALL {
                    match way
                        .ask(&server.client("alice"), &format!("SELECT {quoted} FROM main.default.t"))
                        .await
                    {
                        Ok(rows) => assert_eq!(rows.lines(), ["***"], "{quoted}"),
                        Err(refusal) => assert_clear(&refusal, &quoted),
                    }
                }
            }
        }
        assert_eq!(
            server.rows("alice", "SELECT * FROM main.default.t").await,
            ["*** | *** | *** | *** | {key: ***}"]
        );
        let twins = server
            .client(ADMIN)
            .update("CREATE TABLE main.default.twins (k STRING, `\u{212a}` STRING)")
            .await;
        assert!(twins.unwrap_err().text.starts_with("[COLUMN_ALREADY_EXISTS]"));
    });
}
