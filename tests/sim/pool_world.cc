#include "tests/sim/pool_world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sim {

using pool::SlotState;

namespace {

constexpr Duration kTickEvery{1'000'000};
constexpr Duration kDrainAtMost{60'000'000};

bool IsTraced() {
  static const bool is_traced = std::getenv("PGWEIR_SIM_TRACE") != nullptr;
  return is_traced;
}

}  // namespace

PoolWorld::PoolWorld(uint64_t seed, uint64_t steps) : dice_(seed), steps_(steps) { Build(); }

PoolWorld::~PoolWorld() {
  for (Place& place : places_) {
    for (Server* server : place.servers) delete server;
  }
}

void PoolWorld::Build() {
  workers_ = static_cast<uint32_t>(dice_.Between(1, 4));
  last_arrival_.assign(workers_, std::vector<TimePoint>(workers_));
  message_delay_ = Duration(dice_.Percent(80) ? dice_.Between(0, 300) : dice_.Between(1'000, 30'000));
  flows_ = dice_.Percent(50) ? 1 : dice_.Below(5) + 1;
  hold_ = Duration(dice_.Between(0, 20'000));
  think_ = Duration(dice_.Between(0, 60'000));
  connect_ = Duration(dice_.Percent(80) ? dice_.Between(0, 5'000) : dice_.Between(50'000, 800'000));
  for (int i = dice_.Between(1, 2); i > 0; --i) databases_.push_back(std::make_shared<pool::Budget>(DrawBudget()));
  for (int i = dice_.Between(1, 2); i > 0; --i) users_.push_back(std::make_shared<pool::Budget>(DrawBudget()));
  for (int i = dice_.Between(1, 2); i > 0; --i) hosts_.push_back(std::make_shared<pool::Budget>(DrawBudget()));
  for (const auto& list : {databases_, users_, hosts_}) {
    for (const auto& budget : list) budgets_.push_back({budget});
  }
  places_.resize(static_cast<size_t>(dice_.Between(1, 4)));
  for (size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    place.limits = DrawLimits();
    place.database = dice_.Below(databases_.size());
    place.user = dice_.Below(users_.size());
    place.host = dice_.Below(hosts_.size());
    const pool::Budgets budgets{databases_[place.database], users_[place.user], hosts_[place.host]};
    place.pool = std::make_shared<pool::Pool>(place.limits, workers_, budgets, dice_.Next());
    for (int count = dice_.Between(1, 30); count > 0; --count) {
      auto client = std::make_unique<Client>();
      client->index = clients_.size();
      client->pool = i;
      client->waiter.worker = static_cast<WorkerId>(dice_.Below(workers_));
      client->waiter.flow = static_cast<pool::FlowKey>(dice_.Below(flows_));
      client->waiter.weight = static_cast<uint16_t>(client->waiter.flow + 1);
      place.clients.push_back(client.get());
      Schedule({.kind = Event::Kind::kClientTurn, .index = clients_.size()}, dice_.UpTo(think_));
      clients_.push_back(std::move(client));
    }
    Schedule({.kind = Event::Kind::kTick, .index = i}, dice_.UpTo(kTickEvery));
  }
  Schedule({.kind = Event::Kind::kChaos}, Duration(50'000));
}

bool PoolWorld::IsLater(const Event& a, const Event& b) { return a.at != b.at ? a.at > b.at : a.sequence > b.sequence; }

bool PoolWorld::IsHousekeeping(Event::Kind kind) {
  return kind == Event::Kind::kTick || kind == Event::Kind::kWake || kind == Event::Kind::kChaos;
}

void PoolWorld::Schedule(Event event, Duration delay) {
  event.at = now_ + delay;
  event.sequence = ++sequence_;
  if (!IsHousekeeping(event.kind)) ++busy_events_;
  events_.push_back(std::move(event));
  std::push_heap(events_.begin(), events_.end(), IsLater);
}

void PoolWorld::Post(WorkerId to, Event event) {
  TimePoint& last = last_arrival_[here_][to];
  last = std::max(last, now_ + dice_.UpTo(message_delay_));
  event.to = to;
  Schedule(std::move(event), last - now_);
}

void PoolWorld::Step() {
  std::pop_heap(events_.begin(), events_.end(), IsLater);
  Event event = std::move(events_.back());
  events_.pop_back();
  if (!IsHousekeeping(event.kind)) --busy_events_;
  now_ = event.at;
  ++step_;
  if (IsTraced()) {
    std::fprintf(stderr, "step %lu at %ld us: event %d index %zu turn %lu %u->%u slot %p\n", step_,
                 now_.time_since_epoch().count(), static_cast<int>(event.kind), event.index, event.turn, event.from,
                 event.to, static_cast<void*>(event.slot.get()));
  }
  Dispatch(event);
  Check();
}

void PoolWorld::Dispatch(Event& event) {
  here_ = static_cast<WorkerId>(dice_.Below(workers_));
  switch (event.kind) {
    case Event::Kind::kClientTurn:
      if (clients_[event.index]->turn == event.turn) ClientTurn(event.index);
      return;
    case Event::Kind::kWaitTimeout:
      if (clients_[event.index]->turn == event.turn) WaitTimedOut(*clients_[event.index]);
      return;
    case Event::Kind::kTick:
      TickPool(event.index);
      Schedule({.kind = Event::Kind::kTick, .index = event.index}, kTickEvery);
      return;
    case Event::Kind::kWake:
      if (places_[event.index].wake_at != event.at) return;
      places_[event.index].wake_at = pool::kNever;
      return TickPool(event.index);
    case Event::Kind::kChaos:
      if (is_draining_) return;
      Chaos();
      Schedule({.kind = Event::Kind::kChaos}, dice_.UpTo(Duration(40'000)));
      return;
    case Event::Kind::kConnected:
      return OnConnected(event);
    case Event::Kind::kSocketClosed:
      return OnSocketClosed(event);
    case Event::Kind::kOpenMessage:
      return OnOpenMessage(event);
    case Event::Kind::kCloseMessage:
      return OnCloseMessage(event);
    case Event::Kind::kMoveMessage:
      return OnMoveMessage(event);
    case Event::Kind::kArriveMessage:
      return OnArriveMessage(event);
    case Event::Kind::kFailMessage:
      return OnFailMessage(event);
  }
}

void PoolWorld::Run() {
  while (step_ < steps_) Step();
  DrainClients();
  CloseEverything();
}

// Everything is well again, nobody comes any more: whoever waits must be served, in bounded time, without a time-out's
// help.
void PoolWorld::DrainClients() {
  is_draining_ = true;
  RaiseBudgets();
  for (size_t i = 0; i < places_.size(); ++i) {
    places_[i].backend = Backend::kHealthy;
    SetMode(i, pool::RunMode::kRunning);
    TickPool(i);
  }
  const TimePoint end = now_ + kDrainAtMost;
  const auto is_active = [](const auto& client) {
    return client->phase == Client::Phase::kWaiting || client->phase == Client::Phase::kHolding;
  };
  while (std::any_of(clients_.begin(), clients_.end(), is_active)) {
    Require(now_ < end, "a waiter was not served in a healthy world");
    Step();
  }
  RunUntilQuiet();
  for (const Place& place : places_) {
    const auto counts = place.pool->Count(now_);
    Require(counts.waiting == 0, "somebody still waits after everybody has gone");
    const int idle = counts.by_state[static_cast<size_t>(SlotState::kIdle)];
    Require(idle == counts.open, "a server that nobody uses is not idle");
    Require(idle >= std::min(place.limits.min_size, place.limits.size), "min_size was not kept");
  }
}

// Caps that hold what is guaranteed and kept warm, so that the end can tell whether it is.
void PoolWorld::RaiseBudgets() {
  for (const auto& [budget, before, since] : budgets_) {
    int kept = 0;
    for (const Place& place : places_) kept += place.pool->DrawsOn(*budget) ? std::max(place.limits.min_size, place.limits.guaranteed) : 0;
    if (budget->limit() > 0) budget->SetLimit(std::max(budget->limit(), kept + 1));
  }
}

void PoolWorld::CloseEverything() {
  for (size_t i = 0; i < places_.size(); ++i) SetMode(i, pool::RunMode::kRemoved);
  RunUntilQuiet();
  for (const Place& place : places_) {
    Require(place.pool->Count(now_).open == 0, "a removed pool still has servers");
    Require(place.servers.empty(), "a removed pool forgot a server");
  }
  for (const auto& state : budgets_) Require(state.budget->used() == 0, "a budget is not empty at the end");
}

// Long enough for a login that must wait for its retry; then until no message is under way.
void PoolWorld::RunUntilQuiet() {
  const TimePoint settled = now_ + Duration(10'000'000);
  const TimePoint end = settled + kDrainAtMost;
  while (now_ < settled || busy_events_ > 0) {
    Require(now_ < end, "the world does not come to rest");
    Step();
  }
}

size_t PoolWorld::IndexOf(const pool::Pool& pool) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].pool.get() == &pool) return i;
  }
  Fail("an order names a pool that does not exist");
}

void PoolWorld::Fail(const std::string& what) const {
  std::string text =
      "step " + std::to_string(step_) + " at " + std::to_string(now_.time_since_epoch().count()) + " us: " + what;
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    const auto counts = place.pool->Count(now_);
    text += "\n  pool " + std::to_string(i) + (place.mode == pool::RunMode::kRunning ? " running" : " not running") +
            " size " + std::to_string(place.limits.size) + "+" + std::to_string(place.limits.reserve_size) + " min " +
            std::to_string(place.limits.min_size) + " guaranteed " + std::to_string(place.limits.guaranteed) + (counts.is_down ? " down" : "") + " waiting " +
            std::to_string(counts.waiting) + " login, idle, active, moving, closing";
    for (size_t state = 0; state < static_cast<size_t>(SlotState::kClosed); ++state) {
      text += " " + std::to_string(counts.by_state[state]);
    }
    for (const auto& budget : place.pool->budgets()) {
      text += ", budget " + std::to_string(budget->used()) + "/" + std::to_string(budget->limit());
    }
  }
  throw Broken(text);
}

}  // namespace sim
