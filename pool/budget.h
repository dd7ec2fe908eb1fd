// Caps on server connections that several pools share: per database, per user and per host.
//
// What: TryTake counts a connection in before it is opened, Give counts it out after it is closed; a connection that is
// opening or closing counts. The cap is never passed, not even briefly.
//
// Who gets the next place, when more is wanted than there is: a pool that was refused is remembered as hungry, with what it holds.
//   - The neediest comes first: who is below its guarantee, then who holds the fewest, then who has been hungry the longest.
//     A pool that is less needy than one of the hungry is refused although there may be room: the other is told of it.
//   - A pool that has waiters of its own, too, gives a server up at its release while somebody needier would not have more by it
//     than it keeps (MustGive). So all end with what they can use, up to an equal share.
//   - If there are more pools than places, those that hold one pass it on after kTurn; nobody is left with none for long.
//   - What is idle is given up at once to who has not more already, to others when it was idle for kIdleKept: else a pool
//     between two queries would lose its servers to one that never has enough.
// Each place that is being given up is promised to somebody, so that one hungry pool does not make several others close.
//
// Threads: any; one atomic for the count, a small mutex for the hungry (touched only at the cap). Giving back and then
// looking for the hungry, against becoming hungry and then looking for room: sequentially consistent, so that one sees the other.
// Limits: limit() 0 = none. A lowered limit takes effect by not granting until the count has fallen.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "pool/mutex.h"
#include "pool/time.h"

namespace pool {

class Pool;

inline constexpr Duration kTurn{250'000};
inline constexpr Duration kIdleKept{1'000'000};

// What a pool has, as far as it decides who comes first. Compared by Rank: the less, the needier.
struct Holding {
  int held = 0, guaranteed = 0;
  int Rank() const { return held < guaranteed ? held - (1 << 24) : held; }
  Holding With(int more) const { return {held + more, guaranteed}; }
};

// What a pool asks for. One order over all budgets, since a pool that draws on several may be first nowhere otherwise.
struct Hunger {
  std::shared_ptr<Pool> pool;
  Holding holding;
  int wanted = 0;
  TimePoint since{};    // its last place, or when it began to want one
  uint64_t serial = 0;  // of the pool
};

class Budget {
 public:
  explicit Budget(int limit, std::string name = "") : limit_(limit), name_(std::move(name)) {}
  bool TryTake();  // for a connection that is no pool's, or a client
  // For one of the connections that a pool wants. Refused: it is hungry from now on.
  bool TryTake(const Hunger& hunger) PGWEIR_EXCLUDES(mutex_);
  // The same without waiting for it: taken only when nobody is hungry.
  bool TryTakeSpare() { return !HasHungry() && TryTake(); }
  void Give();
  int used() const { return used_.load(); }
  int limit() const { return limit_.load(std::memory_order_relaxed); }
  void SetLimit(int limit) { limit_.store(limit, std::memory_order_relaxed); }
  bool HasRoom() const { return limit() == 0 || used() < limit(); }
  const std::string& name() const { return name_; }  // the key and whose it is, for messages

  bool HasHungry() const { return hungry_count_.load() > 0; }
  // Who comes first now, `asking` left out; nullptr when nobody is hungry. It stays hungry until its TryTake or Forget.
  std::shared_ptr<Pool> Neediest(const Pool* asking = nullptr) PGWEIR_EXCLUDES(mutex_);
  void Forget(const Pool& pool) PGWEIR_EXCLUDES(mutex_);  // it wants nothing, or cannot use it now

  // A pool that holds `holding` could give one up. True: it must, and the place is promised to somebody.
  enum class Offer : uint8_t { kInDemand, kIdle };
  bool MustGive(const Pool& pool, Holding holding, Offer offer, Duration age, TimePoint now) PGWEIR_EXCLUDES(mutex_);
  void Promise(const Pool& pool) PGWEIR_EXCLUDES(mutex_);  // another one closes an idle server for it
  void ForgetPromises(const Pool& pool) PGWEIR_EXCLUDES(mutex_);  // they may have come to nothing: look again

 private:
  struct Hungry {
    std::weak_ptr<Pool> pool;
    const Pool* key = nullptr;
    Holding holding;
    int wanted = 0, promised = 0;
    TimePoint since{};
    uint64_t serial = 0;
    bool IsBefore(const Hungry& other) const;
  };
  Hungry* Find(const Pool& pool) PGWEIR_REQUIRES(mutex_);
  void Drop(const Pool& pool) PGWEIR_REQUIRES(mutex_);
  Hungry& Remember(const Hunger& hunger) PGWEIR_REQUIRES(mutex_);

  std::atomic<int> used_{0};
  std::atomic<int> limit_;
  const std::string name_;
  std::atomic<size_t> hungry_count_{0};
  Mutex mutex_;
  std::vector<Hungry> hungry_ PGWEIR_GUARDED_BY(mutex_);
};

using Budgets = std::vector<std::shared_ptr<Budget>>;

}  // namespace pool
