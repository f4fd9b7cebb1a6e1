//! Metadata commands: the schemas of the protocol, nullability included, in each step that tells one.

use arrow::datatypes::Schema;
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, ProstMessageExt,
};
use weir_testkit::{Client, TestServer, block_on};

use super::schemas::TABLES;

const TABLE_COLUMNS: &str = "catalog_name Utf8?, db_schema_name Utf8?, table_name Utf8, table_type Utf8";
const FOREIGN_KEYS: &str = "pk_catalog_name Utf8?, pk_db_schema_name Utf8?, pk_table_name Utf8, pk_column_name Utf8, \
    fk_catalog_name Utf8?, fk_db_schema_name Utf8?, fk_table_name Utf8, fk_column_name Utf8, key_sequence Int32, \
    fk_key_name Utf8?, pk_key_name Utf8?, update_rule UInt8, delete_rule UInt8";
const XDBC: &str = "type_name Utf8, data_type Int32, column_size Int32?, literal_prefix Utf8?, literal_suffix Utf8?, \
    create_params List?, nullable Int32, case_sensitive Boolean, searchable Int32, unsigned_attribute Boolean?, \
    fixed_prec_scale Boolean, auto_increment Boolean?, local_type_name Utf8?, minimum_scale Int32?, \
    maximum_scale Int32?, sql_data_type Int32, datetime_subcode Int32?, num_prec_radix Int32?, \
    interval_precision Int32?";

/// The columns with their types, and a mark on those that may be NULL.
fn text_of(schema: &Schema) -> String {
    let column = |field: &arrow::datatypes::FieldRef| {
        let kind = match field.data_type() {
            arrow::datatypes::DataType::List(_) => "List".to_owned(),
            other => other.to_string(),
        };
        format!("{} {kind}{}", field.name(), if field.is_nullable() { "?" } else { "" })
    };
    schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Breaches of one schema in each step.
async fn breaches(client: &Client, command: &impl ProstMessageExt, wanted: &str) -> Vec<String> {
    let name = command.as_any().type_url;
    let info = client.info(command).await.unwrap();
    let polled = client.polled(command).await.unwrap();
    let told = info.clone().try_decode_schema().unwrap();
    let rows = client.ask(command).await.unwrap();
    let mut breaches = Vec::new();
    let mut same = |step: &str, schema: &Schema| {
        if *schema != told {
            breaches.push(format!("{name}: {step}: {schema:?}"));
        }
    };
    same("GetSchema", &client.schema(command).await.unwrap());
    same("PollFlightInfo", &polled.try_decode_schema().unwrap());
    same("DoGet", &rows.schema);
    rows.batches.iter().for_each(|batch| same("a batch", &batch.schema()));
    if text_of(&told) != wanted {
        breaches.push(format!("{name}: {}", text_of(&told)));
    }
    if (info.endpoint.len(), info.total_records) != (1, -1) || !info.endpoint[0].location.is_empty() {
        breaches.push(format!("{name}: {info:?}"));
    }
    breaches
}

#[test]
fn each_command_has_the_schema_of_the_protocol_wherever_it_is_told() {
    block_on(async {
        let server = TestServer::start().await;
        server.prepare(TABLES).await;
        let client = server.client("admin");
        let with_schema = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
        let told = [
            breaches(&client, &CommandGetCatalogs {}, "catalog_name Utf8").await,
            breaches(&client, &CommandGetDbSchemas::default(), "catalog_name Utf8?, db_schema_name Utf8").await,
            breaches(&client, &CommandGetTables::default(), TABLE_COLUMNS).await,
            breaches(&client, &with_schema, &format!("{TABLE_COLUMNS}, table_schema Binary")).await,
            breaches(&client, &CommandGetTableTypes {}, "table_type Utf8").await,
            breaches(
                &client,
                &CommandGetPrimaryKeys::default(),
                "catalog_name Utf8?, db_schema_name Utf8?, table_name Utf8, column_name Utf8, key_sequence Int32, key_name Utf8?",
            )
            .await,
            breaches(&client, &CommandGetExportedKeys::default(), FOREIGN_KEYS).await,
            breaches(&client, &CommandGetImportedKeys::default(), FOREIGN_KEYS).await,
            breaches(&client, &CommandGetCrossReference::default(), FOREIGN_KEYS).await,
            breaches(&client, &CommandGetXdbcTypeInfo::default(), XDBC).await,
        ]
        .concat();
        assert!(told.is_empty(), "{}", told.join("\n"));
    });
}

#[test]
fn information_about_the_server_is_a_union_of_the_protocols_members() {
    block_on(async {
        let server = TestServer::start().await;
        let client = server.client("alice");
        let command = CommandGetSqlInfo::default();
        let told = client.schema(&command).await.unwrap();
        assert_eq!(told, *client.ask(&command).await.unwrap().schema);
        let arrow::datatypes::DataType::Union(members, arrow::datatypes::UnionMode::Dense) =
            told.field(1).data_type()
        else {
            panic!("{told:?}")
        };
        let members: Vec<(i8, &str)> =
            members.iter().map(|(id, field)| (id, field.name().as_str())).collect();
        let wanted = [
            (0, "string_value"),
            (1, "bool_value"),
            (2, "bigint_value"),
            (3, "int32_bitmask"),
            (4, "string_list"),
            (5, "int32_to_int32_list_map"),
        ];
        assert_eq!(members, wanted);
        assert_eq!((told.field(0).name().as_str(), told.field(0).is_nullable()), ("info_name", false));
    });
}
