// The table of verbs, and the settings that drivers touch at login.
#include <algorithm>
#include <array>

#include "admin/command.h"

namespace admin {
namespace {

using enum VerbId;
constexpr auto kStats = proxy::ConsoleAccess::kStats;
constexpr auto kAdmin = proxy::ConsoleAccess::kAdmin;

constexpr std::array kVerbs = {
    Verb{kShowPools, "SHOW POOLS", "SHOW", kStats, Argument::kNone, "SHOW POOLS"},
    Verb{kShowClients, "SHOW CLIENTS", "SHOW", kStats, Argument::kNone, "SHOW CLIENTS"},
    Verb{kShowServers, "SHOW SERVERS", "SHOW", kStats, Argument::kNone, "SHOW SERVERS"},
    Verb{kShowPins, "SHOW PINS", "SHOW", kStats, Argument::kNone, "SHOW PINS"},
    Verb{kShowDatabases, "SHOW DATABASES", "SHOW", kStats, Argument::kNone, "SHOW DATABASES"},
    Verb{kShowUsers, "SHOW USERS", "SHOW", kStats, Argument::kNone, "SHOW USERS"},
    Verb{kShowStats, "SHOW STATS", "SHOW", kStats, Argument::kNone, "SHOW STATS"},
    Verb{kShowStatsTotals, "SHOW STATS_TOTALS", "SHOW", kStats, Argument::kNone, "SHOW STATS_TOTALS"},
    Verb{kShowStatsAverages, "SHOW STATS_AVERAGES", "SHOW", kStats, Argument::kNone, "SHOW STATS_AVERAGES"},
    Verb{kShowTotals, "SHOW TOTALS", "SHOW", kStats, Argument::kNone, "SHOW TOTALS"},
    Verb{kShowLists, "SHOW LISTS", "SHOW", kStats, Argument::kNone, "SHOW LISTS"},
    Verb{kShowConfig, "SHOW CONFIG", "SHOW", kStats, Argument::kNone, "SHOW CONFIG"},
    Verb{kShowState, "SHOW STATE", "SHOW", kStats, Argument::kNone, "SHOW STATE"},
    Verb{kShowVersion, "SHOW VERSION", "SHOW", kStats, Argument::kNone, "SHOW VERSION"},
    Verb{kShowHelp, "SHOW HELP", "SHOW", kStats, Argument::kNone, "SHOW HELP"},
    Verb{kShowDriverSetting, "SHOW *", "SHOW", kStats, Argument::kName, "SHOW client_encoding|datestyle|timezone|..."},
    Verb{kSetDriverSetting, "SET *", "SET", kStats, Argument::kAssignment, "SET client_encoding|datestyle|... = value"},
    Verb{kSetKey, "SET *", "SET", kAdmin, Argument::kAssignment, "SET key = value"},
    Verb{kReload, "RELOAD", "RELOAD", kAdmin, Argument::kNone, "RELOAD"},
    Verb{kPause, "PAUSE", "PAUSE", kAdmin, Argument::kOptionalDatabase, "PAUSE [database]"},
    Verb{kResume, "RESUME", "RESUME", kAdmin, Argument::kOptionalDatabase, "RESUME [database]"},
    Verb{kKill, "KILL", "KILL", kAdmin, Argument::kOptionalDatabase, "KILL [database]"},
    Verb{kKillClient, "KILL_CLIENT", "KILL_CLIENT", kAdmin, Argument::kClientId, "KILL_CLIENT id"},
    Verb{kReconnect, "RECONNECT", "RECONNECT", kAdmin, Argument::kOptionalDatabase, "RECONNECT [database]"},
    Verb{kShutdown, "SHUTDOWN", "SHUTDOWN", kAdmin, Argument::kShutdownKind,
         "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
};

struct NameAndValue {
  std::string_view name, value;
};

// The first five answer as PgBouncer's console does; the others are what pgjdbc and libpq tools set at login.
constexpr std::array kDriverSettings = {
    NameAndValue{"client_encoding", "UTF-8"},
    NameAndValue{"datestyle", "ISO"},
    NameAndValue{"default_transaction_isolation", "read committed"},
    NameAndValue{"standard_conforming_strings", "on"},
    NameAndValue{"timezone", "GMT"},
    NameAndValue{"application_name", ""},
    NameAndValue{"extra_float_digits", "1"},
};

}  // namespace

std::span<const Verb> Verbs() { return kVerbs; }

const Verb* FindVerb(VerbId id) {
  const auto* found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& verb) { return verb.id == id; });
  return found == kVerbs.end() ? nullptr : found;
}

bool IsAllowed(const Verb* verb, proxy::ConsoleAccess access) {
  if (verb == nullptr) return false;
  switch (verb->access) {
    case proxy::ConsoleAccess::kNone:
      return false;
    case proxy::ConsoleAccess::kStats:
      return access == proxy::ConsoleAccess::kStats || access == proxy::ConsoleAccess::kAdmin;
    case proxy::ConsoleAccess::kAdmin:
      return access == proxy::ConsoleAccess::kAdmin;
  }
  return false;
}

std::optional<std::string_view> DriverSetting(std::string_view lower_case_name) {
  for (const NameAndValue& setting : kDriverSettings) {
    if (setting.name == lower_case_name) return setting.value;
  }
  return std::nullopt;
}

}  // namespace admin
