// auth_query before a real PostgreSQL that wants SCRAM from everybody: who is found, who is not, and what a change of a role
// does to the next login.
#include <thread>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

const char* const kNoSuchUser = "FATAL 28P01 password authentication failed for user \"";

class AuthQueryTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    cluster_ = std::make_unique<PostgresCluster>(PostgresOptions{.hba_lines = {"host all all 127.0.0.1/32 scram-sha-256"}});
    MakeRolesAndDatabases(*cluster_);
    Sql("ALTER ROLE postgres PASSWORD 'root secret'");
    Sql("CREATE ROLE asker LOGIN PASSWORD 'asker secret'");
    Sql("CREATE FUNCTION public.user_lookup(i_username text, OUT uname text, OUT phash text) LANGUAGE sql SECURITY DEFINER AS "
        "$$SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid WHERE rolname = i_username AND rolcanlogin$$",
        "app");
    Sql("CREATE ROLE anna LOGIN PASSWORD 'anna secret'");
  }
  void Sql(const std::string& text, const std::string& database = "postgres") {
    const Result result = Connection(cluster_->SuperuserString(database)).Query(text);
    ASSERT_TRUE(result.ok()) << text << ": " << result.error();
  }
  std::string SqlValue(const std::string& text) { return Connection(cluster_->SuperuserString()).Value(text); }

  // The superuser asks the default query at every login, unless `global` says something else.
  PgweirConfig Config(const std::string& global = "auth_query_cache_age = 0\n", const std::string& sections = "") {
    PgweirConfig config;
    config.global = "query_wait_timeout = \"5s\"\n" + global;
    if (global.find("auth_type") == std::string::npos) config.global += "auth_type = \"scram-sha-256\"\n";
    if (global.find("auth_user") == std::string::npos) config.global += "auth_user = \"postgres\"\n";
    config.users = {{"postgres", "root secret"}, {"asker", "asker secret"}, {"admin", "admin secret"}};
    config.sections = sections.empty() ? DatabaseSection("*", *cluster_) : sections;
    return config;
  }
  // current_user, or the refusal.
  std::string Login(const std::string& user, const std::string& password, const std::string& database = "app") {
    WireClient client(pgweir().port());
    if (!client.Login({{"user", user}, {"database", database}}, password)) {
      return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'C') + " " + ErrorField(client.error(), 'M');
    }
    return client.Value("SELECT current_user");
  }
  static std::string Refused(const std::string& user) { return kNoSuchUser + user + "\""; }
  Connection Console() { return Connection(pgweir().AdminString() + " password='admin secret'"); }
  // Connections of pgweir's for auth_query.
  int Lines() {
    return std::stoi(SqlValue("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgweir auth_query'"));
  }

  std::unique_ptr<PostgresCluster> cluster_;
  TemporaryFolder pgweir_folder_;
};

// The server wants SCRAM, and pgweir has only the verifier: the keys of the client pass through.
TEST_F(AuthQueryTest, WhoIsNotListedIsLookedUp) {
  StartPgweir(Config());
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
  EXPECT_EQ(Login("anna", "wrong"), Refused("anna"));
  EXPECT_EQ(Login("nobody", "wrong"), Refused("nobody"));
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
  EXPECT_EQ(Login("postgres", "root secret"), "postgres") << "listed, so nobody is asked";
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*user=nobody.*unknown user"));
}

TEST_F(AuthQueryTest, SuperusersAreLookedUpToo) {
  Sql("CREATE ROLE chief SUPERUSER LOGIN PASSWORD 'chief secret'");
  StartPgweir(Config());
  EXPECT_EQ(Login("chief", "chief secret"), "chief");
  EXPECT_EQ(Login("chief", "wrong"), Refused("chief"));
}

// A SCRAM challenge of the same form for who exists, who does not, and who may not log in, and the same one at each try.
TEST_F(AuthQueryTest, NobodyLearnsWhoExists) {
  Sql("CREATE ROLE sleeper NOLOGIN PASSWORD 's'");
  StartPgweir(Config());
  const auto challenge = [&](const std::string& user) {
    WireClient client(pgweir().port());
    client.Login({{"user", user}, {"database", "app"}}, "wrong");
    std::string form;
    for (const Message& message : client.login_messages()) form += message.type + std::to_string(message.body.size()) + " ";
    EXPECT_EQ(ErrorField(client.error(), 'C'), "28P01") << user;
    return form;
  };
  const std::string known = challenge("anna");
  EXPECT_FALSE(known.empty());
  EXPECT_EQ(challenge("bert"), known);
  EXPECT_EQ(challenge("sleeper").size(), known.size());
}

