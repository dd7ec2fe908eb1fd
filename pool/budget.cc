#include "pool/budget.h"

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

void Budget::RememberHungry(const std::shared_ptr<Pool>& pool) {
  MutexLock lock(mutex_);
  for (const auto& entry : hungry_) {
    if (entry.lock() == pool) return;
  }
  hungry_.push_back(pool);
  hungry_count_.store(hungry_.size());
}

std::shared_ptr<Pool> Budget::TakeHungry() {
  MutexLock lock(mutex_);
  while (!hungry_.empty()) {
    std::shared_ptr<Pool> pool = hungry_.front().lock();
    hungry_.erase(hungry_.begin());
    hungry_count_.store(hungry_.size());
    if (pool) return pool;
  }
  return nullptr;
}

void Budget::ForgetHungry(const Pool& pool) {
  MutexLock lock(mutex_);
  std::erase_if(hungry_, [&](const auto& entry) { return entry.lock().get() == &pool; });
  hungry_count_.store(hungry_.size());
}

}  // namespace pool
