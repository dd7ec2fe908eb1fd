// The name service: a host's name is looked up, kept, looked up again while it is in use; who is connected to an address that it
// does not have any more moves, and nobody else does. PostgreSQL listens at three addresses of the loopback, and says which one
// it was reached by; the name server is the test's own.
#include "tests/integration/environment.h"
#include "tests/support/fake_dns.h"

namespace integration {
namespace {

using namespace test_support;
using How = DnsReply::How;

constexpr const char* kName = "db.example";
constexpr const char* kWhere = "SELECT host(inet_server_addr())";

PostgresCluster& WideCluster() {
  static const std::unique_ptr<PostgresCluster> cluster = [] {
    PostgresOptions options;
    options.settings = {"listen_addresses=127.0.0.1,127.0.0.2,127.0.0.3"};
    options.hba_lines = {"local all all trust", "host all all 127.0.0.0/8 trust"};
    auto made = std::make_unique<PostgresCluster>(options);
    MakeRolesAndDatabases(*made);
    return made;
  }();
  return *cluster;
}

class NamesTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    Say({"127.0.0.1"});
  }
  void Say(const std::vector<std::string>& addresses, uint32_t ttl = 0) { dns_.Say(kName, {.addresses = addresses, .ttl = ttl}); }
  PgweirConfig With(const std::string& global, const std::string& database = "") {
    WriteFile(folder_.File("resolv.conf"), dns_.ResolvConf());
    PgweirConfig config;
    config.global = "resolv_conf = \"" + folder_.File("resolv.conf") + "\"\n" + global;
    config.sections = "[databases.\"*\"]\nhost = \"" + std::string(kName) + "\"\nport = " + std::to_string(WideCluster().port()) +
                      "\ndbname = \"app\"\n" + database;
    return config;
  }
  void Start(const std::string& global = "", const std::string& database = "") { StartPgweir(With(global, database)); }
  int Lines(const std::string& text) {
    const std::string log = pgweir().log();
    int lines = 0;
    for (size_t at = log.find(text); at != log.npos; at = log.find(text, at + 1)) ++lines;
    return lines;
  }
  // By name of the list; "" when there is no such row.
  std::string Listed(const std::string& list) {
    const Result lists = Admin().Query("SHOW LISTS");
    for (int row = 0; row < lists.rows(); ++row) {
      if (lists.Value(row, "list") == list) return lists.Value(row, "items");
    }
    return "";
  }

  FakeDns dns_;
  TemporaryFolder folder_;
};

TEST_F(NamesTest, TheConsoleShowsWhatIsKept) {
  Say({"127.0.0.2", "127.0.0.3"}, 3600);
  Start("dns_max_ttl = \"100s\"\n");
  EXPECT_EQ(Listed("dns_names"), "0");
  EXPECT_EQ(Connect().Value(kWhere), "127.0.0.2");
  const Result hosts = Admin().Query("SHOW DNS_HOSTS");
  ASSERT_EQ(hosts.rows(), 1) << hosts.error();
  EXPECT_EQ(hosts.Names(), (std::vector<std::string>{"hostname", "ttl", "addrs"}));
  EXPECT_EQ(hosts.Value(0, "hostname"), kName);
  EXPECT_GT(std::stoi(hosts.Value(0, "ttl")), 0);
  EXPECT_LE(std::stoi(hosts.Value(0, "ttl")), 100);
  EXPECT_EQ(hosts.Value(0, "addrs"), "127.0.0.2,127.0.0.3");
  EXPECT_EQ(Listed("dns_names"), "1");
  EXPECT_EQ(Listed("dns_zones"), "0");
  EXPECT_EQ(Listed("dns_queries"), "0");
  EXPECT_EQ(Listed("dns_pending"), "0");
  EXPECT_EQ(Admin().Query("SHOW DNS_ZONES").rows(), 0);
}

TEST_F(NamesTest, ManyPoolsAskOnce) {
  dns_.Say(kName, {.addresses = {}, .how = How::kNotAtAll});
  PgweirConfig config = With("query_wait_timeout = \"60s\"\n");
  WriteFile(folder_.File("resolv.conf"), dns_.ResolvConf("timeout:60 attempts:1"));  // asked again is not asked twice
  StartPgweir(config);
  constexpr int kPools = 8;
  std::vector<WireClient> clients;
  for (int i = 0; i < kPools; ++i) {
    clients.emplace_back(pgweir().port());
    ASSERT_TRUE(clients.back().Send(StartupBytes({{"user", "app"}, {"database", "name" + std::to_string(i)}})));
  }
  // The server is silent: everybody waits for the one question.
  EXPECT_TRUE(Eventually([&] { return Listed("dns_queries") == "1" && Listed("dns_pending") == std::to_string(kPools); }));
  EXPECT_TRUE(Eventually([&] { return dns_.Asked(kName) > 0; }));
  EXPECT_EQ(dns_.Asked(kName), 1);
}

