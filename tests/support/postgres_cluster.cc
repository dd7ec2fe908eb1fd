#include "tests/support/postgres_cluster.h"

#include <libpq-fe.h>

#include <filesystem>

namespace test_support {
namespace {

// Beyond initdb's: nothing that a crash of the machine must survive, nothing that runs by itself in the middle of a
// test.
const std::vector<std::string> kFixedSettings = {
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "shared_buffers=32MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "log_line_prefix=%m [%p] ",
    "logging_collector=off",
    "listen_addresses=127.0.0.1",
    "max_wal_size=2GB",
    "log_min_messages=warning",
    "jit=off",
};

void RunOrThrow(std::vector<std::string> arguments) {
  const FinishedProcess done = RunProgram({.arguments = std::move(arguments), .user = UnprivilegedUser()});
  if (done.exit_code != 0) throw std::runtime_error(done.output);
}

// The template lives until the test program ends.
const TemporaryFolder& Template() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    GiveToUnprivilegedUser(folder.path());
    RunOrThrow({PostgresCluster::BinaryFolder() + "/initdb", "--no-sync", "--auth=trust", "--username=postgres",
                "--locale=C.UTF-8", "--encoding=UTF8", "--pgdata=" + folder.File("data")});
    return true;
  }();
  (void)made;
  return folder;
}

}  // namespace

std::string PostgresCluster::BinaryFolder() {
  int newest = 0;
  std::string best;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > newest && std::filesystem::exists(entry.path() / "bin/initdb")) {
      newest = version;
      best = (entry.path() / "bin").string();
    }
  }
  if (best.empty()) throw std::runtime_error("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql");
  return best;
}

PostgresCluster::PostgresCluster(PostgresOptions options) : options_(std::move(options)) {
  GiveToUnprivilegedUser(folder_.path());
  GiveToUnprivilegedUser(sockets_.path());
  data_folder_ = folder_.File("data");
  log_file_ = folder_.File("log");
  RunOrThrow({"/bin/cp", "-a", Template().File("data"), data_folder_});
  if (!options_.tls_cert_file.empty()) {
    const std::pair<std::string, std::string> files[] = {{options_.tls_cert_file, "server.crt"},
                                                         {options_.tls_key_file, "server.key"},
                                                         {options_.tls_ca_file, "root.crt"}};
    for (const auto& [from, name] : files) {
      if (from.empty()) continue;
      const std::string to = data_folder_ + "/" + name;
      std::filesystem::copy_file(from, to);
      std::filesystem::permissions(to, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
      GiveToUnprivilegedUser(to);
    }
  }
  WriteHba(options_.hba_lines);
  port_ = FreePort();
  Start();
}

PostgresCluster::~PostgresCluster() {
  if (!server_) return;
  Continue();
  server_->Signal(SIGQUIT);
  server_->WaitExit();
}

void PostgresCluster::WriteHba(const std::vector<std::string>& lines) const {
  std::string text = "local all postgres trust\n";
  for (const std::string& line : lines) text += line + "\n";
  if (lines.empty()) text += "local all all trust\nhost all all 127.0.0.1/32 trust\n";
  WriteFile(data_folder_ + "/pg_hba.conf", text);
  GiveToUnprivilegedUser(data_folder_ + "/pg_hba.conf");
}

void PostgresCluster::Start() {
  ChildOptions child;
  child.arguments = {BinaryFolder() + "/postgres", "-D", data_folder_,   "-p",
                     std::to_string(port_),        "-k", sockets_.path()};
  auto set = [&](const std::string& setting) { child.arguments.insert(child.arguments.end(), {"-c", setting}); };
  for (const std::string& setting : kFixedSettings) set(setting);
  set("max_connections=" + std::to_string(options_.max_connections));
  if (!options_.tls_cert_file.empty()) set("ssl=on");
  if (!options_.tls_ca_file.empty()) set("ssl_ca_file=root.crt");
  for (const std::string& setting : options_.settings) set(setting);
  child.output_file = log_file_;
  child.user = UnprivilegedUser();
  child.death_signal = SIGQUIT;  // an immediate shutdown, which also removes the shared memory
  server_ = std::make_unique<ChildProcess>(child);
  const std::string probe = SuperuserString() + " connect_timeout=5";
  const bool is_up = Eventually(
      [&] {
        if (!server_->IsRunning()) throw std::runtime_error("PostgreSQL did not start: " + log());
        return PQping(probe.c_str()) == PQPING_OK;
      },
      Milliseconds(30'000));
  if (!is_up) throw TimedOut("PostgreSQL does not answer: " + log());
}

void PostgresCluster::Stop(StopMode mode) {
  server_->Signal(mode == StopMode::kFast ? SIGINT : SIGQUIT);
  if (!server_->WaitExit(Milliseconds(30'000))) throw TimedOut("PostgreSQL does not stop: " + log());
  server_.reset();
}

void PostgresCluster::Restart(StopMode mode) {
  Stop(mode);
  Start();
}

void PostgresCluster::BecomeStandby() {
  Stop(StopMode::kFast);
  WriteFile(data_folder_ + "/standby.signal", "");
  GiveToUnprivilegedUser(data_folder_ + "/standby.signal");
  Start();
}

void PostgresCluster::Pause() {
  server_->Signal(SIGSTOP);  // first, so that it starts no further process
  paused_ = server_->Children();
  for (const pid_t pid : paused_) kill(pid, SIGSTOP);
}

void PostgresCluster::Continue() {
  for (const pid_t pid : paused_) kill(pid, SIGCONT);
  paused_.clear();
  if (server_) server_->Signal(SIGCONT);
}

void PostgresCluster::Reload(const std::vector<std::string>& hba_lines) {
  WriteHba(hba_lines);
  server_->Signal(SIGHUP);
}

std::string PostgresCluster::ConnectionString(const std::string& user, const std::string& database) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user='" + user + "' dbname='" + database +
         "' sslmode=prefer gssencmode=disable";
}

std::string PostgresCluster::SuperuserString(const std::string& database) const {
  return "host=" + sockets_.path() + " port=" + std::to_string(port_) + " user=postgres dbname='" + database + "'";
}

}  // namespace test_support
