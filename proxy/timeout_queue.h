// Timeouts that many connections share: one sorted list per timeout value, one timer of the system for all of them.
//
// What: every entry of a list has the same length, so appending keeps it sorted: arming and disarming are O(1) with no
// allocation and no syscall. The timer is armed for the earliest head and is allowed to fire early and look again.
// Exact: an entry fires at its time (to the microsecond, and the turn), never at the next tick of something.
// Threads: one loop. Ownership: entries are members of their connections and leave the queue in their destructor.
#pragma once

#include <memory>
#include <vector>

#include "pool/intrusive_list.h"
#include "pool/time.h"
#include "proxy/event_loop.h"

namespace proxy {

class TimeoutQueue;

class Timeout {
 public:
  using Fire = void (*)(void* owner);
  Timeout() = default;
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;
  ~Timeout() { Disarm(); }
  // after 0 = off. Arming again replaces.
  void Arm(TimeoutQueue& queue, pool::Duration after, Fire fire, void* owner) {
    if (after.count() <= 0) return Disarm();  // most are off, and this is asked several times for each query
    ArmAt(queue, after, Now() + after, fire, owner);
  }
  // For a deadline that began earlier than now (a waiter that goes back to where it stood).
  void ArmAt(TimeoutQueue& queue, pool::Duration length, pool::TimePoint due, Fire fire, void* owner);
  void Disarm() {
    if (list_ != nullptr) Leave();
  }
  bool is_armed() const { return list_ != nullptr; }
  pool::TimePoint due() const { return due_; }

 private:
  friend class TimeoutQueue;
  void Leave();
  struct List;
  pool::ListLinks<Timeout> links_;
  List* list_ = nullptr;
  pool::TimePoint due_{};
  Fire fire_ = nullptr;
  void* owner_ = nullptr;
};

struct Timeout::List {
  pool::Duration length{};
  pool::IntrusiveList<Timeout, &Timeout::links_> entries;
};

class TimeoutQueue {
 public:
  explicit TimeoutQueue(EventLoop& loop);

 private:
  friend class Timeout;
  Timeout::List& ListFor(pool::Duration length);
  void WakeBy(pool::TimePoint due);
  void OnAlarm();
  std::vector<std::unique_ptr<Timeout::List>> lists_;  // one per configured value: a handful
  Timer alarm_;
  pool::TimePoint armed_for_ = pool::kNever;
};

}  // namespace proxy
