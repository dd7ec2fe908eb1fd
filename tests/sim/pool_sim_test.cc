// Seeded simulation of pools under faults. A failing run prints its seed.
//
//   PGWEIR_SIM_SEED=n    only this seed, or the first of PGWEIR_SIM_RUNS
//   PGWEIR_SIM_RUNS=n    so many seeds      PGWEIR_SIM_STEPS=n   so many steps a seed
//   PGWEIR_SIM_TRACE=1   every event to stderr
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/sim/pool_world.h"

namespace sim {
namespace {

constexpr uint64_t kSeeds = 120;
constexpr uint64_t kStepsPerSeed = 10'000;

volatile std::sig_atomic_t current_seed = 0;

// A broken CHECK ends the process: the seed must be said before.
void SayTheSeed(int) {
  char text[80];
  const int size =
      std::snprintf(text, sizeof(text), "aborted with PGWEIR_SIM_SEED=%ld\n", static_cast<long>(current_seed));
  if (write(STDERR_FILENO, text, static_cast<size_t>(size)) < 0) _exit(1);
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(PoolSim, KeepsItsLawsUnderFaults) {
  std::signal(SIGABRT, SayTheSeed);
  const uint64_t only = FromEnvironment("PGWEIR_SIM_SEED", 0);
  const uint64_t first = only > 0 ? only : 1;
  const uint64_t runs = FromEnvironment("PGWEIR_SIM_RUNS", only > 0 ? 1 : kSeeds);
  const uint64_t steps = FromEnvironment("PGWEIR_SIM_STEPS", kStepsPerSeed);
  uint64_t done = 0, served = 0, shed = 0;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    current_seed = static_cast<std::sig_atomic_t>(seed);
    PoolWorld world(seed, steps);
    try {
      world.Run();
    } catch (const Broken& broken) {
      ADD_FAILURE() << broken.what() << "; again: PGWEIR_SIM_SEED=" << seed << " PGWEIR_SIM_STEPS=" << steps;
    }
    done += world.step();
    served += world.served();
    shed += world.shed();
  }
  // A world in which nothing happens would keep every law.
  EXPECT_GT(served, done / 50);
  EXPECT_TRUE(shed > 0 || runs < kSeeds) << "overload was not reached";
  std::printf("%lu steps, %lu clients served, %lu shed\n", done, served, shed);
}

}  // namespace
}  // namespace sim
