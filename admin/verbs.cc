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
    Verb{kShowSockets, "SHOW SOCKETS", "SHOW", kStats, Argument::kNone, "SHOW SOCKETS"},
    Verb{kShowActiveSockets, "SHOW ACTIVE_SOCKETS", "SHOW", kStats, Argument::kNone, "SHOW ACTIVE_SOCKETS"},
    Verb{kShowPins, "SHOW PINS", "SHOW", kStats, Argument::kNone, "SHOW PINS"},
    Verb{kShowHolders, "SHOW HOLDERS", "SHOW", kStats, Argument::kNone, "SHOW HOLDERS"},
    Verb{kShowWaiters, "SHOW WAITERS", "SHOW", kStats, Argument::kNone, "SHOW WAITERS"},
    Verb{kShowDatabases, "SHOW DATABASES", "SHOW", kStats, Argument::kNone, "SHOW DATABASES"},
    Verb{kShowUsers, "SHOW USERS", "SHOW", kStats, Argument::kNone, "SHOW USERS"},
    Verb{kShowStats, "SHOW STATS", "SHOW", kStats, Argument::kNone, "SHOW STATS"},
    Verb{kShowStatsTotals, "SHOW STATS_TOTALS", "SHOW", kStats, Argument::kNone, "SHOW STATS_TOTALS"},
    Verb{kShowStatsAverages, "SHOW STATS_AVERAGES", "SHOW", kStats, Argument::kNone, "SHOW STATS_AVERAGES"},
    Verb{kShowTotals, "SHOW TOTALS", "SHOW", kStats, Argument::kNone, "SHOW TOTALS"},
    Verb{kShowLists, "SHOW LISTS", "SHOW", kStats, Argument::kNone, "SHOW LISTS"},
    Verb{kShowConfig, "SHOW CONFIG", "SHOW", kStats, Argument::kNone, "SHOW CONFIG"},
    Verb{kShowState, "SHOW STATE", "SHOW", kStats, Argument::kNone, "SHOW STATE"},
    Verb{kShowErrors, "SHOW ERRORS", "SHOW", kStats, Argument::kNone, "SHOW ERRORS"},
    Verb{kShowCapacity, "SHOW CAPACITY", "SHOW", kStats, Argument::kNone, "SHOW CAPACITY"},
    Verb{kShowAdvice, "SHOW ADVICE", "SHOW", kStats, Argument::kNone, "SHOW ADVICE"},
    Verb{kShowMem, "SHOW MEM", "SHOW", kStats, Argument::kNone, "SHOW MEM"},
    Verb{kShowHosts, "SHOW HOSTS", "SHOW", kStats, Argument::kNone, "SHOW HOSTS"},
    Verb{kShowDnsHosts, "SHOW DNS_HOSTS", "SHOW", kStats, Argument::kNone, "SHOW DNS_HOSTS"},
    Verb{kShowDnsZones, "SHOW DNS_ZONES", "SHOW", kStats, Argument::kNone, "SHOW DNS_ZONES"},
    Verb{kShowPeers, "SHOW PEERS", "SHOW", kStats, Argument::kNone, "SHOW PEERS"},
    Verb{kShowPeerPools, "SHOW PEER_POOLS", "SHOW", kStats, Argument::kNone, "SHOW PEER_POOLS"},
    Verb{kShowVersion, "SHOW VERSION", "SHOW", kStats, Argument::kNone, "SHOW VERSION"},
    Verb{kShowHelp, "SHOW HELP", "SHOW", kStats, Argument::kNone, "SHOW HELP"},
    Verb{kShowFds, "SHOW FDS", "SHOW", kAdmin, Argument::kNone, "SHOW FDS"},
    Verb{kShowDriverSetting, "SHOW *", "SHOW", kStats, Argument::kName, "SHOW client_encoding|datestyle|timezone|..."},
    Verb{kSetDriverSetting, "SET *", "SET", kStats, Argument::kAssignment, "SET client_encoding|datestyle|... = value"},
    Verb{kSetKey, "SET *", "SET", kAdmin, Argument::kAssignment, "SET key = value"},
    Verb{kSelect, "SELECT", "SELECT", kStats, Argument::kOwnGrammar,
         "SELECT *|column[, ...]|count(*) FROM clients|servers|... [WHERE condition] [ORDER BY column [DESC]] [LIMIT n]"},
    Verb{kTransaction, "BEGIN *", "BEGIN", kStats, Argument::kOwnGrammar, "BEGIN|COMMIT|ROLLBACK (without effect)"},
    Verb{kReload, "RELOAD", "RELOAD", kAdmin, Argument::kNone, "RELOAD"},
    Verb{kReloadDryRun, "RELOAD DRY RUN", "RELOAD", kAdmin, Argument::kNone, "RELOAD DRY RUN"},
    Verb{kPause, "PAUSE", "PAUSE", kAdmin, Argument::kOptionalDatabaseAndTimeout, "PAUSE [database] [TIMEOUT 5s]"},
    Verb{kResume, "RESUME", "RESUME", kAdmin, Argument::kOptionalDatabase, "RESUME [database]"},
    Verb{kSuspend, "SUSPEND", "SUSPEND", kAdmin, Argument::kNone, "SUSPEND"},
    Verb{kDisable, "DISABLE", "DISABLE", kAdmin, Argument::kDatabase, "DISABLE database"},
    Verb{kEnable, "ENABLE", "ENABLE", kAdmin, Argument::kDatabase, "ENABLE database"},
    Verb{kKill, "KILL", "KILL", kAdmin, Argument::kOptionalDatabase, "KILL [database]"},
    Verb{kKillWhere, "KILL WHERE", "KILL", kAdmin, Argument::kOwnGrammar, "KILL WHERE condition on the columns of SHOW CLIENTS"},
    Verb{kKillClient, "KILL_CLIENT", "KILL_CLIENT", kAdmin, Argument::kClientId, "KILL_CLIENT id"},
    Verb{kReconnect, "RECONNECT", "RECONNECT", kAdmin, Argument::kOptionalDatabase, "RECONNECT [database]"},
    Verb{kWaitClose, "WAIT_CLOSE", "WAIT_CLOSE", kAdmin, Argument::kOptionalDatabase, "WAIT_CLOSE [database]"},
    Verb{kShutdown, "SHUTDOWN", "SHUTDOWN", kAdmin, Argument::kShutdownKind,
         "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"},
};

struct NameAndValue {
  std::string_view name, value;
};

// The first five answer as PgBouncer's console does; the others are what drivers ask and set at login. Values are never kept.
constexpr std::array kDriverSettings = {
    NameAndValue{"client_encoding", "UTF-8"},
    NameAndValue{"datestyle", "ISO"},
    NameAndValue{"default_transaction_isolation", "read committed"},
    NameAndValue{"standard_conforming_strings", "on"},
    NameAndValue{"timezone", "GMT"},
    NameAndValue{"application_name", ""},
    NameAndValue{"bytea_output", "hex"},
    NameAndValue{"client_min_messages", "notice"},
    NameAndValue{"default_transaction_read_only", "off"},
    NameAndValue{"extra_float_digits", "1"},
    NameAndValue{"integer_datetimes", "on"},
    NameAndValue{"intervalstyle", "postgres"},
    NameAndValue{"is_superuser", "on"},
    NameAndValue{"server_encoding", "UTF8"},
    NameAndValue{"server_version", "1.25.2/pgweir"},  // PgBouncer's, for tools that decide by it
    NameAndValue{"transaction_isolation", "read committed"},
    NameAndValue{"transaction_read_only", "off"},
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
