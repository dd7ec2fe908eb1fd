#include "admin/connection_tables.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <tuple>

#include "admin/text.h"
#include "conf/units.h"

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
          {"id", kInt4},
          {"worker", kInt4}};
}

std::string Hex(uint64_t id) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, id, 16).ptr;
  return "0x" + std::string(digits, end);
}

std::string LinkText(uint64_t id) { return id == 0 ? std::string() : Hex(id); }

std::optional<std::string> NumberOrNull(uint64_t id) {
  if (id == 0) return std::nullopt;
  return std::to_string(id);
}

// Moves the values in; an initialiser list would copy each of them.
template <typename... Values>
Row MakeRow(Values&&... values) {
  Row row;
  row.reserve(sizeof...(values));
  (row.emplace_back(std::forward<Values>(values)), ...);
  return row;
}

// Connections come in their thousands and mostly in the same seconds: the text of the last second is kept.
class TimeTexts {
 public:
  const std::optional<std::string>& Of(proxy::WallTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    if (second != second_) {
      second_ = second;
      text_ = LocalTime(time);
    }
    return text_;
  }

 private:
  std::chrono::sys_seconds second_{};
  std::optional<std::string> text_;
};

}  // namespace

std::optional<std::string> LocalTime(proxy::WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  if (seconds == 0) return std::nullopt;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local));
}

Columns ClientColumns() { return CommonColumns(); }

Columns ServerColumns() {
  Columns columns = CommonColumns();
  columns.push_back({"close_reason", ColumnType::kText});
  return columns;
}

std::vector<Row> ClientRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  rows.reserve(snapshot.clients.size());
  TimeTexts connects, requests;
  for (const proxy::ClientRow& client : snapshot.clients) {
    rows.push_back(MakeRow(
        "C", Printable(client.user), Printable(client.database), "none", std::string(client.state), client.addr,
        std::to_string(client.port), client.local_addr, std::to_string(client.local_port),
        connects.Of(client.connect_time), requests.Of(client.request_time), std::to_string(client.wait_us / 1'000'000),
        std::to_string(client.wait_us % 1'000'000), "0", Hex(client.id), LinkText(client.link_id), "0", client.tls,
        Printable(client.application_name), std::to_string(client.prepared_statements), std::to_string(client.id),
        std::to_string(client.worker)));
  }
  return rows;
}

std::vector<Row> ServerRows(const proxy::Snapshot& snapshot) {
  std::vector<Row> rows;
  rows.reserve(snapshot.servers.size());
  TimeTexts connects, requests;
  for (const proxy::ServerRow& server : snapshot.servers) {
    rows.push_back(
        MakeRow("S", Printable(server.user), Printable(server.database), "none", std::string(server.state), server.addr,
                std::to_string(server.port), server.local_addr, std::to_string(server.local_port),
                connects.Of(server.connect_time), requests.Of(server.request_time), "0", "0",
                server.close_needed.empty() ? "0" : "1", Hex(server.id), LinkText(server.link_id),
                std::to_string(server.remote_pid), server.tls, Printable(server.application_name),
                std::to_string(server.prepared_statements), std::to_string(server.id), std::to_string(server.worker),
                server.close_needed.empty() ? std::optional<std::string>() : Printable(server.close_needed)));
  }
  return rows;
}

Columns PinColumns() {
  constexpr auto kText = ColumnType::kText;
  constexpr auto kInt4 = ColumnType::kInt4;
  return {{"database", kText},
          {"user", kText},
          {"client_id", kInt4},
          {"server_id", kInt4},
          {"reason", kText},
          {"since", kText},
          {"application_name", kText},
          {"addr", kText},
          {"port", kInt4}};
}

std::vector<Row> PinRows(const proxy::Snapshot& snapshot) {
  std::vector<const proxy::ClientRow*> pinned;
  for (const proxy::ClientRow& client : snapshot.clients) {
    if (!client.pins.empty()) pinned.push_back(&client);
  }
  std::sort(pinned.begin(), pinned.end(), [](const proxy::ClientRow* left, const proxy::ClientRow* right) {
    return std::tie(left->pinned_since, left->id) < std::tie(right->pinned_since, right->id);
  });
  std::vector<Row> rows;
  TimeTexts times;
  for (const proxy::ClientRow* client : pinned) {
    for (const std::string& reason : conf::SplitList(client->pins)) {
      rows.push_back(MakeRow(Printable(client->database), Printable(client->user), std::to_string(client->id),
                             NumberOrNull(client->link_id), reason, times.Of(client->pinned_since),
                             Printable(client->application_name), client->addr, std::to_string(client->port)));
    }
  }
  return rows;
}

}  // namespace admin
