#include "admin/process_tables.h"

#include <algorithm>
#include <limits>

#include "admin/own_pool.h"
#include "admin/row.h"
#include "admin/text.h"
#include "conf/units.h"
#include "proxy/backend_pool.h"
#include "proxy/client.h"
#include "proxy/server.h"

namespace admin {
namespace {

constexpr auto kText = ColumnType::kText;
constexpr auto kInt4 = ColumnType::kInt4;
constexpr auto kInt8 = ColumnType::kInt8;

std::string YesOrNo(bool value) { return value ? "yes" : "no"; }

// The column is an int4 in PgBouncer.
std::string Bounded(uint64_t value) {
  return std::to_string(std::min<uint64_t>(value, std::numeric_limits<int32_t>::max()));
}

std::string_view Name(protocol::Severity severity) {
  switch (severity) {
    case protocol::Severity::kFatal: return "FATAL";
    case protocol::Severity::kNotice: return "NOTICE";
    case protocol::Severity::kError: break;
  }
  return "ERROR";
}

struct Connections {
  uint64_t clients = 0, logins = 0, servers = 0;
};

Connections Sum(const proxy::Snapshot& snapshot) {
  Connections sum;
  for (const proxy::WorkerRow& worker : snapshot.workers) {
    sum.clients += worker.clients;
    sum.logins += worker.logins;
    sum.servers += worker.servers;
  }
  return sum;
}

}  // namespace

Columns ListColumns() { return {{"list", kText}, {"items", kInt4}}; }

// Objects are not kept after use, so nothing is ever "free". Zones are not watched, names are.
std::vector<Row> ListRows(const Facts& facts) {
  const proxy::Snapshot& snapshot = facts.snapshot;
  const std::string peers = std::to_string(facts.config.peers.size());
  const Connections sum = Sum(snapshot);
  return {{"databases", std::to_string(snapshot.databases.size())},
          {"users", std::to_string(snapshot.users.size())},
          {"peers", peers},
          {"pools", std::to_string(snapshot.pools.size())},
          {"peer_pools", peers},
          {"free_clients", "0"},
          {"used_clients", std::to_string(sum.clients)},
          {"login_clients", std::to_string(sum.logins)},
          {"free_servers", "0"},
          {"used_servers", std::to_string(sum.servers)},
          {"dns_names", std::to_string(snapshot.names.size())},
          {"dns_zones", "0"},
          {"dns_queries", std::to_string(snapshot.name_lookups)},
          {"dns_pending", std::to_string(snapshot.name_waiters)}};
}

Columns ConfigColumns() {
  return {{"key", kText}, {"value", kText}, {"default", kText}, {"changeable", kText}, {"source", kText}};
}

std::vector<Row> ConfigRows(const Facts& facts) {
  std::vector<Row> rows;
  for (const conf::KeyRow& row : facts.config.rows) {
    rows.push_back({row.key, Printable(row.value, kConfigValueBytesMax),
                    Printable(row.default_value, kConfigValueBytesMax), YesOrNo(row.changeable),
                    Printable(row.source)});
  }
  return rows;
}

Columns StateColumns() { return {{"key", kText}, {"value", kText}}; }

std::vector<Row> StateRows(const Facts& facts) {
  const proxy::RunState state = facts.run_state;
  return {{"active", YesOrNo(state == proxy::RunState::kActive)},
          {"paused", YesOrNo(state == proxy::RunState::kPaused)},
          {"suspended", "no"},
          {"draining", YesOrNo(state == proxy::RunState::kDraining)}};
}

Columns ErrorColumns() {
  return {{"name", kText}, {"sqlstate", kText}, {"severity", kText}, {"count", kInt8}, {"last_time", kText}};
}

// Those that have happened, the latest first.
std::vector<Row> ErrorRows(const proxy::Snapshot& snapshot) {
  struct Error {
    size_t code = 0;
    uint64_t count = 0;
    proxy::WallTime last;
  };
  std::vector<Error> errors(static_cast<size_t>(protocol::ErrorCode::kCount_));
  for (size_t code = 0; code < errors.size(); ++code) {
    errors[code].code = code;
    for (const proxy::WorkerRow& worker : snapshot.workers) {
      errors[code].count += worker.errors[code];
      errors[code].last = std::max(errors[code].last, worker.last_errors[code]);
    }
  }
  std::erase_if(errors, [](const Error& error) { return error.count == 0; });
  std::stable_sort(errors.begin(), errors.end(), [](const Error& left, const Error& right) { return left.last > right.last; });
  std::vector<Row> rows;
  for (const Error& error : errors) {
    const protocol::ErrorRow& row = protocol::Row(static_cast<protocol::ErrorCode>(error.code));
    rows.push_back(MakeRow(std::string(row.name), std::string(row.sqlstate), std::string(Name(row.severity)),
                           std::to_string(error.count), LocalTime(error.last)));
  }
  return rows;
}

Columns MemColumns() { return {{"name", kText}, {"size", kInt4}, {"used", kInt4}, {"free", kInt4}, {"memtotal", kInt4}}; }

std::vector<Row> MemRows(const proxy::Snapshot& snapshot) {
  const Connections sum = Sum(snapshot);
  uint64_t pools = 0, statements = 0, statement_bytes = 0;
  for (const proxy::PoolRow& pool : snapshot.pools) {
    pools += IsAdminDatabase(pool.database) ? 0 : 1;  // the console's own is none
    statements += pool.statements;
    statement_bytes += pool.statement_bytes;
  }
  const auto row = [](const char* name, size_t size, uint64_t used, uint64_t total) {
    return MakeRow(name, std::to_string(size), Bounded(used), "0", Bounded(total));
  };
  constexpr size_t kClient = sizeof(proxy::Client) + sizeof(proxy::Socket), kServer = sizeof(proxy::Server) + sizeof(proxy::Socket);
  constexpr size_t kPool = sizeof(proxy::BackendPool);
  return {row("client_cache", kClient, sum.clients, sum.clients * kClient),
          row("server_cache", kServer, sum.servers, sum.servers * kServer),
          row("pool_cache", kPool, pools, pools * kPool),
          row("prepared_statement_texts", statements == 0 ? 0 : static_cast<size_t>(statement_bytes / statements), statements,
              statement_bytes)};
}

Columns VersionColumns() { return {{"version", kText}}; }

Columns DnsHostColumns() { return {{"hostname", kText}, {"ttl", kInt8}, {"addrs", kText}}; }

std::vector<Row> DnsHostRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  for (const proxy::NameRow& name : snapshot.names) {
    std::string addresses;  // with commas, as PgBouncer's, but not with its port, which is always 0
    for (const std::string& address : name.addresses) addresses += (addresses.empty() ? "" : ",") + address;
    rows.push_back(MakeRow(Printable(name.name), std::to_string(name.seconds_left), addresses));
  }
  return rows;
}

