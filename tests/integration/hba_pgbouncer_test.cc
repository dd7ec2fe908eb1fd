// The same HBA file before PgBouncer (where it is installed) and pgweir: the same logins are let in and refused. And what
// PgBouncer's operators rely on: the console is open to whoever runs the process. PgBouncer 1.18 takes no `all` for an address.
#include <filesystem>

#include "tests/integration/proxy.h"
#include "tests/support/certificates.h"

namespace integration {
namespace {

using namespace test_support;

enum class By : uint8_t { kUnix, kTcp, kTls, kCertificate };

struct Login {
  By by;
  std::string user, database, password;
  bool is_let_in;
};

class HbaPgBouncerTest : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    files_ = MakeCertificates(folder_.path());
    WriteFile(File("userlist.txt"), "\"app\" \"secret\"\n\"other\" \"secret\"\n\"client\" \"secret\"\n\"admin\" \"secret\"\n\"" + OwnUser() + "\" \"\"\n");
    WriteFile(File("staff"), "other, client\n");
  }
  std::string File(const std::string& name) const { return folder_.File(name); }
  std::unique_ptr<Proxy> Start(const std::string& program, const std::string& name, const std::string& hba, const std::string& mode) const {
    const int port = FreePort();
    const std::string server = "host=127.0.0.1 port=" + std::to_string(SharedCluster().port());
    WriteFile(File("hba"), hba);
    WriteFile(File(name + ".ini"),
              "[databases]\napp = " + server + "\nsecond = " + server + "\nown = " + server + " dbname=app user=app\n"
              "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + std::to_string(port) + "\nunix_socket_dir = " + folder_.path() +
              "\nauth_type = hba\nauth_file = " + File("userlist.txt") + "\nauth_hba_file = " + File("hba") + "\nadmin_users = admin\n"
              "client_tls_sslmode = " + mode + "\nclient_tls_key_file = " + files_.server_key + "\nclient_tls_cert_file = " + files_.server_cert +
              "\nclient_tls_ca_file = " + files_.ca + "\n");
    GiveToUnprivilegedUser(folder_.path());
    return std::make_unique<Proxy>(program, File(name + ".ini"), port, File(name + ".out"));
  }
  std::string Words(const Proxy& proxy, const Login& login) const {
    std::string words = "port=" + std::to_string(proxy.port()) + " user=" + login.user + " dbname=" + login.database +
                        " gssencmode=disable password='" + login.password + "' host=";
    switch (login.by) {
      case By::kUnix: return words + folder_.path();
      case By::kTcp: return words + "127.0.0.1 sslmode=disable";
      case By::kTls: return words + "127.0.0.1 sslmode=require sslcert=/nonexistent sslkey=/nonexistent";
      case By::kCertificate: return words + "127.0.0.1 sslmode=require sslcert=" + files_.client_cert + " sslkey=" + files_.client_key;
    }
    return words;
  }
  bool IsLetIn(const Proxy& proxy, const Login& login) const {
    Connection client(Words(proxy, login));
    return client.ok() && (login.database == "pgbouncer" || client.Query("SELECT 1").ok());
  }
  void Compare(const std::string& hba, const std::string& mode, const std::vector<Login>& logins) const {
    const auto pgweir = Start(PgweirProcess::Binary(), "pgweir", hba, mode);
    std::unique_ptr<Proxy> pgbouncer;
    if (std::filesystem::exists(kPgBouncer)) pgbouncer = Start(kPgBouncer, "pgbouncer", hba, mode);
    for (size_t i = 0; i < logins.size(); ++i) {
      EXPECT_EQ(IsLetIn(*pgweir, logins[i]), logins[i].is_let_in) << "login " << i << " of " << mode << "\n" << pgweir->output();
      if (pgbouncer) {
        EXPECT_EQ(IsLetIn(*pgbouncer, logins[i]), logins[i].is_let_in) << "login " << i << " of " << mode << ", PgBouncer\n" << pgbouncer->output();
      }
    }
  }

  TemporaryFolder folder_;
  CertificateFiles files_;
};

