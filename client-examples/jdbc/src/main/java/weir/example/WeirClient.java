package weir.example;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * What a BI tool does with Weir over JDBC: a query, the metadata, a prepared statement with a parameter.
 *
 * <p>The token decides which rows, values and tables there are; the program filters nothing.
 */
public final class WeirClient {
    private static final String DEFAULT_URL = "jdbc:arrow-flight-sql://127.0.0.1:32010/?useEncryption=false";
    private static final String NAMES_OF_REGION =
            "SELECT name, department FROM hr.people.employees WHERE region = ? ORDER BY employee_id LIMIT 5";

    private WeirClient() {}

    /** A connection on which every call carries {@code token}. */
    public static Connection connect(String url, String token) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("token", token);
        return DriverManager.getConnection(url, properties);
    }

    /** Runs {@code sql} and returns its rows as text. */
    public static List<List<String>> query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            return text(rows);
        }
    }

    /** Runs {@code sql} with {@code value} as its only parameter. */
    public static List<List<String>> query(Connection connection, String sql, String value) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setString(1, value);
            try (ResultSet rows = statement.executeQuery()) {
                return text(rows);
            }
        }
    }

    /** The catalogs the caller may know of. */
    public static List<String> catalogs(Connection connection) throws SQLException {
        try (ResultSet rows = connection.getMetaData().getCatalogs()) {
            return column(rows, "TABLE_CAT");
        }
    }

    /** The schemas of a catalog. */
    public static List<String> schemas(Connection connection, String catalog) throws SQLException {
        try (ResultSet rows = connection.getMetaData().getSchemas(catalog, null)) {
            return column(rows, "TABLE_SCHEM");
        }
    }

    /** The tables and views of a schema. */
    public static List<String> tables(Connection connection, String catalog, String schema) throws SQLException {
        try (ResultSet rows = connection.getMetaData().getTables(catalog, schema, null, null)) {
            return column(rows, "TABLE_NAME");
        }
    }

    /** The columns of a table, each with its type. */
    public static List<String> columns(Connection connection, String catalog, String schema, String table)
            throws SQLException {
        List<String> columns = new ArrayList<>();
        try (ResultSet rows = connection.getMetaData().getColumns(catalog, schema, table, null)) {
            while (rows.next()) {
                columns.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME"));
            }
        }
        return columns;
    }

    private static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
            values.add(rows.getString(name));
        }
        return values;
    }

    private static List<List<String>> text(ResultSet rows) throws SQLException {
        ResultSetMetaData columns = rows.getMetaData();
        List<List<String>> all = new ArrayList<>();
        while (rows.next()) {
            List<String> row = new ArrayList<>();
            for (int index = 1; index <= columns.getColumnCount(); index++) {
                row.add(String.valueOf(rows.getObject(index)));
            }
            all.add(row);
        }
        return all;
    }

    private static void print(String title, List<List<String>> rows) {
        System.out.println("\n" + title);
        for (List<String> row : rows) {
            System.out.println("  " + String.join(" | ", row));
        }
    }

    /** Prints the metadata, the rows of the statement given, and those of a prepared statement. */
    public static void main(String[] arguments) throws SQLException {
        String url = System.getenv().getOrDefault("WEIR_JDBC_URL", DEFAULT_URL);
        String token = System.getenv("WEIR_TOKEN");
        if (token == null || token.isEmpty() || arguments.length != 1) {
            System.err.println("usage: WEIR_TOKEN=… mvn -q -B compile exec:exec -Dsql=\"SELECT …\""
                    + " (`weir demo` prints a token for each of its users)");
            System.exit(2);
        }
        try (Connection connection = connect(url, token)) {
            for (String catalog : catalogs(connection)) {
                for (String schema : schemas(connection, catalog)) {
                    System.out.println(catalog + "." + schema + ": " + tables(connection, catalog, schema));
                }
            }
            System.out.println("\nhr.people.employees: " + columns(connection, "hr", "people", "employees"));
            print(arguments[0], query(connection, arguments[0]));

            List<List<String>> regions =
                    query(connection, "SELECT DISTINCT region FROM hr.people.employees ORDER BY region LIMIT 1");
            for (List<String> region : regions) {
                print(NAMES_OF_REGION + "   with ? = " + region.get(0), query(connection, NAMES_OF_REGION, region.get(0)));
            }
        }
    }
}
