// Pools and databases that nobody uses any more are forgotten after their time, what they have counted is not, and names that were only
// tried leave nothing behind.
#include "tests/integration/environment.h"

namespace integration {
namespace {

class ForgottenPoolsTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  static bool Has(Connection& admin, const std::string& table, const std::string& column, const std::string& name) {
    const Result rows = admin.Query("SHOW " + table);
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.Value(row, column) == name) return true;
    }
    return false;
  }
  static std::string QueriesOf(Connection& admin, const std::string& database) {
    const Result rows = admin.Query("SHOW STATS");
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.Value(row, "database") == database) return rows.Value(row, "total_query_count");
    }
    return "no row";
  }
};

TEST_F(ForgottenPoolsTest, ADatabaseThatTheFallbackMadeGoesAltogether) {
  StartPgweir("autodb_idle_timeout = \"1s\"\npool_idle_timeout = \"0\"\nserver_idle_timeout = \"1s\"\n",
              DatabaseSection("*") + DatabaseSection("named", "dbname = \"app\""));
  Connection admin = Admin();
  for (const char* database : {"app", "named"}) EXPECT_EQ(Connect("app", database).Value("SELECT 1"), "1");
  Connection stays = Connect("app", "second");
  EXPECT_EQ(stays.Value("SELECT 1"), "1");
  EXPECT_TRUE(Has(admin, "DATABASES", "name", "app"));
  EXPECT_EQ(QueriesOf(admin, "app"), "1");
  EXPECT_TRUE(Eventually([&] { return PoolNumber(admin, "cl_active", "app") < 0; })) << "SHOW POOLS";
  EXPECT_FALSE(Has(admin, "DATABASES", "name", "app"));
  EXPECT_EQ(QueriesOf(admin, "app"), "no row");
  EXPECT_EQ(QueriesOf(admin, "*"), "1") << "totals never go backwards";
  EXPECT_EQ(QueriesOf(admin, "named"), "1");
  EXPECT_EQ(PoolNumber(admin, "cl_active", "second"), 1) << "it has a client";
  EXPECT_EQ(PoolNumber(admin, "cl_active", "named"), 0) << "it has a section of its own";
  // it comes back as if it had never been away
  EXPECT_EQ(Connect().Value("SELECT 2"), "2");
  EXPECT_EQ(QueriesOf(admin, "app"), "1");
  EXPECT_EQ(stays.Value("SELECT 3"), "3");
}

TEST_F(ForgottenPoolsTest, AnyPoolGoesAfterPoolIdleTimeout) {
  StartPgweir("pool_idle_timeout = \"1s\"\nserver_idle_timeout = \"1s\"\n", DatabaseSection("app"));
  Connection admin = Admin();
  EXPECT_EQ(Connect("app").Value("SELECT 1"), "1");
  Connection stays = Connect("other");
  EXPECT_EQ(stays.Value("SELECT 1"), "1");
  EXPECT_TRUE(Eventually([&] { return PoolNumber(admin, "cl_active") < 0; }));
  EXPECT_EQ(PoolNumber(admin, "cl_active", "app", "other"), 1);
  EXPECT_TRUE(Has(admin, "DATABASES", "name", "app"));
  EXPECT_EQ(QueriesOf(admin, "app"), "2") << "of both users";
  EXPECT_EQ(Connect("app").Value("SELECT 1"), "1");
}

TEST_F(ForgottenPoolsTest, NamesThatWereOnlyTriedLeaveNothing) {
  PgweirConfig config;
  config.global = "auth_type = \"scram-sha-256\"\nmax_db_connections = 3\nmax_db_client_connections = 3\n";
  config.users = {{"app", "secret"}, {"admin", "admin"}};
  StartPgweir(config);
  for (int i = 0; i < 50; ++i) {
    const std::string name = "invented" + std::to_string(i);
    EXPECT_FALSE(TryConnect("app", name, "password=wrong").ok());
    EXPECT_FALSE(TryConnect(name, name, "password=wrong").ok());
  }
  Connection admin = TryConnect("admin", "pgbouncer", "password=admin");
  for (const auto& [table, column] : {std::pair{"POOLS", "database"}, std::pair{"DATABASES", "name"}, std::pair{"USERS", "name"}}) {
    const Result rows = admin.Query("SHOW " + std::string(table));
    for (int row = 0; row < rows.rows(); ++row) EXPECT_FALSE(rows.Value(row, column).starts_with("invented")) << table;
  }
}

}  // namespace
}  // namespace integration
