// The console: columns as dashboards know them, who may do what, and what the verbs do.
#include <arpa/inet.h>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

struct Show {
  std::string command;
  std::vector<std::string> columns;  // PgBouncer's; others may follow
};

// pgbouncer-facts.md, section 2.
const std::vector<Show> kShows = {
    {"POOLS",
     {"database", "user", "cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active",
      "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login", "maxwait", "maxwait_us",
      "pool_mode", "load_balance_hosts"}},
    {"CLIENTS",
     {"type",
      "user",
      "database",
      "replication",
      "state",
      "addr",
      "port",
      "local_addr",
      "local_port",
      "connect_time",
      "request_time",
      "wait",
      "wait_us",
      "close_needed",
      "ptr",
      "link",
      "remote_pid",
      "tls",
      "application_name",
      "prepared_statements",
      "id"}},
    {"SERVERS",
     {"type",
      "user",
      "database",
      "replication",
      "state",
      "addr",
      "port",
      "local_addr",
      "local_port",
      "connect_time",
      "request_time",
      "wait",
      "wait_us",
      "close_needed",
      "ptr",
      "link",
      "remote_pid",
      "tls",
      "application_name",
      "prepared_statements",
      "id"}},
    {"DATABASES",
     {"name", "host", "port", "database", "force_user", "pool_size", "min_pool_size", "reserve_pool_size",
      "server_lifetime", "pool_mode", "load_balance_hosts", "max_connections", "current_connections",
      "max_client_connections", "current_client_connections", "paused", "disabled"}},
    {"USERS",
     {"name", "pool_size", "reserve_pool_size", "pool_mode", "max_user_connections", "current_connections",
      "max_user_client_connections", "current_client_connections"}},
    {"STATS",
     {"database", "total_server_assignment_count", "total_xact_count", "total_query_count", "total_received",
      "total_sent", "total_xact_time", "total_query_time", "total_wait_time", "total_client_parse_count",
      "total_server_parse_count", "total_bind_count"}},
    {"LISTS", {"list", "items"}},
    {"CONFIG", {"key", "value", "default", "changeable"}},
    {"STATE", {"key", "value"}},
    {"VERSION", {"version"}},
};

class ConsoleTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // The value beside a key in a result of two or more columns.
  static std::string Beside(const Result& result, const std::string& key, const std::string& column) {
    for (int row = 0; row < result.rows(); ++row) {
      if (result.Value(row, 0) == key) return result.Value(row, column);
    }
    return "no row " + key;
  }
};

TEST_F(ConsoleTest, ColumnsAreThoseThatDashboardsKnow) {
  StartPgweir();
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  for (const char* database : {"pgweir", "pgbouncer"}) {
    Connection admin = TryConnect("admin", database);
    ASSERT_TRUE(admin.ok()) << admin.error();
    for (const Show& show : kShows) {
      const Result result = admin.Query("SHOW " + show.command);
      ASSERT_TRUE(result.ok()) << show.command << ": " << result.error();
      std::vector<std::string> names = result.Names();
      ASSERT_GE(names.size(), show.columns.size()) << show.command;
      names.resize(show.columns.size());
      EXPECT_EQ(names, show.columns) << show.command;
      EXPECT_GT(result.rows(), 0) << show.command;
      EXPECT_EQ(result.tag().substr(0, 4), "SHOW") << show.command;
    }
  }
}

TEST_F(ConsoleTest, CommandsInAnyCaseWithSemicolonAndExtended) {
  StartPgweir();
  Connection admin = Admin();
  EXPECT_TRUE(admin.Query("show pools;").ok());
  EXPECT_TRUE(admin.Query("  Show  Pools ; ").ok());
  const Result extended = admin.Params("SHOW POOLS");
  ASSERT_TRUE(extended.ok()) << extended.error();
  EXPECT_EQ(extended.Name(0), "database");
}

TEST_F(ConsoleTest, UnknownCommandKeepsTheSession) {
  StartPgweir();
  Connection admin = Admin();
  for (const char* sql : {"SHOW NOTHING", "FROBNICATE", "PAUSE \"a", "SHOW", "KILL no_such_database"}) {
    EXPECT_FALSE(admin.Query(sql).ok()) << sql;
  }
  EXPECT_TRUE(admin.Query("SHOW VERSION").ok());
}

TEST_F(ConsoleTest, HelpIsANotice) {
  StartPgweir();
  Connection admin = Admin();
  EXPECT_EQ(admin.Query("SHOW HELP").rows(), 0);
  const auto notices = admin.TakeNotices();
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_EQ(notices[0], "Console usage");
}

