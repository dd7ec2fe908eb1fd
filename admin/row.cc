#include "admin/row.h"

#include <ctime>

namespace admin {

std::optional<std::string> LocalTime(proxy::WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  if (seconds == 0) return std::nullopt;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local));
}

}  // namespace admin
