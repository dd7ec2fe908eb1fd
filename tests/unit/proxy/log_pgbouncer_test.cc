// PgBouncer's lines for our events. What PgBouncer really prints is held against pgweir by integration/log_beside_test.
#include "proxy/log_pgbouncer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <regex>
#include <sstream>

#include "tests/support/temporary_folder.h"

namespace proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Texts(Level level, std::string_view event, LogFields fields) {
  std::vector<std::string> texts;
  for (auto& line : RenderForPgBouncer(level, event, fields)) texts.push_back(std::move(line.text));
  return texts;
}
std::vector<std::string> Texts(std::string_view event, LogFields fields) { return Texts(Level::kInfo, event, fields); }

TEST(LogPgBouncer, AClientFromLoginToEnd) {
  EXPECT_THAT(Texts("login_attempt",
                    {{"client", 42}, {"database", "shop"}, {"user", "app"}, {"addr", "127.0.0.1"}, {"port", 5000}, {"tls", "no"}}),
              ElementsAre("LOG C-0x2a: shop/app@127.0.0.1:5000 login attempt: db=shop user=app tls=no replication=no"));
  const auto attempt = [](const char* replication) { return Texts("login_attempt", {{"client", 42}, {"replication", replication}}).at(0); };
  EXPECT_THAT(attempt("none"), testing::EndsWith("replication=no"));
  EXPECT_THAT(attempt("logical"), testing::EndsWith("replication=database")) << "the words of PgBouncer 1.25";
  EXPECT_THAT(attempt("physical"), testing::EndsWith("replication=yes"));
  EXPECT_THAT(Texts("client_login", {{"client", 42}}), IsEmpty()) << "PgBouncer tells the attempt only";
  EXPECT_THAT(Texts("client_close", {{"client", 42}, {"database", "shop"}, {"user", "app"}, {"addr", "unix(77)"}, {"port", 6432},
                                     {"reason", "client close request"}, {"total_ms", 3999}}),
              ElementsAre("LOG C-0x2a: shop/app@unix(77):6432 closing because: client close request (age=3s)"));
}

TEST(LogPgBouncer, ARefusalHasPgBouncersWords) {
  const auto refused = [](const char* reason, const char* message, const char* auth = "") {
    const LogFields fields = {{"client", 1},      {"database", "d"},    {"user", "u"},   {"addr", "::1"}, {"port", 2}, {"age", 0},
                              {"reason", reason}, {"message", message}, {"detail", "why"}, {"auth", auth}};
    auto lines = Texts("client_close", fields);
    for (auto& line : Texts(Level::kWarning, "pooler_error", fields)) lines.push_back(std::move(line));
    return lines;
  };
  const std::string who = "C-0x1: d/u@::1:2 ";
  EXPECT_THAT(refused("password_failed", "ours"), ElementsAre("LOG " + who + "closing because: password authentication failed (age=0s)",
                                                              "WARNING " + who + "pooler error: password authentication failed"));
  EXPECT_EQ(refused("password_failed", "ours", "scram-sha-256")[1], "WARNING " + who + "pooler error: SASL authentication failed");
  EXPECT_EQ(refused("unknown_database", "ours")[1], "WARNING " + who + "pooler error: no such database: d");
  EXPECT_EQ(refused("query_wait_timeout", "ours")[1], "WARNING " + who + "pooler error: query_wait_timeout");
  EXPECT_EQ(refused("killed", "ours")[1], "WARNING " + who + "pooler error: admin forced disconnect");
  EXPECT_EQ(refused("backend_down", "ours")[1],
            "WARNING " + who + "pooler error: server login has been failing, cached error: why (server_login_retry)");
  EXPECT_EQ(refused("queue_full", "what only we have")[1], "WARNING " + who + "pooler error: what only we have");
}

TEST(LogPgBouncer, SomebodyWhoNeverSaidWhoItIs) {
  EXPECT_THAT(Texts("client_close", {{"client", 1}, {"database", ""}, {"user", ""}, {"addr", "10.0.0.1"}, {"port", 9},
                                     {"reason", "protocol_violation"}, {"message", "bad packet"}}),
              ElementsAre("LOG C-0x1: (nodb)/(nouser)@10.0.0.1:9 closing because: bad packet (age=0s)"));
}