TEST_F(AuthQueryTest, WhatARoleMayNotDoAnyMoreCountsAtTheNextLogin) {
  StartPgweir(Config());
  ASSERT_EQ(Login("anna", "anna secret"), "anna");
  Sql("ALTER ROLE anna NOLOGIN");
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
  Sql("ALTER ROLE anna LOGIN VALID UNTIL '2001-01-01'");
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
  EXPECT_TRUE(pgweir().WaitForLog("auth_query_answer.*user=anna.*past VALID UNTIL"));
  Sql("ALTER ROLE anna VALID UNTIL 'infinity'");
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
  Sql("ALTER ROLE anna PASSWORD NULL");
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
  EXPECT_EQ(Login("anna", ""), Refused("anna"));
  Sql("DROP ROLE anna");
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
}

TEST_F(AuthQueryTest, ARotatedPasswordWorksWithoutAWaitForTheCache) {
  StartPgweir(Config("auth_query_cache_age = \"24h\"\n"));
  ASSERT_EQ(Login("anna", "anna secret"), "anna");
  Sql("ALTER ROLE anna PASSWORD 'new secret'");
  // The first one may fail, against the secret that is kept; it makes one of the next ones ask.
  EXPECT_TRUE(Eventually([&] { return Login("anna", "new secret") == "anna"; }));
  EXPECT_TRUE(Eventually([&] { return Login("anna", "anna secret") == Refused("anna"); }));
  EXPECT_EQ(Login("anna", "new secret"), "anna");
}

TEST_F(AuthQueryTest, ReloadForgetsWhatIsKept) {
  StartPgweir(Config("auth_query_cache_age = \"24h\"\n"));
  ASSERT_EQ(Login("anna", "anna secret"), "anna");
  Sql("ALTER ROLE anna NOLOGIN");
  EXPECT_NE(Login("anna", "anna secret"), Refused("anna")) << "it is kept, as auth_query_cache_age says";
  Connection console = Console();
  ASSERT_TRUE(console.Query("RELOAD").ok());
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
}

TEST_F(AuthQueryTest, KeptSecretsNeedNoServer) {
  StartPgweir(Config("auth_query_cache_age = \"24h\"\n"));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Login("anna", "anna secret"), "anna");
  cluster_->Stop(StopMode::kFast);
  WireClient client(pgweir().port());
  client.Login({{"user", "anna"}, {"database", "app"}}, "wrong");
  EXPECT_EQ(ErrorField(client.error(), 'M'), "password authentication failed for user \"anna\"");
}

TEST_F(AuthQueryTest, ServerDown) {
  StartPgweir(Config());
  ASSERT_EQ(Login("anna", "anna secret"), "anna");
  cluster_->Stop(StopMode::kFast);
  EXPECT_EQ(Login("bert", "x"), "FATAL 57P03 the user cannot be looked up now: server login has been failing");
  EXPECT_TRUE(pgweir().WaitForLog("auth_query_failed.*auth_user=postgres"));
  Connection console = Console();
  EXPECT_TRUE(console.ok()) << "listed users need no lookup: " << console.error();
  cluster_->Start();
  EXPECT_TRUE(Eventually([&] { return Login("anna", "anna secret") == "anna"; }));
}

// The connection rests between two lookups, and the server ends it: the next lookup opens another one.
TEST_F(AuthQueryTest, AConnectionThatTheServerEndedIsReplaced) {
  StartPgweir(Config());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Login("anna", "anna secret"), "anna") << i;
    Sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgweir auth_query'");
  }
}

TEST_F(AuthQueryTest, OneConnectionServesOneAfterAnother) {
  StartPgweir(Config());
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Login("anna", "anna secret"), "anna");
    EXPECT_EQ(Lines(), 1);
  }
  Connection console = Console();
  ASSERT_TRUE(console.Query("RECONNECT").ok());
  EXPECT_TRUE(Eventually([&] { return Lines() == 0; }));
}

TEST_F(AuthQueryTest, ManyAtOnce) {
  for (int i = 0; i < 20; ++i) Sql("CREATE ROLE user" + std::to_string(i) + " LOGIN PASSWORD 'secret" + std::to_string(i) + "'");
  StartPgweir(Config("auth_query_cache_age = \"24h\"\n"));
  std::vector<std::string> outcomes(60);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string number = std::to_string(i % 20);
      outcomes[i] = Login("user" + number, "secret" + number);
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i], "user" + std::to_string(i % 20));
  EXPECT_LE(Lines(), 2) << "kAuthConnectionsPerPlace";
}

