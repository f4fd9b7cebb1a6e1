//! The statements of a commit: the epoch, the changes in their order, and what each of them touched.

/// The functions that change the catalog through `$connection`.
macro_rules! sql_write {
    ($connection:ty) => {
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
                Change::PrincipalPut(principal) => put_principal(database, epoch, principal).await,
                Change::PrincipalRemove(id) => remove_principal(database, epoch, *id).await,
                Change::MemberAdd { group, member } => add_member(database, epoch, group, member).await,
                Change::MemberRemove { group, member } => remove_member(database, epoch, group, member).await,
                Change::PasswordPut { principal, hash } => {
                    let put = query(
                        "INSERT INTO passwords (principal_id, hash) VALUES ($1, $2)
                         ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash",
                    );
                    put.bind(principal.to_string()).bind(hash).execute(database).await?;
                    Ok(())
                }
                Change::CatalogPut(catalog) => put_catalog(database, epoch, catalog).await,
                Change::SchemaPut(schema) => put_schema(database, epoch, schema).await,
                Change::TablePut(table) => put_table(database, epoch, table).await,
                Change::FunctionPut(function) => put_function(database, epoch, function).await,
                Change::VolumePut(volume) => put_volume(database, epoch, volume).await,
                Change::ExternalLocationPut(location) => put_external_location(database, epoch, location).await,
                Change::StorageCredentialPut(credential) => put_storage_credential(database, epoch, credential).await,
                Change::GovernedTagPut(tag) => put_governed_tag(database, epoch, tag).await,
                Change::TagPolicyPut(policy) => put_tag_policy(database, epoch, policy).await,
                Change::TagPolicyRemove(id) => {
                    let remove = query("DELETE FROM tag_policies WHERE id = $1").bind(id.to_string());
                    remove.execute(&mut *database).await?;
                    touch(database, epoch, "TAG_POLICY", id).await
                }
                Change::AccessTokenPut(token) => put_access_token(database, token).await,
                Change::AccessTokenRemove(id) => remove_access_token(database, *id).await,
                Change::PolicyTestPut(test) => put_policy_test(database, epoch, test).await,
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

        async fn add_member(
            database: &mut $connection,
            epoch: i64,
            group: &crate::id::PrincipalId,
            member: &crate::id::PrincipalId,
        ) -> Result<(), Error> {
            let add = query(
                "INSERT INTO memberships (group_id, member_id) VALUES ($1, $2)
                 ON CONFLICT (group_id, member_id) DO NOTHING",
            );
            add.bind(group.to_string()).bind(member.to_string()).execute(&mut *database).await?;
            touch(database, epoch, "MEMBERS", group).await
        }

        async fn remove_member(
            database: &mut $connection,
            epoch: i64,
            group: &crate::id::PrincipalId,
            member: &crate::id::PrincipalId,
        ) -> Result<(), Error> {
            let remove = query("DELETE FROM memberships WHERE group_id = $1 AND member_id = $2");
            remove.bind(group.to_string()).bind(member.to_string()).execute(&mut *database).await?;
            touch(database, epoch, "MEMBERS", group).await
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
            let tokens = query("DELETE FROM access_tokens WHERE principal_id = $1");
            tokens.bind(&id).execute(&mut *database).await?;
            let password = query("DELETE FROM passwords WHERE principal_id = $1");
            password.bind(&id).execute(&mut *database).await?;
            query("DELETE FROM principals WHERE id = $1").bind(&id).execute(&mut *database).await?;
            Ok(())
        }

        async fn remove_access_token(database: &mut $connection, id: AccessTokenId) -> Result<(), Error> {
            let remove = query("DELETE FROM access_tokens WHERE id = $1").bind(id.to_string());
            remove.execute(database).await?;
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

pub(in crate::store) use sql_write;
