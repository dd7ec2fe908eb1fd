#include "proxy/cancel_registry.h"

#include <cstring>

#include "protocol/scram.h"
#include "proxy/shared.h"

namespace proxy {

CancelRegistry::Key CancelRegistry::Register(Owner owner, size_t key_bytes) {
  for (;;) {
    const std::string random = RandomBytes(4 + key_bytes);
    Key made;
    std::memcpy(&made.process_id, random.data(), 4);
    made.process_id &= 0x7fffffff;  // clients show it as a positive number
    made.key = random.substr(4);
    Shard& shard = shards_[made.process_id % kShards];
    pool::MutexLock lock(shard.mutex);
    if (made.process_id != 0 && shard.entries.try_emplace(made.process_id, Entry{made.key, owner}).second) return made;
  }
}

void CancelRegistry::Remove(uint32_t process_id) {
  Shard& shard = shards_[process_id % kShards];
  pool::MutexLock lock(shard.mutex);
  shard.entries.erase(process_id);
}

std::optional<CancelRegistry::Owner> CancelRegistry::Find(uint32_t process_id, std::string_view key) const {
  const Shard& shard = shards_[process_id % kShards];
  pool::MutexLock lock(shard.mutex);
  const auto found = shard.entries.find(process_id);
  if (found == shard.entries.end() || !protocol::ConstantTimeEquals(found->second.key, key)) return std::nullopt;
  return found->second.owner;
}

}  // namespace proxy
