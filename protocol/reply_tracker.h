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
// COPY IN (reply G): a Sync that was sent ahead is swallowed by the server (documentation, "COPY Operations": Flush and Sync
// are ignored in copy-in mode), unless CopyDone was sent ahead of it. Anything else sent ahead makes the server abort the
// copy in a way that cannot be followed: IsDoubtful, and the server is closed at its release.
// Notices, ParameterStatus and notifications are not answers and do not come here. CopyBothResponse is never lawful: who could
// ask for it, a replication connection, is refused at its startup.
//
// Threads: a value, on the worker that owns the server. Limits: kOwedMax messages; the relay stops reading the client there.
// Source: PostgreSQL documentation, "Message Flow": Extended Query, Pipelining, COPY Operations, Function Call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace protocol {

inline constexpr size_t kOwedMax = 262'144;  // far above what a server buffers (8 kB of replies), so a pause cannot deadlock

class ReplyTracker {
 public:
  // A frontend message by type: Q F P B D E C S, c f (end of copy), d H (no answer).
  void OnSent(char type);

  enum class Reply : uint8_t {
    kOk,
    kReady,     // ReadyForQuery: one unit (Query, FunctionCall or Sync) is answered
    kBroken,    // an answer that nobody asked for
  };
  Reply OnReply(char type);
  Reply OnReadyForQuery(char status);

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
  size_t units_owed() const;  // ReadyForQuery messages still to come for what was sent
  // The last message sent that is still owed belongs to an extended-query batch that no Sync has ended.
  bool NeedsSync() const;

 private:
  enum class Owed : uint8_t { kParse, kBind, kClose, kDescribe, kExecute, kSync, kQuery, kFunction, kCopyEnd };
  void Push(Owed owed);
  void Pop();
  void DropCopyEnds();
  void OnError();
  void OnCopyIn();
  Owed At(size_t i) const { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  void EraseSecond();

  std::vector<Owed> ring_ = std::vector<Owed>(16);  // a power of two
  size_t head_ = 0, count_ = 0;
  char status_ = 'I';
  bool skipping_ = false, copy_in_ = false, doubtful_ = false;
};

}  // namespace protocol
