// A pool under more than it can do: it sheds, says why, and stops when the load does; and its users take turns.
#include <vector>

#include "tests/integration/environment.h"

namespace integration {
namespace {

class OverloadTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }

  // Everybody asks at once for a hundredth of a second each. Returns the answers that are errors.
  static std::vector<Result> Round(std::vector<Connection>& clients) {
    for (Connection& client : clients) client.Send("SELECT pg_sleep(0.01)");
    std::vector<Result> errors;
    for (Connection& client : clients) {
      for (Result& result : client.Collect()) {
        if (!result.ok()) errors.push_back(std::move(result));
      }
    }
    return errors;
  }
};

// 100 clients on 2 servers need half a second a round; the evidence is in after a fifth and a tenth.
constexpr const char* kPool = "default_pool_size = 2\nquery_wait_timeout = \"60s\"\nqueue_interval = \"100ms\"\n";
constexpr int kClients = 100;

TEST_F(OverloadTest, ShedsWhileItIsOverloadedAndNotAfter) {
  StartPgweir(std::string(kPool) + "queue_target = \"200ms\"\n");
  Connection admin = Admin();
  std::vector<Connection> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(Connect());
  std::vector<Result> errors;
  // A round in which this machine stood still for a while is a stall, not overload.
  ASSERT_TRUE(Eventually([&] {
    errors = Round(clients);
    return !errors.empty();
  }));
  const Result& error = errors.front();
  EXPECT_EQ(error.severity(), "ERROR");
  EXPECT_EQ(error.sqlstate(), "53300");
  EXPECT_NE(error.message().find("queue_target (200 ms)"), std::string::npos) << error.message();
  for (const std::string word : {"pool app/app", "size 2", "active ", "waiting ", "waited "}) {
    EXPECT_NE(error.detail().find(word), std::string::npos) << "no " << word << " in: " << error.detail();
  }
  EXPECT_TRUE(error.hint().starts_with("Retry after ")) << error.hint();
  EXPECT_GE(PoolNumber(admin, "shed"), static_cast<int>(errors.size()));
  EXPECT_TRUE(pgweir().WaitForLog("pool_overloaded.*shed"));
  // Every session lives, and a load that the pool can do is answered.
  for (Connection& client : clients) EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
  const int shed = PoolNumber(admin, "shed");
  clients.resize(4);
  for (int round = 0; round < 10; ++round) EXPECT_TRUE(Round(clients).empty());
  EXPECT_EQ(PoolNumber(admin, "shed"), shed);
  EXPECT_EQ(PoolNumber(admin, "cl_waiting"), 0);
}

TEST_F(OverloadTest, ShedsNobodyWhenItIsOff) {
  StartPgweir(std::string(kPool) + "queue_target = 0\n");
  std::vector<Connection> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(Connect());
  for (int round = 0; round < 2; ++round) EXPECT_TRUE(Round(clients).empty());
}

// One server for all users, so that they share a pool; whoever is served takes the next number. The holder is one of the many.
TEST_F(OverloadTest, AUserWithOneQueryIsNotBehindTheTwentyOfAnother) {
  StartPgweir("workers = 1\ndefault_pool_size = 1\nquery_wait_timeout = \"60s\"\nqueue_target = 0\n", DatabaseSection("*", "user = \"app\"\n"));
  Connection admin = Admin(), holder = Connect("other");
  ASSERT_TRUE(holder.Query("DROP SEQUENCE IF EXISTS turns; CREATE SEQUENCE turns; BEGIN; SELECT 1").ok());
  std::vector<Connection> heavy;
  for (int i = 0; i < 20; ++i) {
    heavy.push_back(Connect("other"));
    heavy.back().Send("SELECT nextval('turns'), pg_sleep(0.001)");
  }
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 20));
  Connection light = Connect("app");
  light.Send("SELECT nextval('turns')");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 21));
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(light.Next().Value(), "1");
  for (Connection& client : heavy) EXPECT_TRUE(client.Next().ok());
}

}  // namespace
}  // namespace integration
