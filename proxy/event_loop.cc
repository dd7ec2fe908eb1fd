#include "proxy/event_loop.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "pool/check.h"
#include "proxy/send_batch.h"
#include "proxy/system_calls.h"

namespace proxy {

namespace {

// Inside a turn of this thread's loop the clock is read once in so many times: the path of a query asks for it five times.
constexpr int kUsesOfOneReading = 8;
// So many are ready before what they send leaves together. One has nothing to share with; two did not save what the ring costs (10 clients: with
// two 0.90 of PgBouncer's CPU, with three 0.83; 2 clients that log in again and again: 0.96 and 0.92).
constexpr int kBatchedFrom = 3;
thread_local bool in_turn = false;
thread_local int uses_left = 0;
thread_local pool::TimePoint last_reading;

void Drain(int fd) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) < 0) return;  // a timer that was set anew meanwhile
}

}  // namespace

pool::TimePoint Now() {
  if (uses_left > 0) {
    --uses_left;
    return last_reading;
  }
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  last_reading = pool::TimePoint(pool::Duration(int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
  if (in_turn) uses_left = kUsesOfOneReading - 1;
  return last_reading;
}

// --- Watch ---------------------------------------------------------------------------------------------------------------

Watch::~Watch() {
  if (loop_ != nullptr) Leave();
}

void Watch::Change(uint32_t what) {
  const int operation = what == 0 ? EPOLL_CTL_DEL : wanted_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  wanted_ = what;
  loop_->Control(operation, *this);
}

void Watch::Again() {
  auto& again = loop_->again_;
  if (std::find(again.begin(), again.end(), this) == again.end()) again.push_back(this);
}

void Watch::Leave() {
  Want(0);
  loop_->Forget(*this);
  loop_ = nullptr;
}

void Watch::MoveTo(EventLoop& loop) {
  if (loop_ != nullptr) Leave();
  loop_ = &loop;
}

// --- EventLoop -----------------------------------------------------------------------------------------------------------

EventLoop::EventLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      timer_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      wake_watch_(*this, wake_fd_, [](void* self, uint32_t) { static_cast<EventLoop*>(self)->RunPosted(); }, this),
      timer_watch_(*this, timer_fd_, [](void* self, uint32_t) { static_cast<EventLoop*>(self)->RunTimers(); }, this) {
  PGWEIR_CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0 && timer_fd_ >= 0);
  wake_watch_.Want(Watch::kRead);
  timer_watch_.Want(Watch::kRead);
}

EventLoop::~EventLoop() {
  end_of_turn_.clear();
  posted_.clear();
  wake_watch_.Leave();
  timer_watch_.Leave();
  close(wake_fd_);
  close(timer_fd_);
  close(epoll_fd_);
}

void EventLoop::Control(int operation, Watch& watch) {
  epoll_event interest{};
  interest.events = watch.wanted_;
  interest.data.ptr = &watch;
  PGWEIR_CHECK(epoll_ctl(epoll_fd_, operation, watch.fd_, &interest) == 0);
}

// It may be among those that this turn still has to tell.
void EventLoop::Forget(Watch& watch) {
  for (size_t i = ready_from_; i < ready_count_; ++i) {
    if (ready_[i].data.ptr == &watch) ready_[i].data.ptr = nullptr;
  }
  std::erase(again_, &watch);
  std::replace(again_now_.begin(), again_now_.end(), &watch, static_cast<Watch*>(nullptr));
}

void EventLoop::Run() {
  while (!is_stopped()) Turn(Wait::kYes);
}

bool EventLoop::Turn(Wait wait) {
  const bool waits = wait == Wait::kYes && again_.empty();
  const int count = WaitForEvents(epoll_fd_, ready_.data(), static_cast<int>(ready_.size()), waits ? -1 : 0);
  PGWEIR_CHECK(count >= 0 || errno == EINTR);
  in_turn = true;
  if (count >= kBatchedFrom) open_batch_ = batch_.get();
  again_now_.swap(again_);
  Dispatch(std::max(count, 0));
  turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  EndTurn();
  in_turn = false;
  uses_left = 0;  // what comes next may come much later
  return !again_.empty();
}

void EventLoop::Dispatch(int count) {
  ready_count_ = static_cast<size_t>(count);
  for (size_t i = 0; i < ready_count_; ++i) {
    ready_from_ = i;
    // Looked up again before each call: the one before may have ended the watch, or wants something else now.
    const auto tell = [this, i](uint32_t what) {
      auto* watch = static_cast<Watch*>(ready_[i].data.ptr);
      if (watch == nullptr || (watch->wanted_ & what) == 0) return;
      if ((ready_[i].events & (what | EPOLLHUP | EPOLLERR)) != 0) watch->fire_(watch->owner_, what);
    };
    if ((ready_[i].events & ~EPOLLIN) != 0) {
      tell(Watch::kHangup);
      tell(Watch::kWrite);
    }
    tell(Watch::kRead);
  }
  ready_from_ = ready_count_ = 0;
  for (size_t i = 0; i < again_now_.size(); ++i) {
    Watch* watch = again_now_[i];
    if (watch != nullptr && (watch->wanted_ & Watch::kRead) != 0) watch->fire_(watch->owner_, Watch::kRead);
  }
  again_now_.clear();
}

// What a task sends, and what it adds, still belongs to this turn.
void EventLoop::EndTurn() {
  for (;;) {
    if (open_batch_ != nullptr) open_batch_->Send();
    if (end_of_turn_.empty()) break;
    for (size_t i = 0; i < end_of_turn_.size(); ++i) {
      auto task = std::move(end_of_turn_[i]);
      task();
    }
    end_of_turn_.clear();
  }
  open_batch_ = nullptr;
}

void EventLoop::UseBatch(std::unique_ptr<SendBatch> batch) { batch_ = std::move(batch); }

void EventLoop::Gather() {
  if (in_turn) open_batch_ = batch_.get();
}

void EventLoop::Stop() {
  stopped_.store(true, std::memory_order_relaxed);
  Post([] {});
}

void EventLoop::Post(std::function<void()> task) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (!first) return;
  const uint64_t one = 1;
  // A full counter cannot happen (it holds 2^64 - 2), and a short write does not exist for an eventfd.
  if (write(wake_fd_, &one, sizeof one) < 0) return;
}

