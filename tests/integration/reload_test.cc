// Reload under live clients: certificates, secrets, databases that go, come back or move; and a pause that hides a
// restart of PostgreSQL. The counts of the console against pg_stat_activity.
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <filesystem>

#include "tests/integration/environment.h"
#include "tests/support/certificates.h"

namespace integration {
namespace {

using namespace test_support;

class ReloadTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  static PgweirConfig With(const std::string& sections, const std::string& global = "") {
    PgweirConfig config;
    config.global = global;
    config.sections = sections;
    return config;
  }
  // Through the console: it answers when the new configuration is in force.
  void ReloadNow(const PgweirConfig& config) {
    pgweir().WriteConfig(config);
    const Result result = Admin().Query("RELOAD");
    ASSERT_TRUE(result.ok()) << result.error();
  }
  static std::string CertificateOf(const Connection& connection) {
    auto* ssl = static_cast<SSL*>(PQsslStruct(connection.get(), "OpenSSL"));
    if (ssl == nullptr) return "no TLS";
    X509* certificate = SSL_get1_peer_certificate(ssl);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    X509_digest(certificate, EVP_sha256(), digest, &length);
    X509_free(certificate);
    return std::string(reinterpret_cast<char*>(digest), length);
  }
};

TEST_F(ReloadTest, NewConnectionsGetTheNewCertificate) {
  const TemporaryFolder first, second;
  const CertificateFiles files = MakeCertificates(first.path()), fresh = MakeCertificates(second.path());
  GiveToUnprivilegedUser(first.path());
  const PgweirConfig config =
      With(DatabaseSection("*"), "client_tls_sslmode = \"require\"\nclient_tls_key_file = \"" + files.server_key +
                                     "\"\nclient_tls_cert_file = \"" + files.server_cert + "\"\n");
  StartPgweir(config);
  // The console's login has no TLS in this test: the signal and the log instead.
  Connection before = Connect("app", "app", "sslmode=require");
  for (const auto& [from, to] :
       {std::pair(fresh.server_key, files.server_key), std::pair(fresh.server_cert, files.server_cert)}) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }
  GiveToUnprivilegedUser(first.path());
  EXPECT_EQ(CertificateOf(Connect("app", "app", "sslmode=require")), CertificateOf(before))
      << "nothing was reloaded yet";
  pgweir().Reload(config);
  ASSERT_TRUE(pgweir().WaitForLog(" reloaded "));
  EXPECT_TRUE(
      Eventually([&] { return CertificateOf(Connect("app", "app", "sslmode=require")) != CertificateOf(before); }));
  EXPECT_EQ(Connect("app", "app", "sslmode=verify-ca sslrootcert=" + fresh.ca).Value("SELECT 1"), "1");
  EXPECT_EQ(before.Value("SELECT 'lives'"), "lives");
}

TEST_F(ReloadTest, ACertificateThatCannotBeReadRefusesTheReload) {
  const TemporaryFolder folder;
  const CertificateFiles files = MakeCertificates(folder.path());
  GiveToUnprivilegedUser(folder.path());
  const PgweirConfig config =
      With(DatabaseSection("*"), "client_tls_sslmode = \"allow\"\nclient_tls_key_file = \"" + files.server_key +
                                     "\"\nclient_tls_cert_file = \"" + files.server_cert + "\"\n");
  StartPgweir(config);
  WriteFile(files.server_cert, "garbage");
  const Result refused = Admin().Query("RELOAD");
  EXPECT_EQ(refused.sqlstate(), "F0000");
  EXPECT_NE(refused.error().find("client_tls_cert_file"), std::string::npos) << refused.error();
  EXPECT_EQ(Connect("app", "app", "sslmode=require").Value("SELECT 1"), "1") << "the old certificate is still in force";
}

TEST_F(ReloadTest, AChangedPasswordIsForNewLogins) {
  PgweirConfig config = With(DatabaseSection("*"), "auth_type = \"scram-sha-256\"\n");
  config.users = {{"app", "old"}, {"admin", "x"}};
  StartPgweir(config);
  Connection before = Connect("app", "app", "password=old");
  EXPECT_EQ(before.Value("SELECT 1"), "1");
  config.users["app"] = "new";
  pgweir().Reload(config);
  EXPECT_TRUE(Eventually([&] { return TryConnect("app", "app", "password=new").ok(); }));
  EXPECT_FALSE(TryConnect("app", "app", "password=old").ok());
  EXPECT_EQ(before.Value("SELECT 'lives'"), "lives");
}

