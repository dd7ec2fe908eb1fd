// What is fair between those who wait: flows (by user, application or address) share a pool by the server time that they hold.
//
// What: each flow has a meter, server time held divided by its weight; the flow with the least is served next. A flow that comes
// (back) starts where the one served last began, so that absence saves nothing up and a flow that asks seldom is served at once.
// A loan is charged in advance with what loans of this flow usually last, and at its end with the difference: otherwise a flow
// would be lent the whole pool before the first of its long transactions is charged (which is why this is no round robin with
// deficits; in the long run both give the same shares).
//
// Ownership: flows are made when a waiter of an unknown one comes, and forgotten all at once when nobody waits any more (Clear),
// or one by one when there are many that nobody waits in. Threads: guarded by the pool's mutex.
// Cost: choosing is the top of a heap, charging O(log flows). Units: microseconds.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "pool/intrusive_list.h"
#include "pool/overload.h"
#include "pool/time.h"
#include "pool/waiter.h"

namespace pool {

inline constexpr size_t kFlowsKept = 1024;  // above it, those without waiters are forgotten when they owe nothing

struct Flow {
  FlowKey key = 0;
  uint16_t weight = 1;
  size_t waiting = 0;
  size_t place = 0;   // in the heap, while somebody waits
  Duration meter{0};
  Duration usual{0};  // what its loans last
  Overload overload;
  std::vector<IntrusiveList<Waiter, &Waiter::flow_links>> lists;  // per worker, first come first
  Waiter* OldestOn(WorkerId worker) const { return lists[worker].front(); }
  Waiter* Oldest() const;
};

// A server lent to a flow: what was charged in advance, and since when it is held.
struct Loan {
  FlowKey flow = 0;
  Duration charged{0};
  TimePoint since{};
};

class Flows {
 public:
  explicit Flows(uint32_t workers) : workers_(workers) {}
  bool empty() const { return flows_.empty(); }
  size_t size() const { return flows_.size(); }  // those that are remembered
  void Add(Waiter& waiter);  // where its ticket belongs
  void Remove(Waiter& waiter);
  Flow& Next() { return *heap_.front(); }  // somebody waits
  Flow& Of(const Waiter& waiter) { return flows_.at(waiter.flow); }
  size_t WaitingIn(FlowKey key) const {
    const auto found = flows_.find(key);
    return found == flows_.end() ? 0 : found->second.waiting;
  }
  Loan Lend(Flow& flow, TimePoint now);
  void Charge(const Loan& loan, TimePoint now);
  void Clear();
  void ForgetOverload();
  bool IsShedding() const;

 private:
  void Spend(Flow& flow, Duration time);
  void Settle(size_t place);
  void ForgetAbsent();

  const uint32_t workers_;
  std::unordered_map<FlowKey, Flow> flows_;
  std::vector<Flow*> heap_;  // those in which somebody waits; the least meter first
  Duration now_{0};          // the meter of the flow that was served last, before it was charged
  Duration usual_{0};        // what loans last, over all flows: the guess for a new one
};

}  // namespace pool
