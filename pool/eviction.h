// Which pool gives an idle server up for one that is hungry at the same cap: the law of pool/budget.h, asked of all pools in turn.
//
// What: Consider looks at one pool, Evict takes from the chosen one: the richest, of these the one whose server has been idle for the
// longest. What a pool poorer than the asking one has is left to it until it was idle for kIdleKept.
// Threads: any; a value that lives for one search. Ownership: borrows the budget and the pools.
#pragma once

#include <tuple>

#include "pool/pool.h"

namespace pool {

class Eviction {
 public:
  Eviction(Budget& budget, const Pool& asking, TimePoint now) : budget_(budget), asking_(asking), rank_(asking.holding().Rank()), now_(now) {}

  void Consider(Pool& pool) {
    if (&pool == &asking_ || !pool.DrawsOn(budget_)) return;
    const auto spare = pool.OldestSpare();
    if (!spare || (spare->rank < rank_ && now_ - spare->idle_since < kIdleKept)) return;
    if (chosen_ != nullptr && std::tie(spare->rank, best_.idle_since) <= std::tie(best_.rank, spare->idle_since)) return;
    chosen_ = &pool;
    best_ = *spare;
  }
  const Pool* chosen() const { return chosen_; }
  // The pool whose orders these are; nullptr when there is none, or its server is in use by now.
  Pool* Evict(Orders& orders) {
    if (chosen_ == nullptr || !chosen_->EvictIdle(now_, orders)) return nullptr;
    budget_.Promise(asking_);
    return chosen_;
  }

 private:
  Budget& budget_;
  const Pool& asking_;
  const int rank_;
  const TimePoint now_;
  Pool* chosen_ = nullptr;
  Pool::Spare best_;
};

}  // namespace pool