TEST_F(AuthQueryTest, EachDatabaseMayHaveItsOwn) {
  Sql("CREATE TABLE public.people (login text, secret text)", "second");
  Sql("INSERT INTO people VALUES ('anna', 'another secret')", "second");
  Sql("GRANT SELECT ON people TO other", "second");
  Sql("ALTER ROLE other PASSWORD 'other secret'");
  Sql("ALTER ROLE app PASSWORD 'app secret'");
  const std::string forced = "user = \"app\"\npassword = \"app secret\"\n";
  PgweirConfig config = Config(
      "auth_query_cache_age = 0\nauth_user = \"asker\"\nauth_query = \"SELECT uname, phash FROM user_lookup($1)\"\n",
      DatabaseSection("app", *cluster_) +
          DatabaseSection("second", *cluster_, "auth_user = \"other\"\nauth_query = \"SELECT login, secret FROM people WHERE login = $1\"\n" + forced) +
          DatabaseSection("third", *cluster_, "dbname = \"second\"\nauth_dbname = \"app\"\n") +
          DatabaseSection("*", *cluster_, "auth_dbname = \"app\"\n"));
  config.users["other"] = "other secret";
  StartPgweir(config);
  EXPECT_EQ(Login("anna", "anna secret", "app"), "anna");
  EXPECT_EQ(Login("anna", "another secret", "app"), Refused("anna"));
  EXPECT_EQ(Login("anna", "another secret", "second"), "app") << "the forced user of that database";
  EXPECT_EQ(Login("anna", "anna secret", "second"), Refused("anna"));
  EXPECT_EQ(Login("anna", "anna secret", "third"), "anna");
  EXPECT_EQ(Login("anna", "anna secret", "postgres"), "anna") << "auth_dbname of the section for all others";
}

TEST_F(AuthQueryTest, QueriesThatAreWrongAreToldInTheLogOnly) {
  const auto outcome = [&](const std::string& query) {
    StartPgweir(Config("auth_user = \"asker\"\nauth_query = \"" + query + "\"\n"));
    return Login("anna", "anna secret");
  };
  const std::string failed = "FATAL F0000 bouncer config error (auth_query)";
  EXPECT_EQ(outcome("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1"), failed);
  EXPECT_TRUE(pgweir().WaitForLog("auth_query_failed.*permission denied for table pg_authid"));
  EXPECT_EQ(outcome("SELECT uname FROM user_lookup($1)"), failed);
  EXPECT_TRUE(pgweir().WaitForLog("auth_query must give two columns"));
  EXPECT_EQ(outcome("SELECT u.* FROM user_lookup($1) u, generate_series(1, 2)"), failed);
  EXPECT_EQ(outcome("SELECT"
                    " 'an' || 'other', phash FROM user_lookup($1)"),
            Refused("anna"));
  EXPECT_TRUE(pgweir().WaitForLog("auth_query_answer.*the row of another user"));
  EXPECT_EQ(outcome("SELECT usename, passwd FROM pg_user WHERE usename = $1"), Refused("anna"));
  EXPECT_EQ(Login("anna", "********"), Refused("anna"));
  EXPECT_EQ(outcome("SELECT uname, phash, 1 AS more, now() FROM user_lookup($1)"), "anna");
  EXPECT_TRUE(pgweir().WaitForLog("auth_query_answer.*4 columns"));
  StartPgweir(Config("auth_user = \"asker\"\nauth_query = \"SELECT uname, phash FROM user_lookup($1)\"\n"));
  EXPECT_EQ(Login(std::string(70, 'a'), "x"), Refused(std::string(70, 'a')));
  EXPECT_EQ(Login("an\xff", "x").substr(0, 11), "FATAL 28P01");
  EXPECT_EQ(Login("anna' OR 'a' = 'a", "x"), Refused("anna' OR 'a' = 'a"));
}

// CVE-2025-12819: what a client gives at connect must not reach the connection that asks.
TEST_F(AuthQueryTest, NoSettingOfAClientReachesTheQuery) {
  Sql("CREATE SCHEMA evil; CREATE FUNCTION evil.user_lookup(text, OUT uname text, OUT phash text) LANGUAGE sql AS "
      "$$SELECT 'anna'::text, 'evil secret'::text$$; GRANT USAGE ON SCHEMA evil TO PUBLIC",
      "app");
  StartPgweir(Config("auth_query_cache_age = 0\nauth_user = \"asker\"\nauth_query = \"SELECT uname, phash FROM user_lookup($1)\"\n"));
  for (const std::string password : {"evil secret", "anna secret"}) {
    for (const auto& [name, value] : Names{{"search_path", "evil"}, {"options", "-c search_path=evil"}}) {
      WireClient client(pgweir().port());
      EXPECT_EQ(client.Login({{"user", "anna"}, {"database", "app"}, {name, value}}, password), password == "anna secret") << name;
    }
  }
  // Nor does what the owner of a database makes the default there.
  Sql("ALTER DATABASE app SET search_path = evil, public");
  Connection console = Console();
  ASSERT_TRUE(console.Query("RECONNECT").ok());
  ASSERT_TRUE(Eventually([&] { return Lines() == 0; }));
  EXPECT_EQ(Login("anna", "evil secret"), Refused("anna"));
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
}