Columns HostColumns() {
  return {{"host", kText}, {"state", kText}, {"connections", kInt4}, {"connecting", kInt4}, {"failures", kInt8}, {"down_ms", kInt8},
          {"retry_ms", kInt8}, {"last_error", kText}};
}

std::vector<Row> HostRows(const proxy::Snapshot& snapshot) {
  const auto optional = [](const std::optional<int64_t>& number) { return number ? std::optional(std::to_string(*number)) : std::nullopt; };
  std::vector<Row> rows;
  for (const proxy::HostRow& host : snapshot.hosts) {
    rows.push_back(MakeRow(Printable(host.host), std::string(host.state), std::to_string(host.connections), std::to_string(host.attempts),
                           std::to_string(host.failures), optional(host.down_ms), optional(host.retry_ms), Printable(host.last_error)));
  }
  return rows;
}

Columns DnsZoneColumns() { return {{"zonename", kText}, {"serial", kInt8}, {"count", kInt4}}; }

Columns PeerColumns() { return {{"peer_id", kInt4}, {"host", kText}, {"port", kInt4}, {"pool_size", kInt4}}; }

Columns PeerPoolColumns() {
  return {{"peer_id", kInt4}, {"cl_active_cancel_req", kInt4}, {"cl_waiting_cancel_req", kInt4}, {"sv_active_cancel", kInt4}, {"sv_login", kInt4}};
}

std::vector<Row> PeerRows(const Facts& facts) {
  std::vector<Row> rows;
  for (const auto& [id, peer] : facts.config.peers) {
    rows.push_back(MakeRow(std::to_string(id), Printable(peer.host), std::to_string(peer.port), std::to_string(facts.config.PeerPoolSize(peer))));
  }
  return rows;
}

std::vector<Row> PeerPoolRows(const Facts& facts) {
  std::vector<Row> rows;
  for (const auto& [id, peer] : facts.config.peers) {
    proxy::PeerPoolRow now{.id = id};
    for (const proxy::PeerPoolRow& row : facts.snapshot.peer_pools) {
      if (row.id == id) now = row;
    }
    const std::string sent = std::to_string(now.sent);
    rows.push_back(MakeRow(std::to_string(id), sent, std::to_string(now.waiting), sent, "0"));
  }
  return rows;
}

}  // namespace admin
