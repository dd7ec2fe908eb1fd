// Login on both sides: every method against every form of secret, refusals, protocol negotiation, Unix sockets, several
// hosts.
#include "protocol/scram.h"
#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

const char* const kPassword = "the password";

std::string SecretOf(const std::string& form, const std::string& user) {
  if (form == "plain") return kPassword;
  if (form == "md5") return protocol::Md5Secret(user, kPassword);
  return protocol::FormatVerifier(protocol::VerifierOf(protocol::DeriveKeys(kPassword, "sixteen byte slt", 4096)));
}

// Severity, SQLSTATE and message of a refused login, with the user's name masked.
std::string Refusal(int port, const std::string& user, const std::string& database, const std::string& password) {
  WireClient client(port);
  if (client.Login({{"user", user}, {"database", database}}, password)) return "let in";
  std::string message = ErrorField(client.error(), 'M');
  for (size_t at = 0; (at = message.find(user)) != std::string::npos;) message.replace(at, user.size(), "<user>");
  return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'C') + " " + message;
}

class ClientLoginTest : public IntegrationTest,
                        public testing::WithParamInterface<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    PgweirConfig config;
    config.global = "auth_type = \"" + std::get<0>(GetParam()) + "\"\n";
    config.users = {{"app", SecretOf(std::get<1>(GetParam()), "app")}, {"admin", "x"}};
    // The server lets the forced user in without a password: this is about our clients only.
    config.sections = DatabaseSection("app", "user = \"app\"\n");
    StartPgweir(config);
  }
};
INSTANTIATE_TEST_SUITE_P(Methods, ClientLoginTest,
                         testing::Combine(testing::Values("trust", "password", "md5", "scram-sha-256"),
                                          testing::Values("plain", "md5", "scram")),
                         [](const auto& test) {
                           const std::string method = std::get<0>(test.param);
                           return (method == "scram-sha-256" ? "scram" : method) + "_with_" + std::get<1>(test.param);
                         });

TEST_P(ClientLoginTest, RightAndWrongPassword) {
  const auto& [method, form] = GetParam();
  const bool can_work = !(method == "scram-sha-256" && form == "md5");
  Connection right = TryConnect("app", "app", std::string("password='") + kPassword + "'");
  EXPECT_EQ(right.ok(), can_work) << right.error();
  if (right.ok()) {
    EXPECT_EQ(right.Value("SELECT 1"), "1");
  }
  WireClient raw(pgweir().port());
  EXPECT_EQ(raw.Login({{"user", "app"}, {"database", "app"}}, kPassword), can_work);

  if (method == "trust") {
    EXPECT_NE(Refusal(pgweir().port(), "nobody_known", "app", ""), "let in");
    return;
  }
  const std::string wrong = Refusal(pgweir().port(), "app", "app", "wrong");
  EXPECT_EQ(wrong.substr(0, 12), "FATAL 28P01 ");
  EXPECT_EQ(Refusal(pgweir().port(), "nobody_known", "app", "wrong"), wrong) << "an unknown user is told apart";
  EXPECT_EQ(Refusal(pgweir().port(), "app", "unknown_database", "wrong"), wrong)
      << "an unknown database is told before the login";
  EXPECT_NE(Refusal(pgweir().port(), "app", "app", ""), "let in");
  if (can_work) {
    EXPECT_EQ(Refusal(pgweir().port(), "app", "unknown_database", kPassword).substr(0, 11), "FATAL 3D000");
  }
}

TEST_P(ClientLoginTest, PasswordsAreNotInTheLog) {
  TryConnect("app", "app", std::string("password='") + kPassword + "'");
  Refusal(pgweir().port(), "app", "app", "a wrong password");
  EXPECT_EQ(pgweir().log().find(kPassword), std::string::npos);
  EXPECT_EQ(pgweir().log().find("a wrong password"), std::string::npos);
}

class LoginTest : public IntegrationTest {};

TEST_F(LoginTest, RejectedUsersAndAddresses) {
  NEEDS_PGWEIR();
  StartPgweir("reject_users = [\"other\"]\n");
  EXPECT_EQ(Refusal(pgweir().port(), "other", "app", "").substr(0, 11), "FATAL 28000");
  EXPECT_EQ(Connect("app").Value("SELECT 1"), "1");
  StartPgweir("reject_addresses = [\"127.0.0.0/8\", \"fd00::/8\"]\n");
  EXPECT_EQ(Refusal(pgweir().port(), "app", "app", "").substr(0, 11), "FATAL 28000");
}

