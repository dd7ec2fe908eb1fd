// What is known of one server host over all pools: may a connection be tried now?
//
//   state    means                                      leaves by
//   up       connections are tried                      kFailuresToOpen failures in a row -> down
//   down     nobody tries, everybody knows the cause     retry_at -> probing
//   probing  one connection is tried                    it is answered -> up, slowly; it fails -> down, for longer
//
// Why: a hundred pools that each try a dead host are a storm, each waits for its own time-out, and a host that comes back is
// met by all of them at once. A failure is what says that the host does not work: connect, TLS, time-out, a login that is cut off
// or put off ("starting up"). A login that is refused is an answer.
// Slow start: after the return so many attempts at a time as were answered before, doubling from kSlowStartFirst.
// Threads: a value, its owner's lock. Time and randomness come in as arguments.
#pragma once

#include <cstdint>
#include <string>

#include "pool/time.h"

namespace pool {

inline constexpr int kFailuresToOpen = 3;
inline constexpr Duration kProbeFirst{50'000};
// Below the pause of a pool (kUnreachableRetryMax less its jitter), so that one that asks again may always probe.
inline constexpr Duration kProbeEvery{350'000};
inline constexpr Duration kProbeLost{60'000'000};  // an attempt that has not ended by then is not waited for
inline constexpr int kSlowStartFirst = 8, kSlowStartEnd = 64;

class HostBreaker {
 public:
  enum class State : uint8_t { kUp, kDown, kProbing };
  enum class Attempt : uint8_t { kNone, kNormal, kProbe };  // kNone: not now

  Attempt Ask(TimePoint now);
  // How an attempt ended; each that was allowed ends once.
  void OnAnswered(Attempt attempt);
  void OnFailed(Attempt attempt, std::string cause, TimePoint now, double unit_random);
  void OnGivenUp(Attempt attempt);  // nobody knows: whoever made it is gone

  State state() const { return !is_down_ ? State::kUp : is_probing_ ? State::kProbing : State::kDown; }
  int attempts() const { return attempts_; }
  uint64_t failures() const { return failures_in_all_; }
  const std::string& last_cause() const { return last_cause_; }
  TimePoint down_since() const { return down_since_; }  // of the first failure, when it is down
  TimePoint retry_at() const { return retry_at_; }

 private:
  void End(Attempt attempt);

  int attempts_ = 0;
  int in_a_row_ = 0;
  int allowed_ = 0;  // at a time; 0: any number
  uint32_t probes_failed_ = 0;
  bool is_down_ = false, is_probing_ = false;
  uint64_t failures_in_all_ = 0;
  TimePoint down_since_{}, retry_at_{}, probe_began_{};
  std::string last_cause_;
};

}  // namespace pool
