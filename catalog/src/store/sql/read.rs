//! The statements that read the catalog: whole, or what changed since an epoch.

/// The functions that read through `$connection`.
macro_rules! sql_read {
    ($connection:ty) => {
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
            i64::try_from(epoch.0).map_err(|_| Error::Damaged { what: "epoch", value: epoch.0.to_string() })
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

        async fn memberships(
            database: &mut $connection,
            since: Option<i64>,
        ) -> Result<Vec<(crate::id::PrincipalId, crate::id::PrincipalId)>, Error> {
            let memberships: Vec<(String, String)> = match since {
                None => {
                    query_as("SELECT group_id, member_id FROM memberships").fetch_all(&mut *database).await?
                }
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
            memberships
                .iter()
                .map(|(group, member)| Ok((rows::id("group id", group)?, rows::id("member id", member)?)))
                .collect()
        }

        async fn grants(
            database: &mut $connection,
            since: Option<i64>,
        ) -> Result<Vec<crate::grant::Grant>, Error> {
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
            grants.into_iter().map(rows::GrantRow::into_model).collect()
        }

        type InSchemas =
            (Vec<crate::securable::Table>, Vec<crate::function::Function>, Vec<crate::securable::Volume>);

        /// What lies in schemas.
        async fn in_schemas(database: &mut $connection, since: Option<i64>) -> Result<InSchemas, Error> {
            let tables = load_rows!(
                database,
                since,
                "TABLE",
                rows::TableRow,
                "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM tables t
                 JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
            );
            let functions = load_rows!(
                database,
                since,
                "FUNCTION",
                rows::FunctionRow,
                "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM functions t
                 JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
            );
            let volumes = load_rows!(
                database,
                since,
                "VOLUME",
                rows::VolumeRow,
                "SELECT t.*, s.name AS schema_name, c.name AS catalog_name FROM volumes t
                 JOIN schemas s ON s.id = t.schema_id JOIN catalogs c ON c.id = s.catalog_id"
            );
            Ok((tables, functions, volumes))
        }

        async fn root(database: &mut $connection) -> Result<(MetastoreRoot, i64), Error> {
            let (metastore, owner, epoch): (String, Option<String>, i64) =
                query_as("SELECT id, owner, epoch FROM metastore").fetch_one(database).await?;
            let root = MetastoreRoot {
                id: rows::id("metastore id", &metastore)?,
                owner: owner.map(|text| rows::id("metastore owner", &text)).transpose()?,
            };
            Ok((root, epoch))
        }

        async fn read(database: &mut $connection, since: Option<i64>) -> Result<(Epoch, Content), Error> {
            let (metastore, epoch) = root(database).await?;
            let (tables, functions, volumes) = in_schemas(database, since).await?;
            let content = Content {
                metastore,
                principals: load_rows!(
                    database,
                    since,
                    "PRINCIPAL",
                    rows::PrincipalRow,
                    "SELECT t.* FROM principals t"
                ),
                memberships: memberships(database, since).await?,
                catalogs: load_rows!(
                    database,
                    since,
                    "CATALOG",
                    rows::CatalogRow,
                    "SELECT t.* FROM catalogs t"
                ),
                schemas: load_rows!(
                    database,
                    since,
                    "SCHEMA",
                    rows::SchemaRow,
                    "SELECT t.*, c.name AS catalog_name FROM schemas t JOIN catalogs c ON c.id = t.catalog_id"
                ),
                tables,
                functions,
                volumes,
                external_locations: load_rows!(
                    database,
                    since,
                    "EXTERNAL_LOCATION",
                    rows::ExternalLocationRow,
                    "SELECT t.* FROM external_locations t"
                ),
                storage_credentials: load_rows!(
                    database,
                    since,
                    "STORAGE_CREDENTIAL",
                    rows::StorageCredentialRow,
                    "SELECT t.* FROM storage_credentials t"
                ),
                governed_tags: load_rows!(
                    database,
                    since,
                    "GOVERNED_TAG",
                    rows::GovernedTagRow,
                    "SELECT t.* FROM governed_tags t"
                ),
                tag_policies: load_rows!(
                    database,
                    since,
                    "TAG_POLICY",
                    rows::TagPolicyRow,
                    "SELECT t.* FROM tag_policies t"
                ),
                policy_tests: load_rows!(
                    database,
                    since,
                    "POLICY_TEST",
                    rows::PolicyTestRow,
                    "SELECT t.* FROM policy_tests t"
                ),
                grants: grants(database, since).await?,
            };
            Ok((stored_epoch(epoch)?, content))
        }
    };
}

pub(in crate::store) use sql_read;
