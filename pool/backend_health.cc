#include "pool/backend_health.h"

#include <algorithm>

#include "pool/jitter.h"

namespace pool {

void BackendHealth::OnOpened() {
  proven_ = true;
  failures_ = 0;
  last_ = {};
}

void BackendHealth::OnFailed(OpenFailure failure, TimePoint now, Duration login_retry, double unit_random) {
  proven_ = false;
  if (failures_ == 0 || now - retry_at_ >= kFailureStays) down_since_ = now;
  const uint32_t doublings = std::min(failures_, 20u);
  ++failures_;
  const bool refused = failure.kind == OpenFailure::Kind::kRefused;
  const Duration most = refused ? login_retry : std::min(login_retry, kUnreachableRetryMax);
  const Duration wait = std::min(most, Duration(kRetryFirst.count() << doublings));
  retry_at_ = now + Jittered(wait, unit_random);
  last_ = std::move(failure);
}

void BackendHealth::Forget() { *this = BackendHealth(); }

}  // namespace pool