TEST_F(ConsoleTest, WhoMayDoWhat) {
  StartPgweir();
  Connection watcher = Admin("watcher");
  EXPECT_TRUE(watcher.Query("SHOW POOLS").ok());
  EXPECT_TRUE(watcher.Query("SHOW CONFIG").ok());
  EXPECT_TRUE(watcher.Query("SHOW PINS").ok());
  for (const char* verb : {"RELOAD", "PAUSE", "PAUSE app", "RESUME", "KILL app", "RECONNECT", "SHUTDOWN"}) {
    const Result refused = watcher.Query(verb);
    EXPECT_EQ(refused.sqlstate(), "42501") << verb;
  }
  EXPECT_EQ(Connect().Value("SELECT 1"), "1") << "a refused verb had an effect";
  EXPECT_FALSE(TryConnect("app", "pgweir").ok());
  EXPECT_FALSE(TryConnect("app", "pgbouncer").ok());
}

TEST_F(ConsoleTest, PoolsClientsAndServersTellWhatIsTrue) {
  StartPgweir("default_pool_size = 1\n");  // both clients' welcomes come from it
  Connection admin = Admin(), holder = Connect("app", "app", "application_name=the_holder"), idle = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  EXPECT_EQ(PoolNumber(admin, "cl_active"), 2);
  EXPECT_EQ(PoolNumber(admin, "sv_active"), 1);
  const std::string pid = holder.Value("SELECT pg_backend_pid()");
  const Result servers = admin.Query("SHOW SERVERS");
  ASSERT_EQ(servers.rows(), 1);
  EXPECT_EQ(servers.Value(0, "type"), "S");
  EXPECT_EQ(servers.Value(0, "state"), "active");
  EXPECT_EQ(servers.Value(0, "remote_pid"), pid);
  EXPECT_EQ(servers.Value(0, "port"), std::to_string(SharedCluster().port()));
  const Result clients = admin.Query("SHOW CLIENTS");
  bool found = false;
  for (int row = 0; row < clients.rows(); ++row) {
    if (clients.Value(row, "application_name") != "the_holder") continue;
    found = true;
    EXPECT_EQ(clients.Value(row, "type"), "C");
    EXPECT_EQ(clients.Value(row, "state"), "active");
    EXPECT_EQ(clients.Value(row, "link"), servers.Value(0, "ptr"));
    EXPECT_EQ(clients.Value(row, "local_port"), std::to_string(pgweir().port()));
    sockaddr_in own{};
    socklen_t length = sizeof own;
    getsockname(PQsocket(holder.get()), reinterpret_cast<sockaddr*>(&own), &length);
    EXPECT_EQ(clients.Value(row, "port"), std::to_string(ntohs(own.sin_port)));
  }
  EXPECT_TRUE(found);
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_TRUE(WaitForPool(admin, "sv_active", 0));
  EXPECT_EQ(PoolNumber(admin, "sv_idle"), 1);
}

TEST_F(ConsoleTest, StatsCount) {
  StartPgweir();
  Connection client = Connect(), admin = Admin();
  for (int i = 0; i < 7; ++i) client.Query("SELECT 1");
  client.QueryAll("BEGIN");
  client.QueryAll("SELECT 1");
  client.QueryAll("COMMIT");
  ASSERT_TRUE(Eventually([&] { return Beside(admin.Query("SHOW STATS"), "app", "total_xact_count") == "8"; }))
      << Beside(admin.Query("SHOW STATS"), "app", "total_xact_count");
  EXPECT_EQ(Beside(admin.Query("SHOW STATS"), "app", "total_query_count"), "10");
}

TEST_F(ConsoleTest, ConfigTellsValueAndSource) {
  PgweirConfig config;
  config.global = "default_pool_size = 7\nquery_wait_timeout = \"1500ms\"\n";
  StartPgweir(config);
  Connection admin = Admin();
  const Result rows = admin.Query("SHOW CONFIG");
  EXPECT_EQ(Beside(rows, "default_pool_size", "value"), "7");
  EXPECT_EQ(Beside(rows, "default_pool_size", "default"), "20");
  EXPECT_EQ(Beside(rows, "default_pool_size", "changeable"), "yes");
  EXPECT_EQ(Beside(rows, "listen_port", "changeable"), "no");
  EXPECT_NE(Beside(rows, "default_pool_size", "source").find("pgweir.toml:"), std::string::npos);
  EXPECT_EQ(Beside(rows, "max_client_conn", "source"), "default");
}

