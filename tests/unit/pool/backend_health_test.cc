#include "pool/backend_health.h"

#include <gtest/gtest.h>

namespace pool {
namespace {

constexpr TimePoint kNow{Duration(10'000'000)};
constexpr Duration kLoginRetry{15'000'000};

constexpr Duration kForEver{0}, kHold{30'000'000};
OpenFailure Unreachable() { return {OpenFailure::Kind::kUnreachable, "connect", ""}; }
OpenFailure Refused() { return {OpenFailure::Kind::kRefused, "login", "no such role"}; }

TEST(BackendHealth, StartsUnprovenAndMayTry) {
  const BackendHealth health;
  EXPECT_FALSE(health.proven());
  EXPECT_FALSE(health.is_down());
  EXPECT_TRUE(health.MayTry(kNow));
  EXPECT_FALSE(health.RefusesNow(kNow, kForEver));
}

TEST(BackendHealth, DoublesUpToItsCap) {
  for (const bool is_refused : {false, true}) {
    BackendHealth health;
    Duration expected = kRetryFirst;
    const Duration most = is_refused ? kLoginRetry : kUnreachableRetryMax;
    for (int failures = 0; failures < 100; ++failures) {
      health.OnFailed(is_refused ? Refused() : Unreachable(), kNow, kLoginRetry, 0);
      EXPECT_EQ(health.retry_at() - kNow, expected) << failures;
      expected = std::min(most, 2 * expected);
    }
  }
}

TEST(BackendHealth, LoginRetryIsTheCapWhenItIsShorter) {
  BackendHealth health;
  health.OnFailed(Unreachable(), kNow, Duration(10'000), 0);
  EXPECT_EQ(health.retry_at() - kNow, Duration(10'000));
}

TEST(BackendHealth, JitterMovesTheRetryEarlierByUpToAQuarter) {
  BackendHealth health;
  health.OnFailed(Unreachable(), kNow, kLoginRetry, 0.5);
  EXPECT_EQ(health.retry_at() - kNow, Duration(43'750));
  health.Forget();
  health.OnFailed(Unreachable(), kNow, kLoginRetry, 0.999999);
  EXPECT_GE(health.retry_at() - kNow, Duration(37'500));
  EXPECT_LT(health.retry_at() - kNow, Duration(37'510));
}

TEST(BackendHealth, MayTryExactlyAtItsRetry) {
  BackendHealth health;
  health.OnFailed(Refused(), kNow, kLoginRetry, 0);
  const TimePoint retry = health.retry_at();
  EXPECT_FALSE(health.MayTry(retry - Duration(1)));
  EXPECT_TRUE(health.RefusesNow(retry - Duration(1), kForEver));
  EXPECT_TRUE(health.MayTry(retry));
  EXPECT_FALSE(health.RefusesNow(retry, kForEver));
}

TEST(BackendHealth, UnreachableNeverRefuses) {
  BackendHealth health;
  health.OnFailed(Unreachable(), kNow, kLoginRetry, 0);
  EXPECT_FALSE(health.MayTry(kNow));
  EXPECT_FALSE(health.RefusesNow(kNow, kForEver));
}

TEST(BackendHealth, UnreachableForTooLongIsGivenUp) {
  BackendHealth health;
  const auto fail = [&](Duration after) { health.OnFailed(Unreachable(), kNow + after, kLoginRetry, 0); };
  EXPECT_FALSE(health.IsGivenUp(kNow, kHold));
  fail(Duration(0));
  for (Duration after{0}; after < kHold; after += Duration(400'000)) {
    EXPECT_FALSE(health.IsGivenUp(kNow + after, kHold));
    fail(after);
  }
  EXPECT_TRUE(health.IsGivenUp(kNow + kHold, kHold));
  EXPECT_TRUE(health.RefusesNow(kNow + kHold, kHold));
  EXPECT_FALSE(health.RefusesNow(health.retry_at(), kHold)) << "whoever comes then has it tried";
  EXPECT_FALSE(health.IsGivenUp(kNow + kHold, kForEver));
  health.OnOpened();
  EXPECT_FALSE(health.IsGivenUp(kNow + kHold, kHold));
}

TEST(BackendHealth, AFailureOfLongAgoIsNotTheBeginningOfThis) {
  BackendHealth health;
  health.OnFailed(Unreachable(), kNow, kLoginRetry, 0);
  const TimePoint later = kNow + std::chrono::hours(1);
  health.OnFailed(Unreachable(), later, kLoginRetry, 0);
  EXPECT_EQ(health.down_since(), later);
  EXPECT_FALSE(health.IsGivenUp(later, kHold));
}

TEST(BackendHealth, SuccessEndsTheFailure) {
  BackendHealth health;
  health.OnFailed(Refused(), kNow, kLoginRetry, 0);
  health.OnFailed(Unreachable(), kNow + Duration(5), kLoginRetry, 0);
  EXPECT_TRUE(health.is_down());
  EXPECT_EQ(health.down_since(), kNow);  // the first failure of the row
  EXPECT_EQ(health.last_failure().cause, "connect");
  health.OnOpened();
  EXPECT_TRUE(health.proven());
  EXPECT_FALSE(health.is_down());
  EXPECT_TRUE(health.MayTry(kNow));
  EXPECT_EQ(health.last_failure().cause, "");
  health.OnFailed(Unreachable(), kNow + Duration(9), kLoginRetry, 0);
  EXPECT_FALSE(health.proven());
  EXPECT_EQ(health.down_since(), kNow + Duration(9));
  EXPECT_EQ(health.retry_at() - kNow, Duration(9) + kRetryFirst);
}

}  // namespace
}  // namespace pool
