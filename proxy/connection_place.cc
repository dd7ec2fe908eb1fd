#include "proxy/connection_place.h"

namespace proxy {

tl::expected<ConnectionPlace, std::string> ConnectionPlace::Take(const BackendPool& pool, PokePool poke) {
  ConnectionPlace place(std::move(poke));
  for (const auto& budget : pool.budgets()) {
    if (!budget->TryTake()) return tl::unexpected(budget->name() + " (" + std::to_string(budget->limit()) + ") is reached");
    place.taken_.push_back(budget);
  }
  return place;
}

ConnectionPlace::~ConnectionPlace() {
  for (const auto& budget : taken_) {
    budget->Give();
    if (!budget->HasHungry() || !budget->HasRoom()) continue;
    if (auto hungry = budget->Neediest()) poke_(std::move(hungry));
  }
}

}  // namespace proxy
