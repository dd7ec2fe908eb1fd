// Clients that go from one worker to another, as more or fewer of them come into use, and notice nothing.
#include <set>

#include "tests/integration/certificate_test.h"

namespace integration {
namespace {

using namespace test_support;

class WorkersTest : public CertificateTest {
 protected:
  void Start(const std::string& more = "") {
    PgweirConfig config;
    config.global = "workers = 4\nmin_workers = 1\npool_mode = \"transaction\"\ndefault_pool_size = 2\nlog_level = \"debug\"\n" + more;
    config.users["client"] = "";
    StartPgweir(config);
  }
  void Use(int workers) const { ASSERT_TRUE(Admin().Query("SET min_workers = " + std::to_string(workers)).ok()); }
  // By user: where each of its clients is.
  std::multiset<std::string> WorkersOf(const std::string& user) const {
    Connection admin = Admin();
    const Result clients = admin.Query("SHOW CLIENTS");
    std::multiset<std::string> workers;
    for (int row = 0; row < clients.rows(); ++row) {
      if (clients.Value(row, "user") == user) workers.insert(clients.Value(row, "worker"));
    }
    return workers;
  }
  // Sent by their next transaction; on its way is on neither for a moment.
  void ExpectOn(const std::string& user, const std::multiset<std::string>& wanted) const {
    std::multiset<std::string> found;
    EXPECT_TRUE(Eventually([&] { return (found = WorkersOf(user)) == wanted; })) << testing::PrintToString(found);
  }
  static constexpr int kClients = 8;
};

TEST_F(WorkersTest, ATransactionSendsAClientHomeWithAllThatItHas) {
  Start();
  std::vector<Connection> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(Connect());
    const std::string name = "n" + std::to_string(i);
    ASSERT_TRUE(clients.back().Query("SET application_name = '" + name + "'").ok());
    ASSERT_TRUE(clients.back().Prepare(name, "SELECT current_setting('application_name') || $1").ok());
  }
  ExpectOn("app", {"0", "0", "0", "0", "0", "0", "0", "0"});
  const auto ask_all = [&clients] {
    for (int i = 0; i < kClients; ++i) {
      const std::string name = "n" + std::to_string(i);
      EXPECT_EQ(clients[static_cast<size_t>(i)].Execute(name, {"!"}).Value(), name + "!");
    }
  };
  for (int round = 0; round < 3; ++round) {
    Use(4);
    ExpectOn("app", {"0", "0", "0", "0", "0", "0", "0", "0"});  // idle ones stay where they are
    ask_all();
    const auto spread = [this] {
      const auto found = WorkersOf("app");
      return found.size() == kClients && std::set<std::string>(found.begin(), found.end()).size() == 4 && found.count("0") <= 3;
    };
    EXPECT_TRUE(Eventually(spread)) << testing::PrintToString(WorkersOf("app"));
    ask_all();
    Use(1);
    ask_all();
    ExpectOn("app", {"0", "0", "0", "0", "0", "0", "0", "0"});
  }
  EXPECT_GE(pgweir().Metric("pgweir_client_moves_total"), 6 * 5);
  EXPECT_EQ(pgweir().Metric("pgweir_workers_in_use"), 1);
  Connection admin = Admin();
  EXPECT_EQ(PoolNumber(admin, "cl_active"), kClients) << "counted where they are";
}

TEST_F(WorkersTest, InsideATransactionItStays) {
  Start();
  std::vector<Connection> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(Connect());
  for (Connection& client : clients) ASSERT_TRUE(client.Query("BEGIN; SELECT 1").ok());
  Use(4);
  for (Connection& client : clients) EXPECT_EQ(client.Value("SELECT 2"), "2");
  ExpectOn("app", {"0", "0"});
  for (Connection& client : clients) EXPECT_TRUE(client.Query("COMMIT").ok());
  EXPECT_TRUE(Eventually([this] { return WorkersOf("app").count("0") < 2; }));
}

TEST_F(WorkersTest, AfterwardsItIsCancelledKilledAndTimedOut) {
  Start("client_idle_timeout = \"400ms\"\n");
  Use(4);
  std::vector<Connection> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Connect());
  Use(1);
  for (Connection& client : clients) EXPECT_EQ(client.Value("SELECT 1"), "1");
  ExpectOn("app", {"0", "0", "0", "0"});
  for (int i = 0; i < 2; ++i) clients[static_cast<size_t>(i)].Send("SELECT pg_sleep(600)");
  Connection superuser(SharedCluster().SuperuserString());
  ASSERT_TRUE(Eventually([&] { return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'") == "2"; }));
  ASSERT_TRUE(Cancel(clients[0]).Send());
  EXPECT_EQ(clients[0].Next().sqlstate(), "57014");
  EXPECT_TRUE(clients[0].Collect().empty());
  ASSERT_TRUE(Admin().Query("KILL app").ok());
  EXPECT_EQ(clients[1].Next().sqlstate(), "57P01");
  ASSERT_TRUE(Admin().Query("RESUME app").ok());
  Use(4);
  Connection late = Connect();
  Use(1);
  EXPECT_EQ(late.Value("SELECT 1"), "1");
  EXPECT_TRUE(Eventually([&] { return WorkersOf("app").empty(); })) << "its time goes on where it went";
  EXPECT_EQ(late.Query("SELECT 1").sqlstate(), "57P05");
}

TEST_F(WorkersTest, WhoListensStaysAndHears) {
  Start();
  Connection listener = Connect(), other = Connect();
  ASSERT_TRUE(listener.Query("LISTEN news").ok());
  Use(4);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(other.Query("NOTIFY news, '" + std::to_string(i) + "'").ok());
    EXPECT_EQ(listener.Value("SELECT 1"), "1");
  }
  int heard = 0;
  EXPECT_TRUE(Eventually([&] {
    PQconsumeInput(listener.get());
    while (PGnotify* notification = PQnotifies(listener.get())) {
      EXPECT_EQ(std::string(notification->extra), std::to_string(heard));
      ++heard;
      PQfreemem(notification);
    }
    return heard == 20;
  })) << heard;
}

TEST_F(WorkersTest, ByTlsToo) {
  Start(ClientTls("allow"));
  std::vector<Connection> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(TryConnect("client", "app", "sslmode=require"));
  for (int round = 0; round < 4; ++round) {
    Use(round % 2 == 0 ? 4 : 1);
    for (Connection& client : clients) {
      for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Value("SELECT repeat('x', 30000) || " + std::to_string(i)).size(), 30001u);
    }
  }
  ExpectOn("client", {"0", "0", "0", "0"});
}

// A session has its server for good, so its client is spread before it begins.
TEST_F(WorkersTest, ASessionPoolHasAllWorkers) {
  Start();
  PgweirConfig config;
  config.global = "workers = 4\nmin_workers = 1\npool_mode = \"session\"\ndefault_pool_size = 20\n";
  StartPgweir(config);
  std::vector<Connection> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(Connect());
  for (Connection& client : clients) EXPECT_EQ(client.Value("SELECT 1"), "1");
  const auto found = WorkersOf("app");
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 4u) << testing::PrintToString(found);
}

// By which it is decided how many are in use.
TEST_F(WorkersTest, TheirTimeIsMeasured) {
  Start();
  const auto used = [this](int worker) { return pgweir().Metric("pgweir_worker_cpu_seconds_total", {"worker=\"" + std::to_string(worker) + '"'}); };
  const double before = used(0);
  EXPECT_GT(before, 0);
  Connection client = Connect();
  EXPECT_TRUE(Eventually([&] { return client.Value("SELECT 1") == "1" && used(0) > before + 0.002; }));
  EXPECT_GT(used(3), 0);
}

}  // namespace
}  // namespace integration