TEST(LogPgBouncer, AServerFromConnectToEnd) {
  EXPECT_THAT(Texts("server_connect", {{"server", 16}, {"database", "shop"}, {"user", "app"}, {"addr", "10.0.0.5"}, {"port", 5432},
                                       {"from_addr", "10.0.0.1"}, {"from_port", 40000}}),
              ElementsAre("LOG S-0x10: shop/app@10.0.0.5:5432 new connection to server (from 10.0.0.1:40000)"));
  EXPECT_THAT(Texts("server_connect", {{"server", 16}, {"database", "shop"}, {"user", "app"}, {"addr", "unix"}, {"port", 5432}}),
              ElementsAre("LOG S-0x10: shop/app@unix:5432 new connection to server"));
  EXPECT_THAT(Texts("server_login", {{"server", 16}, {"tls", "none"}}), IsEmpty());
  EXPECT_THAT(Texts("server_login", {{"server", 16}, {"database", "a"}, {"user", "b"}, {"addr", "h"}, {"port", 1}, {"tls", "TLSv1.3/X"}}),
              ElementsAre("LOG S-0x10: a/b@h:1 SSL established: TLSv1.3/X"));
  const auto closed = [](const char* reason) {
    return Texts("server_close", {{"server", 1}, {"database", "a"}, {"user", "b"}, {"addr", "h"}, {"port", 1}, {"age", 7}, {"reason", reason}}).at(0);
  };
  EXPECT_EQ(closed("server idle timeout"), "LOG S-0x1: a/b@h:1 closing because: server idle timeout (age=7s)");
  EXPECT_EQ(closed("cleaning took too long"), "LOG S-0x1: a/b@h:1 closing because: client disconnect while server was not ready (age=7s)");
}

TEST(LogPgBouncer, AServerThatFailsOrIsLost) {
  EXPECT_THAT(Texts("server_login_failed", {{"server", 1}, {"database", "a"}, {"user", "b"}, {"addr", "h"}, {"port", 1}, {"age", 0},
                                            {"refusal", "FATAL database \"x\" does not exist"}}),
              ElementsAre("WARNING server login failed: FATAL database \"x\" does not exist",
                          "LOG S-0x1: a/b@h:1 closing because: login failed (age=0s)"));
  EXPECT_THAT(Texts("server_login_failed", {{"server", 1}, {"database", "a"}, {"user", "b"}, {"addr", "h"}, {"port", 1}, {"age", 0},
                                            {"cause", "h:1: Connection refused"}}),
              ElementsAre("WARNING S-0x1: a/b@h:1 cannot connect: h:1: Connection refused",
                          "LOG S-0x1: a/b@h:1 closing because: connect failed (age=0s)"));
  EXPECT_THAT(Texts("server_lost", {{"server", 1}, {"database", "a"}, {"user", "b"}, {"addr", "h"}, {"port", 1}, {"age", 9},
                                    {"linked", "no"}, {"fatal", "yes"}}),
              ElementsAre("WARNING S-0x1: a/b@h:1 got packet 'E' from server when not linked",
                          "LOG S-0x1: a/b@h:1 closing because: server conn crashed? (age=9s)"));
}

