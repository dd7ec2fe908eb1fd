// A real pgbouncer.ini, before PgBouncer itself where that is installed: the same logins work and fail, and mean the same.
#include <signal.h>

#include <filesystem>

#include "protocol/scram.h"
#include "tests/integration/environment.h"
#include "tests/integration/proxy.h"

namespace integration {
namespace {

using namespace test_support;

class IniTest : public testing::Test {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    WriteFile(File("userlist.txt"),
              "; the three forms of a secret\n"
              "\"app\" \"plain \"\"secret\"\"\"\n"
              "\"client\" \"" + protocol::Md5Secret("client", "md5 secret") + "\"\n"
              "\"other\" \"" + protocol::FormatVerifier(protocol::VerifierOf(protocol::DeriveKeys("scram secret", "sixteen byte slt", 4096))) +
              "\"\n\"admin\" \"admin\"\n\"watcher\" \"watcher\"\n");
    WriteFile(File("common.ini"), Common());
    GiveToUnprivilegedUser(folder_.path());
  }
  std::string File(const std::string& name) const { return folder_.File(name); }

  // Goes on in [pgbouncer], where it is included.
  std::string Common() const {
    const std::string server = "host=127.0.0.1 port=" + std::to_string(SharedCluster().port());
    return "; what two programs share\n"
           "listen_addr = 127.0.0.1\nunix_socket_dir = " + folder_.path() + "\nunix_socket_mode = 0777\n"
           "auth_type = md5\nauth_file = " + File("userlist.txt") + "\nadmin_users = admin\nstats_users = watcher, nobody\n"
           "pool_mode = session\ndefault_pool_size = 3\nreserve_pool_size = 1\nreserve_pool_timeout = 2.5\nmax_client_conn = 50\n"
           "max_db_connections = 20\nserver_lifetime = 1800\nserver_idle_timeout = 60\nserver_connect_timeout = 5\n"
           "server_login_retry = 1\nserver_check_delay = 10\nserver_check_query = select 1\nserver_reset_query = DISCARD ALL\n"
           "query_wait_timeout = 10\nclient_login_timeout = 20\nignore_startup_parameters = extra_float_digits, options\n"
           "log_connections = 0\ntcp_keepalive = 1\npkt_buf = 8192\n"
           "[databases]\n"
           "app = " + server + "\n"
           "renamed = " + server + " dbname=second\n"
           "forced = " + server + " dbname='app' user=other password='it''s' pool_size=2\n"
           "socket = host=" + SharedCluster().socket_folder() + " port=" + std::to_string(SharedCluster().port()) + " dbname=app\n"
           "* = " + server + "\n"
           "[users]\nclient = pool_mode=transaction max_user_connections=5\n";
  }
  // The main file of one program: what cannot be shared, then what is.
  std::string MainFile(const std::string& name, int port, const std::string& more = "") const {
    const std::string file = File(name + ".ini");
    WriteFile(file, "#" + name + "\n[pgbouncer]\nlisten_port = " + std::to_string(port) + "\npidfile = " + File(name + ".pid") + "\n" + more +
                        "%include " + File("common.ini") + "\n");
    GiveToUnprivilegedUser(file);
    return file;
  }
  std::unique_ptr<Proxy> Start(const std::string& program, const std::string& name, const std::string& more = "") const {
    const int port = FreePort();
    return std::make_unique<Proxy>(program, MainFile(name, port, more), port, File(name + ".out"));
  }
  static std::string ConfigValue(int port, const std::string& key) {
    Connection admin("host=127.0.0.1 port=" + std::to_string(port) + " user=admin password=admin dbname=pgbouncer");
    const Result rows = admin.Query("SHOW CONFIG");
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.Value(row, 0) == key) return rows.Value(row, 1);
    }
    return "no row: " + admin.error();
  }

  TemporaryFolder folder_;
};

