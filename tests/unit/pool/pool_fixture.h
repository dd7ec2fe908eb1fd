// A pool in a test: opens servers the way the proxy does, with a clock that the test moves.
//
// What: shortcuts for the steps that every test of the pool needs. Orders of the last call are in `orders`; a shortcut
// clears them. Threads: one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "pool/pool.h"

namespace pool {

class PoolTest : public ::testing::Test {
 protected:
  using Acquired = Pool::Acquired::Kind;
  using Next = Pool::Next::Kind;

  // A test that says nothing of lifetimes must not see them.
  static PoolLimits Limits(int size) {
    PoolLimits limits;
    limits.size = size;
    limits.max_parallel_connects = 10;
    limits.lifetime = Duration(3'600'000'000);
    limits.check_delay = Duration(30'000'000);
    limits.login_retry = Duration(15'000'000);
    return limits;
  }

  void Make(const PoolLimits& limits, uint32_t workers = 2) { pool = MakeOne(limits, workers); }
  std::shared_ptr<Pool> MakeOne(const PoolLimits& limits, uint32_t workers = 2) {
    return std::make_shared<Pool>(limits, workers, Budgets{database, user}, 7);
  }

  static Waiter At(WorkerId worker, uint64_t owner_id = 0) {
    Waiter waiter;
    waiter.worker = worker;
    waiter.owner_id = owner_id;
    return waiter;
  }

  Pool::Acquired Acquire(Waiter& waiter) { return AcquireFrom(*pool, waiter); }
  Pool::Acquired AcquireFrom(Pool& from, Waiter& waiter) {
    orders = {};
    return from.Acquire(waiter, now, orders);
  }
  Pool::Next Release(Slot& slot) {
    orders = {};
    return pool->Release(slot, now, orders);
  }
  Pool::Next Opened(Slot& slot) {
    orders = {};
    return pool->Opened(slot, now, orders);
  }
  Pool::Next Arrived(Slot& slot) {
    orders = {};
    return pool->Arrived(slot, now, orders);
  }
  bool Cancel(Waiter& waiter) {
    orders = {};
    return pool->Cancel(waiter, Leaves::kSentAway, now);
  }
  void Close(Slot& slot) {
    orders = {};
    pool->BeginClose(slot, now, orders);
    pool->Closed(slot, now, orders);
  }
  void Fail(Slot& slot, OpenFailure::Kind kind) {
    orders = {};
    pool->OpenFailed(slot, {kind, "cause", "error"}, now, orders);
  }
  void Tick() {
    orders = {};
    pool->Tick(now, orders);
  }

  // A server leased on that worker: opened for a waiter that is served by it.
  std::shared_ptr<Slot> Lease(WorkerId worker) { return LeaseFrom(*pool, worker); }
  std::shared_ptr<Slot> LeaseFrom(Pool& from, WorkerId worker) {
    Waiter waiter = At(worker);
    EXPECT_EQ(AcquireFrom(from, waiter).kind, Acquired::kQueued);
    if (orders.open.size() != 1) {
      ADD_FAILURE() << "expected one server to open, not " << orders.open.size();
      std::abort();
    }
    std::shared_ptr<Slot> slot = orders.open.front();
    orders = {};
    const Pool::Next next = from.Opened(*slot, now, orders);
    EXPECT_EQ(next.kind, Next::kServe);
    EXPECT_EQ(next.waiter, &waiter);
    return slot;
  }
  int CountOf(SlotState state) const { return pool->Count(now).by_state[static_cast<size_t>(state)]; }
  int Open() const { return pool->Count(now).open; }
  size_t Waiting() const { return pool->Count(now).waiting; }

  std::shared_ptr<Budget> database = std::make_shared<Budget>(0), user = std::make_shared<Budget>(0);
  std::shared_ptr<Pool> pool;
  TimePoint now{Duration(1'000'000)};
  Orders orders;
};

}  // namespace pool
