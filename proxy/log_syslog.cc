#include "proxy/log_syslog.h"

#include <spdlog/pattern_formatter.h>
#include <syslog.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

namespace proxy {
namespace {

// syslog(3) keeps the pointer, and writes the name in front of each line until the next openlog: it lives as long as the process.
// One entry for each name that was ever configured.
const char* KeepForEver(const std::string& ident) {
  static std::mutex mutex;
  static auto* names = new std::set<std::string>;
  std::lock_guard lock(mutex);
  return names->insert(ident).first->c_str();
}

int PriorityOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return LOG_DEBUG;
    case spdlog::level::warn: return LOG_WARNING;
    case spdlog::level::err:
    case spdlog::level::critical: return LOG_ERR;
    default: return LOG_INFO;
  }
}

}  // namespace

SyslogCalls SystemSyslog() {
  return {.open = [](const char* ident, int options, int facility) { openlog(ident, options, facility); },
          .write = [](int priority, const std::string& line) { syslog(priority, "%s", line.c_str()); }};
}

int FacilityOf(std::string_view name) {
  constexpr std::pair<std::string_view, int> kFacilities[] = {
      {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"daemon", LOG_DAEMON}, {"user", LOG_USER},
      {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
      {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},     {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}};
  const auto* found = std::find_if(std::begin(kFacilities), std::end(kFacilities), [name](const auto& each) { return each.first == name; });
  return found == std::end(kFacilities) ? 0 : found->second;
}

SyslogSink::SyslogSink(const conf::Global& global, SyslogCalls calls)
    : calls_(std::move(calls)), has_level_word_(global.log_format == conf::LogFormat::kPgBouncer) {
  calls_.open(KeepForEver(global.syslog_ident), LOG_PID, FacilityOf(global.syslog_facility));
}

void SyslogSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t formatted;
  formatter_->format(message, formatted);
  std::string_view line(formatted.data(), formatted.size());
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (const size_t end = line.find(' '); has_level_word_ && end != std::string_view::npos) line.remove_prefix(end + 1);
  calls_.write(PriorityOf(message.level), std::string(line));
}

std::unique_ptr<spdlog::formatter> SyslogFormatter(conf::LogFormat format) {
  return std::make_unique<spdlog::pattern_formatter>(format == conf::LogFormat::kJson ? R"({"level":"%l",%v})" : "%v");
}

}  // namespace proxy
