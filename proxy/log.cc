#include "proxy/log.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <ctime>
#include <mutex>
#include <vector>

#include "proxy/log_pgbouncer.h"
#include "proxy/log_syslog.h"

namespace proxy {
namespace {

constexpr size_t kQueueLines = 8192;

// The time zone's name, which spdlog's patterns do not have: "2026-11-30 10:00:00.000 UTC [4711] LOG ...".
class ZoneName final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm& time, spdlog::memory_buf_t& out) override {
    char name[32];
    const size_t length = std::strftime(name, sizeof name, "%Z", &time);
    out.append(name, name + length);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<ZoneName>(); }
};

std::unique_ptr<spdlog::formatter> FormatterOf(conf::LogFormat format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<ZoneName>('*');
  switch (format) {
    case conf::LogFormat::kText: formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %z %l %v"); break;
    case conf::LogFormat::kJson: formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"); break;
    case conf::LogFormat::kPgBouncer: formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %* [%P] %v"); break;
  }
  return formatter;
}

struct State {
  std::mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;  // replaced only by OpenLog; read with std::atomic_load
  std::atomic<Level> level{Level::kInfo};
  std::atomic<conf::LogFormat> format{conf::LogFormat::kText};
  bool is_console_silent = false;
};

State& TheState() {
  static State state;
  return state;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Length of the UTF-8 character at the front (no overlong form, no surrogate), 0 when there is none.
size_t Utf8Length(std::string_view text) {
  const auto at = [text](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = at(0);
  const size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = at(1);
  const bool is_wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
                        (first == 0xf4 && second >= 0x90);
  return is_wrong ? 0 : length;
}

// Names come from the wire in any encoding; JSON is UTF-8, so what is not becomes U+FFFD.
void AppendJsonString(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const char c = text[0];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      const size_t length = Utf8Length(text);
      out += length > 0 ? text.substr(0, length) : "\xef\xbf\xbd";
      text.remove_prefix(std::max<size_t>(length, 1));
      continue;
    }
    text.remove_prefix(1);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

// Control characters would let a user name forge a line.
void AppendTextValue(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos;
  if (!plain) out.push_back('"');
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
  }
  if (!plain) out.push_back('"');
}

}  // namespace

bool OpenLog(const conf::Global& global, std::string& error) {
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  try {
    spdlog::sink_ptr sink;
    if (global.logfile.empty() && state.is_console_silent) {
      sink = std::make_shared<spdlog::sinks::null_sink_mt>();
    } else if (global.logfile.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(global.logfile);
    }
    std::vector<spdlog::sink_ptr> sinks{std::move(sink)};
    sinks.front()->set_formatter(FormatterOf(global.log_format));
    if (global.syslog) {
      sinks.push_back(std::make_shared<SyslogSink>(global, SystemSyslog()));
      sinks.back()->set_formatter(SyslogFormatter(global.log_format));
    }
    if (!state.pool) state.pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
    auto logger = std::make_shared<spdlog::async_logger>("pgweir", sinks.begin(), sinks.end(), state.pool,
                                                         spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(spdlog::level::debug);
    logger->flush_on(spdlog::level::debug);
    state.format = global.log_format;
    state.level = static_cast<Level>(global.log_level);
    std::atomic_store(&state.logger, std::move(logger));
  } catch (const spdlog::spdlog_ex& failure) {
    error = "logfile " + global.logfile + ": " + failure.what();
    return false;
  }
  return true;
}

void SilenceConsole() {
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  state.is_console_silent = true;
}

void CloseLog() {
  State& state = TheState();
  std::lock_guard lock(state.mutex);
  const auto last = std::atomic_exchange(&state.logger, std::shared_ptr<spdlog::async_logger>());
  state.pool.reset();  // joins its thread after the queue is written; the logger goes after it
}

bool WouldLog(Level level) {
  const State& state = TheState();
  return level >= state.level.load(std::memory_order_relaxed) ||
         state.format.load(std::memory_order_relaxed) == conf::LogFormat::kPgBouncer;
}

void Log(Level level, std::string_view event, LogFields fields) {
  if (!WouldLog(level)) return;
  State& state = TheState();
  const auto logger = std::atomic_load(&state.logger);
  if (!logger) return;
  const auto format = state.format.load(std::memory_order_relaxed);
  if (format == conf::LogFormat::kPgBouncer) {
    for (const PgBouncerLine& line : RenderForPgBouncer(level, event, fields)) {
      if (line.level >= state.level.load(std::memory_order_relaxed)) logger->log(ToSpdlog(line.level), spdlog::string_view_t(line.text));
    }
    return;
  }
  std::string line;
  if (format == conf::LogFormat::kJson) {
    line = "\"event\":";
    AppendJsonString(line, event);
    for (const auto& [name, value] : fields) {
      if (value.is_absent()) continue;
      line.push_back(',');
      AppendJsonString(line, name);
      line.push_back(':');
      if (value.is_number()) line += value.text();
      else AppendJsonString(line, value.text());
    }
  } else {
    line = event;
    for (const auto& [name, value] : fields) {
      if (value.is_absent()) continue;
      line.push_back(' ');
      line += name;
      line.push_back('=');
      AppendTextValue(line, value.text());
    }
  }
  logger->log(ToSpdlog(level), spdlog::string_view_t(line));
}

}  // namespace proxy
