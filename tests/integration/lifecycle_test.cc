// Start, reload, drain, pause by signal, the command line, the HTTP endpoints, and a PostgreSQL that goes and comes
// back.
#include <atomic>
#include <thread>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class LifecycleTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // Head and body of an answer; empty when nobody listens.
  std::string Get(const std::string& path) {
    try {
      WireSocket http = ConnectTcp(pgweir().http_port());
      http.Send("GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
      std::string answer;
      for (std::string part; !(part = http.ReadAvailable(kPatience)).empty();) answer += part;
      return answer;
    } catch (const std::runtime_error&) {
      return "";
    }
  }
  static std::string StatusOf(const std::string& answer) { return answer.substr(0, answer.find('\r')); }
  static PgweirConfig With(const std::string& global) {
    PgweirConfig config;
    config.global = global;
    config.sections = DatabaseSection("*");
    return config;
  }
};

TEST_F(LifecycleTest, HupReloads) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  Connection holder = Connect(), waiter = Connect(), admin = Admin();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  waiter.Send("SELECT 'served by the larger pool'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  pgweir().Reload(With("default_pool_size = 2\nquery_wait_timeout = \"60s\"\n"));
  EXPECT_EQ(waiter.Next().Value(), "served by the larger pool");
  EXPECT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_TRUE(pgweir().WaitForLog("default_pool_size: 1 -> 2"));
}

TEST_F(LifecycleTest, BrokenReloadIsRefusedWhole) {
  StartPgweir("default_pool_size = 3\n");
  pgweir().Reload(With("default_pool_size = 8\nno_such_key = 1\n"));
  EXPECT_TRUE(pgweir().WaitForLog("pgweir.toml:\\d+.*no_such_key"));
  Connection admin = Admin();
  const Result config = admin.Query("SHOW CONFIG");
  for (int row = 0; row < config.rows(); ++row) {
    if (config.Value(row, 0) == "default_pool_size") {
      EXPECT_EQ(config.Value(row, 1), "3");
    }
  }
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
}

TEST_F(LifecycleTest, RemovedDatabaseEndsItsClients) {
  StartPgweir("", DatabaseSection("app") + DatabaseSection("second"));
  Connection stays = Connect("app", "app");
  WireClient goes = ConnectWire("app", "second");
  EXPECT_EQ(stays.Value("SELECT 1"), "1");
  PgweirConfig config;
  config.sections = DatabaseSection("app");
  pgweir().Reload(config);
  const auto last = goes.ReadMessage();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(ErrorField(*last, 'C'), "57P01");
  EXPECT_EQ(stays.Value("SELECT 2"), "2");
}

TEST_F(LifecycleTest, ReloadRereadsTheUserList) {
  PgweirConfig config;
  config.global = "auth_type = \"md5\"\n";
  config.users = {{"app", "old"}, {"admin", "x"}};
  config.sections = DatabaseSection("*");
  StartPgweir(config);
  EXPECT_TRUE(TryConnect("app", "app", "password=old").ok());
  config.users["app"] = "new";
  pgweir().Reload(config);
  EXPECT_TRUE(Eventually([&] { return TryConnect("app", "app", "password=new").ok(); }));
  // Each worker takes it over in its next turn, and the other one may have been the first.
  EXPECT_TRUE(Eventually([&] { return !TryConnect("app", "app", "password=old").ok(); }));
}

TEST_F(LifecycleTest, TermDrains) {
  StartPgweir();
  WireClient idle = ConnectWire();
  Connection busy = Connect();
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  EXPECT_NE(Get("/readyz").find(" 200 "), std::string::npos);
  pgweir().process().Signal(SIGTERM);
  const auto last = idle.ReadMessage();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(ErrorField(*last, 'C'), "57P01");
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_TRUE(Eventually([&] { return StatusOf(Get("/readyz")).find(" 200") == std::string::npos; }));
  EXPECT_EQ(busy.Value("SELECT 'still in my transaction'"), "still in my transaction");
  EXPECT_TRUE(busy.Query("COMMIT").ok());
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
}

