// The bounded set of server connections of one (database, user), and who gets which next.
//
// What: bookkeeping only. No I/O, no clock (`now` is an argument), no logging, no threads of its own. Everything that must
// happen outside comes back as a result or in Orders, after the mutex was let go.
//
// The law
//  1. open() = login + idle + active + moving + closing, and never passes size (+ reserve), nor the budgets it draws on (budget.h:
//     there it is said, too, which pool gets a place and which gives one up).
//  2. Idle servers and waiters do not coexist while the pool is running: a release looks for a waiter first, an acquire for an
//     idle server first, and an acquire never passes a queue that is not empty.
//  3. A released server goes to the flow whose turn it is (flows.h), in it to the oldest waiter of its own worker, unless one
//     elsewhere is older by more than kHandoverSlack and an eighth of its wait: then the server moves. Idle servers are taken LIFO, own
//     worker first.
//  4. A waiter waits (queued), is promised a server that moves (granted), or neither; whoever owns it cancels it before it dies.
//  5. Growth: min(waiters - login, room, parallel connects), one probe at a time until a login succeeded. What nobody waits for
//     (min_size, the successor of one whose lifetime is almost over) takes only places that nobody else wants.
//     A waiter that says how long it would wait (patience) is not queued when those before it need longer at the present pace.
//  6. Whoever waits in an overloaded queue is shed when a server is handed out, never otherwise (overload.h). Nothing is judged
//     after a silence (no completion for longer than the target while somebody waits) for as long as that lasted.
//  7. A dedicated server is opened for one waiter, on its worker, and closes when that client ends: it is never idle, lent on or
//     moved. It has a place as any other (law 1). Where there is none left, an idle server of this pool goes, or the next that is
//     released when its turn has come (the ticket). Its login says nothing about the pool's health, nor does that hold it back.
//
// Threads: any worker; one short mutex inside. Units: microseconds. Limits: PoolLimits; kWorkersMax workers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "pool/backend_health.h"
#include "pool/budget.h"
#include "pool/mutex.h"
#include "pool/orders.h"
#include "pool/overload.h"
#include "pool/patience.h"
#include "pool/slot.h"
#include "pool/wait_queue.h"

