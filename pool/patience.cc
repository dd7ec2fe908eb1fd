#include "pool/patience.h"

#include <algorithm>

namespace pool {

void Patience::OnLeft(Duration waited, TimePoint now) {
  if (waited < kLeavesByChance) return;
  if (now - last_sign_ > kPatienceKept) *this = {};
  last_sign_ = now;
  if (leavers_ == 0) estimate_ = waited;
  leavers_ = std::min(leavers_ + 1, kLeaversLeast);
  estimate_ += (waited - estimate_) / (waited < estimate_ ? 4 : 64);
}

Duration Patience::Target(TimePoint now) const {
  if (leavers_ < kLeaversLeast || now - last_sign_ > kPatienceKept) return Duration(0);
  return estimate_ / 4;
}

}  // namespace pool
