package weir.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Runs the example against the demo warehouse at {@code WEIR_JDBC_URL} as two of its users. */
class WeirClientTest {
    private static final String BY_REGION =
            "SELECT region, count(*) AS employees FROM hr.people.employees GROUP BY region ORDER BY region";
    private static final String EVERYBODY =
            "SELECT employee_id, name, email, region, salary FROM hr.people.employees ORDER BY employee_id";

    private static String environment(String name) {
        String value = System.getenv(name);
        assertNotNull(value, name + " must be set; client-examples/run_tests.sh sets it");
        return value;
    }

    private static Connection as(String user) throws SQLException {
        return WeirClient.connect(environment("WEIR_JDBC_URL"), environment("WEIR_TOKEN_" + user));
    }

    @Test
    void eachUserGetsTheirOwnRows() throws SQLException {
        try (Connection alice = as("ALICE"); Connection bob = as("BOB")) {
            List<List<String>> seenByAlice = WeirClient.query(alice, EVERYBODY);
            List<List<String>> seenByBob = WeirClient.query(bob, EVERYBODY);
            assertFalse(seenByAlice.isEmpty());
            assertFalse(seenByBob.isEmpty());
            assertNotEquals(seenByAlice, seenByBob);
            assertEquals(seenByAlice, WeirClient.query(alice, EVERYBODY), "the same question, the same answer");
        }
    }

    @Test
    void countsAgreeWithTheRowsThatAreSeen() throws SQLException {
        try (Connection bob = as("BOB")) {
            long counted = WeirClient.query(bob, BY_REGION).stream().mapToLong(row -> Long.parseLong(row.get(1))).sum();
            assertEquals(WeirClient.query(bob, EVERYBODY).size(), counted);
        }
    }

    @Test
    void metadataNamesCatalogsSchemasTablesAndColumns() throws SQLException {
        try (Connection alice = as("ALICE")) {
            assertTrue(WeirClient.catalogs(alice).contains("hr"));
            assertTrue(WeirClient.schemas(alice, "hr").contains("people"));
            assertTrue(WeirClient.tables(alice, "hr", "people").contains("employees"));
            List<String> names = WeirClient.columns(alice, "hr", "people", "employees").stream()
                    .map(column -> column.substring(0, column.indexOf(' ')))
                    .collect(Collectors.toList());
            assertEquals(
                    List.of("employee_id", "name", "email", "region", "department", "salary", "manager", "hired"), names);
        }
    }

    @Test
    void toolsLearnWhatTheyAskAtConnect() throws SQLException {
        try (Connection alice = as("ALICE"); ResultSet keys = alice.getMetaData().getPrimaryKeys("hr", "people", "employees")) {
            assertFalse(keys.next(), "no keys are declared");
            assertFalse(alice.getMetaData().getDatabaseProductName().isEmpty());
            assertEquals("`", alice.getMetaData().getIdentifierQuoteString());
        }
    }

    @Test
    void preparedStatementTakesItsParameter() throws SQLException {
        String names = "SELECT name FROM hr.people.employees WHERE region = ? ORDER BY employee_id";
        try (Connection bob = as("BOB")) {
            for (List<String> region : WeirClient.query(bob, BY_REGION)) {
                List<List<String>> rows = WeirClient.query(bob, names, region.get(0));
                assertEquals(Long.parseLong(region.get(1)), rows.size());
            }
            assertTrue(WeirClient.query(bob, names, "no such region").isEmpty());
        }
    }

    @Test
    void elevenParametersBindInTheirOrder() throws SQLException {
        String marks = IntStream.rangeClosed(1, 11).mapToObj(index -> "?").collect(Collectors.joining(", "));
        String sql = "SELECT name FROM hr.people.employees WHERE region IN (" + marks + ")";
        try (Connection bob = as("BOB"); var statement = bob.prepareStatement(sql)) {
            List<List<String>> regions = WeirClient.query(bob, BY_REGION);
            for (int index = 1; index <= 10; index++) {
                statement.setString(index, "no such region");
            }
            statement.setString(11, regions.get(0).get(0));
            long rows = 0;
            try (ResultSet found = statement.executeQuery()) {
                while (found.next()) {
                    rows++;
                }
            }
            assertEquals(Long.parseLong(regions.get(0).get(1)), rows);
        }
    }