void EventLoop::RunPosted() {
  Drain(wake_fd_);
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  Gather();  // they may be many
  for (auto& task : tasks) task();
}

// --- Timer ---------------------------------------------------------------------------------------------------------------

Timer::Timer(EventLoop& loop, std::function<void()> fire) : loop_(loop), place_(loop.timers_.end()), fire_(std::move(fire)) {}

// Never of this moment: one that starts itself again from its callback must not keep the loop from its next turn.
void Timer::Start(pool::Duration after) { StartAt(Now() + std::max(after, pool::Duration(1))); }

void Timer::StartAt(pool::TimePoint due) {
  Stop();
  place_ = loop_.timers_.emplace(due, this);
  loop_.WakeBy(due);
}

void Timer::Stop() {
  if (place_ == loop_.timers_.end()) return;
  loop_.timers_.erase(place_);
  place_ = loop_.timers_.end();
}

// A timer that is stopped leaves the descriptor armed: it wakes once for nothing, which is rarer than timers are stopped.
void EventLoop::WakeBy(pool::TimePoint due) {
  if (due >= armed_for_) return;
  armed_for_ = due;
  const int64_t us = std::max<int64_t>(due.time_since_epoch().count(), 1);  // 0 would be "never"
  const itimerspec when{{}, {static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000) * 1000}};
  PGWEIR_CHECK(timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
}

void EventLoop::RunTimers() {
  Drain(timer_fd_);
  armed_for_ = pool::kNever;
  const pool::TimePoint now = Now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Timer& timer = *timers_.begin()->second;
    timer.Stop();
    const auto fire = timer.fire_;  // the callback may destroy the timer
    fire();
  }
  if (!timers_.empty()) WakeBy(timers_.begin()->first);
}

}  // namespace proxy
