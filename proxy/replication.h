// What a replication connection is at, as far as pgweir must know: from the types of the messages that pass, and nothing else.
//
// What: a client that asked for replication has a server of its own from its login to its end (Pool::AcquireDedicated), and
// everything passes both ways unread (client_replication.cc, server_replication.cc). This says whether something runs there, for
// cancel requests, for a drain, and for the two clocks that count only while nothing does. No other clock of pgweir counts on such
// a connection: a base backup lasts for hours, a stream for ever, and PostgreSQL has its own wal_sender_timeout.
// Threads: a value, on the worker of its client. Source: PostgreSQL documentation, "Streaming Replication Protocol", "COPY Operations".
#pragma once

#include <cstddef>

#include "protocol/startup.h"

namespace proxy {

class ReplicationSession {
 public:
  explicit ReplicationSession(protocol::Replication kind) : kind_(kind) {}
  protocol::Replication kind() const { return kind_; }

  void OnSent(char type) {
    switch (type) {
      case 'S':
        if (takes_copy_) return;  // PostgreSQL ignores it there
        [[fallthrough]];
      case 'Q':
      case 'F': ++units_owed_; break;
      case 'c':
      case 'f': takes_copy_ = false; return;
      case 'd':
      case 'H': return;
      default: break;
    }
    is_asked_ = true;
  }
  void OnAnswer(char type, char status) {
    last_answer_ = type;
    if (type == 'W') streams_ = true;
    if (type == 'W' || type == 'G') takes_copy_ = true;
    if (type != 'Z') return;
    streams_ = takes_copy_ = false;
    status_ = status;
    if (units_owed_ > 0) --units_owed_;
    is_asked_ = units_owed_ > 0;
  }

  bool is_asked() const { return is_asked_; }    // PostgreSQL owes it an answer
  bool streams() const { return streams_; }      // it is in CopyBoth: what is lost there is sent again to who comes back
  bool is_busy() const { return is_asked_ && !streams_; }  // with something that has an end, and would be in vain without it
  bool takes_copy() const { return takes_copy_; }          // the client's CopyData is awaited
  bool in_transaction() const { return status_ != 'I'; }
  // PostgreSQL says why it ends the connection, or that its stream is complete: nothing is to be added to that.
  bool HasSaidItsEnd() const { return last_answer_ == 'E' || last_answer_ == 'C'; }

 private:
  const protocol::Replication kind_;
  size_t units_owed_ = 0;  // ReadyForQuery messages
  bool is_asked_ = false, streams_ = false, takes_copy_ = false;
  char status_ = 'I', last_answer_ = 'Z';
};

}  // namespace proxy
