// TLS on both sides: every mode, certificates that do not fit, and nothing accepted that came in clear.
#include "tests/integration/certificate_test.h"

namespace integration {
namespace {

using namespace test_support;

class TlsTest : public CertificateTest {
 protected:
  static std::string Certificate() { return " sslcert=" + files_->client_cert + " sslkey=" + files_->client_key; }
  // "clear", "tls" or "refused"
  std::string Try(const std::string& words) const {
    Connection client = TryConnect("client", "app", words);
    if (!client.ok()) return "refused";
    EXPECT_EQ(client.Value("SELECT 1"), "1");
    return PQsslInUse(client.get()) == 1 ? "tls" : "clear";
  }
  void StartClientSide(const std::string& mode) {
    PgweirConfig config;
    config.global = ClientTls(mode);
    config.users["client"] = "";
    StartPgweir(config);
  }
};

TEST_F(TlsTest, ClientSideDisable) {
  StartClientSide("disable");
  EXPECT_EQ(Try("sslmode=disable"), "clear");
  EXPECT_EQ(Try("sslmode=prefer"), "clear");
  EXPECT_EQ(Try("sslmode=require"), "refused");
}

TEST_F(TlsTest, ClientSideAllowAndPrefer) {
  for (const char* mode : {"allow", "prefer"}) {
    StartClientSide(mode);
    EXPECT_EQ(Try("sslmode=disable"), "clear") << mode;
    EXPECT_EQ(Try("sslmode=require"), "tls") << mode;
    EXPECT_EQ(Try("sslmode=verify-full sslrootcert=" + files_->ca), "tls") << mode;
    EXPECT_EQ(Try("sslmode=verify-ca sslrootcert=" + files_->other_ca), "refused") << mode;
  }
}

TEST_F(TlsTest, ClientSideRequire) {
  StartClientSide("require");
  EXPECT_EQ(Try("sslmode=disable"), "refused");
  EXPECT_EQ(Try("sslmode=require"), "tls");
}

TEST_F(TlsTest, ClientSideVerify) {
  for (const char* mode : {"verify-ca", "verify-full"}) {
    StartClientSide(mode);
    EXPECT_EQ(Try("sslmode=disable"), "refused") << mode;
    EXPECT_EQ(Try("sslmode=require sslcert=/nonexistent sslkey=/nonexistent"), "refused") << mode;
    EXPECT_EQ(Try("sslmode=require" + Certificate()), "tls") << mode;
  }
}

TEST_F(TlsTest, ClearBytesBehindTheRequestAreRefused) {
  StartClientSide("prefer");
  WireClient client(pgweir().port());
  client.Send(SslRequestBytes() + StartupBytes({{"user", "client"}, {"database", "app"}}));
  const auto answer = client.ReadBytes(1);
  // Either refused at once, or the handshake cannot succeed any more; never a login, in clear or inside TLS.
  if (answer == "S") {
    EXPECT_FALSE(client.StartTls());
  } else {
    EXPECT_NE(answer, "N");
    EXPECT_NE(answer, "R");
  }
  EXPECT_EQ(Try("sslmode=require"), "tls");
}

TEST_F(TlsTest, DirectTlsNeedsAlpn) {
  StartClientSide("prefer");
  WireClient direct(pgweir().port());
  ASSERT_TRUE(direct.StartTls(Alpn::kPostgresql));
  ASSERT_TRUE(direct.Login({{"user", "client"}, {"database", "app"}}));
  EXPECT_EQ(direct.Value("SELECT 1"), "1");
  WireClient without(pgweir().port());
  EXPECT_FALSE(without.StartTls(Alpn::kNone) && without.Login({{"user", "client"}, {"database", "app"}}));
}

TEST_F(TlsTest, BigAnswersAndParametersThroughTls) {
  StartClientSide("require");
  Connection client = TryConnect("client", "app", "sslmode=require");
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.Value("SELECT repeat('t', 30000000)").size(), 30'000'000u);
  const std::string big(8'000'000, 'p');
  EXPECT_EQ(client.Params("SELECT length($1)", {big}).Value(), "8000000");
}

// Cancel requests come in clear from old libraries, whatever the mode.
TEST_F(TlsTest, CancelThroughTls) {
  StartClientSide("require");
  Connection client = TryConnect("client", "app", "sslmode=require");
  ASSERT_TRUE(client.ok()) << client.error();
  client.Send("SELECT pg_sleep(600), 'cancel me by tls'");
  Connection superuser(SharedCluster().SuperuserString());
  ASSERT_TRUE(Eventually([&] {
    return superuser.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%cancel me by tls%' AND "
               "pid <> pg_backend_pid()") == "1";
  }));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_EQ(client.Next().sqlstate(), "57014");
}

