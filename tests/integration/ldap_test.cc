// Logins by LDAP, before a real slapd and a real PostgreSQL.
#include <utility>

#include "tests/integration/environment.h"
#include "tests/support/ldap_server.h"
#include "tests/support/silent_port.h"

namespace integration {
namespace {

using namespace test_support;

class LdapTest : public IntegrationTest {
 protected:
  static void SetUpTestSuite() {
    if (LdapServer::IsInstalled()) server_ = new LdapServer();
  }
  static void TearDownTestSuite() { delete std::exchange(server_, nullptr); }
  void SetUp() override {
    NEEDS_PGWEIR();
    if (server_ == nullptr) GTEST_SKIP() << "slapd is not installed";
  }
  static std::string Server() { return "ldapserver=127.0.0.1 ldapport=" + std::to_string(server_->port()); }
  static std::string SimpleBind() { return Server() + " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\""; }
  static std::string Asker() { return " ldapbinddn=\"cn=asker,dc=example,dc=net\" ldapbindpasswd=asker-secret"; }
  static std::string Search() { return Server() + " ldapbasedn=\"dc=example,dc=net\"" + Asker(); }

  void Start(const std::string& options, const std::string& global = "", const std::vector<std::string>& environment = {}) {
    PgweirConfig config;
    config.global = "auth_type = \"ldap\"\nauth_ldap_options = '" + options + "'\n" + global;
    config.users = {{"admin", "admin secret"}};
    own_ = std::make_unique<PgweirProcess>(WithShared(std::move(config)), PgweirProcess::Options{.environment = environment});
  }
  void StartHba(const std::string& lines, const std::string& global = "") {
    WriteFile(folder_.File("hba"), lines);
    GiveToUnprivilegedUser(folder_.path());
    PgweirConfig config;
    config.global = "auth_type = \"hba\"\nauth_hba_file = \"" + folder_.File("hba") + "\"\n" + global;
    config.users = {{"admin", "admin secret"}};
    own_ = std::make_unique<PgweirProcess>(WithShared(std::move(config)));
  }
  static PgweirConfig WithShared(PgweirConfig config) {
    config.sections = DatabaseSection("*");
    return config;
  }
  // current_user, or the refusal.
  std::string Login(const std::string& user, const std::string& password, const std::string& database = "app") {
    WireClient client(own_->port());
    if (client.Login({{"user", user}, {"database", database}}, password)) return database == "pgbouncer" ? "console" : client.Value("SELECT current_user");
    return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'C') + " " + ErrorField(client.error(), 'M');
  }
  static std::string Refused(const std::string& user) { return "FATAL 28000 LDAP authentication failed for user \"" + user + "\""; }

  static inline LdapServer* server_ = nullptr;
  TemporaryFolder folder_;
  std::unique_ptr<PgweirProcess> own_;
};

TEST_F(LdapTest, SimpleBind) {
  Start(SimpleBind());
  EXPECT_EQ(Login("app", "app-secret"), "app") << "nobody has listed it in auth_file";
  EXPECT_EQ(Login("app", "other-secret"), Refused("app"));
  EXPECT_EQ(Login("stranger", "app-secret"), Refused("stranger"));
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), Refused("admin")) << "the secret of auth_file is not asked for";
  EXPECT_TRUE(own_->WaitForLog("login_failed.*LDAP login of the user: Invalid credentials"));
}

TEST_F(LdapTest, AnEmptyPasswordIsNoLoginOfNobody) {
  Start(SimpleBind());
  EXPECT_EQ(Login("app", ""), Refused("app"));
  EXPECT_TRUE(own_->WaitForLog("login_failed.*empty password sent"));
}

TEST_F(LdapTest, SearchAndBind) {
  Start(Search());
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("app", "wrong"), Refused("app"));
  EXPECT_EQ(Login("stranger", "app-secret"), Refused("stranger"));
  EXPECT_TRUE(own_->WaitForLog("login_failed.*LDAP search: no entry is found for this user"));
  EXPECT_EQ(Login("client", "client-secret"), Refused("client")) << "there are two";
  EXPECT_TRUE(own_->WaitForLog("login_failed.*LDAP search: several entries are found for this user"));
}

