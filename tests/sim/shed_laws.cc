// Which waiters an overloaded queue should shed: the laws that pool/overload.h chose from, counted on the smallest model.
//
// One queue, one server that answers 20,000 times a second, clients that ask 1.3 times as often and lose patience after one
// second without leaving the queue. Every law begins when the same evidence is in: nobody was served within the target for a
// whole interval. PGWEIR_SIM_REPORT=1 prints the figures.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>

namespace sim {
namespace {

enum class Law { kFirstCome, kCoDel, kNewestFirst, kBoundedWait };

struct Outcome {
  int useful = 0, late = 0, shed = 0;
  double wait_of_shed_ms = 0;
};

constexpr double kTarget = 0.1, kInterval = 1.0, kPatience = 1.0, kTimeout = 5.0, kLength = 20.0;

Outcome Count(Law law) {
  constexpr double kService = 1.0 / 20'000, kArrival = kService / 1.3;
  std::deque<double> queue;  // when each has asked
  Outcome outcome;
  double next_arrival = 0, above_since = -1, next_drop = 0, waited_by_shed = 0;
  bool is_shedding = false;
  int drops = 0;
  const auto shed = [&](double now, bool from_back) {
    waited_by_shed += now - (from_back ? queue.back() : queue.front());
    from_back ? queue.pop_back() : queue.pop_front();
    ++outcome.shed;
  };
  for (double now = 0; now < kLength; now += kService) {
    for (; next_arrival <= now; next_arrival += kArrival) queue.push_back(next_arrival);
    while (!queue.empty() && now - queue.front() > kTimeout) queue.pop_front();
    if (queue.empty()) continue;
    if (is_shedding && law == Law::kCoDel) {
      while (now >= next_drop && queue.size() > 1) {
        shed(now, false);
        next_drop += kInterval / std::sqrt(++drops);
      }
    } else if (is_shedding && law != Law::kFirstCome) {
      while (queue.size() > 1 && now - queue.front() > kTarget) shed(now, false);
    }
    const bool newest = is_shedding && law == Law::kNewestFirst;
    const double waited = now - (newest ? queue.back() : queue.front());
    newest ? queue.pop_back() : queue.pop_front();
    ++(waited + kService <= kPatience ? outcome.useful : outcome.late);
    if (waited <= kTarget && !is_shedding) above_since = -1;
    else if (above_since < 0) above_since = now;
    if (!is_shedding && above_since >= 0 && now - above_since >= kInterval) {
      is_shedding = true;
      next_drop = now;
    }
  }
  outcome.wait_of_shed_ms = outcome.shed > 0 ? waited_by_shed * 1000 / outcome.shed : 0;
  return outcome;
}

TEST(ShedLaws, TheBoundOnTheWaitAnswersAsManyInTimeAsAnyAndKeepsTheOrder) {
  constexpr double kCapacity = 20'000 * kLength;
  const Outcome first_come = Count(Law::kFirstCome), codel = Count(Law::kCoDel), newest = Count(Law::kNewestFirst),
                bounded = Count(Law::kBoundedWait);
  if (std::getenv("PGWEIR_SIM_REPORT") != nullptr) {
    std::printf("1.3 times capacity for 20 s, patience 1 s      useful of capacity      late      shed  wait of the shed\n");
    const auto row = [](const char* name, const Outcome& o) {
      std::printf("%-46s %17.1f%% %9d %9d %14.0f ms\n", name, 100 * o.useful / kCapacity, o.late, o.shed, o.wait_of_shed_ms);
    };
    row("first come, first served", first_come);
    row("CoDel: oldest, at interval / sqrt(n)", codel);
    row("adaptive LIFO: newest served, bound shed", newest);
    row("here: oldest served, bound shed", bounded);
  }
  EXPECT_LT(first_come.useful, 0.3 * kCapacity);
  EXPECT_LT(codel.useful, 0.3 * kCapacity);
  EXPECT_GT(bounded.useful, 0.99 * kCapacity);
  EXPECT_GE(bounded.useful, newest.useful);
}

}  // namespace
}  // namespace sim
