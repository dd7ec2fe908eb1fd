#include "proxy/cancel_registry.h"

#include <algorithm>

#include "protocol/scram.h"

namespace proxy {

CancelKey CancelRegistry::Register(Owner owner, int peer_id, size_t key_bytes) {
  for (;;) {
    CancelKey made = MakeCancelKey(peer_id, key_bytes);
    Shard& shard = shards_[made.process_id % kShards];
    pool::MutexLock lock(shard.mutex);
    const auto [first, last] = shard.entries.equal_range(made.process_id);
    // Without a peer_id there are process ids enough, and who reads logs may take them for unique.
    const bool is_taken = peer_id == 0 ? first != last : std::any_of(first, last, [&](const auto& entry) { return entry.second.key == made.key; });
    if (is_taken) continue;
    shard.entries.emplace(made.process_id, Entry{made.key, owner});
    return made;
  }
}

void CancelRegistry::Move(uint32_t process_id, uint64_t client_id, pool::WorkerId to) {
  Shard& shard = shards_[process_id % kShards];
  pool::MutexLock lock(shard.mutex);
  const auto found = shard.Of(process_id, client_id);
  if (found != shard.entries.end()) found->second.owner.worker = to;
}

void CancelRegistry::Remove(uint32_t process_id, uint64_t client_id) {
  Shard& shard = shards_[process_id % kShards];
  pool::MutexLock lock(shard.mutex);
  const auto found = shard.Of(process_id, client_id);
  if (found != shard.entries.end()) shard.entries.erase(found);
}

std::optional<CancelRegistry::Owner> CancelRegistry::Find(const CancelKey& wanted) const {
  const Shard& shard = shards_[wanted.process_id % kShards];
  pool::MutexLock lock(shard.mutex);
  const auto [first, last] = shard.entries.equal_range(wanted.process_id);
  const auto found = std::find_if(first, last, [&](const auto& entry) { return protocol::ConstantTimeEquals(entry.second.key, wanted.key); });
  return found == last ? std::nullopt : std::optional(found->second.owner);
}

}  // namespace proxy
