// Pools: multiplexing, modes, waiting, caps, reserve, minimum, lifetime, overrides.
#include <set>

#include "tests/integration/environment.h"

namespace integration {
namespace {

class PoolingTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // Waits until a statement of this role that matches is running in PostgreSQL.
  static bool WaitRunning(const std::string& like) {
    Connection superuser(SharedCluster().SuperuserString());
    return Eventually([&] {
      return superuser.Value(
                 "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query "
                 "LIKE '" +
                 like + "'") != "0";
    });
  }
};

TEST_F(PoolingTest, TransactionModeMultiplexesOneServer) {
  StartPgweir("pool_mode = \"transaction\"\ndefault_pool_size = 1\n");
  std::vector<Connection> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Connect());
  std::set<std::string> pids;
  for (int round = 0; round < 5; ++round) {
    for (Connection& client : clients) pids.insert(client.Value("SELECT pg_backend_pid()"));
  }
  EXPECT_EQ(pids.size(), 1u);
  EXPECT_EQ(ServersOf("app"), 1);
}

TEST_F(PoolingTest, TenClientsWaitForOneServerAndAllAreServedInOrder) {
  // One worker: between workers the order holds but for a millisecond of slack (pool/pool.h, law 3).
  StartPgweir("workers = 1\ndefault_pool_size = 1\nquery_wait_timeout = \"10s\"\n");
  Connection admin = Admin(), holder = Connect();
  ASSERT_TRUE(holder.Query("DROP SEQUENCE IF EXISTS served; CREATE SEQUENCE served; BEGIN").ok());
  std::vector<Connection> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Connect());
    clients.back().Send("SELECT nextval('served')");
    ASSERT_TRUE(WaitForPool(admin, "cl_waiting", i + 1)) << "waiter " << i;
  }
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(clients[static_cast<size_t>(i)].Next().Value(), std::to_string(i + 1));
}

TEST_F(PoolingTest, SessionModeKeepsTheServer) {
  StartPgweir("pool_mode = \"session\"\ndefault_pool_size = 2\n");
  Connection a = Connect(), b = Connect();
  const std::string pid_a = a.Value("SELECT pg_backend_pid()"), pid_b = b.Value("SELECT pg_backend_pid()");
  EXPECT_NE(pid_a, pid_b);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(a.Value("SELECT pg_backend_pid()"), pid_a);
    EXPECT_EQ(b.Value("SELECT pg_backend_pid()"), pid_b);
  }
}

TEST_F(PoolingTest, SessionModeResetsTheServerForTheNextClient) {
  StartPgweir("pool_mode = \"session\"\ndefault_pool_size = 1\n");
  std::string pid;
  {
    Connection first = Connect();
    pid = first.Value("SELECT pg_backend_pid()");
    ASSERT_TRUE(
        first.Query("SET work_mem = '77MB'; CREATE TEMP TABLE left_behind (i int); PREPARE left_over AS SELECT 1")
            .ok());
  }
  Connection second = Connect();
  EXPECT_EQ(second.Value("SELECT pg_backend_pid()"), pid);
  EXPECT_NE(second.Value("SHOW work_mem"), "77MB");
  EXPECT_EQ(second.Query("SELECT * FROM left_behind").sqlstate(), "42P01");
  EXPECT_EQ(second.Query("EXECUTE left_over").sqlstate(), "26000");
}

TEST_F(PoolingTest, SessionModeLeftInTransactionIsNotReusedDirty) {
  StartPgweir("pool_mode = \"session\"\ndefault_pool_size = 1\n");
  {
    Connection first = Connect();
    ASSERT_TRUE(first.Query("BEGIN; CREATE TABLE never_committed (i int)").ok());
  }
  Connection second = Connect();
  EXPECT_EQ(second.Query("SELECT * FROM never_committed").sqlstate(), "42P01");
  EXPECT_EQ(PQtransactionStatus(second.get()), PQTRANS_IDLE);
}

TEST_F(PoolingTest, StatementModeRefusesTransactions) {
  StartPgweir("pool_mode = \"statement\"\n");
  {
    Connection client = Connect();
    EXPECT_EQ(client.Value("SELECT 1"), "1");
    const Result refused = client.Query("BEGIN");
    EXPECT_FALSE(refused.ok());
    EXPECT_FALSE(refused.sqlstate().empty());
  }
  // No server was left inside the transaction that was refused.
  Connection next = Connect();
  EXPECT_EQ(next.Value("SELECT 2"), "2");
  EXPECT_EQ(PQtransactionStatus(next.get()), PQTRANS_IDLE);
}

TEST_F(PoolingTest, QueryWaitTimeoutIsAnErrorAndTheSessionLives) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"200ms\"\n");
  Connection holder = Connect(), waiter = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  const Result refused = waiter.Query("SELECT 1");
  EXPECT_EQ(refused.sqlstate(), "53300");
  EXPECT_EQ(refused.severity(), "ERROR");
  EXPECT_NE(refused.message().find("query_wait_timeout"), std::string::npos) << refused.message();
  EXPECT_FALSE(refused.detail().empty());
  EXPECT_NE(refused.hint().find("Retry after "), std::string::npos) << refused.hint();
  const Result extended = waiter.Params("SELECT $1::int", {"5"});
  EXPECT_EQ(extended.sqlstate(), "53300");
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(waiter.Value("SELECT 'lives'"), "lives");
}

