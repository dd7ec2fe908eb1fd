#include "proxy/statement_registry.h"

#include <atomic>

namespace proxy {
namespace {

// Over all pools: a server that moved or was seen in a log is never mistaken.
std::atomic<uint64_t> next_id{1};

}  // namespace

protocol::StatementRef StatementRegistry::Intern(std::string_view body, std::string_view settings, Sharing sharing,
                                                 protocol::SqlFlags flags, std::vector<protocol::SqlStatement> details) {
  pool::MutexLock lock(mutex_);
  if (sharing == Sharing::kShared) {
    const auto found = shared_.find(Key{body, settings});
    if (found != shared_.end()) {
      if (auto alive = found->second.lock()) return alive;
      shared_.erase(found);  // its last owner is about to say so: the key must not outlive it
    }
  }
  if (size_.bytes + body.size() > kRegistryBytesMax) return nullptr;
  auto made = std::make_unique<protocol::Statement>();
  made->id = next_id.fetch_add(1, std::memory_order_relaxed);
  made->server_name = std::string(protocol::kServerNamePrefix) + std::to_string(made->id);
  made->body = body;
  made->settings = settings;
  made->flags = flags;
  made->details = std::move(details);
  ++size_.statements;
  size_.bytes += made->bytes();
  const protocol::StatementRef statement(made.release(), [registry = shared_from_this()](const protocol::Statement* dead) {
    registry->Forget(dead);
    delete dead;
  });
  if (sharing == Sharing::kShared) shared_[Key{statement->body, statement->settings}] = statement;
  return statement;
}

void StatementRegistry::Forget(const protocol::Statement* statement) {
  pool::MutexLock lock(mutex_);
  --size_.statements;
  size_.bytes -= statement->bytes();
  const auto found = shared_.find(Key{statement->body, statement->settings});
  // Another may have taken the place already.
  if (found != shared_.end() && found->first.body.data() == statement->body.data()) shared_.erase(found);
}

StatementRegistry::Size StatementRegistry::size() const {
  pool::MutexLock lock(mutex_);
  return size_;
}

}  // namespace proxy
