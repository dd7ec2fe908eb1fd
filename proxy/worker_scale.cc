#include "proxy/worker_scale.h"

#include <algorithm>
#include <cmath>

namespace proxy {

bool WorkerScale::SetLeast(uint32_t least) {
  least = std::clamp(least, 1u, most_);
  if (least == least_) return false;
  least_ = in_use_ = least;
  spare_for_ = {};
  return true;
}

uint32_t WorkerScale::Look(std::span<const pool::Duration> used, pool::Duration elapsed) {
  if (elapsed <= pool::Duration(0)) return in_use_;
  double total = 0, highest = 0;
  for (const pool::Duration each : used) {
    const double share = static_cast<double>(each.count()) / static_cast<double>(elapsed.count());
    total += share;
    highest = std::max(highest, share);
  }
  if (highest >= kBusyShare) {
    const auto wanted = static_cast<uint32_t>(std::ceil(total / kAimedShare));
    in_use_ = std::clamp(wanted, in_use_, most_);
  }
  const bool is_spare = in_use_ > least_ && total < kSpareShare * (in_use_ - 1);
  spare_for_ = is_spare ? spare_for_ + elapsed : pool::Duration(0);
  if (spare_for_ >= kSpareFor) {
    --in_use_;
    spare_for_ = {};
  }
  return in_use_;
}

}  // namespace proxy
