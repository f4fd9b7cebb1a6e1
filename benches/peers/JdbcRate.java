import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Properties;

/**
 * Asks a query by JDBC each time that a line comes, reads every value, and tells rows and milliseconds.
 *
 * <p>{@code java -cp DRIVER JdbcRate.java URL TOKEN SQL}
 */
public final class JdbcRate {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("token", arguments[1]);
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in));
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            while (asked.readLine() != null) {
                long begun = System.nanoTime();
                long rows = 0;
                try (Statement statement = connection.createStatement();
                        ResultSet answer = statement.executeQuery(arguments[2])) {
                    int columns = answer.getMetaData().getColumnCount();
                    while (answer.next()) {
                        for (int column = 1; column <= columns; column++) {
                            answer.getObject(column);
                        }
                        rows++;
                    }
                }
                System.out.println(rows + " " + (System.nanoTime() - begun) / 1e6);
            }
        }
    }
}
