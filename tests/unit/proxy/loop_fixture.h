// An event loop on the test's own thread, turned by hand until something is true: nothing waits for a guess of time.
// Threads: one.
#pragma once

#include <gtest/gtest.h>

#include "proxy/control_loop.h"
#include "tests/support/deadline.h"

namespace proxy {

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