TEST_F(LifecycleTest, NewClientsAreTakenDuringTheDrainDelay) {
  StartPgweir("drain_delay = \"1500ms\"\n");
  pgweir().process().Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return Get("/readyz").find(" 503 ") != std::string::npos; }));
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
}

TEST_F(LifecycleTest, ShutdownTimeoutEndsTheBusyOnes) {
  StartPgweir("shutdown_timeout = \"500ms\"\n");
  Connection busy = Connect();
  ASSERT_TRUE(busy.Query("BEGIN").ok());
  busy.Send("SELECT pg_sleep(600), 'longer than the shutdown'");
  busy.Flush();
  pgweir().process().Signal(SIGTERM);
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
  EXPECT_TRUE(Eventually([&] { return ServersOf("app") == 0; })) << "the query was left running";
}

TEST_F(LifecycleTest, SecondTermAndQuitAreNow) {
  for (const bool by_quit : {false, true}) {
    StartPgweir();
    Connection busy = Connect();
    ASSERT_TRUE(busy.Query("BEGIN").ok());
    pgweir().process().Signal(SIGTERM);
    ASSERT_TRUE(Eventually([&] { return Get("/readyz").find(" 200 ") == std::string::npos; }));
    ASSERT_TRUE(pgweir().process().IsRunning());
    pgweir().process().Signal(by_quit ? SIGQUIT : SIGTERM);
    const auto code = pgweir().process().WaitExit();
    ASSERT_TRUE(code.has_value());
    EXPECT_LT(*code, 128) << "died of a signal instead of ending";
  }
}

TEST_F(LifecycleTest, Usr1PausesAndUsr2Resumes) {
  StartPgweir("query_wait_timeout = \"60s\"\n");
  Connection client = Connect(), admin = Admin();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  pgweir().process().Signal(SIGUSR1);
  ASSERT_TRUE(Eventually([&] { return ServersOf("app") == 0; }));
  client.Send("SELECT 2");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  EXPECT_NE(Get("/readyz").find(" 503 "), std::string::npos);
  pgweir().process().Signal(SIGUSR2);
  EXPECT_EQ(client.Next().Value(), "2");
  EXPECT_TRUE(Eventually([&] { return Get("/readyz").find(" 200 ") != std::string::npos; }));
}

TEST_F(LifecycleTest, HttpEndpoints) {
  StartPgweir("max_client_conn = 123\n");
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  EXPECT_NE(StatusOf(Get("/livez")).find(" 200"), std::string::npos);
  EXPECT_NE(StatusOf(Get("/readyz")).find(" 200"), std::string::npos);
  EXPECT_NE(StatusOf(Get("/nowhere")).find(" 404"), std::string::npos);
  const std::string metrics = Get("/metrics");
  EXPECT_NE(StatusOf(metrics).find(" 200"), std::string::npos);
  EXPECT_NE(metrics.find("# TYPE "), std::string::npos);
  EXPECT_NE(metrics.find("_bucket{"), std::string::npos) << "no histogram";
  EXPECT_NE(metrics.find("database=\"app\""), std::string::npos);
  EXPECT_NE(metrics.find(" 123"), std::string::npos) << "the limit max_client_conn is not there";
  EXPECT_EQ(metrics.find("SELECT 1"), std::string::npos);
}

TEST_F(LifecycleTest, CheckReportsEveryMistakeWithItsLine) {
  const TemporaryFolder folder;
  WriteFile(folder.File("bad.toml"),
            "[pgweir]\nlisten_port = 6432\ndefault_pool_sise = 5\nquery_wait_timeout = \"soon\"\n[databases.x]\nhosst "
            "= \"h\"\n");
  const FinishedProcess bad = RunProgram({.arguments = {PgweirProcess::Binary(), "check", folder.File("bad.toml")}});
  EXPECT_NE(bad.exit_code, 0);
  EXPECT_LT(bad.exit_code, 128) << bad.output;
  EXPECT_NE(bad.output.find("bad.toml:3"), std::string::npos) << bad.output;
  EXPECT_NE(bad.output.find("default_pool_size"), std::string::npos) << bad.output;
  EXPECT_NE(bad.output.find("bad.toml:4"), std::string::npos) << bad.output;
  EXPECT_NE(bad.output.find("bad.toml:6"), std::string::npos) << bad.output;

  WriteFile(folder.File("good.toml"), "[pgweir]\nauth_type = \"trust\"\n" + DatabaseSection("x"));
  const FinishedProcess good = RunProgram({.arguments = {PgweirProcess::Binary(), "check", folder.File("good.toml")}});
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_NE(RunProgram({.arguments = {PgweirProcess::Binary(), "check", folder.File("absent.toml")}}).exit_code, 0);
}

