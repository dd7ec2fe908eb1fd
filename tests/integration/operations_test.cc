// What an operator does to a running pgweir, and what the system does to it: descriptors, addresses, logs, pid file,
// systemd, the command line and its sources.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <sstream>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/forbidden_call.h"

namespace integration {
namespace {

using namespace test_support;

class OperationsTest : public IntegrationTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    GiveToUnprivilegedUser(folder_.path());
  }
  // With options of the process, beside the one of the fixture.
  PgweirProcess& Start(const std::string& global, const PgweirProcess::Options& options = {}) {
    PgweirConfig config;
    config.global = global;
    config.sections = DatabaseSection("*");
    process_ = std::make_unique<PgweirProcess>(config, options);
    return *process_;
  }
  Connection ConnectTo(const PgweirProcess& process, const std::string& words = "") const {
    return Connection(process.ConnectionString("app", "app") + " " + words);
  }
  static std::string ConfigRow(const PgweirProcess& process, const std::string& key) {
    Connection admin(process.AdminString());
    const Result rows = admin.Query("SHOW CONFIG");
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.Value(row, 0) == key) return rows.Value(row, 1) + " from " + rows.Value(row, "source");
    }
    return "no row";
  }
  static std::vector<std::string> LinesOf(const std::string& file) {
    std::vector<std::string> lines;
    std::istringstream text(ReadFile(file));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder folder_;
  std::unique_ptr<PgweirProcess> process_;
};

// --- descriptors ---------------------------------------------------------------------------------------------------

