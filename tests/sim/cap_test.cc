// Pools that want more servers together than a cap lets them have.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/sim/load_world.h"

namespace sim {
namespace {

constexpr Duration kMilli{1'000};

Load AtCap(int cap, std::vector<Group> groups) {
  Load load;
  load.limits.size = 20;
  load.limits.max_waiting = 1'000'000;
  load.limits.max_parallel_connects = 2;
  load.limits.lifetime = load.limits.check_delay = 3'600 * kSecond;
  load.cap = cap;
  load.patience = load.wait_timeout = 60 * kSecond;
  load.is_warm = false;
  load.groups = std::move(groups);
  for (size_t i = 0; i < load.groups.size(); ++i) load.groups[i].pool = i;
  return load;
}

void Report(const LoadWorld& world, const std::vector<Group>& groups) {
  if (std::getenv("PGWEIR_SIM_REPORT") == nullptr) return;
  for (size_t i = 0; i < groups.size(); ++i) {
    const Tally& tally = world.tally(i);
    std::printf("%-12s answers %7lu  wait p50 %8.1f ms  p95 %8.1f ms  max %8.1f ms  servers opened %lu\n", groups[i].name.c_str(), tally.useful,
                static_cast<double>(tally.Percentile(tally.waits, 50).count()) / 1000,
                static_cast<double>(tally.Percentile(tally.waits, 95).count()) / 1000,
                static_cast<double>(tally.Percentile(tally.waits, 100).count()) / 1000, tally.opened);
  }
}

const Group kFlood{.name = "flood", .service = 100 * kMilli, .clients = 200};
const Group kSmall{.name = "small", .service = kMilli, .clients = 5};

TEST(CapSim, AFloodLeavesSmallPoolsTheirShareInWhateverOrder) {
  const Group resting{.name = "resting", .service = kMilli, .clients = 5, .think = 300 * kMilli};
  for (const auto& groups : {std::vector<Group>{kFlood, kSmall, resting}, {kSmall, resting, kFlood}}) {
    LoadWorld world(AtCap(20, groups));
    world.Run();
    Report(world, groups);
    for (size_t i = 0; i < groups.size(); ++i) {
      const Tally& tally = world.tally(i);
      if (groups[i].name == "flood") {
        EXPECT_GT(tally.useful, 1'500u) << "ten of twenty servers, 20 s, 100 ms each";
        continue;
      }
      EXPECT_LE(tally.Percentile(tally.waits, 95), 50 * kMilli) << groups[i].name;
      EXPECT_LE(tally.opened, 60u) << groups[i].name << ": its servers stay between two queries";
    }
  }
}

TEST(CapSim, OnePlaceGoesRoundSeveralPools) {
  const Group busy{.name = "busy", .service = 10 * kMilli, .clients = 20};
  const std::vector<Group> groups{busy, busy, busy, busy};
  LoadWorld world(AtCap(1, groups));
  world.Run();
  Report(world, groups);
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_GT(world.tally(i).useful, 350u) << "2,000 answers are possible in 20 s";
    EXPECT_LE(world.tally(i).opened, 30u) << "turns of a quarter of a second";
  }
}

TEST(CapSim, WhatIsGuaranteedIsThereAlthoughTenOthersWantIt) {
  std::vector<Group> groups(10, {.name = "crowd", .service = 50 * kMilli, .clients = 50});
  groups.push_back({.name = "entitled", .service = 10 * kMilli, .clients = 4, .guaranteed = 4});
  LoadWorld world(AtCap(14, groups));
  world.Run();
  Report(world, groups);
  const Tally& tally = world.tally(10);
  EXPECT_GT(tally.useful, 7'000u) << "four servers for 20 s, 10 ms each";
  for (size_t i = 0; i < 10; ++i) EXPECT_GT(world.tally(i).useful, 300u) << "a tenth of the other ten";
}

}  // namespace
}  // namespace sim
