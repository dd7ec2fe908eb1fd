// Logins by PAM, before a real PostgreSQL: services of the test's own, whose module is a script that knows the passwords.
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "tests/integration/environment.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using namespace test_support;

const char* const kPam = "auth_type = \"pam\"\n";

class PamTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    // Right is USER-secret. Who is called other waits for the file `go`.
    WriteFile(File("check.sh"), "#!/bin/sh\npassword=$(tr -d '\\000')\necho \"$PAM_SERVICE $PAM_USER $PAM_RHOST\" >>" + File("asked") +
                                    "\nif [ \"$PAM_USER\" = other ]; then while [ ! -e " + File("go") + " ] && [ -e " + File("check.sh") +
                                    " ]; do sleep 0.02; done; fi\n[ \"$password\" = \"$PAM_USER-secret\" ]\n");
    ASSERT_EQ(chmod(File("check.sh").c_str(), 0755), 0);
    Service("pgweir", "auth required pam_exec.so expose_authtok quiet " + File("check.sh") + "\naccount required pam_permit.so\n");
    Service("second", "auth required pam_exec.so expose_authtok quiet " + File("check.sh") + "\naccount required pam_permit.so\n");
    Service("expired", "auth required pam_permit.so\naccount required pam_deny.so\n");
    GiveToUnprivilegedUser(pam_.path());
  }
  std::string File(const std::string& name) const { return pam_.File(name); }
  void Service(const std::string& name, const std::string& lines) { WriteFile(File(name), lines); }
  std::string Asked() const { return ReadFile(File("asked")); }
  size_t TimesAsked() const {
    const std::string asked = Asked();
    return static_cast<size_t>(std::count(asked.begin(), asked.end(), '\n'));
  }
  void LetGo() const {
    WriteFile(File("go"), "");
  }

  void Start(const std::string& global, const std::string& hba = "") {
    PgweirConfig config;
    config.global = global + "pam_config_dir = \"" + pam_.path() + "\"\n";
    if (!hba.empty()) {
      WriteFile(File("hba"), hba);
      config.global += "auth_type = \"hba\"\nauth_hba_file = \"" + File("hba") + "\"\n";
    }
    config.users = {{"admin", "admin secret"}};
    StartPgweir(config);
  }
  // current_user, or the refusal.
  std::string Login(const std::string& user, const std::string& password, const std::string& database = "app") {
    WireClient client(pgweir().port());
    if (client.Login({{"user", user}, {"database", database}}, password)) return database == "pgbouncer" ? "console" : client.Value("SELECT current_user");
    return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'C') + " " + ErrorField(client.error(), 'M');
  }
  static std::string Refused(const std::string& user) { return "FATAL 28000 PAM authentication failed for user \"" + user + "\""; }
  // A client whose password has been sent, and which is not answered yet.
  WireClient Pending(const std::string& user) {
    WireClient client(pgweir().port());
    client.Send(StartupBytes({{"user", user}, {"database", "app"}}));
    const auto asked = client.ReadMessage();
    if (!asked || asked->type != 'R') throw std::runtime_error("no question for a password");
    client.Send(Password(Text(user + "-secret")));
    return client;
  }

  TemporaryFolder pam_;
};

TEST_F(PamTest, TheServiceDecides) {
  Start(kPam);
  EXPECT_EQ(Login("app", "app-secret"), "app") << "nobody has listed it in auth_file";
  EXPECT_EQ(Login("app", "wrong"), Refused("app"));
  EXPECT_EQ(Asked(), "pgweir app 127.0.0.1\npgweir app 127.0.0.1\n");
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*PAM service pgweir: pam_authenticate: "));
}

TEST_F(PamTest, NobodyIsAskedAboutAnEmptyPassword) {
  Start(kPam);
  EXPECT_EQ(Login("app", ""), Refused("app"));
  EXPECT_EQ(Asked(), "");
}

TEST_F(PamTest, TheAccountIsLookedAtToo) {
  Start(std::string(kPam) + "pam_service = \"expired\"\n");
  EXPECT_EQ(Login("app", "app-secret"), Refused("app"));
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*PAM service expired: pam_acct_mgmt: "));
}

TEST_F(PamTest, AServiceThatIsNotThereLetsNobodyIn) {
  Start(std::string(kPam) + "pam_service = \"nowhere\"\n");
  EXPECT_EQ(Login("app", "app-secret"), Refused("app"));
}

TEST_F(PamTest, UnknownDatabasesAreToldAfterTheLoginOnly) {
  PgweirConfig config;
  config.global = std::string(kPam) + "pam_config_dir = \"" + pam_.path() + "\"\n";
  config.sections = DatabaseSection("app");
  StartPgweir(config);
  EXPECT_EQ(Login("app", "wrong", "no_database"), Refused("app"));
  EXPECT_EQ(Login("app", "app-secret", "no_database").substr(0, 11), "FATAL 3D000");
}

TEST_F(PamTest, OfALineOfTheHbaFile) {
  Start("", "local all all pam pamservice=second\nhost second all all scram-sha-256\nhost app app all pam pamservice=expired\nhost all all all pam\n");
  EXPECT_EQ(Login("app", "app-secret", "app"), Refused("app"));
  EXPECT_EQ(Login("client", "client-secret", "app"), "client");
  EXPECT_EQ(Login("app", "app-secret", "second"), "FATAL 28P01 password authentication failed for user \"app\"");
  Connection local(pgweir().ConnectionString("app", "app") + " password=app-secret host=" + pgweir().socket_folder());
  EXPECT_TRUE(local.ok()) << local.error();
  EXPECT_EQ(Asked(), "pgweir client 127.0.0.1\nsecond app unix\n");
}

