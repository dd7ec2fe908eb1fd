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
import java.util.function.IntFunction;

/** A number of connections, all closed at the end, and the short ways to run SQL on one. */
final class Connections implements AutoCloseable {
  static final int COUNT = 8;

  final List<Connection> all = new ArrayList<>();

  Connections(int count, IntFunction<Properties> each) throws SQLException {
    String url =
        "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
    try {
      for (int index = 0; index < count; ++index) {
        Properties properties = new Properties();
        properties.putAll(each.apply(index));
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("prepareThreshold", "1");
        all.add(DriverManager.getConnection(url, properties));
      }
    } catch (SQLException error) {
      close();
      throw error;
    }
  }

  Connections() throws SQLException {
    this(COUNT, index -> new Properties());
  }

  /** A login to pgweir's console. */
  static Connection console() throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", "admin");
    properties.setProperty("password", "admin");
    properties.setProperty("prepareThreshold", "1");
    return DriverManager.getConnection(
        "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/pgweir", properties);
  }

  @Override
  public void close() throws SQLException {
    for (Connection connection : all) {
      connection.close();
    }
  }

  static void run(Connection connection, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, parameters);
      statement.execute();
    }
  }

  static void runSimple(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The rows, each as its columns joined by a comma. */
  static List<String> rows(Connection connection, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, parameters);
      try (ResultSet result = statement.executeQuery()) {
        return read(result);
      }
    }
  }

  static List<String> read(ResultSet result) throws SQLException {
    List<String> found = new ArrayList<>();
    ResultSetMetaData columns = result.getMetaData();
    while (result.next()) {
      List<String> row = new ArrayList<>();
      for (int column = 1; column <= columns.getColumnCount(); ++column) {
        row.add(result.getString(column));
      }
      found.add(String.join(",", row));
    }
    return found;
  }

  static String value(Connection connection, String sql, Object... parameters) throws SQLException {
    return rows(connection, sql, parameters).get(0);
  }

  private static void bind(PreparedStatement statement, Object[] parameters) throws SQLException {
    for (int index = 0; index < parameters.length; ++index) {
      statement.setObject(index + 1, parameters[index]);
    }
  }
}
