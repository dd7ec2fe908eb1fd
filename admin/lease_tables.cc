#include "admin/lease_tables.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "admin/row.h"
#include "admin/text.h"
#include "conf/units.h"
#include "protocol/sql_digest.h"

namespace admin {
namespace {

constexpr auto kText = ColumnType::kText;
constexpr auto kInt4 = ColumnType::kInt4;

std::optional<std::string> NumberOrNull(uint64_t id) {
  if (id == 0) return std::nullopt;
  return std::to_string(id);
}

std::string StateOf(const proxy::ClientRow& client) {
  return client.idle_in_transaction ? "idle in transaction" : std::string(client.state);
}

// The clients of interest, in an order.
template <typename Wanted, typename Before>
std::vector<const proxy::ClientRow*> Choose(const std::vector<proxy::ClientRow>& clients, Wanted wanted, Before before) {
  std::vector<const proxy::ClientRow*> chosen;
  for (const proxy::ClientRow& client : clients) {
    if (wanted(client)) chosen.push_back(&client);
  }
  std::sort(chosen.begin(), chosen.end(), [&](const proxy::ClientRow* left, const proxy::ClientRow* right) { return before(*left, *right); });
  return chosen;
}

std::map<uint64_t, const proxy::ServerRow*> ById(const std::vector<proxy::ServerRow>& servers) {
  std::map<uint64_t, const proxy::ServerRow*> by_id;
  for (const proxy::ServerRow& server : servers) by_id.emplace(server.id, &server);
  return by_id;
}

}  // namespace

Columns HolderColumns() {
  return {{"database", kText}, {"user", kText}, {"client_id", kInt4}, {"server_id", kInt4}, {"remote_pid", kInt4},
          {"application_name", kText}, {"addr", kText}, {"port", kInt4}, {"since", kText}, {"held", kInt4},
          {"held_us", kInt4}, {"state", kText}, {"idle_in_transaction", kInt4}, {"request_time", kText}, {"pins", kText}, {"digest", kText}, {"statement", kText}};
}

std::vector<Row> HolderRows(const Facts& facts) {
  const proxy::Snapshot& snapshot = facts.snapshot;
  const auto servers = ById(snapshot.servers);
  const auto holders = Choose(
      snapshot.clients, [](const proxy::ClientRow& client) { return client.link_id != 0; },
      [](const proxy::ClientRow& left, const proxy::ClientRow& right) {
        return std::tie(left.held_since, left.id) < std::tie(right.held_since, right.id);
      });
  const proxy::ServerRow gone;  // it was given back between two looks
  std::vector<Row> rows;
  TimeTexts since, requests;
  for (const proxy::ClientRow* client : holders) {
    const auto found = servers.find(client->link_id);
    const proxy::ServerRow& server = found == servers.end() ? gone : *found->second;
    const std::string statement = protocol::WithoutValues(server.statement, server.backslash);
    rows.push_back(MakeRow(Printable(client->database), Printable(client->user), std::to_string(client->id),
                           std::to_string(client->link_id),
                           NumberOrNull(server.remote_pid),
                           Printable(client->application_name), client->addr, std::to_string(client->port),
                           since.Of(client->held_since), std::to_string(client->held_us / 1'000'000),
                           std::to_string(client->held_us % 1'000'000), StateOf(*client), client->idle_in_transaction ? "1" : "0",
                           requests.Of(client->request_time),
                           client->pins.empty() ? std::optional<std::string>() : client->pins,
                           statement.empty() ? std::optional<std::string>() : protocol::DigestOf(statement),
                           PrintableOrNull(facts.config.global.statement_text ? statement : "")));
  }
  return rows;
}

Columns WaiterColumns() {
  return {{"database", kText}, {"pool_user", kText}, {"place", kInt4}, {"client_id", kInt4}, {"user", kText},
          {"application_name", kText}, {"addr", kText}, {"port", kInt4}, {"since", kText}, {"wait", kInt4}, {"wait_us", kInt4}, {"behind", kInt4}};
}

std::vector<Row> WaiterRows(const proxy::Snapshot& snapshot) {
  const auto waiters = Choose(
      snapshot.clients, [](const proxy::ClientRow& client) { return client.is_waiting; },
      [](const proxy::ClientRow& left, const proxy::ClientRow& right) {
        return std::tie(left.database, left.pool_user, left.waiting_since, left.id) <
               std::tie(right.database, right.pool_user, right.waiting_since, right.id);
      });
  std::vector<Row> rows;
  TimeTexts times;
  size_t place = 0;
  const proxy::ClientRow* before = nullptr;
  for (const proxy::ClientRow* client : waiters) {
    const bool is_same_pool = before != nullptr && before->database == client->database && before->pool_user == client->pool_user;
    place = is_same_pool ? place + 1 : 1;
    const uint64_t behind = is_same_pool ? before->id : 0;
    before = client;
    rows.push_back(MakeRow(Printable(client->database), Printable(client->pool_user), std::to_string(place),
                           std::to_string(client->id), Printable(client->user), Printable(client->application_name), client->addr,
                           std::to_string(client->port), times.Of(client->waiting_since),
                           std::to_string(client->wait_us / 1'000'000), std::to_string(client->wait_us % 1'000'000), NumberOrNull(behind)));
  }
  return rows;
}

Columns PinColumns() {
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
  const auto pinned = Choose(
      snapshot.clients, [](const proxy::ClientRow& client) { return !client.pins.empty(); },
      [](const proxy::ClientRow& left, const proxy::ClientRow& right) {
        return std::tie(left.pinned_since, left.id) < std::tie(right.pinned_since, right.id);
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

std::string BlockersText(const proxy::Control::Held& held) {
  std::map<uint64_t, const proxy::ClientRow*> clients;
  for (const proxy::ClientRow& client : held.clients) clients.emplace(client.id, &client);
  std::string text;
  size_t lines = 0;
  for (const proxy::ServerRow& server : held.servers) {
    if (lines++ == kBlockersMax) return text + "\nand " + std::to_string(held.servers.size() - kBlockersMax) + " more";
    if (!text.empty()) text += '\n';
    text += "server process " + std::to_string(server.remote_pid) + ": ";
    const auto found = clients.find(server.link_id);
    if (found == clients.end()) {
      text += "no client, database " + Printable(server.database) + ", state " + std::string(server.state);
      continue;
    }
    const proxy::ClientRow& client = *found->second;
    text += "client " + std::to_string(client.id) + " (user " + Printable(client.user) + ", database " + Printable(client.database) +
            ", application \"" + Printable(client.application_name) + "\", " + client.addr + ':' + std::to_string(client.port) + "), " +
            StateOf(client) + ", since " + LocalTime(client.held_since).value_or("?");
  }
  return text;
}

}  // namespace admin
