#include "admin/connection_tables.h"

#include <charconv>

#include "admin/row.h"
#include "admin/text.h"

namespace admin {
namespace {

Columns CommonColumns() {
  constexpr auto kText = ColumnType::kText;
  constexpr auto kInt4 = ColumnType::kInt4;
  return {{"type", kText},
          {"user", kText},
          {"database", kText},
          {"replication", kText},
          {"state", kText},
          {"addr", kText},
          {"port", kInt4},
          {"local_addr", kText},
          {"local_port", kInt4},
          {"connect_time", kText},
          {"request_time", kText},
          {"wait", kInt4},
          {"wait_us", kInt4},
          {"close_needed", kInt4},
          {"ptr", kText},
          {"link", kText},
          {"remote_pid", kInt4},
          {"tls", kText},
          {"application_name", kText},
          {"prepared_statements", kInt4},
          {"id", kInt4}};
}

std::string Hex(uint64_t id) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, id, 16).ptr;
  return "0x" + std::string(digits, end);
}

std::string LinkText(uint64_t id) { return id == 0 ? std::string() : Hex(id); }

struct Times {
  TimeTexts connects, requests;
};

// The columns that PgBouncer has, of either side.
Row CommonRow(const proxy::ClientRow& client, Times& times) {
  return MakeRow("C", Printable(client.user), Printable(client.database), std::string(Name(client.replication)), std::string(client.state), client.addr,
                 std::to_string(client.port), client.local_addr, std::to_string(client.local_port),
                 times.connects.Of(client.connect_time), times.requests.Of(client.request_time),
                 std::to_string(client.wait_us / 1'000'000), std::to_string(client.wait_us % 1'000'000), "0", Hex(client.id),
                 LinkText(client.link_id), "0", client.tls, Printable(client.application_name),
                 std::to_string(client.prepared_statements), std::to_string(client.id));
}

Row CommonRow(const proxy::ServerRow& server, Times& times) {
  return MakeRow("S", Printable(server.user), Printable(server.database), std::string(Name(server.replication)), std::string(server.state), server.addr,
                 std::to_string(server.port), server.local_addr, std::to_string(server.local_port),
                 times.connects.Of(server.connect_time), times.requests.Of(server.request_time), "0", "0",
                 server.close_needed.empty() ? "0" : "1", Hex(server.id), LinkText(server.link_id),
                 std::to_string(server.remote_pid), server.tls, Printable(server.application_name),
                 std::to_string(server.prepared_statements), std::to_string(server.id));
}

constexpr size_t kStateColumn = 4;  // of the common ones

// What is kept of a connection's input and output; positions in PgBouncer's one buffer, which is not here, are 0.
template <typename Connection>
Row SocketRow(const Connection& connection, std::string_view side, Times& times) {
  Row row = CommonRow(connection, times);
  row[kStateColumn] = std::string(side) + *row[kStateColumn];
  const std::string kept = std::to_string(connection.kept_bytes), unsent = std::to_string(connection.unsent_bytes);
  for (const std::string& value : {kept, std::string("0"), std::to_string(connection.message_left), std::string("0"), unsent, kept, unsent}) {
    row.emplace_back(value);
  }
  row.emplace_back(std::to_string(connection.worker));
  return row;
}

template <typename Connection>
bool IsActive(const Connection& connection) {
  return connection.link_id != 0 || connection.kept_bytes > 0 || connection.unsent_bytes > 0;
}

}  // namespace

Columns ClientColumns() {
  Columns columns = CommonColumns();
  columns.push_back({"worker", ColumnType::kInt4});
  return columns;
}

Columns ServerColumns() {
  Columns columns = ClientColumns();
  columns.push_back({"close_reason", ColumnType::kText});
  return columns;
}

Columns SocketColumns() {
  Columns columns = CommonColumns();
  for (const char* name : {"recv_pos", "pkt_pos", "pkt_remain", "send_pos", "send_remain", "pkt_avail", "send_avail", "worker"}) {
    columns.push_back({name, ColumnType::kInt4});
  }
  return columns;
}

std::vector<Row> ClientRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  rows.reserve(snapshot.clients.size());
  Times times;
  for (const proxy::ClientRow& client : snapshot.clients) {
    rows.push_back(CommonRow(client, times));
    rows.back().emplace_back(std::to_string(client.worker));
  }
  return rows;
}

std::vector<Row> ServerRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  rows.reserve(snapshot.servers.size());
  Times times;
  for (const proxy::ServerRow& server : snapshot.servers) {
    rows.push_back(CommonRow(server, times));
    rows.back().emplace_back(std::to_string(server.worker));
    rows.back().push_back(server.close_needed.empty() ? std::optional<std::string>() : Printable(server.close_needed));
  }
  return rows;
}

std::vector<Row> SocketRows(const proxy::Snapshot& snapshot, Sockets which) {
  std::vector<Row> rows;
  Times times;
  for (const proxy::ClientRow& client : snapshot.clients) {
    if (which == Sockets::kAll || IsActive(client)) rows.push_back(SocketRow(client, "cl_", times));
  }
  for (const proxy::ServerRow& server : snapshot.servers) {
    if (which == Sockets::kAll || IsActive(server)) rows.push_back(SocketRow(server, "sv_", times));
  }
  return rows;
}

}  // namespace admin
