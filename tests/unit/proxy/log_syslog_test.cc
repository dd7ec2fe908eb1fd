// Lines for the system's log: priority, ident, facility, and what of a line goes there, by calls that the test has put in place of
// syslog(3). The real syslog(3) is in tests/integration/syslog_test.cc.
#include "proxy/log_syslog.h"

#include <gmock/gmock.h>
#include <spdlog/logger.h>
#include <syslog.h>

#include <memory>
#include <vector>

namespace proxy {
namespace {

using testing::ElementsAre;
using testing::Pair;

class LogSyslogTest : public testing::Test {
 protected:
  std::unique_ptr<spdlog::logger> Logger(const conf::Global& global) {
    auto sink = std::make_shared<SyslogSink>(
        global, SyslogCalls{.open = [this](const char* ident, int options, int facility) { opened_.push_back({ident, options, facility}); },
                            .write = [this](int priority, const std::string& line) { lines_.emplace_back(priority, line); }});
    sink->set_formatter(SyslogFormatter(global.log_format));
    auto logger = std::make_unique<spdlog::logger>("test", std::move(sink));
    logger->set_level(spdlog::level::debug);
    return logger;
  }
  struct Opened {
    std::string ident;
    int options, facility;
    bool operator==(const Opened&) const = default;
  };
  std::vector<Opened> opened_;
  std::vector<std::pair<int, std::string>> lines_;
};

TEST_F(LogSyslogTest, OpensWithIdentAndFacility) {
  conf::Global global;
  global.syslog_ident = "weir-7";
  global.syslog_facility = "local3";
  Logger(global);
  EXPECT_THAT(opened_, ElementsAre(Opened{"weir-7", LOG_PID, LOG_LOCAL3}));
}

TEST_F(LogSyslogTest, TheLevelIsThePriority) {
  const auto logger = Logger(conf::Global{});
  logger->debug("a b=1");
  logger->info("c");
  logger->warn("d %s %n");
  logger->error("e");
  EXPECT_THAT(lines_, ElementsAre(Pair(LOG_DEBUG, "a b=1"), Pair(LOG_INFO, "c"), Pair(LOG_WARNING, "d %s %n"), Pair(LOG_ERR, "e")));
}

TEST_F(LogSyslogTest, PgBouncersWordForTheLevelIsLeftOut) {
  conf::Global global;
  global.log_format = conf::LogFormat::kPgBouncer;
  const auto logger = Logger(global);
  logger->info("LOG C-0x1: a/b@c:1 closing because: x (age=1s)");
  logger->warn("WARNING x");
  logger->info("lonely");
  EXPECT_THAT(lines_, ElementsAre(Pair(LOG_INFO, "C-0x1: a/b@c:1 closing because: x (age=1s)"), Pair(LOG_WARNING, "x"), Pair(LOG_INFO, "lonely")));
}

TEST_F(LogSyslogTest, JsonStaysJson) {
  conf::Global global;
  global.log_format = conf::LogFormat::kJson;
  Logger(global)->warn("\"event\":\"x\"");
  EXPECT_THAT(lines_, ElementsAre(Pair(LOG_WARNING, "{\"level\":\"warning\",\"event\":\"x\"}")));
}

TEST(Facilities, EveryNameThatAConfigurationMayHave) {
  EXPECT_EQ(FacilityOf("auth"), LOG_AUTH);
  EXPECT_EQ(FacilityOf("authpriv"), LOG_AUTHPRIV);
  EXPECT_EQ(FacilityOf("daemon"), LOG_DAEMON);
  EXPECT_EQ(FacilityOf("user"), LOG_USER);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(FacilityOf("local" + std::to_string(i)), LOG_LOCAL0 + (i << 3));
  EXPECT_EQ(FacilityOf("kern"), 0);
}

}  // namespace
}  // namespace proxy
