// What a client of the console has under way: who it may be there, and what of an answer has not left yet.
//
// Threads: the worker of the client. Ownership: the client's, from its welcome to its end. Limits: kReplySliceBytes of an answer go to
// the socket in one turn, so that ten thousand rows do not hold up the queries of that worker.
#pragma once

#include <cstddef>
#include <string>

#include "proxy/control.h"

namespace proxy {

inline constexpr size_t kReplySliceBytes = 64 * 1024;

struct ConsoleTalk {
  ConsoleAccess access = ConsoleAccess::kNone;
  bool is_busy = false;  // its last message has not been answered in full: the next one waits
  std::string reply;     // the answer while it leaves, from `sent` on still to go
  size_t sent = 0;
};

}  // namespace proxy
