// connect_query: run once on each new server, before anybody gets it; what it sets is what every client finds, whatever those before
// it have set, reset or thrown away; what fails in it is a failed login.
#include "tests/integration/proxy.h"
#include "tests/integration/state_fixture.h"
#include "tests/support/wire_messages.h"

namespace integration {
namespace {

using namespace test_support;

constexpr const char* kSets = "SET statement_timeout = '77s'; SELECT set_config('app.tenant', 'weir', false); SET TimeZone = 'Asia/Tokyo'";

std::string WithConnectQuery(const std::string& query, const std::string& more = "") {
  return DatabaseSection("*", "connect_query = \"\"\"" + query + "\"\"\"\n" + more);
}

class ConnectQueryTest : public StateTest {
 protected:
  static std::string Seen(Connection& client) {
    return client.Value("SELECT current_setting('statement_timeout') || ' ' || current_setting('app.tenant', true) || ' ' || current_setting('TimeZone')");
  }
  static void Run(Connection& client, const std::string& sql) {
    const Result result = client.Query(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.error();
  }
};

TEST_F(ConnectQueryTest, EveryClientFindsWhatItHasSet) {
  StartWithOneServer("", WithConnectQuery(kSets));
  Connection one = Connect(), two = Connect();
  EXPECT_EQ(one.StatusOf("TimeZone"), "Asia/Tokyo") << "told at login as the server's own";
  EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo");
  Run(one, "SET statement_timeout = '5s'");
  Run(one, "SET app.tenant = 'one'; SET TimeZone = 'UTC'");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo");
    EXPECT_EQ(Seen(one), "5s one UTC");
  }
}

TEST_F(ConnectQueryTest, ResetGoesBackToIt) {
  StartWithOneServer("", WithConnectQuery(kSets));
  Connection one = Connect(), two = Connect();
  for (const char* reset : {"RESET statement_timeout; RESET app.tenant; RESET TimeZone", "RESET ALL", "DISCARD ALL"}) {
    for (const bool is_extended : {false, true}) {
      if (is_extended && std::string(reset).find(';') != std::string::npos) continue;
      Run(one, "SET statement_timeout = '5s'; SET app.tenant = 'one'; SET TimeZone = 'UTC'");
      EXPECT_EQ(Seen(one), "5s one UTC");
      if (is_extended) EXPECT_TRUE(one.Params(reset).ok()) << reset;
      else Run(one, reset);
      EXPECT_EQ(one.StatusOf("TimeZone"), "Asia/Tokyo") << reset;
      EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo") << reset;
      EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo") << reset;
    }
  }
}

TEST_F(ConnectQueryTest, ResetGoesBackToItInsideATransaction) {
  StartWithOneServer("", WithConnectQuery(kSets));
  Connection one = Connect(), two = Connect();
  Run(one, "SET statement_timeout = '5s'; SET TimeZone = 'UTC'");
  Run(one, "BEGIN");
  Run(one, "RESET statement_timeout");
  Run(one, "RESET TimeZone");
  EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo");
  Run(one, "ROLLBACK");
  EXPECT_EQ(Seen(one), "5s weir UTC");
  EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo");
  Run(one, "BEGIN");
  EXPECT_TRUE(one.Params("RESET ALL").ok());
  EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo");
  Run(one, "COMMIT");
  EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo");
  EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo");
}

// A client that goes in the middle leaves a server that pgweir cleans by DISCARD ALL.
TEST_F(ConnectQueryTest, ItIsBackAfterPgweirsOwnCleaning) {
  StartWithOneServer("", WithConnectQuery(kSets));
  Connection two = Connect();
  const std::string pid = two.Value("SELECT pg_backend_pid()");
  {
    Connection one = Connect();
    Run(one, "CREATE TEMP TABLE left_behind (a int); SET statement_timeout = '5s'; SET app.tenant = 'one'");
  }
  EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo");
  EXPECT_EQ(two.Value("SELECT pg_backend_pid()"), pid) << "the same server, cleaned";
  EXPECT_EQ(two.Value("SELECT count(*) FROM pg_class WHERE relname = 'left_behind'"), "0");
}

TEST_F(ConnectQueryTest, ItIsNobodysOwnState) {
  StartWithOneServer("session_state = \"pin\"\nsession_state_verify = true\n", WithConnectQuery(kSets));
  Connection admin = Admin(), one = Connect(), two = Connect();
  Run(one, "SET LOCAL statement_timeout = '3s'");
  Run(one, "BEGIN; SET LOCAL statement_timeout = '3s'; COMMIT");
  EXPECT_EQ(Seen(one), "77s weir Asia/Tokyo");
  EXPECT_TRUE(WaitUntilFree(admin)) << "nothing pins the server";
  EXPECT_EQ(Seen(two), "77s weir Asia/Tokyo");
  Run(one, "SET statement_timeout = '5s'");
  EXPECT_EQ(Pins(admin), (std::vector<std::string>{"settings"})) << "that is its own";
}

TEST_F(ConnectQueryTest, InSessionModeEverySessionBeginsWithIt) {
  for (const char* reset : {"DISCARD ALL", "RESET ALL"}) {
    StartPgweir("pool_mode = \"session\"\ndefault_pool_size = 1\nserver_reset_query = \"" + std::string(reset) + "\"\n", WithConnectQuery(kSets));
    std::string pid;
    for (int session = 0; session < 3; ++session) {
      Connection client = Connect();
      EXPECT_EQ(Seen(client), "77s weir Asia/Tokyo") << reset << session;
      if (session == 0) pid = client.Value("SELECT pg_backend_pid()");
      EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid);
      Run(client, "SET statement_timeout = '5s'; SET app.tenant = 'one'; SET TimeZone = 'UTC'");
      if (session == 1) Run(client, "DISCARD ALL");
    }
  }
}

TEST_F(ConnectQueryTest, ARoleIsTakenAndTakenAgain) {
  AsSuperuser("GRANT other TO app");
  const AfterTest revoke("REVOKE other FROM app");
  StartWithOneServer("", WithConnectQuery("SET ROLE other"));
  Connection one = Connect(), two = Connect();
  EXPECT_EQ(one.Value("SELECT current_user || ' ' || session_user"), "other app");
  Run(one, "SET ROLE app");
  EXPECT_EQ(two.Value("SELECT current_user"), "other");
  EXPECT_EQ(one.Value("SELECT current_user"), "app");
  Run(one, "DISCARD ALL");
  EXPECT_EQ(two.Value("SELECT current_user"), "other");
  EXPECT_EQ(one.Value("SELECT current_user"), "other");
}

TEST_F(ConnectQueryTest, ItsResultIsDroppedHoweverLong) {
  StartWithOneServer("", WithConnectQuery("SELECT repeat('x', 3000000); SELECT generate_series(1, 5000); DO $$ BEGIN RAISE NOTICE 'seen by nobody'; END $$; "
                                          "COPY (SELECT generate_series(1, 5000)) TO STDOUT; SET app.tenant = 'weir'"));
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT current_setting('app.tenant')"), "weir");
  EXPECT_TRUE(client.TakeNotices().empty());
}

// --- what fails ----------------------------------------------------------------------------------------------------------

TEST_F(ConnectQueryTest, AnErrorIsAFailedLoginInTheServersWords) {
  StartWithOneServer("", WithConnectQuery("SELECT 1; SELECT 1 FROM nowhere"));
  WireClient client(target_port());
  EXPECT_FALSE(client.Login({{"user", "app"}, {"database", "app"}}));
  EXPECT_EQ(ErrorField(client.error(), 'S'), "FATAL");
  EXPECT_EQ(ErrorField(client.error(), 'C'), "42P01");
  EXPECT_EQ(ErrorField(client.error(), 'M'), "relation \"nowhere\" does not exist");
  EXPECT_TRUE(pgweir().WaitForLog("server_login_failed.*connect_query failed: relation"));
  EXPECT_EQ(pgweir().log().find("host_down"), std::string::npos) << "the host lives";
  PgweirConfig config;
  config.global = "pool_mode = \"transaction\"\ndefault_pool_size = 1\nworkers = 1\n";
  config.sections = WithConnectQuery("SET app.tenant = 'mended'");
  pgweir().WriteConfig(config);
  Connection admin = Admin();
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  Connection mended = Connect();
  EXPECT_EQ(mended.Value("SELECT current_setting('app.tenant')"), "mended");
}

TEST_F(ConnectQueryTest, WhatItMustNotDoIsTold) {
  const std::pair<const char*, const char*> cases[] = {{"BEGIN", "connect_query failed: it left a transaction open"},
                                                       {"COPY pg_class FROM STDIN", "connect_query failed: "}};
  for (const auto& [query, expected] : cases) {
    StartWithOneServer("", WithConnectQuery(query));
    WireClient client(target_port());
    EXPECT_FALSE(client.Login({{"user", "app"}, {"database", "app"}})) << query;
    EXPECT_TRUE(pgweir().WaitForLog(std::string("server_login_failed.*") + expected)) << query;
  }
}

TEST_F(ConnectQueryTest, ItIsBoundedByServerConnectTimeout) {
  StartWithOneServer("server_connect_timeout = \"200ms\"\nfailover_hold_timeout = \"100ms\"\n", WithConnectQuery("SELECT pg_sleep(3600)"));
  WireClient client(target_port());
  EXPECT_FALSE(client.Login({{"user", "app"}, {"database", "app"}}));
  EXPECT_NE(ErrorField(client.error(), 'D').find("connect_query has not ended in time"), std::string::npos) << client.error().body;
  EXPECT_EQ(pgweir().log().find("host_down"), std::string::npos) << "the host lives";
}

TEST_F(ConnectQueryTest, AChangeRenewsTheServers) {
  PgweirConfig config;
  config.global = "pool_mode = \"transaction\"\ndefault_pool_size = 1\nworkers = 1\n";
  config.sections = WithConnectQuery("SET app.tenant = 'before'");
  StartPgweir(config);
  Connection client = Connect(), admin = Admin();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  EXPECT_EQ(client.Value("SELECT current_setting('app.tenant')"), "before");
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid) << "nothing has changed";
  config.sections = WithConnectQuery("SET app.tenant = 'after'");
  pgweir().WriteConfig(config);
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_TRUE(pgweir().WaitForLog("database .*: connect_query: SET app.tenant = 'before' -> SET app.tenant = 'after'"));
  EXPECT_TRUE(Eventually([&] { return client.Value("SELECT pg_backend_pid()") != pid; }));
  EXPECT_EQ(client.Value("SELECT current_setting('app.tenant')"), "after");
}