// The server's side: a cluster with TLS, one without is the shared one.
class ServerTlsTest : public TlsTest {
 protected:
  static std::unique_ptr<PostgresCluster> Cluster(const std::string& certificate, const std::string& key,
                                                  const std::string& hba = "hostssl all all 127.0.0.1/32 trust") {
    PostgresOptions options;
    options.tls_cert_file = certificate;
    options.tls_key_file = key;
    options.tls_ca_file = files_->ca;
    options.hba_lines = {hba};
    auto cluster = std::make_unique<PostgresCluster>(options);
    MakeRolesAndDatabases(*cluster);
    return cluster;
  }
  // "tls", "clear", or an error: what the connection from pgweir to PostgreSQL is.
  std::string Server(const PostgresCluster& cluster, const std::string& mode, const std::string& more = "",
                     const std::string& host = "127.0.0.1") {
    StartPgweir(
        "server_tls_sslmode = \"" + mode + "\"\nquery_wait_timeout = \"1s\"\nserver_login_retry = \"1s\"\n" + more,
        "[databases.app]\nhost = \"" + host + "\"\nport = " + std::to_string(cluster.port()) + "\n");
    Connection client = TryConnect("app", "app");
    if (!client.ok()) return "refused";
    const Result result =
        client.Query("SELECT CASE WHEN ssl THEN 'tls' ELSE 'clear' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    return result.ok() ? result.Value() : "refused";
  }
  static std::string Ca(const std::string& file) { return "server_tls_ca_file = \"" + file + "\"\n"; }
};

TEST_F(ServerTlsTest, EveryModeAgainstAServerThatInsists) {
  const auto cluster = Cluster(files_->server_cert, files_->server_key);
  EXPECT_EQ(Server(*cluster, "disable"), "refused");
  for (const char* mode : {"allow", "prefer", "require"}) EXPECT_EQ(Server(*cluster, mode), "tls") << mode;
  for (const char* mode : {"verify-ca", "verify-full"}) {
    EXPECT_EQ(Server(*cluster, mode, Ca(files_->ca)), "tls") << mode;
    EXPECT_EQ(Server(*cluster, mode, Ca(files_->ca), "localhost"), "tls") << mode;
    EXPECT_EQ(Server(*cluster, mode, Ca(files_->other_ca)), "refused") << mode;
  }
}

TEST_F(ServerTlsTest, ServerWithoutTls) {
  EXPECT_EQ(Server(SharedCluster(), "disable"), "clear");
  EXPECT_EQ(Server(SharedCluster(), "allow"), "clear");
  EXPECT_EQ(Server(SharedCluster(), "prefer"), "clear");
  EXPECT_EQ(Server(SharedCluster(), "require"), "refused");
  EXPECT_EQ(Server(SharedCluster(), "verify-full", Ca(files_->ca)), "refused");
}

TEST_F(ServerTlsTest, CertificateForAnotherHost) {
  const auto cluster = Cluster(files_->wrong_host_cert, files_->wrong_host_key);
  EXPECT_EQ(Server(*cluster, "verify-ca", Ca(files_->ca)), "tls");
  EXPECT_EQ(Server(*cluster, "verify-full", Ca(files_->ca)), "refused");
}

TEST_F(ServerTlsTest, ExpiredCertificate) {
  const auto cluster = Cluster(files_->expired_cert, files_->expired_key);
  EXPECT_EQ(Server(*cluster, "require"), "tls");
  EXPECT_EQ(Server(*cluster, "verify-ca", Ca(files_->ca)), "refused");
}

TEST_F(ServerTlsTest, ClientCertificateTowardTheServer) {
  const auto cluster =
      Cluster(files_->server_cert, files_->server_key, "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca");
  EXPECT_EQ(Server(*cluster, "require"), "refused");
  EXPECT_EQ(Server(*cluster, "require",
                   "server_tls_cert_file = \"" + files_->client_cert + "\"\nserver_tls_key_file = \"" +
                       files_->client_key + "\"\n"),
            "tls");
}

TEST_F(ServerTlsTest, CancelIsForwardedOverTls) {
  const auto cluster = Cluster(files_->server_cert, files_->server_key);
  ASSERT_EQ(Server(*cluster, "require"), "tls");
  Connection client = Connect(), superuser(cluster->SuperuserString());
  client.Send("SELECT pg_sleep(600)");
  ASSERT_TRUE(Eventually([&] {
    return superuser.Value(
               "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'") == "1";
  }));
  ASSERT_TRUE(Cancel(client).Send());
  EXPECT_EQ(client.Next().sqlstate(), "57014");
  EXPECT_EQ(client.Collect().size(), 0u);
  EXPECT_EQ(client.Value("SELECT 2"), "2");
}

}  // namespace
}  // namespace integration
