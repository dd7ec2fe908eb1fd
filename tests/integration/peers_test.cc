// Several pgweirs in front of one PostgreSQL, each other's peers: a cancel request reaches its query through any of them, and
// nothing else; a peer that is down, unknown or wrong costs only the requests for it. PgBouncer may be one of the peers.
#include <filesystem>
#include <regex>

#include "tests/integration/environment.h"
#include "tests/integration/proxy.h"
#include "tests/support/silent_port.h"

namespace integration {
namespace {

using namespace test_support;

std::string PeerSection(int id, const std::string& host, int port) {
  return "[peers." + std::to_string(id) + "]\nhost = \"" + host + "\"\nport = " + std::to_string(port) + "\n";
}

class PeersTest : public testing::Test {
 protected:
  PeersTest() {
    if (IsDirect()) return;
    for (int id = 1; id <= 3; ++id) pgweirs_.push_back(std::make_unique<PgweirProcess>(ConfigOf(id, "")));
    for (int id = 1; id <= 3; ++id) Reload(id, Peers());
  }

  static PgweirConfig ConfigOf(int id, const std::string& peers, const std::string& more = "") {
    PgweirConfig config;
    config.global = "peer_id = " + std::to_string(id) + "\nlog_level = \"debug\"\n" + more;
    config.sections = DatabaseSection("*") + peers;
    return config;
  }
  // The first two by TCP, the third by its Unix socket; its own section is there too.
  std::string Peers() const {
    return PeerSection(1, "localhost", Of(1).port()) + PeerSection(2, "127.0.0.1", Of(2).port()) +
           PeerSection(3, Of(3).socket_folder(), Of(3).port());
  }
  PgweirProcess& Of(int id) const { return *pgweirs_[static_cast<size_t>(id - 1)]; }
  Connection AdminOf(int id) const { return Connection(Of(id).AdminString()); }
  void Reload(int id, const std::string& peers, const std::string& more = "") {
    Of(id).WriteConfig(ConfigOf(id, peers, more));
    const Result reloaded = AdminOf(id).Query("RELOAD");
    ASSERT_TRUE(reloaded.ok()) << reloaded.error();
  }

  WireClient ClientOf(int id, uint32_t version = kVersion30) const {
    WireClient client(Of(id).port());
    if (!client.Login({{"user", "app"}, {"database", "app"}}, "", version)) throw std::runtime_error("login failed");
    return client;
  }
  static bool IsRunning(const std::string& marker) {
    Connection superuser(SharedCluster().SuperuserString());
    return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%" +
                           marker + "%'") == "1";
  }
  static void Run(WireClient& client, const std::string& marker) {
    ASSERT_TRUE(client.Send(Query("SELECT pg_sleep(600), '" + marker + "'")));
    ASSERT_TRUE(Eventually([&] { return IsRunning(marker); }));
  }
  static std::string ErrorOf(WireClient& client) {
    for (const Message& message : client.ReadUntil('Z')) {
      if (message.type == 'E') return ErrorField(message, 'C');
    }
    return "no error";
  }
  // True when the connection of the request was closed without a word.
  static bool SendCancel(int port, uint32_t process_id, const std::string& key) {
    WireSocket request = ConnectTcp(port);
    request.Send(CancelBytes(process_id, key));
    return request.AtEnd();
  }
  std::string PeerPool(int id, const std::string& peer, const std::string& column) const {
    Connection admin = AdminOf(id);
    const Result pools = admin.Query("SHOW PEER_POOLS");
    for (int row = 0; row < pools.rows(); ++row) {
      if (pools.Value(row, "peer_id") == peer) return pools.Value(row, column);
    }
    return "no such peer: " + pools.error();
  }
  // The key that this client would have of a pgweir with another id.
  static uint32_t WithPeer(uint32_t process_id, uint32_t id) { return (process_id & 0xff0000ff) | (id & 0xff) << 16 | (id >> 8) << 8; }