namespace pool {

inline constexpr Duration kHandoverSlack{2'000};
inline constexpr int kHandoverPart = 8;  // of the oldest one's wait, where that is more: a server that moves costs two wake-ups
inline constexpr uint32_t kWorkersMax = 256;
inline constexpr int kSuccessorPart = 20;  // of the lifetime: so long before its end the successor is opened

struct PoolLimits {
  int size = 20, min_size = 0, guaranteed = 0, reserve_size = 0, max_waiting = 1000, max_parallel_connects = 2;
  Duration reserve_timeout{0};
  Duration lifetime{0};      // 0 = each connection serves once
  Duration idle_timeout{0};  // 0 = kept
  Duration check_delay{0};   // idle longer than this: check before use
  Duration login_retry{0};
  Duration failover_hold{0};  // down for longer: waiters are told; 0 = they wait
  double lifetime_jitter = 0;
  OverloadLimits overload;
};

// Why a waiter leaves before it is served.
enum class Leaves : uint8_t {
  kByItself,  // its client has gone or has cancelled
  kSentAway,  // a limit of ours
};

enum class RunMode : uint8_t { kRunning, kPaused, kRemoved };  // a removed pool cannot be paused, only run again

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(PoolLimits limits, uint32_t workers, Budgets budgets, uint64_t seed);

  struct Acquired {
    enum class Kind : uint8_t { kLeased, kQueued, kQueueFull, kHopeless, kRefused, kRemoved } kind;  // hopeless: see Waiter::patience
    Slot* slot = nullptr;      // kLeased
    bool check_first = false;  // kLeased: idle for longer than check_delay
  };
  Acquired Acquire(Waiter& waiter, TimePoint now, Orders& orders);
  // The leased server turned out to be dead before it was used: the waiter goes back to where it stood.
  Acquired AcquireAgain(Waiter& waiter, TimePoint now, Orders& orders);
  // A server for this waiter alone; it is never leased at once. Opened says kServe, or the waiter is among Orders::failed.
  Acquired AcquireDedicated(Waiter& waiter, TimePoint now, Orders& orders);
  // The waiter leaves (gone, timed out, cancelled). False when it was not waiting any more.
  bool Cancel(Waiter& waiter, Leaves why, TimePoint now);
  // Its state belongs to this mutex: another worker may be granting it a server right now.
  bool IsWaiting(const Waiter& waiter) const;

  // What becomes of a server that is clean, on the worker that holds it.
  struct Next {
    enum class Kind : uint8_t { kIdle, kServe, kMove, kClose } kind;
    Waiter* waiter = nullptr;  // kServe: on this worker, now leased
    WorkerId to = 0;           // kMove: the caller detaches the server and sends it there; then Arrived
    bool check_first = false;  // kServe: it was idle for longer than check_delay before it moved
  };
  Next Release(Slot& slot, TimePoint now, Orders& orders);
  Next Opened(Slot& slot, TimePoint now, Orders& orders);   // logged in
  Next Arrived(Slot& slot, TimePoint now, Orders& orders);  // on its new worker
  // An order to move an idle server reached its worker. False: the server has ended meanwhile.
  // True: the server now belongs to `to`; the caller detaches it and sends it there.
  bool MayMove(Slot& slot, WorkerId from, WorkerId to);

  void OpenFailed(Slot& slot, OpenFailure failure, TimePoint now, Orders& orders);
  // From any state to closing. A waiter that was promised this server gets an idle one instead (an order to move it, perhaps
  // to the worker where it is), or goes back to where it stood in the queue.
  void BeginClose(Slot& slot, TimePoint now, Orders& orders);
  // The socket is closed: the place is free. Nothing happens when OpenFailed has freed it already.
  void Closed(Slot& slot, TimePoint now, Orders& orders);

  // Growth, trimming, lifetimes: called about once a second, at wake_at, and when poked.
  void Tick(TimePoint now, Orders& orders);
  // What it could give up for another pool under the same cap: its longest idle one, if it has more than it is guaranteed.
  struct Spare {
    int rank = 0;  // what it would be without (budget.h)
    TimePoint idle_since{};
  };
  std::optional<Spare> OldestSpare() const;
  bool EvictIdle(TimePoint now, Orders& orders);  // gives it up; false when it has none any more
  Holding holding() const;

  void SetBudgets(Budgets budgets, TimePoint now, Orders& orders);  // for what is opened from now on
  void SetLimits(const PoolLimits& limits, TimePoint now, Orders& orders);
  void SetMode(RunMode mode, TimePoint now, Orders& orders);
  void CloseAll(TimePoint now, Orders& orders);  // RECONNECT: idle ones now, the others at release
  void GiveUp(Slot& slot, TimePoint now, Orders& orders);  // the same for one
  void FailWaiters(std::shared_ptr<OpenFailure> failure, Orders& orders);  // also those that were promised a server

  struct Counts {
    std::array<int, kSlotStates> by_state{};
    int open = 0;
    size_t waiting = 0;
    Duration oldest_wait{0};
    bool is_shedding = false;
    bool is_down = false;
    TimePoint down_since{};
    OpenFailure last_failure;
    RunMode mode = RunMode::kRunning;
    Duration queue_target{0};  // in force now
    std::shared_ptr<Budget> held_back_by;  // it would open more, but for this cap
  };
  Counts Count(TimePoint now) const;
  int GivenUp() const;  // servers that close at their release, or are closing
  bool IsGivenUp(const Slot& slot) const;  // it closes at its release
  OpenFailure LastFailure() const;
  PoolLimits limits() const;
  Budgets budgets() const;
  bool DrawsOn(const Budget& budget) const;

 private:
  using IdleList = IntrusiveList<Slot, &Slot::idle_links>;

  Acquired TakeOrQueue(Waiter& waiter, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  bool MoveIdleTo(Waiter& waiter, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  Next Hand(Slot& slot, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void Shed(Flow* flow, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  Duration TargetNow(TimePoint now) const PGWEIR_REQUIRES(mutex_);
  bool IsHopeless(const Waiter& waiter, TimePoint now) const PGWEIR_REQUIRES(mutex_);
  void MeasurePace(TimePoint now) PGWEIR_REQUIRES(mutex_);
  Waiter* ChooseWaiter(const Flow* flow, WorkerId worker, TimePoint now) PGWEIR_REQUIRES(mutex_);
  bool IsUnwanted(const Slot& slot) const PGWEIR_REQUIRES(mutex_);
  bool MustGive(const Slot& slot, Budget::Offer offer, TimePoint now) PGWEIR_REQUIRES(mutex_);
  bool IsExpired(const Slot& slot, TimePoint now) const PGWEIR_REQUIRES(mutex_);
  void Grow(TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  // pool_dedicated.cc
  void GrowDedicated(int most, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  bool DedicatedComesFirst() const PGWEIR_REQUIRES(mutex_);
  Next OpenedDedicated(Slot& slot, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void DedicatedFailed(Slot& slot, OpenFailure failure, Orders& orders) PGWEIR_REQUIRES(mutex_);
  int DedicatedIn(SlotState state) const PGWEIR_REQUIRES(mutex_);
  size_t DedicatedWaiting() const PGWEIR_REQUIRES(mutex_);
  void DropDedicated(Waiter& waiter) PGWEIR_REQUIRES(mutex_);
  Slot* LongestIdle() const PGWEIR_REQUIRES(mutex_);
  void OpenSuccessors(TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void Open(const Waiter* waiter, Orders& orders) PGWEIR_REQUIRES(mutex_);  // a place has been taken
  bool TakePlace(int wanted, TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  bool TakeSparePlace(Orders& orders) PGWEIR_REQUIRES(mutex_);
  void GiveBack(size_t budgets, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void WantNothing() PGWEIR_REQUIRES(mutex_);
  void PokeHungry(Budget& budget, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void Trim(TimePoint now, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void RetireIdle(Slot& slot, Orders& orders) PGWEIR_REQUIRES(mutex_);
  void SetState(Slot& slot, SlotState state) PGWEIR_REQUIRES(mutex_);
  void Remove(Slot& slot, Orders& orders) PGWEIR_REQUIRES(mutex_);
  int CountOf(SlotState state) const PGWEIR_REQUIRES(mutex_) { return by_state_[static_cast<size_t>(state)]; }
  int OpenCount() const PGWEIR_REQUIRES(mutex_) { return static_cast<int>(slots_.size()); }
  int Staying() const PGWEIR_REQUIRES(mutex_) { return OpenCount() - CountOf(SlotState::kClosing); }
  // Those that are, or will be, for whoever comes.
  int Shared() const PGWEIR_REQUIRES(mutex_) { return Staying() - DedicatedIn(SlotState::kLogin) - DedicatedIn(SlotState::kActive); }
  Holding HoldingNow() const PGWEIR_REQUIRES(mutex_) { return {Staying(), limits_.guaranteed}; }
  int Usable() const PGWEIR_REQUIRES(mutex_);
  double UnitRandom() PGWEIR_REQUIRES(mutex_);

  const uint64_t serial_;  // the older pool first, all else being equal
  mutable Mutex mutex_;
  Budgets budgets_ PGWEIR_GUARDED_BY(mutex_);
  std::shared_ptr<Budget> held_back_by_ PGWEIR_GUARDED_BY(mutex_);
  TimePoint hungry_since_ PGWEIR_GUARDED_BY(mutex_){};
  // Another pool is to give an idle server up: asked when hunger begins and at each tick, for all pools are looked through. What
  // becomes idle in between sees the hunger itself.
  bool asks_for_idle_ PGWEIR_GUARDED_BY(mutex_) = true;
  PoolLimits limits_ PGWEIR_GUARDED_BY(mutex_);
  RunMode mode_ PGWEIR_GUARDED_BY(mutex_) = RunMode::kRunning;
  WaitQueue queue_ PGWEIR_GUARDED_BY(mutex_);
  IntrusiveList<Waiter, &Waiter::links> dedicated_ PGWEIR_GUARDED_BY(mutex_);  // who waits for a place to have one opened
  int dedicated_open_ PGWEIR_GUARDED_BY(mutex_) = 0;                           // of slots_
  std::vector<IdleList> idle_ PGWEIR_GUARDED_BY(mutex_);  // per worker, most recently used first
  std::vector<std::shared_ptr<Slot>> slots_ PGWEIR_GUARDED_BY(mutex_);
  std::array<int, kSlotStates> by_state_ PGWEIR_GUARDED_BY(mutex_){};
  BackendHealth health_ PGWEIR_GUARDED_BY(mutex_);
  TimePoint last_served_ PGWEIR_GUARDED_BY(mutex_){};  // the last completion that found somebody waiting
  TimePoint judge_from_ PGWEIR_GUARDED_BY(mutex_){};   // a stall is over, and what it left behind too
  Patience patience_ PGWEIR_GUARDED_BY(mutex_);
  TimePoint handed_at_ PGWEIR_GUARDED_BY(mutex_){};  // to the last of those who had to wait
  Duration pace_ PGWEIR_GUARDED_BY(mutex_){0};       // from one of them to the next, in eighths of a microsecond
  WorkerId next_worker_ PGWEIR_GUARDED_BY(mutex_) = 0;  // for connections that nobody waits for
  std::minstd_rand random_ PGWEIR_GUARDED_BY(mutex_);
};

}  // namespace pool
