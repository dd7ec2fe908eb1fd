// Which answers a server still owes, in order: what makes it safe to say "this server is free".
//
// What: OnSent notes a frontend message that goes to the server; OnReply judges a backend message against the head of the
// queue. The server is free when ReadyForQuery 'I' came and nothing is owed (IsFree). One tracker lives in each server.
//
//   head \ reply   1      2      3      T n     C I s   V       E                      Z
//   Parse          pop    -      -      -       -       -       skip to Sync           -
//   Bind           -      pop    -      -       -       -       skip to Sync           -
//   Close          -      -      pop    -       -       -       skip to Sync           -
//   Describe       -      -      -      pop     -       -       skip to Sync           -
//   Execute        -      -      -      stay    pop     -       skip to Sync           -
//   Sync           -      -      -      -       -       -       stay                   pop
//   Query          -      -      -      stay    stay    -       stay                   pop
//   Function       -      -      -      -       -       stay    stay                   pop
//   nothing        -      -      -      -       -       -       -                      -
// "-" is a broken protocol: the answer belongs to nobody, the server connection must be closed.
// "skip to Sync": the server ignores everything up to the next Sync, so everything up to it is no longer owed; with no Sync
// sent yet the tracker stays in skipping() and forgets what is sent until a Sync comes.
//
// Each message has an action: kForward, the answer is the client's; kSkip, a message that we put into the client's own batch
// (its answer is hidden, its error is the client's); kOwn, a message of an exchange of ours that ends by its own Sync (all is
// hidden); kFake, a message that was not sent: its answer is made here as soon as everything before it has been answered and
// something behind it is (Answer::before), or a Flush behind it asks for it (Answer::behind, TakeFakes). A fake behind an error is
// never answered, as PostgreSQL would not.
// A message may be noted: then Answer counts when it is confirmed or undone (failed, or skipped by the server), in order; the
// caller keeps what that means.
//
// COPY IN (reply G): a Sync that was sent ahead is swallowed by the server (documentation, "COPY Operations": Flush and Sync
// are ignored in copy-in mode), unless CopyDone was sent ahead of it. Anything else sent ahead makes the server abort the
// copy in a way that cannot be followed: IsDoubtful, and the server is closed at its release.
// Notices, ParameterStatus and notifications are not answers and do not come here. CopyBothResponse is never lawful: who could
// ask for it, a replication connection, has a server of its own that is not tracked (proxy/server_replication.cc).
//
// Threads: a value, on the worker that owns the server. Limits: kOwedMax messages; the relay stops reading the client there.
// Source: PostgreSQL documentation, "Message Flow": Extended Query, Pipelining, COPY Operations, Function Call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

inline constexpr size_t kOwedMax = 262'144;  // far above what a server buffers (8 kB of replies), so a pause cannot deadlock

class ReplyTracker {
 public:
  enum class Action : uint8_t { kForward, kSkip, kOwn, kFake };
  // kUnnamed: a Parse or Close of the client's unnamed statement, which is counted apart.
  enum class Note : uint8_t { kNone, kNoted, kUnnamed };
  // A frontend message by type: Q F P B D E C S, c f (end of copy), d H (no answer). False: the server will ignore it, because
  // it skips to a Sync (a noted message is then undone from the start).
  bool OnSent(char type, Action action = Action::kForward, Note note = Note::kNone);

  enum class Reply : uint8_t {
    kOk,
    kReady,     // ReadyForQuery: one unit (Query, FunctionCall or Sync) is answered
    kBroken,    // an answer that nobody asked for
  };
  struct Answer {
    Reply reply = Reply::kOk;
    Action action = Action::kForward;  // of the message that it answers
    uint32_t confirmed = 0;            // noted messages that are now known to have been carried out
    uint32_t undone = 0;               // noted messages, next in order, that were not
    uint32_t unnamed_confirmed = 0, unnamed_undone = 0;
    bool unnamed_failed = false;       // the first of the undone failed, or a message of ours that was put before it
    // Fakes as whole messages, valid until the next call: those that belong before this answer, and behind it.
    std::string_view before, behind;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  Answer OnReply(char type);
  Answer OnReadyForQuery(char status);
  // After a Flush was sent ('H'): the fakes that nothing is owed before, as Answer::before.
  Answer TakeFakes();

  // ReadyForQuery of an exchange that is not tracked (our own).
  void SetStatus(char status) { status_ = status; }

  bool IsFree() const { return count_ == 0 && !skipping_ && !copy_in_ && status_ == 'I'; }
  bool owes_nothing() const { return count_ == 0 && !skipping_ && !copy_in_; }
  bool is_doubtful() const { return doubtful_; }
  bool in_copy_in() const { return copy_in_; }
  // The server is ignoring messages until a Sync that has not been sent.
  bool skipping() const { return skipping_; }
  char status() const { return status_; }  // of the last ReadyForQuery: I, T, E
  size_t owed() const { return count_; }
  // Rows may come now, and they are the client's.
  bool HeadTakesRows() const {
    return count_ > 0 && At(0).action == Action::kForward && (At(0).owed == Owed::kExecute || At(0).owed == Owed::kQuery);
  }
  // The answer to the oldest message is not for the client after all.
  void HideHead() { ring_[head_].action = Action::kOwn; }
  Action head_action() const { return count_ > 0 ? At(0).action : Action::kForward; }
  bool HeadIsNoted() const { return count_ > 0 && At(0).note == Note::kNoted; }
  bool HeadIsOwn() const { return count_ > 0 && At(0).action == Action::kOwn; }
  size_t units_owed() const;  // the client's ReadyForQuery messages still to come for what was sent
  // The last message sent that is still owed belongs to an extended-query batch that no Sync has ended.
  bool NeedsSync() const;

 private:
  enum class Owed : uint8_t { kParse, kBind, kClose, kDescribe, kExecute, kSync, kQuery, kFunction, kCopyEnd };
  struct Entry {
    Owed owed;
    Action action;
    Note note;
  };
  static bool EndsUnit(Owed owed) { return owed == Owed::kSync || owed == Owed::kQuery || owed == Owed::kFunction; }
  void Push(Entry entry);
  void Drop();
  void Pop(Answer& answer);
  void PopFakesBefore(Answer& answer);
  void PopFakesBehind(Answer& answer);
  void PopFake(std::string& out, Answer& answer);
  void DropCopyEnds();
  void OnError(Answer& answer);
  bool WasFor(Note note) const;
  void OnCopyIn();
  Entry At(size_t i) const { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  void EraseSecond();

  std::vector<Entry> ring_ = std::vector<Entry>(16);  // a power of two
  size_t head_ = 0, count_ = 0;
  size_t flushed_ = 0;  // so many from the head are asked for by a Flush
  std::string before_, behind_;
  char status_ = 'I';
  bool skipping_ = false, copy_in_ = false, doubtful_ = false;
};

}  // namespace protocol
