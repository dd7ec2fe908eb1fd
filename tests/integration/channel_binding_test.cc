// SCRAM-SHA-256-PLUS on both sides of pgweir: libpq requires it, PostgreSQL offers it, and somebody in the middle is noticed.
#include "protocol/scram.h"
#include "tests/integration/certificate_test.h"
#include "tests/support/tls_relay.h"

namespace integration {
namespace {

using namespace test_support;

const char* const kPassword = "the password";

class ChannelBindingTest : public CertificateTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    PostgresOptions options;
    options.tls_cert_file = files_->server_cert;
    options.tls_key_file = files_->server_key;
    options.hba_lines = {"hostssl all all 127.0.0.1/32 scram-sha-256"};
    cluster_ = std::make_unique<PostgresCluster>(options);
    MakeRolesAndDatabases(*cluster_);
    Connection superuser(cluster_->SuperuserString());
    ASSERT_TRUE(superuser.Query(std::string("ALTER ROLE client PASSWORD '") + kPassword + "'").ok());
    verifier_ = superuser.Value("SELECT rolpassword FROM pg_authid WHERE rolname = 'client'");
  }
  enum class Keeps : uint8_t { kScram, kPlain };
  void Start(Keeps keeps = Keeps::kScram, int server_port = 0) {
    PgweirConfig config;
    config.global = ClientTls("prefer") + "auth_type = \"scram-sha-256\"\nserver_tls_sslmode = \"require\"\nquery_wait_timeout = \"2s\"\n";
    config.users = {{"client", keeps == Keeps::kScram ? verifier_ : kPassword}, {"admin", "x"}};
    config.sections = "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(server_port != 0 ? server_port : cluster_->port()) + "\n";
    StartPgweir(config);
  }
  // current_user, or what went wrong.
  static std::string WhoAmI(int port, const std::string& words) {
    Connection client("host=127.0.0.1 port=" + std::to_string(port) + " user=client dbname=app gssencmode=disable password='" + kPassword + "' " + words);
    if (!client.ok()) return client.error();
    const Result result = client.Query("SELECT current_user");
    return result.ok() ? result.Value() : result.error();
  }

  std::unique_ptr<PostgresCluster> cluster_;
  std::string verifier_;
};

TEST_F(ChannelBindingTest, LibpqMayRequireIt) {
  for (const Keeps keeps : {Keeps::kScram, Keeps::kPlain}) {
    Start(keeps);
    for (const char* words : {"sslmode=require channel_binding=require", "sslmode=require channel_binding=prefer", "sslmode=require channel_binding=disable",
                              "sslmode=disable channel_binding=prefer"}) {
      EXPECT_EQ(WhoAmI(pgweir().port(), words), "client") << words;
    }
    EXPECT_NE(WhoAmI(pgweir().port(), "sslmode=disable channel_binding=require"), "client") << "without TLS there is nothing to bind to";
    EXPECT_NE(WhoAmI(pgweir().port(), "sslmode=require channel_binding=require password=wrong").find("password authentication failed"), std::string::npos);
  }
}

TEST_F(ChannelBindingTest, SomebodyBetweenClientAndPgweirIsNoticed) {
  Start();
  const TlsRelay relay(pgweir().port(), files_->wrong_host_cert, files_->wrong_host_key);
  EXPECT_EQ(WhoAmI(relay.port(), "sslmode=require channel_binding=disable"), "client") << "the relay itself works";
  EXPECT_NE(WhoAmI(relay.port(), "sslmode=require channel_binding=prefer"), "client");
  EXPECT_NE(WhoAmI(relay.port(), "sslmode=require channel_binding=require"), "client");
  EXPECT_EQ(relay.connections(), 3);
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*channel binding of the client does not fit"));
}

TEST_F(ChannelBindingTest, SomebodyBetweenPgweirAndPostgresIsNoticed) {
  const TlsRelay relay(cluster_->port(), files_->wrong_host_cert, files_->wrong_host_key);
  EXPECT_EQ(WhoAmI(relay.port(), "sslmode=require channel_binding=disable"), "client") << "the relay itself works";
  for (const Keeps keeps : {Keeps::kScram, Keeps::kPlain}) {
    Start(keeps, relay.port());
    EXPECT_NE(WhoAmI(pgweir().port(), "sslmode=require"), "client");
    EXPECT_TRUE(pgweir().WaitForLog("server_login_failed.*SCRAM channel binding check failed"));
  }
}

// RFC 5802, section 6: a client that could bind and believes that we cannot has been lied to about our offer.
TEST_F(ChannelBindingTest, ADowngradeIsRefused) {
  Start();
  const auto answer = [&](const std::string& header) {
    WireClient client(pgweir().port());
    client.Send(SslRequestBytes());
    EXPECT_EQ(client.ReadBytes(1), "S");
    EXPECT_TRUE(client.StartTls());
    client.Send(StartupBytes({{"user", "client"}, {"database", "app"}}));
    const auto offer = client.ReadMessage();
    EXPECT_EQ(offer->body.substr(4), Text("SCRAM-SHA-256-PLUS") + Text("SCRAM-SHA-256") + '\0');
    const std::string first = header + "n=,r=abcdefgh";
    client.Send(Password(Text("SCRAM-SHA-256") + Int32Bytes(static_cast<int64_t>(first.size())) + first));
    return client.ReadMessage().value();
  };
  const Message refused = answer("y,,");
  EXPECT_EQ(refused.type, 'E');
  EXPECT_EQ(ErrorField(refused, 'S'), "FATAL");
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*downgrade"));
  EXPECT_EQ(answer("n,,").type, 'R') << "a client that cannot bind at all";
}

}  // namespace
}  // namespace integration
