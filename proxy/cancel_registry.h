// Cancel keys of our clients: from (process id, key) to the worker and client that they mean.
//
// What: the keys are random (PostgreSQL documentation, "Canceling Requests in Progress"; cancel_key.h says which bits). Find
// compares in constant time and says nothing about why it failed. No two clients have the same key, but with a peer_id several
// may have the same process id: 15 of its bits are random then, and a pgweir may have more clients than that.
// Threads: any; sharded mutexes, touched at login, at the end of a client and by cancel requests.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "pool/mutex.h"
#include "pool/wait_queue.h"
#include "proxy/cancel_key.h"

namespace proxy {

class CancelRegistry {
 public:
  struct Owner {
    pool::WorkerId worker;
    uint64_t client_id;
  };
  CancelKey Register(Owner owner, int peer_id, size_t key_bytes);
  void Move(uint32_t process_id, uint64_t client_id, pool::WorkerId to);
  void Remove(uint32_t process_id, uint64_t client_id);
  std::optional<Owner> Find(const CancelKey& wanted) const;

 private:
  struct Entry {
    std::string key;
    Owner owner;
  };
  struct Shard {
    mutable pool::Mutex mutex;
    std::unordered_multimap<uint32_t, Entry> entries PGWEIR_GUARDED_BY(mutex);

    auto Of(uint32_t process_id, uint64_t client_id) PGWEIR_REQUIRES(mutex) {
      const auto [first, last] = entries.equal_range(process_id);
      const auto found = std::find_if(first, last, [client_id](const auto& entry) { return entry.second.owner.client_id == client_id; });
      return found == last ? entries.end() : found;
    }
  };
  static constexpr size_t kShards = 16;
  std::array<Shard, kShards> shards_;
};

}  // namespace proxy
