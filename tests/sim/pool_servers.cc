// The servers of the world, and the orders of the pools carried out as the proxy carries them out.
#include <utility>

#include "pool/eviction.h"
#include "tests/sim/pool_world.h"

namespace sim {

using pool::Orders;
using pool::Pool;
using pool::SlotState;

void PoolWorld::OnOpenMessage(const Event& event) {
  here_ = event.to;
  auto* server = new Server{.slot = event.slot, .pool = event.index, .at = event.to};
  Place& place = places_[event.index];
  server->index = place.servers.size();
  place.servers.push_back(server);
  event.slot->server = server;
  Schedule({.kind = Event::Kind::kConnected, .index = event.index, .slot = event.slot}, dice_.UpTo(connect_));
}

void PoolWorld::OnConnected(const Event& event) {
  if (event.slot->server == nullptr || ServerOf(*event.slot).phase != Server::Phase::kConnecting) return;
  Server& server = ServerOf(*event.slot);
  Place& place = places_[event.index];
  here_ = server.at;
  Orders orders;
  Backend backend = place.backend;
  if (!is_draining_ && dice_.Percent(3)) backend = dice_.Percent(50) ? Backend::kRefusing : Backend::kUnreachable;
  if (backend == Backend::kHealthy) {
    const Pool::Next next = place.pool->Opened(*server.slot, now_, orders);
    HandleNext(server, next, SlotState::kLogin, orders);
  } else {
    const bool is_refused = backend == Backend::kRefusing;
    pool::OpenFailure failure{is_refused ? pool::OpenFailure::Kind::kRefused : pool::OpenFailure::Kind::kUnreachable,
                              "down", ""};
    place.pool->OpenFailed(*server.slot, std::move(failure), now_, orders);
    Require(server.slot->state == SlotState::kClosed, "a failed login kept its place");
    Shift(place, SlotState::kLogin, SlotState::kClosed);
    Forget(server);
  }
  CarryOut(event.index, orders);
}

void PoolWorld::OnCloseMessage(const Event& event) {
  here_ = event.to;
  if (event.slot->server == nullptr) return;
  Server& server = ServerOf(*event.slot);
  if (server.phase == Server::Phase::kClosing) return;
  Require(server.phase == Server::Phase::kIdle && server.at == event.to,
          "told to close a server that is not idle here");
  CloseSocket(server);
}

void PoolWorld::OnMoveMessage(const Event& event) {
  here_ = event.to;
  const auto target = static_cast<WorkerId>(event.turn);
  Pool& pool = *places_[event.index].pool;
  if (!pool.MayMove(*event.slot, event.to, target)) {
    const SlotState state = event.slot->state;
    Require(state == SlotState::kClosing || state == SlotState::kClosed, "a server may not move, but has not ended");
    return;
  }
  Server& server = ServerOf(*event.slot);
  Require(server.phase == Server::Phase::kIdle && server.at == event.to, "told to move a server that is not idle here");
  server.phase = Server::Phase::kTravelling;
  Post(target, {.kind = Event::Kind::kArriveMessage, .index = event.index, .slot = event.slot});
}

void PoolWorld::OnArriveMessage(const Event& event) {
  here_ = event.to;
  Server& server = ServerOf(*event.slot);
  Require(server.phase == Server::Phase::kTravelling, "a server arrived that does not travel");
  server.at = event.to;
  Place& place = places_[event.index];
  Orders orders;
  if (server.is_broken) {
    server.phase = Server::Phase::kIdle;
    Break(server, orders);
  } else {
    pool::Waiter* granted = server.slot->grant;
    const Pool::Next next = place.pool->Arrived(*server.slot, now_, orders);
    if (granted != nullptr) {
      Require(next.kind == Pool::Next::Kind::kServe && next.waiter == granted, "a promise was broken");
      Shift(place, SlotState::kMoving, SlotState::kActive);
      Lease(*static_cast<Client*>(granted->owner), server, orders);
    } else {
      HandleNext(server, next, SlotState::kMoving, orders);
    }
  }
  CarryOut(event.index, orders);
}

void PoolWorld::OnFailMessage(const Event& event) {
  here_ = event.to;
  Client& client = *clients_[event.index];
  if (client.phase != Client::Phase::kWaiting || client.waiter.owner_id != event.turn) return;
  Require(client.failed && client.waiter.state == pool::WaiterState::kNone, "failed a waiter that still waits");
  GoAway(client);
}

void PoolWorld::OnSocketClosed(const Event& event) {
  Server& server = ServerOf(*event.slot);
  Place& place = places_[event.index];
  here_ = server.at;
  Orders orders;
  place.pool->Closed(*server.slot, now_, orders);
  Shift(place, SlotState::kClosing, SlotState::kClosed);
  Forget(server);
  CarryOut(event.index, orders);
}

void PoolWorld::HandleNext(Server& server, Pool::Next next, SlotState before, Orders& orders) {
  Place& place = places_[server.pool];
  switch (next.kind) {
    case Pool::Next::Kind::kIdle:
      Shift(place, before, SlotState::kIdle);
      Require(place.mode == pool::RunMode::kRunning, "an idle server in a pool that does not run");
      server.phase = Server::Phase::kIdle;
      return;
    case Pool::Next::Kind::kServe:
      Shift(place, before, SlotState::kActive);
      CheckChoice(place, *next.waiter);
      return Lease(*static_cast<Client*>(next.waiter->owner), server, orders);
    case Pool::Next::Kind::kMove:
      Shift(place, before, SlotState::kMoving);
      Require(server.slot->grant != nullptr && server.slot->grant->worker == next.to,
              "moves to a worker where nobody waits");
      CheckChoice(place, *server.slot->grant);
      for (const Client* other : place.clients) {
        Require(other->waiter.state != pool::WaiterState::kQueued || other->waiter.flow != server.slot->grant->flow ||
                    other->order > static_cast<const Client*>(server.slot->grant->owner)->order,
                "a server moved to a waiter that is not the oldest");
      }
      server.phase = Server::Phase::kTravelling;
      return Post(next.to, {.kind = Event::Kind::kArriveMessage, .index = server.pool, .slot = server.slot});
    case Pool::Next::Kind::kClose:
      Shift(place, before, SlotState::kClosing);
      return CloseSocket(server);
  }
}

// The connection broke, or its state cannot be trusted any more.
void PoolWorld::Break(Server& server, Orders& orders) {
  Place& place = places_[server.pool];
  const SlotState before = server.slot->state;
  place.pool->BeginClose(*server.slot, now_, orders);
  Require(server.slot->state == SlotState::kClosing, "a broken server is not closing");
  if (before != SlotState::kClosing) Shift(place, before, SlotState::kClosing);
  CloseSocket(server);
}

void PoolWorld::CloseSocket(Server& server) {
  Require(server.phase != Server::Phase::kClosing, "closed twice");
  server.phase = Server::Phase::kClosing;
  const Duration most(dice_.Percent(90) ? 500 : 30'000);
  Schedule({.kind = Event::Kind::kSocketClosed, .index = server.pool, .slot = server.slot}, dice_.UpTo(most));
}

void PoolWorld::Forget(Server& server) {
  Place& place = places_[server.pool];
  place.servers[server.index] = place.servers.back();
  place.servers[server.index]->index = server.index;
  place.servers.pop_back();
  server.slot->server = nullptr;
  delete &server;
}

Client& PoolWorld::Dismiss(const Orders::Failed& failed) {
  Client& client = *clients_[failed.owner_id & 0xffff];
  Require(client.waiter.owner_id == failed.owner_id && client.phase == Client::Phase::kWaiting && !client.failed,
          "failed a client that does not wait");
  client.failed = true;
  Post(failed.worker, {.kind = Event::Kind::kFailMessage, .index = client.index, .turn = failed.owner_id});
  return client;
}

void PoolWorld::CarryOut(size_t index, Orders& first) {
  if (first.empty()) return;
  std::vector<std::pair<size_t, Orders>> left;
  left.emplace_back(index, std::move(first));
  while (!left.empty()) {
    const auto [at, orders] = std::move(left.back());
    left.pop_back();
    Place& place = places_[at];
    for (const auto& slot : orders.open) {
      ++place.expected[static_cast<size_t>(SlotState::kLogin)];
      Post(slot->worker, {.kind = Event::Kind::kOpenMessage, .index = at, .slot = slot});
    }
    for (const auto& slot : orders.close) {
      Shift(place, SlotState::kIdle, SlotState::kClosing);
      Post(slot->worker, {.kind = Event::Kind::kCloseMessage, .index = at, .slot = slot});
    }
    for (const auto& move : orders.move) {
      Shift(place, SlotState::kIdle, SlotState::kMoving);
      Post(move.from, {.kind = Event::Kind::kMoveMessage, .index = at, .turn = move.to, .slot = move.slot});
    }
    for (const auto& failed : orders.failed) {
      Require(orders.failure != nullptr, "waiters failed without a reason");
      Dismiss(failed);
    }
    for (const auto& shed : orders.shed) CheckShed(place, Dismiss(shed));
    for (const auto& hungry : orders.poke) {
      Orders more;
      hungry->Tick(now_, more);
      left.emplace_back(IndexOf(*hungry), std::move(more));
    }
    if (orders.evict) Evict(at, *orders.evict, left);
    if (orders.wake_at < place.wake_at) {
      Require(orders.wake_at > now_, "a pool wants to be woken in the past");
      place.wake_at = orders.wake_at;
      Schedule({.kind = Event::Kind::kWake, .index = at}, orders.wake_at - now_);
    }
  }
}

void PoolWorld::Evict(size_t asking, pool::Budget& budget, std::vector<std::pair<size_t, Orders>>& more) {
  pool::Eviction eviction(budget, *places_[asking].pool, now_);
  for (const Place& place : places_) eviction.Consider(*place.pool);
  Orders orders;
  const Pool* victim = eviction.Evict(orders);
  Require(victim == eviction.chosen(), "a pool named its oldest idle server, but gave none up");
  if (victim != nullptr) more.emplace_back(IndexOf(*victim), std::move(orders));
}

}  // namespace sim