TEST_F(LdapTest, TheNameOfAUserIsOnlyAName) {
  for (const std::string& options : {SimpleBind(), Search(), Server() + " ldapbasedn=\"dc=example,dc=net\" ldapsearchfilter=\"(|(uid=$username)(sn=$username))\"" + Asker()}) {
    Start(options);
    // PostgreSQL has no such role: the login itself has succeeded
    EXPECT_EQ(Login("a,b*(c)\\d", "special-secret").substr(0, 44), "FATAL 28000 role \"a,b*(c)\\d\" does not exist") << options;
    for (const char* user : {"*", "ap*", "app)(uid=*", "app,ou=people,dc=example,dc=net", "app,ou=people", "app+cn=app", "\\61pp", "app)(|(uid=*"}) {
      EXPECT_EQ(Login(user, "app-secret"), Refused(user)) << options;
    }
  }
}

TEST_F(LdapTest, TheAttributeOrTheFilterFindsTheEntry) {
  Start(Server() + " ldapbasedn=\"ou=people,dc=example,dc=net\" ldapsearchattribute=mail" + Asker());
  EXPECT_EQ(Login("app", "app-secret"), Refused("app"));
  EXPECT_EQ(Login("app@example.net", "app-secret").substr(0, 44), "FATAL 28000 role \"app@example.net\" does not ");
  Start(Server() + " ldapbasedn=\"dc=example,dc=net\" ldapsearchfilter=\"(&(uid=$username)(!(uid=other)))\"" + Asker());
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("other", "other-secret"), Refused("other"));
}

TEST_F(LdapTest, Url) {
  const std::string place = "ldapurl=\"ldap://127.0.0.1:" + std::to_string(server_->port()) + "/";
  Start(place + "dc=example,dc=net?uid?sub\"" + Asker());
  EXPECT_EQ(Login("app", "app-secret"), "app");
  Start(place + "dc=example,dc=net?uid?one\"" + Asker());
  EXPECT_EQ(Login("app", "app-secret"), Refused("app")) << "it lies deeper";
  Start(place + "ou=people,dc=example,dc=net?uid?one\"" + Asker());
  EXPECT_EQ(Login("client", "client-secret"), "client") << "the other one is elsewhere";
  Start(place + "dc=example,dc=net??sub?(mail=$username@example.net)\"" + Asker());
  EXPECT_EQ(Login("app", "app-secret"), "app");
}

TEST_F(LdapTest, WhoMaySearchIsTheServersAffair) {
  Start(Server() + " ldapbasedn=\"dc=example,dc=net\"");
  EXPECT_EQ(Login("app", "app-secret"), Refused("app")) << "nobody sees nothing";
  Start(Server() + " ldapbasedn=\"dc=example,dc=net\" ldapbinddn=\"cn=asker,dc=example,dc=net\" ldapbindpasswd=wrong");
  EXPECT_EQ(Login("app", "app-secret"), Refused("app"));
  EXPECT_TRUE(own_->WaitForLog("login_failed.*LDAP login of ldapbinddn: Invalid credentials"));
}

TEST_F(LdapTest, StartTlsAndLdaps) {
  const std::vector<std::string> trusts{"LDAPTLS_CACERT=" + server_->certificates().ca};
  const std::string ldaps = "ldapserver=127.0.0.1 ldapscheme=ldaps ldapport=" + std::to_string(server_->tls_port()) +
                            " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"";
  for (const std::string& options : {SimpleBind() + " ldaptls=1", ldaps}) {
    Start(options, "", trusts);
    EXPECT_EQ(Login("app", "app-secret"), "app") << options;
    EXPECT_EQ(Login("app", "wrong"), Refused("app")) << options;
    Start(options);
    EXPECT_EQ(Login("app", "app-secret"), Refused("app")) << "whose certificate is not known: " << options;
  }
}

