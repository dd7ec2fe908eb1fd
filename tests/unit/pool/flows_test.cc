// Whose turn it is among those who wait.
#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

class FlowsTest : public PoolTest {
 protected:
  ~FlowsTest() override {
    for (const auto& waiter : waiters_) pool->Cancel(*waiter, Leaves::kSentAway, now);
  }
  Waiter& Queue(FlowKey flow, uint16_t weight = 1, WorkerId worker = 0) {
    waiters_.push_back(std::make_unique<Waiter>(At(worker, waiters_.size())));
    waiters_.back()->flow = flow;
    waiters_.back()->weight = weight;
    EXPECT_EQ(Acquire(*waiters_.back()).kind, Acquired::kQueued);
    return *waiters_.back();
  }
  // The flow that is served when the server has been held for so long.
  FlowKey ServedAfter(Slot& slot, int us) {
    now += Duration(us);
    const Pool::Next next = Release(slot);
    EXPECT_EQ(next.kind, Next::kServe);
    return next.waiter == nullptr ? 0 : next.waiter->flow;
  }
  std::vector<std::unique_ptr<Waiter>> waiters_;
};

TEST_F(FlowsTest, OneThatComesLaterIsServedBeforeTheRestOfALongQueue) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int i = 0; i < 50; ++i) Queue(1);
  ServedAfter(*slot, 1000);
  Queue(2);
  EXPECT_EQ(ServedAfter(*slot, 1000), 2u);
  EXPECT_EQ(ServedAfter(*slot, 1000), 1u);
}

TEST_F(FlowsTest, FirstComeFirstServedInsideAFlow) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int i = 0; i < 10; ++i) Queue(1), Queue(2);
  uint64_t last[3] = {0, 0, 0};
  for (int i = 0; i < 20; ++i) {
    now += Duration(1000);
    const Waiter* waiter = Release(*slot).waiter;
    ASSERT_NE(waiter, nullptr);
    EXPECT_GT(waiter->ticket, std::exchange(last[waiter->flow], waiter->ticket));
  }
}

TEST_F(FlowsTest, ServerTimeIsWhatIsSharedNotTurns) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int i = 0; i < 400; ++i) Queue(1), Queue(2);
  int64_t held[3] = {0, 0, 0};
  FlowKey holds = 0;
  for (int i = 0; i < 400; ++i) {
    const int us = holds == 1 ? 9000 : 1000;
    held[holds] += us;
    holds = ServedAfter(*slot, us);
  }
  EXPECT_NEAR(static_cast<double>(held[1]) / static_cast<double>(held[1] + held[2]), 0.5, 0.05);
}

TEST_F(FlowsTest, WeightsDivideIt) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int i = 0; i < 400; ++i) Queue(1, 3), Queue(2, 1);
  int served[3] = {0, 0, 0};
  for (int i = 0; i < 400; ++i) ++served[ServedAfter(*slot, 1000)];
  EXPECT_NEAR(served[1], 300, 4);
}

TEST_F(FlowsTest, ALongLoanIsPaidForWhenItEnds) {
  Make(Limits(2));
  const auto long_one = Lease(0), other = Lease(0);
  for (int i = 0; i < 50; ++i) Queue(1), Queue(2);
  ASSERT_EQ(ServedAfter(*long_one, 1000), 1u);
  for (int i = 0; i < 10; ++i) ServedAfter(*other, 1000);
  Release(*long_one);  // after ten times as long
  int first = 0;
  for (int i = 0; i < 8; ++i) first += ServedAfter(*other, 1000) == 1u ? 1 : 0;
  EXPECT_LE(first, 2);
}

TEST_F(FlowsTest, AbsenceSavesNothingUp) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int i = 0; i < 300; ++i) Queue(1);
  Queue(2);
  for (int i = 0; i < 100; ++i) ServedAfter(*slot, 1000);
  for (int i = 0; i < 100; ++i) Queue(2);
  int served[3] = {0, 0, 0};
  for (int i = 0; i < 100; ++i) ++served[ServedAfter(*slot, 1000)];
  EXPECT_NEAR(served[1], 50, 2);
}

TEST_F(FlowsTest, LeavingAndComingAgainKeepsTheQueueWhole) {
  Make(Limits(1));
  const auto slot = Lease(0);
  for (int round = 0; round < 3; ++round) {
    std::vector<Waiter*> queued;
    for (FlowKey flow = 1; flow <= 40; ++flow) queued.push_back(&Queue(flow, static_cast<uint16_t>(flow), flow % 2));
    EXPECT_EQ(Waiting(), 40u);
    for (size_t i = 0; i < queued.size(); i += 2) EXPECT_TRUE(Cancel(*queued[i]));
    EXPECT_EQ(Waiting(), 20u);
    for (size_t i = 1; i < queued.size(); i += 2) EXPECT_TRUE(Cancel(*queued[i]));
    EXPECT_EQ(Waiting(), 0u);
  }
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
}

TEST_F(FlowsTest, ManyFlowsThatHaveGoneAreForgotten) {
  Flows flows(1);
  std::vector<Waiter> waiters(3 * kFlowsKept);
  Waiter stays = At(0);
  flows.Add(stays);
  for (size_t i = 0; i < waiters.size(); ++i) {
    waiters[i].flow = static_cast<FlowKey>(i + 1);
    waiters[i].ticket = i;
    flows.Add(waiters[i]);
    flows.Remove(waiters[i]);
  }
  EXPECT_LE(flows.size(), kFlowsKept);
  flows.Remove(stays);
  flows.Clear();
  EXPECT_TRUE(flows.empty());
}

}  // namespace
}  // namespace pool
