// auth_hba_file before a real PostgreSQL: who gets in by which line, by certificate, by the Unix socket, and after a reload.
#include <filesystem>

#include "protocol/scram.h"
#include "tests/integration/certificate_test.h"

namespace integration {
namespace {

using namespace test_support;

class HbaTest : public CertificateTest {
 protected:
  static void WriteHba(const std::string& lines) {
    WriteFile(folder_->File("hba"), lines);
    GiveToUnprivilegedUser(folder_->File("hba"));
  }
  static std::string HbaKeys() { return "auth_type = \"hba\"\nauth_hba_file = \"" + folder_->File("hba") + "\"\n"; }
  static std::string With(const std::string& cert, const std::string& key) { return "sslmode=require sslcert=" + cert + " sslkey=" + key; }
  static std::string NoCertificate() { return "sslmode=require sslcert=/nonexistent sslkey=/nonexistent"; }

  void Start(const std::string& lines, const std::string& more = "", const std::string& sections = "") {
    WriteHba(lines);
    PgweirConfig config;
    config.global = (more.find("auth_type") == std::string::npos ? HbaKeys() : "") + more;
    config.users = {{"app", "secret"}, {"other", "secret"}, {"client", "secret"}, {"admin", "secret"}, {OwnUser(), ""}};
    config.sections = sections;
    StartPgweir(config);
  }
  // current_user, or SQLSTATE and message of the refusal.
  std::string Outcome(const std::string& user, const std::string& database, const std::string& words) const {
    Connection client = TryConnect(user, database, words);
    if (!client.ok()) return client.error().substr(client.error().find("FATAL"));
    const Result result = client.Query("SELECT current_user");
    return result.ok() ? result.Value() : result.error();
  }
  std::string Raw(const std::string& user, const std::string& database, const std::string& password) {
    WireClient client(pgweir().port());
    if (client.Login({{"user", user}, {"database", database}}, password)) return "let in";
    return ErrorField(client.error(), 'S') + " " + ErrorField(client.error(), 'C') + " " + ErrorField(client.error(), 'M');
  }
  std::string BySocket() { return "host=" + pgweir().socket_folder(); }
};

TEST_F(HbaTest, TheFirstLineThatFitsDecides) {
  Start("host app other 127.0.0.1/32 reject\n"
        "host app all 127.0.0.1/32 scram-sha-256\n"
        "host second app 127.0.0.0 255.0.0.0 trust\n"
        "hostssl all all all trust\n"
        "local all app trust\n");
  EXPECT_EQ(Raw("app", "app", "secret"), "let in");
  EXPECT_EQ(Raw("app", "second", ""), "let in");
  EXPECT_EQ(Raw("other", "app", "secret"),
            "FATAL 28000 pg_hba.conf rejects connection for host \"127.0.0.1\", user \"other\", database \"app\", no encryption");
  EXPECT_EQ(Raw("other", "second", "secret"),
            "FATAL 28000 no pg_hba.conf entry for host \"127.0.0.1\", user \"other\", database \"second\", no encryption");
  EXPECT_EQ(Outcome("app", "app", BySocket()), "app");
  EXPECT_NE(Outcome("other", "app", BySocket()).find("no pg_hba.conf entry for host \"[local]\", user \"other\", database \"app\", no encryption"),
            std::string::npos);
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*rejected by .*hba:1"));
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*no line of auth_hba_file fits"));
}

TEST_F(HbaTest, TheWordsAreThoseOfPostgres) {
  const PostgresCluster strict({.hba_lines = {"host app other 127.0.0.1/32 reject"}});
  Start("host app other 127.0.0.1/32 reject\n");
  for (const char* database : {"app", "second"}) {
    const std::string words = "host=127.0.0.1 user=other sslmode=disable gssencmode=disable dbname=" + std::string(database);
    const auto message = [](const Connection& refused) {
      const std::string text = refused.error();
      return text.substr(text.find("FATAL"), text.find('\n') - text.find("FATAL"));
    };
    EXPECT_EQ(message(Connection(words + " port=" + std::to_string(pgweir().port()))), message(Connection(words + " port=" + std::to_string(strict.port()))));
  }
}

TEST_F(HbaTest, UnknownUsersAndDatabasesLookLikeWrongPasswords) {
  Start("host md5_only all all md5\nhost clear all all password\nhost all all all scram-sha-256\n", "", DatabaseSection("app"));
  for (const char* database : {"md5_only", "clear", "app"}) {
    const std::string wrong = Raw("app", database, "wrong");
    EXPECT_EQ(wrong, "FATAL 28P01 password authentication failed for user \"app\"") << database;
    EXPECT_EQ(Raw("stranger", database, "wrong"), "FATAL 28P01 password authentication failed for user \"stranger\"") << database;
  }
  EXPECT_EQ(Raw("app", "no_database", "wrong"), "FATAL 28P01 password authentication failed for user \"app\"");
  EXPECT_EQ(Raw("app", "no_database", "secret").substr(0, 11), "FATAL 3D000");
  Start("host all all all trust\n");
  EXPECT_EQ(Raw("stranger", "app", "").substr(0, 11), "FATAL 28P01") << "trust is for the users that are known";
}

TEST_F(HbaTest, CertificateOfTheUser) {
  WriteFile(folder_->File("ident"), "robots robot other\nrobots robot admin\n");
  Start("hostssl app app,client all cert\nhostssl second other,client all cert map=robots\nhostssl pgbouncer admin all cert map=robots\n"
        "host renamed client all cert\nhost all all all md5\n",
        ClientTls("prefer") + "auth_ident_file = \"" + folder_->File("ident") + "\"\n");
  const std::string client = With(files_->client_cert, files_->client_key), robot = With(files_->robot_cert, files_->robot_key);
  const std::string refused = "FATAL:  certificate authentication failed for user \"";
  EXPECT_EQ(Outcome("client", "app", client), "client");
  EXPECT_EQ(Outcome("app", "app", client), refused + "app\"\n");
  EXPECT_EQ(Outcome("app", "app", robot), "app") << "by the alternative name";
  EXPECT_EQ(Outcome("client", "app", robot), refused + "client\"\n");
  EXPECT_EQ(Outcome("client", "app", NoCertificate()), refused + "client\"\n");
  EXPECT_EQ(Outcome("client", "app", With(files_->zero_byte_cert, files_->zero_byte_key)), refused + "client\"\n");
  EXPECT_FALSE(TryConnect("client", "app", With(files_->stranger_cert, files_->stranger_key)).ok()) << "signed by another authority";
  EXPECT_FALSE(TryConnect("client", "app", With(files_->expired_cert, files_->expired_key)).ok());
  EXPECT_EQ(Outcome("other", "second", robot), "other") << "by the map";
  EXPECT_EQ(Outcome("client", "second", client), refused + "client\"\n") << "with a map only the map counts";
  EXPECT_EQ(Outcome("client", "renamed", "sslmode=disable"), refused + "client\"\n") << "no TLS, no certificate";
  EXPECT_EQ(Outcome("client", "app", "sslmode=disable password=secret"), "client") << "the last line is for clear connections, too";
  Connection console = TryConnect("admin", "pgbouncer", robot);
  EXPECT_TRUE(console.ok() && console.Query("SHOW POOLS").ok()) << console.error();
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*the certificate is of 'client', which is not this user"));
}

TEST_F(HbaTest, CertificatesForEverybody) {
  Start("", ClientTls("verify-full") + "auth_type = \"cert\"\n");
  EXPECT_EQ(Outcome("client", "app", With(files_->client_cert, files_->client_key)), "client");
  EXPECT_EQ(Outcome("other", "app", With(files_->client_cert, files_->client_key)), "FATAL:  certificate authentication failed for user \"other\"\n");
  EXPECT_FALSE(TryConnect("client", "app", NoCertificate()).ok());
  EXPECT_NE(Outcome("client", "app", BySocket()).find("certificate authentication failed"), std::string::npos);
  EXPECT_NE(Outcome("robot", "app", With(files_->robot_cert, files_->robot_key)).find("certificate authentication failed for user \"robot\""), std::string::npos)
      << "its certificate is right, but nobody knows the user";
}

TEST_F(HbaTest, UserOfTheSystem) {
  WriteFile(folder_->File("ident"), "owners " + OwnUser() + " app\nothers no_such_user app\n");
  Start("local own " + OwnUser() + " peer\nlocal own app peer\nlocal app app peer map=owners\nlocal second app peer map=others\nlocal all all reject\n",
        "auth_ident_file = \"" + folder_->File("ident") + "\"\n", DatabaseSection("own", "dbname = \"app\"\nuser = \"app\"\n") + DatabaseSection("*"));
  EXPECT_EQ(Outcome(OwnUser(), "own", BySocket()), "app");
  EXPECT_EQ(Outcome("app", "app", BySocket()), "app");
  EXPECT_NE(Outcome("app", "own", BySocket()).find("Peer authentication failed for user \"app\""), std::string::npos);
  EXPECT_NE(Outcome("app", "second", BySocket()).find("Peer authentication failed for user \"app\""), std::string::npos);
  EXPECT_NE(Outcome("other", "app", BySocket()).find("pg_hba.conf rejects connection"), std::string::npos);
  EXPECT_TRUE(pgweir().WaitForLog("login_failed.*the peer is the system's user '" + OwnUser() + "', which is not this user"));
}

TEST_F(HbaTest, PeersForEverybody) {
  Start("", "auth_type = \"peer\"\n", DatabaseSection("own", "dbname = \"app\"\nuser = \"app\"\n"));
  EXPECT_EQ(Outcome(OwnUser(), "own", BySocket()), "app");
  EXPECT_NE(Outcome("app", "own", BySocket()).find("Peer authentication failed"), std::string::npos);
  EXPECT_EQ(Raw(OwnUser(), "own", ""), "FATAL 28000 Peer authentication failed for user \"" + OwnUser() + "\"") << "not by TCP";
}

TEST_F(HbaTest, AnyIsTheForcedUser) {
  Start("", "auth_type = \"any\"\n", DatabaseSection("own", "dbname = \"app\"\nuser = \"app\"\n") + "[users.app]\nmax_user_client_connections = 1\n");
  Connection first = TryConnect("whoever", "own");
  ASSERT_TRUE(first.ok()) << first.error();
  EXPECT_EQ(first.Value("SELECT current_user"), "app");
  EXPECT_NE(Outcome("somebody", "own", "").find("max_user_client_connections is 1"), std::string::npos) << "both are app";
  Connection stranger(pgweir().AdminString("stranger")), admin = Admin();
  ASSERT_TRUE(stranger.ok()) << stranger.error();
  EXPECT_TRUE(stranger.Query("SHOW POOLS").ok());
  EXPECT_EQ(stranger.Query("PAUSE").sqlstate(), "42501");
  EXPECT_TRUE(admin.Query("PAUSE").ok());
}

TEST_F(HbaTest, ReloadChangesTheLinesForNewLoginsOnly) {
  Start("host all app all trust\nhost pgbouncer admin all md5\n");
  Connection before = Connect("app", "app");
  Connection admin = TryConnect("admin", "pgbouncer", "password=secret");
  ASSERT_TRUE(admin.ok()) << admin.error();
  WriteHba("host all app all reject\nhost all other all trust\nhost pgbouncer admin all md5\n");
  ASSERT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_TRUE(pgweir().WaitForLog("auth_hba_file: its lines changed"));
  EXPECT_TRUE(Eventually([&] { return Raw("other", "app", "") == "let in"; }));
  EXPECT_EQ(Raw("app", "app", "").substr(0, 40), "FATAL 28000 pg_hba.conf rejects connecti");
  EXPECT_EQ(before.Value("SELECT current_user"), "app");

  WriteHba("host all app all trust\nhost all all all gss\nhost all +x all md5\n");
  const Result refused = admin.Query("RELOAD");
  EXPECT_EQ(refused.sqlstate(), "F0000");
  const std::string text = refused.message() + refused.detail();
  EXPECT_NE(text.find("hba:2: method 'gss' is not supported"), std::string::npos) << text;
  EXPECT_NE(text.find("hba:3: '+x' is not supported"), std::string::npos) << text;
  EXPECT_NE(Raw("app", "app", ""), "let in") << "a bad file changes nothing";
  EXPECT_EQ(Raw("other", "app", ""), "let in");
  std::filesystem::remove(folder_->File("hba"));
  EXPECT_FALSE(admin.Query("RELOAD").ok());
  EXPECT_EQ(Raw("other", "app", ""), "let in");
}

TEST_F(HbaTest, ABadFileIsToldByCheckAndAtTheStart) {
  WriteHba("host all all all trust\nhost all all nowhere trust\n");
  WriteFile(folder_->File("bad.toml"), "[pgweir]\n" + HbaKeys() + "[databases.a]\n");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{PgweirProcess::Binary(), "check", folder_->File("bad.toml")}, {PgweirProcess::Binary(), folder_->File("bad.toml")}}) {
    const FinishedProcess finished = RunProgram({.arguments = arguments, .user = UnprivilegedUser()});
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_NE(finished.output.find("hba:2: address 'nowhere' is not supported"), std::string::npos) << finished.output;
  }
}

// Who logs in without a password brings none for the server: the error says what to do.
TEST_F(HbaTest, AServerThatAsksForASecretThatNobodyBrought) {
  const PostgresCluster cluster({.hba_lines = {"host app app 127.0.0.1/32 scram-sha-256"}});
  MakeRolesAndDatabases(cluster);
  Connection(cluster.SuperuserString()).Query("ALTER ROLE app PASSWORD 'server secret'");
  const std::string verifier = Connection(cluster.SuperuserString()).Value("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'");
  for (const bool has_password : {false, true}) {
    WriteHba("host all app all trust\nhost all admin all trust\n");
    PgweirConfig config;
    config.global = HbaKeys() + "query_wait_timeout = \"3s\"\n";
    config.users = {{"app", has_password ? "server secret" : verifier}, {"admin", ""}};
    config.sections = DatabaseSection("app", cluster, "");
    StartPgweir(config);
    const std::string outcome = Outcome("app", "app", "");
    if (has_password) EXPECT_EQ(outcome, "app");
    else EXPECT_NE(outcome.find("clients that log in by trust, cert or peer bring none"), std::string::npos) << outcome;
  }
}

}  // namespace
}  // namespace integration
