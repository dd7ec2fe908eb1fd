// What one client carries from server to server beyond its settings, and what keeps it on one.
//
// What: its prepared statements; while a transaction runs, what of its session that transaction may have changed; and the pins:
// state that no other server can be given, which keeps the server with the client while it lasts. Made when first needed: most
// clients that only send simple queries never have one.
// Threads: the worker of its client. Limits: those of protocol/prepared_statements.h; kTouchedMax names.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "conf/session_state.h"
#include "protocol/prepared_statements.h"

namespace proxy {

inline constexpr size_t kNotificationBytesMax = 1024 * 1024;  // kept for a client inside a transaction
inline constexpr size_t kTouchedMax = 1024;  // settings named in one transaction; with more, the server is pinned

// The flags of statements that may leave something behind their transaction.
inline constexpr protocol::SqlFlags kStateFlags =
    protocol::kSqlSet | protocol::kSqlDiscard | protocol::kSqlTemp | protocol::kSqlHold | protocol::kSqlAdvisoryLock |
    protocol::kSqlAdvisoryUnlock | protocol::kSqlListen | protocol::kSqlUnlisten | protocol::kSqlLoad | protocol::kSqlSequence;
// Stands for words that were not seen.
inline constexpr protocol::SqlFlags kEveryState = protocol::kSqlSet | protocol::kSqlTemp | protocol::kSqlHold | protocol::kSqlAdvisoryLock | protocol::kSqlListen;
// A flag of ours beside the sniffer's: the text has names that were not read.
inline constexpr protocol::SqlFlags kUnreadNames = 1u << 31;
// Of statements that may take away what pins.
inline constexpr protocol::SqlFlags kUnpinFlags =
    protocol::kSqlDiscard | protocol::kSqlTempEnd | protocol::kSqlClose | protocol::kSqlAdvisoryUnlock | protocol::kSqlUnlisten;

// What is reset, and not set again behind that.
struct Resets {
  bool all = false;
  std::vector<std::string> names, set_again;
  void Add(const Resets& later) {
    if (later.all) *this = later;
    else names.insert(names.end(), later.names.begin(), later.names.end());
  }
  bool Has(const std::string& name) const {
    const auto is_in = [&name](const std::vector<std::string>& list) { return std::find(list.begin(), list.end(), name) != list.end(); };
    return is_in(names) || (all && !is_in(set_again));
  }
};

struct Touched {
  protocol::SqlFlags flags = 0;
  std::vector<std::string> names;
  bool every_setting = false;  // names are not known, or everything was reset
  bool every_value = false;    // all are read anew, although nothing was reset
  bool was_reset = false;      // RESET, RESET ALL or DISCARD ALL: PostgreSQL leaves custom settings empty then
  Resets resets;               // of all its texts
  bool restored = false;       // and the client's own were put in the place of what was reset, in the same transaction
  bool unreadable = false;     // a name that cannot be asked for
  void Add(const std::string& name) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    if (names.size() >= kTouchedMax) every_setting = unreadable = true;
    else names.push_back(name);
  }
};

// LISTEN and UNLISTEN of a transaction. A setting of that name and value stands for each on the server, and comes and goes with
// the transaction and its savepoints as the LISTEN itself would.
inline constexpr std::string_view kChannelSetting = "pgweir.channel_";
inline constexpr protocol::SqlFlags kChannelFlags = protocol::kSqlListen | protocol::kSqlUnlisten;
// What becomes of the tag of each statement of a query that has stand-ins.
inline constexpr char kTagStays = '-', kTagListen = 'L', kTagUnlisten = 'U';
struct ChannelChange {
  protocol::SqlKind kind;
  std::string channel;
  std::string value;  // of the setting
};

// RESET inside a transaction goes back to the server's defaults; the client's own are put in their place before it hears.
enum class Restoring : uint8_t { kNo, kDue, kSent };

struct Session {
  protocol::ClientStatements statements;
  Restoring restoring = Restoring::kNo;           // after a simple query
  Resets resets;                 // of the query, or of what the last Bind runs
  bool restores_bound = false;   // its Execute is followed by what RestoreInBatch sends
  // What the last Bind has bound, when nobody has told this client yet what that gives.
  protocol::StatementRef bound;
  std::string bound_name, bound_portal;
  std::map<std::string, std::vector<protocol::SqlStatement>, std::less<>> reset_statements;  // session mode: its own that reset something
  // PREPARE and DEALLOCATE of names that have been sent and not been answered; behind them everything about names waits.
  struct SqlName {
    protocol::SqlKind kind;
    std::string name;
    protocol::StatementRef statement;  // of PREPARE
  };
  std::vector<SqlName> sql_names;
  std::vector<std::string> channels;          // listened to by the hub for this client
  std::vector<ChannelChange> channel_changes;
  bool rolled_back_to = false;  // a savepoint, since the first of them: some may not stand any more
  uint64_t channel_serial = 0;
  bool calls_hub = false;
  bool drops_channels = false;                // DISCARD ALL
  std::string held_answer;                    // what the client hears when its channels have been changed
  std::deque<std::shared_ptr<const std::string>> notifications;  // that came at the wrong moment
  size_t notification_bytes = 0;
  bool lost_notifications = false;
  std::string deferred_begin;                 // a BEGIN that no server has seen yet
  Touched touched;
  bool has_unknown_settings = false;  // some name could not be learned: until DISCARD ALL
  uint32_t lasting = 0;  // pins that no question to the server takes away
  uint32_t pins = 0;  // a bit for each conf::StateKind
  std::chrono::system_clock::time_point pinned_since;

  bool IsKnownToHub() const { return !channels.empty() || calls_hub; }
  static uint32_t Bit(conf::StateKind kind) { return 1u << static_cast<uint32_t>(kind); }
};

}  // namespace proxy
