// The clients of the world: ask, wait, hold, release, time out, hang up.
#include "tests/sim/pool_world.h"

namespace sim {

using pool::Orders;
using pool::Pool;
using pool::WaiterState;

void PoolWorld::ClientTurn(size_t index) {
  Client& client = *clients_[index];
  here_ = client.waiter.worker;
  switch (client.phase) {
    case Client::Phase::kAway:
      if (is_draining_) {
        client.phase = Client::Phase::kFinished;
      } else {
        Ask(client);
      }
      return;
    case Client::Phase::kHolding:
      return EndTransaction(client);
    case Client::Phase::kWaiting:
    case Client::Phase::kFinished:
      return;
  }
}

void PoolWorld::Ask(Client& client) {
  client.order = ++asked_;
  client.asked_at = now_;
  client.failed = false;
  client.waiter.owner = &client;
  // One name per wait, so that the word of an earlier wait's failure cannot hit this one.
  client.waiter.owner_id = client.order << 16 | client.index;
  client.phase = Client::Phase::kWaiting;
  ++client.turn;
  const Duration patience(dice_.Percent(10) ? dice_.Between(0, 5'000) : 5'000'000);
  Schedule({.kind = Event::Kind::kWaitTimeout, .index = client.index, .turn = client.turn}, patience);

  const Place& place = places_[client.pool];
  const size_t waiting = place.pool->Count(now_).waiting;
  Orders orders;
  const Pool::Acquired acquired = place.pool->Acquire(client.waiter, now_, orders);
  const bool is_full = waiting >= static_cast<size_t>(place.limits.max_waiting);
  if (acquired.kind == Pool::Acquired::Kind::kQueueFull) Require(is_full, "refused for a full queue that is not full");
  if (client.waiter.state == WaiterState::kQueued) Require(!is_full, "max_waiting passed");
  OnAcquired(client, acquired, orders);
  CarryOut(client.pool, orders);
}

void PoolWorld::OnAcquired(Client& client, Pool::Acquired acquired, Orders& orders) {
  const Place& place = places_[client.pool];
  switch (acquired.kind) {
    case Pool::Acquired::Kind::kLeased:
      Require(place.pool->Count(now_).waiting == 0, "an acquire passed the queue");
      Require(acquired.check_first == (now_ - acquired.slot->idle_since > place.limits.check_delay),
              "check_first is wrong");
      Shift(places_[client.pool], pool::SlotState::kIdle, pool::SlotState::kActive);
      Require(ServerOf(*acquired.slot).phase == Server::Phase::kIdle, "leased a server that is not idle");
      return Lease(client, ServerOf(*acquired.slot), orders);
    case Pool::Acquired::Kind::kQueued:
      Require(client.waiter.state != WaiterState::kNone, "queued, but not waiting");
      return;
    case Pool::Acquired::Kind::kRefused: {
      const auto counts = place.pool->Count(now_);
      const auto count_of = [&](pool::SlotState state) { return counts.by_state[static_cast<size_t>(state)]; };
      Require(counts.is_down && counts.last_failure.kind == pool::OpenFailure::Kind::kRefused,
              "refused without a refusal");
      Require(
          count_of(pool::SlotState::kIdle) + count_of(pool::SlotState::kActive) + count_of(pool::SlotState::kMoving) ==
              0,
          "refused while a usable server is left");
      break;
    }
    case Pool::Acquired::Kind::kRemoved:
      Require(place.mode == pool::RunMode::kRemoved, "a pool says that it is removed, and is not");
      break;
    case Pool::Acquired::Kind::kHopeless:
    case Pool::Acquired::Kind::kQueueFull:
      break;
  }
  Require(client.waiter.state == WaiterState::kNone, "sent away, but waiting");
  GoAway(client);
}

// The client has its server. Now and then the server turns out to be dead before its first use.
void PoolWorld::Lease(Client& client, Server& server, Orders& orders) {
  Require(client.phase == Client::Phase::kWaiting && !client.failed, "served a client that does not wait");
  Require(client.waiter.state == WaiterState::kNone, "served a waiter that still waits");
  Require(client.waiter.worker == server.at && server.slot->worker == server.at, "leased a server of another worker");
  Require(server.client == nullptr, "a server with two clients");
  server.phase = Server::Phase::kLeased;
  if (!is_draining_ && dice_.Percent(3)) {
    Break(server, orders);
    const Pool::Acquired again = places_[client.pool].pool->AcquireAgain(client.waiter, now_, orders);
    Require(again.kind != Pool::Acquired::Kind::kQueueFull, "a waiter that came back found no place in the queue");
    return OnAcquired(client, again, orders);
  }
  ++served_;
  server.client = &client;
  client.server = &server;
  client.phase = Client::Phase::kHolding;
  ++client.turn;
  Schedule({.kind = Event::Kind::kClientTurn, .index = client.index, .turn = client.turn}, dice_.UpTo(hold_));
}

void PoolWorld::EndTransaction(Client& client) {
  Server& server = *client.server;
  Place& place = places_[client.pool];
  client.server = nullptr;
  server.client = nullptr;
  GoAway(client);
  Orders orders;
  const Pool::Next next = place.pool->Release(*server.slot, now_, orders);
  Require(place.limits.lifetime.count() > 0 || next.kind == Pool::Next::Kind::kClose, "lifetime 0, but served twice");
  HandleNext(server, next, pool::SlotState::kActive, orders);
  CarryOut(client.pool, orders);
}

void PoolWorld::EndWait(Client& client) {
  Orders orders;
  const bool was_waiting = places_[client.pool].pool->Cancel(client.waiter, dice_.Percent(50) ? pool::Leaves::kByItself : pool::Leaves::kSentAway, now_);
  Require(was_waiting != client.failed, "cancel does not know whether the waiter waits");
  Require(client.waiter.state == WaiterState::kNone, "cancelled, but waiting");
  CarryOut(client.pool, orders);
}

void PoolWorld::WaitTimedOut(Client& client) {
  if (client.phase != Client::Phase::kWaiting || is_draining_) return;
  here_ = client.waiter.worker;
  EndWait(client);
  GoAway(client);
}

void PoolWorld::HangUp(size_t index) {
  Client& client = *clients_[index];
  here_ = client.waiter.worker;
  const uint64_t turn = client.turn;
  if (client.phase == Client::Phase::kWaiting) EndWait(client);
  if (client.phase == Client::Phase::kHolding) {
    Orders orders;
    Server& server = *client.server;
    server.client = nullptr;
    Break(server, orders);
    CarryOut(client.pool, orders);
  }
  auto next = std::make_unique<Client>();
  next->index = index;
  next->pool = client.pool;
  next->turn = turn + 1;
  next->waiter.worker = static_cast<WorkerId>(dice_.Below(workers_));
  next->waiter.flow = client.waiter.flow;
  next->waiter.weight = client.waiter.weight;
  for (Client*& entry : places_[client.pool].clients) {
    if (entry == &client) entry = next.get();
  }
  clients_[index] = std::move(next);
  Schedule({.kind = Event::Kind::kClientTurn, .index = index, .turn = turn + 1}, dice_.UpTo(think_));
}

void PoolWorld::GoAway(Client& client) {
  client.phase = is_draining_ ? Client::Phase::kFinished : Client::Phase::kAway;
  ++client.turn;
  if (is_draining_) return;
  // At least a little, so that a client that is refused at once does not stop the clock.
  Schedule({.kind = Event::Kind::kClientTurn, .index = client.index, .turn = client.turn},
           Duration(100) + dice_.UpTo(think_));
}

}  // namespace sim
