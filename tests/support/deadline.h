// How tests wait: for a condition, until an overall deadline, never for a guess of time.
//
// Eventually polls every few milliseconds and says whether the condition came true; blocking calls of the fixtures
// throw TimedOut, which GoogleTest reports as a failure. Threads of a test catch it themselves.
#pragma once

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace test_support {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

inline constexpr Milliseconds kPatience{10'000};

struct TimedOut : std::runtime_error {
  explicit TimedOut(const std::string& what) : std::runtime_error("timed out: " + what) {}
};

class Deadline {
 public:
  explicit Deadline(Milliseconds patience = kPatience) : end_(Clock::now() + patience) {}
  bool passed() const { return Clock::now() >= end_; }
  // For poll(2): at least 0.
  int remaining_ms() const {
    const auto left = std::chrono::duration_cast<Milliseconds>(end_ - Clock::now()).count();
    return static_cast<int>(std::max<int64_t>(left, 0));
  }

 private:
  Clock::time_point end_;
};

template <class Condition>
bool Eventually(Condition&& condition, Milliseconds patience = kPatience) {
  const Deadline deadline(patience);
  while (!condition()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(Milliseconds(5));
  }
  return true;
}

}  // namespace test_support
