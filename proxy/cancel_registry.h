// Cancel keys of our clients: from (process id, key) to the worker and client that they mean.
//
// What: the keys are random (PostgreSQL documentation, "Canceling Requests in Progress"): 4 bytes for protocol 3.0, 32 bytes
// from 3.2 on. Find compares in constant time and says nothing about why it failed.
// Threads: any; sharded mutexes, touched at login, at the end of a client and by cancel requests.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pool/mutex.h"
#include "pool/wait_queue.h"

namespace proxy {

inline constexpr size_t kCancelKeyBytes30 = 4;
inline constexpr size_t kCancelKeyBytes32 = 32;

class CancelRegistry {
 public:
  struct Owner {
    pool::WorkerId worker;
    uint64_t client_id;
  };
  struct Key {
    uint32_t process_id = 0;
    std::string key;
  };
  Key Register(Owner owner, size_t key_bytes);
  void Remove(uint32_t process_id);
  std::optional<Owner> Find(uint32_t process_id, std::string_view key) const;

 private:
  struct Entry {
    std::string key;
    Owner owner;
  };
  struct Shard {
    mutable pool::Mutex mutex;
    std::unordered_map<uint32_t, Entry> entries PGWEIR_GUARDED_BY(mutex);
  };
  static constexpr size_t kShards = 16;
  std::array<Shard, kShards> shards_;
};

}  // namespace proxy
