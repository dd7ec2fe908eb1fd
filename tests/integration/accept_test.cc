// How clients are accepted: with their first bytes, in one turn, and with the options of TCP as they are configured now.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>

#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

class AcceptTest : public StateTest {
 protected:
  double Turns() { return Metric("pgweir_worker_turns_total"); }
  // Of pgweir's end of this client's connection: seconds until TCP probes it, 0 = never. -1: not there, or something is on its way.
  long SecondsToProbe(const WireClient& client) {
    sockaddr_in own{};
    socklen_t length = sizeof own;
    if (getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &length) != 0) return -1;
    std::ifstream table("/proc/net/tcp");
    for (std::string line; std::getline(table, line);) {
      unsigned local = 0, remote = 0, timer = 0;
      unsigned long hundredths = 0;
      if (std::sscanf(line.c_str(), " %*d: %*8x:%x %*8x:%x %*x %*x:%*x %x:%lx", &local, &remote, &timer, &hundredths) != 4) continue;
      if (static_cast<int>(local) != pgweir().port() || remote != ntohs(own.sin_port)) continue;
      return timer == 0 ? 0 : timer == 2 ? static_cast<long>(hundredths / 100) : -1;
    }
    return -1;
  }
};

// One that accepts, and reads the startup message in it. With another for the reading it would be twice as many.
TEST_F(AcceptTest, ALoginTakesOneTurn) {
  StartPgweir("workers = 1\n");
  ASSERT_EQ(Connect().Value("SELECT 1"), "1");
  constexpr int kLogins = 100;
  std::vector<WireClient> clients;
  const double before = Turns();
  for (int i = 0; i < kLogins; ++i) clients.push_back(ConnectWire());
  EXPECT_LT(Turns() - before, 1.5 * kLogins);
  EXPECT_EQ(clients.back().Value("SELECT 1"), "1");
}

TEST_F(AcceptTest, KeepAliveOfNewClientsIsThatOfTheLastReload) {
  PgweirConfig config{.global = "tcp_keepidle = 1000\n", .sections = DatabaseSection("*")};
  StartPgweir(config);
  const WireClient first = ConnectWire();
  const auto is_probed = [](long seconds, long idle) { return seconds > idle - 100 && seconds <= idle; };
  EXPECT_TRUE(Eventually([&] { return is_probed(SecondsToProbe(first), 1000); })) << SecondsToProbe(first);
  const auto reload = [&](const std::string& global) {
    config.global = global;
    pgweir().WriteConfig(config);
    const Result result = Admin().Query("RELOAD");
    ASSERT_TRUE(result.ok()) << result.error();
  };
  reload("tcp_keepidle = 2000\n");
  EXPECT_TRUE(Eventually([&] { return is_probed(SecondsToProbe(ConnectWire()), 2000); }));
  reload("tcp_keepalive = false\n");
  EXPECT_TRUE(Eventually([&] { return SecondsToProbe(ConnectWire()) == 0; }));
  EXPECT_TRUE(is_probed(SecondsToProbe(first), 1000)) << "who was in keeps what he came with";
}

}  // namespace
}  // namespace integration