TEST_F(OperationsTest, OutOfDescriptorsIsToldAndPasses) {
  PgweirProcess& process =
      Start("pool_mode = \"session\"\n", {.environment = {}, .arguments = {}, .open_files_max = 96});
  EXPECT_TRUE(process.WaitForLog("descriptor_limit_low.*limit=96.*max_client_conn"));
  Connection stays = ConnectTo(process);
  ASSERT_TRUE(stays.ok()) << stays.error();
  EXPECT_EQ(stays.Value("SELECT 'before'"), "before");

  std::vector<WireSocket> crowd;
  for (int i = 0; i < 150; ++i) crowd.push_back(ConnectTcp(process.port()));
  ASSERT_TRUE(process.WaitForLog("error accept_paused.*ulimit"));
  // Somebody in the crowd is told; all the others wait.
  std::vector<pollfd> polls;
  for (const auto& one : crowd) polls.push_back({one.fd(), POLLIN, 0});
  ASSERT_GT(poll(polls.data(), polls.size(), 10'000), 0) << "nobody was told";
  const auto told = std::find_if(polls.begin(), polls.end(), [](const pollfd& one) { return one.revents != 0; });
  WireSocket& refused = crowd[static_cast<size_t>(told - polls.begin())];
  const auto error = refused.ReadMessage();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->type, 'E');
  EXPECT_EQ(ErrorField(*error, 'C'), "53300");
  EXPECT_EQ(ErrorField(*error, 'S'), "FATAL");
  EXPECT_NE(ErrorField(*error, 'M').find("descriptors"), std::string::npos);
  EXPECT_NE(ErrorField(*error, 'H').find("ulimit"), std::string::npos);
  EXPECT_TRUE(refused.AtEnd());

  for (int i = 0; i < 20; ++i) ASSERT_EQ(stays.Value("SELECT 'undisturbed'"), "undisturbed");
  const auto mine = process.process().OpenFiles();
  EXPECT_LE(mine, 96u);
  crowd.clear();
  EXPECT_TRUE(Eventually([&] {
    Connection later = ConnectTo(process);
    return later.ok() && later.Query("SELECT 1").Value() == "1";
  })) << "no recovery";
  EXPECT_EQ(stays.Value("SELECT 'after'"), "after");
}

TEST_F(OperationsTest, NoWarningWhenTheLimitIsEnough) {
  PgweirProcess& process =
      Start("max_client_conn = 50\n", {.environment = {}, .arguments = {}, .open_files_max = 1024});
  EXPECT_TRUE(process.WaitForLog(" started "));
  EXPECT_EQ(process.log().find("descriptor_limit_low"), std::string::npos);
}

// --- addresses -----------------------------------------------------------------------------------------------------

bool HasV6() { return std::filesystem::exists("/proc/net/if_inet6") && !ReadFile("/proc/net/if_inet6").empty(); }

TEST_F(OperationsTest, SeveralAddresses) {
  if (!HasV6()) GTEST_SKIP() << "no IPv6 here";
  PgweirProcess& process = Start("listen_addr = [\"127.0.0.1\", \"::1\", \"127.0.0.3\"]\n");
  for (const std::string host : {"127.0.0.1", "::1", "127.0.0.3"}) {
    EXPECT_EQ(ConnectTo(process, "host=" + host).Value("SELECT 1"), "1") << host;
  }
  EXPECT_FALSE(ConnectTo(process, "host=127.0.0.2").ok());
  Connection v6 = ConnectTo(process, "host=::1");
  Connection admin(process.AdminString());
  const Result clients = admin.Query("SHOW CLIENTS");
  bool is_seen = false;
  for (int row = 0; row < clients.rows(); ++row) is_seen = is_seen || clients.Value(row, "addr") == "::1";
  EXPECT_TRUE(is_seen);
}

TEST_F(OperationsTest, StarIsEveryAddress) {
  PgweirProcess& process = Start("listen_addr = \"*\"\n");
  EXPECT_EQ(ConnectTo(process, "host=127.0.0.9").Value("SELECT 1"), "1");
  if (HasV6()) {
    EXPECT_EQ(ConnectTo(process, "host=::1").Value("SELECT 1"), "1");
  }
}

TEST_F(OperationsTest, AbstractUnixSocket) {
  const std::string name = "@pgweir-operations-" + std::to_string(getpid());
  PgweirProcess& process = Start("unix_socket_dir = \"" + name + "\"\n");
  EXPECT_EQ(ConnectTo(process, "host=" + name).Value("SELECT 1"), "1");
}

TEST_F(OperationsTest, ASecondOneOnTheSamePortSaysWhy) {
  PgweirProcess& process = Start("");
  const auto second = [&](const std::string& setting) {
    return RunProgram({.arguments = {PgweirProcess::Binary(), process.config_file(), "-s", setting}, .user = UnprivilegedUser()});
  };
  const auto same_port = second("unix_socket_dir="), same_folder = second("listen_backlog=10");
  for (const auto& refused : {same_port, same_folder}) {
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_LT(refused.exit_code, 128);
  }
  EXPECT_NE(same_port.output.find("127.0.0.1:" + std::to_string(process.port())), std::string::npos) << same_port.output;
  EXPECT_NE(same_port.output.find("in use"), std::string::npos) << same_port.output;
  EXPECT_NE(same_folder.output.find("is another pgweir running there?"), std::string::npos) << same_folder.output;
  EXPECT_EQ(ConnectTo(process).Value("SELECT 1"), "1");
  EXPECT_EQ(ConnectTo(process, "host=" + process.socket_folder()).Value("SELECT 1"), "1")
      << "the socket file was taken away";
}

// --- logs and files ------------------------------------------------------------------------------------------------

TEST_F(OperationsTest, JsonLogLinesParseAndHaveAnEvent) {
  const std::string file = folder_.File("json.log");
  PgweirProcess& process = Start("log_format = \"json\"\nlogfile = \"" + file + "\"\nstats_period = \"1s\"\n");
  EXPECT_EQ(ConnectTo(process).Value("SELECT 1"), "1");
  WireClient evil(process.port());
  EXPECT_FALSE(evil.Login({{"user", "x\"\n{\"event\":\"forged\"}\\\x01\xff"}, {"database", "app"}}));
  evil.Close();
  process.process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return ReadFile(file).find("\"reloaded\"") != std::string::npos; }));
  ASSERT_TRUE(Eventually([&] { return ReadFile(file).find("\"stats\"") != std::string::npos; }));
  process.process().Signal(SIGTERM);
  EXPECT_EQ(process.process().WaitExit(), 0);
  // PostgreSQL is a good JSON parser.
  Connection judge = Direct();
  std::vector<std::string> events;
  for (const std::string& line : LinesOf(file)) {
    const Result event = judge.Params(
        "SELECT j->>'event', j->>'time' IS NOT NULL AND j->>'level' IS NOT NULL FROM (SELECT $1::json j) x", {line});
    ASSERT_TRUE(event.ok()) << event.error() << line;
    EXPECT_FALSE(event.Value(0, 0).empty()) << line;
    EXPECT_EQ(event.Value(0, 1), "t") << line;
    events.push_back(event.Value(0, 0));
  }
  for (const std::string wanted : {"started", "client_login", "login_failed", "reloaded", "stats", "stopped"}) {
    EXPECT_NE(std::find(events.begin(), events.end(), wanted), events.end()) << "no event " << wanted;
  }
  EXPECT_EQ(std::find(events.begin(), events.end(), "forged"), events.end());
}

