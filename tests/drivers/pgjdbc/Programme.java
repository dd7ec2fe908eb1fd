import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TimeZone;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/** pgjdbc: its server-prepared statements, batches, savepoints, COPY, and what it sends for the setters of a Connection. */
public final class Programme {
  private static final int ROUNDS = 20;
  private static final String SLEEPING =
      "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '%pgjdbc sleeper%'";

  private Programme() {}

  public static void main(String[] arguments) {
    System.out.println("version: " + org.postgresql.util.DriverInfo.DRIVER_VERSION);
    TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
    Checks checks = new Checks();
    checks.check("parameters", Programme::parameters);
    checks.check("many statements", Programme::manyStatements);
    checks.check("transactions", Programme::transactions);
    checks.check("savepoints", Programme::savepoints);
    checks.check("batches", Programme::batches);
    checks.check("copy", Programme::copy);
    checks.check("server side cursor", Programme::serverSideCursor);
    checks.check("cancel", Programme::cancel);
    checks.check("notify", Programme::notifications);
    checks.check("settings", Programme::settings);
    checks.check("settings at connect", Programme::settingsAtConnect);
    checks.check("isolation and read only", Programme::isolationAndReadOnly);
    checks.check("cached plan", Programme::cachedPlan);
    checks.check("cached plan in a transaction", Programme::cachedPlanInTransaction);
    checks.check("newcomers see defaults", Programme::newcomersSeeDefaults);
    checks.check("console", Programme::console);
    System.exit(checks.failed() ? 1 : 0);
  }

