// What goes wrong in the world: servers die, pools are paused, reconfigured, removed, backends go away and come back.
#include "tests/sim/pool_world.h"

namespace sim {

using pool::Orders;

pool::PoolLimits PoolWorld::DrawLimits() {
  pool::PoolLimits limits;
  limits.size = dice_.Between(1, 8);
  limits.min_size = dice_.Percent(70) ? 0 : dice_.Between(1, limits.size);
  limits.guaranteed = dice_.Percent(70) ? 0 : dice_.Between(1, limits.size);
  limits.reserve_size = dice_.Percent(60) ? 0 : dice_.Between(1, 3);
  limits.reserve_timeout = Duration(dice_.Between(0, 50'000));
  limits.max_waiting = dice_.Between(1, 30);
  limits.max_parallel_connects = dice_.Between(1, 4);
  limits.lifetime = Duration(dice_.Percent(10) ? 0 : dice_.Between(20'000, 5'000'000));
  limits.lifetime_jitter = dice_.Between(0, 50) / 100.0;
  limits.idle_timeout = Duration(dice_.Percent(30) ? 0 : dice_.Between(20'000, 3'000'000));
  limits.check_delay = Duration(dice_.Between(0, 100'000));
  limits.login_retry = Duration(dice_.Between(1'000, 5'000'000));
  limits.overload.target = Duration(dice_.Percent(40) ? 0 : dice_.Between(500, 10'000));
  limits.overload.interval = Duration(dice_.Between(0, 30'000));
  return limits;
}

int PoolWorld::DrawBudget() { return dice_.Percent(40) ? 0 : dice_.Between(1, 10); }

void PoolWorld::Chaos() {
  const size_t index = dice_.Below(places_.size());
  Place& place = places_[index];
  const uint64_t what = dice_.Below(100);
  if (what < 35) return KillServer(place);
  if (what < 55) return HangUp(dice_.Below(clients_.size()));
  if (what < 65) return TickPool(index);
  if (what < 75) return SetMode(index, dice_.Percent(65) ? pool::RunMode::kRunning : pool::RunMode::kPaused);
  if (what < 77) return SetMode(index, pool::RunMode::kRemoved);
  if (what < 87) {
    place.backend = dice_.Percent(60)   ? Backend::kHealthy
                    : dice_.Percent(50) ? Backend::kRefusing
                                        : Backend::kUnreachable;
    return;
  }
  Orders orders;
  if (what < 90) {
    place.pool->CloseAll(now_, orders);
  } else if (what < 92) {
    if (!place.servers.empty()) place.pool->GiveUp(*place.servers[dice_.Below(place.servers.size())]->slot, now_, orders);
  } else if (what < 97) {
    place.limits = DrawLimits();
    place.pool->SetLimits(place.limits, now_, orders);
  } else {
    // A reload: the new cap, then every pool looks whether it may grow.
    budgets_[dice_.Below(budgets_.size())].budget->SetLimit(DrawBudget());
    for (size_t i = 0; i < places_.size(); ++i) TickPool(i);
  }
  CarryOut(index, orders);
}

void PoolWorld::KillServer(Place& place) {
  if (place.servers.empty()) return;
  Server& server = *place.servers[dice_.Below(place.servers.size())];
  here_ = server.at;
  Orders orders;
  switch (server.phase) {
    case Server::Phase::kTravelling:
      server.is_broken = true;
      return;
    case Server::Phase::kClosing:
      return;
    case Server::Phase::kLeased: {
      Client& client = *server.client;
      server.client = nullptr;
      client.server = nullptr;
      GoAway(client);
      Break(server, orders);
      break;
    }
    case Server::Phase::kConnecting:
    case Server::Phase::kIdle:
      Break(server, orders);
      break;
  }
  CarryOut(IndexOf(*place.pool), orders);
}

void PoolWorld::TickPool(size_t index) {
  Orders orders;
  places_[index].pool->Tick(now_, orders);
  CarryOut(index, orders);
}

void PoolWorld::SetMode(size_t index, pool::RunMode mode) {
  Place& place = places_[index];
  Orders orders;
  if (place.mode != pool::RunMode::kRemoved || mode != pool::RunMode::kPaused) place.mode = mode;
  place.pool->SetMode(mode, now_, orders);
  if (mode == pool::RunMode::kRemoved) {
    auto failure = std::make_shared<pool::OpenFailure>();
    failure->cause = "database removed";
    place.pool->FailWaiters(std::move(failure), orders);
  }
  CarryOut(index, orders);
}

}  // namespace sim