TEST_F(OperationsTest, LogfileIsOpenedAgainAfterARotation) {
  const std::string file = folder_.File("weir.log"), rotated = folder_.File("weir.log.1");
  PgweirProcess& process = Start("logfile = \"" + file + "\"\n");
  EXPECT_TRUE(ConnectTo(process).ok());
  ASSERT_TRUE(Eventually([&] { return ReadFile(file).find("client_login") != std::string::npos; }));
  std::filesystem::rename(file, rotated);
  process.process().Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return ReadFile(file).find("reloaded") != std::string::npos; }));
  EXPECT_TRUE(ConnectTo(process).ok());
  EXPECT_TRUE(Eventually([&] { return ReadFile(file).find("client_login") != std::string::npos; }));
  EXPECT_EQ(ReadFile(rotated).find("reloaded"), std::string::npos);
}

void WithoutIoUring(const std::function<void()>& test) {
  std::thread([&] {
    ForbidHere(SYS_io_uring_setup);
    test();
  }).join();
}

TEST_F(OperationsTest, WhereIoUringIsForbiddenItGoesWithout) {
  WithoutIoUring([this] {
    PgweirProcess& pgweir = Start("");
    EXPECT_TRUE(pgweir.WaitForLog("started .*io_method=\"sync \\(io_uring: Operation not permitted\\)\"")) << pgweir.log();
    EXPECT_EQ(ConnectTo(pgweir).Value("SELECT 1"), "1");
    process_.reset();
  });
}

TEST_F(OperationsTest, IoUringThatIsWantedAndForbiddenIsAnError) {
  PgweirProcess& process = Start("");
  const std::string port = std::to_string(FreePort());
  WithoutIoUring([&] {
    const auto refused = RunProgram({.arguments = {PgweirProcess::Binary(), process.config_file(), "-s", "io_method=io_uring", "-s",
                                                   "unix_socket_dir=", "-s", "http_listen_port=0", "-s", "listen_port=" + port},
                                     .user = UnprivilegedUser()});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_LT(refused.exit_code, 128);
    EXPECT_NE(refused.output.find("io_method = io_uring cannot be had: Operation not permitted"), std::string::npos) << refused.output;
  });
}

TEST_F(OperationsTest, IoMethodSyncSendsAtOnce) {
  PgweirProcess& pgweir = Start("io_method = \"sync\"");
  EXPECT_TRUE(pgweir.WaitForLog("started .*io_method=sync ")) << pgweir.log();
  EXPECT_EQ(ConnectTo(pgweir).Value("SELECT 1"), "1");
}