// pgweir's own connections do without: what they ask must not depend on it.
TEST_F(ConnectQueryTest, AListeningConnectionRunsNone) {
  StartWithOneServer("", WithConnectQuery("SET app.tenant = 'weir'"));
  Connection client = Connect();
  Run(client, "LISTEN news");
  Connection direct = Direct();
  EXPECT_EQ(direct.Value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%app.tenant%'"), "0");
  Run(direct, "NOTIFY news");
  EXPECT_EQ(client.Value("SELECT current_setting('app.tenant')"), "weir");
}

// --- beside PgBouncer ----------------------------------------------------------------------------------------------------

TEST_F(ConnectQueryTest, BesidePgBouncer) {
  const TemporaryFolder folder;
  WriteFile(folder.File("users.txt"), "\"app\" \"\"\n");
  const auto outcome = [&](const std::string& program, const std::string& query) {
    const int port = FreePort();
    const std::string file = folder.File(std::to_string(port) + ".ini");
    WriteFile(file, "[databases]\napp = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) + " connect_query='" + query +
                        "'\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nlisten_port = " + std::to_string(port) +
                        "\nauth_type = trust\nauth_file = " + folder.File("users.txt") + "\npool_mode = transaction\n");
    GiveToUnprivilegedUser(folder.path());
    const Proxy proxy(program, file, port, folder.File("out"));
    WireClient client(port);
    if (!client.Login({{"user", "app"}, {"database", "app"}})) return "refused: " + ErrorField(client.error(), 'M');
    return client.Value("SELECT current_setting('statement_timeout')");
  };
  const std::string good = "SET statement_timeout = ''77s''; SELECT 1", bad = "SELECT 1 FROM nowhere";
  EXPECT_EQ(outcome(PgweirProcess::Binary(), good), "77s");
  EXPECT_EQ(outcome(PgweirProcess::Binary(), bad), "refused: relation \"nowhere\" does not exist");
  if (access(kPgBouncer, X_OK) != 0) GTEST_SKIP() << kPgBouncer << " is not installed";
  EXPECT_EQ(outcome(kPgBouncer, good), "77s");
  EXPECT_EQ(outcome(kPgBouncer, bad), "0") << "it only logs the error";
}

}  // namespace
}  // namespace integration
