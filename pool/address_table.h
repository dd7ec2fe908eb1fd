// Limits by where clients come from: how many connections an address may have, and how many new ones in a second.
//
// What: Enter counts a connection in, or says why not; Leave counts it out. An IPv4 address counts whole, an IPv6 address by its
// /64, which is what one host is given. Connections are counted also while there is no limit, so that one that is set later
// finds them. The rate is a bucket that holds as many as come in in one second and is full at first; it is kept as the
// time at which it will be full again.
// Threads: any, behind one small mutex that is taken when a connection begins and ends, never for a query.
// Limits: kAddressesMax addresses. An address without connections is forgotten when its bucket is full, which is within a
// second, or earlier when room is needed. If all have connections, a new address is let in uncounted: max_client_conn still holds.
// Source: ITU-T I.371, the generic cell rate algorithm in its form of virtual scheduling.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "pool/mutex.h"
#include "pool/time.h"

namespace pool {

inline constexpr size_t kAddressesMax = 100'000;
inline constexpr int kConnectRateMost = 10'000;  // beyond it the bucket's nanoseconds would not be exact
inline constexpr Duration kRefusalsToldEvery{10'000'000};

// What counts as one.
struct AddressKey {
  uint64_t bits = 0;
  bool is_v6 = false;
  // In network order; 4 bytes, or 16 of which 8 count.
  static AddressKey Of(const uint8_t* address, bool is_v6);
  friend bool operator==(const AddressKey&, const AddressKey&) = default;
};

struct AddressLimits {
  int connections = 0;     // 0 = none
  int new_per_second = 0;  // 0 = none
};

class AddressTable {
 public:
  enum class Verdict : uint8_t { kCounted, kUncounted, kTooMany, kTooFast };
  struct Entered {
    Verdict verdict = Verdict::kCounted;
    int connections = 0;  // that the address had before
    Duration wait{};      // kTooFast: the next is let in after that
    uint64_t untold = 0;  // refusals that a line in the log is due for; 0 = no line now
  };
  explicit AddressTable(uint64_t seed) : entries_(0, Hash{seed}) {}
  Entered Enter(const AddressKey& key, const AddressLimits& limits, TimePoint now) PGWEIR_EXCLUDES(mutex_);
  void Leave(const AddressKey& key) PGWEIR_EXCLUDES(mutex_);  // after kCounted
  size_t size() PGWEIR_EXCLUDES(mutex_);

 private:
  // Seeded: clients choose their addresses.
  struct Hash {
    uint64_t seed;
    size_t operator()(const AddressKey& key) const;
  };
  using Exact = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
  using Idle = std::list<AddressKey>;
  struct Entry {
    int connections = 0;
    Exact full_at = Exact::min();
    Idle::iterator idle;  // while connections == 0
  };
  using Entries = std::unordered_map<AddressKey, Entry, Hash>;
  void ForgetSome(Exact now) PGWEIR_REQUIRES(mutex_);
  void Forget(Entries::iterator entry) PGWEIR_REQUIRES(mutex_);
  Entered Refuse(Verdict verdict, int connections, Duration wait, TimePoint now) PGWEIR_REQUIRES(mutex_);

  Mutex mutex_;
  Entries entries_ PGWEIR_GUARDED_BY(mutex_);
  Idle idle_ PGWEIR_GUARDED_BY(mutex_);  // the longest idle first
  uint64_t untold_ PGWEIR_GUARDED_BY(mutex_) = 0;
  TimePoint told_at_ PGWEIR_GUARDED_BY(mutex_) = TimePoint::min();
};

}  // namespace pool
