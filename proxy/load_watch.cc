#include "proxy/load_watch.h"

#include <utility>

#include "proxy/log.h"

namespace proxy {

LoadWatch::LoadWatch(EventLoop& loop, std::vector<CpuClock> clocks, uint32_t least, std::atomic<uint32_t>& in_use)
    : clocks_(std::move(clocks)),
      in_use_(in_use),
      scale_(least, static_cast<uint32_t>(clocks_.size())),
      timer_(loop, [this] { Look(); }),
      used_(clocks_.size()),
      before_(clocks_.size()) {
  in_use_ = scale_.in_use();
}

void LoadWatch::Start() { Look(); }

void LoadWatch::SetLeast(uint32_t least) {
  if (!scale_.SetLeast(least)) return;
  Use(scale_.in_use());
  Look();
}

void LoadWatch::Look() {
  if (scale_.is_fixed()) return timer_.Stop();
  const pool::TimePoint now = Now();
  for (size_t i = 0; i < clocks_.size(); ++i) {
    const pool::Duration so_far = clocks_[i]();
    used_[i] = so_far - std::exchange(before_[i], so_far);
  }
  // What was before the first look says nothing about now.
  if (looked_at_ != pool::TimePoint{}) Use(scale_.Look(used_, now - looked_at_));
  looked_at_ = now;
  timer_.Start(kLoadLookedAtEvery);
}

void LoadWatch::Use(uint32_t workers) {
  if (in_use_.exchange(workers, std::memory_order_relaxed) == workers) return;
  Log(Level::kDebug, "workers_in_use", {{"count", workers}, {"of", clocks_.size()}});
}

}  // namespace proxy
