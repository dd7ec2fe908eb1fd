// A place for one connection to PostgreSQL that is no pool's server, under the caps that pools share (pool/budget.h).
//
// What: Take counts the connection in before it is dialled: all of the pool's budgets; the destructor
// counts it out, after its socket is closed, and names a pool that waits for a place to `poke` (which calls its Tick).
// A refusal names the cap. Such a connection evicts nobody and does not queue: it asks again later.
// Threads: any. Ownership: move-only, the place of exactly one connection.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "proxy/backend_pool.h"

namespace proxy {

using PokePool = std::function<void(std::shared_ptr<pool::Pool>)>;

class ConnectionPlace {
 public:
  // The error: "max_db_connections of database \"shop\" (5) is reached".
  [[nodiscard]] static tl::expected<ConnectionPlace, std::string> Take(const BackendPool& pool, PokePool poke);
  ~ConnectionPlace();
  ConnectionPlace(ConnectionPlace&&) = default;
  ConnectionPlace& operator=(ConnectionPlace&&) = delete;

 private:
  explicit ConnectionPlace(PokePool poke) : poke_(std::move(poke)) {}
  PokePool poke_;
  std::vector<std::shared_ptr<pool::Budget>> taken_;
};

}  // namespace proxy
