// 5,000 connected clients on a pool of 20, each querying now and then.

#include "tests/integration/environment.h"
#include "tests/integration/open_files.h"

namespace integration {
namespace {

using namespace test_support;

constexpr int kClients = 5000;
constexpr int kAtOnce = 500;  // how many ask at the same time
constexpr int kRounds = 3;

class ManyClientsTest : public IntegrationTest {};

TEST_F(ManyClientsTest, AllAreServed) {
  NEEDS_PGWEIR();
  if (!RaiseOpenFiles(kClients + 500)) GTEST_SKIP() << "the hard limit of open files is too low";

  StartPgweir("default_pool_size = 20\nquery_wait_timeout = \"30s\"\n");
  EXPECT_EQ(Connect().Value("SELECT 1"), "1");
  const size_t before = pgweir().process().ResidentBytes();
  std::vector<WireClient> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(ConnectWire());
  const size_t idle = pgweir().process().ResidentBytes();
  const double bytes_per_client = static_cast<double>(idle - std::min(idle, before)) / kClients;
  RecordProperty("bytes_per_idle_client", std::to_string(bytes_per_client));
  std::printf("%.0f bytes per idle client\n", bytes_per_client);
  EXPECT_GE(pgweir().process().OpenFiles(), static_cast<size_t>(kClients));

  int wrong = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int first = 0; first < kClients; first += kAtOnce) {
      const auto expected = [&](int i) { return "c" + std::to_string(i) + "-" + std::to_string(round); };
      for (int i = first; i < first + kAtOnce; ++i) {
        ASSERT_TRUE(clients[static_cast<size_t>(i)].Send(Query("SELECT '" + expected(i) + "'")));
      }
      for (int i = first; i < first + kAtOnce; ++i) {
        const auto answer = clients[static_cast<size_t>(i)].ReadUntil('Z');
        ASSERT_FALSE(answer.empty()) << "client " << i << " was closed";
        ASSERT_NE(answer[0].type, 'E') << ErrorField(answer[0], 'M');
        if (answer.size() != 4 || RowValues(answer[1])[0] != expected(i)) ++wrong;
      }
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(ServersOf("app"), 20);
  Connection admin = Admin();
  clients.clear();
  EXPECT_TRUE(WaitForPool(admin, "cl_active", 0));
}

}  // namespace
}  // namespace integration
