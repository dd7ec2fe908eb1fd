// Caps on server connections that pools share: never passed, and shared by those who want more than there is.
#include <atomic>
#include <cstdlib>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/integration/environment.h"

namespace integration {
namespace {

class CapTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
};

// Counts the connections of these roles as PostgreSQL sees them, over and over.
class Watch {
 public:
  explicit Watch(Connection direct) : thread_([this, direct = std::move(direct)]() mutable { Run(direct); }) {}
  ~Watch() { End(); }
  void End() {
    ends_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int most() const { return most_; }
  int looks() const { return looks_; }

 private:
  void Run(Connection& direct) {
    while (!ends_) {
      const std::string sql = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename IN ('app', 'other', 'small')";
      most_ = std::max<int>(most_, std::atoi(direct.Value(sql).c_str()));
      ++looks_;
    }
  }
  std::atomic<bool> ends_{false};
  std::atomic<int> most_{0}, looks_{0};
  std::thread thread_;
};

// The flood keeps every place of a cap of 4 busy and always has somebody who waits; the others have one client each.
TEST_F(CapTest, AFloodLeavesOthersTheirShareAndNeverPassesTheCapOfTheHost) {
  (void)Direct().Query("CREATE ROLE small LOGIN");
  for (const auto& [flood, small, smaller] : {std::tuple{"app", "other", "small"}, {"small", "app", "other"}}) {
    test_support::PgweirConfig config;
    // What is cut off looks like somebody who has lost patience.
    config.global = "default_pool_size = 10\nmax_host_connections = 4\nquery_wait_timeout = \"60s\"\nqueue_target = 0\n";
    config.users["small"] = "";
    StartPgweir(config);
    std::vector<Connection> crowd;
    for (int i = 0; i < 20; ++i) crowd.push_back(Connect(flood));
    for (Connection& client : crowd) client.Send("SELECT pg_sleep(0.05)");
    Watch watch(Direct());
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
    for (Connection& client : crowd) (void)client.Collect();
    watch.End();
    EXPECT_LE(watch.most(), 4);
    EXPECT_GT(watch.looks(), 10);
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
