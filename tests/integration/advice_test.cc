// SHOW ADVICE after real load. No figure of time is asserted: the machine may be slow.
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class AdviceTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  static double Figure(const Result& row, const std::string& name) { return std::stod(row.Value(0, name)); }
};

TEST_F(AdviceTest, ManyClientsOfASmallPoolAreAdvisedALargerOne) {
  StartPgweir("default_pool_size = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin("watcher");
  std::vector<Connection> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(Connect());
  for (int round = 0; round < 20; ++round) {
    for (Connection& client : clients) client.Send("SELECT pg_sleep(0.005)");
    for (Connection& client : clients) {
      while (const Result result = client.Next()) ASSERT_TRUE(result.ok()) << result.error();
    }
  }
  const Result advice = admin.Query("SELECT * FROM advice WHERE user = 'app'");
  ASSERT_TRUE(advice.ok()) << advice.error();
  ASSERT_EQ(advice.rows(), 1);
  EXPECT_EQ(advice.Value(0, "pool_size"), "1");
  EXPECT_GT(Figure(advice, "rate"), 0);
  EXPECT_GE(Figure(advice, "hold_us"), 5'000);
  EXPECT_GT(Figure(advice, "load"), 0);
  EXPECT_GT(Figure(advice, "wait_p95_us"), Figure(advice, "target_us"));
  EXPECT_GE(Figure(advice, "advised_size"), 1);
  // How much of the time since the start the load has lasted decides between the two.
  const std::string text = advice.Value(0, "advice");
  EXPECT_TRUE(text.starts_with("raise pool_size to ") || text.starts_with("enough for an even load")) << text;
  const Result binary = admin.Params("SELECT rate, load FROM advice");
  EXPECT_TRUE(binary.ok()) << binary.error();
}

TEST_F(AdviceTest, AnIdlePoolIsToldNothing) {
  StartPgweir("default_pool_size = 5\n");
  Connection admin = Admin(), client = Connect();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Query("SELECT 1").ok());
  const Result advice = admin.Query("SHOW ADVICE");
  ASSERT_EQ(advice.rows(), 1);
  EXPECT_TRUE(advice.Value(0, "advice").starts_with("too little traffic to say")) << advice.Value(0, "advice");
  EXPECT_TRUE(advice.IsNull(0, 13)) << "advised_size";
}

}  // namespace
}  // namespace integration