  std::vector<std::unique_ptr<PgweirProcess>> pgweirs_;
};

TEST_F(PeersTest, ACancelFindsItsQueryThroughAny) {
  NEEDS_PGWEIR();
  for (const uint32_t version : {kVersion30, kVersion32}) {
    for (int owner = 1; owner <= 3; ++owner) {
      WireClient bystanders[] = {ClientOf(1), ClientOf(2), ClientOf(3)};
      for (WireClient& bystander : bystanders) Run(bystander, "bystander " + std::to_string(&bystander - bystanders));
      WireClient client = ClientOf(owner, version);
      EXPECT_EQ(client.key().size(), version == kVersion30 ? 4U : 32U);
      for (int through = 1; through <= 3; ++through) {
        const std::string marker = "of " + std::to_string(owner) + " through " + std::to_string(through);
        Run(client, marker);
        EXPECT_TRUE(SendCancel(Of(through).port(), client.process_id(), client.key()));
        EXPECT_EQ(ErrorOf(client), "57014") << marker;
      }
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(IsRunning("bystander " + std::to_string(i)));
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(SendCancel(Of(i == 0 ? 3 : i).port(), bystanders[i].process_id(), bystanders[i].key()));
        EXPECT_EQ(ErrorOf(bystanders[i]), "57014");
      }
    }
  }
}

TEST_F(PeersTest, UnknownPeersWrongKeysAndShortOnesDoNothing) {
  NEEDS_PGWEIR();
  WireClient client = ClientOf(1);
  Run(client, "unknown peers");
  EXPECT_TRUE(SendCancel(Of(2).port(), WithPeer(client.process_id(), 4), client.key()));
  EXPECT_TRUE(Of(2).WaitForLog("cancel request for an unknown peer"));
  EXPECT_TRUE(SendCancel(Of(2).port(), WithPeer(client.process_id(), 0), client.key()));
  EXPECT_TRUE(SendCancel(Of(2).port(), WithPeer(client.process_id(), 3), client.key())) << "3 has not given it out";
  EXPECT_TRUE(SendCancel(Of(2).port(), WithPeer(client.process_id(), 2), client.key())) << "nor has 2";
  for (const std::string& key : {std::string(), client.key().substr(0, 3), client.key() + "x", std::string(256, '\xff')}) {
    EXPECT_TRUE(SendCancel(Of(2).port(), client.process_id(), key));
  }
  EXPECT_TRUE(IsRunning("unknown peers"));
  EXPECT_TRUE(SendCancel(Of(2).port(), client.process_id(), client.key()));
  EXPECT_EQ(ErrorOf(client), "57014");
}

TEST_F(PeersTest, APeerThatIsDownCostsOnlyItsOwnRequests) {
  NEEDS_PGWEIR();
  SilentPort silent;
  const std::string timeout = "cancel_wait_timeout = \"1s\"\n";
  Reload(2, PeerSection(1, "127.0.0.1", Of(1).port()) + PeerSection(4, "127.0.0.1", FreePort()) + PeerSection(5, "127.0.0.1", silent.port()) + "pool_size = 2\n", timeout);
  WireClient client = ClientOf(1);
  Run(client, "beside a peer that is down");
  EXPECT_TRUE(SendCancel(Of(2).port(), WithPeer(client.process_id(), 4), client.key())) << "refused: at once";
  EXPECT_TRUE(Of(2).WaitForLog("peer_down.*peer=4"));
  std::vector<WireSocket> hanging;
  for (int i = 0; i < 5; ++i) {
    hanging.push_back(ConnectTcp(Of(2).port()));
    hanging.back().Send(CancelBytes(WithPeer(client.process_id(), 5), client.key()));
  }
  EXPECT_TRUE(SendCancel(Of(2).port(), client.process_id(), client.key())) << "not held up by those";
  EXPECT_EQ(ErrorOf(client), "57014");
  EXPECT_EQ(PeerPool(2, "1", "cl_active_cancel_req"), "0");
  for (WireSocket& request : hanging) EXPECT_TRUE(request.AtEnd());
  EXPECT_TRUE(Eventually([&] { return PeerPool(2, "5", "cl_active_cancel_req") == "0" && PeerPool(2, "5", "cl_waiting_cancel_req") == "0"; }));
}

TEST_F(PeersTest, AtMostPoolSizeAreUnderWay) {
  NEEDS_PGWEIR();
  SilentPort silent;
  Reload(2, PeerSection(5, "127.0.0.1", silent.port()) + "pool_size = 2\n", "cancel_wait_timeout = \"60s\"\n");
  std::vector<WireSocket> hanging;
  for (int i = 0; i < 5; ++i) {
    hanging.push_back(ConnectTcp(Of(2).port()));
    hanging.back().Send(CancelBytes(WithPeer(77, 5), "\x01\x01\x01\x03"));
  }
  EXPECT_TRUE(Eventually([&] { return PeerPool(2, "5", "cl_active_cancel_req") == "2" && PeerPool(2, "5", "cl_waiting_cancel_req") == "3"; }));
  EXPECT_EQ(PeerPool(2, "5", "sv_active_cancel"), "2");
}

