//! The statements of the stores, once for all databases: SQL that SQLite and PostgreSQL understand
//! alike, numbered placeholders included. [`store_sql!`] makes a module of them for one database.

/// Makes the functions that read and write the catalog through `$connection`.
macro_rules! store_sql {
    ($connection:ty) => {
        use std::collections::{BTreeMap, BTreeSet};

        use sqlx::{query, query_as, query_scalar};

        use crate::access_request::AccessRequest;
        use crate::audit::AuditEvent;
        use crate::function::Function;
        use crate::grant::Grant;
        use crate::id::PrincipalId;
        use crate::policy_test::PolicyTest;
        use crate::principal::Principal;
        use crate::securable::{
            Catalog, ExternalLocation, Schema, SecurableId, StorageCredential, Table, Volume,
        };
        use crate::snapshot::{Content, Epoch, Gone, Increment, MetastoreRoot};
        use crate::stamps::Stamps;
        use crate::store::rows::{self, TableCells};
        use crate::store::{Change, EPOCHS_KEPT, Error};
        use crate::tag::GovernedTag;
        use crate::tag_policy::TagPolicy;

        /// All rows, or those touched since an epoch.
        macro_rules! load_rows {
            ($database:ident, $since:ident, $kind:literal, $row:ty, $sql:literal) => {{
                let loaded: Vec<$row> = match $since {
                    None => query_as($sql).fetch_all(&mut *$database).await?,
                    Some(epoch) => {
                        query_as(concat!(
                            $sql,
                            " WHERE t.id IN (SELECT touched_key FROM touched WHERE kind = '",
                            $kind,
                            "' AND epoch > $1)"
                        ))
                        .bind(epoch)
                        .fetch_all(&mut *$database)
                        .await?
                    }
                };
                loaded.into_iter().map(<$row>::into_model).collect::<Result<Vec<_>, Error>>()?
            }};
        }

        fn stored_epoch(epoch: i64) -> Result<Epoch, Error> {
            let epoch = u64::try_from(epoch)
                .map_err(|_| Error::Damaged { what: "epoch", value: epoch.to_string() })?;
            Ok(Epoch(epoch))
        }

        fn epoch_cell(epoch: Epoch) -> Result<i64, Error> {
            i64::try_from(epoch.0)
                .map_err(|_| Error::Damaged { what: "epoch", value: epoch.0.to_string() })
        }

        pub(super) async fn epoch(database: &mut $connection) -> Result<Epoch, Error> {
            let epoch: i64 = query_scalar("SELECT epoch FROM metastore").fetch_one(database).await?;
            stored_epoch(epoch)
        }

        /// Everything; the caller sees to it that all is read at one moment.
        pub(super) async fn load(database: &mut $connection) -> Result<(Epoch, Content), Error> {
            read(database, None).await
        }

        /// What changed; the caller sees to it that all is read at one moment.
        pub(super) async fn increment(
            database: &mut $connection,
            since: Epoch,
        ) -> Result<Option<(Epoch, Increment)>, Error> {
            let newest = epoch(database).await?;
            if since > newest || newest.0 - since.0 > EPOCHS_KEPT {
                return Ok(None);
            }
            let touched: Vec<(String, String)> =
                query_as("SELECT DISTINCT kind, touched_key FROM touched WHERE epoch > $1")
                    .bind(epoch_cell(since)?)
                    .fetch_all(&mut *database)
                    .await?;
            let (epoch, content) = read(database, Some(epoch_cell(since)?)).await?;
            let (mut groups, mut granted) = (BTreeSet::new(), BTreeSet::new());
            let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (kind, key) in &touched {
                match kind.strip_prefix("GRANTS:") {
                    Some(kind) => {
                        granted.insert(rows::securable_id(kind, key)?);
                    }
                    None if kind == "MEMBERS" => {
                        groups.insert(rows::id("group id", key)?);
                    }
                    None => {
                        keys.entry(kind).or_default().insert(key);
                    }
                }
            }
            let gone = gone(&keys, &content)?;
            Ok(Some((epoch, Increment { content, gone, groups, granted })))
        }

        /// What was touched and is there no more.
        fn gone(keys: &BTreeMap<&str, BTreeSet<&str>>, content: &Content) -> Result<Gone, Error> {
            fn missing<I: std::str::FromStr + Ord>(
                keys: &BTreeMap<&str, BTreeSet<&str>>,
                kind: &'static str,
                present: impl Iterator<Item = I>,
            ) -> Result<Vec<I>, Error> {
                let present: BTreeSet<I> = present.collect();
                let touched = keys.get(kind).into_iter().flatten().map(|key| rows::id(kind, key));
                let touched = touched.collect::<Result<Vec<I>, Error>>()?;
                Ok(touched.into_iter().filter(|id| !present.contains(id)).collect())
            }
            Ok(Gone {
                principals: missing(keys, "PRINCIPAL", content.principals.iter().map(|x| x.id))?,
                catalogs: missing(keys, "CATALOG", content.catalogs.iter().map(|x| x.id))?,
                schemas: missing(keys, "SCHEMA", content.schemas.iter().map(|x| x.id))?,
                tables: missing(keys, "TABLE", content.tables.iter().map(|x| x.id))?,
                functions: missing(keys, "FUNCTION", content.functions.iter().map(|x| x.id))?,
                volumes: missing(keys, "VOLUME", content.volumes.iter().map(|x| x.id))?,
                external_locations: missing(
                    keys,
                    "EXTERNAL_LOCATION",
                    content.external_locations.iter().map(|x| x.id),
                )?,
                storage_credentials: missing(
                    keys,
                    "STORAGE_CREDENTIAL",
                    content.storage_credentials.iter().map(|x| x.id),
                )?,
                governed_tags: missing(keys, "GOVERNED_TAG", content.governed_tags.iter().map(|x| x.id))?,
                tag_policies: missing(keys, "TAG_POLICY", content.tag_policies.iter().map(|x| x.id))?,
                policy_tests: missing(keys, "POLICY_TEST", content.policy_tests.iter().map(|x| x.id))?,
            })
        }

        async fn read(database: &mut $connection, since: Option<i64>) -> Result<(Epoch, Content), Error> {
            let (metastore, owner, epoch): (String, Option<String>, i64) =
                query_as("SELECT id, owner, epoch FROM metastore").fetch_one(&mut *database).await?;
            let memberships: Vec<(String, String)> = match since {
                None => query_as("SELECT group_id, member_id FROM memberships").fetch_all(&mut *database).await?,
                Some(epoch) => {
                    query_as(
                        "SELECT group_id, member_id FROM memberships WHERE group_id IN
                         (SELECT touched_key FROM touched WHERE kind = 'MEMBERS' AND epoch > $1)",
                    )
                    .bind(epoch)
                    .fetch_all(&mut *database)
                    .await?
                }
            };
            let grants: Vec<rows::GrantRow> = match since {
                None => query_as("SELECT * FROM grants").fetch_all(&mut *database).await?,
                Some(epoch) => {
                    query_as(
                        "SELECT * FROM grants WHERE securable_id IN
                         (SELECT touched_key FROM touched WHERE kind LIKE 'GRANTS:%' AND epoch > $1)",
                    )
                    .bind(epoch)
                    .fetch_all(&mut *database)
                    .await?
                }
            };
            let content = Content {
                metastore: MetastoreRoot {
                    id: rows::id("metastore id", &metastore)?,
                    owner: owner.map(|text| rows::id("metastore owner", &text)).transpose()?,
                },
                principals: load_rows!(
                    database, since, "PRINCIPAL", rows::PrincipalRow, "SELECT t.* FROM principals t"
                ),
                memberships: memberships
                    .iter()
                    .map(|(group, member)| Ok((rows::id("group id", group)?, rows::id("member id", member)?)))
                    .collect::<Result<_, Error>>()?,
                catalogs: load_rows!(
                    database, since, "CATALOG", rows::CatalogRow, "SELECT t.* FROM catalogs t"
                ),
                schemas: load_rows!(
                    database, since, "SCHEMA", rows::SchemaRow,
                    "SELECT t.*, c.name AS catalog_name FROM schemas t JOIN catalogs c ON c.id = t.catalog_id"
                ),
                tables: load_rows!(
                    database, since, "TABLE", rows::TableRow,
                    "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM tables t
                     JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
                ),
                functions: load_rows!(
                    database, since, "FUNCTION", rows::FunctionRow,
                    "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM functions t
                     JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
                ),
                volumes: load_rows!(
                    database, since, "VOLUME", rows::VolumeRow,
                    "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM volumes t
                     JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
                ),
                external_locations: load_rows!(
                    database, since, "EXTERNAL_LOCATION", rows::ExternalLocationRow,
                    "SELECT t.* FROM external_locations t"
                ),
                storage_credentials: load_rows!(
                    database, since, "STORAGE_CREDENTIAL", rows::StorageCredentialRow,
                    "SELECT t.* FROM storage_credentials t"
                ),
                governed_tags: load_rows!(
                    database, since, "GOVERNED_TAG", rows::GovernedTagRow, "SELECT t.* FROM governed_tags t"
                ),
                tag_policies: load_rows!(
                    database, since, "TAG_POLICY", rows::TagPolicyRow, "SELECT t.* FROM tag_policies t"
                ),
                policy_tests: load_rows!(
                    database, since, "POLICY_TEST", rows::PolicyTestRow, "SELECT t.* FROM policy_tests t"
                ),
                grants: grants.into_iter().map(rows::GrantRow::into_model).collect::<Result<_, Error>>()?,
            };
            Ok((stored_epoch(epoch)?, content))
        }

        /// Within a transaction of the caller's, which rolls back on an error.
        pub(super) async fn commit(
            database: &mut $connection,
            expected: Epoch,
            changes: &[Change],
            event: &AuditEvent,
        ) -> Result<Epoch, Error> {
            // The row's lock is what makes writers queue.
            let moved: Option<i64> =
                query_scalar("UPDATE metastore SET epoch = epoch + 1 WHERE epoch = $1 RETURNING epoch")
                    .bind(epoch_cell(expected)?)
                    .fetch_optional(&mut *database)
                    .await?;
            let moved = moved.ok_or(Error::Conflict)?;
            for change in changes {
                apply(database, moved, change).await?;
            }
            let kept = moved - i64::try_from(EPOCHS_KEPT).unwrap_or(i64::MAX);
            query("DELETE FROM touched WHERE epoch <= $1").bind(kept).execute(&mut *database).await?;
            audit_add(database, event).await?;
            stored_epoch(moved)
        }

        pub(super) async fn audit_add(database: &mut $connection, event: &AuditEvent) -> Result<(), Error> {
            query(
                "INSERT INTO audit (event_id, event_time_us, principal_id, principal_name, origin, action,
                     securable, parameters, answer, because)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(event.id.to_string())
            .bind(event.at.timestamp_micros())
            .bind(event.by.map(|id| id.to_string()))
            .bind(&event.by_name)
            .bind(rows::origin_to_json(event)?)
            .bind(&event.action)
            .bind(&event.securable)
            .bind(rows::texts_to_json(&event.parameters)?)
            .bind(&event.answer)
            .bind(&event.because)
            .execute(database)
            .await?;
            Ok(())
        }

        pub(super) async fn audit_list(
            database: &mut $connection,
            limit: u32,
        ) -> Result<Vec<AuditEvent>, Error> {
            let found: Vec<rows::AuditRow> = query_as(
                "SELECT event_id, event_time_us, principal_id, principal_name, origin, action, securable,
                     parameters, answer, because
                 FROM audit ORDER BY number DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(database)
            .await?;
            found.into_iter().map(rows::AuditRow::into_model).collect()
        }

        pub(super) async fn access_request_add(
            database: &mut $connection,
            request: &AccessRequest,
        ) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(request.securable);
            query(
                "INSERT INTO access_requests (id, requested_at_us, principal_id, securable_kind, securable_id,
                     securable_name, privileges, reason)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(request.id.to_string())
            .bind(request.at.timestamp_micros())
            .bind(request.by.to_string())
            .bind(kind)
            .bind(id)
            .bind(&request.securable_name)
            .bind(rows::privileges_to_json(&request.privileges)?)
            .bind(&request.reason)
            .execute(database)
            .await?;
            Ok(())
        }

        pub(super) async fn access_request_list(
            database: &mut $connection,
            limit: u32,
        ) -> Result<Vec<AccessRequest>, Error> {
            let found: Vec<rows::AccessRequestRow> =
                query_as("SELECT * FROM access_requests ORDER BY requested_at_us DESC, id DESC LIMIT $1")
                    .bind(i64::from(limit))
                    .fetch_all(database)
                    .await?;
            found.into_iter().map(rows::AccessRequestRow::into_model).collect()
        }

        pub(super) async fn secret(database: &mut $connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
            let found = query_scalar("SELECT value FROM secrets WHERE name = $1").bind(name);
            Ok(found.fetch_optional(database).await?)
        }

        pub(super) async fn secret_keep(
            database: &mut $connection,
            name: &str,
            candidate: &[u8],
        ) -> Result<Vec<u8>, Error> {
            query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .bind(candidate)
                .execute(&mut *database)
                .await?;
            let kept = query_scalar("SELECT value FROM secrets WHERE name = $1").bind(name);
            Ok(kept.fetch_one(database).await?)
        }

        pub(super) async fn password_hash(
            database: &mut $connection,
            principal: PrincipalId,
        ) -> Result<Option<String>, Error> {
            let found = query_scalar("SELECT hash FROM passwords WHERE principal_id = $1");
            Ok(found.bind(principal.to_string()).fetch_optional(database).await?)
        }

        /// Gives a fresh store its one row.
        pub(super) async fn begin(database: &mut $connection) -> Result<(), Error> {
            query("INSERT INTO metastore (one, id, epoch) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING")
                .bind(crate::id::MetastoreId::fresh().to_string())
                .execute(database)
                .await?;
            Ok(())
        }

        async fn touch(
            database: &mut $connection,
            epoch: i64,
            kind: &str,
            key: impl ToString,
        ) -> Result<(), Error> {
            query(
                "INSERT INTO touched (epoch, kind, touched_key) VALUES ($1, $2, $3)
                 ON CONFLICT (epoch, kind, touched_key) DO NOTHING",
            )
            .bind(epoch)
            .bind(kind)
            .bind(key.to_string())
            .execute(database)
            .await?;
            Ok(())
        }

        async fn touch_grants(
            database: &mut $connection,
            epoch: i64,
            securable: SecurableId,
        ) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(securable);
            touch(database, epoch, &format!("GRANTS:{kind}"), id).await
        }

        async fn apply(database: &mut $connection, epoch: i64, change: &Change) -> Result<(), Error> {
            match change {
                Change::MetastoreOwnerPut(owner) => {
                    let put = query("UPDATE metastore SET owner = $1");
                    put.bind(owner.map(|id| id.to_string())).execute(database).await?;
                    Ok(())
                }
                Change::PrincipalPut(principal) => {
                    put_principal(database, principal).await?;
                    touch(database, epoch, "PRINCIPAL", principal.id).await
                }
                Change::PrincipalRemove(id) => remove_principal(database, epoch, *id).await,
                Change::MemberAdd { group, member } => {
                    let add = query(
                        "INSERT INTO memberships (group_id, member_id) VALUES ($1, $2)
                         ON CONFLICT (group_id, member_id) DO NOTHING",
                    );
                    add.bind(group.to_string()).bind(member.to_string()).execute(&mut *database).await?;
                    touch(database, epoch, "MEMBERS", group).await
                }
                Change::MemberRemove { group, member } => {
                    let remove = query("DELETE FROM memberships WHERE group_id = $1 AND member_id = $2");
                    remove.bind(group.to_string()).bind(member.to_string()).execute(&mut *database).await?;
                    touch(database, epoch, "MEMBERS", group).await
                }
                Change::PasswordPut { principal, hash } => {
                    let put = query(
                        "INSERT INTO passwords (principal_id, hash) VALUES ($1, $2)
                         ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash",
                    );
                    put.bind(principal.to_string()).bind(hash).execute(database).await?;
                    Ok(())
                }
                Change::CatalogPut(catalog) => {
                    put_catalog(database, catalog).await?;
                    touch(database, epoch, "CATALOG", catalog.id).await
                }
                Change::SchemaPut(schema) => {
                    put_schema(database, schema).await?;
                    touch(database, epoch, "SCHEMA", schema.id).await
                }
                Change::TablePut(table) => {
                    put_table(database, table).await?;
                    touch(database, epoch, "TABLE", table.id).await
                }
                Change::FunctionPut(function) => {
                    put_function(database, function).await?;
                    touch(database, epoch, "FUNCTION", function.id).await
                }
                Change::VolumePut(volume) => {
                    put_volume(database, volume).await?;
                    touch(database, epoch, "VOLUME", volume.id).await
                }
                Change::ExternalLocationPut(location) => {
                    put_external_location(database, location).await?;
                    touch(database, epoch, "EXTERNAL_LOCATION", location.id).await
                }
                Change::StorageCredentialPut(credential) => {
                    put_storage_credential(database, credential).await?;
                    touch(database, epoch, "STORAGE_CREDENTIAL", credential.id).await
                }
                Change::GovernedTagPut(tag) => {
                    put_governed_tag(database, tag).await?;
                    touch(database, epoch, "GOVERNED_TAG", tag.id).await
                }
                Change::TagPolicyPut(policy) => {
                    put_tag_policy(database, policy).await?;
                    touch(database, epoch, "TAG_POLICY", policy.id).await
                }
                Change::TagPolicyRemove(id) => {
                    let remove = query("DELETE FROM tag_policies WHERE id = $1").bind(id.to_string());
                    remove.execute(&mut *database).await?;
                    touch(database, epoch, "TAG_POLICY", id).await
                }
                Change::PolicyTestPut(test) => {
                    put_policy_test(database, test).await?;
                    touch(database, epoch, "POLICY_TEST", test.id).await
                }
                Change::PolicyTestRemove(id) => {
                    let remove = query("DELETE FROM policy_tests WHERE id = $1").bind(id.to_string());
                    remove.execute(&mut *database).await?;
                    touch(database, epoch, "POLICY_TEST", id).await
                }
                Change::CatalogRemove(id) => {
                    remove_securable(database, epoch, SecurableId::Catalog(*id)).await
                }
                Change::SchemaRemove(id) => remove_securable(database, epoch, SecurableId::Schema(*id)).await,
                Change::TableRemove(id) => remove_securable(database, epoch, SecurableId::Table(*id)).await,
                Change::FunctionRemove(id) => {
                    remove_securable(database, epoch, SecurableId::Function(*id)).await
                }
                Change::VolumeRemove(id) => remove_securable(database, epoch, SecurableId::Volume(*id)).await,
                Change::ExternalLocationRemove(id) => {
                    remove_securable(database, epoch, SecurableId::ExternalLocation(*id)).await
                }
                Change::StorageCredentialRemove(id) => {
                    remove_securable(database, epoch, SecurableId::StorageCredential(*id)).await
                }
                Change::GovernedTagRemove(id) => {
                    remove_securable(database, epoch, SecurableId::GovernedTag(*id)).await
                }
                Change::GrantAdd(grant) => {
                    add_grant(database, grant).await?;
                    touch_grants(database, epoch, grant.securable).await
                }
                Change::GrantRemove(grant) => {
                    remove_grant(database, grant).await?;
                    touch_grants(database, epoch, grant.securable).await
                }
            }
        }

        async fn add_grant(database: &mut $connection, grant: &Grant) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(grant.securable);
            let add = query(
                "INSERT INTO grants (securable_kind, securable_id, principal_id, privilege, effect)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (securable_kind, securable_id, principal_id, privilege, effect) DO NOTHING",
            );
            let add = add.bind(kind).bind(id).bind(grant.principal.to_string());
            add.bind(grant.privilege.name()).bind(rows::effect_cell(grant.effect)).execute(database).await?;
            Ok(())
        }

        async fn remove_grant(database: &mut $connection, grant: &Grant) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(grant.securable);
            let remove = query(
                "DELETE FROM grants WHERE securable_kind = $1 AND securable_id = $2 AND principal_id = $3
                     AND privilege = $4 AND effect = $5",
            );
            let remove = remove.bind(kind).bind(id).bind(grant.principal.to_string());
            remove.bind(grant.privilege.name()).bind(rows::effect_cell(grant.effect)).execute(database).await?;
            Ok(())
        }

        async fn put_principal(database: &mut $connection, principal: &Principal) -> Result<(), Error> {
            query(
                "INSERT INTO principals (id, name, kind, disabled, account_admin, may_act_for_users)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (id) DO UPDATE SET
                     disabled = excluded.disabled, account_admin = excluded.account_admin,
                     may_act_for_users = excluded.may_act_for_users",
            )
            .bind(principal.id.to_string())
            .bind(&principal.name)
            .bind(rows::principal_kind(principal.kind))
            .bind(principal.disabled)
            .bind(principal.account_admin)
            .bind(principal.may_act_for_users)
            .execute(database)
            .await?;
            Ok(())
        }

        async fn remove_principal(
            database: &mut $connection,
            epoch: i64,
            principal: PrincipalId,
        ) -> Result<(), Error> {
            let id = principal.to_string();
            let left: Vec<(String,)> = query_as("SELECT group_id FROM memberships WHERE member_id = $1")
                .bind(&id)
                .fetch_all(&mut *database)
                .await?;
            for (group,) in left {
                touch(database, epoch, "MEMBERS", group).await?;
            }
            touch(database, epoch, "MEMBERS", &id).await?;
            touch(database, epoch, "PRINCIPAL", &id).await?;
            let memberships = query("DELETE FROM memberships WHERE group_id = $1 OR member_id = $1");
            memberships.bind(&id).execute(&mut *database).await?;
            let password = query("DELETE FROM passwords WHERE principal_id = $1");
            password.bind(&id).execute(&mut *database).await?;
            query("DELETE FROM principals WHERE id = $1").bind(&id).execute(&mut *database).await?;
            Ok(())
        }

        /// Binds the four stamp columns, the last of a row.
        macro_rules! with_stamps {
            ($query:expr, $stamps:expr) => {{
                let Stamps { created_at, created_by, altered_at, altered_by } = $stamps;
                $query
                    .bind(created_at.timestamp_micros())
                    .bind(created_by.to_string())
                    .bind(altered_at.timestamp_micros())
                    .bind(altered_by.to_string())
            }};
        }

        async fn put_catalog(database: &mut $connection, catalog: &Catalog) -> Result<(), Error> {
            let put = query(
                "INSERT INTO catalogs (id, name, owner, comment, properties, tags,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment,
                     properties = excluded.properties, tags = excluded.tags,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(catalog.id.to_string())
            .bind(catalog.name.as_str())
            .bind(catalog.owner.to_string())
            .bind(&catalog.comment)
            .bind(rows::texts_to_json(&catalog.properties)?)
            .bind(rows::tags_to_json(&catalog.tags)?);
            with_stamps!(put, catalog.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_schema(database: &mut $connection, schema: &Schema) -> Result<(), Error> {
            let put = query(
                "INSERT INTO schemas (id, catalog_id, name, owner, comment, properties, tags,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment,
                     properties = excluded.properties, tags = excluded.tags,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(schema.id.to_string())
            .bind(schema.catalog.to_string())
            .bind(schema.name.schema.as_str())
            .bind(schema.owner.to_string())
            .bind(&schema.comment)
            .bind(rows::texts_to_json(&schema.properties)?)
            .bind(rows::tags_to_json(&schema.tags)?);
            with_stamps!(put, schema.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_table(database: &mut $connection, table: &Table) -> Result<(), Error> {
            let cells = TableCells::of(table)?;
            let put = query(
                "INSERT INTO tables (id, schema_id, name, owner, kind, location, view_text,
                     view_tests_identity, view_reads, view_calls, columns, row_filter, masks, properties,
                     comment, tags, created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                     $20)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, kind = excluded.kind,
                     location = excluded.location, view_text = excluded.view_text,
                     view_tests_identity = excluded.view_tests_identity, view_reads = excluded.view_reads,
                     view_calls = excluded.view_calls,
                     columns = excluded.columns, row_filter = excluded.row_filter, masks = excluded.masks,
                     properties = excluded.properties, comment = excluded.comment, tags = excluded.tags,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(table.id.to_string())
            .bind(table.schema.to_string())
            .bind(table.name.object.as_str())
            .bind(table.owner.to_string())
            .bind(cells.kind)
            .bind(cells.location)
            .bind(cells.view_text)
            .bind(cells.view_tests_identity)
            .bind(cells.view_reads)
            .bind(cells.view_calls)
            .bind(cells.columns)
            .bind(cells.row_filter)
            .bind(cells.masks)
            .bind(cells.properties)
            .bind(&table.comment)
            .bind(rows::tags_to_json(&table.tags)?);
            with_stamps!(put, table.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_function(database: &mut $connection, function: &Function) -> Result<(), Error> {
            let (returns, returns_table) = rows::returns_cells(&function.returns)?;
            let put = query(
                "INSERT INTO functions (id, schema_id, name, owner, parameters, returns, returns_table, body,
                     reads, calls, comment, created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, parameters = excluded.parameters,
                     returns = excluded.returns, returns_table = excluded.returns_table,
                     body = excluded.body, reads = excluded.reads, calls = excluded.calls,
                     comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(function.id.to_string())
            .bind(function.schema.to_string())
            .bind(function.name.object.as_str())
            .bind(function.owner.to_string())
            .bind(rows::parameters_to_json(&function.parameters)?)
            .bind(returns)
            .bind(returns_table)
            .bind(&function.body)
            .bind(rows::ids_to_json(&function.reads)?)
            .bind(rows::ids_to_json(&function.calls)?)
            .bind(&function.comment);
            with_stamps!(put, function.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_volume(database: &mut $connection, volume: &Volume) -> Result<(), Error> {
            let (kind, location) = rows::volume_cells(&volume.kind);
            let put = query(
                "INSERT INTO volumes (id, schema_id, name, owner, kind, location, comment, tags,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment,
                     tags = excluded.tags,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(volume.id.to_string())
            .bind(volume.schema.to_string())
            .bind(volume.name.object.as_str())
            .bind(volume.owner.to_string())
            .bind(kind)
            .bind(location)
            .bind(&volume.comment)
            .bind(rows::tags_to_json(&volume.tags)?);
            with_stamps!(put, volume.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_external_location(
            database: &mut $connection,
            location: &ExternalLocation,
        ) -> Result<(), Error> {
            let put = query(
                "INSERT INTO external_locations (id, name, url, credential_id, owner, comment,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, url = excluded.url, credential_id = excluded.credential_id,
                     owner = excluded.owner, comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(location.id.to_string())
            .bind(location.name.as_str())
            .bind(&location.url)
            .bind(location.credential.map(|id| id.to_string()))
            .bind(location.owner.to_string())
            .bind(&location.comment);
            with_stamps!(put, location.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_storage_credential(
            database: &mut $connection,
            credential: &StorageCredential,
        ) -> Result<(), Error> {
            let put = query(
                "INSERT INTO storage_credentials (id, name, owner, comment,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (id) DO UPDATE SET
                     name = excluded.name, owner = excluded.owner, comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(credential.id.to_string())
            .bind(credential.name.as_str())
            .bind(credential.owner.to_string())
            .bind(&credential.comment);
            with_stamps!(put, credential.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_governed_tag(database: &mut $connection, tag: &GovernedTag) -> Result<(), Error> {
            let put = query(
                "INSERT INTO governed_tags (id, tag_key, tag_values, owner, comment,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (id) DO UPDATE SET
                     tag_values = excluded.tag_values, owner = excluded.owner, comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(tag.id.to_string())
            .bind(tag.key.as_str())
            .bind(rows::values_to_json(&tag.values)?)
            .bind(tag.owner.to_string())
            .bind(&tag.comment);
            with_stamps!(put, tag.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_tag_policy(database: &mut $connection, policy: &TagPolicy) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(policy.scope);
            let put = query(
                "INSERT INTO tag_policies (id, scope_kind, scope_id, name, definition, comment,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (id) DO UPDATE SET
                     definition = excluded.definition, comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(policy.id.to_string())
            .bind(kind)
            .bind(id)
            .bind(policy.name.as_str())
            .bind(rows::tag_policy_to_json(policy)?)
            .bind(&policy.comment);
            with_stamps!(put, policy.stamps).execute(database).await?;
            Ok(())
        }

        async fn put_policy_test(database: &mut $connection, test: &PolicyTest) -> Result<(), Error> {
            let put = query(
                "INSERT INTO policy_tests (id, name, as_user, query, expectation, owner, comment,
                     created_at_us, created_by, altered_at_us, altered_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 ON CONFLICT (id) DO UPDATE SET
                     as_user = excluded.as_user, query = excluded.query, expectation = excluded.expectation,
                     owner = excluded.owner, comment = excluded.comment,
                     altered_at_us = excluded.altered_at_us, altered_by = excluded.altered_by",
            )
            .bind(test.id.to_string())
            .bind(test.name.as_str())
            .bind(test.as_user.to_string())
            .bind(&test.query)
            .bind(rows::expectation_to_json(&test.expectation)?)
            .bind(test.owner.to_string())
            .bind(&test.comment);
            with_stamps!(put, test.stamps).execute(database).await?;
            Ok(())
        }

        async fn remove_securable(
            database: &mut $connection,
            epoch: i64,
            securable: SecurableId,
        ) -> Result<(), Error> {
            let (kind, id) = rows::securable_cells(securable);
            let grants = query("DELETE FROM grants WHERE securable_kind = $1 AND securable_id = $2");
            grants.bind(kind).bind(&id).execute(&mut *database).await?;
            let remove = match securable {
                SecurableId::Metastore => return Ok(()),
                SecurableId::Catalog(_) => query("DELETE FROM catalogs WHERE id = $1"),
                SecurableId::Schema(_) => query("DELETE FROM schemas WHERE id = $1"),
                SecurableId::Table(_) => query("DELETE FROM tables WHERE id = $1"),
                SecurableId::Function(_) => query("DELETE FROM functions WHERE id = $1"),
                SecurableId::Volume(_) => query("DELETE FROM volumes WHERE id = $1"),
                SecurableId::ExternalLocation(_) => query("DELETE FROM external_locations WHERE id = $1"),
                SecurableId::StorageCredential(_) => query("DELETE FROM storage_credentials WHERE id = $1"),
                SecurableId::GovernedTag(_) => query("DELETE FROM governed_tags WHERE id = $1"),
            };
            remove.bind(&id).execute(&mut *database).await?;
            touch(database, epoch, kind, &id).await
        }
    };
}

pub(super) use store_sql;
