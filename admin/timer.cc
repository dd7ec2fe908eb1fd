#include "admin/timer.h"

#include <event2/event.h>

#include <algorithm>
#include <cstdlib>

namespace admin {

PeriodicTimer::PeriodicTimer(event_base* base, Period period, std::function<void()> on_tick)
    : period_(std::move(period)), on_tick_(std::move(on_tick)) {
  const auto fire = [](evutil_socket_t, short, void* self) {
    auto* timer = static_cast<PeriodicTimer*>(self);
    timer->on_tick_();
    timer->Arm();
  };
  event_ = evtimer_new(base, fire, this);
  if (event_ == nullptr) std::abort();  // out of memory at start
  Arm();
}

PeriodicTimer::~PeriodicTimer() { event_free(event_); }

void PeriodicTimer::Arm() {
  const auto period = std::max(period_(), std::chrono::microseconds(1000));  // 0 would spin
  timeval wait{.tv_sec = static_cast<time_t>(period.count() / 1'000'000),
               .tv_usec = static_cast<suseconds_t>(period.count() % 1'000'000)};
  evtimer_add(event_, &wait);
}

}  // namespace admin
