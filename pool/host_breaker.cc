#include "pool/host_breaker.h"

#include <algorithm>

#include "pool/jitter.h"

namespace pool {

HostBreaker::Attempt HostBreaker::Ask(TimePoint now) {
  if (!is_down_) {
    if (allowed_ > 0 && attempts_ >= allowed_) return Attempt::kNone;
    ++attempts_;
    return Attempt::kNormal;
  }
  const bool is_lost = is_probing_ && now - probe_began_ >= kProbeLost;
  if (now < retry_at_ || (is_probing_ && !is_lost)) return Attempt::kNone;
  is_probing_ = true;
  probe_began_ = now;
  ++attempts_;
  return Attempt::kProbe;
}

void HostBreaker::End(Attempt attempt) {
  --attempts_;
  if (attempt == Attempt::kProbe) is_probing_ = false;
}

// Any answer will do, that of an attempt from before the failures too.
void HostBreaker::OnAnswered(Attempt attempt) {
  End(attempt);
  in_a_row_ = 0;
  if (is_down_) allowed_ = kSlowStartFirst;
  else if (allowed_ > 0) allowed_ = allowed_ * 2 >= kSlowStartEnd ? 0 : allowed_ * 2;
  is_down_ = false;
  probes_failed_ = 0;
}

void HostBreaker::OnFailed(Attempt attempt, std::string cause, TimePoint now, double unit_random) {
  End(attempt);
  ++failures_in_all_;
  last_cause_ = std::move(cause);
  if (in_a_row_ == 0) down_since_ = now;
  ++in_a_row_;
  if (is_down_ ? attempt != Attempt::kProbe : in_a_row_ < kFailuresToOpen) return;
  is_down_ = true;
  const Duration wait = std::min(kProbeEvery, kProbeFirst * (1 << std::min(probes_failed_, 10u)));
  ++probes_failed_;
  retry_at_ = now + Jittered(wait, unit_random);
}

void HostBreaker::OnGivenUp(Attempt attempt) { End(attempt); }

}  // namespace pool
