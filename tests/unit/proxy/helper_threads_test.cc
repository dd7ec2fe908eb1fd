// HelperThreads: all of them work at once, the queue has a limit, the end finishes what runs and drops what waits.
#include "proxy/helper_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/support/deadline.h"

namespace proxy {
namespace {

using test_support::Eventually;

// Keeps helper threads busy until it is opened.
class Gate {
 public:
  std::function<void()> Work() {
    return [this] {
      ++inside_;
      future_.wait();
      ++done_;
    };
  }
  void Open() { promise_.set_value(); }
  size_t inside() const { return inside_; }
  size_t done() const { return done_; }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
  std::atomic<size_t> inside_{0}, done_{0};
};

TEST(HelperThreadsTest, WorkRunsOnSeveralThreadsAtOnce) {
  Gate gate;
  HelperThreads helpers;
  for (size_t i = 0; i < kHelperThreads; ++i) EXPECT_TRUE(helpers.Run(gate.Work()));
  EXPECT_TRUE(Eventually([&] { return gate.inside() == kHelperThreads; })) << "one slow task holds the others up";
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return gate.done() == kHelperThreads; }));
}

TEST(HelperThreadsTest, TheQueueHasALimitAndRoomComesBack) {
  Gate gate;
  HelperThreads helpers;
  std::atomic<size_t> ran{0};
  for (size_t i = 0; i < kHelperThreads; ++i) ASSERT_TRUE(helpers.Run(gate.Work()));
  ASSERT_TRUE(Eventually([&] { return gate.inside() == kHelperThreads; }));
  for (size_t i = 0; i < kHelperQueueMax; ++i) ASSERT_TRUE(helpers.Run([&] { ++ran; })) << "refused at " << i;
  EXPECT_FALSE(helpers.Run([&] { ++ran; })) << "beyond the limit";
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return ran == kHelperQueueMax; }));
  EXPECT_TRUE(helpers.Run([&] { ++ran; }));
  EXPECT_TRUE(Eventually([&] { return ran == kHelperQueueMax + 1; }));
}

TEST(HelperThreadsTest, StopFinishesWhatRunsDropsWhatWaitsAndRefusesMore) {
  Gate gate;
  std::atomic<bool> has_late_run{false};
  HelperThreads helpers;
  for (size_t i = 0; i < kHelperThreads; ++i) ASSERT_TRUE(helpers.Run(gate.Work()));
  ASSERT_TRUE(Eventually([&] { return gate.inside() == kHelperThreads; }));
  auto token = std::make_shared<int>(0);
  ASSERT_TRUE(helpers.Run([&has_late_run, token] { has_late_run = true; }));
  std::thread stopper([&] { helpers.Stop(); });
  // Stop has begun once work is refused; the gate opens only then.
  EXPECT_TRUE(Eventually([&] { return !helpers.Run([] {}); }));
  gate.Open();
  stopper.join();
  EXPECT_EQ(gate.done(), kHelperThreads) << "Stop returned while work ran";
  EXPECT_FALSE(has_late_run);
  EXPECT_FALSE(helpers.Run([] {}));
  helpers.Stop();  // the destructor stops once more
}

TEST(HelperThreadsTest, LeaveWaitsForNobody) {
  Gate gate;
  auto helpers = std::make_unique<HelperThreads>(2);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(helpers->Run(gate.Work()));
  ASSERT_TRUE(Eventually([&] { return gate.inside() == 2; }));
  ASSERT_TRUE(helpers->Run([] { ADD_FAILURE() << "it was queued"; }));
  helpers->Leave();
  EXPECT_FALSE(helpers->Run([] {}));
  helpers.reset();
  EXPECT_EQ(gate.done(), 0u);
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return gate.done() == 2; }));
}

}  // namespace
}  // namespace proxy
