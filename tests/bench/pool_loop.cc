// What valgrind --tool=callgrind counts of the pool alone: pool_loop idle|queued N
//
//   idle    one client takes an idle server and gives it back, N times: the way of a query in a pool that is not full
//   queued  40 clients on 20 servers: a release serves the oldest waiter, whose predecessor asks again, N times
// Twice with N and 2 N: the difference divided by N is one acquire with its release.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "pool/pool.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: pool_loop idle|queued N\n");
    return 2;
  }
  const size_t clients = std::strcmp(argv[1], "queued") == 0 ? 40 : 1;
  constexpr int kSize = 20;
  pool::PoolLimits limits;
  limits.size = kSize;
  limits.lifetime = limits.check_delay = pool::Duration(3'600'000'000);
  limits.max_parallel_connects = kSize;
  const auto budget = std::make_shared<pool::Budget>(0), other = std::make_shared<pool::Budget>(0);
  const auto pool = std::make_shared<pool::Pool>(limits, 2, pool::Budgets{budget, other}, 1);
  pool::TimePoint now{pool::Duration(1'000'000)};
  std::vector<pool::Waiter> waiters(clients);
  std::vector<std::pair<pool::Slot*, pool::Waiter*>> held;
  pool::Orders orders;
  for (pool::Waiter& waiter : waiters) pool->Acquire(waiter, now, orders);
  std::vector<std::shared_ptr<pool::Slot>> slots;
  while (!orders.open.empty()) {
    const auto opened = std::exchange(orders, {}).open;
    for (const auto& slot : opened) {
      slots.push_back(slot);
      held.emplace_back(slot.get(), pool->Opened(*slot, now, orders).waiter);
    }
  }
  size_t turn = 0;
  for (long left = std::atol(argv[2]); left > 0; --left) {
    now += pool::Duration(50);
    auto& [slot, waiter] = held[turn++ % held.size()];
    pool::Waiter* next = pool->Release(*slot, now, orders).waiter;
    const auto acquired = pool->Acquire(*waiter, now, orders);
    if (acquired.kind == pool::Pool::Acquired::Kind::kLeased) slot = acquired.slot;
    else waiter = next;
  }
  for (pool::Waiter& waiter : waiters) pool->Cancel(waiter, pool::Leaves::kSentAway, now);
  return orders.failed.empty() ? 0 : 1;
}
