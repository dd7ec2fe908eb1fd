#include "pool/overload.h"

namespace pool {

void Overload::OnHanded(Duration waited, bool is_long, TimePoint now, const OverloadLimits& limits) {
  if (waited <= limits.target / 2) return Forget();
  if (is_shedding_) return;
  if (waited <= limits.target || !is_long) return Forget();
  if (above_since_ == kNever) above_since_ = now;
  is_shedding_ = now - above_since_ >= limits.interval;
}

}  // namespace pool