TEST_F(ConsoleTest, PauseWaitsForTransactionsAndResumeGoesOn) {
  StartPgweir("default_pool_size = 2\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), pauser = Admin(), busy = Connect(), later = Connect();
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  pauser.Send("PAUSE app");
  ASSERT_TRUE(Eventually([&] { return Beside(admin.Query("SHOW DATABASES"), "app", "paused") == "1"; }));
  later.Send("SELECT 'after resume'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  EXPECT_FALSE(pauser.HasResult()) << "PAUSE did not wait for the transaction";
  EXPECT_EQ(busy.Value("SELECT 'goes on'"), "goes on");
  ASSERT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_TRUE(pauser.Next().ok());
  EXPECT_TRUE(Eventually([&] { return ServersOf("app") == 0; })) << "a paused database keeps connections";
  EXPECT_FALSE(later.HasResult());
  ASSERT_TRUE(admin.Query("RESUME app").ok());
  EXPECT_EQ(later.Next().Value(), "after resume");
  EXPECT_FALSE(admin.Query("RESUME app").ok()) << "it was not paused";
}

TEST_F(ConsoleTest, GlobalPauseAndState) {
  StartPgweir("query_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_EQ(Beside(admin.Query("SHOW STATE"), "paused", "value"), "no");
  ASSERT_TRUE(admin.Query("PAUSE").ok());
  EXPECT_EQ(Beside(admin.Query("SHOW STATE"), "paused", "value"), "yes");
  client.Send("SELECT 2");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(Admin().ok()) << "the console must stay reachable";
  ASSERT_TRUE(admin.Query("RESUME").ok());
  EXPECT_EQ(client.Next().Value(), "2");
}

TEST_F(ConsoleTest, ReconnectReplacesServersBetweenTransactions) {
  StartPgweir("default_pool_size = 1\n");
  Connection admin = Admin(), client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  ASSERT_TRUE(admin.Query("RECONNECT app").ok());
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
  ASSERT_TRUE(client.Query("COMMIT").ok());
  EXPECT_NE(client.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(ConsoleTest, KillDropsClientsAndServers) {
  StartPgweir("default_pool_size = 2\n");
  Connection admin = Admin(), elsewhere = Connect("app", "second");
  WireClient idle = ConnectWire(), busy = ConnectWire();
  busy.Ask(Query("BEGIN"));
  EXPECT_EQ(elsewhere.Value("SELECT 1"), "1");
  ASSERT_TRUE(admin.Query("KILL app").ok());
  for (WireClient* client : {&idle, &busy}) {
    const auto messages = client->ReadToEnd();
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(ErrorField(messages.back(), 'C'), "57P01");
  }
  EXPECT_EQ(elsewhere.Value("SELECT 2"), "2");
  admin.Query("RESUME app");  // PgBouncer leaves a killed database paused
  EXPECT_EQ(Connect().Value("SELECT 3"), "3");
}

TEST_F(ConsoleTest, ShutdownEndsTheProcess) {
  StartPgweir();
  Connection admin = Admin();
  admin.Send("SHUTDOWN");
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
}

TEST_F(ConsoleTest, ReloadTellsTheMistakeAndChangesNothing) {
  PgweirConfig config;
  config.global = "default_pool_size = 3\n";
  StartPgweir(config);
  Connection admin = Admin(), client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  PgweirConfig broken;
  broken.global = "default_pool_size = 9\nquery_wait_timeoot = \"1s\"\n";
  broken.sections = DatabaseSection("*");
  pgweir().WriteConfig(broken);
  const Result refused = admin.Query("RELOAD");
  EXPECT_EQ(refused.sqlstate(), "F0000");
  const std::string text = refused.message() + refused.detail();
  EXPECT_NE(text.find("pgweir.toml:"), std::string::npos) << text;
  EXPECT_NE(text.find("query_wait_timeout"), std::string::npos) << "the nearest name should be told: " << text;
  EXPECT_EQ(Beside(admin.Query("SHOW CONFIG"), "default_pool_size", "value"), "3");
  PgweirConfig good;
  good.global = "default_pool_size = 4\n";
  good.sections = DatabaseSection("*");
  pgweir().WriteConfig(good);
  EXPECT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_EQ(Beside(admin.Query("SHOW CONFIG"), "default_pool_size", "value"), "4");
  EXPECT_EQ(client.Value("SELECT 'untouched'"), "untouched");
}

}  // namespace
}  // namespace integration