// 1 takes 2 for 3, 2 takes 1 for 3: a key of 3 goes between them until its hops are used up.
TEST_F(PeersTest, ACircleEnds) {
  NEEDS_PGWEIR();
  WireClient client = ClientOf(3);
  Run(client, "in a circle");
  Reload(1, PeerSection(3, "127.0.0.1", Of(2).port()));
  Reload(2, PeerSection(3, "127.0.0.1", Of(1).port()));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(SendCancel(Of(1).port(), client.process_id(), client.key()));
  EXPECT_TRUE(Of(2).WaitForLog("peer_circle.*peer=3"));
  EXPECT_EQ(PeerPool(1, "3", "cl_active_cancel_req"), "0");
  EXPECT_TRUE(IsRunning("in a circle"));
  Reload(1, Peers());
  EXPECT_TRUE(SendCancel(Of(1).port(), client.process_id(), client.key())) << "RELOAD has put it right";
  EXPECT_EQ(ErrorOf(client), "57014");
}

// The system deals the connections out: sooner or later each gets one.
TEST_F(PeersTest, SeveralMayListenOnOnePort) {
  NEEDS_PGWEIR();
  PgweirProcess first(ConfigOf(1, "", "so_reuseport = true\n"));
  PgweirProcess second(ConfigOf(2, "", "so_reuseport = true\n"), {.port = first.port()});
  EXPECT_TRUE(Eventually([&] {
    Connection client(first.ConnectionString("app", "app"));
    EXPECT_EQ(client.Value("SELECT 1"), "1");
    return first.log().find("client_login") != std::string::npos && second.log().find("client_login") != std::string::npos;
  }));
}

TEST_F(PeersTest, TheConsoleShowsThem) {
  NEEDS_PGWEIR();
  Connection admin = AdminOf(1);
  const Result peers = admin.Query("SHOW PEERS");
  ASSERT_EQ(peers.rows(), 3);
  EXPECT_EQ(peers.Value(2, "host"), Of(3).socket_folder());
  EXPECT_EQ(peers.Value(1, "port"), std::to_string(Of(2).port()));
  EXPECT_EQ(peers.Value(1, "pool_size"), "20");
  Reload(1, PeerSection(3, "127.0.0.1", Of(3).port()));
  EXPECT_EQ(admin.Query("SHOW PEERS").rows(), 1);
  EXPECT_EQ(admin.Query("SHOW PEER_POOLS").rows(), 1);
}

// It has peers from 1.19 on.
bool PgBouncerHasPeers() {
  if (!std::filesystem::exists(kPgBouncer)) return false;
  const std::string version = RunProgram({.arguments = {kPgBouncer, "--version"}, .user = UnprivilegedUser()}).output;
  std::smatch match;
  return std::regex_search(version, match, std::regex("PgBouncer 1\\.(\\d+)")) && std::stoi(match[1]) >= 19;
}

// The layout of the keys is PgBouncer's: each passes on what the other has given out.
TEST_F(PeersTest, PgBouncerIsAPeer) {
  NEEDS_PGWEIR();
  if (!PgBouncerHasPeers()) GTEST_SKIP() << "needs PgBouncer 1.19 or later";
  TemporaryFolder folder;
  const int port = FreePort();
  WriteFile(folder.File("users"), "\"app\" \"\"\n");
  WriteFile(folder.File("pgbouncer.ini"),
            "[databases]\n* = host=127.0.0.1 port=" + std::to_string(SharedCluster().port()) +
                "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = trust\nauth_file = " + folder.File("users") +
                "\nlisten_port = " + std::to_string(port) + "\npeer_id = 4\n[peers]\n1 = host=127.0.0.1 port=" + std::to_string(Of(1).port()) + "\n");
  GiveToUnprivilegedUser(folder.path());
  Proxy pgbouncer(kPgBouncer, folder.File("pgbouncer.ini"), port, folder.File("output"));
  Reload(1, PeerSection(4, "127.0.0.1", port));
  WireClient ours = ClientOf(1), theirs(port);
  ASSERT_TRUE(theirs.Login({{"user", "app"}, {"database", "app"}}));
  Run(ours, "of pgweir");
  Run(theirs, "of pgbouncer");
  EXPECT_TRUE(SendCancel(port, ours.process_id(), ours.key()));
  EXPECT_EQ(ErrorOf(ours), "57014");
  EXPECT_TRUE(IsRunning("of pgbouncer"));
  EXPECT_TRUE(SendCancel(Of(1).port(), theirs.process_id(), theirs.key()));
  EXPECT_EQ(ErrorOf(theirs), "57014");
}

}  // namespace
}  // namespace integration
