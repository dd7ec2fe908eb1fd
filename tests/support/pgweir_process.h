// A pgweir of a test's own: writes its configuration into a temporary folder, picks free ports, starts the binary,
// waits until it listens, keeps its log, and prints that log when the test has failed.
//
// The binary is the one of this build; PGWEIR_TEST_BINARY names another (or PGWEIR_BINARY, as demo.sh has it). Runs as
// an unprivileged user when the test is root. Threads: start and destroy from one thread that lives as long as the
// process (see child_process.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace test_support {

struct PgweirConfig {
  // Lines for [pgweir], on top of the fixture's own: listen_addr, listen_port, unix_socket_dir, http_listen_port,
  // auth_type = trust, auth_file, admin_users = ["admin"], stats_users = ["watcher"], drain_delay = "0s", workers = min_workers = 2.
  // A line here replaces the fixture's line for the same key.
  std::string global;
  std::string sections;  // [databases.X], [users.X]
  // The auth_file. With trust the secret does not matter.
  std::map<std::string, std::string> users = {
      {"postgres", ""}, {"app", ""}, {"other", ""}, {"admin", ""}, {"watcher", ""}};
};

class PgweirProcess {
 public:
  struct Options {
    std::vector<std::string> environment;
    std::vector<std::string> arguments;  // after FILE
    unsigned open_files_max = 0;         // 0 = unchanged
    int port = 0;                        // 0 = a free one
  };
  explicit PgweirProcess(const PgweirConfig& config) : PgweirProcess(config, Options{}) {}
  PgweirProcess(const PgweirConfig& config, const Options& options);
  ~PgweirProcess();

  int port() const { return port_; }
  int http_port() const { return http_port_; }
  const std::string& socket_folder() const { return folder_.path(); }
  const std::string& config_file() const { return config_file_; }
  ChildProcess& process() { return *process_; }

  // Writes a new configuration and sends SIGHUP; does not wait (see WaitForLog, or use the console's RELOAD).
  void Reload(const PgweirConfig& config);
  void WriteConfig(const PgweirConfig& config) const;
  void WriteConfigText(const std::string& toml) const { WriteFile(config_file_, toml); }

  std::string log() const { return ReadFile(log_file_); }
  // ECMAScript regular expression, searched line by line in the log from its beginning.
  bool WaitForLog(const std::string& expression, Milliseconds patience = kPatience) const;
  bool IsListening() const;
  // From /metrics: the sum of the lines of that name that have all these labels, such as `user="app"`; -1 = there is none.
  double Metric(const std::string& name, const std::vector<std::string>& labels = {}) const;

  std::string ConnectionString(const std::string& user, const std::string& database) const;
  // The console; it has two names, and under this one the fixtures can also be proven against PgBouncer.
  std::string AdminString(const std::string& user = "admin") const { return ConnectionString(user, "pgbouncer"); }

  static std::string Binary();

 private:
  std::string Toml(const PgweirConfig& config) const;
  TemporaryFolder folder_;
  std::string config_file_, log_file_;
  int port_, http_port_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace test_support
