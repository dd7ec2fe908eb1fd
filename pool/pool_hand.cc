// Pool: what becomes of a server that is free, and of those who wait for it.
#include <algorithm>
#include <utility>

#include "pool/pool.h"

namespace pool {

Pool::Next Pool::Release(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(slot.state == SlotState::kActive);
  queue_.Charge(slot.loan, now);
  if (IsExpired(slot, now)) {
    SetState(slot, SlotState::kClosing);
    Grow(now, orders);
    return {Next::Kind::kClose};
  }
  return Hand(slot, now, orders);
}

Pool::Next Pool::Opened(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(slot.state == SlotState::kLogin);
  if (slot.dedicated_to != 0) return OpenedDedicated(slot, now, orders);
  health_.OnOpened();
  SetState(slot, SlotState::kActive);
  slot.opened_at = now;
  const auto life = static_cast<double>(limits_.lifetime.count()) * (1.0 - limits_.lifetime_jitter * UnitRandom());
  slot.expires_at = now + Duration(static_cast<Duration::rep>(life));
  const Next next = Hand(slot, now, orders);
  Grow(now, orders);
  return next;
}

Pool::Next Pool::Arrived(Slot& slot, TimePoint now, Orders& orders) {
  MutexLock lock(mutex_);
  PGWEIR_CHECK(slot.state == SlotState::kMoving);
  SetState(slot, SlotState::kActive);
  if (Waiter* waiter = slot.grant) {
    slot.grant = nullptr;
    waiter->grant = nullptr;
    waiter->state = WaiterState::kNone;
    return {Next::Kind::kServe, waiter, 0, now - slot.idle_since > limits_.check_delay};
  }
  queue_.Charge(slot.loan, now);  // its waiter has left on the way
  return Hand(slot, now, orders);
}

bool Pool::MayMove(Slot& slot, WorkerId from, WorkerId to) {
  MutexLock lock(mutex_);
  if (slot.state != SlotState::kMoving || slot.worker != from) return false;
  slot.worker = to;
  return true;
}

bool Pool::IsUnwanted(const Slot& slot) const {
  return slot.close_needed || mode_ != RunMode::kRunning || Staying() > limits_.size + limits_.reserve_size;
}

bool Pool::IsExpired(const Slot& slot, TimePoint now) const {
  if (limits_.lifetime.count() == 0) return true;  // serves once, whoever waits
  if (now < slot.expires_at) return false;
  // At once when nobody waits, else one at a time, so that an old pool does not close all at once under load.
  return queue_.size() == 0 || CountOf(SlotState::kLogin) + CountOf(SlotState::kClosing) == 0;
}

Waiter* Pool::ChooseWaiter(const Flow* flow, WorkerId worker, TimePoint now) {
  Waiter* own = queue_.OldestOf(flow, worker);
  Waiter* oldest = queue_.OldestOf(flow);
  if (own == nullptr || oldest == own) return oldest;
  const Duration slack = std::max(kHandoverSlack, (now - oldest->since) / kHandoverPart);
  return own->since - oldest->since > slack ? oldest : own;
}

Duration Pool::TargetNow(TimePoint now) const {
  return limits_.overload.target == kTargetByPatience ? patience_.Target(now) : limits_.overload.target;
}

// As long as somebody waits, the time from one hand-out to the next says how fast the queue moves: a mean over about the last 16.
void Pool::MeasurePace(TimePoint now) {
  const TimePoint before = std::exchange(handed_at_, now);
  const Waiter* oldest = queue_.Oldest();
  const Duration step = (now - std::max(before, oldest->since)) * 8;
  pace_ = pace_.count() == 0 ? step : pace_ + (step - pace_) / 16;
}

// Only what is certain: with several flows a waiter stands at least behind its own, and nothing is known after a silence.
bool Pool::IsHopeless(const Waiter& waiter, TimePoint now) const {
  if (queue_.size() == 0 || pace_.count() == 0 || now - handed_at_ > std::max(pace_ * 4, waiter.patience / 4)) return false;
  const auto ahead = static_cast<Duration::rep>(queue_.WaitingBefore(waiter));
  return pace_ * ahead / 8 > waiter.patience;
}

// Who is shed is told through orders; the one who is served next has waited no longer than the target, or almost.
void Pool::Shed(Flow* flow, TimePoint now, Orders& orders) {
  OverloadLimits limits = limits_.overload;
  limits.target = TargetNow(now);
  if (limits.target.count() == 0) return;
  const Duration target = limits.target;
  const TimePoint before = std::exchange(last_served_, now);
  if (now - before > target) [[unlikely]] {
    const Duration silence = now - std::max(before, queue_.Oldest()->since);
    if (silence > target) {
      // What has gathered meanwhile needs about as long to go: at half load exactly so.
      judge_from_ = now + silence;
      queue_.ForgetOverload();
    }
  }
  Overload& overload = queue_.OverloadOf(flow);
  const Waiter* oldest = queue_.OldestOf(flow);
  if (now - oldest->since <= target / 2) return overload.Forget();  // as OnHanded says; the usual case costs no more
  const bool grows = CountOf(SlotState::kLogin) > 0 && !health_.is_down();
  if (now < judge_from_ || (grows && !overload.is_shedding())) return overload.Forget();
  const auto size = static_cast<size_t>(limits_.size);
  for (int left = kShedAtOnce; left > 0; --left) {
    Waiter& first = *queue_.OldestOf(flow);
    if (!overload.MustShed(now - first.since, queue_.WaitingIn(flow) > size, limits)) break;
    queue_.Remove(first);
    patience_.OnShed(now);
    orders.shed.push_back({first.worker, first.owner_id});
  }
  overload.OnHanded(now - queue_.OldestOf(flow)->since, queue_.WaitingIn(flow) > size, now, limits);
}

Pool::Next Pool::Hand(Slot& slot, TimePoint now, Orders& orders) {
  if (IsUnwanted(slot)) {
    SetState(slot, SlotState::kClosing);
    return {Next::Kind::kClose};
  }
  if (!dedicated_.empty() && DedicatedComesFirst()) [[unlikely]] {
    SetState(slot, SlotState::kClosing);
    return {Next::Kind::kClose};
  }
  const bool is_wanted = queue_.size() > 0;
  if (MustGive(slot, is_wanted ? Budget::Offer::kInDemand : Budget::Offer::kIdle, now)) {
    SetState(slot, SlotState::kClosing);
    return {Next::Kind::kClose};
  }
  if (is_wanted) {
    Flow* flow = queue_.Next();
    MeasurePace(now);
    if (limits_.overload.target.count() != 0) Shed(flow, now, orders);
    Waiter* waiter = ChooseWaiter(flow, slot.worker, now);
    slot.loan = queue_.Lend(*waiter, now);
    queue_.Remove(*waiter);
    if (waiter->worker == slot.worker) return {Next::Kind::kServe, waiter};
    SetState(slot, SlotState::kMoving);
    slot.grant = waiter;
    waiter->grant = &slot;
    waiter->state = WaiterState::kGranted;
    slot.worker = waiter->worker;
    slot.idle_since = now;  // it was in use until now: no check
    return {Next::Kind::kMove, nullptr, waiter->worker};
  }
  if (held_back_by_ && dedicated_.empty()) WantNothing();
  SetState(slot, SlotState::kIdle);
  slot.idle_since = now;
  idle_[slot.worker].PushFront(slot);
  return {Next::Kind::kIdle};
}

// Whether another pool needs the place at a shared cap more than this one does.
bool Pool::MustGive(const Slot& slot, Budget::Offer offer, TimePoint now) {
  for (const auto& budget : slot.places) {
    if (budget->HasHungry() && budget->MustGive(*this, HoldingNow(), offer, now - slot.opened_at, now)) return true;
  }
  return false;
}

}  // namespace pool
