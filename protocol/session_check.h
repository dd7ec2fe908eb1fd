// The question that a server is asked when a transaction may have left something in its session, and its answer.
//
// What: the words of a statement only hint (sql_sniffer); this asks PostgreSQL what is true now: which settings the session has
// beyond its defaults, and whether it has temp objects, WITH HOLD cursors, advisory locks or channels. Asked between
// transactions, by one simple query, its rows hidden from the client.
// Threads: pure. Limits: names of settings are asked for only when they are plain (IsPlainName): lower-case printable ASCII
// that ends neither a literal nor a quoted element of an array. PostgreSQL 14 and later allow still less.
// Source: PostgreSQL documentation, pg_settings, pg_locks, pg_cursors, current_setting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/session_settings.h"

namespace protocol {

// What a session can have that no other server can be given.
enum SessionThing : uint32_t {
  kTempObjects = 1,
  kHoldCursors = 2,
  kAdvisoryLocks = 4,
  kChannels = 8,
  kEveryThing = 15,
};

struct SessionQuestion {
  enum class Settings : uint8_t { kNamed, kAll };
  Settings settings = Settings::kNamed;  // kAll: these names, and whatever else is not at its default
  std::vector<std::string> names;        // lower case
  uint32_t things = 0;                   // SessionThing bits
  bool empty() const { return names.empty() && settings == Settings::kNamed && things == 0; }
};

bool IsPlainName(std::string_view setting);
std::string QuestionSql(const SessionQuestion& question);

struct SessionFinding {
  std::vector<Setting> set;           // lower-case name, value: not at the default
  std::vector<std::string> defaults;  // asked for by name, at the default
  uint32_t things = 0;
  // False: not a row of this question.
  bool ReadRow(std::string_view data_row_body, std::string_view session_user);
};

}  // namespace protocol
