// What the makers of tables share: a row from values, and times as PgBouncer prints them.
//
// Threads: pure functions; a TimeTexts is used by one table.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "admin/table.h"
#include "proxy/control.h"

namespace admin {

// Moves the values in; an initialiser list would copy each of them.
template <typename... Values>
Row MakeRow(Values&&... values) {
  Row row;
  row.reserve(sizeof...(values));
  (row.emplace_back(std::forward<Values>(values)), ...);
  return row;
}

// "2026-07-31 12:00:00 CEST" in the machine's time zone, as PgBouncer prints times; NULL for the epoch ("never").
std::optional<std::string> LocalTime(proxy::WallTime time);

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

}  // namespace admin
