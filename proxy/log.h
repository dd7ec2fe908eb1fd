// Logs: one line per event, text or JSON, `event` first, then fields; or the lines that PgBouncer has for it (log_pgbouncer.h).
//
// What: Log(level, event, fields). Lines are formed on the calling thread and written by spdlog's own thread, so that a slow
// disk never stops a worker; when its queue is full the oldest lines go. Fields carry names and numbers, never a password, and
// never query text unless the operator asked for it.
// Threads: any.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "conf/config.h"

namespace proxy {

enum class Level : unsigned char { kDebug, kInfo, kWarning, kError };

class LogValue {
 public:
  LogValue(std::string_view text) : text_(text) {}         // NOLINT: values are written in place
  LogValue(const std::string& text) : text_(text) {}       // NOLINT
  LogValue(const char* text) : text_(text) {}              // NOLINT
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  LogValue(Number number) : text_(std::to_string(number)), is_number_(true) {}  // NOLINT
  // A field that this line does not have.
  static LogValue Absent() {
    LogValue value("");
    value.is_absent_ = true;
    return value;
  }
  static LogValue UnlessEmpty(std::string_view text) { return text.empty() ? Absent() : LogValue(text); }
  const std::string& text() const { return text_; }
  bool is_number() const { return is_number_; }
  bool is_absent() const { return is_absent_; }

 private:
  std::string text_;
  bool is_absent_ = false;
  bool is_number_ = false;
};

using LogFields = std::initializer_list<std::pair<std::string_view, LogValue>>;

// Opens (or opens again, after a rotation) the log. False: `error` says which file and why; the old log stays.
bool OpenLog(const conf::Global& global, std::string& error);
// From the next OpenLog on nothing goes to stderr: without a logfile there is no log. PgBouncer's -q.
void SilenceConsole();
void CloseLog();  // writes what is queued
// With PgBouncer's lines always true: an event may stand for lines of other levels.
bool WouldLog(Level level);
void Log(Level level, std::string_view event, LogFields fields);

}  // namespace proxy
