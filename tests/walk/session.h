// One connection of a pair, and all that its application could see of it.
//
// An Observation is the answer to one action in words, one line a message: column names and types, rows, command tags,
// every field of errors and notices but the place in PostgreSQL's source, the transaction status. What differs by
// nature is left out: OIDs of tables, process ids, the cancel key. ParameterStatus is kept as a table, because an
// application asks for the present value and not for the message; notifications are kept in a list of their own,
// because they come when they please. A connection that ends is a line too. Threads: one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/wire_client.h"
#include "tests/walk/action.h"

namespace walk {

struct Observation {
  std::vector<std::string> lines;
  bool has_stale_plan = false;  // it holds 0A000 "cached plan must not change result type"
  bool has_failed = false;      // it holds an error
  bool is_cut_short = false;    // the connection ended, or the answer never came
};

class Session {
 public:
  Observation Connect(int port, const test_support::Names& startup);
  Observation Perform(const Action& action);
  void End(Ending ending);
  // Reads until so many notifications have come since the last TakeNotifications; false when they do not.
  bool AwaitNotifications(size_t count);
  std::vector<std::string> TakeNotifications();

  char status() const { return status_; }  // of the last ReadyForQuery
  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  size_t notifications() const { return notifications_.size(); }

 private:
  void See(const test_support::Message& message, Observation& observation);
  void SeeError(const test_support::Message& message, Observation& observation);

  std::optional<test_support::WireClient> client_;
  std::map<std::string, std::string> parameters_;
  std::vector<std::string> notifications_;
  std::vector<std::string> loose_lines_;  // that came while only notifications were awaited
  char status_ = 'I';
};

}  // namespace walk
