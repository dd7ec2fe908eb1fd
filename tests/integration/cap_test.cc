// Caps on server connections that pools share: never passed, and shared by those who want more than there is.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/integration/environment.h"

namespace integration {
namespace {

class CapTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
};

// The flood keeps every place of a cap of 4 busy and always has somebody who waits; the others have one client each.
TEST_F(CapTest, AFloodLeavesOthersTheirShareAndNeverPassesTheCapOfTheHost) {
  for (const auto& [flood, small, smaller] : {std::tuple{"app", "other", "watcher"}, {"watcher", "app", "other"}}) {
    StartPgweir("default_pool_size = 10\nmax_host_connections = 4\nquery_wait_timeout = \"60s\"\n");
    std::vector<Connection> crowd;
    for (int i = 0; i < 20; ++i) crowd.push_back(Connect(flood));
    for (Connection& client : crowd) client.Send("SELECT pg_sleep(0.05)");
    std::atomic<bool> ends{false};
    std::atomic<int> most{0}, looks{0};
    std::thread watch([&] {
      Connection direct = Direct();
      while (!ends) {
        const int now = std::stoi(direct.Value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IN ('app', 'other', 'watcher')"));
        most = std::max<int>(most, now);
        ++looks;
      }
    });
    const auto again = [&] {
      for (Connection& client : crowd) {
        for (const Result& result : client.Collect()) EXPECT_TRUE(result.ok()) << result.message();
        client.Send("SELECT pg_sleep(0.05)");
      }
    };
    Connection one = Connect(small), two = Connect(smaller);
    for (int round = 0; round < 5; ++round) {
      // Each must be answered although nobody of the flood goes.
      one.Send("SELECT 1");
      two.Send("SELECT 2");
      EXPECT_EQ(one.Collect().front().Value(), "1");
      EXPECT_EQ(two.Collect().front().Value(), "2");
      again();
      // Some are cut off in the middle of their query and come again.
      crowd[static_cast<size_t>(round)] = Connect(flood);
      crowd[static_cast<size_t>(round)].Send("SELECT pg_sleep(0.05)");
    }
    Connection admin = Admin();
    EXPECT_GE(PoolNumber(admin, "sv_active", "app", small) + PoolNumber(admin, "sv_idle", "app", small), 1) << "it keeps its server between two queries";
    for (Connection& client : crowd) (void)client.Collect();
    ends = true;
    watch.join();
    EXPECT_LE(most, 4);
    EXPECT_GT(looks, 10);
    StopPgweir();
  }
}

TEST_F(CapTest, WhoWaitsInVainIsToldTheCap) {
  StartPgweir("default_pool_size = 10\nmax_host_connections = 1\nquery_wait_timeout = \"300ms\"\n");
  Connection holds = Connect();
  ASSERT_TRUE(holds.Query("BEGIN").ok());
  ASSERT_EQ(holds.Value("SELECT 1"), "1");
  const Result refused = TryConnect("app", "app").Query("SELECT 1");
  EXPECT_EQ(refused.sqlstate(), "53300");
  EXPECT_NE(refused.detail().find("held back by max_host_connections of host "), std::string::npos) << refused.detail();
}

TEST_F(CapTest, AReloadChangesTheCapOfTheHost) {
  test_support::PgweirConfig config;
  config.global = "default_pool_size = 10\nmax_host_connections = 1\nquery_wait_timeout = \"60s\"\n";
  StartPgweir(config);
  Connection admin = Admin();
  Connection holds = Connect(), waits = Connect();
  ASSERT_TRUE(holds.Query("BEGIN").ok());
  ASSERT_EQ(holds.Value("SELECT 1"), "1");
  waits.Send("SELECT 'served'");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  ASSERT_TRUE(admin.Query("SET max_host_connections = 2").ok());
  EXPECT_EQ(waits.Collect().front().Value(), "served");
}

}  // namespace
}  // namespace integration
