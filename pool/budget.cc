#include "pool/budget.h"

#include "pool/check.h"

namespace pool {

bool Budget::TryTake() {
  const int limit = limit_.load(std::memory_order_relaxed);
  int used = used_.load(std::memory_order_relaxed);
  do {
    if (limit > 0 && used >= limit) return false;
  } while (!used_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed));
  return true;
}

void Budget::Give() { PGWEIR_CHECK(used_.fetch_sub(1, std::memory_order_relaxed) > 0); }

void Budget::RememberHungry(const std::shared_ptr<Pool>& pool) {
  MutexLock lock(mutex_);
  for (const auto& entry : hungry_) {
    if (entry.lock() == pool) return;
  }
  hungry_.push_back(pool);
  hungry_count_.store(hungry_.size(), std::memory_order_relaxed);
}

std::shared_ptr<Pool> Budget::TakeHungry() {
  MutexLock lock(mutex_);
  while (!hungry_.empty()) {
    std::shared_ptr<Pool> pool = hungry_.front().lock();
    hungry_.erase(hungry_.begin());
    hungry_count_.store(hungry_.size(), std::memory_order_relaxed);
    if (pool) return pool;
  }
  return nullptr;
}

}  // namespace pool