TEST_F(LifecycleTest, HealthProbeFollowsReadiness) {
  StartPgweir();
  const std::vector<std::string> environment = {"PGWEIR_HTTP_LISTEN_PORT=" + std::to_string(pgweir().http_port())};
  const auto health = [&] {
    return RunProgram({.arguments = {PgweirProcess::Binary(), "health"}, .environment = environment});
  };
  EXPECT_EQ(health().exit_code, 0) << health().output;
  pgweir().process().Signal(SIGTERM);
  pgweir().process().WaitExit();
  EXPECT_NE(health().exit_code, 0);
}

TEST_F(LifecycleTest, EnvironmentWinsOverTheFile) {
  PgweirConfig config;
  config.global = "default_pool_size = 3\n";
  config.sections = DatabaseSection("*");
  PgweirProcess process(config, {.environment = {"PGWEIR_DEFAULT_POOL_SIZE=6"}, .arguments = {}});
  Connection admin(process.AdminString());
  ASSERT_TRUE(admin.ok()) << admin.error();
  const Result rows = admin.Query("SHOW CONFIG");
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.Value(row, 0) != "default_pool_size") continue;
    EXPECT_EQ(rows.Value(row, 1), "6");
    EXPECT_EQ(rows.Value(row, "source"), "PGWEIR_DEFAULT_POOL_SIZE");
  }
}

TEST_F(LifecycleTest, DatabaseGoesAndComesBackUnderTraffic) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  StartPgweir("default_pool_size = 3\nquery_wait_timeout = \"500ms\"\nserver_login_retry = \"200ms\"\n",
              DatabaseSection("*", cluster));
  std::atomic<bool> stop{false};
  std::atomic<int> good{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      int i = 0;
      while (!stop) {
        try {
          Connection client(ConnectionString("app", "app"));
          while (!stop && client.ok()) {
            const std::string expected = std::to_string(t) + "-" + std::to_string(i++);
            const Result result = client.Query("SELECT '" + expected + "'");
            if (!result.ok()) continue;
            if (result.Value() == expected) {
              ++good;
            } else {
              ++wrong;
            }
          }
        } catch (const std::runtime_error&) {
          // The connection was lost in the middle: a new one follows.
        }
      }
    });
  }
  const auto flows = [&] {
    const int before = good;
    return Eventually([&] { return good > before + 100; }, Milliseconds(20'000));
  };
  EXPECT_TRUE(flows());
  for (const StopMode mode : {StopMode::kFast, StopMode::kImmediate}) {
    cluster.Restart(mode);
    EXPECT_TRUE(flows()) << "no traffic after a restart";
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(pgweir().process().IsRunning());
}

TEST_F(LifecycleTest, DatabaseDownIsTold) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"1s\"\nserver_login_retry = \"200ms\"\n",
              DatabaseSection("*", cluster));
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  cluster.Stop(StopMode::kFast);
  const Result refused = client.Query("SELECT 2");
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.sqlstate() == "57P03" || refused.sqlstate() == "53300")
      << refused.sqlstate() << " " << refused.error();
  EXPECT_EQ(refused.severity(), "ERROR");
  cluster.Start();
  EXPECT_TRUE(Eventually([&] { return client.Query("SELECT 3").Value() == "3"; }, Milliseconds(20'000)))
      << "the session should have lived through it";
}

}  // namespace
}  // namespace integration
