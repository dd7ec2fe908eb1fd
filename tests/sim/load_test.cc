// Overload in figures: a pool of 20 with queries of 1 ms, that is 20,000 answers a second, under too much.
//
//   PGWEIR_SIM_REPORT=1  prints the figures of each scenario, beside those of plain first come, first served
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/load_world.h"

namespace sim {
namespace {

constexpr double kCapacity = 20'000;
constexpr Duration kFifo{0}, kMilli{1'000};
constexpr Duration kDefaultTarget = 250 * kMilli;

Load Open(Duration target, std::vector<Phase> arrivals, int retries = 0) {
  Load load;
  load.limits.size = 20;
  load.limits.max_waiting = 1'000'000;
  load.limits.lifetime = load.limits.check_delay = 3'600 * kSecond;
  load.limits.overload = {target, kSecond};
  load.groups.push_back({.name = "all", .arrivals = std::move(arrivals), .retries = retries});
  return load;
}

Load Closed(Duration target, int clients, Duration service) {
  Load load = Open(target, {});
  load.groups[0].service = service;
  load.groups[0].clients = clients;
  return load;
}

double MsOf(Duration d) { return static_cast<double>(d.count()) / 1000; }

bool IsReported() { return std::getenv("PGWEIR_SIM_REPORT") != nullptr; }

Tally Measure(const char* scenario, const Load& load) {
  LoadWorld world(load);
  world.Run();
  const Tally& tally = world.tally(0);
  if (IsReported()) {
    static const int heading = std::printf("%-44s %9s %8s %8s %8s %8s %8s %8s %8s %8s\n", "scenario (times in ms)", "target",
                                           "asked", "useful", "late", "shed", "refused", "timedout", "wait p50", "wait p99");
    EXPECT_GT(heading, 0);
    std::printf("%-44s %9.0f %8lu %8lu %8lu %8lu %8lu %8lu %8.1f %8.1f\n", scenario, MsOf(load.limits.overload.target),
                tally.asked, tally.useful, tally.late, tally.shed, tally.refused, tally.timed_out,
                MsOf(tally.Percentile(tally.waits, 50)), MsOf(tally.Percentile(tally.waits, 99)));
  }
  return tally;
}

TEST(LoadSim, AnswersInTimeWhatTheServersCanDoAtOnePointThreeTimesTheCapacity) {
  const auto run = [](Duration target) { return Measure("1.3 x capacity for 20 s", Open(target, {{20 * kSecond, 1.3 * kCapacity}})); };
  EXPECT_LT(static_cast<double>(run(kFifo).useful), 0.3 * kCapacity * 20);
  for (const Duration target : {100 * kMilli, kDefaultTarget}) {
    const Tally tally = run(target);
    EXPECT_GE(static_cast<double>(tally.useful), 0.95 * kCapacity * 20);
    EXPECT_EQ(tally.late, 0u);
  }
}

TEST(LoadSim, AnswersInTimeAtFiveTimesTheCapacity) {
  const Tally tally = Measure("5 x capacity for 5 s", [] {
    Load load = Open(kDefaultTarget, {{5 * kSecond, 5 * kCapacity}});
    load.length = 5 * kSecond;
    return load;
  }());
  EXPECT_GE(static_cast<double>(tally.useful), 0.95 * kCapacity * 5);
}

TEST(LoadSim, RecoversWithinASecondAlthoughClientsRetry) {
  const auto run = [](Duration target) {
    return Measure("1.3 x for 10 s, then 0.5 x; 80 % retry",
               Open(target, {{10 * kSecond, 1.3 * kCapacity}, {20 * kSecond, 0.5 * kCapacity}}, 80));
  };
  EXPECT_GT(run(kFifo).last_trouble, LoadWorld::kStart + 19 * kSecond) << "first come, first served does not recover";
  for (const Duration target : {100 * kMilli, kDefaultTarget}) {
    EXPECT_LE(run(target).last_trouble, LoadWorld::kStart + 11 * kSecond) << "target " << MsOf(target);
  }
}

// queue_target = "auto": the pool sees its clients give up, and learns from that what it may let them wait.
TEST(LoadSim, LearnsFromThoseWhoLeaveWhatTheOthersWillWait) {
  for (const Duration patience : {kSecond / 4, kSecond, 3 * kSecond}) {
    Load load = Open(pool::kTargetByPatience, {{20 * kSecond, 1.3 * kCapacity}});
    load.leaves = true;
    load.patience = patience;
    const Tally tally = Measure("1.3 x for 20 s, clients leave, auto", load);
    // Before it knows, the queue has to grow once to where they leave, and an interval has to pass.
    const double seconds = 20 - 2 * MsOf(patience) / 1000 - 2;
    EXPECT_GE(static_cast<double>(tally.useful), 0.95 * kCapacity * seconds) << MsOf(patience) << " ms";
    load.limits.overload.target = kFifo;
    EXPECT_LT(static_cast<double>(Measure("1.3 x for 20 s, clients leave, off", load).useful), 0.7 * kCapacity * 20) << "then nothing is shown here";
  }
}

TEST(LoadSim, WhereNobodyLeavesNobodyIsShed) {
  Load load = Closed(pool::kTargetByPatience, 2'000, 5 * kMilli);
  load.patience = 60 * kSecond;
  load.leaves = true;
  const Tally tally = Measure("2,000 patient clients without pause, auto", load);
  EXPECT_EQ(tally.shed, 0u);
  EXPECT_GT(tally.Percentile(tally.waits, 50), 400 * kMilli);
}

TEST(LoadSim, AfterTheLoadIsOverItIsForgotten) {
  // Overload for 5 s, then well below the capacity for longer than patience is kept, then patient clients in closed loop.
  Load load = Open(pool::kTargetByPatience, {{5 * kSecond, 1.3 * kCapacity}, {70 * kSecond, 0.1 * kCapacity}});
  load.leaves = true;
  load.length = 70 * kSecond;
  const Tally tally = Measure("1.3 x for 5 s, then 0.1 x, auto", load);
  EXPECT_GT(tally.shed, 0u);
  EXPECT_LE(tally.last_trouble, LoadWorld::kStart + 7 * kSecond);
}

TEST(LoadSim, ABurstShedsNobody) {
  for (const bool is_warm : {true, false}) {
    Load load = Open(kDefaultTarget, {{100 * kMilli, 10'000}, {kSecond, 0}});
    load.is_warm = is_warm;
    load.length = kSecond;
    const Tally tally = Measure(is_warm ? "1,000 in 100 ms" : "1,000 in 100 ms, cold pool", load);
    EXPECT_EQ(tally.useful, tally.asked);
  }
}

TEST(LoadSim, AStallShedsNobody) {
  for (const double rate : {0.5, 0.6, 0.8}) {
    Load load = Open(kDefaultTarget, {{12 * kSecond, rate * kCapacity}});
    load.length = 12 * kSecond;
    load.stall_from = 2 * kSecond;
    load.stall_to = 4 * kSecond;
    if (rate > 0.6) load.limits.max_waiting = 1000;  // the default; without it the queue needs 8 s and is overloaded by then
    EXPECT_EQ(Measure(rate < 0.6 ? "2 s stall at 0.5 x" : rate < 0.8 ? "2 s stall at 0.6 x" : "2 s stall at 0.8 x, max_waiting", load).shed, 0u);
  }
}

// What it costs those whom a long queue does not harm: clients that only ask again when they were answered.
TEST(LoadSim, AQueueOfClientsThatWaitForEachOtherIsLeftAloneUpToTheTarget) {
  EXPECT_EQ(Measure("40 clients without pause, 50 ms queries", Closed(kDefaultTarget, 40, 50 * kMilli)).shed, 0u);
  EXPECT_EQ(Measure("1,000 clients without pause, 1 ms queries", Closed(kDefaultTarget, 1000, kMilli)).shed, 0u);
  EXPECT_EQ(Measure("1,000 clients without pause, 5 ms queries", Closed(kDefaultTarget, 1000, 5 * kMilli)).shed, 0u);
  const Tally fifo = Measure("500 clients without pause, 20 ms queries", Closed(kFifo, 500, 20 * kMilli));
  const Tally tally = Measure("500 clients without pause, 20 ms queries", Closed(kDefaultTarget, 500, 20 * kMilli));
  EXPECT_GT(tally.shed, 0u);
  EXPECT_GE(static_cast<double>(tally.useful), 0.98 * static_cast<double>(fifo.useful));
}

}  // namespace
}  // namespace sim
