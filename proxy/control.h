// What the console, the metrics and the HTTP endpoint may see and do: the seam between proxy and admin.
//
// What: Control is implemented by proxy/process and used by admin; ConsolePort is implemented by admin and used by proxy
// (through a pointer that only main sets). Snapshots are plain copies, gathered from every worker by message.
// Threads: every call and every callback of this file happens on the control thread (the main loop), unless it says otherwise.
// Ownership: callbacks may come after the console client has gone; they must not hold its memory.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "conf/config.h"
#include "protocol/sql_sniffer.h"
#include "conf/loader.h"
#include "conf/worst_case.h"
#include "protocol/error_catalog.h"
#include "protocol/startup.h"
#include "proxy/counters.h"

struct event_base;

namespace proxy {

using WallTime = std::chrono::system_clock::time_point;

struct ClientRow {
  uint64_t id = 0;
  std::string user, database;
  protocol::Replication replication = protocol::Replication::kNone;
  std::string_view state;  // "login", "idle", "waiting", "active"
  std::string addr, local_addr;
  int port = 0, local_port = 0;
  WallTime connect_time, request_time;
  uint64_t wait_us = 0;
  uint64_t link_id = 0;  // the server's id, 0 = none
  std::string tls, application_name;
  int worker = 0;
  uint64_t prepared_statements = 0;
  std::string pool_user;  // whose servers it uses; empty before it has a pool
  WallTime held_since;    // since when it has had its server; meaningless without one
  uint64_t held_us = 0;   // the same as a time; 0 without a server
  WallTime waiting_since;  // for a server; meaningless unless is_waiting
  bool is_waiting = false;
  bool idle_in_transaction = false;
  uint64_t kept_bytes = 0, message_left = 0, unsent_bytes = 0;  // as in ServerRow
  std::string pins;       // the conf::StateKind names that keep its server, with commas; empty = not pinned
  WallTime pinned_since;  // since when the first of them does
};

struct ServerRow {
  uint64_t id = 0;
  std::string user, database;
  protocol::Replication replication = protocol::Replication::kNone;
  std::string_view state;  // "new", "idle", "active", "tested", "being_canceled", "closing"
  std::string addr, local_addr;
  int port = 0, local_port = 0;
  WallTime connect_time, request_time;
  std::string close_needed;  // "" or why
  uint64_t link_id = 0;      // the client's id, 0 = none
  uint32_t remote_pid = 0;
  std::string tls, application_name;
  std::string statement;  // the beginning of what its client ran last, as it came: to be shown without its values (protocol/sql_digest.h)
  protocol::Backslash backslash = protocol::Backslash::kLiteral;  // in it
  int worker = 0;
  uint64_t prepared_statements = 0;
  // Input that is kept, what is still to come of a message that is passed on, output that the peer has not taken.
  uint64_t kept_bytes = 0, message_left = 0, unsent_bytes = 0;
};

struct PoolRow {
  std::string database, user;
  conf::PoolSettings settings;
  uint64_t cl_active = 0, cl_waiting = 0, cl_active_cancel_req = 0, cl_waiting_cancel_req = 0;
  uint64_t sv_active = 0, sv_active_cancel = 0, sv_being_canceled = 0, sv_idle = 0, sv_used = 0, sv_tested = 0, sv_login = 0,
           sv_closing = 0;
  uint64_t max_wait_us = 0;
  uint64_t pinned = 0;                           // clients that keep their server because of their session's state
  uint64_t statements = 0, statement_bytes = 0;  // distinct prepared statements remembered, and what their texts take
  std::string trouble;  // last cause while the backend is down, else empty
  PoolTotals totals;
};

struct DatabaseRow {
  std::string name;  // as in the configuration, or as a client asked for it under "*"
  conf::Database database;
  conf::PoolSettings settings;
  int max_connections = 0, current_connections = 0, max_client_connections = 0, current_client_connections = 0;
  bool paused = false, disabled = false;
  PoolTotals retired;  // of pools that were removed: totals never go backwards
};

struct UserRow {
  std::string name;
  conf::PoolKeys keys;
  int max_user_connections = 0, current_connections = 0, max_user_client_connections = 0, current_client_connections = 0;
};

struct WorkerRow {
  int number = 0;
  uint64_t clients = 0, logins = 0, servers = 0, turns = 0, in_use = 1, cpu_us = 0;  // in_use: 1 = it is given clients
  // Errors that pgweir said to clients, by ErrorCode, and when each was said last.
  std::array<uint64_t, static_cast<size_t>(protocol::ErrorCode::kCount_)> errors{};
  std::array<WallTime, static_cast<size_t>(protocol::ErrorCode::kCount_)> last_errors{};
};

// A host name that was looked up and is still remembered.
struct NameRow {
  std::string name;
  int64_t seconds_left = 0;
  std::vector<std::string> addresses;
};

// What is under way to a peer; the peers themselves are in the configuration.
struct PeerPoolRow {
  int id = 0;
  uint64_t sent = 0, waiting = 0;
};

// A server host, as all pools together know it.
struct HostRow {
  std::string host;  // "name:port"
  std::string_view state;
  int connections = 0, attempts = 0;
  uint64_t failures = 0;
  std::optional<int64_t> down_ms, retry_ms;  // while it is down
  std::string last_error;
};

// One backend server: what pgweir may open there at worst, beside what the server allows.
struct CapacityRow {
  conf::HostCase at_worst;
  int instances = 1;
  int64_t total = 0;  // at_worst.connections of all instances
  struct Allowed {
    int max_connections = 0, reserved = 0;  // reserved for superusers, and from PostgreSQL 16 on for others too
    int available() const { return max_connections - reserved; }
  };
  std::optional<Allowed> allowed;  // nullopt: nobody could be asked yet, trouble says why
  WallTime asked;                  // when `allowed` was said; the epoch = never
  // Roles and databases of ours that have a CONNECTION LIMIT: how many of it may be wanted at worst.
  struct Limit {
    std::string name;
    int64_t wanted = 0;
    int limit = 0;
  };
  std::vector<Limit> roles, databases;
  std::string trouble;  // why the server could not be asked last time; empty = it answered
  enum class Verdict : uint8_t { kEnough, kTooMany, kUnbounded, kUnknown } verdict = Verdict::kUnknown;
  std::string remedy;  // names the keys; empty when there is nothing to change
};
std::string_view Name(CapacityRow::Verdict);  // "enough", "too many", "unbounded", "unknown"

struct Snapshot {
  std::vector<ClientRow> clients;  // only when asked for
  std::vector<ServerRow> servers;  // only when asked for
  std::vector<PoolRow> pools;      // sorted by database, user
  std::vector<DatabaseRow> databases;
  std::vector<UserRow> users;
  std::vector<WorkerRow> workers;
  std::vector<NameRow> names;
  uint64_t name_lookups = 0, name_waiters = 0;  // under way, and who waits for them
  std::vector<HostRow> hosts;
  std::vector<PeerPoolRow> peer_pools;
  uint64_t auth_queries = 0;  // asked since the start
  std::vector<CapacityRow> capacity;  // only when asked for
};

// kCapacity gathers nothing else, and may have to wait for the servers' answers.
enum class Collecting : uint8_t { kTotals, kClients, kServers, kEverything, kCapacity };

enum class RunState : uint8_t { kActive, kPaused, kDraining };
std::string_view Name(RunState);

class Control {
 public:
  virtual ~Control() = default;
  virtual std::shared_ptr<const conf::Config> config() const = 0;
  virtual RunState run_state() const = 0;
  virtual event_base* base() const = 0;  // the control thread's loop, for the HTTP endpoint
  virtual WallTime started_at() const = 0;
  virtual bool HasStarted() const = 0;  // listeners are open
  // The answer comes on the control thread in a later turn.
  virtual void Collect(Collecting what, std::function<void(Snapshot)> done) = 0;
  // True within `within` when every worker has turned its loop; asked by /livez.
  virtual void AskWorkers(std::chrono::milliseconds within, std::function<void(bool all_turned)> done) = 0;

