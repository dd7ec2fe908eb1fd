// The statements that clients of one pool have prepared: the same text, types and settings is the same Statement for all.
//
// What: Intern finds or makes one. A Statement lives as long as a client or a server of the pool knows it; the registry only
// borrows. Touched when a client parses a named statement, never when it executes one.
// Threads: any; one short mutex. Limits: kRegistryBytesMax of statements alive; beyond it Intern gives nullptr.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>

#include "pool/mutex.h"
#include "protocol/prepared_statements.h"

namespace proxy {

inline constexpr size_t kRegistryBytesMax = size_t{256} * 1024 * 1024;

class StatementRegistry : public std::enable_shared_from_this<StatementRegistry> {
 public:
  // `body`, `settings`: as in protocol::Statement. kPrivate: never shared with another Parse.
  enum class Sharing : uint8_t { kShared, kPrivate };
  protocol::StatementRef Intern(std::string_view body, std::string_view settings, Sharing sharing, protocol::SqlFlags flags,
                                std::vector<protocol::SqlStatement> details);
  struct Size {
    uint64_t statements = 0, bytes = 0;
  };
  Size size() const;

 private:
  struct Key {
    std::string_view body, settings;  // of the Statement itself
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.body) * 31 + std::hash<std::string_view>()(key.settings);
    }
  };
  void Forget(const protocol::Statement* statement);

  mutable pool::Mutex mutex_;
  std::unordered_map<Key, std::weak_ptr<const protocol::Statement>, Hash> shared_ PGWEIR_GUARDED_BY(mutex_);
  Size size_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace proxy
