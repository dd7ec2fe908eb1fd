#include "admin/capacity_table.h"

#include <algorithm>

#include "admin/row.h"
#include "admin/text.h"

namespace admin {
namespace {

constexpr size_t kListBytesMax = 4096;

std::optional<std::string> TextOrNull(const std::string& text) { return PrintableOrNull(text, kListBytesMax); }

template <typename Items, typename TextOf>
std::optional<std::string> List(const Items& items, TextOf text_of) {
  std::string list;
  for (size_t i = 0; i < std::min(items.size(), kListedMax); ++i) list += (i == 0 ? "" : ",") + text_of(items[i]);
  if (items.size() > kListedMax) list += ",...";
  return TextOrNull(list);
}

std::string LimitText(const proxy::CapacityRow::Limit& limit) {
  return limit.name + ' ' + std::to_string(limit.wanted) + '/' + std::to_string(limit.limit);
}

}  // namespace

Columns CapacityColumns() {
  constexpr auto kText = ColumnType::kText;
  constexpr auto kInt4 = ColumnType::kInt4;
  constexpr auto kInt8 = ColumnType::kInt8;
  return {{"host", kText},        {"port", kInt4},      {"databases", kText},    {"users", kText},           {"pools", kInt4},
          {"worst_case", kInt8},  {"unbounded", kText}, {"instances", kInt4},    {"total", kInt8},           {"max_connections", kInt4},
          {"reserved", kInt4},    {"available", kInt4}, {"role_limits", kText},  {"database_limits", kText}, {"verdict", kText},
          {"remedy", kText},      {"asked", kText},     {"trouble", kText}};
}

std::vector<Row> CapacityRows(const proxy::Snapshot& snapshot) {
  const auto as_it_is = [](const std::string& name) { return name; };
  std::vector<Row> rows;
  for (const proxy::CapacityRow& row : snapshot.capacity) {
    const conf::HostCase& worst = row.at_worst;
    const auto allowed = [&row](auto number) -> std::optional<std::string> {
      if (!row.allowed) return std::nullopt;
      return std::to_string(number(*row.allowed));
    };
    using Allowed = proxy::CapacityRow::Allowed;
    rows.push_back(MakeRow(Printable(worst.host.name), std::to_string(worst.host.port), List(worst.databases, as_it_is),
                           List(worst.users, as_it_is), std::to_string(worst.pools), std::to_string(worst.connections),
                           TextOrNull(worst.unbounded), std::to_string(row.instances), std::to_string(row.total),
                           allowed([](const Allowed& all) { return all.max_connections; }),
                           allowed([](const Allowed& all) { return all.reserved; }),
                           allowed([](const Allowed& all) { return all.available(); }), List(row.roles, LimitText),
                           List(row.databases, LimitText), std::string(proxy::Name(row.verdict)), TextOrNull(row.remedy),
                           LocalTime(row.asked), TextOrNull(row.trouble)));
  }
  return rows;
}

}  // namespace admin
