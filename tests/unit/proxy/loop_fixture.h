// An event loop on the test's own thread, turned by hand until something is true: nothing waits for a guess of time.
// Threads: one.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "proxy/control_loop.h"
#include "tests/support/deadline.h"

namespace proxy {

// What has arrived at a non-blocking socket; at most `limit` bytes.
inline std::string TakeAll(int fd, size_t limit = SIZE_MAX) {
  std::string all;
  char bytes[16 * 1024];
  while (all.size() < limit) {
    const ssize_t n = recv(fd, bytes, std::min(sizeof bytes, limit - all.size()), 0);
    if (n <= 0) break;
    all.append(bytes, static_cast<size_t>(n));
  }
  return all;
}

class LoopTest : public testing::Test {
 protected:
  // False when the patience ended first.
  template <class Condition>
  bool Until(Condition&& condition) {
    return test_support::Eventually([&] {
      Turn();
      return condition();
    });
  }
  void Turn(EventLoop& loop) {
    while (loop.Turn(EventLoop::Wait::kNo)) {
    }
  }
  void Turn() {
    control_.Turn();  // what of it is libevent's
    Turn(loop_);
  }

  ControlLoop control_;
  EventLoop& loop_ = control_.loop();
};

}  // namespace proxy
