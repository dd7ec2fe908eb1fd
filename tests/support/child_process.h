// A child process of a test: started with fork and exec, its output in a file, killed when the object or the test ends.
//
// Threads: start it from a thread that lives as long as the child should (PR_SET_PDEATHSIG is sent when the *thread*
// that forked ends); in tests that is the main thread. The other functions may be called from any one thread at a time.
// Ownership: kills only the pid that it started.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/deadline.h"

namespace test_support {

struct ChildOptions {
  std::vector<std::string> arguments;    // the first is the path of the program
  std::string output_file;               // stdout and stderr, appended; empty = /dev/null
  std::vector<std::string> environment;  // NAME=VALUE, beside the inherited ones, of which pgweir's own are left out
  std::string user;                      // run as this user, only possible for root; empty = unchanged
  int death_signal = SIGKILL;            // sent to the child when the test dies
  unsigned open_files_max = 0;           // RLIMIT_NOFILE, soft and hard; 0 = unchanged
};

class ChildProcess {
 public:
  explicit ChildProcess(const ChildOptions& options);
  ~ChildProcess();  // SIGKILL when it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal_number);
  bool IsRunning();
  // The exit code, or 128 + signal; nullopt when it still runs after the patience.
  std::optional<int> WaitExit(Milliseconds patience = kPatience);

  size_t ResidentBytes() const;      // VmRSS
  size_t PeakResidentBytes() const;  // VmHWM
  size_t OpenFiles() const;
  double CpuSeconds() const;  // user + system
  std::vector<pid_t> Children() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

struct FinishedProcess {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};
// Runs a program to its end.
FinishedProcess RunProgram(ChildOptions options, Milliseconds patience = Milliseconds(60'000));

// The user for servers that refuse to run as root: "" when we are not root, else postgres or nobody.
std::string UnprivilegedUser();
// The user that runs this test.
std::string OwnUser();
// Gives a path, and with it everything below, to UnprivilegedUser().
void GiveToUnprivilegedUser(const std::string& path);

// A TCP port on 127.0.0.1 that is free now, outside the range the kernel gives to outgoing connections.
int FreePort();

}  // namespace test_support