    @Test
    void informationSchemaIsReadLikeAnyTable() throws SQLException {
        String views = "SELECT table_name FROM %1$s.information_schema.tables "
                + "WHERE table_catalog = '%1$s' AND table_schema = 'information_schema' ORDER BY table_name";
        try (Connection bob = as("BOB"); Statement statement = bob.createStatement()) {
            assertEquals(30, WeirClient.query(bob, String.format(views, "hr")).size());
            assertEquals(36, WeirClient.query(bob, String.format(views, "system")).size());
            for (String catalog : List.of("hr", "system")) {
                for (List<String> view : WeirClient.query(bob, String.format(views, catalog))) {
                    String sql = "SELECT * FROM " + catalog + ".information_schema." + view.get(0);
                    try (ResultSet rows = statement.executeQuery(sql)) {
                        int columns = rows.getMetaData().getColumnCount();
                        assertTrue(columns > 0, sql);
                        while (rows.next()) {
                            for (int column = 1; column <= columns; column++) {
                                // The driver has no getObject for timestamps with a zone.
                                boolean zoned = rows.getMetaData().getColumnType(column) == Types.TIMESTAMP_WITH_TIMEZONE;
                                assertEquals(
                                        rows.getString(column) == null,
                                        (zoned ? rows.getTimestamp(column) : rows.getObject(column)) == null,
                                        sql);
                            }
                        }
                    }
                }
            }
            String employees = "WHERE table_schema = 'people' AND table_name = 'employees'";
            assertEquals(
                    List.of(List.of("employees", "MANAGED")),
                    WeirClient.query(bob, "SELECT table_name, table_type FROM hr.information_schema.tables " + employees));
            assertFalse(WeirClient.query(bob, "SELECT mask_name FROM hr.information_schema.column_masks " + employees).isEmpty());
            assertTrue(WeirClient.query(
                            bob, "SELECT routine_definition FROM system.information_schema.routines WHERE routine_definition IS NOT NULL")
                    .isEmpty(), "bob may call no function, so he reads the body of none");
        }
    }

    @Test
    void writingToAGovernedTableIsRefusedByName() throws SQLException {
        try (Connection alice = as("ALICE"); Statement statement = alice.createStatement()) {
            SQLException refused = assertThrows(
                    SQLException.class, () -> statement.executeUpdate("DELETE FROM hr.people.employees"));
            assertTrue(refused.getMessage().toLowerCase().contains("delete")
                    || refused.getMessage().contains("employees"), refused.getMessage());
            assertFalse(WeirClient.query(alice, EVERYBODY).isEmpty());
        }
    }

    @Test
    void changesAreCountedAndBatchesAreSummed() throws SQLException {
        try (Connection admin = as("ADMIN"); Statement statement = admin.createStatement()) {
            assertFalse(statement.execute("CREATE TABLE main.default.jdbc (id INT, name STRING)"), "no rows come of it");
            try (PreparedStatement insert = admin.prepareStatement("INSERT INTO main.default.jdbc VALUES (?, ?)")) {
                for (int id = 1; id <= 3; id++) {
                    insert.setInt(1, id);
                    insert.setString(2, id == 2 ? null : "name " + id);
                    insert.addBatch();
                }
                assertEquals(3, java.util.Arrays.stream(insert.executeBatch()).sum());
                assertEquals(2, statement.executeUpdate("UPDATE main.default.jdbc SET name = 'x' WHERE name IS NOT NULL"));
                assertEquals(
                        List.of(List.of("1", "x"), List.of("2", "null"), List.of("3", "x")),
                        WeirClient.query(admin, "SELECT * FROM main.default.jdbc ORDER BY id"));
                assertEquals(3, statement.executeUpdate("DELETE FROM main.default.jdbc"));
            } finally {
                statement.executeUpdate("DROP TABLE main.default.jdbc");
            }
        }
    }

