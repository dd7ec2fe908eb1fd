// What a client does in one step, as protocol bytes, and the words in which a report shows it.
//
// Both sides of a pair get the same bytes; an answer ends at the last of the ReadyForQuery messages that they ask for.
// Raw messages and not libpq, so that Close, portals and pipelines of any shape can be said, and so that libpq hides
// nothing of the answer. Threads: values.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/wire_messages.h"

namespace walk {

enum class Ending {
  kNone,       // stays connected
  kTerminate,  // says goodbye and comes back with another startup packet
  kVanish,     // closes the socket without a word and comes back
};

struct Action {
  std::string text;             // for people
  std::string bytes;            // for both sides
  int readies = 0;              // how many ReadyForQuery answer it
  bool cleans_session = false;  // a DISCARD ALL: when it succeeds, the session is as new
  bool listens = false;         // from here on notifications may come to the client at any time
  Ending ending = Ending::kNone;

  // The other's bytes behind these: a pipeline.
  Action& operator+=(const Action& next);
};

// A simple query.
Action Simple(const std::string& sql);
// Parse of the unnamed statement, Bind, Describe, Execute; with or without the Sync.
Action ExtendedPart(const std::string& sql, const test_support::Values& values = {});
Action Extended(const std::string& sql, const test_support::Values& values = {});

Action ParsePart(const std::string& name, const std::string& sql);
Action ExecutePart(const std::string& name, const test_support::Values& values);
Action DescribePart(const std::string& name);
Action ClosePart(const std::string& name);
Action SyncPart();
Action Raw(std::string text, std::string bytes);

// For reports: at most this many bytes of a text, the control characters shown as dots.
std::string Shortened(std::string_view text, size_t bytes_max);

}  // namespace walk