TEST_F(PoolingTest, MaxWaitingRefusesAtOnce) {
  StartPgweir("default_pool_size = 1\nmax_waiting = 2\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect(), a = Connect(), b = Connect(), c = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  a.Send("SELECT 'a'");
  b.Send("SELECT 'b'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 2));
  const Result refused = c.Query("SELECT 'c'");
  EXPECT_EQ(refused.sqlstate(), "53300");
  EXPECT_NE(refused.message().find("max_waiting"), std::string::npos) << refused.message();
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(a.Next().Value(), "a");
  EXPECT_EQ(b.Next().Value(), "b");
  EXPECT_EQ(c.Value("SELECT 'c'"), "c");
}

TEST_F(PoolingTest, MaxClientConnectionsNamesTheKey) {
  StartPgweir("max_client_conn = 3\n");
  std::vector<Connection> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Connect());
  const Connection refused = TryConnect("app", "app");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.error().find("max_client_conn"), std::string::npos) << refused.error();
  WireClient wire(pgweir().port());
  EXPECT_FALSE(wire.Login({{"user", "app"}, {"database", "app"}}));
  EXPECT_EQ(test_support::ErrorField(wire.error(), 'C'), "53300");
  EXPECT_EQ(test_support::ErrorField(wire.error(), 'S'), "FATAL");
  Admin();  // has reserved room
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return TryConnect("app", "app").ok(); }));
}

TEST_F(PoolingTest, ClientCapsPerDatabaseAndUser) {
  StartPgweir("", DatabaseSection("app", "max_db_client_connections = 2\n") + DatabaseSection("*") +
                      "[users.other]\nmax_user_client_connections = 1\n");
  Connection a = Connect(), b = Connect();
  const Connection third = TryConnect("app", "app");
  EXPECT_FALSE(third.ok());
  EXPECT_NE(third.error().find("max_db_client_connections"), std::string::npos) << third.error();
  Connection other = Connect("other", "second");
  const Connection second_of_other = TryConnect("other", "second");
  EXPECT_FALSE(second_of_other.ok());
  EXPECT_NE(second_of_other.error().find("max_user_client_connections"), std::string::npos) << second_of_other.error();
  EXPECT_TRUE(Connect("app", "second").ok());
}

// Many clients at once; the number of servers that PostgreSQL sees is watched all the time.
TEST_F(PoolingTest, ServerCapsAreNeverPassed) {
  StartPgweir(
      "default_pool_size = 10\nmax_db_connections = 3\nquery_wait_timeout = \"30s\"\nserver_idle_timeout = \"1s\"\n",
      DatabaseSection("*") + "[users.other]\nmax_user_connections = 2\n");
  std::vector<Connection> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(Connect(i % 2 == 0 ? "app" : "other", i % 3 == 0 ? "second" : "app"));
  for (Connection& client : clients) client.Send("SELECT pg_sleep(0.1)");
  Connection superuser(SharedCluster().SuperuserString());
  int most_in_app = 0, most_of_other = 0;
  std::vector<bool> done(clients.size());
  const bool all_done = Eventually([&] {
    const Result counts = superuser.Query(
        "SELECT count(*) FILTER (WHERE datname = 'app'), count(*) FILTER (WHERE usename = 'other') FROM "
        "pg_stat_activity "
        "WHERE backend_type = 'client backend' AND usename IN ('app', 'other')");
    most_in_app = std::max(most_in_app, std::stoi(counts.Value(0, 0)));
    most_of_other = std::max(most_of_other, std::stoi(counts.Value(0, 1)));
    bool all = true;
    for (size_t i = 0; i < clients.size(); ++i) {
      if (!done[i] && clients[i].HasResult()) done[i] = true;
      all = all && done[i];
    }
    return all;
  });
  EXPECT_TRUE(all_done);
  for (Connection& client : clients) EXPECT_TRUE(client.Next().ok());
  EXPECT_LE(most_in_app, 3);
  EXPECT_LE(most_of_other, 2);
  EXPECT_GE(most_in_app, 2) << "the test did not press against the cap";
}

TEST_F(PoolingTest, ReservePoolHelpsAfterItsTimeout) {
  StartPgweir(
      "default_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = \"200ms\"\nquery_wait_timeout = \"20s\"\n");
  Connection holder = Connect(), second = Connect(), third = Connect(), admin = Admin();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  ASSERT_TRUE(second.Query("BEGIN").ok()) << "the reserve did not open";
  EXPECT_EQ(ServersOf("app"), 2);
  third.Send("SELECT 3");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(second.Query("COMMIT").ok());
  EXPECT_EQ(third.Next().Value(), "3");
  EXPECT_LE(ServersOf("app"), 2);
}

