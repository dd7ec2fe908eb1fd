// What becomes of a client's message on its way to the server.
//
// Threads: a value. Who decides it: client_statements.cc and its neighbours; who acts on it: Client::Relay.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/reply_tracker.h"
#include "protocol/statement_messages.h"

namespace proxy {

struct Edit {
  enum class Kind : uint8_t {
    kAsItIs,       // the message goes on
    kThenRestore,  // the same, and behind it what RestoreInBatch sends
    kHead,         // its first `head` bytes were replaced; the rest goes on
    kEaten,        // all of it was replaced, or is not sent
    kWait,         // not before everything that was sent has been answered
    kAgain,        // which is now
    kEnded,        // the client is closing
  } kind = Kind::kAsItIs;
  size_t head = 0;
  protocol::ReplyTracker::Note note = protocol::ReplyTracker::Note::kNone;
};

}  // namespace proxy
