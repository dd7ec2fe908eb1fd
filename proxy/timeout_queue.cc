#include "proxy/timeout_queue.h"

#include <algorithm>

namespace proxy {

void Timeout::ArmAt(TimeoutQueue& queue, pool::Duration length, pool::TimePoint due, Fire fire, void* owner) {
  Disarm();
  list_ = &queue.ListFor(length);
  due_ = due;
  fire_ = fire;
  owner_ = owner;
  Timeout* before = list_->entries.back();
  while (before != nullptr && before->due_ > due) before = before->links_.previous;
  list_->entries.InsertAfter(before, *this);
  queue.WakeBy(due);
}

void Timeout::Leave() {
  list_->entries.Remove(*this);
  list_ = nullptr;
}

TimeoutQueue::TimeoutQueue(EventLoop& loop) : alarm_(loop, [this] { OnAlarm(); }) {}

Timeout::List& TimeoutQueue::ListFor(pool::Duration length) {
  for (auto& list : lists_) {
    if (list->length == length) return *list;
  }
  lists_.push_back(std::make_unique<Timeout::List>());
  lists_.back()->length = length;
  return *lists_.back();
}

void TimeoutQueue::WakeBy(pool::TimePoint due) {
  if (due >= armed_for_) return;
  armed_for_ = due;
  alarm_.StartAt(due);
}

void TimeoutQueue::OnAlarm() {
  const pool::TimePoint now = Now();
  armed_for_ = pool::kNever;
  pool::TimePoint next = pool::kNever;
  for (size_t i = 0; i < lists_.size(); ++i) {  // a callback may add a list
    while (Timeout* entry = lists_[i]->entries.front()) {
      if (entry->due_ > now) {
        next = std::min(next, entry->due_);
        break;
      }
      const auto fire = entry->fire_;
      void* owner = entry->owner_;
      entry->Disarm();
      fire(owner);
    }
  }
  if (next != pool::kNever) WakeBy(next);
}

}  // namespace proxy