  private static String parameters() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        try (PreparedStatement product = connection.prepareStatement("select ?::int * 2, ?::text, ?::bigint")) {
          for (int number = 0; number < ROUNDS; ++number) {
            product.setInt(1, index * 1000 + number);
            product.setString(2, "text " + number);
            product.setLong(3, number);
            try (ResultSet result = product.executeQuery()) {
              result.next();
              Checks.equal(result.getInt(1), (index * 1000 + number) * 2, "product");
              Checks.equal(result.getString(2), "text " + number, "text");
              Checks.equal(result.getLong(3), (long) number, "long");
            }
            Checks.equal(Connections.value(connection, "select note from cached where id = ?", index + 1),
                "note " + (index + 1), "note");
          }
        }
        return null;
      });
    }
    return null;
  }

  /** More than preparedStatementCacheQueries (256): the driver closes the oldest. */
  private static String manyStatements() throws Exception {
    try (Connections connections = new Connections(4, index -> new Properties())) {
      Checks.forEach(connections.all, (index, connection) -> {
        for (int number = 0; number < 600; ++number) {
          String sql = "select " + number % 300 + " + ?::int";
          Checks.equal(Connections.value(connection, sql, index), String.valueOf(number % 300 + index), "sum");
        }
        return null;
      });
    }
    return null;
  }

  private static String transactions() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        connection.setAutoCommit(false);
        for (int number = 0; number < ROUNDS; ++number) {
          Connections.run(connection, "insert into items values (?, ?)", index, "kept " + number);
          connection.commit();
          Connections.run(connection, "insert into items values (?, ?)", index, "lost " + number);
          String count = Connections.value(connection, "select count(*) from items where writer = ?", index);
          Checks.equal(count, String.valueOf(number + 2), "own rows");
          connection.rollback();
        }
        connection.setAutoCommit(true);
        return null;
      });
      Checks.equal(
          Connections.rows(connections.all.get(0),
              "select count(*), count(*) filter (where note like 'lost%') from items where writer < ?", Connections.COUNT),
          List.of(Connections.COUNT * ROUNDS + ",0"), "rows in the end");
    }
    return null;
  }

  private static String savepoints() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        connection.setAutoCommit(false);
        Connections.run(connection, "insert into items values (?, 'before')", 500 + index);
        Savepoint savepoint = connection.setSavepoint();
        Connections.run(connection, "insert into items values (?, 'inside')", 500 + index);
        expectState("22012", () -> Connections.run(connection, "select 1 / ?::int", 0));
        connection.rollback(savepoint);
        Connections.run(connection, "insert into items values (?, 'after')", 500 + index);
        connection.commit();
        connection.setAutoCommit(true);
        Checks.equal(Connections.rows(connection, "select note from items where writer = ? order by note", 500 + index),
            List.of("after", "before"), "rows around the savepoint");
        return null;
      });
    }
    return null;
  }

  private static String batches() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        try (PreparedStatement insert =
                 connection.prepareStatement("insert into items values (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
          for (int number = 0; number < 300; ++number) {
            insert.setInt(1, 700 + index);
            insert.setString(2, "batch " + number);
            insert.addBatch();
          }
          Checks.equal(insert.executeBatch().length, 300, "counts of the batch");
          Checks.equal(Connections.read(insert.getGeneratedKeys()).size(), 300, "returned rows");
        }
        Checks.equal(Connections.value(connection, "select count(*) from items where writer = ?", 700 + index), "300", "rows");
        return null;
      });
    }
    return null;
  }

  private static String copy() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        StringBuilder text = new StringBuilder();
        for (int number = 0; number < 2000; ++number) {
          text.append(index).append('\t').append(number).append("\tnote ").append(number).append('\n');
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
        PGConnection driver = connection.unwrap(PGConnection.class);
        driver.getCopyAPI().copyIn("copy copied from stdin", new ByteArrayInputStream(bytes));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        driver.getCopyAPI().copyOut("copy (select * from copied where id = " + index + " order by number) to stdout", out);
        Checks.equal(out.toString(StandardCharsets.UTF_8).contentEquals(text), true, "what came out is what went in");
        return null;
      });
    }
    return null;
  }

  private static String serverSideCursor() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement("select n + ? from generate_series(1, 500) n")) {
          statement.setFetchSize(50);
          statement.setInt(1, index);
          try (ResultSet result = statement.executeQuery()) {
            for (int number = 1; number <= 500; ++number) {
              Checks.equal(result.next(), true, "one more row");
              Checks.equal(result.getInt(1), number + index, "row by cursor");
            }
          }
        }
        connection.commit();
        return null;
      });
    }
    return null;
  }

  private static String cancel() throws Exception {
    CompletableFuture<Statement> sleeper = new CompletableFuture<>();
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        if (index == 0) {
          try (Statement statement = connection.createStatement()) {
            sleeper.complete(statement);
            expectState("57014", () -> statement.execute("select pg_sleep(20) /* pgjdbc sleeper */"));
          }
          Checks.equal(Connections.value(connection, "select ?::int", 7), "7", "the session after the cancel");
        } else if (index == 1) {
          Statement statement = sleeper.get(Checks.PATIENCE_SECONDS, TimeUnit.SECONDS);
          Checks.waitUntil(() -> Connections.value(connection, SLEEPING).equals("1"), "the sleep");
          statement.cancel();
        } else {
          for (int number = 0; number < ROUNDS * 5; ++number) {
            Checks.equal(
                Connections.value(connection, "select ?::int", number), String.valueOf(number), "a bystander's answer");
          }
        }
        return null;
      });
    }
    return null;
  }

  private static String notifications() throws Exception {
    int expected = 5 * (Connections.COUNT - 1);
    try (Connections connections = new Connections()) {
      Connections.runSimple(connections.all.get(0), "listen pgjdbc");
      Checks.forEach(connections.all, (index, connection) -> {
        if (index == 0) {
          receive(connection, expected);
          return null;
        }
        for (int number = 0; number < 5; ++number) {
          Connections.run(connection, "select pg_notify('pgjdbc', ?)", "from " + index + ", " + number);
          Checks.equal(Connections.value(connection, "select ?::int", number), String.valueOf(number), "an answer");
        }
        return null;
      });
    }
    return null;
  }

  private static void receive(Connection connection, int expected) throws SQLException {
    Set<String> payloads = new HashSet<>();
    int received = 0;
    long deadline = System.nanoTime() + Checks.PATIENCE_SECONDS * 1_000_000_000L;
    while (received < expected && System.nanoTime() < deadline) {
      PGNotification[] found = connection.unwrap(PGConnection.class).getNotifications(1000);
      for (PGNotification notification : found == null ? new PGNotification[0] : found) {
        payloads.add(notification.getParameter());
        ++received;
      }
    }
    Checks.equal(received, expected, "notifications");
    Checks.equal(payloads.size(), expected, "different payloads");
    Connections.runSimple(connection, "unlisten *");
  }

  private static List<String> settingsOf(Connection connection) throws SQLException {
    return List.of(Connections.value(connection, "show timezone"), Connections.value(connection, "show application_name"),
        Connections.value(connection, "show work_mem"), Connections.value(connection, "select name from place"));
  }

  private static String settings() throws Exception {
    Checks.Work<Connection> compare = (index, connection) -> {
      Checks.equal(settingsOf(connection),
          List.of("Etc/GMT+" + (index + 1), "client " + index, index + 1 + "MB", "place_" + (index + 1)), "settings");
      return null;
    };
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        Connections.runSimple(connection, "set timezone to 'Etc/GMT+" + (index + 1) + "'");
        Connections.runSimple(connection, "set work_mem to '" + (index + 1) + "MB'");
        connection.setClientInfo("ApplicationName", "client " + index);
        connection.setSchema("place_" + (index + 1));
        return null;
      });
      for (int round = 0; round < 5; ++round) {
        Checks.forEach(connections.all, compare);
      }
      Checks.forEach(connections.all, (index, connection) -> {
        connection.setAutoCommit(false);
        Connections.runSimple(connection, "set local work_mem to '77MB'");
        Checks.equal(Connections.value(connection, "show work_mem"), "77MB", "SET LOCAL inside");
        connection.commit();
        Connections.runSimple(connection, "set work_mem to '78MB'");
        connection.rollback();
        connection.setAutoCommit(true);
        return null;
      });
      Checks.forEach(connections.all, compare);
    }
    return null;
  }

  private static Properties settingsFor(int index) {
    Properties properties = new Properties();
    properties.setProperty("ApplicationName", "started " + index);
    properties.setProperty("currentSchema", "place_" + (index + 1));
    properties.setProperty("options", "-c work_mem=" + (index + 1) + "MB");
    return properties;
  }

  private static String settingsAtConnect() throws Exception {
    try (Connections connections = new Connections(Connections.COUNT, Programme::settingsFor)) {
      for (int round = 0; round < 3; ++round) {
        Checks.forEach(connections.all, (index, connection) -> {
          Checks.equal(
              settingsOf(connection), List.of("UTC", "started " + index, index + 1 + "MB", "place_" + (index + 1)), "settings");
          return null;
        });
      }
    }
    return null;
  }

  private static String isolationAndReadOnly() throws Exception {
    try (Connections connections = new Connections()) {
      Checks.forEach(connections.all, (index, connection) -> {
        boolean special = index % 2 == 0;
        if (special) {
          connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
          connection.setReadOnly(true);
          connection.setAutoCommit(false); // the driver says READ ONLY in its BEGIN
        }
        for (int round = 0; round < 5; ++round) {
          Checks.equal(Connections.value(connection, "show transaction_isolation"), special ? "serializable" : "read committed",
              "isolation");
          Checks.equal(Connections.value(connection, "show transaction_read_only"), special ? "on" : "off", "read only");
          if (special) {
            connection.commit();
          }
        }
        return null;
      });
    }
    return null;
  }

  private static String cachedPlan() throws Exception {
    String query = "select * from cached where id = ?";
    try (Connections connections = new Connections(); Connections others = new Connections(2, index -> new Properties())) {
      for (int round = 0; round < 3; ++round) {
        Checks.forEach(connections.all, (index, connection) -> {
          Checks.equal(Connections.value(connection, query, index + 1), (index + 1) + ",note " + (index + 1), "row");
          return null;
        });
      }
      Connections.runSimple(others.all.get(0), "alter table cached add column extra int default 5");
      for (int round = 0; round < 2; ++round) {
        Checks.equal(Connections.value(others.all.get(1), query, 1), "1,note 1,5", "a newcomer's row");
      }
      return "in autocommit mode, after DDL it gets "
          + String.join(" or ",
              new TreeSet<>(Checks.forEach(connections.all,
                  (index, connection) -> again(connection, query, index, (index + 1) + ",note " + (index + 1) + ",5"))));
    }
  }

  private static String cachedPlanInTransaction() throws Exception {
    String query = "select * from cached where id = ?";
    try (Connections connections = new Connections(); Connections others = new Connections(1, index -> new Properties())) {
      for (int round = 0; round < 3; ++round) {
        Checks.forEach(connections.all, (index, connection) -> {
          Checks.equal(Connections.value(connection, query, index + 1), (index + 1) + ",note " + (index + 1) + ",5", "row");
          return null;
        });
      }
      Connections.runSimple(others.all.get(0), "alter table cached add column other int default 6");
      return "in a transaction, after DDL it gets "
          + String.join(" or ", new TreeSet<>(Checks.forEach(connections.all, (index, connection) -> {
              connection.setAutoCommit(false);
              Connections.runSimple(connection, "select 1");
              return again(connection, query, index, (index + 1) + ",note " + (index + 1) + ",5,6");
            })));
    }
  }

  private static String again(Connection connection, String query, int index, String expected) throws SQLException {
    for (int attempt = 0; attempt < 3; ++attempt) {
      try {
        String found = Connections.value(connection, query, index + 1);
        if (!connection.getAutoCommit()) {
          connection.commit();
        }
        Checks.equal(found, expected, "row after DDL");
        return attempt == 0 ? "the new rows" : "0A000 " + attempt + " times, then the new rows";
      } catch (SQLException error) {
        Checks.equal(error.getSQLState(), "0A000", "the error after DDL (" + error.getMessage() + ")");
        if (!connection.getAutoCommit()) {
          connection.rollback();
        }
      }
    }
    throw new AssertionError("0A000 three times");
  }

  private static String console() throws Exception {
    if (!"pgweir".equals(System.getenv("DRIVERS_SERVER"))) {
      return "PostgreSQL has none";
    }
    try (Connection connection = Connections.console()) {
      for (boolean autoCommit : new boolean[] {true, false, true}) {
        connection.setAutoCommit(autoCommit);
        for (int round = 0; round < 3; ++round) {
          try (PreparedStatement statement = connection.prepareStatement("show stats"); ResultSet result = statement.executeQuery()) {
            Checks.equal(result.getMetaData().getColumnName(1), "database", "the first column");
            while (result.next()) {
              Checks.equal(result.getLong("total_query_count") >= 0, true, "a number");
            }
          }
          Checks.equal(Connections.rows(connection, "select name, paused from databases where name = 'pgweir'"),
              List.of("pgweir,0"), "a row");
        }
        Connections.run(connection, "pause app timeout '5s'");
        Connections.run(connection, "resume app");
        if (!autoCommit) {
          connection.commit();
        }
      }
      connection.setReadOnly(true);
      Checks.equal(connection.getTransactionIsolation(), Connection.TRANSACTION_READ_COMMITTED, "the isolation");
      expectState("42703", () -> Connections.run(connection, "select nothing from pools"));
      Checks.equal(connection.isValid(Checks.PATIENCE_SECONDS), true, "the session after the error");
    }
    return null;
  }

  private static String newcomersSeeDefaults() throws Exception {
    try (Connections connections = new Connections()) {
      for (int round = 0; round < 3; ++round) {
        Checks.forEach(connections.all, (index, connection) -> {
          for (String[] pair : new String[][] {{"work_mem", "4MB"}, {"search_path", "\"$user\", public"},
                   {"default_transaction_read_only", "off"}, {"default_transaction_isolation", "read committed"}}) {
            Checks.equal(Connections.value(connection, "show " + pair[0]), pair[1], pair[0]);
          }
          return null;
        });
      }
    }
    return null;
  }

  private interface Action {
    void run() throws SQLException;
  }

  private static void expectState(String state, Action action) throws SQLException {
    try {
      action.run();
    } catch (SQLException error) {
      Checks.equal(error.getSQLState(), state, "the error (" + error.getMessage() + ")");
      return;
    }
    throw new AssertionError("no error " + state);
  }
}
