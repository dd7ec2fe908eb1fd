// One loop over epoll, the mailbox through which other threads reach it, its timers, and what it watches.
//
// What: EventLoop turns (one wait, then everything that is ready, then the end of the turn: what was sent leaves, tasks, the dead). Post is the
// only call that other threads may make. Timer is for rare things; timeouts that many connections share are in TimeoutQueue.
// Why not libevent: of the instructions of a simple round trip a fifth were its queues, its map of descriptors and its clocks
// (1,170 of 5,916, tests/bench/instructions), and its `event` is 128 bytes of an idle client where a Watch has 40. The control
// thread, which no query passes, has libevent around such a loop: control_loop.h.
// Threads: an EventLoop belongs to the thread that runs it, except Post and Stop. Ownership: timers and watches borrow the loop.
// Limits: kReadyMax descriptors are told of in one turn; the others in the next.
// Sources: epoll(7), timerfd_create(2), eventfd(2).
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "pool/time.h"

namespace proxy {

inline constexpr size_t kReadyMax = 256;

// CLOCK_MONOTONIC, read without a syscall; inside a turn of a loop a reading serves several calls, so it may be some of them old.
pool::TimePoint Now();

class EventLoop;
class SendBatch;

// The interest in one descriptor. Level-triggered: told in each turn in which it is still so.
// A descriptor that has failed or was hung up is ready for everything that is wanted of it.
// It is to want nothing before its descriptor is closed. close(2) alone would not do: while a process that was forked has the same open
// file, until its exec (a PAM module's helper), epoll goes on telling of it, with a pointer to what is no more (epoll(7), Q6).
class Watch {
 public:
  static constexpr uint32_t kRead = EPOLLIN, kWrite = EPOLLOUT, kHangup = EPOLLRDHUP;
  using Fire = void (*)(void* owner, uint32_t ready);  // exactly one of the above; kWrite comes before kRead
  Watch(EventLoop& loop, int fd, Fire fire, void* owner) : loop_(&loop), fire_(fire), owner_(owner), fd_(fd) {}
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void Want(uint32_t what) {  // 0 = nothing; no syscall where nothing changes
    if (what != wanted_) Change(what);
  }
  uint32_t wanted() const { return wanted_; }
  void Again();              // kRead comes in the next turn whatever the descriptor says; once, and only while it is wanted
  void Leave();  // wants nothing, and belongs to no loop
  void MoveTo(EventLoop& loop);
  SendBatch* batch() const;  // of the loop's turn at hand, or nullptr

 private:
  friend class EventLoop;
  void Change(uint32_t what);
  EventLoop* loop_;
  Fire fire_;
  void* owner_;
  int fd_;
  uint32_t wanted_ = 0;
};

// A one-shot timer. Start again moves it. The callback may destroy it.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> fire);
  ~Timer() { Stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void Start(pool::Duration after);
  void StartAt(pool::TimePoint due);
  void Stop();

 private:
  friend class EventLoop;
  EventLoop& loop_;
  std::multimap<pool::TimePoint, Timer*>::iterator place_;
  std::function<void()> fire_;
};

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Run();   // until Stop
  void Stop();  // any thread
  bool is_stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // Any thread: runs `task` on this loop in a later turn, in the order posted. Wakes the loop once for many tasks.
  void Post(std::function<void()> task);
  // This thread only: runs `task` when the current turn ends; where objects are deleted that may be on the stack.
  void AtEndOfTurn(std::function<void()> task) { end_of_turn_.push_back(std::move(task)); }

  // From here on what its sockets send in a turn leaves together (send_batch.h). This thread only.
  void UseBatch(std::unique_ptr<SendBatch> batch);
  // Also in this turn, although little is ready: for who sends twice to one.
  void Gather();

  // For a loop around this one: a turn without waiting is due when `fd` is readable, and when the turn before said so.
  int fd() const { return epoll_fd_; }
  enum class Wait : uint8_t { kNo, kYes };
  bool Turn(Wait wait);  // true: another one is due at once
  uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  friend class Watch;
  friend class Timer;
  void Control(int operation, Watch& watch);
  void Forget(Watch& watch);
  void Dispatch(int count);
  void EndTurn();
  void RunPosted();
  void RunTimers();
  void WakeBy(pool::TimePoint due);

  int epoll_fd_, wake_fd_, timer_fd_;
  Watch wake_watch_, timer_watch_;
  std::unique_ptr<SendBatch> batch_;
  SendBatch* open_batch_ = nullptr;  // batch_, inside of a turn
  std::array<epoll_event, kReadyMax> ready_;
  size_t ready_from_ = 0, ready_count_ = 0;  // those of this turn that have not been told
  std::vector<Watch*> again_, again_now_;
  std::multimap<pool::TimePoint, Timer*> timers_;
  pool::TimePoint armed_for_ = pool::kNever;  // timer_fd_ is
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::vector<std::function<void()>> end_of_turn_;
  std::atomic<bool> stopped_{false};
  std::atomic<uint64_t> turns_{0};
};

inline SendBatch* Watch::batch() const { return loop_ == nullptr ? nullptr : loop_->open_batch_; }

}  // namespace proxy
