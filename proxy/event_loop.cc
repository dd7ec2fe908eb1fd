#include "proxy/event_loop.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "pool/check.h"

namespace proxy {

namespace {

// Inside a turn of this thread's loop the clock is read once in so many times: the path of a query asks for it five times.
constexpr int kUsesOfOneReading = 8;
thread_local bool in_loop = false;
thread_local int uses_left = 0;
thread_local pool::TimePoint last_reading;

}  // namespace

pool::TimePoint Now() {
  if (uses_left > 0) {
    --uses_left;
    return last_reading;
  }
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  last_reading = pool::TimePoint(pool::Duration(int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
  if (in_loop) uses_left = kUsesOfOneReading - 1;
  return last_reading;
}

EventLoop::EventLoop() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);  // only this thread touches the base: Post goes by eventfd
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  PGWEIR_CHECK(base_ != nullptr);
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  PGWEIR_CHECK(wake_fd_ >= 0);
  event_assign(&wake_event_, base_, wake_fd_, EV_READ | EV_PERSIST, &EventLoop::OnWake, this);
  event_add(&wake_event_, nullptr);
}

EventLoop::~EventLoop() {
  event_del(&wake_event_);
  close(wake_fd_);
  end_of_turn_.clear();
  posted_.clear();
  event_base_free(base_);
}

void EventLoop::Run() {
  in_loop = true;
  while (!stopped_.load(std::memory_order_relaxed)) {
    event_base_loop(base_, EVLOOP_ONCE);
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    // A task may add more: they run in this same end of turn.
    for (size_t i = 0; i < end_of_turn_.size(); ++i) {
      auto task = std::move(end_of_turn_[i]);
      task();
    }
    end_of_turn_.clear();
    uses_left = 0;  // what comes next may come much later
  }
  in_loop = false;
}

std::string EventLoop::Library() const {
  return std::string("libevent ") + event_get_version() + " (" + event_base_get_method(base_) + ")";
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

void EventLoop::OnWake(int fd, short, void* self) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) < 0) return;
  static_cast<EventLoop*>(self)->RunPosted();
}

void EventLoop::RunPosted() {
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

Timer::Timer(EventLoop& loop, std::function<void()> fire) : fire_(std::move(fire)) {
  evtimer_assign(&event_, loop.base(), &Timer::OnFire, this);
}

Timer::~Timer() { Stop(); }

void Timer::Start(pool::Duration after) {
  const int64_t us = after.count() > 0 ? after.count() : 0;
  const timeval wait{static_cast<time_t>(us / 1'000'000), static_cast<suseconds_t>(us % 1'000'000)};
  evtimer_add(&event_, &wait);
}

void Timer::Stop() { evtimer_del(&event_); }

void Timer::OnFire(int, short, void* self) {
  // The callback may destroy this timer: keep the function on the stack.
  auto fire = static_cast<Timer*>(self)->fire_;
  fire();
}

Alarm::Alarm(EventLoop& loop, std::function<void()> fire)
    : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)), fire_(std::move(fire)) {
  PGWEIR_CHECK(fd_ >= 0);
  event_assign(&event_, loop.base(), fd_, EV_READ | EV_PERSIST, &Alarm::OnFire, this);
  event_add(&event_, nullptr);
}

Alarm::~Alarm() {
  event_del(&event_);
  close(fd_);
}

void Alarm::Set(pool::TimePoint at) {
  const int64_t us = std::max<int64_t>(at.time_since_epoch().count(), 1);  // 0 would be "never"
  const itimerspec when{{}, {static_cast<time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000) * 1000}};
  PGWEIR_CHECK(timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
}

void Alarm::OnFire(int fd, short, void* self) {
  uint64_t times = 0;
  if (read(fd, &times, sizeof times) < 0) return;  // set anew meanwhile
  static_cast<Alarm*>(self)->fire_();
}

SignalWatch::SignalWatch(EventLoop& loop, int signal, std::function<void()> fire) : fire_(std::move(fire)) {
  evsignal_assign(&event_, loop.base(), signal, &SignalWatch::OnFire, this);
  evsignal_add(&event_, nullptr);
}

SignalWatch::~SignalWatch() { evsignal_del(&event_); }

void SignalWatch::OnFire(int, short, void* self) { static_cast<SignalWatch*>(self)->fire_(); }

}  // namespace proxy