TEST_F(OperationsTest, PidfileIsWrittenAndRemoved) {
  const std::string file = folder_.File("weir.pid");
  PgweirProcess& process = Start("pidfile = \"" + file + "\"\n");
  ASSERT_TRUE(Eventually([&] { return !ReadFile(file).empty(); }));
  EXPECT_EQ(ReadFile(file), std::to_string(process.process().pid()) + "\n");
  process.process().Signal(SIGTERM);
  EXPECT_EQ(process.process().WaitExit(), 0);
  EXPECT_FALSE(std::filesystem::exists(file));
}

// --- systemd -------------------------------------------------------------------------------------------------------

TEST_F(OperationsTest, TellsSystemdWhereItIs) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder_.File("notify");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(chmod(path.c_str(), 0777), 0);
  const auto next = [fd] {
    pollfd one{fd, POLLIN, 0};
    char bytes[512];
    if (poll(&one, 1, 10'000) <= 0) return std::string("nothing came");
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    return std::string(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  };
  const auto is = [](const std::string& text, const std::string& word) {
    return ("\n" + text + "\n").find("\n" + word + "\n") != std::string::npos;
  };
  PgweirProcess& process = Start("", {.environment = {"NOTIFY_SOCKET=" + path}, .arguments = {}});
  EXPECT_PRED2(is, next(), "READY=1");
  process.process().Signal(SIGHUP);
  const std::string reloading = next();
  EXPECT_PRED2(is, reloading, "RELOADING=1");
  EXPECT_NE(reloading.find("MONOTONIC_USEC="), std::string::npos) << "Type=notify-reload needs the time: " << reloading;
  EXPECT_PRED2(is, next(), "READY=1");
  process.WriteConfigText("[pgweir]\nbroken = 1\n");
  process.process().Signal(SIGHUP);
  EXPECT_PRED2(is, next(), "RELOADING=1");
  EXPECT_PRED2(is, next(), "READY=1") << "systemd would wait for ever after a refused reload";
  process.process().Signal(SIGTERM);
  EXPECT_PRED2(is, next(), "STOPPING=1");
  EXPECT_EQ(process.process().WaitExit(), 0);
  close(fd);
}

// --- command line and sources --------------------------------------------------------------------------------------

TEST_F(OperationsTest, CheckConnectLogsInAndComparesTheCaps) {
  const auto check = [&](const std::string& global, const std::string& section) {
    WriteFile(folder_.File("users"), "\"app\" \"secret\"\n");
    WriteFile(folder_.File("check.toml"), "[pgweir]\nauth_file = \"users\"\n" + global + section);
    return RunProgram({.arguments = {PgweirProcess::Binary(), "check", folder_.File("check.toml"), "--connect"}});
  };
  const FinishedProcess good = check("", DatabaseSection("app", "pool_size = 10\n"));
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_NE(good.output.find("logged in as app"), std::string::npos) << good.output;
  EXPECT_NE(good.output.find("up to 10 connections"), std::string::npos) << good.output;
  const FinishedProcess crowded = check("", DatabaseSection("app", "pool_size = 500\n"));
  EXPECT_EQ(crowded.exit_code, 1) << crowded.output;
  EXPECT_NE(crowded.output.find("max_db_connections"), std::string::npos) << crowded.output;
  const FinishedProcess capped = check("", DatabaseSection("app", "pool_size = 500\nmax_db_connections = 50\n"));
  EXPECT_EQ(capped.exit_code, 0) << capped.output;
  const FinishedProcess absent = check("", DatabaseSection("app", "dbname = \"no_such\"\n"));
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_NE(absent.output.find("no_such"), std::string::npos) << absent.output;
  const FinishedProcess down =
      check("", "[databases.app]\nhost = \"127.0.0.1\"\nport = " + std::to_string(FreePort()) + "\n");
  EXPECT_EQ(down.exit_code, 1);
  EXPECT_NE(down.output.find("database app at 127.0.0.1"), std::string::npos) << down.output;
  for (const auto& each : {good, crowded, absent, down}) EXPECT_EQ(each.output.find("secret"), std::string::npos);
}

TEST_F(OperationsTest, CommandLineWinsOverEnvironmentOverFile) {
  PgweirProcess& process = Start("default_pool_size = 3\nmin_pool_size = 1\n",
                                 {.environment = {"PGWEIR_DEFAULT_POOL_SIZE=6", "PGWEIR_MAX_WAITING=77"},
                                  .arguments = {"-s", "default_pool_size=9", "--set", "reserve_pool_size=2"}});
  EXPECT_EQ(ConfigRow(process, "default_pool_size"), "9 from command line");
  EXPECT_EQ(ConfigRow(process, "reserve_pool_size"), "2 from command line");
  EXPECT_EQ(ConfigRow(process, "max_waiting"), "77 from PGWEIR_MAX_WAITING");
  EXPECT_NE(ConfigRow(process, "min_pool_size").find("1 from "), std::string::npos);
  EXPECT_NE(ConfigRow(process, "min_pool_size").find("pgweir.toml:"), std::string::npos)
      << ConfigRow(process, "min_pool_size");
  process.process().Signal(SIGHUP);
  ASSERT_TRUE(process.WaitForLog(" reloaded "));
  EXPECT_EQ(ConfigRow(process, "default_pool_size"), "9 from command line") << "a reload forgot the command line";
}

TEST_F(OperationsTest, ValuesFromFilesInTheEnvironment) {
  WriteFile(folder_.File("size"), "8\n");
  WriteFile(folder_.File("admin"), "console secret\n");
  PgweirProcess& process =
      Start("admin_users = []\n", {.environment = {"PGWEIR_DEFAULT_POOL_SIZE_FILE=" + folder_.File("size"),
                                                   "PGWEIR_ADMIN_PASSWORD_FILE=" + folder_.File("admin")},
                                   .arguments = {}});
  EXPECT_EQ(ConfigRow(process, "default_pool_size").substr(0, 7), "8 from ") << ConfigRow(process, "default_pool_size");
  EXPECT_EQ(process.log().find("console secret"), std::string::npos);
}

TEST_F(OperationsTest, DatabaseUrlAloneIsAConfiguration) {
  const int port = FreePort();
  const std::string url = "postgres://app:url%20secret@127.0.0.1:" + std::to_string(SharedCluster().port()) + "/app";
  ChildProcess process({.arguments = {PgweirProcess::Binary()},
                        .output_file = folder_.File("output"),
                        .environment = {"DATABASE_URL=" + url, "PGWEIR_LISTEN_PORT=" + std::to_string(port),
                                        "PGWEIR_UNIX_SOCKET_DIR=" + folder_.path(), "PGWEIR_ADMIN_PASSWORD=console"},
                        .user = UnprivilegedUser()});
  const std::string server = "host=127.0.0.1 port=" + std::to_string(port) + " sslmode=disable gssencmode=disable ";
  ASSERT_TRUE(Eventually([&] { return Connection(server + "user=app dbname=app password='url secret'").ok(); }))
      << ReadFile(folder_.File("output"));
  Connection app(server + "user=app dbname=app password='url secret'"),
      second(server + "user=app dbname=second password='url secret'");
  EXPECT_EQ(app.Value("SELECT current_database()"), "app");
  EXPECT_EQ(second.Value("SELECT current_database()"), "second") << "the fallback leads to the same server";
  EXPECT_FALSE(Connection(server + "user=app dbname=app password=wrong").ok());
  Connection admin(server + "user=admin dbname=pgweir password=console");
  ASSERT_TRUE(admin.ok()) << admin.error();
  EXPECT_TRUE(admin.Query("SHOW VERSION").ok());
  const Result config = admin.Query("SHOW CONFIG");
  for (int row = 0; row < config.rows(); ++row) EXPECT_EQ(config.Value(row, 1).find("secret"), std::string::npos);
  EXPECT_EQ(ReadFile(folder_.File("output")).find("secret"), std::string::npos);
}

}  // namespace
}  // namespace integration
