// The table of errors in behaviour.md, row by row as far as other files do not provoke them: SQLSTATE, severity, what
// the text names, and whether the session lives.
#include <csignal>

#include "tests/integration/environment.h"

namespace integration {
namespace {

using namespace test_support;

class ErrorTableTest : public IntegrationTest {
 protected:
  void SetUp() override { NEEDS_PGWEIR(); }
  // The error of a login that must fail.
  Message LoginError(const std::string& user, const std::string& database, const std::string& password = "") {
    WireClient client(pgweir().port());
    EXPECT_FALSE(client.Login({{"user", user}, {"database", database}}, password)) << user << " " << database;
    EXPECT_TRUE(client.AtEnd()) << "FATAL, yet the connection is open";
    return client.error();
  }
  static void Expect(const Message& error, const std::string& severity, const std::string& sqlstate,
                     const std::string& word) {
    EXPECT_EQ(ErrorField(error, 'S'), severity);
    EXPECT_EQ(ErrorField(error, 'V'), severity);
    EXPECT_EQ(ErrorField(error, 'C'), sqlstate) << ErrorField(error, 'M');
    const std::string text = ErrorField(error, 'M') + " " + ErrorField(error, 'D') + " " + ErrorField(error, 'H');
    EXPECT_NE(text.find(word), std::string::npos) << text;
    ExpectNoHole(text);
  }
  static void Expect(const Result& error, const std::string& severity, const std::string& sqlstate,
                     const std::string& word) {
    EXPECT_EQ(error.severity(), severity);
    EXPECT_EQ(error.sqlstate(), sqlstate) << error.error();
    const std::string text = error.message() + " " + error.detail() + " " + error.hint();
    EXPECT_NE(text.find(word), std::string::npos) << text;
    ExpectNoHole(text);
  }
  // A row of the catalogue whose name or number was forgotten.
  static void ExpectNoHole(const std::string& text) {
    for (const char* hole : {"()", "is )", "\"\"", "{}"}) EXPECT_EQ(text.find(hole), std::string::npos) << text;
  }
  static bool IsAsleep(Connection& superuser, const std::string& pid) {
    return superuser.Query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " + pid).rows() == 1;
  }
  // One answer has arrived, the next statement of the same unit sleeps.
  static void BeginAnswerAndSleep(WireClient& client) {
    client.Send(Parse("", "SELECT 1") + Bind("", "") + Execute("") + Flush());
    client.ReadUntil('C');
    client.Send(Parse("", "SELECT pg_sleep(600)") + Bind("", "") + Execute("") + Sync());
  }
  static std::string DeadSection(const std::string& name) {
    return "[databases." + name + "]\nhost = \"127.0.0.1\"\nport = " + std::to_string(FreePort()) + "\n";
  }
};

TEST_F(ErrorTableTest, QueueFullIsAnErrorWithTheNumbers) {
  StartPgweir("default_pool_size = 1\nmax_waiting = 1\nquery_wait_timeout = \"60s\"\n");
  Connection admin = Admin(), holder = Connect(), waiter = Connect(), refused = Connect();
  ASSERT_TRUE(holder.Query("BEGIN").ok());
  waiter.Send("SELECT 1");
  ASSERT_TRUE(WaitForPool(admin, "cl_waiting", 1));
  const Result error = refused.Query("SELECT 1");
  Expect(error, "ERROR", "53300", "max_waiting");
  for (const std::string number : {"size 1", "active 1", "idle in transaction 1", "idle 0", "waiting 1", "waited "}) {
    EXPECT_NE(error.detail().find(number), std::string::npos) << "no " << number << " in: " << error.detail();
  }
  EXPECT_NE(error.hint().find("etry"), std::string::npos) << error.hint();
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  EXPECT_EQ(waiter.Next().Value(), "1");
  EXPECT_EQ(refused.Value("SELECT 'lives'"), "lives");
}

TEST_F(ErrorTableTest, TooManyClientsNameTheKey) {
  StartPgweir("max_client_conn = 4\n", DatabaseSection("app", "max_db_client_connections = 1\n") +
                                           DatabaseSection("*") + "[users.other]\nmax_user_client_connections = 1\n");
  Connection app = Connect("app", "app");
  Expect(LoginError("app", "app"), "FATAL", "53300", "max_db_client_connections");
  Connection other = Connect("other", "second");
  Expect(LoginError("other", "second"), "FATAL", "53300", "max_user_client_connections");
  Connection third = Connect("app", "second"), fourth = Connect("app", "second");
  Expect(LoginError("app", "second"), "FATAL", "53300", "max_client_conn");
}

TEST_F(ErrorTableTest, BackendDownIsFatalAtLoginAndAnErrorBetweenTransactions) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  StartPgweir("query_wait_timeout = \"500ms\"\nclient_login_timeout = \"2s\"\n",
              DatabaseSection("app", cluster) + DeadSection("dead"));
  const Message at_login = LoginError("app", "dead");
  Expect(at_login, "FATAL", "57P03", "127.0.0.1");
  EXPECT_NE(ErrorField(at_login, 'D').find("refused"), std::string::npos) << ErrorField(at_login, 'D');
  Connection client = Connect();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  cluster.Stop(StopMode::kFast);
  const Result error = client.Query("SELECT 2");
  Expect(error, "ERROR", "57P03", "127.0.0.1");
  EXPECT_FALSE(error.detail().empty());
  cluster.Start();
  EXPECT_TRUE(Eventually([&] { return client.Query("SELECT 3").Value() == "3"; }, Milliseconds(20'000)))
      << "the session lives";
}

TEST_F(ErrorTableTest, PausedTooLong) {
  StartPgweir("query_wait_timeout = \"200ms\"\n");
  Connection client = Connect(), admin = Admin();
  EXPECT_EQ(client.Value("SELECT 1"), "1");
  ASSERT_TRUE(admin.Query("PAUSE app").ok());
  Expect(client.Query("SELECT 2"), "ERROR", "57P03", "paused");
  ASSERT_TRUE(admin.Query("RESUME app").ok());
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
}

TEST_F(ErrorTableTest, ServerLostBeforeItsAnswerIsAnErrorAndTheSessionLives) {
  StartPgweir();
  WireClient client = ConnectWire();
  Connection superuser = Direct();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  // A SELECT would have begun its answer with a row description.
  client.Send(Query("DO $$ BEGIN PERFORM pg_sleep(600); END $$"));
  ASSERT_TRUE(Eventually([&] { return IsAsleep(superuser, pid); }));
  ASSERT_EQ(superuser.Value("SELECT pg_terminate_backend(" + pid + ")"), "t");
  const auto answer = client.ReadUntil('Z');
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_EQ(answer[0].type, 'E');
  Expect(answer[0], "ERROR", "08006", "57P01");
  EXPECT_EQ(answer[1], (Message{'Z', "I"}));
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
}

TEST_F(ErrorTableTest, ServerEndedInTheMiddleOfItsAnswerEndsTheSession) {
  StartPgweir("default_pool_size = 1\n");  // so that its server is known
  WireClient client = ConnectWire();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  BeginAnswerAndSleep(client);
  Connection superuser = Direct();
  ASSERT_TRUE(Eventually([&] { return IsAsleep(superuser, pid); }));
  ASSERT_EQ(superuser.Value("SELECT pg_terminate_backend(" + pid + ")"), "t");
  const auto rest = client.ReadToEnd();
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back().type, 'E');
  Expect(rest.back(), "FATAL", "08006", "57P01");  // the server's own words and code are in DETAIL
}

TEST_F(ErrorTableTest, ServerThatDiesInTheMiddleOfItsAnswerIsFatal) {
  PostgresCluster cluster;
  MakeRolesAndDatabases(cluster);
  StartPgweir("default_pool_size = 1\n", DatabaseSection("*", cluster));
  WireClient client = ConnectWire();
  const std::string pid = client.Value("SELECT pg_backend_pid()");
  BeginAnswerAndSleep(client);
  {
    Connection superuser(cluster.SuperuserString());
    ASSERT_TRUE(Eventually([&] { return IsAsleep(superuser, pid); }));
  }
  kill(std::stoi(pid), SIGKILL);  // of a cluster that this test started; it says nothing any more
  const auto rest = client.ReadToEnd();
  ASSERT_FALSE(rest.empty()) << "a bare end";
  EXPECT_EQ(rest.back().type, 'E');
  Expect(rest.back(), "FATAL", "08006", "lost");
}

TEST_F(ErrorTableTest, ServersOwnLoginErrorAsTheServerSentIt) {
  PostgresCluster cluster({.max_connections = 100,
                           .settings = {},
                           .hba_lines = {"host app app 127.0.0.1/32 reject", "host all all 127.0.0.1/32 trust"},
                           .tls_cert_file = "",
                           .tls_key_file = "",
                           .tls_ca_file = ""});
  MakeRolesAndDatabases(cluster);
  StartPgweir("", DatabaseSection("*", cluster));
  const Message error = LoginError("app", "app");
  Expect(error, "FATAL", "28000", "pg_hba.conf");
  const Message unknown = LoginError("app", "no_such_database");
  Expect(unknown, "FATAL", "3D000", "no_such_database");
}

TEST_F(ErrorTableTest, UnknownDatabaseUserAndPassword) {
  PgweirConfig config;
  config.global = "auth_type = \"scram-sha-256\"\n";
  config.users = {{"app", "right"}, {"admin", "x"}};
  config.sections = DatabaseSection("app");
  StartPgweir(config);
  const Message wrong = LoginError("app", "app", "wrong"), nobody = LoginError("nobody", "app", "wrong");
  Expect(wrong, "FATAL", "28P01", "password authentication failed");
  Expect(nobody, "FATAL", "28P01", "password authentication failed");
  Expect(LoginError("app", "no_such", "wrong"), "FATAL", "28P01", "password authentication failed");
  Expect(LoginError("app", "no_such", "right"), "FATAL", "3D000", "no_such");
}

TEST_F(ErrorTableTest, AForcedUserNeverGetsTheClientsPassword) {
  PostgresCluster cluster({.max_connections = 100,
                           .settings = {},
                           .hba_lines = {"host all other 127.0.0.1/32 password", "host all all 127.0.0.1/32 trust"},
                           .tls_cert_file = "",
                           .tls_key_file = "",
                           .tls_ca_file = ""});
  MakeRolesAndDatabases(cluster);
  Connection superuser(cluster.SuperuserString());
  ASSERT_TRUE(superuser.Query("ALTER ROLE other PASSWORD 'the same'").ok());
  PgweirConfig config;
  config.global = "auth_type = \"password\"\n";
  config.users = {{"app", "the same"}, {"admin", "x"}};
  config.sections = DatabaseSection("app", cluster, "user = \"other\"\n");
  StartPgweir(config);
  const Message error = LoginError("app", "app", "the same");
  EXPECT_NE(ErrorField(error, 'C'), "");
}

TEST_F(ErrorTableTest, PreparedStatementsInPipelineOrder) {
  StartPgweir("pool_mode = \"session\"\n");
  WireClient client = ConnectWire();
  const auto types = [](const std::vector<Message>& messages) {
    std::string all;
    for (const Message& message : messages) all += message.type;
    return all;
  };
  const auto error_in = [](const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      if (message.type == 'E') return message;
    }
    return Message{};
  };
  const auto unknown =
      client.Ask(Parse("a", "SELECT 1") + Bind("", "a") + Execute("") + Bind("", "missing") + Execute("") + Sync());
  EXPECT_EQ(types(unknown), "12DCEZ");
  Expect(error_in(unknown), "ERROR", "26000", "missing");
  const auto duplicate = client.Ask(Bind("", "a") + Execute("") + Parse("a", "SELECT 2") + Sync());
  EXPECT_EQ(types(duplicate), "2DCEZ");
  Expect(error_in(duplicate), "ERROR", "42P05", "already exists");
  EXPECT_EQ(client.Value("SELECT 'lives'"), "lives");
}

TEST_F(ErrorTableTest, MalformedProtocolIsFatal) {
  StartPgweir();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"unknown type", std::string("\x01\0\0\0\4", 5)},
      {"length below four", std::string("Q\0\0\0\3", 5)},
      {"negative length", std::string("Q\xff\xff\xff\xff", 5)},
      {"a password after the login", Password("x")},
  };
  for (const auto& [name, bytes] : cases) {
    WireClient client = ConnectWire();
    client.Send(bytes);
    const auto error = client.ReadMessage();
    ASSERT_TRUE(error.has_value()) << name << ": a bare end";
    EXPECT_EQ(error->type, 'E') << name;
    EXPECT_EQ(ErrorField(*error, 'C'), "08P01") << name;
    EXPECT_EQ(ErrorField(*error, 'S'), "FATAL") << name;
    EXPECT_TRUE(client.AtEnd()) << name;
  }
  EXPECT_EQ(Connect().Value("SELECT 'others live'"), "others live");
}

TEST_F(ErrorTableTest, KilledClientsAndDrain) {
  StartPgweir();
  WireClient killed = ConnectWire();
  Connection admin = Admin();
  ASSERT_TRUE(admin.Query("KILL app").ok());
  const auto error = killed.ReadMessage();
  ASSERT_TRUE(error.has_value());
  Expect(*error, "FATAL", "57P01", "administrator");
  EXPECT_TRUE(killed.AtEnd());
}

TEST_F(ErrorTableTest, ReloadFailedNamesFileAndLine) {
  StartPgweir();
  pgweir().WriteConfigText("[pgweir]\nlisten_prot = 1\n");
  Connection admin = Admin();
  Expect(admin.Query("RELOAD"), "ERROR", "F0000", "pgweir.toml:2");
  EXPECT_TRUE(admin.Query("SHOW VERSION").ok()) << "the session lives";
}

}  // namespace
}  // namespace integration
