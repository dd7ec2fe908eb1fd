// An event loop on the test's own thread, turned by hand until something is true: nothing waits for a guess of time.
// Threads: one. The end-of-turn tasks of EventLoop::Run are not run here (event_loop_test has its own driver).
#pragma once

#include <event2/event.h>
#include <gtest/gtest.h>

#include "proxy/event_loop.h"
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
  void Turn(EventLoop& loop) { event_base_loop(loop.base(), EVLOOP_NONBLOCK | EVLOOP_ONCE); }
  void Turn() { Turn(loop_); }

  EventLoop loop_;
};

}  // namespace proxy