struct Login {
  const char *user, *database, *password, *expected;
};
const Login kLogins[] = {
    {"app", "app", "plain \"secret\"", "app in app"},
    {"app", "app", "plain secret", "refused"},
    {"app", "app", "", "refused"},
    {"client", "app", "md5 secret", "client in app"},
    {"client", "app", "wrong", "refused"},
    {"other", "app", "scram secret", "other in app"},
    {"other", "app", "wrong", "refused"},
    {"nobody", "app", "x", "refused"},
    {"app", "renamed", "plain \"secret\"", "app in second"},
    {"app", "forced", "plain \"secret\"", "other in app"},
    {"app", "socket", "plain \"secret\"", "app in app"},
    {"app", "second", "plain \"secret\"", "app in second"},
    {"app", "no_such_database", "plain \"secret\"", "refused"},
    {"admin", "pgbouncer", "admin", "console"},
    {"watcher", "pgbouncer", "watcher", "console"},
    {"watcher", "pgbouncer", "wrong", "refused"},
    {"app", "pgbouncer", "plain \"secret\"", "refused"},
};

std::string Outcome(int port, const Login& login) {
  WireClient client(port);
  if (!client.Login({{"user", login.user}, {"database", login.database}, {"extra_float_digits", "3"}}, login.password)) return "refused";
  if (login.database == std::string("pgbouncer")) return "console";
  try {
    return client.Value("SELECT current_user || ' in ' || current_database()");
  } catch (const std::exception&) {
    return "refused";  // a database that the server has not: told at the login or at the first query
  }
}

TEST_F(IniTest, TheSameLoginsWorkAndFail) {
  const auto pgweir = Start(PgweirProcess::Binary(), "pgweir");
  std::unique_ptr<Proxy> pgbouncer;
  if (std::filesystem::exists(kPgBouncer)) pgbouncer = Start(kPgBouncer, "pgbouncer");
  for (const Login& login : kLogins) {
    const std::string who = std::string(login.user) + " on " + login.database + " with " + login.password;
    EXPECT_EQ(Outcome(pgweir->port(), login), login.expected) << who;
    if (pgbouncer) {
      EXPECT_EQ(Outcome(pgbouncer->port(), login), login.expected) << who << ", PgBouncer";
    }
  }
  int compared = 0;
  for (const char* key : {"default_pool_size", "reserve_pool_size", "max_client_conn", "max_db_connections", "pool_mode", "listen_backlog",
                          "server_check_query", "server_reset_query", "unix_socket_dir", "min_pool_size", "scram_iterations"}) {
    // an older PgBouncer has not every key yet
    if (!pgbouncer || ConfigValue(pgbouncer->port(), key).starts_with("no row")) continue;
    EXPECT_EQ(ConfigValue(pgweir->port(), key), ConfigValue(pgbouncer->port(), key)) << key;
    ++compared;
  }
  EXPECT_GE(compared, pgbouncer ? 10 : 0);
  EXPECT_EQ(ConfigValue(pgweir->port(), "query_wait_timeout"), "10");
  EXPECT_NE(pgweir->output().find("pkt_buf has no effect"), std::string::npos) << pgweir->output();
}

TEST_F(IniTest, ReloadTakesAllOrNothing) {
  const auto pgweir = Start(PgweirProcess::Binary(), "pgweir");
  Connection admin("host=127.0.0.1 port=" + std::to_string(pgweir->port()) + " user=admin password=admin dbname=pgbouncer");
  MainFile("pgweir", pgweir->port(), "max_db_connections = 7\nserver_round_robin = 1\n");
  const Result refused = admin.Query("RELOAD");
  EXPECT_FALSE(refused.ok());
  EXPECT_NE((refused.message() + refused.detail()).find("pgweir.ini:6: server_round_robin is not supported"), std::string::npos)
      << refused.error();
  WriteFile(File("common.ini"), Common() + "later = host=127.0.0.1\n[pgbouncer]\nmax_client_conn = 9\nunix_socket_dir =\n");
  MainFile("pgweir", pgweir->port());
  EXPECT_FALSE(admin.Query("RELOAD").ok()) << "[users] has no such key";
  EXPECT_EQ(ConfigValue(pgweir->port(), "max_client_conn"), "50");
  std::string more = Common();
  more.replace(more.find("max_client_conn = 50"), 20, "max_client_conn = 60");
  WriteFile(File("common.ini"), more);
  EXPECT_TRUE(admin.Query("RELOAD").ok());
  EXPECT_EQ(ConfigValue(pgweir->port(), "max_client_conn"), "60");
}

