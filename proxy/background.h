// Who the process is and where it runs: another user of the system, and the background. What PgBouncer's -u and -d do.
//
// Threads: the one thread of the start, before any other exists (a fork takes only the caller along).
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace proxy {

// Real, effective and saved ids and the groups of `user`, for good. Nothing happens when that is who we are.
tl::expected<void, std::string> BecomeUser(const std::string& user);

// The process in the background, in a session of its own. Until it has started, its parent waits in the foreground and
// shows its mistakes; the exit status of the parent says how the start went, and the pidfile is there by then.
class Background {
 public:
  // Returns in the child; in the parent only when it cannot fork.
  static tl::expected<Background, std::string> Enter();
  // From here on nothing is written to or read from the terminal, and the parent ends with status 0.
  void ReportStart() const;

 private:
  explicit Background(int report_fd) : report_fd_(report_fd) {}
  int report_fd_;
};

}  // namespace proxy
