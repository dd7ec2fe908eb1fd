#include "pool/pool.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "pool/jitter.h"

namespace pool {

namespace {
std::atomic<uint64_t> next_serial{1};
}

Pool::Pool(PoolLimits limits, uint32_t workers, Budgets budgets, uint64_t seed)
    : serial_(next_serial.fetch_add(1)),
      budgets_(std::move(budgets)),
      limits_(limits),
      queue_(workers),
      idle_(workers),
      random_(static_cast<std::minstd_rand::result_type>(seed)) {
  PGWEIR_CHECK(workers > 0 && workers <= kWorkersMax);
}

void Pool::SetState(Slot& slot, SlotState state) {
  --by_state_[static_cast<size_t>(slot.state)];
  ++by_state_[static_cast<size_t>(state)];
  slot.state = state;
}

int Pool::Usable() const {
  return CountOf(SlotState::kIdle) + CountOf(SlotState::kActive) + CountOf(SlotState::kMoving) - DedicatedIn(SlotState::kActive);
}

double Pool::UnitRandom() { return pool::UnitRandom(random_); }

// --- acquire -------------------------------------------------------------------------------------------------------------

Pool::Acquired Pool::Acquire(Waiter& waiter, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(waiter.state == WaiterState::kNone);
  if (mode_ == RunMode::kRemoved) return {Acquired::Kind::kRemoved};
  waiter.since = now;
  waiter.ticket = 0;  // new: it has no place yet
  return TakeOrQueue(waiter, now, orders);
}

Pool::Acquired Pool::AcquireAgain(Waiter& waiter, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(waiter.state == WaiterState::kNone);
  if (mode_ == RunMode::kRemoved) return {Acquired::Kind::kRemoved};
  return TakeOrQueue(waiter, now, orders);
}

Pool::Acquired Pool::TakeOrQueue(Waiter& waiter, TimePoint now, Orders& orders) {
  const bool running = mode_ == RunMode::kRunning;
  const bool is_new = waiter.ticket == 0;
  // Even when it is served at once: its server may turn out to be dead, then it has come before those that queued since.
  if (is_new) queue_.GiveTicket(waiter);
  if (running && queue_.size() == 0) {
    IdleList& own = idle_[waiter.worker];
    if (Slot* slot = own.front()) {
      own.Remove(*slot);
      SetState(*slot, SlotState::kActive);
      slot->loan = queue_.Lend(waiter, now);
      return {Acquired::Kind::kLeased, slot, now - slot->idle_since > limits_.check_delay};
    }
    if (MoveIdleTo(waiter, now, orders)) return {Acquired::Kind::kQueued};
  }
  if (running && Usable() == 0 && health_.RefusesNow(now, limits_.failover_hold)) return {Acquired::Kind::kRefused};
  if (!is_new) {
    queue_.PushAgain(waiter);
  } else {
    if (queue_.size() >= static_cast<size_t>(limits_.max_waiting)) return {Acquired::Kind::kQueueFull};
    if (waiter.patience.count() > 0 && running && IsHopeless(waiter, now)) return {Acquired::Kind::kHopeless};
    queue_.Push(waiter);
  }
  Grow(now, orders);
  return {Acquired::Kind::kQueued};
}

bool Pool::MoveIdleTo(Waiter& waiter, TimePoint now, Orders& orders) {
  for (WorkerId from = 0; from < idle_.size(); ++from) {
    Slot* slot = idle_[from].front();
    if (slot == nullptr) continue;
    idle_[from].Remove(*slot);
    SetState(*slot, SlotState::kMoving);
    slot->grant = &waiter;
    slot->loan = queue_.Lend(waiter, now);
    waiter.grant = slot;
    waiter.state = WaiterState::kGranted;
    orders.move.push_back({slot->shared_from_this(), from, waiter.worker});
    return true;
  }
  return false;
}

bool Pool::IsWaiting(const Waiter& waiter) const {
  MutexLock lock(mutex_);
  return waiter.state != WaiterState::kNone;
}

bool Pool::Cancel(Waiter& waiter, Leaves why, TimePoint now) {
  MutexLock lock(mutex_);
  if (waiter.state == WaiterState::kQueued && why == Leaves::kByItself && !waiter.dedicated) patience_.OnLeft(now - waiter.since, now);
  switch (waiter.state) {
    case WaiterState::kNone:
      return false;
    case WaiterState::kQueued:
      if (waiter.dedicated) DropDedicated(waiter);
      else queue_.Remove(waiter);
      if (queue_.size() == 0 && dedicated_.empty() && held_back_by_) WantNothing();
      return true;
    case WaiterState::kGranted:
      waiter.grant->grant = nullptr;
      waiter.grant = nullptr;
      waiter.state = WaiterState::kNone;
      return true;
  }
  return false;
}

// --- open and close ------------------------------------------------------------------------------------------------------

// Wherever a place may have become free, or one is there that this pool may not have.
void Pool::PokeHungry(Budget& budget, Orders& orders) {
  if (!budget.HasHungry() || !budget.HasRoom()) return;
  if (auto neediest = budget.Neediest(this)) orders.poke.push_back(std::move(neediest));
}

void Pool::GiveBack(size_t budgets, Orders& orders) {
  for (size_t i = 0; i < budgets; ++i) {
    budgets_[i]->Give();
    PokeHungry(*budgets_[i], orders);  // somebody was refused the place meanwhile, or was not told of it
  }
}

bool Pool::TakePlace(int wanted, TimePoint now, Orders& orders) {
  if (!held_back_by_) hungry_since_ = now;
  const Hunger hunger{shared_from_this(), HoldingNow(), wanted, hungry_since_, serial_};
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i]->TryTake(hunger)) continue;
    GiveBack(i, orders);
    // Hungry at this one alone: at the others it would stand in the way of pools that could use a place.
    for (size_t other = 0; other < budgets_.size(); ++other) {
      if (other != i) budgets_[other]->Forget(*this);
    }
    held_back_by_ = budgets_[i];
    PokeHungry(*budgets_[i], orders);
    if (!budgets_[i]->HasRoom() && std::exchange(asks_for_idle_, false)) orders.evict = budgets_[i];
    return false;
  }
  held_back_by_.reset();  // should it want more, it begins anew
  asks_for_idle_ = true;
  return true;
}

