// Fairness between flows in figures: who gets how much of a pool of 20, and how long somebody light waits beside the heavy.
//
//   PGWEIR_SIM_REPORT=1  prints them beside those of one flow for all
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/load_world.h"

namespace sim {
namespace {

constexpr Duration kMilli{1'000};

Load Base() {
  Load load;
  load.limits.size = 20;
  load.limits.max_waiting = 1'000'000;
  load.limits.lifetime = load.limits.check_delay = 3'600 * kSecond;
  load.patience = load.wait_timeout = 60 * kSecond;
  load.length = 10 * kSecond;
  return load;
}

Group Heavy(pool::FlowKey flow, int clients, Duration service, uint16_t weight = 1) {
  return {.name = "heavy", .service = service, .clients = clients, .flow = flow, .weight = weight};
}
Group Light(pool::FlowKey flow) {
  return {.name = "light", .service = 10 * kMilli, .arrivals = {{60 * kSecond, 50}}, .flow = flow};
}

// Runs it, tells, and returns the p99 of the answers and the server time of each group.
struct Figures {
  std::vector<double> wait_ms, answer_ms, share;
};
Figures Measure(const char* scenario, const Load& load) {
  LoadWorld world(load);
  world.Run();
  Figures figures;
  double total = 0;
  for (size_t i = 0; i < load.groups.size(); ++i) total += static_cast<double>(world.tally(i).held.count());
  for (size_t i = 0; i < load.groups.size(); ++i) {
    const Tally& tally = world.tally(i);
    figures.wait_ms.push_back(static_cast<double>(tally.Percentile(tally.waits, 99).count()) / 1000);
    figures.answer_ms.push_back(static_cast<double>(tally.Percentile(tally.answers, 99).count()) / 1000);
    figures.share.push_back(static_cast<double>(tally.held.count()) / total);
    if (std::getenv("PGWEIR_SIM_REPORT") == nullptr) continue;
    std::printf("%-52s %-6s answered %7lu  p99 wait %8.1f ms, answer %8.1f ms  %5.1f %% of the server time\n", scenario,
                load.groups[i].name.c_str(), tally.useful, figures.wait_ms[i], figures.answer_ms[i], 100 * figures.share[i]);
  }
  return figures;
}

TEST(FlowSim, TheLightAreServedAsIfTheHeavyWereNotThere) {
  Load load = Base();
  load.groups = {Light(1)};
  const double alone = Measure("50 a second alone", load).answer_ms[0];
  load.groups = {Light(1), Heavy(2, 2000, 10 * kMilli)};
  const Figures fair = Measure("50 a second beside 2,000 clients of 10 ms", load);
  EXPECT_LE(fair.answer_ms[0], 2 * alone);
  EXPECT_GT(fair.share[1], 0.95) << "what the light do not use is for the heavy";
  load.groups = {Light(1), Heavy(2, 2000, 100 * kMilli)};
  EXPECT_LE(Measure("50 a second beside 2,000 clients of 100 ms", load).answer_ms[0], 2 * alone);
  load.groups = {Light(1), Heavy(1, 2000, 10 * kMilli)};
  EXPECT_GT(Measure("the same in one flow", load).answer_ms[0], 10 * alone);
}

// One that waits all the time by itself: its wait is what its share of the pool makes of it.
TEST(FlowSim, HalfOfThePoolIsHalfOfThePool) {
  Load load = Base();
  load.groups = {Heavy(1, 100, 10 * kMilli)};
  const double alone = Measure("100 clients of 10 ms alone", load).wait_ms[0];
  load.groups = {Heavy(1, 100, 10 * kMilli), Heavy(2, 2000, 10 * kMilli)};
  EXPECT_LE(Measure("100 clients beside 2,000", load).wait_ms[0], 2.7 * alone);
}

TEST(FlowSim, SharesAreOfServerTimeAndByWeight) {
  const auto share = [](const char* scenario, const Group& a, const Group& b) {
    Load load = Base();
    load.groups = {a, b};
    return Measure(scenario, load).share[0];
  };
  EXPECT_NEAR(share("20 times as many clients", Heavy(1, 2000, 10 * kMilli), Heavy(2, 100, 10 * kMilli)), 0.5, 0.01);
  EXPECT_NEAR(share("50 times as long transactions", Heavy(1, 100, kMilli), Heavy(2, 100, 50 * kMilli)), 0.5, 0.02);
  EXPECT_NEAR(share("weight 3 against 1", Heavy(1, 200, 10 * kMilli, 3), Heavy(2, 200, 10 * kMilli, 1)), 0.75, 0.01);
  EXPECT_NEAR(share("the names exchanged", Heavy(2, 200, 10 * kMilli, 3), Heavy(1, 200, 10 * kMilli, 1)), 0.75, 0.01);
}

TEST(FlowSim, OverloadOfOneFlowShedsNobodyElse) {
  Load load = Base();
  load.limits.overload = {100 * kMilli, kSecond};
  load.patience = kSecond;
  load.groups = {Light(1), {.name = "heavy", .arrivals = {{60 * kSecond, 26'000}}, .flow = 2}};
  LoadWorld world(load);
  world.Run();
  EXPECT_EQ(world.tally(0).shed, 0u);
  EXPECT_EQ(world.tally(0).late, 0u);
  EXPECT_GT(world.tally(1).shed, 1000u);
  EXPECT_EQ(world.tally(1).late, 0u);
}

}  // namespace
}  // namespace sim