    @Test
    void toolsSweepTheMetadata() throws SQLException {
        try (Connection alice = as("ALICE")) {
            var metadata = alice.getMetaData();
            for (ResultSet rows : List.of(
                    metadata.getCatalogs(),
                    metadata.getSchemas(),
                    metadata.getTableTypes(),
                    metadata.getTables("hr", "peo%", "%", new String[] {"TABLE", "VIEW"}),
                    metadata.getColumns("hr", "people", "%", "%"),
                    metadata.getPrimaryKeys("hr", "people", "employees"),
                    metadata.getImportedKeys("hr", "people", "employees"),
                    metadata.getExportedKeys("hr", "people", "employees"),
                    metadata.getCrossReference("hr", "people", "employees", "hr", "people", "offices"))) {
                // The driver knows no columns of a listing that is empty.
                while (rows.next()) {
                    int columns = rows.getMetaData().getColumnCount();
                    assertTrue(columns > 0);
                    for (int column = 1; column <= columns; column++) {
                        rows.getString(column);
                    }
                }
                rows.close();
            }
            // What Tableau and DBeaver ask when they connect.
            assertEquals("\\", metadata.getSearchStringEscape());
            assertEquals("catalog", metadata.getCatalogTerm());
            assertEquals("schema", metadata.getSchemaTerm());
            assertFalse(metadata.supportsTransactions());
            assertTrue(metadata.supportsGroupBy(), "GROUP BY");
            assertTrue(metadata.supportsOuterJoins(), "outer joins");
            assertTrue(metadata.getMaxColumnNameLength() >= 0);
            assertFalse(metadata.getSQLKeywords().isBlank());
        }
    }

    @Test
    void theTokenMayBeThePasswordOfTheUserToken() throws SQLException {
        var properties = new java.util.Properties();
        properties.setProperty("user", "token");
        properties.setProperty("password", environment("WEIR_TOKEN_ALICE"));
        try (Connection alice = DriverManager.getConnection(environment("WEIR_JDBC_URL"), properties)) {
            assertFalse(WeirClient.query(alice, "SELECT name FROM hr.people.employees LIMIT 1").isEmpty());
        }
    }

    @Test
    void aConnectionMayBeginInACatalogAndSchema() throws SQLException {
        var properties = new java.util.Properties();
        properties.setProperty("token", environment("WEIR_TOKEN_ALICE"));
        properties.setProperty("catalog", "hr");
        // A property that the driver does not know goes to the server as a header.
        properties.setProperty("schema", "people");
        Connection alice = DriverManager.getConnection(environment("WEIR_JDBC_URL"), properties);
        assertFalse(WeirClient.query(alice, "SELECT name FROM employees LIMIT 1").isEmpty());
        // The driver tells the server of the end of such a session on a channel that it has closed.
        SQLException told = assertThrows(SQLException.class, alice::close);
        assertTrue(told.getMessage().contains("shutdown"), told.getMessage());
    }

    @Test
    void namesMayStandInDoubleQuotes() throws SQLException {
        var properties = new java.util.Properties();
        properties.setProperty("token", environment("WEIR_TOKEN_ALICE"));
        properties.setProperty("double_quoted_identifiers", "true");
        try (Connection alice = DriverManager.getConnection(environment("WEIR_JDBC_URL"), properties)) {
            String quoted = "SELECT \"name\" FROM \"hr\".\"people\".\"employees\" ORDER BY employee_id LIMIT 1";
            String plain = "SELECT name FROM hr.people.employees ORDER BY employee_id LIMIT 1";
            assertEquals(WeirClient.query(alice, plain), WeirClient.query(alice, quoted));
        }
    }

    @Test
    void aTokenThatIsNotOneIsUnauthenticated() {
        SQLException refused = assertThrows(SQLException.class, () -> {
            try (Connection nobody = WeirClient.connect(environment("WEIR_JDBC_URL"), "not-a-token")) {
                WeirClient.query(nobody, BY_REGION);
            }
        });
        StringBuilder story = new StringBuilder();
        for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
            story.append(cause).append('\n');
        }
        assertTrue(story.toString().toUpperCase().contains("UNAUTHENTICATED"), story.toString());
        assertFalse(story.toString().contains("not-a-token"), "the token must not be echoed");
    }
}
