#include "protocol/reply_tracker.h"

namespace protocol {
namespace {

constexpr std::string_view kParseComplete{"1\0\0\0\4", 5};
constexpr std::string_view kCloseComplete{"3\0\0\0\4", 5};

}  // namespace

void ReplyTracker::Push(Entry entry) {
  if (count_ == ring_.size()) {
    std::vector<Entry> larger(ring_.size() * 2);
    for (size_t i = 0; i < count_; ++i) larger[i] = At(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  ring_[(head_ + count_) & (ring_.size() - 1)] = entry;
  ++count_;
}

void ReplyTracker::Drop() {
  head_ = (head_ + 1) & (ring_.size() - 1);
  --count_;
  if (flushed_ > 0) --flushed_;
}

void ReplyTracker::Pop(Answer& answer) {
  if (At(0).note == Note::kNoted) ++answer.confirmed;
  if (At(0).note == Note::kUnnamed) ++answer.unnamed_confirmed;
  Drop();
  DropCopyEnds();
}

void ReplyTracker::PopFake(std::string& out, Answer& answer) {
  out += At(0).owed == Owed::kParse ? kParseComplete : kCloseComplete;
  Pop(answer);
}

void ReplyTracker::PopFakesBefore(Answer& answer) {
  before_.clear();
  while (count_ > 0 && At(0).action == Action::kFake) PopFake(before_, answer);
  answer.before = before_;
}

void ReplyTracker::PopFakesBehind(Answer& answer) {
  behind_.clear();
  while (flushed_ > 0 && count_ > 0 && At(0).action == Action::kFake) PopFake(behind_, answer);
  answer.behind = behind_;
}

ReplyTracker::Answer ReplyTracker::TakeFakes() {
  Answer answer;
  PopFakesBefore(answer);
  return answer;
}

// The end of a copy that the server never asked for: it ignores it, nothing is owed.
void ReplyTracker::DropCopyEnds() {
  while (count_ > 0 && At(0).owed == Owed::kCopyEnd) Drop();
}

// The second: the head takes its place.
void ReplyTracker::EraseSecond() {
  const Entry head = At(0);
  Drop();
  ring_[head_] = head;
}

bool ReplyTracker::OnSent(char type, Action action, Note note) {
  if (type == 'c' || type == 'f') {
    if (copy_in_) {
      copy_in_ = false;
    } else if (count_ > 0) {
      Push({Owed::kCopyEnd, Action::kForward, Note::kNone});
    }
    return true;
  }
  if (type == 'H') flushed_ = count_;
  if (type == 'd' || type == 'H') return true;
  if (copy_in_) {
    // A Sync is swallowed, but if the copy has just failed on the server's side it is not: that cannot be told apart from
    // here. Any other message aborts the copy.
    doubtful_ = true;
    if (type == 'S') return true;
  }
  if (skipping_) {
    if (type != 'S') return false;
    skipping_ = false;
  }
  Entry entry{Owed::kParse, action, note};
  switch (type) {
    case 'Q': entry.owed = Owed::kQuery; break;
    case 'F': entry.owed = Owed::kFunction; break;
    case 'P': entry.owed = Owed::kParse; break;
    case 'B': entry.owed = Owed::kBind; break;
    case 'D': entry.owed = Owed::kDescribe; break;
    case 'E': entry.owed = Owed::kExecute; break;
    case 'C': entry.owed = Owed::kClose; break;
    case 'S': entry.owed = Owed::kSync; break;
    default: return true;
  }
  Push(entry);
  return true;
}

ReplyTracker::Answer ReplyTracker::OnReply(char type) {
  Answer answer;
  // What belongs before an error: PostgreSQL would have answered it too, as it came before the message that failed.
  if (count_ > 0 && At(0).action == Action::kFake) PopFakesBefore(answer);
  if (count_ == 0) {
    answer.reply = Reply::kBroken;
    return answer;
  }
  const Owed head = At(0).owed;
  answer.action = At(0).action;
  const bool is_query = head == Owed::kQuery;
  const auto stay_if = [&answer](bool lawful) {
    if (!lawful) answer.reply = Reply::kBroken;
  };
  const auto pop_if = [&](bool lawful) {
    stay_if(lawful);
    if (lawful) Pop(answer);
  };
  switch (type) {
    case '1': pop_if(head == Owed::kParse); break;
    case '2': pop_if(head == Owed::kBind); break;
    case '3': pop_if(head == Owed::kClose); break;
    case 't': stay_if(head == Owed::kDescribe); break;
    case 'T':
    case 'n':
      if (head == Owed::kDescribe) Pop(answer);
      else stay_if(is_query || head == Owed::kExecute);
      break;
    case 'C':
      copy_in_ = false;
      [[fallthrough]];
    case 'I':
    case 's':
      if (!is_query) pop_if(head == Owed::kExecute);
      break;
    case 'V': stay_if(head == Owed::kFunction); break;
    case 'D':
    case 'd':
    case 'c':
    case 'H': stay_if(is_query || head == Owed::kExecute); break;
    case 'G':
      stay_if(is_query || head == Owed::kExecute);
      if (answer.reply == Reply::kOk) OnCopyIn();
      break;
    case 'E': OnError(answer); break;
    default: answer.reply = Reply::kBroken;
  }
  if (flushed_ > 0) PopFakesBehind(answer);
  return answer;
}

void ReplyTracker::OnCopyIn() {
  copy_in_ = true;
  while (count_ > 1) {
    const Owed next = At(1).owed;
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

// What fails at the head, or what it was put before: the client takes an error of ours for that of its own message.
bool ReplyTracker::WasFor(Note note) const {
  size_t i = 0;
  while (i + 1 < count_ && At(i).action == Action::kSkip) ++i;
  return At(i).note == note;
}

void ReplyTracker::OnError(Answer& answer) {
  const bool was_copy_in = copy_in_;
  copy_in_ = false;
  if (EndsUnit(At(0).owed)) {
    if (was_copy_in && count_ > 1) doubtful_ = true;
    return;
  }
  answer.unnamed_failed = WasFor(Note::kUnnamed);
  while (count_ > 0 && At(0).owed != Owed::kSync) {
    if (At(0).note == Note::kNoted) ++answer.undone;
    if (At(0).note == Note::kUnnamed) ++answer.unnamed_undone;
    Drop();
  }
  skipping_ = count_ == 0;
}

ReplyTracker::Answer ReplyTracker::OnReadyForQuery(char status) {
  Answer answer;
  if (count_ > 0 && At(0).action == Action::kFake) PopFakesBefore(answer);
  const bool is_lawful = count_ > 0 && (status == 'I' || status == 'T' || status == 'E') && EndsUnit(At(0).owed);
  if (!is_lawful) {
    answer.reply = Reply::kBroken;
    return answer;
  }
  answer.reply = Reply::kReady;
  answer.action = At(0).action;
  copy_in_ = false;
  status_ = status;
  Pop(answer);
  if (flushed_ > 0) PopFakesBehind(answer);
  return answer;
}

size_t ReplyTracker::units_owed() const {
  size_t units = 0;
  for (size_t i = 0; i < count_; ++i) {
    const Entry entry = At(i);
    if (EndsUnit(entry.owed) && entry.action == Action::kForward) ++units;
  }
  return units;
}

bool ReplyTracker::NeedsSync() const {
  if (skipping_) return true;
  for (size_t i = count_; i-- > 0;) {
    const Owed owed = At(i).owed;
    if (owed == Owed::kCopyEnd) continue;
    return !EndsUnit(owed);
  }
  return false;
}

}  // namespace protocol
