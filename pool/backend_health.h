// What a pool knows of its backend: may a connection be tried now, and what went wrong last.
//
// What: after a failure one probe at a time, spaced by a jittered, doubling back-off; after the first success connections may
// be opened in parallel again. Two kinds of failure:
//   unreachable  connect, TLS, time-out, "the database system is starting up": probes come at most kUnreachableRetryMax apart, so
//                that traffic goes on within a second of the return. Waiters stay for failover_hold; from then on it is as below.
//   refused      the server answered the login with its own error: with no usable server left the waiters get that error, and
//                newcomers get it from memory until login_retry has passed.
// Threads: guarded by the pool's mutex. Time and randomness come in as arguments.
#pragma once

#include <cstdint>
#include <string>

#include "pool/time.h"

namespace pool {

inline constexpr Duration kRetryFirst{50'000};
inline constexpr Duration kUnreachableRetryMax{500'000};
inline constexpr Duration kFailureStays{10'000'000};  // when nobody tried for so long after a retry was due, a failure is a new one

struct OpenFailure {
  enum class Kind : uint8_t { kUnreachable, kRefused };
  Kind kind = Kind::kUnreachable;
  std::string cause;         // for DETAIL and logs: "connect to 10.0.0.5:5432: Connection refused"
  std::string server_error;  // kRefused: body of the server's ErrorResponse
};

class BackendHealth {
 public:
  void OnOpened();
  // unit_random in [0, 1): the retry is moved earlier by up to a quarter.
  void OnFailed(OpenFailure failure, TimePoint now, Duration login_retry, double unit_random);
  void Forget();  // configuration changed: try afresh

  bool proven() const { return proven_; }
  bool is_down() const { return failures_ > 0; }
  bool MayTry(TimePoint now) const { return failures_ == 0 || now >= retry_at_; }
  // Nobody is to wait for it any more. hold: 0 = only a refusal says so.
  bool IsGivenUp(TimePoint now, Duration hold) const {
    return is_down() && (last_.kind == OpenFailure::Kind::kRefused || (hold > Duration(0) && now - down_since_ >= hold));
  }
  // Newcomers get the last error from memory.
  bool RefusesNow(TimePoint now, Duration hold) const { return IsGivenUp(now, hold) && now < retry_at_; }
  TimePoint retry_at() const { return retry_at_; }
  TimePoint down_since() const { return down_since_; }
  const OpenFailure& last_failure() const { return last_; }

 private:
  bool proven_ = false;
  uint32_t failures_ = 0;  // in a row
  TimePoint retry_at_{}, down_since_{};
  OpenFailure last_;
};

}  // namespace pool