TEST_F(LoginTest, GssEncryptionIsDeclinedPolitely) {
  NEEDS_PGWEIR();  // PostgreSQL itself may be built with GSSAPI
  StartPgweir();
  WireClient client(target_port());
  client.Send(GssRequestBytes());
  EXPECT_EQ(client.ReadBytes(1), "N");
  client.Send(SslRequestBytes());
  EXPECT_EQ(client.ReadBytes(1), "N");
  ASSERT_TRUE(client.Login({{"user", "app"}, {"database", "app"}}));
  EXPECT_EQ(client.Value("SELECT 1"), "1");
}

TEST_F(LoginTest, NewerMinorVersionIsNegotiatedDown) {
  StartPgweir();
  WireClient client(target_port());
  ASSERT_TRUE(
      client.Login({{"user", "app"}, {"database", "app"}, {"_pq_.weir", "1"}, {"_pq_.dam", "2"}}, "", 0x0003270f));
  ASSERT_FALSE(client.login_messages().empty());
  const Message& first = client.login_messages()[0];
  ASSERT_EQ(first.type, 'v');
  EXPECT_LE(Int32At(first.body, 0) & 0xffff, 2u);
  EXPECT_EQ(Int32At(first.body, 4), 2u);
  EXPECT_EQ(first.body.substr(8), Text("_pq_.weir") + Text("_pq_.dam"));
  EXPECT_EQ(client.Value("SELECT 1"), "1");
}

TEST_F(LoginTest, KnownVersionsAreNotNegotiated) {
  NEEDS_PGWEIR();
  StartPgweir();
  for (const uint32_t version : {kVersion30, kVersion32}) {
    WireClient client(target_port());
    ASSERT_TRUE(client.Login({{"user", "app"}, {"database", "app"}}, "", version));
    EXPECT_EQ(client.login_messages()[0].type, 'R');
    EXPECT_GE(client.key().size(), 4u);
    if (version == kVersion30) {
      EXPECT_EQ(client.key().size(), 4u);
    }
  }
}

TEST_F(LoginTest, OldVersionAndNoUserAreRefused) {
  StartPgweir();
  WireClient old(target_port());
  old.Send(StartupBytes({{"user", "app"}}, 0x00020000));
  // The error may be in the form of that old version, so only bytes are looked at.
  EXPECT_EQ(old.ReadBytes(1), "E");
  WireClient nameless(target_port());
  EXPECT_FALSE(nameless.Login({{"database", "app"}}));
  EXPECT_EQ(ErrorField(nameless.error(), 'C'), "28000");
}

TEST_F(LoginTest, StartupSplitAtEveryByte) {
  StartPgweir();
  const std::string startup = StartupBytes({{"user", "app"}, {"database", "app"}, {"application_name", "split"}});
  for (size_t at = 1; at < startup.size(); at += 3) {
    WireClient client(target_port());
    ASSERT_TRUE(client.SendSplit(startup, at));
    ASSERT_TRUE(client.FinishLogin("app", "")) << "split at " << at;
  }
}

TEST_F(LoginTest, DatabaseDefaultsToTheUser) {
  StartPgweir();
  WireClient client(target_port());
  ASSERT_TRUE(client.Login({{"user", "app"}}));
  EXPECT_EQ(client.Value("SELECT current_database()"), "app");
}

TEST_F(LoginTest, UnixSocketOnBothSides) {
  NEEDS_PGWEIR();
  const PostgresCluster& cluster = SharedCluster();
  StartPgweir("", "[databases.app]\nhost = \"" + cluster.socket_folder() +
                      "\"\nport = " + std::to_string(cluster.port()) + "\n");
  Connection client = TryConnect("app", "app", "host=" + pgweir().socket_folder());
  ASSERT_TRUE(client.ok()) << client.error();
  EXPECT_EQ(client.Value("SELECT inet_server_addr() IS NULL"), "t");
}

TEST_F(LoginTest, FirstHostIsDeadTheSecondServes) {
  NEEDS_PGWEIR();
  const std::string dead = "127.0.0.1:" + std::to_string(FreePort());
  const std::string alive = "127.0.0.1:" + std::to_string(SharedCluster().port());
  StartPgweir("", "[databases.app]\nhost = \"" + dead + "," + alive + "\"\n");
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
}

