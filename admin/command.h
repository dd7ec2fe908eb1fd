// The language of the console: one statement of text into a Command, and the table of verbs with who may use each.
//
// What: `VERB [word|"quoted"|'quoted']`, `SHOW thing`, `SET name =|TO value`, SELECT (select.h). Case-insensitive, comments and a final
// ';' tolerated, one statement per query. Nothing is executed here. Access: every verb has a row in the table with the
// access it needs; what has no row cannot be parsed and, in Authorise, is refused. A test walks verbs x access.
// Threads: pure functions; the table is constant. Limits: kWordBytesMax per word, kTokensMax per statement.
// Source: PgBouncer's documentation, "Admin console" (verbs, and the SHOW and SET that drivers send at login).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "protocol/error_catalog.h"
#include "proxy/control.h"

namespace admin {

inline constexpr size_t kWordBytesMax = 255;
inline constexpr size_t kTokensMax = 32;
inline constexpr std::chrono::hours kPauseTimeoutMax{24};

enum class VerbId : uint8_t {
  kShowPools,
  kShowClients,
  kShowServers,
  kShowSockets,
  kShowActiveSockets,
  kShowPins,
  kShowHolders,
  kShowWaiters,
  kShowDatabases,
  kShowUsers,
  kShowStats,
  kShowStatsTotals,
  kShowStatsAverages,
  kShowTotals,
  kShowLists,
  kShowConfig,
  kShowState,
  kShowErrors,
  kShowCapacity,
  kShowAdvice,
  kShowMem,
  kShowHosts,
  kShowDnsHosts,
  kShowDnsZones,
  kShowPeers,
  kShowPeerPools,
  kShowVersion,
  kShowHelp,
  kShowFds,  // refused, and told why; so is SUSPEND
  kShowDriverSetting,  // client_encoding and the like: what drivers ask at login
  kSetDriverSetting,   // accepted and not kept, as PgBouncer does
  kSetKey,
  kSelect,
  kTransaction,  // BEGIN, COMMIT, ROLLBACK: the console has no transactions, and drivers send them around everything
  kReload,
  kReloadDryRun,
  kPause,
  kResume,
  kSuspend,
  kDisable,
  kEnable,
  kKill,
  kKillWhere,
  kKillClient,
  kReconnect,
  kWaitClose,
  kShutdown,
  kCount_
};

enum class Argument : uint8_t {
  kNone,
  kOptionalDatabase,
  kOptionalDatabaseAndTimeout,
  kDatabase,
  kClientId,
  kShutdownKind,
  kName,
  kAssignment,
  kOwnGrammar  // not of words alone
};

struct Verb {
  VerbId id;
  std::string_view words;  // as parsed, upper case; "SHOW *" and "SET *" are found by the name that follows
  std::string_view tag;    // of CommandComplete
  proxy::ConsoleAccess access;
  Argument argument;
  std::string_view usage;
};

std::span<const Verb> Verbs();
const Verb* FindVerb(VerbId);  // nullptr when the table has no row

// Whether somebody with `access` may use the verb. A verb without a row, or a row without an access, is nobody's.
bool IsAllowed(const Verb* verb, proxy::ConsoleAccess access);

struct Select;

struct Command {
  const Verb* verb = nullptr;  // nullptr: an empty statement
  std::string argument;        // database, or name of a setting in lower case
  std::string value;           // of SET; of kTransaction its tag
  uint64_t client_id = 0;
  std::optional<std::chrono::microseconds> timeout;  // of PAUSE
  std::shared_ptr<const Select> select;              // of SELECT and KILL WHERE
  proxy::Control::ShutdownKind shutdown = proxy::Control::ShutdownKind::kNow;
};

using ParseResult = tl::expected<Command, protocol::ErrorReport>;
ParseResult ParseCommand(std::string_view sql);

// The value that SHOW answers for a setting that drivers ask for; nullopt: it is none of those.
std::optional<std::string_view> DriverSetting(std::string_view lower_case_name);

}  // namespace admin
