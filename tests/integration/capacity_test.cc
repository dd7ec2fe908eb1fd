// SHOW CAPACITY and the warning in the log, against what PostgreSQL itself says of its limits.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class CapacityTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  ~CapacityTest() override {
    if (IsDirect()) return;
    Connection superuser(SharedCluster().SuperuserString());
    superuser.Query("ALTER ROLE app CONNECTION LIMIT -1");
    superuser.Query("ALTER DATABASE app CONNECTION LIMIT -1");
  }
  static void Run(const std::string& sql) {
    const Result result = Connection(SharedCluster().SuperuserString()).Query(sql);
    ASSERT_TRUE(result.ok()) << result.error();
  }
  // A section that says by itself who may be asked as.
  static std::string AppAs(const std::string& user, const std::string& more = "") {
    return DatabaseSection("app", "user = \"" + user + "\"\n" + more);
  }
  static std::string Setting(const std::string& name) {
    return Connection(SharedCluster().SuperuserString()).Value("SELECT coalesce(max(setting), '') FROM pg_settings WHERE name = '" + name + "'");
  }
  // The one row, when the server has answered.
  static Result Known(Connection& admin) {
    Result capacity;
    Eventually([&] {
      capacity = admin.Query("SHOW CAPACITY");
      return capacity.rows() == 1 && !capacity.Value(0, "max_connections").empty();
    });
    return capacity;
  }
};

TEST_F(CapacityTest, TheNumbersArePostgresqls) {
  StartPgweir("default_pool_size = 10\nreserve_pool_size = 2\ninstances = 3\n", AppAs("app"));
  Connection admin = Admin("watcher");
  const Result capacity = Known(admin);
  ASSERT_TRUE(capacity.ok()) << capacity.error();
  ASSERT_EQ(capacity.rows(), 1);
  EXPECT_EQ(capacity.Value(0, "host"), "127.0.0.1");
  EXPECT_EQ(capacity.Value(0, "port"), std::to_string(SharedCluster().port()));
  EXPECT_EQ(capacity.Value(0, "databases"), "app");
  EXPECT_EQ(capacity.Value(0, "pools"), "1");
  EXPECT_EQ(capacity.Value(0, "worst_case"), "14") << "10, 2 in reserve, one that listens and one that asks";
  EXPECT_EQ(capacity.Value(0, "total"), "42");
  EXPECT_EQ(capacity.Value(0, "max_connections"), Setting("max_connections"));
  const std::string others = Setting("reserved_connections");  // from PostgreSQL 16 on
  const int reserved = std::stoi(Setting("superuser_reserved_connections")) + (others.empty() ? 0 : std::stoi(others));
  EXPECT_EQ(capacity.Value(0, "reserved"), std::to_string(reserved));
  EXPECT_EQ(capacity.Value(0, "available"), std::to_string(std::stoi(Setting("max_connections")) - reserved));
  EXPECT_EQ(capacity.Value(0, "verdict"), "enough");
  EXPECT_EQ(capacity.Value(0, "trouble"), "");
  EXPECT_FALSE(capacity.Value(0, "asked").empty());
  EXPECT_EQ(admin.Value("SELECT total FROM capacity WHERE verdict = 'enough'"), "42");
  EXPECT_TRUE(Eventually([&] { return ServersOf("app") == 0; })) << "who asks goes again";
}

TEST_F(CapacityTest, LimitsOfRolesAndDatabasesAreRead) {
  Run("ALTER ROLE app CONNECTION LIMIT 5");
  Run("ALTER DATABASE app CONNECTION LIMIT 50");
  StartPgweir("default_pool_size = 10\npool_mode = \"session\"\n", AppAs("app"));
  Connection admin = Admin();
  const Result capacity = Known(admin);
  ASSERT_EQ(capacity.rows(), 1);
  EXPECT_EQ(capacity.Value(0, "role_limits"), "app 11/5");
  EXPECT_EQ(capacity.Value(0, "database_limits"), "app 11/50");
  EXPECT_EQ(capacity.Value(0, "verdict"), "too many");
  EXPECT_NE(capacity.Value(0, "remedy").find("max_user_connections"), std::string::npos);
  EXPECT_TRUE(pgweir().WaitForLog("capacity_exceeded.*role app may want 11"));
}

TEST_F(CapacityTest, ASuperuserIsNotBoundByItsLimit) {
  Run("ALTER ROLE postgres CONNECTION LIMIT 1");
  StartPgweir("default_pool_size = 10\n", AppAs("postgres"));
  Connection admin = Admin();
  const Result capacity = Known(admin);
  Run("ALTER ROLE postgres CONNECTION LIMIT -1");
  EXPECT_EQ(capacity.Value(0, "role_limits"), "");
  EXPECT_EQ(capacity.Value(0, "verdict"), "enough");
}

