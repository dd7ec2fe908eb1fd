#include "admin/advice_table.h"

#include <charconv>
#include <cmath>

#include "admin/advice.h"
#include "admin/own_pool.h"
#include "admin/row.h"
#include "admin/text.h"

namespace admin {
namespace {

constexpr int kDecimals = 3;

std::string Decimal(double value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, kDecimals);
  return error == std::errc() ? std::string(text, end) : "0";
}

std::string Whole(double value) { return std::to_string(std::llround(value)); }

std::optional<std::string> WholeOrNull(const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return Whole(*value);
}

PoolBounds BoundsOf(const proxy::PoolRow& pool, const proxy::Snapshot& snapshot) {
  PoolBounds bounds{.size = pool.settings.pool_size, .min_size = pool.settings.min_pool_size, .reserve = pool.settings.reserve_pool_size};
  for (const proxy::DatabaseRow& row : snapshot.databases) {
    if (row.name == pool.database) bounds.database_cap = row.max_connections;
  }
  for (const proxy::UserRow& row : snapshot.users) {
    if (row.name == pool.user) bounds.user_cap = row.max_user_connections;
  }
  return bounds;
}

}  // namespace

Columns AdviceColumns() {
  constexpr auto kText = ColumnType::kText;
  constexpr auto kInt4 = ColumnType::kInt4;
  constexpr auto kInt8 = ColumnType::kInt8;
  constexpr auto kNumeric = ColumnType::kNumeric;
  return {{"database", kText},     {"user", kText},         {"pool_size", kInt4},       {"seconds", kInt4},
          {"rate", kNumeric},      {"hold_us", kInt8},      {"load", kNumeric},         {"use", kNumeric},
          {"wait_us", kInt8},      {"wait_p95_us", kInt8},  {"target_us", kInt8},       {"expected_us", kInt8},
          {"expected_p95_us", kInt8}, {"advised_size", kInt4}, {"advised_p95_us", kInt8}, {"advice", kText}};
}

std::vector<Row> AdviceRows(const Facts& facts) {
  std::vector<Row> rows;
  for (const proxy::PoolRow& pool : facts.snapshot.pools) {
    if (IsAdminDatabase(pool.database)) continue;
    const PoolLoad load = facts.loads.LoadOf(pool, facts.now);
    const Advice advice = Advise(load, BoundsOf(pool, facts.snapshot));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(load.period).count();
    const std::optional<std::string> size = advice.size ? std::optional(std::to_string(*advice.size)) : std::nullopt;
    rows.push_back(MakeRow(Printable(pool.database), Printable(pool.user), std::to_string(pool.settings.pool_size), std::to_string(seconds),
                           Decimal(advice.rate), Whole(advice.hold_us), Decimal(advice.load), Decimal(advice.use * 100),
                           std::to_string(load.served == 0 ? 0 : load.wait_us / load.served), std::to_string(load.WaitP95Us()),
                           Whole(advice.target_us), WholeOrNull(advice.wait_us), WholeOrNull(advice.wait_p95_us), size,
                           WholeOrNull(advice.advised_wait_p95_us), advice.text));
  }
  return rows;
}

}  // namespace admin