bool Pool::TakeSparePlace(Orders& orders) {
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (budgets_[i]->TryTakeSpare()) continue;
    GiveBack(i, orders);
    return false;
  }
  return true;
}

void Pool::WantNothing() {
  for (const auto& budget : budgets_) budget->Forget(*this);
  held_back_by_.reset();
  asks_for_idle_ = true;
}

void Pool::Open(const Waiter* waiter, Orders& orders) {
  auto slot = std::make_shared<Slot>();
  slot->worker = waiter != nullptr ? waiter->worker : next_worker_++ % static_cast<WorkerId>(idle_.size());
  slot->places = budgets_;
  slot->index = slots_.size();
  slots_.push_back(slot);
  ++by_state_[static_cast<size_t>(SlotState::kLogin)];
  orders.open.push_back(std::move(slot));
}

void Pool::Grow(TimePoint now, Orders& orders) {
  if (mode_ != RunMode::kRunning) return WantNothing();
  const Waiter* waiter = queue_.Oldest();
  const Waiter* oldest = waiter;
  if (const Waiter* first = dedicated_.front(); first != nullptr && (oldest == nullptr || first->since < oldest->since)) oldest = first;
  int most = limits_.size;
  if (oldest != nullptr && limits_.reserve_size > 0) {
    const TimePoint reserve_at = oldest->since + limits_.reserve_timeout;
    if (now >= reserve_at) {
      most += limits_.reserve_size;
    } else {
      orders.wake_at = std::min(orders.wake_at, reserve_at);
    }
  }
  if (!dedicated_.empty()) GrowDedicated(most, now, orders);
  const int logins = CountOf(SlotState::kLogin);
  const int in_login = logins - DedicatedIn(SlotState::kLogin);
  const int room = std::min(most - OpenCount(), health_.proven() ? limits_.max_parallel_connects - logins : 1 - in_login);
  const int waiting = static_cast<int>(queue_.size()) - in_login;
  const int for_waiters = std::min(waiting, room);
  const int for_warmth = std::min(limits_.min_size - Shared(), room);
  if (for_waiters <= 0 && dedicated_.empty()) WantNothing();
  if (std::max(for_waiters, for_warmth) <= 0) return;
  if (!health_.MayTry(now)) {
    orders.wake_at = std::min(orders.wake_at, health_.retry_at());
    if (dedicated_.empty()) WantNothing();
    return;
  }
  for (int left = for_waiters; left > 0 && TakePlace(left, now, orders); --left) {
    Open(waiter, orders);
    if (waiter != nullptr) waiter = waiter->links.next;
  }
  while (CountOf(SlotState::kLogin) - logins < for_warmth && TakeSparePlace(orders)) Open(nullptr, orders);
}