// A cluster that asks for passwords, one role per method.
class ServerLoginTest : public IntegrationTest {
 protected:
  static void SetUpTestSuite() {
    if (IsDirect()) return;
    cluster_ = new PostgresCluster(
        {.hba_lines = {"host app clear_role 127.0.0.1/32 password", "host app md5_role 127.0.0.1/32 md5",
                       "host app scram_role 127.0.0.1/32 scram-sha-256", "host all app 127.0.0.1/32 trust"}});
    MakeRolesAndDatabases(*cluster_);
    Connection superuser(cluster_->SuperuserString());
    for (const std::string role : {"clear", "md5", "scram"}) {
      superuser.Query("SET password_encryption = '" + std::string(role == "md5" ? "md5" : "scram-sha-256") + "'");
      const Result made = superuser.Query("CREATE ROLE " + role + "_role LOGIN PASSWORD '" + kPassword + "'");
      if (!made.ok()) throw std::runtime_error(made.error());
    }
    verifier_ = new std::string(superuser.Value("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_role'"));
  }
  static void TearDownTestSuite() {
    delete cluster_;
    delete verifier_;
    cluster_ = nullptr;
    verifier_ = nullptr;
  }
  void SetUp() override { NEEDS_PGWEIR(); }
  void Start(const std::string& auth_type, const std::map<std::string, std::string>& users,
             const std::string& more = "") {
    PgweirConfig config;
    config.global = "auth_type = \"" + auth_type + "\"\nquery_wait_timeout = \"3s\"\n";
    config.users = users;
    config.users["admin"] = "x";
    config.sections = DatabaseSection("app", *cluster_, more);
    StartPgweir(config);
  }
  std::string WhoAmI(const std::string& user) const {
    Connection client = TryConnect(user, "app", std::string("password='") + kPassword + "'");
    if (!client.ok()) return "login: " + client.error();
    const Result result = client.Query("SELECT current_user");
    return result.ok() ? result.Value() : result.error();
  }
  static PostgresCluster* cluster_;
  static std::string* verifier_;
};
PostgresCluster* ServerLoginTest::cluster_ = nullptr;
std::string* ServerLoginTest::verifier_ = nullptr;

TEST_F(ServerLoginTest, PlainSecretOpensEveryMethod) {
  Start("scram-sha-256", {{"clear_role", kPassword}, {"md5_role", kPassword}, {"scram_role", kPassword}});
  for (const std::string role : {"clear_role", "md5_role", "scram_role"}) EXPECT_EQ(WhoAmI(role), role);
}

TEST_F(ServerLoginTest, Md5SecretOpensAnMd5Server) {
  Start("md5", {{"md5_role", protocol::Md5Secret("md5_role", kPassword)}});
  EXPECT_EQ(WhoAmI("md5_role"), "md5_role");
}

TEST_F(ServerLoginTest, ScramKeysOfTheClientArePassedThrough) {
  Start("scram-sha-256", {{"scram_role", *verifier_}});
  EXPECT_EQ(WhoAmI("scram_role"), "scram_role");
}

TEST_F(ServerLoginTest, VerifierWithAnotherSaltCannotBePassedThrough) {
  Start("scram-sha-256", {{"scram_role", SecretOf("scram", "scram_role")}});
  EXPECT_NE(WhoAmI("scram_role"), "scram_role");
}

TEST_F(ServerLoginTest, CleartextFromTheClientOpensTheServer) {
  Start("password", {{"scram_role", *verifier_}});
  EXPECT_EQ(WhoAmI("scram_role"), "scram_role");
}

TEST_F(ServerLoginTest, ForcedUserWithItsPassword) {
  Start("trust", {{"app", ""}}, std::string("user = \"scram_role\"\npassword = \"") + kPassword + "\"\n");
  EXPECT_EQ(WhoAmI("app"), "scram_role");
}

TEST_F(ServerLoginTest, WrongServerPasswordBringsTheServersError) {
  Start("trust", {{"app", ""}}, "user = \"scram_role\"\npassword = \"not it\"\n");
  const std::string answer = WhoAmI("app");
  EXPECT_NE(answer.find("password authentication failed"), std::string::npos) << answer;
  EXPECT_EQ(pgweir().log().find("not it"), std::string::npos);
}

}  // namespace
}  // namespace integration