TEST_F(AuthQueryTest, EveryMethod) {
  Sql("SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'old secret'");
  cluster_->Reload({"host all old 127.0.0.1/32 md5", "host all all 127.0.0.1/32 scram-sha-256"});
  for (const std::string method : {"password", "md5"}) {
    StartPgweir(Config("auth_query_cache_age = 0\nauth_type = \"" + method + "\"\n"));
    EXPECT_EQ(Login("old", "old secret"), "old") << method;
    EXPECT_EQ(Login("old", "wrong"), Refused("old")) << method;
    EXPECT_EQ(Login("anna", "anna secret"), "anna") << method;
    EXPECT_EQ(Login("nobody", "x"), Refused("nobody")) << method;
  }
  StartPgweir(Config("auth_query_cache_age = 0\nauth_type = \"trust\"\n"));
  EXPECT_EQ(Login("old", ""), "old") << "its md5 secret opens a server that asks for md5";
  EXPECT_EQ(Login("nobody", ""), Refused("nobody"));
}

TEST_F(AuthQueryTest, LinesOfHbaCountBeforeIt) {
  WriteFile(pgweir_folder_.File("hba"), "host all bert all reject\nhost all all all scram-sha-256\n");
  GiveToUnprivilegedUser(pgweir_folder_.File("hba"));
  Sql("CREATE ROLE bert LOGIN PASSWORD 'bert secret'");
  StartPgweir(Config("auth_query_cache_age = 0\nauth_type = \"hba\"\nauth_hba_file = \"" + pgweir_folder_.File("hba") + "\"\n"));
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
  EXPECT_EQ(Login("bert", "bert secret").substr(0, 40), "FATAL 28000 pg_hba.conf rejects connecti");
}

TEST_F(AuthQueryTest, UsersOfTheConsoleNeedAuthDbname) {
  const std::string admins = "auth_query_cache_age = 0\nadmin_users = [\"admin\", \"anna\"]\n";
  StartPgweir(Config(admins));
  EXPECT_EQ(Login("anna", "anna secret", "pgbouncer"), Refused("anna")) << "the console is no database to ask in";
  StartPgweir(Config(admins + "auth_dbname = \"app\"\n", DatabaseSection("app", *cluster_)));
  WireClient client(pgweir().port());
  ASSERT_TRUE(client.Login({{"user", "anna"}, {"database", "pgbouncer"}}, "anna secret"));
  EXPECT_EQ(Login("anna", "anna secret", "no_such_database").substr(0, 11), "FATAL 3D000") << "told after authentication";
  EXPECT_EQ(Login("anna", "wrong", "no_such_database"), Refused("anna"));
}

TEST_F(AuthQueryTest, KeysChangeByReload) {
  StartPgweir(Config("auth_user = \"\"\n"));
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
  pgweir().WriteConfig(Config());
  Connection console = Console();
  ASSERT_TRUE(console.Query("RELOAD").ok());
  EXPECT_EQ(Login("anna", "anna secret"), "anna");
  const Result shown = console.Query("SHOW CONFIG");
  std::string value;
  for (int row = 0; row < shown.rows(); ++row) {
    if (shown.Value(row, "key") == "auth_user") value = shown.Value(row, "value");
  }
  EXPECT_EQ(value, "postgres");
  pgweir().WriteConfig(Config("auth_user = \"\"\n"));
  ASSERT_TRUE(console.Query("RELOAD").ok());
  EXPECT_EQ(Login("anna", "anna secret"), Refused("anna"));
  EXPECT_TRUE(Eventually([&] { return Lines() == 0; }));
}

TEST_F(AuthQueryTest, NoSecretIsLogged) {
  StartPgweir(Config("log_level = \"debug\"\n"));
  Login("anna", "anna secret");
  Login("anna", "a wrong one");
  const std::string log = pgweir().log();
  for (const char* secret : {"anna secret", "a wrong one", "root secret", "SCRAM-SHA-256$"}) EXPECT_EQ(log.find(secret), std::string::npos) << secret;
}

}  // namespace
}  // namespace integration
