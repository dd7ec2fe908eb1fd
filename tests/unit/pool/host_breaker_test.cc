#include "pool/host_breaker.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sim/dice.h"

namespace pool {
namespace {

using Attempt = HostBreaker::Attempt;
using State = HostBreaker::State;

constexpr TimePoint At(int64_t milliseconds) { return TimePoint(std::chrono::milliseconds(milliseconds)); }

class HostBreakerTest : public testing::Test {
 protected:
  void Fail(int64_t at) {
    const Attempt attempt = host_.Ask(At(at));
    ASSERT_NE(attempt, Attempt::kNone) << at;
    host_.OnFailed(attempt, "refused at " + std::to_string(at), At(at), 0.0);
  }
  void TakeDown() {
    for (const int64_t at : {1, 2, 3}) Fail(at);
    ASSERT_EQ(host_.state(), State::kDown);
  }
  HostBreaker host_;
};

TEST_F(HostBreakerTest, IsUpAndAsksNobody) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(host_.Ask(At(0)), Attempt::kNormal);
  EXPECT_EQ(host_.attempts(), 1000);
}

TEST_F(HostBreakerTest, ThreeFailuresInARowOpenIt) {
  Fail(1);
  Fail(2);
  host_.OnAnswered(host_.Ask(At(3)));
  Fail(4);
  Fail(5);
  EXPECT_EQ(host_.state(), State::kUp);
  Fail(6);
  EXPECT_EQ(host_.state(), State::kDown);
  EXPECT_EQ(host_.down_since(), At(4)) << "since the first of them";
  EXPECT_EQ(host_.last_cause(), "refused at 6");
  EXPECT_EQ(host_.failures(), 5u);
  EXPECT_EQ(host_.Ask(At(6)), Attempt::kNone);
}

TEST_F(HostBreakerTest, OneProbeAtATimeEachLaterThanTheLast) {
  TakeDown();
  int64_t now = 3;
  for (const int64_t wait : {50, 100, 200, 350, 350, 350}) {
    EXPECT_EQ(host_.Ask(At(now + wait - 1)), Attempt::kNone);
    const Attempt probe = host_.Ask(At(now + wait));
    ASSERT_EQ(probe, Attempt::kProbe);
    EXPECT_EQ(host_.state(), State::kProbing);
    EXPECT_EQ(host_.Ask(At(now + wait + 10'000)), Attempt::kNone) << "it is being asked";
    now += wait;
    host_.OnFailed(probe, "still", At(now), 0.0);
  }
}

TEST_F(HostBreakerTest, JitterOnlyShortensThePause) {
  TakeDown();
  const Attempt probe = host_.Ask(At(53));
  host_.OnFailed(probe, "still", At(53), 0.999);
  EXPECT_GE(host_.retry_at(), At(53 + 75));
  EXPECT_LT(host_.retry_at(), At(53 + 76));
}

TEST_F(HostBreakerTest, AnAnswerClosesItAndTheReturnIsSlow) {
  TakeDown();
  host_.OnAnswered(host_.Ask(At(60)));
  EXPECT_EQ(host_.state(), State::kUp);
  std::vector<Attempt> begun;
  const auto begin_all = [&] {
    while (begun.size() < 1000) {
      const Attempt attempt = host_.Ask(At(61));
      if (attempt == Attempt::kNone) break;
      begun.push_back(attempt);
    }
    return static_cast<int>(begun.size());
  };
  for (const int allowed : {8, 16, 32}) {
    EXPECT_EQ(begin_all(), allowed);
    host_.OnAnswered(begun.back());
    begun.pop_back();
  }
  EXPECT_EQ(begin_all(), 1000) << "as many as anybody wants";
}

TEST_F(HostBreakerTest, WhatBeganBeforeTheFailuresMayStillAnswer) {
  const Attempt early = host_.Ask(At(0));
  const Attempt late = host_.Ask(At(0));
  TakeDown();
  const TimePoint retry_at = host_.retry_at();
  host_.OnFailed(late, "late", At(40), 0.0);
  EXPECT_EQ(host_.retry_at(), retry_at) << "only a probe puts it off";
  host_.OnAnswered(early);
  EXPECT_EQ(host_.state(), State::kUp);
}

TEST_F(HostBreakerTest, AProbeThatNobodyEndsDoesNotCloseTheDoor) {
  TakeDown();
  EXPECT_EQ(host_.Ask(At(60)), Attempt::kProbe);
  EXPECT_EQ(host_.Ask(At(60) + kProbeLost - Duration(1)), Attempt::kNone);
  EXPECT_EQ(host_.Ask(At(60) + kProbeLost), Attempt::kProbe);
  host_.OnGivenUp(Attempt::kProbe);
  EXPECT_EQ(host_.Ask(At(61) + kProbeLost), Attempt::kProbe);
}

// Whatever happens: attempts are counted exactly, a dead host is asked by one at a time, and a living one opens it again.
TEST_F(HostBreakerTest, RandomDaysKeepTheLaw) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    sim::Dice dice(seed);
    HostBreaker host;
    std::vector<Attempt> open;
    TimePoint now = At(0);
    for (int step = 0; step < 2000; ++step) {
      now += Duration(static_cast<Duration::rep>(dice.Below(100'000)));
      const bool lives = step / 200 % 2 == 0;
      if (open.size() < 50 && dice.Percent(50)) {
        const bool was_down = host.state() != State::kUp;
        const Attempt attempt = host.Ask(now);
        if (attempt != Attempt::kNone) open.push_back(attempt);
        ASSERT_TRUE(!was_down || attempt != Attempt::kNormal);
      } else if (!open.empty()) {
        const size_t which = dice.Below(open.size());
        const Attempt attempt = open[which];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
        if (dice.Percent(5)) host.OnGivenUp(attempt);
        else if (lives) host.OnAnswered(attempt);
        else host.OnFailed(attempt, "dead", now, 0.5);
      }
      ASSERT_EQ(host.attempts(), static_cast<int>(open.size()));
    }
  }
}

}  // namespace
}  // namespace pool
