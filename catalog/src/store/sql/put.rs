//! The statements that make a row or overwrite it by its id, one for each noun.

/// The functions that put one thing through `$connection`.
macro_rules! sql_put {
    ($connection:ty) => {
        async fn put_principal(
            database: &mut $connection,
            epoch: i64,
            principal: &Principal,
        ) -> Result<(), Error> {
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
            .execute(&mut *database)
            .await?;
            touch(database, epoch, "PRINCIPAL", principal.id).await
        }

        async fn put_access_token(
            database: &mut $connection,
            token: &AccessToken,
        ) -> Result<(), Error> {
            query(
                "INSERT INTO access_tokens (id, principal_id, name, digest, read_only, created_at_us, created_by,
                     expires_at_us)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(token.id.to_string())
            .bind(token.principal.to_string())
            .bind(token.name.as_str())
            .bind(rows::digest_cell(&token.digest))
            .bind(token.read_only)
            .bind(token.created_at.timestamp_micros())
            .bind(token.created_by.to_string())
            .bind(token.expires_at.timestamp_micros())
            .execute(database)
            .await?;
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

        async fn put_catalog(
            database: &mut $connection,
            epoch: i64,
            catalog: &Catalog,
        ) -> Result<(), Error> {
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
            with_stamps!(put, catalog.stamps).execute(&mut *database).await?;
            touch(database, epoch, "CATALOG", catalog.id).await
        }

        async fn put_schema(
            database: &mut $connection,
            epoch: i64,
            schema: &Schema,
        ) -> Result<(), Error> {
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
            with_stamps!(put, schema.stamps).execute(&mut *database).await?;
            touch(database, epoch, "SCHEMA", schema.id).await
        }

        async fn put_table(
            database: &mut $connection,
            epoch: i64,
            table: &Table,
        ) -> Result<(), Error> {
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
            with_stamps!(put, table.stamps).execute(&mut *database).await?;
            touch(database, epoch, "TABLE", table.id).await
        }

        async fn put_function(
            database: &mut $connection,
            epoch: i64,
            function: &Function,
        ) -> Result<(), Error> {
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
            with_stamps!(put, function.stamps).execute(&mut *database).await?;
            touch(database, epoch, "FUNCTION", function.id).await
        }

        async fn put_volume(
            database: &mut $connection,
            epoch: i64,
            volume: &Volume,
        ) -> Result<(), Error> {
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
            with_stamps!(put, volume.stamps).execute(&mut *database).await?;
            touch(database, epoch, "VOLUME", volume.id).await
        }

        async fn put_external_location(
            database: &mut $connection,
            epoch: i64,
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
            with_stamps!(put, location.stamps).execute(&mut *database).await?;
            touch(database, epoch, "EXTERNAL_LOCATION", location.id).await
        }

        async fn put_storage_credential(
            database: &mut $connection,
            epoch: i64,
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
            with_stamps!(put, credential.stamps).execute(&mut *database).await?;
            touch(database, epoch, "STORAGE_CREDENTIAL", credential.id).await
        }

        async fn put_governed_tag(
            database: &mut $connection,
            epoch: i64,
            tag: &GovernedTag,
        ) -> Result<(), Error> {
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
            with_stamps!(put, tag.stamps).execute(&mut *database).await?;
            touch(database, epoch, "GOVERNED_TAG", tag.id).await
        }

        async fn put_tag_policy(
            database: &mut $connection,
            epoch: i64,
            policy: &TagPolicy,
        ) -> Result<(), Error> {
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
            with_stamps!(put, policy.stamps).execute(&mut *database).await?;
            touch(database, epoch, "TAG_POLICY", policy.id).await
        }

        async fn put_policy_test(
            database: &mut $connection,
            epoch: i64,
            test: &PolicyTest,
        ) -> Result<(), Error> {
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
            with_stamps!(put, test.stamps).execute(&mut *database).await?;
            touch(database, epoch, "POLICY_TEST", test.id).await
        }
    };
}

pub(in crate::store) use sql_put;