TEST_F(LdapTest, TheNextServerIsAskedWhenOneIsNotThere) {
  Start("ldapserver=\"[::1] 127.0.0.1\" ldapport=" + std::to_string(server_->port()) + " ldapprefix=\"uid=\" ldapsuffix=\",ou=people,dc=example,dc=net\"");
  EXPECT_EQ(Login("app", "app-secret"), "app");
}

TEST_F(LdapTest, OfALineOfTheHbaFile) {
  StartHba("host app client all ldap " + Search() + "\nhost app app all ldap " + SimpleBind() + "\nhost all admin all scram-sha-256\n");
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("client", "client-secret"), Refused("client"));
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), "console");
  EXPECT_EQ(Login("app", "app-secret", "second").substr(0, 35), "FATAL 28000 no pg_hba.conf entry fo");
}

TEST_F(LdapTest, AServerThatIsSilentHoldsNobodyElseUp) {
  const SilentPort silent;
  StartHba("host all admin all scram-sha-256\nhost app other all ldap ldapserver=127.0.0.1 ldapport=" + std::to_string(silent.port()) +
               " ldapprefix=uid=\nhost all all all ldap " + SimpleBind() + "\n",
           "workers = 1\nclient_login_timeout = \"1s\"\n");
  WireClient waiting(own_->port());
  waiting.Send(StartupBytes({{"user", "other"}, {"database", "app"}}));
  ASSERT_EQ(waiting.ReadMessage()->type, 'R');
  waiting.Send(Password(Text("other-secret")));
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), "console");
  EXPECT_EQ(Login("app", "app-secret"), "app");
  const auto refusal = waiting.ReadMessage();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->type, 'E');
  EXPECT_TRUE(ErrorField(*refusal, 'C') == "57014" || ErrorField(*refusal, 'C') == "28000") << "whoever is first at the end of the second";
}

TEST_F(LdapTest, AServerThatHangsAndComesBack) {
  Start(SimpleBind(), "client_login_timeout = \"500ms\"\n");
  server_->Stop();
  EXPECT_NE(Login("app", "app-secret"), "app");
  server_->Continue();
  EXPECT_TRUE(Eventually([this] { return Login("app", "app-secret") == "app"; }));
}

TEST_F(LdapTest, ThePasswordOpensTheServers) {
  const PostgresCluster strict({.hba_lines = {"host all all 127.0.0.1/32 scram-sha-256"}});
  MakeRolesAndDatabases(strict);
  ASSERT_TRUE(Connection(strict.SuperuserString()).Query("ALTER ROLE app PASSWORD 'app-secret'").ok());
  PgweirConfig config;
  config.global = "auth_type = \"ldap\"\nauth_ldap_options = '" + SimpleBind() + "'\n";
  config.users = {};
  config.sections = DatabaseSection("app", strict);
  own_ = std::make_unique<PgweirProcess>(config);
  EXPECT_EQ(Login("app", "app-secret"), "app");
}

TEST_F(LdapTest, NoPasswordIsInTheLogOrOnTheConsole) {
  Start(Search(), "log_level = \"debug\"\nadmin_users = [\"app\"]\n");
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("app", "wrong-secret"), Refused("app"));
  Connection console(own_->ConnectionString("app", "pgbouncer") + " password=app-secret");
  ASSERT_TRUE(console.ok()) << console.error();
  const Result config = console.Query("SHOW CONFIG");
  bool is_told = false;
  for (int row = 0; row < config.rows(); ++row) {
    if (config.Value(row, 0) != "auth_ldap_options") continue;
    is_told = true;
    EXPECT_NE(config.Value(row, 1).find("ldapbindpasswd=***"), std::string::npos) << config.Value(row, 1);
    EXPECT_EQ(config.Value(row, 1).find("-secret"), std::string::npos);
  }
  EXPECT_TRUE(is_told);
  EXPECT_TRUE(console.Query("SET auth_ldap_options = '" + Server() + " ldapprefix=uid='").ok());
  EXPECT_TRUE(own_->WaitForLog("reload_changed.*auth_ldap_options changed"));
  EXPECT_EQ(own_->log().find("-secret"), std::string::npos);
}

}  // namespace
}  // namespace integration
