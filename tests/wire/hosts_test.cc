// A dead server host under many pools: it is tried by one at a time, everybody is told why, and its return is seen.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/fake_server.h"
#include "tests/support/pq.h"
#include "tests/wire/rig.h"

namespace wire {
namespace {

using namespace test_support;

constexpr int kPools = 20;
constexpr const char* kAdmin = "admin_users = [\"admin\"]\n";

Names ToPool(int number) { return {{"user", "app"}, {"database", "pool" + std::to_string(number)}}; }

// Lets nobody in while it is dead, and counts who tries.
class MortalServer {
 public:
  MortalServer() : server_(FakeServer::EchoScript(), Options()) {}
  int port() const { return server_.port(); }
  int tries() const { return server_.accepted(); }
  void Live() { lives_ = true; }

 private:
  FakeServerOptions Options() {
    FakeServerOptions options;
    options.login = [this](FakeConnection& connection, const std::string& answer) { return lives_ && connection.Send(answer); };
    return options;
  }
  std::atomic<bool> lives_{false};
  FakeServer server_;
};

std::string HostColumn(const PgweirProcess& pgweir, int port, const std::string& column) {
  Connection admin("host=127.0.0.1 port=" + std::to_string(pgweir.port()) + " user=admin dbname=pgweir");
  const Result hosts = admin.Query("SHOW HOSTS");
  for (int row = 0; row < hosts.rows(); ++row) {
    if (hosts.Value(row, "host") == "127.0.0.1:" + std::to_string(port)) return hosts.Value(row, column);
  }
  return "no such host: " + hosts.error();
}

TEST(HostsTest, ADeadHostIsTriedByOneForAllItsPools) {
  MortalServer server;
  PgweirProcess pgweir(ConfigFor(server.port(), std::string(kAdmin) + "failover_hold_timeout = \"2s\"\nquery_wait_timeout = \"60s\"\n"));
  std::vector<WireClient> clients;
  for (int i = 0; i < kPools; ++i) {
    clients.emplace_back(pgweir.port());
    ASSERT_TRUE(clients.back().Send(StartupBytes(ToPool(i))));
  }
  EXPECT_TRUE(Eventually([&] { return HostColumn(pgweir, server.port(), "state") != "up"; }));
  for (WireClient& client : clients) {
    ASSERT_FALSE(client.FinishLogin("app", ""));
    EXPECT_EQ(ErrorField(client.error(), 'C'), "57P03");
    const std::string detail = ErrorField(client.error(), 'D');
    EXPECT_NE(detail.find("127.0.0.1:" + std::to_string(server.port()) + ": the server closed the connection"), std::string::npos) << detail;
  }
  // Each pool for itself would have tried seven times in two seconds.
  EXPECT_LE(server.tries(), kPools * 2);
  EXPECT_NE(HostColumn(pgweir, server.port(), "down_ms"), "");
  server.Live();
  for (int i = 0; i < kPools; ++i) {
    EXPECT_TRUE(Eventually([&] {
      WireClient client(pgweir.port());
      return client.Login(ToPool(i));
    })) << i;
  }
  EXPECT_EQ(HostColumn(pgweir, server.port(), "state"), "up");
  EXPECT_EQ(HostColumn(pgweir, server.port(), "connections"), std::to_string(kPools));
}

// A target with two hosts goes on to the second without trying the first each time.
TEST(HostsTest, ADeadHostIsPassedOver) {
  MortalServer first, second;
  second.Live();
  PgweirConfig config = ConfigFor(first.port(), kAdmin);
  config.sections = "[databases.\"*\"]\nhost = [\"127.0.0.1:" + std::to_string(first.port()) + "\", \"127.0.0.1:" +
                    std::to_string(second.port()) + "\"]\n";
  PgweirProcess pgweir(config);
  for (int i = 0; i < kPools; ++i) {
    WireClient client(pgweir.port());
    ASSERT_TRUE(client.Login(ToPool(i))) << ErrorField(client.error(), 'M');
    EXPECT_EQ(client.Value("hello"), "hello");
  }
  EXPECT_LT(first.tries(), kPools);
  EXPECT_NE(HostColumn(pgweir, first.port(), "state"), "up");
  EXPECT_EQ(HostColumn(pgweir, second.port(), "connections"), std::to_string(kPools));
}

}  // namespace
}  // namespace wire