// Before the lifetime of one that is in use ends, so that nobody has to wait for a login in its place. Where there is no room,
// it must go first.
void Pool::OpenSuccessors(TimePoint now, Orders& orders) {
  if (mode_ != RunMode::kRunning || limits_.lifetime.count() == 0 || !health_.proven()) return;
  const Duration ahead = limits_.lifetime / kSuccessorPart;
  int room = std::min(limits_.size - OpenCount(), limits_.max_parallel_connects - CountOf(SlotState::kLogin));
  for (size_t i = 0; i < slots_.size() && room > 0; ++i) {
    Slot& slot = *slots_[i];
    const bool is_used = slot.state == SlotState::kActive || (slot.state == SlotState::kIdle && now - slot.idle_since < ahead);
    if (!is_used || slot.has_successor || slot.close_needed || now + ahead < slot.expires_at) continue;
    if (!TakeSparePlace(orders)) return;
    slot.has_successor = true;
    Open(nullptr, orders);
    --room;
  }
}

void Pool::OpenFailed(Slot& slot, OpenFailure failure, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(slot.state == SlotState::kLogin);
  if (slot.dedicated_to != 0) {
    DedicatedFailed(slot, std::move(failure), orders);
    Remove(slot, orders);
    return Grow(now, orders);
  }
  auto shared = std::make_shared<OpenFailure>(failure);
  health_.OnFailed(std::move(failure), now, limits_.login_retry, UnitRandom());
  SetState(slot, SlotState::kClosing);
  if (health_.IsGivenUp(now, limits_.failover_hold) && Usable() == 0) {
    while (Waiter* waiter = queue_.Oldest()) {
      queue_.Remove(*waiter);
      orders.failed.push_back({waiter->worker, waiter->owner_id});
    }
    orders.failure = std::move(shared);
  }
  Remove(slot, orders);
  Grow(now, orders);
}

void Pool::FailWaiters(std::shared_ptr<OpenFailure> failure, Orders& orders) {
  MutexLock lock(mutex_);
  for (const auto& slot : slots_) {
    Waiter* waiter = std::exchange(slot->grant, nullptr);
    if (waiter == nullptr) continue;
    waiter->grant = nullptr;
    waiter->state = WaiterState::kNone;
    orders.failed.push_back({waiter->worker, waiter->owner_id});
  }
  while (Waiter* waiter = queue_.Oldest()) {
    queue_.Remove(*waiter);
    orders.failed.push_back({waiter->worker, waiter->owner_id});
  }
  while (Waiter* waiter = dedicated_.front()) {
    DropDedicated(*waiter);
    orders.failed.push_back({waiter->worker, waiter->owner_id});
  }
  orders.failure = std::move(failure);
}

void Pool::BeginClose(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (slot.state == SlotState::kClosing || slot.state == SlotState::kClosed) return;
  if (slot.state == SlotState::kIdle) idle_[slot.worker].Remove(slot);
  if (slot.state == SlotState::kActive && slot.dedicated_to == 0) queue_.Charge(slot.loan, now);
  if (Waiter* waiter = slot.grant) {
    slot.grant = nullptr;
    waiter->grant = nullptr;
    if (!MoveIdleTo(*waiter, now, orders)) queue_.PushAgain(*waiter);
  }
  SetState(slot, SlotState::kClosing);
  Grow(now, orders);
}

void Pool::Closed(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (slot.state == SlotState::kClosed) return;
  PGWEIR_CHECK(slot.state == SlotState::kClosing);
  Remove(slot, orders);
  Grow(now, orders);
}

void Pool::Remove(Slot& slot, Orders& orders) {
  --by_state_[static_cast<size_t>(slot.state)];
  slot.state = SlotState::kClosed;
  if (slot.dedicated_to != 0) --dedicated_open_;
  std::shared_ptr<Slot> keep = std::move(slots_[slot.index]);
  if (slot.index + 1 != slots_.size()) {
    slots_[slot.index] = std::move(slots_.back());
    slots_[slot.index]->index = slot.index;
  }
  slots_.pop_back();
  for (const auto& budget : keep->places) {
    budget->Give();
    PokeHungry(*budget, orders);
  }
}

// --- housekeeping --------------------------------------------------------------------------------------------------------

void Pool::RetireIdle(Slot& slot, Orders& orders) {
  idle_[slot.worker].Remove(slot);
  SetState(slot, SlotState::kClosing);
  orders.close.push_back(slot.shared_from_this());
}

