// A timer of the control thread's loop that fires again and again.
//
// What: after each call it asks anew how long to wait, so that a reload's stats_period counts from the next period on.
// Threads: the thread of the loop. Ownership: ends with the object; the callback must not destroy it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

struct event;
struct event_base;

namespace admin {

class PeriodicTimer {
 public:
  using Period = std::function<std::chrono::microseconds()>;
  PeriodicTimer(event_base* base, Period period, std::function<void()> on_tick);
  PeriodicTimer(const PeriodicTimer&) = delete;
  PeriodicTimer& operator=(const PeriodicTimer&) = delete;
  ~PeriodicTimer();

 private:
  void Arm();

  Period period_;
  std::function<void()> on_tick_;
  event* event_;
};

}  // namespace admin
