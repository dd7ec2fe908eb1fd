#include "tests/support/child_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <sstream>

#include "tests/support/temporary_folder.h"

namespace test_support {
namespace {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

std::optional<Identity> FindUser(const std::string& name) {
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return Identity{entry->pw_uid, entry->pw_gid};
}

[[noreturn]] void FailInChild(const char* what) {
  perror(what);
  _exit(127);
}

std::string ProcFile(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

size_t StatusBytes(pid_t pid, const std::string& key) {
  std::istringstream lines(ReadFile(ProcFile(pid, "status")));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key, 0) == 0) return std::strtoul(line.c_str() + key.size(), nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& options) {
  // Everything that allocates happens before fork: the parent may have other threads.
  std::vector<char*> arguments;
  for (const std::string& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    // The switches of the tests (PGWEIR_TEST_..., PGWEIR_CHAOS_...) are no keys of pgweir, and it says so.
    const std::string_view text(*entry);
    if (!text.starts_with("PGWEIR_") && !text.starts_with("DATABASE_URL")) environment.push_back(*entry);
  }
  for (const std::string& entry : options.environment) environment.push_back(const_cast<char*>(entry.c_str()));
  environment.push_back(nullptr);
  std::optional<Identity> identity;
  if (!options.user.empty()) {
    identity = FindUser(options.user);
    if (!identity) throw std::runtime_error("no user " + options.user);
  }
  const std::string output = options.output_file.empty() ? "/dev/null" : options.output_file;
  const pid_t parent = getpid();

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;

  const int input = open("/dev/null", O_RDONLY);
  const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (input < 0 || file < 0 || dup2(input, 0) < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0)
    FailInChild(output.c_str());
  close_range(3, ~0U, 0);
  if (identity && (setgroups(0, nullptr) != 0 || setgid(identity->gid) != 0 || setuid(identity->uid) != 0)) {
    FailInChild("setuid");
  }
  // After setuid, which clears it. The parent may have died in between.
  if (prctl(PR_SET_PDEATHSIG, options.death_signal) != 0 || getppid() != parent) _exit(127);
  const rlimit open_files{options.open_files_max, options.open_files_max};
  if (options.open_files_max > 0 && setrlimit(RLIMIT_NOFILE, &open_files) != 0) FailInChild("setrlimit");
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (chdir("/") != 0) FailInChild("chdir");
  execve(arguments[0], arguments.data(), environment.data());
  FailInChild(arguments[0]);
}

ChildProcess::~ChildProcess() {
  if (!IsRunning()) return;
  kill(pid_, SIGKILL);
  kill(pid_, SIGCONT);
  WaitExit();
}

void ChildProcess::Signal(int signal_number) {
  if (IsRunning()) kill(pid_, signal_number);
}

bool ChildProcess::IsRunning() {
  if (exit_code_) return false;
  int status = 0;
  const pid_t got = waitpid(pid_, &status, WNOHANG);
  if (got == 0) return true;
  exit_code_ = got < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

std::optional<int> ChildProcess::WaitExit(Milliseconds patience) {
  Eventually([&] { return !IsRunning(); }, patience);
  return exit_code_;
}

size_t ChildProcess::ResidentBytes() const { return StatusBytes(pid_, "VmRSS:"); }
size_t ChildProcess::PeakResidentBytes() const { return StatusBytes(pid_, "VmHWM:"); }

size_t ChildProcess::OpenFiles() const {
  size_t count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(ProcFile(pid_, "fd"), error)) {
    (void)entry;
    ++count;
  }
  return count;
}

double ChildProcess::CpuSeconds() const {
  // Fields 14 and 15 of /proc/pid/stat; the name in field 2 may hold blanks, so count from its ')'.
  const std::string stat = ReadFile(ProcFile(pid_, "stat"));
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(stat.substr(after_name + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> ChildProcess::Children() const {
  // Not /proc/pid/task/*/children: kernels without CONFIG_PROC_CHILDREN have none.
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string stat = ReadFile(ProcFile(pid, "stat"));
    const size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    std::istringstream fields(stat.substr(after_name + 1));
    std::string state;
    pid_t parent = 0;
    fields >> state >> parent;
    if (parent == pid_) children.push_back(pid);
  }
  return children;
}

FinishedProcess RunProgram(ChildOptions options, Milliseconds patience) {
  const TemporaryFolder folder;
  GiveToUnprivilegedUser(folder.path());
  options.output_file = folder.File("output");
  ChildProcess child(options);
  const std::optional<int> code = child.WaitExit(patience);
  if (!code) throw TimedOut(options.arguments[0] + ": " + ReadFile(options.output_file));
  return {*code, ReadFile(options.output_file)};
}

std::string UnprivilegedUser() {
  if (geteuid() != 0) return "";
  return FindUser("postgres") ? "postgres" : "nobody";
}

std::string OwnUser() {
  const passwd* own = getpwuid(geteuid());
  return own != nullptr ? own->pw_name : "";
}

void GiveToUnprivilegedUser(const std::string& path) {
  const std::string user = UnprivilegedUser();
  if (user.empty()) return;
  const Identity identity = FindUser(user).value();
  auto give = [&](const std::string& one) {
    if (lchown(one.c_str(), identity.uid, identity.gid) != 0) throw std::runtime_error("chown " + one);
  };
  give(path);
  if (!std::filesystem::is_directory(path)) return;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) give(entry.path());
}

int FreePort() {
  thread_local std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int> ports(15000, 32000);
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = ports(random);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (is_free) return port;
  }
  throw std::runtime_error("no free TCP port");
}

}  // namespace test_support
