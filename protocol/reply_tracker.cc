#include "protocol/reply_tracker.h"

namespace protocol {

void ReplyTracker::Push(Owed owed) {
  if (count_ == ring_.size()) {
    std::vector<Owed> larger(ring_.size() * 2);
    for (size_t i = 0; i < count_; ++i) larger[i] = At(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  ring_[(head_ + count_) & (ring_.size() - 1)] = owed;
  ++count_;
}

void ReplyTracker::Pop() {
  head_ = (head_ + 1) & (ring_.size() - 1);
  --count_;
  DropCopyEnds();
}

// The end of a copy that the server never asked for: it ignores it, nothing is owed.
void ReplyTracker::DropCopyEnds() {
  while (count_ > 0 && At(0) == Owed::kCopyEnd) {
    head_ = (head_ + 1) & (ring_.size() - 1);
    --count_;
  }
}

// The second: the head takes its place.
void ReplyTracker::EraseSecond() {
  const Owed head = At(0);
  head_ = (head_ + 1) & (ring_.size() - 1);
  ring_[head_] = head;
  --count_;
}

void ReplyTracker::OnSent(char type) {
  if (type == 'c' || type == 'f') {
    if (copy_in_) {
      copy_in_ = false;
    } else if (count_ > 0) {
      Push(Owed::kCopyEnd);
    }
    return;
  }
  if (type == 'd' || type == 'H') return;
  if (copy_in_) {
    // A Sync is swallowed, but if the copy has just failed on the server's side it is not: that cannot be told apart from
    // here. Any other message aborts the copy.
    doubtful_ = true;
    if (type == 'S') return;
  }
  if (skipping_) {
    if (type != 'S') return;
    skipping_ = false;
  }
  switch (type) {
    case 'Q': Push(Owed::kQuery); break;
    case 'F': Push(Owed::kFunction); break;
    case 'P': Push(Owed::kParse); break;
    case 'B': Push(Owed::kBind); break;
    case 'D': Push(Owed::kDescribe); break;
    case 'E': Push(Owed::kExecute); break;
    case 'C': Push(Owed::kClose); break;
    case 'S': Push(Owed::kSync); break;
    default: break;
  }
}

ReplyTracker::Reply ReplyTracker::OnReply(char type) {
  if (count_ == 0) return Reply::kBroken;
  const Owed head = At(0);
  const bool is_query = head == Owed::kQuery;
  const auto pop_if = [this](bool lawful) {
    if (!lawful) return Reply::kBroken;
    Pop();
    return Reply::kOk;
  };
  switch (type) {
    case '1': return pop_if(head == Owed::kParse);
    case '2': return pop_if(head == Owed::kBind);
    case '3': return pop_if(head == Owed::kClose);
    case 't': return head == Owed::kDescribe ? Reply::kOk : Reply::kBroken;
    case 'T':
    case 'n':
      if (head == Owed::kDescribe) Pop();
      else if (!is_query && head != Owed::kExecute) return Reply::kBroken;
      return Reply::kOk;
    case 'C':
      copy_in_ = false;
      [[fallthrough]];
    case 'I':
    case 's':
      if (is_query) return Reply::kOk;
      return pop_if(head == Owed::kExecute);
    case 'V': return head == Owed::kFunction ? Reply::kOk : Reply::kBroken;
    case 'D':
    case 'd':
    case 'c':
    case 'H': return is_query || head == Owed::kExecute ? Reply::kOk : Reply::kBroken;
    case 'G':
      if (!is_query && head != Owed::kExecute) return Reply::kBroken;
      OnCopyIn();
      return Reply::kOk;
    case 'E': OnError(); return Reply::kOk;
    default: return Reply::kBroken;
  }
}

void ReplyTracker::OnCopyIn() {
  copy_in_ = true;
  while (count_ > 1) {
    const Owed next = At(1);
    if (next == Owed::kSync) {
      EraseSecond();
    } else if (next == Owed::kCopyEnd) {
      EraseSecond();
      copy_in_ = false;
      return;
    } else {
      doubtful_ = true;
      return;
    }
  }
}

void ReplyTracker::OnError() {
  const bool was_copy_in = copy_in_;
  copy_in_ = false;
  const Owed head = At(0);
  if (head == Owed::kQuery || head == Owed::kFunction || head == Owed::kSync) {
    if (was_copy_in && count_ > 1) doubtful_ = true;
    return;
  }
  while (count_ > 0 && At(0) != Owed::kSync) {
    head_ = (head_ + 1) & (ring_.size() - 1);
    --count_;
  }
  skipping_ = count_ == 0;
}

ReplyTracker::Reply ReplyTracker::OnReadyForQuery(char status) {
  if (count_ == 0 || (status != 'I' && status != 'T' && status != 'E')) return Reply::kBroken;
  const Owed head = At(0);
  if (head != Owed::kSync && head != Owed::kQuery && head != Owed::kFunction) return Reply::kBroken;
  copy_in_ = false;
  status_ = status;
  Pop();
  return Reply::kReady;
}

size_t ReplyTracker::units_owed() const {
  size_t units = 0;
  for (size_t i = 0; i < count_; ++i) {
    const Owed owed = At(i);
    if (owed == Owed::kSync || owed == Owed::kQuery || owed == Owed::kFunction) ++units;
  }
  return units;
}

bool ReplyTracker::NeedsSync() const {
  if (skipping_) return true;
  for (size_t i = count_; i-- > 0;) {
    const Owed owed = At(i);
    if (owed == Owed::kCopyEnd) continue;
    return owed != Owed::kSync && owed != Owed::kQuery && owed != Owed::kFunction;
  }
  return false;
}

}  // namespace protocol
