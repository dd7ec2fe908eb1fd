// AllowedCpus follows the affinity mask of the process.
#include "proxy/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace proxy {
namespace {

TEST(CpuCountTest, AtLeastOneAndNeverMoreThanTheMask) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  EXPECT_GE(AllowedCpus(), 1);
  EXPECT_LE(AllowedCpus(), CPU_COUNT(&mask));
}

TEST(CpuCountTest, OneCpuInTheMaskIsOne) {
  // On a thread of its own: the mask is the thread's.
  std::thread([] {
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
    EXPECT_EQ(AllowedCpus(), 1);
  }).join();
}

}  // namespace
}  // namespace proxy