TEST(LogPgBouncer, TheProcess) {
  EXPECT_THAT(Texts("descriptor_limit", {{"limit", 1024}, {"hard", 4096}, {"max_client_conn", 100}, {"needed", 172}}),
              ElementsAre("LOG kernel file descriptor limit: 1024 (hard: 4096); max_client_conn: 100, max expected fd use: 172"));
  EXPECT_THAT(Texts("listening", {{"addr", "127.0.0.1"}, {"port", 6432}}), ElementsAre("LOG listening on 127.0.0.1:6432"));
  EXPECT_THAT(Texts("listening", {{"addr", "::"}, {"port", 6432}}), ElementsAre("LOG listening on [::]:6432"));
  EXPECT_THAT(Texts("listening", {{"path", "/tmp/.s.PGSQL.6432"}}), ElementsAre("LOG listening on unix:/tmp/.s.PGSQL.6432"));
  EXPECT_THAT(Texts(Level::kError, "listen_failed", {{"cause", "cannot listen on x"}}),
              ElementsAre("WARNING cannot listen on x", "FATAL nowhere to listen on"));
  EXPECT_THAT(Texts("signal", {{"name", "SIGHUP"}, {"does", "reload"}}), ElementsAre("LOG got SIGHUP, re-reading config"));
  EXPECT_THAT(Texts("signal", {{"name", "SIGTERM"}, {"does", "wait_for_clients"}}),
              ElementsAre("LOG got SIGTERM, shutting down, waiting for all clients disconnect"));
  EXPECT_THAT(Texts("signal", {{"name", "SIGINT"}, {"does", "wait_for_servers"}}),
              ElementsAre("LOG got SIGINT, shutting down, waiting for all servers connections to be released"));
  EXPECT_THAT(Texts("signal", {{"name", "SIGINT"}, {"does", "stop_drain"}}), ElementsAre("LOG got SIGINT while shutting down, fast exit"));
  EXPECT_THAT(Texts("console_command", {{"command", "PAUSE"}}), ElementsAre("LOG PAUSE command issued"));
  EXPECT_THAT(Texts("console_command", {{"command", "PAUSE"}, {"argument", "app"}}), ElementsAre("LOG PAUSE 'app' command issued"));
  EXPECT_THAT(Texts("paused", {{"database", "all"}}), IsEmpty()) << "told by the command";
  EXPECT_THAT(Texts(Level::kError, "reload_failed", {{"cause", "one"}, {"is_last", "no"}}), ElementsAre("ERROR one"));
  EXPECT_THAT(Texts(Level::kError, "reload_failed", {{"cause", "two"}}), ElementsAre("ERROR two", "WARNING config file loading failed"));
}

TEST(LogPgBouncer, Stats) {
  EXPECT_THAT(Texts("stats", {{"xacts_per_s", 1}, {"queries_per_s", 2}, {"client_parses_per_s", 3}, {"server_parses_per_s", 4},
                              {"binds_per_s", 5}, {"in_bytes_per_s", 6}, {"out_bytes_per_s", 7}, {"xact_us", 8}, {"query_us", 9}, {"wait_us", 10}}),
              ElementsAre("LOG stats: 1 xacts/s, 2 queries/s, 3 client parses/s, 4 server parses/s, 5 binds/s, in 6 B/s, out 7 B/s, "
                          "xact 8 us, query 9 us, wait 10 us"));
}

TEST(LogPgBouncer, WhatPgBouncerDoesNotKnowIsNotLost) {
  EXPECT_THAT(Texts(Level::kWarning, "pool_overloaded", {{"database", "shop"}, {"shed", 3}, {"hint", LogValue::Absent()}}),
              ElementsAre("WARNING pool_overloaded database=shop shed=3"));
}

TEST(LogPgBouncer, ANameCannotForgeALine) {
  const auto lines = Texts("login_attempt", {{"client", 1}, {"database", "d"}, {"user", "x\n2026 LOG y\r\x1b[2J\x7f"}, {"addr", "h"}, {"port", 1}});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find_first_of("\n\r\x1b\x7f"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("user=x\\x0a2026 LOG y\\x0d\\x1b[2J\\x7f"), std::string::npos) << lines[0];
}

// The whole line, as it is in the file.
TEST(LogPgBouncer, TimeZoneProcessAndLevelStandInFront) {
  const test_support::TemporaryFolder folder;
  conf::Global global;
  global.logfile = folder.File("log");
  global.log_format = conf::LogFormat::kPgBouncer;
  std::string error;
  ASSERT_TRUE(OpenLog(global, error)) << error;
  EXPECT_TRUE(WouldLog(Level::kDebug)) << "it may become a line of another level";
  Log(Level::kDebug, "listening", {{"addr", "127.0.0.1"}, {"port", 6432}});
  Log(Level::kDebug, "of no use to PgBouncer", {});
  Log(Level::kError, "accept_paused", {{"cause", "x y"}});
  CloseLog();
  std::istringstream text(test_support::ReadFile(global.logfile));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 2u);
  const std::string front = R"(^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z+\-0-9]+ \[)" + std::to_string(getpid()) + R"(\] )";
  EXPECT_TRUE(std::regex_match(lines[0], std::regex(front + R"(LOG listening on 127\.0\.0\.1:6432)"))) << lines[0];
  EXPECT_TRUE(std::regex_match(lines[1], std::regex(front + R"(ERROR accept_paused cause=x y)"))) << lines[1];
}

}  // namespace
}  // namespace proxy
