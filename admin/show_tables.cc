#include "admin/show_tables.h"

#include <cstdlib>

#include "admin/connection_tables.h"
#include "admin/stats_tables.h"
#include "admin/text.h"

namespace admin {
namespace {

constexpr auto kText = ColumnType::kText;
constexpr auto kInt4 = ColumnType::kInt4;

template <typename Integer>
std::string Number(Integer value) {
  return std::to_string(value);
}
std::string YesOrNo(bool value) { return value ? "yes" : "no"; }
std::string Seconds(conf::Duration duration) {
  return Number(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::optional<std::string> TextOrNull(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return Printable(text);
}

std::optional<std::string> ModeOrNull(const std::optional<conf::PoolMode>& mode) {
  if (!mode) return std::nullopt;
  return std::string(conf::Name(*mode));
}

// PgBouncer's word for our way with a list of hosts: stay with one until it fails. NULL for a single host.
std::optional<std::string> LoadBalancing(const conf::Database& database) {
  if (database.hosts.size() < 2) return std::nullopt;
  return "disable";
}

const conf::Database* FindDatabase(const proxy::Snapshot& snapshot, std::string_view name) {
  for (const proxy::DatabaseRow& row : snapshot.databases) {
    if (row.name == name) return &row.database;
  }
  return nullptr;
}

Columns PoolColumns() {
  return {{"database", kText},
          {"user", kText},
          {"cl_active", kInt4},
          {"cl_waiting", kInt4},
          {"cl_active_cancel_req", kInt4},
          {"cl_waiting_cancel_req", kInt4},
          {"sv_active", kInt4},
          {"sv_active_cancel", kInt4},
          {"sv_being_canceled", kInt4},
          {"sv_idle", kInt4},
          {"sv_used", kInt4},
          {"sv_tested", kInt4},
          {"sv_login", kInt4},
          {"maxwait", kInt4},
          {"maxwait_us", kInt4},
          {"pool_mode", kText},
          {"load_balance_hosts", kText},
          {"sv_closing", kInt4},
          {"pool_size", kInt4},
          {"max_waiting", kInt4},
          {"trouble", kText},
          {"shed", ColumnType::kNumeric}};
}

std::vector<Row> PoolRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  for (const proxy::PoolRow& pool : snapshot.pools) {
    const conf::Database* database = FindDatabase(snapshot, pool.database);
    rows.push_back({Printable(pool.database),
                    Printable(pool.user),
                    Number(pool.cl_active),
                    Number(pool.cl_waiting),
                    Number(pool.cl_active_cancel_req),
                    Number(pool.cl_waiting_cancel_req),
                    Number(pool.sv_active),
                    Number(pool.sv_active_cancel),
                    Number(pool.sv_being_canceled),
                    Number(pool.sv_idle),
                    Number(pool.sv_used),
                    Number(pool.sv_tested),
                    Number(pool.sv_login),
                    Number(pool.max_wait_us / 1'000'000),
                    Number(pool.max_wait_us % 1'000'000),
                    std::string(conf::Name(pool.settings.pool_mode)),
                    database == nullptr ? std::nullopt : LoadBalancing(*database),
                    Number(pool.sv_closing),
                    Number(pool.settings.pool_size),
                    Number(pool.settings.max_waiting),
                    TextOrNull(pool.trouble),
                    Number(pool.totals.shed)});
  }
  return rows;
}

Columns DatabaseColumns() {
  return {{"name", kText},
          {"host", kText},
          {"port", kInt4},
          {"database", kText},
          {"force_user", kText},
          {"pool_size", kInt4},
          {"min_pool_size", kInt4},
          {"reserve_pool_size", kInt4},
          {"server_lifetime", kInt4},
          {"pool_mode", kText},
          {"load_balance_hosts", kText},
          {"max_connections", kInt4},
          {"current_connections", kInt4},
          {"max_client_connections", kInt4},
          {"current_client_connections", kInt4},
          {"paused", kInt4},
          {"disabled", kInt4}};
}

std::optional<std::string> HostList(const conf::Database& database) {
  std::string list;
  for (const conf::Host& host : database.hosts) {
    if (!list.empty()) list += ',';
    list += host.name;
  }
  return TextOrNull(list);
}

std::vector<Row> DatabaseRows(const proxy::Snapshot& snapshot, const conf::Config& config) {
  std::vector<Row> rows;
  for (const proxy::DatabaseRow& row : snapshot.databases) {
    const conf::Database& database = row.database;
    const int port = database.hosts.empty() ? config.global.listen_port : database.hosts[0].port;
    rows.push_back({Printable(row.name), HostList(database), Number(port),
                    Printable(database.dbname.empty() ? row.name : database.dbname), TextOrNull(database.user),
                    Number(row.settings.pool_size), Number(row.settings.min_pool_size),
                    Number(row.settings.reserve_pool_size), Seconds(row.settings.server_lifetime),
                    ModeOrNull(database.keys.pool_mode), LoadBalancing(database), Number(row.max_connections),
                    Number(row.current_connections), Number(row.max_client_connections),
                    Number(row.current_client_connections), row.paused ? "1" : "0", "0"});
  }
  return rows;
}

Columns UserColumns() {
  return {{"name", kText},
          {"pool_size", kText},  // text in PgBouncer too: empty = not set for this user
          {"reserve_pool_size", kText},
          {"pool_mode", kText},
          {"max_user_connections", kInt4},
          {"current_connections", kInt4},
          {"max_user_client_connections", kInt4},
          {"current_client_connections", kInt4}};
}

std::vector<Row> UserRows(const proxy::Snapshot& snapshot) {
  const auto size = [](const std::optional<int>& value) { return value ? Number(*value) : std::string(); };
  std::vector<Row> rows;
  for (const proxy::UserRow& row : snapshot.users) {
    rows.push_back({Printable(row.name), size(row.keys.pool_size), size(row.keys.reserve_pool_size),
                    ModeOrNull(row.keys.pool_mode), Number(row.max_user_connections), Number(row.current_connections),
                    Number(row.max_user_client_connections), Number(row.current_client_connections)});
  }
  return rows;
}

// Objects are not kept after use, so nothing is ever "free"; names are not cached here and there are no peers.
std::vector<Row> ListRows(const proxy::Snapshot& snapshot) {
  uint64_t clients = 0, logins = 0, servers = 0;
  for (const proxy::WorkerRow& worker : snapshot.workers) {
    clients += worker.clients;
    logins += worker.logins;
    servers += worker.servers;
  }
  return {{"databases", Number(snapshot.databases.size())},
          {"users", Number(snapshot.users.size())},
          {"peers", "0"},
          {"pools", Number(snapshot.pools.size())},
          {"peer_pools", "0"},
          {"free_clients", "0"},
          {"used_clients", Number(clients)},
          {"login_clients", Number(logins)},
          {"free_servers", "0"},
          {"used_servers", Number(servers)},
          {"dns_names", "0"},
          {"dns_zones", "0"},
          {"dns_queries", "0"},
          {"dns_pending", "0"}};
}

std::vector<Row> ConfigRows(const conf::Config& config) {
  std::vector<Row> rows;
  for (const conf::KeyRow& row : config.rows) {
    rows.push_back({row.key, Printable(row.value, kConfigValueBytesMax),
                    Printable(row.default_value, kConfigValueBytesMax), YesOrNo(row.changeable),
                    Printable(row.source)});
  }
  return rows;
}

std::vector<Row> StateRows(proxy::RunState state) {
  return {{"active", YesOrNo(state == proxy::RunState::kActive)},
          {"paused", YesOrNo(state == proxy::RunState::kPaused)},
          {"suspended", "no"},
          {"draining", YesOrNo(state == proxy::RunState::kDraining)}};
}

}  // namespace

Columns ColumnsOf(const Command& command) {
  if (command.verb == nullptr) return {};
  switch (command.verb->id) {
    case VerbId::kShowPools:
      return PoolColumns();
    case VerbId::kShowClients:
      return ClientColumns();
    case VerbId::kShowServers:
      return ServerColumns();
    case VerbId::kShowPins:
      return PinColumns();
    case VerbId::kShowDatabases:
      return DatabaseColumns();
    case VerbId::kShowUsers:
      return UserColumns();
    case VerbId::kShowStats:
    case VerbId::kShowStatsTotals:
    case VerbId::kShowStatsAverages:
    case VerbId::kShowTotals:
      return StatsColumns(command.verb->id);
    case VerbId::kShowLists:
      return {{"list", kText}, {"items", kInt4}};
    case VerbId::kShowConfig:
      return {{"key", kText}, {"value", kText}, {"default", kText}, {"changeable", kText}, {"source", kText}};
    case VerbId::kShowState:
      return {{"key", kText}, {"value", kText}};
    case VerbId::kShowVersion:
      return {{"version", kText}};
    case VerbId::kShowDriverSetting:
      return {{command.argument, kText}};
    default:
      return {};
  }
}

std::optional<proxy::Collecting> NeededFor(VerbId verb) {
  switch (verb) {
    case VerbId::kShowClients:
    case VerbId::kShowPins:
      return proxy::Collecting::kClients;
    case VerbId::kShowServers:
      return proxy::Collecting::kServers;
    case VerbId::kShowPools:
    case VerbId::kShowDatabases:
    case VerbId::kShowUsers:
    case VerbId::kShowStats:
    case VerbId::kShowStatsTotals:
    case VerbId::kShowStatsAverages:
    case VerbId::kShowTotals:
    case VerbId::kShowLists:
      return proxy::Collecting::kTotals;
    default:
      return std::nullopt;
  }
}

Table MakeTable(const Command& command, const Facts& facts) {
  Table table{.columns = ColumnsOf(command)};
  const VerbId verb = command.verb->id;
  switch (verb) {
    case VerbId::kShowPools:
      table.rows = PoolRows(facts.snapshot);
      break;
    case VerbId::kShowClients:
      table.rows = ClientRows(facts.snapshot);
      break;
    case VerbId::kShowServers:
      table.rows = ServerRows(facts.snapshot);
      break;
    case VerbId::kShowPins:
      table.rows = PinRows(facts.snapshot);
      break;
    case VerbId::kShowDatabases:
      table.rows = DatabaseRows(facts.snapshot, facts.config);
      break;
    case VerbId::kShowUsers:
      table.rows = UserRows(facts.snapshot);
      break;
    case VerbId::kShowStats:
    case VerbId::kShowStatsTotals:
    case VerbId::kShowStatsAverages:
    case VerbId::kShowTotals:
      table.rows = StatsRows(verb, facts.snapshot, facts.window);
      break;
    case VerbId::kShowLists:
      table.rows = ListRows(facts.snapshot);
      break;
    case VerbId::kShowConfig:
      table.rows = ConfigRows(facts.config);
      break;
    case VerbId::kShowState:
      table.rows = StateRows(facts.run_state);
      break;
    case VerbId::kShowVersion:
      table.rows = {{VersionText()}};
      break;
    case VerbId::kShowDriverSetting:
      table.rows = {{std::string(*DriverSetting(command.argument))}};
      break;
    default:
      std::abort();  // has no table: the caller asks ColumnsOf first
  }
  return table;
}

std::string VersionText() { return "pgweir " PGWEIR_VERSION; }

std::string HelpText() {
  std::string text;
  for (const Verb& verb : Verbs()) {
    text += "\n\t" + std::string(verb.usage);
    if (verb.access == proxy::ConsoleAccess::kAdmin) text += "  (admin_users)";
  }
  return text;
}

}  // namespace admin
