// A real PostgreSQL for a test: the newest installed version, in a temporary folder, on a free TCP port (127.0.0.1) and
// a Unix socket in that folder. Runs as an unprivileged user when the test is root.
//
// initdb runs once per test program; each cluster is a copy of that template. The superuser is "postgres" with trust
// login unless hba lines say otherwise (a first line always lets "postgres" in over the Unix socket, for the fixture
// itself). Threads: Start and Restart from a thread that lives as long as the server (see child_process.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace test_support {

struct PostgresOptions {
  int max_connections = 100;
  std::vector<std::string> settings;                     // "work_mem=8MB"
  std::vector<std::string> hba_lines;                    // empty: trust for everyone on local and 127.0.0.1
  std::string tls_cert_file, tls_key_file, tls_ca_file;  // copied into the data folder; empty = no TLS
};

enum class StopMode { kFast, kImmediate };

class PostgresCluster {
 public:
  explicit PostgresCluster(PostgresOptions options = {});  // started
  ~PostgresCluster();

  void Start();
  void Stop(StopMode mode);
  void Restart(StopMode mode);
  // From here on it only reads, as a hot standby whose primary has gone.
  void BecomeStandby();
  // SIGSTOP for the postmaster and all its processes: the kernel still accepts connections, nobody answers.
  void Pause();
  void Continue();
  void Reload(const std::vector<std::string>& hba_lines);

  int port() const { return port_; }
  const std::string& socket_folder() const { return sockets_.path(); }
  // libpq strings. The first is over TCP, the second over the Unix socket and always let in as superuser.
  std::string ConnectionString(const std::string& user = "postgres", const std::string& database = "postgres") const;
  std::string SuperuserString(const std::string& database = "postgres") const;
  std::string log() const { return ReadFile(log_file_); }

  static std::string BinaryFolder();  // of the newest /usr/lib/postgresql/*/bin

 private:
  void WriteHba(const std::vector<std::string>& lines) const;
  PostgresOptions options_;
  TemporaryFolder folder_, sockets_;
  std::string data_folder_, log_file_;
  int port_ = 0;
  std::unique_ptr<ChildProcess> server_;
  std::vector<pid_t> paused_;
};

}  // namespace test_support