TEST_F(ReloadTest, OnlyWhatChangedIsRenewed) {
  StartPgweir(With(DatabaseSection("app") + DatabaseSection("second")));
  Connection stays = Connect("app", "app"), moves = Connect("app", "second");
  const std::string pid = stays.Value("SELECT pg_backend_pid()"), moved_pid = moves.Value("SELECT pg_backend_pid()");
  const std::string second_elsewhere = "[databases.second]\nhost = \"" + SharedCluster().socket_folder() +
                                       "\"\nport = " + std::to_string(SharedCluster().port()) + "\n";
  ReloadNow(With(DatabaseSection("app", "pool_size = 7\n") + second_elsewhere));
  EXPECT_EQ(stays.Value("SELECT pg_backend_pid()"), pid) << "an unchanged database lost its server";
  EXPECT_NE(moves.Value("SELECT pg_backend_pid()"), moved_pid);
  EXPECT_EQ(moves.Value("SELECT inet_server_addr() IS NULL"), "t") << "not over the new host";
  EXPECT_TRUE(Eventually([&] {
    return Direct().Value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + moved_pid) == "0";
  })) << "the old server was left open";
}

TEST_F(ReloadTest, AChangedHostLetsTheTransactionEnd) {
  StartPgweir(With(DatabaseSection("app")));
  Connection client = Connect();
  ASSERT_TRUE(client.Query("BEGIN").ok());
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  ReloadNow(With("[databases.app]\nhost = \"" + SharedCluster().socket_folder() +
                 "\"\nport = " + std::to_string(SharedCluster().port()) + "\n"));
  EXPECT_EQ(client.Value("SELECT pg_backend_pid()"), pid) << "in the middle of a transaction";
  ASSERT_TRUE(client.Query("COMMIT").ok());
  EXPECT_NE(client.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(ReloadTest, ARemovedDatabaseIsUnknownAndServesAgainWhenItIsBack) {
  const std::string kept = DatabaseSection("app", "pool_size = 1\n");  // so that its server is known
  const PgweirConfig both = With(kept + DatabaseSection("second"));
  StartPgweir(both);
  Connection goes = Connect("app", "second"), stays = Connect("app", "app");
  EXPECT_EQ(goes.Value("SELECT 1"), "1");
  const std::string pid = stays.Value("SELECT pg_backend_pid()");
  ReloadNow(With(kept));
  EXPECT_TRUE(goes.WaitClosed());
  WireClient refused(pgweir().port());
  EXPECT_FALSE(refused.Login({{"user", "app"}, {"database", "second"}}));
  EXPECT_EQ(ErrorField(refused.error(), 'C'), "3D000");
  EXPECT_EQ(ErrorField(refused.error(), 'S'), "FATAL");
  ReloadNow(both);
  Connection back = Connect("app", "second");
  EXPECT_EQ(back.Value("SELECT current_database()"), "second");
  EXPECT_EQ(stays.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(ReloadTest, ADatabaseThatWasDownAndRemovedServesAgainWhenItIsBack) {
  const std::string dead = "[databases.second]\nhost = \"127.0.0.1\"\nport = " + std::to_string(FreePort()) + "\n";
  StartPgweir(With(DatabaseSection("app") + dead, "query_wait_timeout = \"300ms\"\nclient_login_timeout = \"1s\"\n"));
  EXPECT_FALSE(TryConnect("app", "second").ok());  // its failure is remembered: the pool stays
  ReloadNow(With(DatabaseSection("app")));
  ReloadNow(With(DatabaseSection("app") + DatabaseSection("second")));
  EXPECT_EQ(Connect("app", "second").Value("SELECT current_database()"), "second");
}

TEST_F(ReloadTest, PauseHidesARestartOfPostgresql) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  StartPgweir("default_pool_size = 4\nquery_wait_timeout = \"60s\"\n", DatabaseSection("*", cluster));
  const TemporaryFolder folder;
  WriteFile(folder.File("script.sql"), "BEGIN;\nSELECT 1;\nEND;\n");
  WriteFile(folder.File("output"), "");
  ChildProcess pgbench(
      {.arguments = {PostgresCluster::BinaryFolder() + "/pgbench", "-n", "-h", "127.0.0.1", "-U", "app", "-p",
                     std::to_string(pgweir().port()), "-c", "10", "-T", "6", "-f", folder.File("script.sql"), "app"},
       .output_file = folder.File("output"),
       .environment = {"PGSSLMODE=disable", "PGGSSENCMODE=disable"}});
  Connection admin = Admin();
  ASSERT_TRUE(Eventually([&] { return PoolNumber(admin, "cl_active") + PoolNumber(admin, "cl_waiting") > 0; }));
  const Result paused = admin.Query("PAUSE");
  ASSERT_TRUE(paused.ok()) << paused.error();
  EXPECT_EQ(PoolNumber(admin, "sv_active") + PoolNumber(admin, "sv_idle"), 0);
  cluster.Restart(StopMode::kFast);
  EXPECT_TRUE(pgbench.IsRunning()) << ReadFile(folder.File("output"));
  ASSERT_TRUE(admin.Query("RESUME").ok());
  EXPECT_TRUE(Eventually([&] { return PoolNumber(admin, "sv_active") > 0; }));
  EXPECT_EQ(pgbench.WaitExit(Milliseconds(60'000)), 0);
  const std::string output = ReadFile(folder.File("output"));
  EXPECT_NE(output.find("number of failed transactions: 0"), std::string::npos) << output;
  EXPECT_EQ(output.find("ERROR"), std::string::npos) << output;
  EXPECT_EQ(output.find("FATAL"), std::string::npos) << output;
}

TEST_F(ReloadTest, ConsoleCountsAgreeWithPostgresql) {
  StartPgweir("default_pool_size = 3\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin();
  std::vector<Connection> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(Connect("app", "app"));
  for (int i = 0; i < 2; ++i) clients.push_back(Connect("other", "second"));
  for (Connection& client : clients) ASSERT_TRUE(client.Query("SELECT 1").ok());
  // app: three in a transaction, two waiting; other: one in a transaction, one idle client.
  for (const size_t i : {0u, 1u, 2u, 5u}) ASSERT_TRUE(clients[i].Query("BEGIN").ok());
  for (const size_t i : {3u, 4u}) clients[i].Send("SELECT 1");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 2));
  EXPECT_EQ(PoolNumber(admin, "sv_active"), 3);
  EXPECT_EQ(PoolNumber(admin, "sv_active", "second", "other"), 1);
  for (const auto& [user, database] : {std::pair<std::string, std::string>("app", "app"), {"other", "second"}}) {
    int open = 0;
    for (const std::string column :
         {"sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login"}) {
      open += PoolNumber(admin, column, database, user);
    }
    EXPECT_EQ(open, ServersOf(user)) << user;
    const Result databases = admin.Query("SHOW DATABASES");
    for (int row = 0; row < databases.rows(); ++row) {
      if (databases.Value(row, "name") == database) {
        EXPECT_EQ(databases.Value(row, "current_connections"), std::to_string(open));
      }
    }
  }
  // Each row of SHOW SERVERS is a backend of PostgreSQL, in the state that PostgreSQL reports.
  const Result servers = admin.Query("SHOW SERVERS");
  int matched = 0;
  for (int row = 0; row < servers.rows(); ++row) {
    const std::string state =
        Direct().Value("SELECT state FROM pg_stat_activity WHERE pid = " + servers.Value(row, "remote_pid"));
    EXPECT_EQ(state, servers.Value(row, "state") == "active" ? "idle in transaction" : "idle") << row;
    ++matched;
  }
  EXPECT_EQ(matched, ServersOf("app") + ServersOf("other"));
  const Result lists = admin.Query("SHOW LISTS");
  std::map<std::string, std::string> items;
  for (int row = 0; row < lists.rows(); ++row) items[lists.Value(row, 0)] = lists.Value(row, 1);
  EXPECT_EQ(std::stoi(items["used_servers"]) + std::stoi(items["free_servers"]), matched);
  for (const size_t i : {0u, 1u, 2u, 5u}) ASSERT_TRUE(clients[i].Query("COMMIT").ok());
  for (const size_t i : {3u, 4u}) EXPECT_EQ(clients[i].Next().Value(), "1");
}

}  // namespace
}  // namespace integration