TEST_F(NamesTest, IdleServersLeaveAnAddressThatHasGone) {
  Start("dns_max_ttl = \"1s\"\ndefault_pool_size = 1\n");
  Connection client = Connect();
  const std::string before = client.Value("SELECT pg_backend_pid()");
  EXPECT_EQ(client.Value(kWhere), "127.0.0.1");
  // Nobody connects, nobody asks: it is seen all the same.
  Say({"127.0.0.2"});
  EXPECT_TRUE(pgweir().WaitForLog("dns_changed.* host=" + std::string(kName) + " before=127.0.0.1 now=127.0.0.2"));
  EXPECT_TRUE(pgweir().WaitForLog("server_close.*address of the host changed"));
  EXPECT_EQ(client.Value(kWhere), "127.0.0.2");
  EXPECT_NE(client.Value("SELECT pg_backend_pid()"), before);
  // An address more is a change for the log, and sends nobody away.
  const std::string now = client.Value("SELECT pg_backend_pid()");
  const int closed = Lines("address of the host changed");
  Say({"127.0.0.3", "127.0.0.2"});
  EXPECT_TRUE(pgweir().WaitForLog("dns_changed.* now=127.0.0.3,127.0.0.2"));
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), now);
  EXPECT_EQ(Lines("address of the host changed"), closed);
  EXPECT_EQ(Lines("dns_changed"), 2);
}

TEST_F(NamesTest, ATransactionKeepsItsServerToItsEnd) {
  Start("dns_max_ttl = \"1s\"\n");
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  const std::string before = client.Value("SELECT pg_backend_pid()");
  Say({"127.0.0.3"});
  ASSERT_TRUE(pgweir().WaitForLog("dns_changed"));
  // A later pass finds it again, and must not do more than the first.
  const int asked = dns_.Asked(kName);
  EXPECT_TRUE(Eventually([&] { return dns_.Asked(kName) > asked + 1; }));
  EXPECT_EQ(client.Value(kWhere), "127.0.0.1");
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), before);
  ASSERT_TRUE(client.Query("COMMIT").ok());
  EXPECT_EQ(client.Value(kWhere), "127.0.0.3");
}

TEST_F(NamesTest, ANameThatFailsRetiresNothingAndKeepsItsAddresses) {
  Start("dns_max_ttl = \"1s\"\ndns_nxdomain_ttl = \"1s\"\ndefault_pool_size = 1\n");
  Connection client = Connect();
  const std::string before = client.Value("SELECT pg_backend_pid()");
  // In trouble: what was found last goes on serving, new connections too.
  dns_.Say(kName, {.addresses = {}, .code = 2});
  ASSERT_TRUE(pgweir().WaitForLog("dns_failed.* still_used=127.0.0.1"));
  EXPECT_EQ(Connect("other").Value(kWhere), "127.0.0.1");
  // No such name: nothing is opened, nothing is closed.
  dns_.Say(kName, {.addresses = {}, .code = 3});
  EXPECT_TRUE(Eventually([&] { return Admin().Query("SHOW DNS_HOSTS").Value(0, "addrs").empty(); }));
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), before);
  EXPECT_EQ(Lines("server_close"), 0);
  EXPECT_EQ(Lines("dns_failed"), 1) << "told once";
}

TEST_F(NamesTest, TheCauseIsToldToWhoWaits) {
  dns_.Say(kName, {.addresses = {}, .code = 3});
  Start("failover_hold_timeout = \"1s\"\n");
  const Connection client = TryConnect("app", "app");
  ASSERT_FALSE(client.ok());
  EXPECT_NE(client.error().find("name lookup: name does not exist"), std::string::npos) << client.error();
  EXPECT_NE(client.error().find(kName), std::string::npos) << client.error();
}

TEST_F(NamesTest, TheNextAddressIsTriedWhenOneRefuses) {
  Say({"127.0.0.9", "127.0.0.10", "127.0.0.3"});
  Start();
  EXPECT_EQ(Connect().Value(kWhere), "127.0.0.3");
}

TEST_F(NamesTest, AddressesTakeTurnsWhereHostsDo) {
  Say({"127.0.0.1", "127.0.0.2", "127.0.0.3"}, 3600);
  const auto places = [this] {
    std::map<std::string, int> places_of;
    std::vector<Connection> clients;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(Connect());
      ++places_of[clients.back().Value(kWhere)];
    }
    return places_of;
  };
  const std::string sessions = "pool_mode = \"session\"\n";
  Start(sessions, "load_balance_hosts = \"round-robin\"\n");
  EXPECT_EQ(places(), (std::map<std::string, int>{{"127.0.0.1", 2}, {"127.0.0.2", 2}, {"127.0.0.3", 2}}));
  Start(sessions, "load_balance_hosts = \"disable\"\n");
  EXPECT_EQ(places(), (std::map<std::string, int>{{"127.0.0.1", 6}}));
}