TEST_F(IniTest, ConvertedItIsAcceptedAndServes) {
  const int port = FreePort();
  const std::string file = MainFile("pgweir", port);
  const FinishedProcess converted = RunProgram({.arguments = {PgweirProcess::Binary(), "convert", file}});
  ASSERT_EQ(converted.exit_code, 0) << converted.output;
  WriteFile(File("pgweir.toml"), converted.output);
  const Proxy pgweir(PgweirProcess::Binary(), File("pgweir.toml"), port, File("out"));
  for (const Login& login : kLogins) EXPECT_EQ(Outcome(port, login), login.expected) << login.user << login.database;
}

// --- the flags of PgBouncer's units and scripts ----------------------------------------------------------------------------

FinishedProcess RunPgweir(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{PgweirProcess::Binary()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunProgram({.arguments = all, .user = UnprivilegedUser()});
}

// A process that is nobody's child; its pid came from its pidfile.
struct Background {
  pid_t pid;
  ~Background() { kill(pid, SIGQUIT); }
};

TEST_F(IniTest, InTheBackgroundOnceItServes) {
  const int port = FreePort();
  EXPECT_EQ(RunPgweir({"-d", MainFile("pgweir", port)}).exit_code, 1) << "no logfile";
  const std::string file = MainFile("pgweir", port, "logfile = " + File("log") + "\n");
  const FinishedProcess started = RunPgweir({"-d", "-q", "-v", file});
  ASSERT_EQ(started.exit_code, 0) << started.output;
  EXPECT_EQ(started.output, "");
  {
    const Background background{std::stoi(ReadFile(File("pgweir.pid")))};
    EXPECT_EQ(Outcome(port, kLogins[0]), kLogins[0].expected);
    EXPECT_EQ(ConfigValue(port, "log_level"), "debug");
    const FinishedProcess second = RunPgweir({"-d", file});
    EXPECT_EQ(second.exit_code, 1) << "its port is taken, and the parent says so";
    EXPECT_NE(second.output.find("pgweir: cannot"), std::string::npos) << second.output;
  }
  // gone as far as anybody can see: nobody here is its parent
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(File("pgweir.pid")) && !Proxy::IsListening(port); }));
}

TEST_F(IniTest, AnotherUserNeedsRoot) {
  const FinishedProcess unknown = RunPgweir({"-u", "no_such_user", MainFile("pgweir", FreePort())});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.output.find("cannot run as user no_such_user"), std::string::npos) << unknown.output;
  const FinishedProcess root = RunPgweir({"-u", "root", MainFile("pgweir", FreePort())});
  EXPECT_EQ(root.exit_code, 1);
  EXPECT_NE(root.output.find("only root can change the user"), std::string::npos) << root.output;
}

TEST_F(IniTest, RootBecomesTheUser) {
  if (UnprivilegedUser().empty()) GTEST_SKIP() << "needs root";
  const int port = FreePort();
  const std::string file = MainFile("pgweir", port);
  ChildProcess process({.arguments = {PgweirProcess::Binary(), "-u", UnprivilegedUser(), file}, .output_file = File("out")});
  ASSERT_TRUE(Eventually([&] { return Proxy::IsListening(port); })) << ReadFile(File("out"));
  EXPECT_EQ(Outcome(port, kLogins[0]), kLogins[0].expected);
  EXPECT_EQ(ReadFile("/proc/" + std::to_string(process.pid()) + "/status").find("Uid:\t0"), std::string::npos);
}

TEST_F(IniTest, QuietIsWithoutAConsoleLog) {
  const int port = FreePort();
  ChildProcess process({.arguments = {PgweirProcess::Binary(), "-q", MainFile("pgweir", port)}, .output_file = File("out"), .user = UnprivilegedUser()});
  ASSERT_TRUE(Eventually([&] { return Proxy::IsListening(port); })) << ReadFile(File("out"));
  EXPECT_EQ(Outcome(port, kLogins[0]), kLogins[0].expected);
  process.Signal(SIGQUIT);
  EXPECT_EQ(process.WaitExit(), 0);
  EXPECT_EQ(ReadFile(File("out")), "");
}

TEST_F(IniTest, NoTakeOver) {
  const FinishedProcess reboot = RunPgweir({"-R", MainFile("pgweir", FreePort())});
  EXPECT_EQ(reboot.exit_code, 1);
  EXPECT_NE(reboot.output.find("-R is not supported"), std::string::npos) << reboot.output;
}

}  // namespace
}  // namespace integration
