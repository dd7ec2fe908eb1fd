// What a server allows, beside what pgweir may open there at worst: the reading of the answer, and the judgement.
//
// What: ReadLimits makes sense of the rows that kCapacityQuestion asks for; MakeCapacityRow puts the configuration's worst case
// (conf/worst_case.h) beside them and says what to change. Threads: pure functions.
// Limits: kLimitRowsMax roles and databases with a limit are read; kNamesShownMax are named in a remedy.
// Source: PostgreSQL documentation, "Connections and Authentication" (max_connections, superuser_reserved_connections and, from
// version 16 on, reserved_connections), CREATE ROLE and CREATE DATABASE (CONNECTION LIMIT; superusers are not bound by it).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/control.h"

namespace proxy {

inline constexpr size_t kLimitRowsMax = 10'000;
inline constexpr size_t kNamesShownMax = 5;

// Three columns: "setting", "role" or "database"; its name; its number.
extern const char* const kCapacityQuestion;

struct ServerLimits {
  CapacityRow::Allowed allowed;
  std::map<std::string, int, std::less<>> roles, databases;  // those that a CONNECTION LIMIT binds
};

// nullopt when max_connections is not among them: that is no PostgreSQL.
std::optional<ServerLimits> ReadLimits(const std::vector<std::vector<std::string>>& rows);

// `limits`: nullptr when nobody could be asked yet; `trouble` says why, or why not again.
CapacityRow MakeCapacityRow(conf::HostCase at_worst, int instances, const ServerLimits* limits, WallTime asked, std::string trouble);

}  // namespace proxy
