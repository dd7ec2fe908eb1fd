#include "proxy/background.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace proxy {
namespace {

constexpr char kStarted = 1;

tl::unexpected<std::string> Failure(const std::string& what) {
  return tl::unexpected(what + ": " + std::strerror(errno));
}

}  // namespace

tl::expected<void, std::string> BecomeUser(const std::string& user) {
  errno = 0;
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) {
    return tl::unexpected("cannot run as user " + user + ": " +
                          (errno == 0 ? "there is no such user of the system" : std::strerror(errno)));
  }
  if (entry->pw_uid == geteuid() && entry->pw_uid == getuid()) return {};
  if (geteuid() != 0) {
    return tl::unexpected("cannot run as user " + user + ": only root can change the user; start pgweir as root or as " + user);
  }
  if (initgroups(user.c_str(), entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
    return Failure("cannot run as user " + user);
  }
  return {};
}

tl::expected<Background, std::string> Background::Enter() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failure("pipe");
  const pid_t first = fork();
  if (first < 0) return Failure("fork");
  if (first > 0) {
    close(ends[1]);
    char word = 0;
    ssize_t count = 0;
    do {
      count = read(ends[0], &word, 1);
    } while (count < 0 && errno == EINTR);
    // the child prints its mistakes itself
    _exit(count == 1 && word == kStarted ? 0 : 1);
  }
  close(ends[0]);
  if (setsid() < 0) return Failure("setsid");
  // not the leader of the session, so that no terminal becomes ours when one is opened
  const pid_t second = fork();
  if (second < 0) return Failure("fork");
  if (second > 0) _exit(0);
  return Background(ends[1]);
}

void Background::ReportStart() const {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) dup2(nothing, fd);
  if (nothing > STDERR_FILENO) close(nothing);
  // a parent that was killed meanwhile needs no answer
  if (write(report_fd_, &kStarted, 1) != 1) errno = 0;
  close(report_fd_);
}

}  // namespace proxy
