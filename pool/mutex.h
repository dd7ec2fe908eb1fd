// std::mutex with the annotations that clang's -Wthread-safety checks.
#pragma once

#include <mutex>

#if defined(__clang__)
#define PGWEIR_CAPABILITY(x) __attribute__((capability(x)))
#define PGWEIR_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define PGWEIR_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define PGWEIR_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define PGWEIR_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define PGWEIR_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define PGWEIR_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#else
#define PGWEIR_CAPABILITY(x)
#define PGWEIR_SCOPED_CAPABILITY
#define PGWEIR_GUARDED_BY(x)
#define PGWEIR_REQUIRES(...)
#define PGWEIR_ACQUIRE(...)
#define PGWEIR_RELEASE(...)
#define PGWEIR_EXCLUDES(...)
#endif

namespace pool {

class PGWEIR_CAPABILITY("mutex") Mutex {
 public:
  void Lock() PGWEIR_ACQUIRE() { mutex_.lock(); }
  void Unlock() PGWEIR_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class PGWEIR_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PGWEIR_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() PGWEIR_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace pool
