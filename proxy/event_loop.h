// One libevent loop, the mailbox through which other threads reach it, and its timers.
//
// What: EventLoop turns (one wait, then everything that is ready, then the end of the turn: tasks and the dead). Post is the
// only call that other threads may make. Timer is for rare things; timeouts that many connections share are in TimeoutQueue.
// Threads: an EventLoop belongs to the thread that runs it, except Post and Stop. Ownership: timers borrow the loop.
#pragma once

#include <event2/event_struct.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pool/time.h"

struct event_base;

namespace proxy {

// CLOCK_MONOTONIC, read without a syscall; inside a turn of a loop a reading serves several calls, so it may be some of them old.
pool::TimePoint Now();

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Run();   // until Stop
  void Stop();  // any thread
  // Any thread: runs `task` on this loop in a later turn, in the order posted. Wakes the loop once for many tasks.
  void Post(std::function<void()> task);
  // This thread only: runs `task` when the current turn ends; where objects are deleted that may be on the stack.
  void AtEndOfTurn(std::function<void()> task) { end_of_turn_.push_back(std::move(task)); }

  event_base* base() const { return base_; }
  std::string Library() const;  // "libevent 2.1.12-stable (epoll)", for the log
  uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  static void OnWake(int fd, short what, void* self);
  void RunPosted();
  event_base* base_ = nullptr;
  int wake_fd_ = -1;
  event wake_event_{};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::vector<std::function<void()>> end_of_turn_;
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> turns_{0};
};

// A one-shot timer for rare things. Start again moves it.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void Start(pool::Duration after);
  void Stop();

 private:
  static void OnFire(int fd, short what, void* self);
  event event_{};
  std::function<void()> fire_;
};

// A signal that arrives as a call on the loop.
// A timer that is set all the time: by a timerfd, for while a timer of libevent's own is set, its loop reads the clock twice more in
// every turn.
class Alarm {
 public:
  Alarm(EventLoop& loop, std::function<void()> fire);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  void Set(pool::TimePoint at);  // replaces the time before

 private:
  static void OnFire(int fd, short what, void* self);
  int fd_;
  event event_{};
  std::function<void()> fire_;
};

class SignalWatch {
 public:
  SignalWatch(EventLoop& loop, int signal, std::function<void()> fire);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  static void OnFire(int fd, short what, void* self);
  event event_{};
  std::function<void()> fire_;
};

}  // namespace proxy
