// A world around the pools: workers with mailboxes, clients, servers, a clock, and faults, all drawn from one seed.
//
// What: one step is one event at its virtual time. The world carries out Orders as the proxy does (posts to workers,
// fails by owner_id, pokes, wakes, evicts) and after every step compares the pools with its own bookkeeping and with
// the law in pool.h. It knows nothing of the pool's inside but the public fields of Slot and Waiter. When the steps are
// used up it heals everything, lets every client end, and checks that nothing is left behind. Messages between two
// workers keep their order; messages of different pairs overtake each other. Threads: one. Broken is thrown with the
// step and the reason; the caller knows the seed.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "pool/pool.h"
#include "tests/sim/dice.h"

namespace sim {

using pool::Duration;
using pool::TimePoint;
using pool::WorkerId;

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Server;

// A client is really deleted when it ends, so that a pool that still points to its waiter is caught by the sanitizer.
struct Client {
  enum class Phase : uint8_t { kAway, kWaiting, kHolding, kFinished };
  pool::Waiter waiter;
  size_t index = 0;  // in the world
  size_t pool = 0;
  Phase phase = Phase::kAway;
  uint64_t turn = 0;   // timers of an earlier turn are stale
  uint64_t order = 0;  // when it asked, counted over the world
  TimePoint asked_at{};
  bool failed = false;  // the word that it failed is on its way
  Server* server = nullptr;
};

// What a worker knows of its server; the pool may already have decided otherwise, and the word is on its way.
struct Server {
  enum class Phase : uint8_t { kConnecting, kIdle, kLeased, kTravelling, kClosing };
  std::shared_ptr<pool::Slot> slot;
  size_t pool = 0;
  Phase phase = Phase::kConnecting;
  WorkerId at = 0;
  bool is_broken = false;  // died while travelling: seen at arrival
  Client* client = nullptr;
  size_t index = 0;  // in Place::servers
};

enum class Backend : uint8_t { kHealthy, kRefusing, kUnreachable };

// A pool and what the world expects of it.
struct Place {
  std::shared_ptr<pool::Pool> pool;
  pool::PoolLimits limits;
  size_t database = 0, user = 0, host = 0;
  pool::RunMode mode = pool::RunMode::kRunning;
  Backend backend = Backend::kHealthy;
  std::vector<Client*> clients;
  std::vector<Server*> servers;
  std::array<int, pool::kSlotStates> expected{};
  int open_before = 0;
  TimePoint wake_at = pool::kNever;
  TimePoint could_grow_since = pool::kNever, has_nothing_since = pool::kNever;
};

// A cap and what it was after the step before.
struct BudgetState {
  std::shared_ptr<pool::Budget> budget;
  int before = 0;
  TimePoint has_free_place_since = pool::kNever;  // while somebody is hungry for it
};

class PoolWorld {
 public:
  PoolWorld(uint64_t seed, uint64_t steps);
  ~PoolWorld();
  PoolWorld(const PoolWorld&) = delete;
  PoolWorld& operator=(const PoolWorld&) = delete;
  void Run();

  uint64_t step() const { return step_; }
  uint64_t served() const { return served_; }
  uint64_t shed() const { return shed_; }

 private:
  struct Event {
    enum class Kind : uint8_t {
      kClientTurn,
      kWaitTimeout,
      kTick,
      kWake,
      kChaos,
      kConnected,
      kSocketClosed,  // timers
      kOpenMessage,
      kCloseMessage,
      kMoveMessage,
      kArriveMessage,
      kFailMessage,
    };
    TimePoint at{};
    uint64_t sequence = 0;
    Kind kind = Kind::kTick;
    size_t index = 0;   // a client or a pool
    uint64_t turn = 0;  // of the client, or its owner_id
    WorkerId from = 0, to = 0;
    std::shared_ptr<pool::Slot> slot;
  };
  static bool IsLater(const Event& a, const Event& b);
  static bool IsHousekeeping(Event::Kind kind);

  // pool_world.cc: time and events
  void Build();
  void Schedule(Event event, Duration delay);
  void Post(WorkerId to, Event event);  // from the worker that this step runs on
  void Step();
  void Dispatch(Event& event);
  void DrainClients();
  void RaiseBudgets();
  void CloseEverything();
  void RunUntilQuiet();
  [[noreturn]] void Fail(const std::string& what) const;
  void Require(bool condition, const char* what) const {
    if (!condition) [[unlikely]]
      Fail(what);
  }

  // pool_clients.cc
  void ClientTurn(size_t index);
  void Ask(Client& client);
  void OnAcquired(Client& client, pool::Pool::Acquired acquired, pool::Orders& orders);
  void Lease(Client& client, Server& server, pool::Orders& orders);
  void EndTransaction(Client& client);
  void EndWait(Client& client);
  void WaitTimedOut(Client& client);
  void HangUp(size_t index);
  void GoAway(Client& client);

  // pool_servers.cc
  void OnOpenMessage(const Event& event);
  void OnConnected(const Event& event);
  void OnCloseMessage(const Event& event);
  void OnMoveMessage(const Event& event);
  void OnArriveMessage(const Event& event);
  void OnFailMessage(const Event& event);
  void OnSocketClosed(const Event& event);
  void HandleNext(Server& server, pool::Pool::Next next, pool::SlotState before, pool::Orders& orders);
  void Break(Server& server, pool::Orders& orders);
  void CloseSocket(Server& server);
  void Forget(Server& server);
  Client& Dismiss(const pool::Orders::Failed& failed);
  void CarryOut(size_t index, pool::Orders& orders);
  void Evict(size_t asking, pool::Budget& budget, std::vector<std::pair<size_t, pool::Orders>>& more);

  // pool_chaos.cc
  pool::PoolLimits DrawLimits();
  int DrawBudget();
  void Chaos();
  void KillServer(Place& place);
  void TickPool(size_t index);
  void SetMode(size_t index, pool::RunMode mode);

  // pool_checks.cc
  void Check();
  void CheckPlace(Place& place);
  void CheckBudget(BudgetState& state);
  void CheckStarvation(Place& place, const pool::Pool::Counts& counts);
  void CheckGrowth(Place& place, const pool::Pool::Counts& counts);
  void CheckWaiters(const Place& place) const;
  void CheckChoice(const Place& place, const pool::Waiter& chosen) const;
  void CheckShed(const Place& place, const Client& shed);
  void Shift(Place& place, pool::SlotState from, pool::SlotState to);

  static Server& ServerOf(const pool::Slot& slot) { return *static_cast<Server*>(slot.server); }
  size_t IndexOf(const pool::Pool& pool) const;

  Dice dice_;
  const uint64_t steps_;
  uint64_t step_ = 0, sequence_ = 0, asked_ = 0, served_ = 0, shed_ = 0;
  TimePoint now_{Duration(1'000'000)};
  WorkerId here_ = 0;  // the worker that this step runs on
  uint32_t workers_ = 1;
  uint64_t flows_ = 1;
  Duration message_delay_{0}, hold_{0}, think_{0}, connect_{0};
  bool is_draining_ = false;
  size_t busy_events_ = 0;  // pending, without housekeeping
  std::vector<Event> events_;
  std::vector<std::vector<TimePoint>> last_arrival_;  // from, to
  pool::Budgets databases_, users_, hosts_;
  std::vector<BudgetState> budgets_;  // of all of them
  std::vector<Place> places_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace sim
