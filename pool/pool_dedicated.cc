// Pool: servers that are opened for one client alone (law 7), as replication needs them.
#include <algorithm>
#include <utility>

#include "pool/pool.h"

namespace pool {

Pool::Acquired Pool::AcquireDedicated(Waiter& waiter, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(waiter.state == WaiterState::kNone && waiter.owner_id != 0);
  if (mode_ == RunMode::kRemoved) return {Acquired::Kind::kRemoved};
  waiter.since = now;
  if (queue_.size() + DedicatedWaiting() >= static_cast<size_t>(limits_.max_waiting)) return {Acquired::Kind::kQueueFull};
  queue_.GiveTicket(waiter);
  waiter.dedicated = true;
  waiter.state = WaiterState::kQueued;
  dedicated_.PushBack(waiter);
  Grow(now, orders);
  return {Acquired::Kind::kQueued};
}

void Pool::DropDedicated(Waiter& waiter) {
  dedicated_.Remove(waiter);
  waiter.state = WaiterState::kNone;
}

size_t Pool::DedicatedWaiting() const {
  size_t waiting = 0;
  for (const Waiter* each = dedicated_.front(); each != nullptr; each = each->links.next) ++waiting;
  return waiting;
}

int Pool::DedicatedIn(SlotState state) const {
  if (dedicated_open_ == 0) return 0;
  return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [state](const auto& slot) { return slot->dedicated_to != 0 && slot->state == state; }));
}

Slot* Pool::LongestIdle() const {
  Slot* longest = nullptr;
  for (const auto& list : idle_) {
    Slot* slot = list.back();
    if (slot != nullptr && (longest == nullptr || slot->idle_since < longest->idle_since)) longest = slot;
  }
  return longest;
}

void Pool::GrowDedicated(int most, TimePoint now, Orders& orders) {
  const auto has_room = [](const auto& budget) { return budget->HasRoom(); };
  int logins_left = limits_.max_parallel_connects - CountOf(SlotState::kLogin);
  while (Waiter* waiter = dedicated_.front()) {
    if (OpenCount() >= most) break;
    if (logins_left-- <= 0) return;  // the end of a login comes here again
    // At a shared cap, too, an idle server of its own pool goes first: nobody else loses one.
    if (LongestIdle() != nullptr && !std::all_of(budgets_.begin(), budgets_.end(), has_room)) break;
    if (!TakePlace(static_cast<int>(DedicatedWaiting()), now, orders)) return;
    DropDedicated(*waiter);
    Open(waiter, orders);
    Slot& slot = *slots_.back();
    slot.dedicated_to = waiter->owner_id;
    ++dedicated_open_;
    slot.grant = waiter;
    waiter->grant = &slot;
    waiter->state = WaiterState::kGranted;
  }
  // What is closing already will be somebody's place.
  int wanted = static_cast<int>(DedicatedWaiting()) - CountOf(SlotState::kClosing);
  for (Slot* idle = LongestIdle(); wanted > 0 && idle != nullptr; idle = LongestIdle(), --wanted) RetireIdle(*idle, orders);
}

// A server is released: its place is for a dedicated one when that has waited longest, and gets none by what is closing already.
bool Pool::DedicatedComesFirst() const {
  const bool lacks_room = OpenCount() >= limits_.size || held_back_by_ != nullptr;
  if (!lacks_room) return false;
  const Waiter* oldest = queue_.Oldest();
  int before = 0;
  for (const Waiter* each = dedicated_.front(); each != nullptr && (oldest == nullptr || each->ticket < oldest->ticket); each = each->links.next) {
    ++before;
  }
  return before > CountOf(SlotState::kClosing);
}

Pool::Next Pool::OpenedDedicated(Slot& slot, TimePoint now, Orders& orders) {
  Waiter* waiter = std::exchange(slot.grant, nullptr);
  if (waiter != nullptr) waiter->grant = nullptr;
  const bool is_unwanted = slot.close_needed || mode_ != RunMode::kRunning;
  if (waiter == nullptr || is_unwanted) {
    SetState(slot, SlotState::kClosing);
    if (waiter != nullptr) {  // paused or RECONNECT meanwhile: it waits on, at the place that it had
      waiter->state = WaiterState::kQueued;
      dedicated_.PushFront(*waiter);
    }
    Grow(now, orders);
    return {Next::Kind::kClose};
  }
  SetState(slot, SlotState::kActive);
  slot.opened_at = now;
  waiter->state = WaiterState::kNone;
  Grow(now, orders);
  return {Next::Kind::kServe, waiter};
}

// The client hears why; nobody else does, and the next one tries for itself.
void Pool::DedicatedFailed(Slot& slot, OpenFailure failure, Orders& orders) {
  SetState(slot, SlotState::kClosing);
  Waiter* waiter = std::exchange(slot.grant, nullptr);
  if (waiter == nullptr) return;
  waiter->grant = nullptr;
  waiter->state = WaiterState::kNone;
  orders.failed.push_back({waiter->worker, waiter->owner_id});
  orders.failure = std::make_shared<OpenFailure>(std::move(failure));
}

}  // namespace pool
