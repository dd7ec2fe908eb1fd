// What must hold after every step.
#include <algorithm>
#include <numeric>

#include "tests/sim/pool_world.h"

namespace sim {

using pool::Pool;
using pool::SlotState;

namespace {

constexpr uint64_t kFullCheckEvery = 16;
constexpr Duration kFreePlaceMax{1'000'000};  // a tick
constexpr Duration kStarvesMax{4'000'000};
constexpr Duration kRefusedRetryMax{5'000'000};  // the longest login_retry that the world draws

}  // namespace

void PoolWorld::Shift(Place& place, SlotState from, SlotState to) {
  --place.expected[static_cast<size_t>(from)];
  if (to != SlotState::kClosed) ++place.expected[static_cast<size_t>(to)];
}

void PoolWorld::Check() {
  for (Place& place : places_) CheckPlace(place);
  for (BudgetState& state : budgets_) CheckBudget(state);
}

void PoolWorld::CheckBudget(BudgetState& state) {
  const pool::Budget& budget = *state.budget;
  int used = 0;
  for (const Place& place : places_) used += place.pool->DrawsOn(budget) ? place.open_before : 0;
  Require(used == budget.used(), "a budget does not count the open servers of its pools");
  Require(budget.limit() == 0 || used <= std::max(budget.limit(), state.before), "a budget was passed");
  state.before = used;
  // Who is hungry for a place that is free is told at once, and if the word came to nothing, looks again at its tick.
  const bool lies_idle = budget.HasHungry() && budget.HasRoom();
  state.has_free_place_since = lies_idle ? std::min(state.has_free_place_since, now_) : pool::kNever;
  Require(!lies_idle || now_ - state.has_free_place_since <= kFreePlaceMax, "a place is free, and somebody is hungry for it");
}

// With more pools than places each gets one in turn, unless what others are guaranteed leaves none.
void PoolWorld::CheckStarvation(Place& place, const Pool::Counts& counts) {
  bool may_starve = place.mode != pool::RunMode::kRunning || counts.waiting == 0 || counts.open > 0 || counts.is_down;
  for (const auto& budget : place.pool->budgets()) {
    int guaranteed = 0;
    for (const Place& other : places_) guaranteed += other.pool->DrawsOn(*budget) && &other != &place ? other.limits.guaranteed : 0;
    may_starve = may_starve || (budget->limit() > 0 && guaranteed >= budget->limit());
  }
  if (may_starve) place.has_nothing_since = pool::kNever;
  else place.has_nothing_since = std::min(place.has_nothing_since, now_);
  Require(may_starve || now_ - place.has_nothing_since <= kStarvesMax, "a pool starves beside others at a cap");
}

void PoolWorld::CheckPlace(Place& place) {
  const Pool::Counts counts = place.pool->Count(now_);
  Require(counts.by_state == place.expected, "the pool and the world disagree about the states of servers");
  Require(counts.open == std::accumulate(counts.by_state.begin(), counts.by_state.end(), 0),
          "open is not the sum of states");
  const int most = place.limits.size + place.limits.reserve_size;
  Require(counts.open <= std::max(most, place.open_before), "a pool grew past its size");
  place.open_before = counts.open;
  const int idle = counts.by_state[static_cast<size_t>(SlotState::kIdle)];
  Require(place.mode == pool::RunMode::kRunning || idle == 0, "idle servers in a pool that does not run");
  Require(idle == 0 || counts.waiting == 0, "idle servers while somebody waits");
  Require(place.mode != pool::RunMode::kRemoved || counts.waiting == 0, "somebody waits for a removed pool");
  CheckGrowth(place, counts);
  CheckStarvation(place, counts);
  if (step_ % kFullCheckEvery == 0) CheckWaiters(place);
}

// Law 5 as progress: whenever the pool may open a connection for a waiter, it does so at once, or at its retry.
void PoolWorld::CheckGrowth(Place& place, const Pool::Counts& counts) {
  const int login = counts.by_state[static_cast<size_t>(SlotState::kLogin)];
  // Where another pool comes first, CheckBudget looks.
  const auto has_room = [&place](const auto& budget) {
    const auto neediest = budget->Neediest();
    return budget->HasRoom() && (neediest == nullptr || neediest == place.pool);
  };
  const pool::Budgets budgets = place.pool->budgets();
  const bool may_use_reserve = counts.oldest_wait >= place.limits.reserve_timeout;
  const int most = place.limits.size + (may_use_reserve ? place.limits.reserve_size : 0);
  const bool could_grow = place.mode == pool::RunMode::kRunning && counts.waiting > 0 && login == 0 &&
                          counts.open < most && std::all_of(budgets.begin(), budgets.end(), has_room);
  if (!could_grow) {
    place.could_grow_since = pool::kNever;
    return;
  }
  place.could_grow_since = std::min(place.could_grow_since, now_);
  const bool is_refused = counts.last_failure.kind == pool::OpenFailure::Kind::kRefused;
  const Duration allowed = !counts.is_down ? Duration(0) : is_refused ? kRefusedRetryMax : pool::kUnreachableRetryMax;
  Require(now_ - place.could_grow_since <= allowed, "a waiter waits although a connection could be opened");
}

// Whoever waits is known to the pool, and the other way round.
void PoolWorld::CheckWaiters(const Place& place) const {
  size_t queued = 0;
  for (const Client* client : place.clients) {
    const pool::Waiter& waiter = client->waiter;
    const bool waits = client->phase == Client::Phase::kWaiting && !client->failed;
    Require(waits == (waiter.state != pool::WaiterState::kNone), "the pool forgot a waiter or keeps one that left");
    Require((waiter.state == pool::WaiterState::kGranted) == (waiter.grant != nullptr), "a promise without a server");
    if (waiter.grant != nullptr) {
      Require(waiter.grant->grant == &waiter && waiter.grant->state == SlotState::kMoving,
              "a promise that the server forgot");
    }
    queued += waiter.state == pool::WaiterState::kQueued ? 1 : 0;
  }
  Require(queued == place.pool->Count(now_).waiting, "the pool miscounts its waiters");
}

// Law 3: inside a flow first come first served on one worker; nobody elsewhere is older by more than the slack.
void PoolWorld::CheckChoice(const Place& place, const pool::Waiter& chosen) const {
  const auto& client = *static_cast<const Client*>(chosen.owner);
  for (const Client* other : place.clients) {
    if (other->waiter.state != pool::WaiterState::kQueued || other->waiter.flow != chosen.flow) continue;
    if (other->waiter.worker == chosen.worker) {
      Require(other->order > client.order, "overtaken on its own worker");
    } else {
      Require(client.asked_at - other->asked_at <= std::max(pool::kHandoverSlack, (now_ - other->asked_at) / pool::kHandoverPart),
              "overtaken from another worker by more than the slack");
    }
  }
}

// Law 6: only who has waited too long, oldest of its flow first, and never so many that they are fewer than the servers.
void PoolWorld::CheckShed(const Place& place, const Client& shed) {
  ++shed_;
  Require(place.limits.overload.target.count() > 0, "shed although that is off");
  Require(now_ - shed.asked_at > place.limits.overload.target, "shed before it had waited for the target");
  size_t left = 0;
  for (const Client* other : place.clients) {
    if (other->waiter.state != pool::WaiterState::kQueued || other->waiter.flow != shed.waiter.flow) continue;
    ++left;
    Require(other->order > shed.order, "shed before an older one");
  }
  // At least one of a queue as long as the pool is served by the server that was handed out.
  Require(left + 1 >= static_cast<size_t>(place.limits.size), "shed from a queue that is no longer than the pool");
}

}  // namespace sim