void Pool::Trim(TimePoint now, Orders& orders) {
  if (queue_.size() > 0) return;
  int expired_left = std::max(1, OpenCount() / 10);  // a few per tick: an old pool is renewed gradually
  for (auto& list : idle_) {
    Slot* slot = list.back();
    while (slot != nullptr) {
      Slot* before = slot->idle_links.previous;
      const bool expired = limits_.lifetime.count() > 0 && now >= slot->expires_at;
      const bool idle_too_long = limits_.idle_timeout.count() > 0 && now - slot->idle_since >= limits_.idle_timeout;
      const int staying = Staying();
      if (expired && expired_left > 0) {
        --expired_left;
        RetireIdle(*slot, orders);
      } else if ((idle_too_long && Shared() > limits_.min_size) || staying > limits_.size + limits_.reserve_size) {
        RetireIdle(*slot, orders);
      }
      slot = before;
    }
  }
}

void Pool::Tick(TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (mode_ == RunMode::kRunning) Trim(now, orders);
  for (const auto& budget : budgets_) budget->ForgetPromises(*this);
  asks_for_idle_ = true;
  Grow(now, orders);
  OpenSuccessors(now, orders);
  for (const auto& budget : budgets_) PokeHungry(*budget, orders);
}

bool Pool::EvictIdle(TimePoint, Orders& orders) {
  MutexLock lock(mutex_);
  Slot* const oldest = LongestIdle();
  if (oldest == nullptr || Staying() <= limits_.guaranteed) return false;
  RetireIdle(*oldest, orders);
  return true;
}

std::optional<Pool::Spare> Pool::OldestSpare() const {
  MutexLock lock(mutex_);
  if (CountOf(SlotState::kIdle) == 0 || Staying() <= limits_.guaranteed) return std::nullopt;
  Spare spare{HoldingNow().With(-1).Rank(), kNever};
  for (const auto& list : idle_) {
    if (const Slot* slot = list.back()) spare.idle_since = std::min(spare.idle_since, slot->idle_since);
  }
  return spare;
}

Holding Pool::holding() const {
  MutexLock lock(mutex_);
  return HoldingNow();
}

Budgets Pool::budgets() const {
  MutexLock lock(mutex_);
  return budgets_;
}

bool Pool::DrawsOn(const Budget& budget) const {
  MutexLock lock(mutex_);
  return std::any_of(budgets_.begin(), budgets_.end(), [&budget](const auto& own) { return own.get() == &budget; });
}

void Pool::SetBudgets(Budgets budgets, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (budgets == budgets_) return;
  WantNothing();
  budgets_ = std::move(budgets);
  Grow(now, orders);
}

void Pool::SetLimits(const PoolLimits& limits, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  limits_ = limits;
  Trim(now, orders);
  Grow(now, orders);
}

void Pool::SetMode(RunMode mode, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (mode_ == RunMode::kRemoved && mode == RunMode::kPaused) return;  // removed says more
  mode_ = mode;
  Grow(now, orders);
  if (mode == RunMode::kRunning) return;
  for (auto& list : idle_) {
    while (Slot* slot = list.front()) RetireIdle(*slot, orders);
  }
}

void Pool::CloseAll(TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  health_.Forget();
  for (auto& list : idle_) {
    while (Slot* slot = list.front()) RetireIdle(*slot, orders);
  }
  for (const auto& slot : slots_) slot->close_needed = true;
  Grow(now, orders);
}

void Pool::GiveUp(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  slot.close_needed = true;
  if (slot.state == SlotState::kIdle) RetireIdle(slot, orders);
  Grow(now, orders);
}

int Pool::GivenUp() const {
  MutexLock lock(mutex_);
  int given_up = 0;
  for (const auto& slot : slots_) given_up += slot->close_needed || slot->state == SlotState::kClosing ? 1 : 0;
  return given_up;
}

bool Pool::IsGivenUp(const Slot& slot) const {
  MutexLock lock(mutex_);
  return slot.close_needed;
}

Pool::Counts Pool::Count(TimePoint now) const {
  MutexLock lock(mutex_);
  Counts counts;
  counts.by_state = by_state_;
  counts.open = OpenCount();
  counts.waiting = queue_.size();
  if (const Waiter* oldest = queue_.Oldest()) counts.oldest_wait = now - oldest->since;
  counts.waiting += DedicatedWaiting();
  if (const Waiter* first = dedicated_.front()) counts.oldest_wait = std::max(counts.oldest_wait, now - first->since);
  counts.is_shedding = queue_.IsShedding();
  counts.queue_target = TargetNow(now);
  counts.is_down = health_.is_down();
  counts.down_since = health_.down_since();
  counts.last_failure = health_.last_failure();
  counts.mode = mode_;
  counts.held_back_by = held_back_by_;
  return counts;
}

OpenFailure Pool::LastFailure() const {
  MutexLock lock(mutex_);
  return health_.last_failure();
}

PoolLimits Pool::limits() const {
  MutexLock lock(mutex_);
  return limits_;
}

}  // namespace pool