TEST_F(HbaPgBouncerTest, TheSameLoginsWorkAndFail) {
  Compare("# who gets in\n"
          "local   own   " + OwnUser() + "  peer\n"
          "local   own   app                 peer\n"
          "local   all   all                 md5\n"
          "hostssl app   client  127.0.0.1/32  reject\n"
          "host    app   \"app\",@staff  127.0.0.0 255.0.0.0  scram-sha-256\n"
          "hostssl second all    0.0.0.0/0     trust\n"
          "host    sameuser other 0.0.0.0/0    md5\n"
          "host    pgbouncer admin 127.0.0.1/32 password\n",
          "allow",
          {{By::kTcp, "app", "app", "secret", true},
           {By::kTcp, "app", "app", "wrong", false},
           {By::kTcp, "client", "app", "secret", true},
           {By::kTls, "client", "app", "secret", false},
           {By::kTls, "app", "app", "secret", true},
           {By::kTls, "app", "second", "", true},
           {By::kTls, "stranger", "second", "", false},
           {By::kTcp, "app", "second", "secret", false},
           {By::kTcp, "other", "own", "secret", false},
           {By::kTls, "other", "second", "", true},
           {By::kTcp, "admin", "pgbouncer", "secret", true},
           {By::kTcp, "admin", "pgbouncer", "wrong", false},
           {By::kTcp, "admin", "app", "secret", false},
           {By::kUnix, OwnUser(), "own", "", true},
           {By::kUnix, "app", "own", "secret", false},
           {By::kUnix, "app", "second", "secret", true},
           {By::kUnix, "app", "second", "wrong", false}});
}

TEST_F(HbaPgBouncerTest, TheSameCertificatesWorkAndFail) {
  Compare("hostssl app client,other 127.0.0.1/32 cert\nhost second all 0.0.0.0/0 md5\n", "verify-full",
          {{By::kCertificate, "client", "app", "", true},
           {By::kCertificate, "other", "app", "secret", false},
           {By::kCertificate, "app", "app", "secret", false},
           {By::kCertificate, "app", "second", "secret", true},
           {By::kTls, "client", "app", "", false},
           {By::kTcp, "app", "second", "secret", false}});
}

TEST_F(HbaPgBouncerTest, TheConsoleIsOpenToItsOwnUser) {
  std::vector<std::string> programs{PgweirProcess::Binary()};
  if (std::filesystem::exists(kPgBouncer)) programs.emplace_back(kPgBouncer);
  for (const std::string& program : programs) {
    const auto proxy = Start(program, std::filesystem::path(program).filename(), "host all all 0.0.0.0/0 md5\n", "disable");
    const auto console = [&](const std::string& host, const std::string& user, const std::string& as) {
      return RunProgram({.arguments = {PostgresCluster::BinaryFolder() + "/psql", "-w", "-XAtc", "PAUSE",
                                       "host=" + host + " port=" + std::to_string(proxy->port()) + " user=" + user + " dbname=pgbouncer"},
                         .user = as})
          .exit_code;
    };
    EXPECT_EQ(console(folder_.path(), "pgbouncer", UnprivilegedUser()), 0) << program << "\n" << proxy->output();
    EXPECT_NE(console("127.0.0.1", "pgbouncer", UnprivilegedUser()), 0) << program << ": by TCP nobody knows who it is";
    EXPECT_NE(console(folder_.path(), "admin", UnprivilegedUser()), 0) << program << ": for this one user only";
    if (!UnprivilegedUser().empty()) {
      EXPECT_NE(console(folder_.path(), "pgbouncer", ""), 0) << program << ": another user, were it root";
    }
  }
}

TEST_F(HbaPgBouncerTest, InTomlThereIsNoSuchRule) {
  PgweirConfig config;
  config.global = "auth_type = \"scram-sha-256\"\n";
  config.users = {{"admin", "secret"}};
  config.sections = DatabaseSection("app", "user = \"app\"\n");
  const PgweirProcess pgweir(config);
  const FinishedProcess psql = RunProgram({.arguments = {PostgresCluster::BinaryFolder() + "/psql", "-w", "-XAtc", "SHOW POOLS",
                                                         "host=" + pgweir.socket_folder() + " port=" + std::to_string(pgweir.port()) + " user=pgbouncer dbname=pgbouncer"},
                                           .user = UnprivilegedUser()});
  EXPECT_NE(psql.exit_code, 0) << psql.output;
}

}  // namespace
}  // namespace integration
