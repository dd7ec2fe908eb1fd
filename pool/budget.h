// Caps on server connections that several pools share: per database and per user.
//
// What: TryTake counts a connection in before it is opened, Give counts it out after it is closed; a connection that is
// opening or closing counts. The cap is never passed, not even briefly. A pool that was refused is remembered as hungry and
// is named to whoever gives the next place back.
// Threads: any; one atomic for the count, a small mutex for the hungry list (touched only at the cap). Giving back and then
// looking for the hungry, against becoming hungry and then looking for room: sequentially consistent, so that one sees the other.
// Limits: limit() 0 = none. A lowered limit takes effect by not granting until the count has fallen.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "pool/mutex.h"

namespace pool {

class Pool;

class Budget {
 public:
  explicit Budget(int limit) : limit_(limit) {}
  bool TryTake();
  void Give();
  int used() const { return used_.load(); }
  int limit() const { return limit_.load(std::memory_order_relaxed); }
  void SetLimit(int limit) { limit_.store(limit, std::memory_order_relaxed); }

  bool HasRoom() const { return limit() == 0 || used() < limit(); }

  void RememberHungry(const std::shared_ptr<Pool>& pool) PGWEIR_EXCLUDES(mutex_);
  std::shared_ptr<Pool> TakeHungry() PGWEIR_EXCLUDES(mutex_);  // nullptr when nobody waits for a place
  void ForgetHungry(const Pool& pool) PGWEIR_EXCLUDES(mutex_);
  bool HasHungry() const { return hungry_count_.load() > 0; }

 private:
  std::atomic<int> used_{0};
  std::atomic<int> limit_;
  std::atomic<size_t> hungry_count_{0};
  Mutex mutex_;
  std::vector<std::weak_ptr<Pool>> hungry_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace pool
