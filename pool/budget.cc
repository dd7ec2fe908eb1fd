#include "pool/budget.h"

#include <algorithm>
#include <tuple>

#include "pool/check.h"

namespace pool {

bool Budget::TryTake() {
  const int limit = limit_.load(std::memory_order_relaxed);
  int used = used_.load();
  do {
    if (limit > 0 && used >= limit) return false;
  } while (!used_.compare_exchange_weak(used, used + 1));
  return true;
}

void Budget::Give() { PGWEIR_CHECK(used_.fetch_sub(1) > 0); }

Budget::Hungry* Budget::Find(const Pool& pool) {
  const auto found = std::find_if(hungry_.begin(), hungry_.end(), [&pool](const Hungry& entry) { return entry.key == &pool && !entry.pool.expired(); });
  return found == hungry_.end() ? nullptr : &*found;
}

// Those that have ended go with it.
void Budget::Drop(const Pool& pool) {
  std::erase_if(hungry_, [&pool](const Hungry& entry) { return entry.key == &pool || entry.pool.expired(); });
  hungry_count_.store(hungry_.size());
}

bool Budget::Hungry::IsBefore(const Hungry& other) const {
  const int rank = holding.Rank(), others = other.holding.Rank();
  return std::tie(rank, since, serial) < std::tie(others, other.since, other.serial);
}

Budget::Hungry& Budget::Remember(const Hunger& hunger) {
  Hungry* entry = Find(*hunger.pool);
  if (entry == nullptr) {
    entry = &hungry_.emplace_back();
    entry->pool = hunger.pool;
    entry->key = hunger.pool.get();
    entry->serial = hunger.serial;
    hungry_count_.store(hungry_.size());
  }
  entry->holding = hunger.holding;
  entry->wanted = hunger.wanted;
  entry->since = hunger.since;
  return *entry;
}

bool Budget::TryTake(const Hunger& hunger) {
  if (!HasHungry() && TryTake()) return true;
  MutexLock lock(mutex_);
  // Before the look at the room: whoever gives a place back meanwhile sees somebody hungry.
  Hungry& entry = Remember(hunger);
  for (const Hungry& other : hungry_) {
    if (other.IsBefore(entry) && !other.pool.expired()) return false;
  }
  if (!TryTake()) return false;
  entry.promised = std::max(0, entry.promised - 1);
  entry.holding = entry.holding.With(1);
  if (--entry.wanted <= 0) Drop(*hunger.pool);
  return true;
}

std::shared_ptr<Pool> Budget::Neediest(const Pool* asking) {
  MutexLock lock(mutex_);
  std::shared_ptr<Pool> neediest;
  const Hungry* first = nullptr;
  for (const Hungry& entry : hungry_) {
    if (entry.key == asking || (first != nullptr && first->IsBefore(entry))) continue;
    auto alive = entry.pool.lock();
    if (!alive) continue;
    neediest = std::move(alive);
    first = &entry;
  }
  return neediest;
}

void Budget::Forget(const Pool& pool) {
  if (!HasHungry()) return;
  MutexLock lock(mutex_);
  Drop(pool);
}

bool Budget::MustGive(const Pool& pool, Holding holding, Offer offer, Duration age, TimePoint now) {
  MutexLock lock(mutex_);
  const int without = holding.With(-1).Rank();
  Hungry* chosen = nullptr;
  int rank = 0;
  for (Hungry& entry : hungry_) {
    if (entry.key == &pool || entry.promised >= entry.wanted || entry.pool.expired()) continue;
    const int theirs = entry.holding.With(entry.promised).Rank();
    if (chosen != nullptr && theirs >= rank) continue;
    const bool has_waited = entry.holding.held + entry.promised == 0 && now - entry.since >= kTurn && age >= kTurn;
    if (theirs < without || (theirs == without && (offer == Offer::kIdle || has_waited))) {
      chosen = &entry;
      rank = theirs;
    }
  }
  if (chosen != nullptr) ++chosen->promised;
  return chosen != nullptr;
}

void Budget::Promise(const Pool& pool) {
  MutexLock lock(mutex_);
  if (Hungry* entry = Find(pool)) ++entry->promised;
}

void Budget::ForgetPromises(const Pool& pool) {
  if (!HasHungry()) return;
  MutexLock lock(mutex_);
  if (Hungry* entry = Find(pool)) entry->promised = 0;
}

}  // namespace pool
