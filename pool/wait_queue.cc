#include "pool/wait_queue.h"

namespace pool {

void WaitQueue::Push(Waiter& waiter) {
  GiveTicket(waiter);
  waiter.state = WaiterState::kQueued;
  lists_[waiter.worker].PushBack(waiter);
  Enter(waiter);
}

void WaitQueue::PushAgain(Waiter& waiter) {
  auto& list = lists_[waiter.worker];
  Waiter* before = nullptr;
  for (Waiter* at = list.front(); at != nullptr && at->ticket < waiter.ticket; at = at->links.next) before = at;
  waiter.state = WaiterState::kQueued;
  list.InsertAfter(before, waiter);
  Enter(waiter);
}

void WaitQueue::EnterFlow(Waiter& waiter) {
  if (size_ == 1) {
    only_flow_ = waiter.flow;
    overload_.Forget();
  } else if (!flows_.empty()) {
    flows_.Add(waiter);
  } else {
    Split();
  }
}

// What was seen of the only flow until now goes on to count for it.
void WaitQueue::Split() {
  for (const auto& list : lists_) {
    for (Waiter* at = list.front(); at != nullptr; at = at->links.next) {
      flows_.Add(*at);
      if (at->flow == only_flow_) flows_.Of(*at).overload = overload_;
    }
  }
}

void WaitQueue::Remove(Waiter& waiter) {
  lists_[waiter.worker].Remove(waiter);
  waiter.state = WaiterState::kNone;
  --size_;
  if (flows_.empty()) return;
  flows_.Remove(waiter);
  if (size_ == 0) flows_.Clear();
}

Waiter* WaitQueue::Oldest() const {
  Waiter* oldest = nullptr;
  for (const auto& list : lists_) {
    Waiter* head = list.front();
    if (head != nullptr && (oldest == nullptr || head->ticket < oldest->ticket)) oldest = head;
  }
  return oldest;
}

void WaitQueue::ForgetOverload() {
  overload_.Forget();
  flows_.ForgetOverload();
}

}  // namespace pool
