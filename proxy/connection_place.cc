#include "proxy/connection_place.h"

namespace proxy {

namespace {

std::string Reached(std::string_view cap, int limit, std::string_view of, const std::string& name) {
  return std::string(cap) + " (" + std::to_string(limit) + ") of " + std::string(of) + " \"" + name + "\" is reached";
}

}  // namespace

tl::expected<ConnectionPlace, std::string> ConnectionPlace::Take(const BackendPool& pool, PokePool poke) {
  ConnectionPlace place(std::move(poke));
  const auto& database = pool.database_budget();
  if (!database->TryTake()) {
    return tl::unexpected(Reached("max_db_connections", database->limit(), "database", pool.key().database));
  }
  place.taken_.push_back(database);
  const auto& user = pool.user_budget();
  if (!user->TryTake()) return tl::unexpected(Reached("max_user_connections", user->limit(), "user", pool.key().user));
  place.taken_.push_back(user);
  return place;
}

ConnectionPlace::~ConnectionPlace() {
  for (const auto& budget : taken_) {
    budget->Give();
    if (!budget->HasHungry() || !budget->HasRoom()) continue;
    if (auto hungry = budget->TakeHungry()) poke_(std::move(hungry));
  }
}

}  // namespace proxy