TEST_F(CapacityTest, TooMuchIsWarnedOfAtTheStartAndAtReload) {
  StartPgweir("default_pool_size = 10\n", AppAs("app", "max_db_connections = 197\n"));
  Connection admin = Admin();
  EXPECT_EQ(Known(admin).Value(0, "verdict"), "enough");
  EXPECT_EQ(pgweir().log().find("capacity_exceeded"), std::string::npos) << pgweir().log();
  PgweirConfig config;
  config.global = "default_pool_size = 500\n";
  config.sections = AppAs("app");
  pgweir().WriteConfig(config);
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_TRUE(pgweir().WaitForLog("capacity_exceeded.*worst_case=502.*available=197.*max_db_connections of database app to at most 197"));
  EXPECT_EQ(admin.Value("SELECT verdict FROM capacity"), "too many");
  StartPgweir("default_pool_size = 100\ninstances = 2\n", AppAs("app"));
  EXPECT_TRUE(pgweir().WaitForLog("capacity_exceeded.*instances=2 total=204"));
}

TEST_F(CapacityTest, AHostThatIsDownSaysSo) {
  const int dead = FreePort();
  StartPgweir("default_pool_size = 10\n", AppAs("app") + "[databases.lost]\nhost = \"127.0.0.1\"\nuser = \"app\"\nport = " + std::to_string(dead) + "\n");
  Connection admin = Admin();
  ASSERT_TRUE(Eventually([&] { return admin.Value("SELECT count(*) FROM capacity WHERE max_connections > 0") == "1"; }));
  const Result lost = admin.Query("SELECT * FROM capacity WHERE databases = 'lost'");
  ASSERT_EQ(lost.rows(), 1);
  EXPECT_EQ(lost.Value(0, "verdict"), "unknown");
  EXPECT_EQ(lost.Value(0, "worst_case"), "12");
  EXPECT_NE(lost.Value(0, "trouble").find("127.0.0.1:" + std::to_string(dead)), std::string::npos) << lost.Value(0, "trouble");
  EXPECT_TRUE(pgweir().WaitForLog("capacity_unknown.*" + std::to_string(dead)));
}

// A server that takes connections and says nothing holds up neither clients nor the console for longer than its patience.
TEST_F(CapacityTest, AServerThatIsSilentIsGivenUp) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  cluster.Pause();
  StartPgweir("default_pool_size = 10\n", DatabaseSection("app") + DatabaseSection("silent", cluster, "user = \"app\"\n"));
  Connection admin = Admin();
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
  const Result silent = admin.Query("SELECT * FROM capacity WHERE databases = 'silent'");
  cluster.Continue();
  ASSERT_EQ(silent.rows(), 1) << silent.error();
  EXPECT_EQ(silent.Value(0, "max_connections"), "");
  EXPECT_FALSE(silent.Value(0, "trouble").empty());
}

TEST_F(CapacityTest, NobodysPasswordIsKnownUntilAClientHasLoggedIn) {
  StartPgweir("default_pool_size = 10\n");
  Connection admin = Admin();
  const Result before = admin.Query("SHOW CAPACITY");
  ASSERT_EQ(before.rows(), 1);
  EXPECT_EQ(before.Value(0, "verdict"), "unbounded") << "any database of any name";
  EXPECT_FALSE(before.Value(0, "unbounded").empty());
  EXPECT_NE(before.Value(0, "trouble").find("nobody's password is known"), std::string::npos);
  EXPECT_EQ(ServersOf("app"), 0);
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
  const Result after = Known(admin);
  EXPECT_EQ(after.Value(0, "max_connections"), Setting("max_connections"));
}

// The question is a connection as all others are: with the cap in use there is none for it.
TEST_F(CapacityTest, WhoAsksIsUnderTheCaps) {
  StartPgweir("default_pool_size = 1\n", DatabaseSection("app", "max_db_connections = 1\n"));
  Connection admin = Admin(), client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  const Result capacity = admin.Query("SHOW CAPACITY");
  ASSERT_EQ(capacity.rows(), 1);
  EXPECT_EQ(capacity.Value(0, "trouble"), "max_db_connections of database \"app\" (1) is reached");
  EXPECT_EQ(client.Value("SELECT 'undisturbed'"), "undisturbed");
}

TEST_F(CapacityTest, StatsUsersMayLookAndOthersMayNot) {
  StartPgweir();
  EXPECT_TRUE(Admin("watcher").Query("SHOW CAPACITY").ok());
  EXPECT_FALSE(TryConnect("app", "pgbouncer").ok());
  EXPECT_FALSE(Admin("watcher").Params("SELECT * FROM capacity").rows() == 0);
}

}  // namespace
}  // namespace integration
