#include "pool/pool.h"

#include <algorithm>
#include <utility>

#include "pool/jitter.h"

namespace pool {

Pool::Pool(PoolLimits limits, uint32_t workers, std::shared_ptr<Budget> database, std::shared_ptr<Budget> user, uint64_t seed)
    : database_(std::move(database)),
      user_(std::move(user)),
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

int Pool::Usable() const { return CountOf(SlotState::kIdle) + CountOf(SlotState::kActive) + CountOf(SlotState::kMoving); }

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

bool Pool::Cancel(Waiter& waiter, TimePoint, Orders&) {
  MutexLock lock(mutex_);
  switch (waiter.state) {
    case WaiterState::kNone:
      return false;
    case WaiterState::kQueued:
      queue_.Remove(waiter);
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

// Wherever a place may have become free, or the pool that was told of one did not need it.
void Pool::PokeHungry(Budget& budget, Orders& orders) {
  if (!budget.HasHungry() || !budget.HasRoom()) return;
  if (auto hungry = budget.TakeHungry()) orders.poke.push_back(std::move(hungry));
}

bool Pool::TakePlace(Orders& orders) {
  for (const auto& budget : {database_, user_}) {
    if (budget->TryTake()) continue;
    if (budget == user_) {
      database_->Give();
      PokeHungry(*database_, orders);  // somebody was refused the place meanwhile, or was not told of it
    }
    budget->RememberHungry(shared_from_this());
    PokeHungry(*budget, orders);  // given back between the refusal and the remembering
    orders.evict = budget;
    return false;
  }
  return true;
}

void Pool::Grow(TimePoint now, Orders& orders) {
  if (mode_ != RunMode::kRunning) return;
  const Waiter* oldest = queue_.Oldest();
  int most = limits_.size;
  if (oldest != nullptr && limits_.reserve_size > 0) {
    const TimePoint reserve_at = oldest->since + limits_.reserve_timeout;
    if (now >= reserve_at) {
      most += limits_.reserve_size;
    } else {
      orders.wake_at = std::min(orders.wake_at, reserve_at);
    }
  }
  const int in_login = CountOf(SlotState::kLogin);
  const int missing = limits_.min_size - Staying();
  int wanted = std::max(static_cast<int>(queue_.size()) - in_login, missing);
  wanted = std::min({wanted, most - Open(), (health_.proven() ? limits_.max_parallel_connects : 1) - in_login});
  if (wanted <= 0) return;
  if (!health_.MayTry(now)) {
    orders.wake_at = std::min(orders.wake_at, health_.retry_at());
    return;
  }
  const Waiter* waiter = oldest;
  for (; wanted > 0 && TakePlace(orders); --wanted) {
    auto slot = std::make_shared<Slot>();
    slot->worker = waiter != nullptr ? waiter->worker : next_worker_++ % static_cast<WorkerId>(idle_.size());
    if (waiter != nullptr) waiter = waiter->links.next;
    slot->index = slots_.size();
    slots_.push_back(slot);
    ++by_state_[static_cast<size_t>(SlotState::kLogin)];
    orders.open.push_back(std::move(slot));
  }
}

void Pool::OpenFailed(Slot& slot, OpenFailure failure, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(slot.state == SlotState::kLogin);
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
  orders.failure = std::move(failure);
}

void Pool::BeginClose(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (slot.state == SlotState::kClosing || slot.state == SlotState::kClosed) return;
  if (slot.state == SlotState::kIdle) idle_[slot.worker].Remove(slot);
  if (slot.state == SlotState::kActive) queue_.Charge(slot.loan, now);
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
  std::shared_ptr<Slot> keep = std::move(slots_[slot.index]);
  if (slot.index + 1 != slots_.size()) {
    slots_[slot.index] = std::move(slots_.back());
    slots_[slot.index]->index = slot.index;
  }
  slots_.pop_back();
  for (Budget* budget : {database_.get(), user_.get()}) {
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
  int expired_left = std::max(1, Open() / 10);  // a few per tick: an old pool is renewed gradually
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
      } else if ((idle_too_long && staying > limits_.min_size) || staying > limits_.size + limits_.reserve_size) {
        RetireIdle(*slot, orders);
      }
      slot = before;
    }
  }
}

void Pool::Tick(TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  if (mode_ == RunMode::kRunning) Trim(now, orders);
  Grow(now, orders);
  for (Budget* budget : {database_.get(), user_.get()}) PokeHungry(*budget, orders);
}

bool Pool::EvictIdle(TimePoint, Orders& orders) {
  MutexLock lock(mutex_);
  Slot* oldest = nullptr;
  for (auto& list : idle_) {
    Slot* slot = list.back();
    if (slot != nullptr && (oldest == nullptr || slot->idle_since < oldest->idle_since)) oldest = slot;
  }
  if (oldest == nullptr || Staying() <= limits_.min_size) return false;
  RetireIdle(*oldest, orders);
  return true;
}

TimePoint Pool::OldestIdleSince() const {
  MutexLock lock(mutex_);
  TimePoint oldest = kNever;
  if (Staying() <= limits_.min_size) return oldest;
  for (const auto& list : idle_) {
    if (const Slot* slot = list.back()) oldest = std::min(oldest, slot->idle_since);
  }
  return oldest;
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
  if (mode == RunMode::kRunning) {
    Grow(now, orders);
    return;
  }
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

int Pool::GivenUp() const {
  MutexLock lock(mutex_);
  int given_up = 0;
  for (const auto& slot : slots_) given_up += slot->close_needed || slot->state == SlotState::kClosing ? 1 : 0;
  return given_up;
}

Pool::Counts Pool::Count(TimePoint now) const {
  MutexLock lock(mutex_);
  Counts counts;
  counts.by_state = by_state_;
  counts.open = Open();
  counts.waiting = queue_.size();
  if (const Waiter* oldest = queue_.Oldest()) counts.oldest_wait = now - oldest->since;
  counts.is_shedding = queue_.IsShedding();
  counts.is_down = health_.is_down();
  counts.down_since = health_.down_since();
  counts.last_failure = health_.last_failure();
  counts.mode = mode_;
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
