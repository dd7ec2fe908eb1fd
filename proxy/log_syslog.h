// The system's log as a place where log lines go, beside logfile or stderr (syslog = 1).
//
// What: a sink for spdlog over syslog(3). Not spdlog's own one: that closes the log when it is destroyed, behind the back of the
// next one, which after a RELOAD would go on without ident and facility. As in PgBouncer a line has no time in front (the system's log
// knows it) and no word for the level (it is the priority): LOG is info, WARNING warning, ERROR and FATAL err, DEBUG debug.
// Threads: any; lines are written by spdlog's own thread, so that a log that does not take them stops no worker.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <functional>
#include <mutex>
#include <string>

#include "conf/config.h"

namespace proxy {

// What the system has for it; a test has something else.
struct SyslogCalls {
  std::function<void(const char* ident, int options, int facility)> open;
  std::function<void(int priority, const std::string& line)> write;
};
SyslogCalls SystemSyslog();

// 0 for a name that syslog(3) does not have.
int FacilityOf(std::string_view name);

class SyslogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  SyslogSink(const conf::Global& global, SyslogCalls calls);

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  const SyslogCalls calls_;
  const bool has_level_word_;  // at the front of each line
};

// What stands in front of a line's own text there.
std::unique_ptr<spdlog::formatter> SyslogFormatter(conf::LogFormat format);

}  // namespace proxy
