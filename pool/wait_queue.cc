#include "pool/wait_queue.h"

namespace pool {

void WaitQueue::Push(Waiter& waiter) {
  GiveTicket(waiter);
  waiter.state = WaiterState::kQueued;
  lists_[waiter.worker].PushBack(waiter);
  ++size_;
}

void WaitQueue::PushAgain(Waiter& waiter) {
  auto& list = lists_[waiter.worker];
  Waiter* before = nullptr;
  for (Waiter* at = list.front(); at != nullptr && at->ticket < waiter.ticket; at = at->links.next) before = at;
  waiter.state = WaiterState::kQueued;
  list.InsertAfter(before, waiter);
  ++size_;
}

void WaitQueue::Remove(Waiter& waiter) {
  lists_[waiter.worker].Remove(waiter);
  waiter.state = WaiterState::kNone;
  --size_;
}

Waiter* WaitQueue::Oldest() const {
  Waiter* oldest = nullptr;
  for (const auto& list : lists_) {
    Waiter* head = list.front();
    if (head != nullptr && (oldest == nullptr || head->ticket < oldest->ticket)) oldest = head;
  }
  return oldest;
}

}  // namespace pool