TEST_F(PamTest, TheConsoleIsForWhoIsListed) {
  Start(kPam);
  EXPECT_EQ(Login("admin", "admin-secret", "pgbouncer"), "console");
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), Refused("admin")) << "the secret of auth_file is not asked for";
  EXPECT_EQ(Login("app", "app-secret", "pgbouncer").substr(0, 11), "FATAL 42501");
}

TEST_F(PamTest, ThePasswordOpensTheServers) {
  const PostgresCluster strict({.hba_lines = {"host all all 127.0.0.1/32 scram-sha-256"}});
  MakeRolesAndDatabases(strict);
  ASSERT_TRUE(Connection(strict.SuperuserString()).Query("ALTER ROLE app PASSWORD 'app-secret'").ok());
  PgweirConfig config;
  config.global = std::string(kPam) + "pam_config_dir = \"" + pam_.path() + "\"\n";
  config.users = {};
  config.sections = DatabaseSection("app", strict);
  StartPgweir(config);
  EXPECT_EQ(Login("app", "app-secret"), "app");
}

TEST_F(PamTest, ASlowServiceHoldsNobodyElseUp) {
  Start("workers = 1\n", "host app other all pam\nhost all admin all scram-sha-256\nhost all all all pam\n");
  std::vector<WireClient> slow;
  for (int i = 0; i < 3; ++i) slow.push_back(Pending("other"));
  ASSERT_TRUE(Eventually([this] { return TimesAsked() == 3; }));
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), "console");
  LetGo();
  for (WireClient& client : slow) {
    const auto said = client.ReadUntil('Z');
    EXPECT_TRUE(!said.empty() && said.back().type == 'Z');
  }
}

TEST_F(PamTest, WhatHangsHoldsUpPamAlone) {
  Start("workers = 1\n", "host pgbouncer admin all scram-sha-256\nhost all all all pam\n");
  std::vector<WireClient> slow;
  for (int i = 0; i < 6; ++i) slow.push_back(Pending("other"));
  ASSERT_TRUE(Eventually([this] { return TimesAsked() == 4; })) << "as many at once as there are threads";
  EXPECT_EQ(Login("admin", "admin secret", "pgbouncer"), "console");
  slow.pop_back();  // it waits in the queue, and leaves
  slow.erase(slow.begin());  // it is being asked about, and leaves
  ASSERT_TRUE(pgweir().WaitForLog("client_close.*client unexpected eof"));
  LetGo();
  for (WireClient& client : slow) {
    const auto said = client.ReadUntil('Z');
    EXPECT_TRUE(!said.empty() && said.back().type == 'Z');
  }
  EXPECT_EQ(TimesAsked(), 5u) << "for who has left nobody is asked";
  EXPECT_EQ(Login("app", "app-secret"), "app");
}

TEST_F(PamTest, ClientLoginTimeoutEndsTheWait) {
  Start(std::string(kPam) + "client_login_timeout = \"500ms\"\n");
  WireClient client = Pending("other");
  const auto message = client.ReadMessage();
  ASSERT_TRUE(message);
  EXPECT_EQ(ErrorField(*message, 'C') + " " + ErrorField(*message, 'M'), "57014 canceling authentication due to timeout (client_login_timeout)");
  EXPECT_TRUE(client.AtEnd());
  LetGo();
  EXPECT_EQ(Login("app", "app-secret"), "app") << "the late answer is nobody's";
}

TEST_F(PamTest, TheProcessEndsAlthoughAServiceHangs) {
  Start(std::string(kPam) + "shutdown_timeout = \"200ms\"\n");
  const WireClient client = Pending("other");
  ASSERT_TRUE(Eventually([this] { return TimesAsked() == 1; }));
  pgweir().process().Signal(SIGTERM);
  EXPECT_EQ(pgweir().process().WaitExit(), 0);
}

TEST_F(PamTest, NoPasswordIsInTheLog) {
  Start(std::string(kPam) + "log_level = \"debug\"\n");
  EXPECT_EQ(Login("app", "app-secret"), "app");
  EXPECT_EQ(Login("app", "wrong-secret"), Refused("app"));
  EXPECT_TRUE(pgweir().WaitForLog("login_failed"));
  EXPECT_EQ(pgweir().log().find("-secret"), std::string::npos);
}

TEST_F(PamTest, AReloadChangesTheService) {
  Start(kPam);
  EXPECT_EQ(Login("app", "app-secret"), "app");
  PgweirConfig config;
  config.global = std::string(kPam) + "pam_service = \"expired\"\npam_config_dir = \"" + pam_.path() + "\"\n";
  config.users = {};
  config.sections = DatabaseSection("*");
  pgweir().Reload(config);
  EXPECT_TRUE(pgweir().WaitForLog("reload_changed.*pam_service: pgweir -> expired"));
  EXPECT_TRUE(Eventually([this] { return Login("app", "app-secret") == Refused("app"); }));
}

}  // namespace
}  // namespace integration
