//! The statements of what stands beside the catalog and moves no epoch: the audit trail, requests for
//! access, access tokens, secrets, hashes of passwords.

/// The functions of what stands beside the catalog, through `$connection`.
macro_rules! sql_audit {
    ($connection:ty) => {
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

        pub(super) async fn audit_page(
            database: &mut $connection,
            after: i64,
            limit: u32,
        ) -> Result<Vec<(i64, AuditEvent)>, Error> {
            let found: Vec<rows::NumberedAuditRow> = query_as(
                "SELECT number, event_id, event_time_us, principal_id, principal_name, origin, action,
                     securable, parameters, answer, because
                 FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
            )
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(database)
            .await?;
            found.into_iter().map(rows::NumberedAuditRow::into_model).collect()
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

        pub(super) async fn access_token(
            database: &mut $connection,
            digest: &[u8; 32],
        ) -> Result<Option<AccessToken>, Error> {
            let found: Option<rows::AccessTokenRow> =
                query_as("SELECT * FROM access_tokens WHERE digest = $1")
                    .bind(rows::digest_cell(digest))
                    .fetch_optional(database)
                    .await?;
            found.map(rows::AccessTokenRow::into_model).transpose()
        }

        pub(super) async fn access_token_by_id(
            database: &mut $connection,
            id: AccessTokenId,
        ) -> Result<Option<AccessToken>, Error> {
            let found: Option<rows::AccessTokenRow> = query_as("SELECT * FROM access_tokens WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(database)
                .await?;
            found.map(rows::AccessTokenRow::into_model).transpose()
        }

        pub(super) async fn access_token_list(
            database: &mut $connection,
        ) -> Result<Vec<AccessToken>, Error> {
            let found: Vec<rows::AccessTokenRow> =
                query_as("SELECT * FROM access_tokens").fetch_all(database).await?;
            found.into_iter().map(rows::AccessTokenRow::into_model).collect()
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
    };
}

pub(in crate::store) use sql_audit;