  // What changed, a line each; or every mistake, and then nothing changed.
  using Changes = tl::expected<std::vector<std::string>, std::vector<conf::Mistake>>;
  virtual Changes Reload() = 0;
  virtual Changes DryRun() const = 0;  // what Reload would answer; nothing changes
  // One key that needs no restart, until the next Reload.
  virtual Changes Set(std::string_view key, std::string_view value) = 0;

  using Done = std::function<void(std::optional<protocol::ErrorReport>)>;
  // database empty = all. Pause answers when no server of it is left in use (per pool mode). With a timeout that passes first,
  // it is undone, and the answer has the servers that were still open, with their clients.
  struct Held {
    std::vector<ServerRow> servers;
    std::vector<ClientRow> clients;
  };
  using PauseDone = std::function<void(std::optional<protocol::ErrorReport>, Held)>;
  virtual void Pause(std::string_view database, std::optional<std::chrono::microseconds> timeout, PauseDone done) = 0;
  // The others answer at once, but for WaitClose: when no server is left that RECONNECT or a reload gave up.
  virtual void Resume(std::string_view database, Done done) = 0;
  virtual void Kill(std::string_view database, Done done) = 0;       // ends its clients and servers; leaves it paused
  virtual void Reconnect(std::string_view database, Done done) = 0;  // servers close at their release
  virtual void WaitClose(std::string_view database, Done done) = 0;
  virtual void Disable(std::string_view database, Done done) = 0;  // refuses new logins; who is in stays
  virtual void Enable(std::string_view database, Done done) = 0;
  virtual void KillClient(uint64_t id, Done done) = 0;
  virtual void KillClients(std::vector<uint64_t> ids, std::function<void(size_t killed)> done) = 0;  // those still there
  enum class ShutdownKind : uint8_t { kDrain, kWaitForClients, kWaitForServers, kNow };  // see process_shutdown.cc
  virtual void Shutdown(ShutdownKind kind) = 0;
};

std::string_view Name(Control::ShutdownKind);

enum class ConsoleAccess : uint8_t { kNone, kStats, kAdmin };

struct ConsoleRequest {
  uint64_t client_id = 0;
  std::string user;
  ConsoleAccess access = ConsoleAccess::kNone;
  char type = 0;      // any frontend message type but 'X'
  std::string body;   // without type and length; at most kConsoleMessageBytesMax
};
inline constexpr size_t kConsoleMessageBytesMax = 65536;

class ConsolePort {
 public:
  virtual ~ConsolePort() = default;
  // Answers with complete protocol messages (including ReadyForQuery where the protocol wants one; nothing for, e.g., Flush).
  // `reply` is called exactly once per request, now or later; the next request of that client comes only after it.
  virtual void OnMessage(ConsoleRequest request, std::function<void(std::string bytes)> reply) = 0;
  // The client has gone: forget its statements and portals, drop its waiting command.
  virtual void OnClosed(uint64_t client_id) = 0;
  // ParameterStatus values of the welcome, e.g. server_version.
  virtual std::vector<std::pair<std::string, std::string>> Welcome() const = 0;
};

}  // namespace proxy