TEST_F(PoolingTest, MinPoolSizeIsKeptWarm) {
  StartPgweir("min_pool_size = 3\ndefault_pool_size = 5\n");
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_TRUE(Eventually([&] { return ServersOf("app") == 3; })) << ServersOf("app");
}

TEST_F(PoolingTest, IdleServersAreClosed) {
  StartPgweir("server_idle_timeout = \"300ms\"\n");
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_TRUE(Eventually([&] { return ServersOf("app") == 0; }));
  EXPECT_EQ(client.Value("SELECT 2"), "2");
}

TEST_F(PoolingTest, ServerLifetimeReplacesServersBetweenTransactions) {
  StartPgweir("server_lifetime = \"500ms\"\ndefault_pool_size = 1\n");
  Connection client = Connect();
  const std::string first = client.Value("SELECT pg_backend_pid()");
  EXPECT_TRUE(Eventually([&] { return client.Value("SELECT pg_backend_pid()") != first; }));
  ASSERT_TRUE(client.Query("BEGIN").ok());
  const std::string kept = client.Value("SELECT pg_backend_pid()");
  ASSERT_TRUE(client.Query("SELECT pg_sleep(0.8)").ok());  // longer than its life
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), kept);
  ASSERT_TRUE(client.Query("COMMIT").ok());
}

TEST_F(PoolingTest, UserOverridesDatabaseOverridesGlobal) {
  StartPgweir("pool_mode = \"transaction\"\ndefault_pool_size = 1\n",
              DatabaseSection("app", "pool_mode = \"session\"\npool_size = 2\n") + DatabaseSection("*") +
                  "[users.other]\npool_mode = \"statement\"\npool_size = 3\n");
  Connection admin = Admin();
  Connection a = Connect("app", "app"), b = Connect("other", "app"), c = Connect("app", "second");
  for (Connection* client : {&a, &b, &c}) EXPECT_EQ(client->Value("SELECT 1"), "1");
  const Result pools = admin.Query("SHOW POOLS");
  std::map<std::string, std::string> modes;
  for (int row = 0; row < pools.rows(); ++row) {
    modes[pools.Value(row, "database") + "/" + pools.Value(row, "user")] = pools.Value(row, "pool_mode");
  }
  EXPECT_EQ(modes["app/app"], "session");
  EXPECT_EQ(modes["app/other"], "statement");
  EXPECT_EQ(modes["second/app"], "transaction");
}

TEST_F(PoolingTest, FallbackAndRenamedDatabases) {
  StartPgweir("", DatabaseSection("*") + DatabaseSection("alias", "dbname = \"second\"\n") +
                      DatabaseSection("forced", "dbname = \"app\"\nuser = \"other\"\n"));
  EXPECT_EQ(Connect("app", "app").Value("SELECT current_database()"), "app");
  EXPECT_EQ(Connect("app", "alias").Value("SELECT current_database()"), "second");
  EXPECT_EQ(Connect("app", "forced").Value("SELECT current_user || '@' || current_database()"), "other@app");
}

TEST_F(PoolingTest, TerminatedIdleServerIsNoticedBeforeItIsUsed) {
  StartPgweir("default_pool_size = 1\n");
  Connection client = Connect(), superuser(SharedCluster().SuperuserString()), admin = Admin();
  for (int i = 0; i < 5; ++i) {
    const std::string pid = client.Value("SELECT pg_backend_pid()");
    ASSERT_TRUE(superuser.Query("SELECT pg_terminate_backend(" + pid + ", 5000)").ok());
    ASSERT_TRUE(Eventually([&] { return PoolNumber(admin, "sv_idle") + PoolNumber(admin, "sv_used") == 0; }));
    EXPECT_NE(client.Value("SELECT pg_backend_pid()"), pid);
  }
}

TEST_F(PoolingTest, ServerLostInTheMiddleOfAQueryIsTold) {
  StartPgweir("default_pool_size = 1\n");
  Connection client = Connect(), superuser(SharedCluster().SuperuserString());
  client.Send("SELECT pg_sleep(600), 'to be lost'");
  ASSERT_TRUE(WaitRunning("%to be lost%"));
  ASSERT_TRUE(superuser
                  .Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%to be lost%' AND "
                         "pid <> pg_backend_pid()")
                  .ok());
  const Result lost = client.Next();
  // Either the server's own last word, or ours.
  EXPECT_TRUE(lost.sqlstate() == "57P01" || lost.sqlstate() == "08006") << lost.sqlstate() << " " << lost.error();
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
}

TEST_F(PoolingTest, ServersOwnLoginErrorReachesTheClient) {
  StartPgweir("", DatabaseSection("*") + DatabaseSection("broken", "dbname = \"does_not_exist\"\n"));
  Connection client = TryConnect("app", "broken");
  if (client.ok()) {
    EXPECT_EQ(client.Query("SELECT 1").sqlstate(), "3D000");
  } else {
    EXPECT_NE(client.error().find("does_not_exist"), std::string::npos) << client.error();
  }
}

}  // namespace
}  // namespace integration
