#include "pool/wait_queue.h"

#include <gtest/gtest.h>

namespace pool {
namespace {

Waiter At(WorkerId worker) {
  Waiter waiter;
  waiter.worker = worker;
  return waiter;
}

TEST(WaitQueue, KnowsTheOldestOfAWorkerAndOfAll) {
  WaitQueue queue(3);
  EXPECT_EQ(queue.Oldest(), nullptr);
  Waiter a = At(2), b = At(0), c = At(2);
  queue.Push(a);
  queue.Push(b);
  queue.Push(c);
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(a.state, WaiterState::kQueued);
  EXPECT_EQ(queue.Oldest(), &a);
  EXPECT_EQ(queue.OldestOn(0), &b);
  EXPECT_EQ(queue.OldestOn(1), nullptr);
  queue.Remove(a);
  EXPECT_EQ(a.state, WaiterState::kNone);
  EXPECT_EQ(queue.Oldest(), &b);
  EXPECT_EQ(queue.OldestOn(2), &c);
  queue.Remove(b);
  queue.Remove(c);
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.Oldest(), nullptr);
}

TEST(WaitQueue, PutsAWaiterBackWhereItStood) {
  for (size_t gone = 0; gone < 3; ++gone) {
    WaitQueue queue(1);
    Waiter waiters[] = {At(0), At(0), At(0)};
    for (Waiter& waiter : waiters) queue.Push(waiter);
    queue.Remove(waiters[gone]);
    queue.PushAgain(waiters[gone]);
    EXPECT_EQ(queue.size(), 3u);
    for (Waiter& waiter : waiters) {
      EXPECT_EQ(queue.Oldest(), &waiter);
      queue.Remove(waiter);
    }
  }
}

TEST(WaitQueue, ATicketHoldsAPlaceWithoutStandingInTheQueue) {
  WaitQueue queue(1);
  Waiter first = At(0), second = At(0);
  queue.GiveTicket(first);
  queue.Push(second);
  EXPECT_EQ(queue.size(), 1u);
  queue.PushAgain(first);
  EXPECT_EQ(queue.Oldest(), &first);
  queue.Remove(first);
  queue.Push(first);  // a new ticket: behind everybody
  EXPECT_EQ(queue.Oldest(), &second);
  queue.Remove(first);
  queue.Remove(second);
}

}  // namespace
}  // namespace pool
