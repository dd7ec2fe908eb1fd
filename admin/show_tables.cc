#include "admin/show_tables.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "admin/advice_table.h"
#include "admin/capacity_table.h"
#include "admin/connection_tables.h"
#include "admin/lease_tables.h"
#include "admin/process_tables.h"
#include "admin/select.h"
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
std::string Seconds(conf::Duration duration) {
  return Number(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::optional<std::string> ModeOrNull(const std::optional<conf::PoolMode>& mode) {
  if (!mode) return std::nullopt;
  return std::string(conf::Name(*mode));
}

// PgBouncer's words. NULL for a single host.
std::optional<std::string> LoadBalancing(const conf::Database& database) {
  if (database.hosts.size() < 2) return std::nullopt;
  return database.load_balance_hosts == conf::HostOrder::kRoundRobin ? "round-robin" : "disable";
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
                    PrintableOrNull(pool.trouble),
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
          {"disabled", kInt4},
          {"reserve_pool", kInt4}};  // reserve_pool_size by its name before 1.24, which exporters still ask for
}

std::optional<std::string> HostList(const conf::Database& database) {
  std::string list;
  for (const conf::Host& host : database.hosts) {
    if (!list.empty()) list += ',';
    list += host.name;
  }
  return PrintableOrNull(list);
}

std::vector<Row> DatabaseRows(const Facts& facts) {
  std::vector<Row> rows;
  for (const proxy::DatabaseRow& row : facts.snapshot.databases) {
    const conf::Database& database = row.database;
    const int port = database.hosts.empty() ? facts.config.global.listen_port : database.hosts[0].port;
    rows.push_back({Printable(row.name), HostList(database), Number(port),
                    Printable(database.dbname.empty() ? row.name : database.dbname), PrintableOrNull(database.user),
                    Number(row.settings.pool_size), Number(row.settings.min_pool_size),
                    Number(row.settings.reserve_pool_size), Seconds(row.settings.server_lifetime),
                    ModeOrNull(database.keys.pool_mode), LoadBalancing(database), Number(row.max_connections),
                    Number(row.current_connections), Number(row.max_client_connections),
                    Number(row.current_client_connections), row.paused ? "1" : "0", row.disabled ? "1" : "0",
                    Number(row.settings.reserve_pool_size)});
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

using Needs = std::optional<proxy::Collecting>;

struct TableOf {
  VerbId verb;
  Needs needs;  // nullopt: nothing is collected
  Columns (*columns)();
  std::vector<Row> (*rows)(const Facts& facts);
};

template <VerbId verb>
Columns StatsColumnsOf() {
  return StatsColumns(verb);
}
template <VerbId verb>
std::vector<Row> StatsRowsOf(const Facts& facts) {
  return StatsRows(verb, facts.snapshot, facts.window);
}
template <std::vector<Row> (*rows)(const proxy::Snapshot&)>
std::vector<Row> RowsOf(const Facts& facts) {
  return rows(facts.snapshot);
}
template <Sockets which>
std::vector<Row> SocketRowsOf(const Facts& facts) {
  return SocketRows(facts.snapshot, which);
}
std::vector<Row> NoRows(const Facts&) { return {}; }  // what pgweir has none of: zones

using enum VerbId;
using enum proxy::Collecting;
constexpr std::array kTables = {
    TableOf{kShowPools, kTotals, PoolColumns, RowsOf<PoolRows>},
    TableOf{kShowClients, kClients, ClientColumns, RowsOf<ClientRows>},
    TableOf{kShowServers, kServers, ServerColumns, RowsOf<ServerRows>},
    TableOf{kShowSockets, kEverything, SocketColumns, SocketRowsOf<Sockets::kAll>},
    TableOf{kShowActiveSockets, kEverything, SocketColumns, SocketRowsOf<Sockets::kActive>},
    TableOf{kShowPins, kClients, PinColumns, RowsOf<PinRows>},
    TableOf{kShowHolders, kEverything, HolderColumns, HolderRows},
    TableOf{kShowWaiters, kClients, WaiterColumns, RowsOf<WaiterRows>},
    TableOf{kShowDatabases, kTotals, DatabaseColumns, DatabaseRows},
    TableOf{kShowUsers, kTotals, UserColumns, RowsOf<UserRows>},
    TableOf{kShowStats, kTotals, StatsColumnsOf<kShowStats>, StatsRowsOf<kShowStats>},
    TableOf{kShowStatsTotals, kTotals, StatsColumnsOf<kShowStatsTotals>, StatsRowsOf<kShowStatsTotals>},
    TableOf{kShowStatsAverages, kTotals, StatsColumnsOf<kShowStatsAverages>, StatsRowsOf<kShowStatsAverages>},
    TableOf{kShowTotals, kTotals, StatsColumnsOf<kShowTotals>, StatsRowsOf<kShowTotals>},
    TableOf{kShowLists, kTotals, ListColumns, ListRows},
    TableOf{kShowConfig, std::nullopt, ConfigColumns, ConfigRows},
    TableOf{kShowState, std::nullopt, StateColumns, StateRows},
    TableOf{kShowErrors, kTotals, ErrorColumns, RowsOf<ErrorRows>},
    TableOf{kShowCapacity, kCapacity, CapacityColumns, RowsOf<CapacityRows>},
    TableOf{kShowAdvice, kTotals, AdviceColumns, AdviceRows},
    TableOf{kShowMem, kTotals, MemColumns, RowsOf<MemRows>},
    TableOf{kShowDnsHosts, kTotals, DnsHostColumns, RowsOf<DnsHostRows>},
    TableOf{kShowHosts, kTotals, HostColumns, RowsOf<HostRows>},
    TableOf{kShowDnsZones, std::nullopt, DnsZoneColumns, NoRows},
    TableOf{kShowPeers, std::nullopt, PeerColumns, PeerRows},
    TableOf{kShowPeerPools, kTotals, PeerPoolColumns, PeerPoolRows},
    TableOf{kShowVersion, std::nullopt, VersionColumns, [](const Facts&) { return std::vector<Row>{{VersionText()}}; }},
};

const TableOf* FindTable(VerbId verb) {
  const auto* found = std::find_if(kTables.begin(), kTables.end(), [verb](const TableOf& table) { return table.verb == verb; });
  return found == kTables.end() ? nullptr : found;
}

}  // namespace

Columns ColumnsOf(const Command& command) {
  if (command.verb == nullptr) return {};
  switch (command.verb->id) {
    case kShowDriverSetting:
      return {{command.argument, kText}};
    case kSelect:
      return command.select == nullptr ? Columns() : command.select->columns;
    case kReloadDryRun:
      return {{"change", kText}};
    default:
      break;
  }
  const TableOf* table = FindTable(command.verb->id);
  return table == nullptr ? Columns() : table->columns();
}

std::optional<proxy::Collecting> NeededFor(const Command& command) {
  const Verb* verb = command.select == nullptr ? command.verb : command.select->table;
  const TableOf* table = verb == nullptr ? nullptr : FindTable(verb->id);
  return table == nullptr ? std::nullopt : table->needs;
}

Table MakeTable(const Command& command, const Facts& facts) {
  if (command.verb->id == kShowDriverSetting) {
    return {.columns = ColumnsOf(command), .rows = {{std::string(*DriverSetting(command.argument))}}};
  }
  const Select* select = command.select.get();
  if (select != nullptr && select->table == nullptr) return {.columns = select->columns, .rows = {select->values}};
  const TableOf* table = FindTable(select == nullptr ? command.verb->id : select->table->id);
  if (table == nullptr) std::abort();  // has no table: the caller asks ColumnsOf first
  Table all{.columns = table->columns(), .rows = table->rows(facts)};
  if (select == nullptr) return all;  // not by ?:, which would copy it
  return Pick(*select, std::move(all));
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
