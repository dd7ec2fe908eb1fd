#include "admin/own_pool.h"

#include <algorithm>

namespace admin {
namespace {

// Into a list sorted by name, which stays sorted.
template <typename Row>
void InsertByName(std::vector<Row>& rows, Row row) {
  const auto at = std::find_if(rows.begin(), rows.end(), [&](const Row& other) { return other.name > row.name; });
  rows.insert(at, std::move(row));
}

}  // namespace

void OwnPool::AddTo(proxy::Snapshot& snapshot) const {
  conf::PoolSettings settings;
  settings.pool_mode = conf::PoolMode::kStatement;
  settings.pool_size = 2;  // PgBouncer's figure; the console has no servers

  proxy::PoolRow pool;
  pool.database = pool.user = name_;
  pool.settings = settings;
  pool.cl_active = clients_;
  pool.totals = totals_;
  const auto at = std::find_if(snapshot.pools.begin(), snapshot.pools.end(), [&](const proxy::PoolRow& other) {
    return std::tie(other.database, other.user) > std::tie(pool.database, pool.user);
  });
  snapshot.pools.insert(at, std::move(pool));

  proxy::DatabaseRow database;
  database.name = database.database.name = database.database.dbname = database.database.user = name_;
  database.database.keys.pool_mode = conf::PoolMode::kStatement;
  database.settings = settings;
  database.current_client_connections = static_cast<int>(clients_);
  InsertByName(snapshot.databases, std::move(database));

  proxy::UserRow user;
  user.name = name_;
  user.current_client_connections = static_cast<int>(clients_);
  InsertByName(snapshot.users, std::move(user));
}

}  // namespace admin
