#include "proxy/load_watch.h"

#include "proxy/log.h"
#include "proxy/worker.h"

namespace proxy {

LoadWatch::LoadWatch(Shared& shared, uint32_t least)
    : shared_(shared),
      least_(least),
      scale_(least, static_cast<uint32_t>(shared.workers.size())),
      timer_(shared.control_loop, [this] { Look(); }),
      used_(shared.workers.size()),
      before_(shared.workers.size()) {
  shared_.workers_in_use = scale_.in_use();
}

void LoadWatch::Start() {
  is_started_ = true;
  Look();
}

void LoadWatch::SetLeast(uint32_t least) {
  if (least == least_) return;
  scale_.SetLeast(least_ = least);
  Use(scale_.in_use());
  if (is_started_) Look();
}

void LoadWatch::Look() {
  if (scale_.is_fixed()) return timer_.Stop();
  const pool::TimePoint now = Now();
  for (size_t i = 0; i < used_.size(); ++i) {
    const pool::Duration so_far = shared_.workers[i]->CpuTime();
    used_[i] = so_far - std::exchange(before_[i], so_far);
  }
  // What was before the first look says nothing about now.
  if (looked_at_ != pool::TimePoint{}) Use(scale_.Look(used_, now - looked_at_));
  looked_at_ = now;
  timer_.Start(kLoadLookedAtEvery);
}

void LoadWatch::Use(uint32_t workers) {
  if (shared_.workers_in_use.exchange(workers, std::memory_order_relaxed) == workers) return;
  Log(Level::kDebug, "workers_in_use", {{"count", workers}, {"of", shared_.workers.size()}});
}

}  // namespace proxy