TEST_F(NamesTest, AListeningConnectionMovesToo) {
  Start("dns_max_ttl = \"1s\"\n");
  Connection listener = Connect();
  ASSERT_TRUE(listener.Query("LISTEN news").ok());
  ASSERT_TRUE(pgweir().WaitForLog("listen_open"));
  Say({"127.0.0.2"});
  ASSERT_TRUE(pgweir().WaitForLog("dns_changed"));
  EXPECT_TRUE(Eventually([&] { return Lines("listen_open") == 2; }));
  const auto count = [this](const std::string& address) {
    Connection superuser(WideCluster().SuperuserString());
    return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN \"news\"'") + address;
  };
  EXPECT_TRUE(Eventually([&] { return count("") == "1"; }));
  EXPECT_EQ(listener.Value(kWhere), "127.0.0.2");
}

TEST_F(NamesTest, ReconnectAsksAnew) {
  Say({"127.0.0.1"}, 3600);
  Start("dns_max_ttl = \"1h\"\n");
  Connection client = Connect();
  EXPECT_EQ(client.Value(kWhere), "127.0.0.1");
  Say({"127.0.0.3"}, 3600);
  EXPECT_EQ(client.Value(kWhere), "127.0.0.1") << "its time is not over";
  ASSERT_TRUE(Admin().Query("RECONNECT").ok());
  EXPECT_EQ(client.Value(kWhere), "127.0.0.3");
}

TEST_F(NamesTest, AnotherFileAtReloadAndNoneThatLeadsNowhere) {
  Start("dns_max_ttl = \"1h\"\n");
  EXPECT_EQ(Connect().Value(kWhere), "127.0.0.1");
  PgweirConfig config = With("dns_max_ttl = \"1h\"\n");
  WriteFile(folder_.File("resolv.conf"), "search example\n");
  pgweir().WriteConfig(config);
  const Result refused = Admin().Query("RELOAD");
  EXPECT_EQ(refused.sqlstate(), "F0000");
  EXPECT_NE(refused.error().find("resolv_conf"), std::string::npos) << refused.error();
  EXPECT_NE(refused.error().find("no name server"), std::string::npos) << refused.error();
  config.global = "resolv_conf = \"/no/such/file\"\n";
  pgweir().WriteConfig(config);
  const Result unreadable = Admin().Query("RELOAD");
  EXPECT_EQ(unreadable.sqlstate(), "F0000");
  EXPECT_NE(unreadable.error().find("/no/such/file"), std::string::npos) << unreadable.error();
  FakeDns other;
  other.Say(kName, {.addresses = {"127.0.0.2"}});
  WriteFile(folder_.File("resolv.conf"), other.ResolvConf());
  config.global = "resolv_conf = \"" + folder_.File("resolv.conf") + "\"\n";
  pgweir().WriteConfig(config);
  const Result reloaded = Admin().Query("RELOAD");
  EXPECT_TRUE(reloaded.ok()) << reloaded.error();
  EXPECT_EQ(Connect("other").Value(kWhere), "127.0.0.2");
}

// A name whose answers take turns does not have its connections opened anew for ever.
TEST_F(NamesTest, TurnsAreNoChange) {
  Start("dns_max_ttl = \"1s\"\n");
  Connection client = Connect();
  const char* const readers[] = {"127.0.0.1", "127.0.0.2"};
  for (int turn = 0; Lines("dns_takes_turns") == 0; ++turn) {
    ASSERT_LT(turn, 12);
    Say({readers[turn % 2]});
    const int asked = dns_.Asked(kName);
    // A name without a connection is not in use, and not looked up: the lookup before may have just closed it.
    ASSERT_TRUE(Eventually([&] { return client.Value("SELECT 1") == "1" && dns_.Asked(kName) > asked; }));
  }
  client.Value("SELECT 1");
  const int closed = Lines("address of the host changed");
  for (int turn = 0; turn < 3; ++turn) {
    Say({readers[turn % 2]});
    const int asked = dns_.Asked(kName);
    ASSERT_TRUE(Eventually([&] { return client.Value("SELECT 1") == "1" && dns_.Asked(kName) > asked + 1; }));
  }
  EXPECT_EQ(Lines("address of the host changed"), closed);
}

}  // namespace
}  // namespace integration
