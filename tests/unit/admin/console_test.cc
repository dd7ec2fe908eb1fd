#include "admin/console.h"

#include <gtest/gtest.h>

#include "admin/console_session.h"
#include "tests/unit/admin/console_client.h"

namespace admin {
namespace {

using namespace std::string_literals;
using admin_test::ConsoleClient;
using admin_test::Types;
using test_support::ErrorField;
using test_support::Int16Bytes;
using test_support::Int32Bytes;
using test_support::Message;
using test_support::RowValues;
namespace wire = test_support;

class ConsoleTest : public testing::Test {
 protected:
  ConsoleTest() { control_.snapshot = admin_test::ShopSnapshot(); }

  // Bind with result formats: the tests' own writer knows text only.
  static std::string BindWithFormats(std::string_view portal, std::string_view statement,
                                     const std::vector<int>& formats) {
    std::string body = wire::Text(portal) + wire::Text(statement) + Int16Bytes(0) + Int16Bytes(0) +
                       Int16Bytes(static_cast<int>(formats.size()));
    for (const int format : formats) body += Int16Bytes(format);
    return Message{'B', body}.bytes();
  }

  admin_test::FakeControl control_;
  Console console_{control_, StatsWindow::Time{}};
  ConsoleClient client_{console_, control_};
};

TEST_F(ConsoleTest, SimpleQueryAnswersWithATable) {
  const auto messages = client_.Query("show version;");
  ASSERT_EQ(Types(messages), "TDCZ");
  EXPECT_EQ(RowValues(messages[1]), (wire::Values{"pgweir " PGWEIR_VERSION}));
  EXPECT_EQ(messages[2].body, "SHOW\0"s);
  EXPECT_EQ(messages[3].body, "I");
}

TEST_F(ConsoleTest, CollectsOnlyWhatATableNeeds) {
  client_.Query("SHOW VERSION");
  client_.Query("SHOW CONFIG");
  EXPECT_TRUE(control_.collected.empty());
  client_.Query("SHOW POOLS");
  client_.Query("SHOW CLIENTS");
  client_.Query("SHOW SERVERS");
  using enum proxy::Collecting;
  EXPECT_EQ(control_.collected, (std::vector{kTotals, kClients, kServers}));
}

TEST_F(ConsoleTest, ShowsItselfAsAPool) {
  ConsoleClient second(console_, control_, 2);
  second.Query("SHOW VERSION");
  auto row = RowValues(client_.Query("SHOW POOLS")[1]);
  EXPECT_EQ(row[0], "pgweir");
  EXPECT_EQ(row[2], "2") << "cl_active";
  console_.OnClosed(2);
  EXPECT_EQ(RowValues(client_.Query("SHOW POOLS")[1])[2], "1");
}

TEST_F(ConsoleTest, EmptyQueryHelpAndErrors) {
  EXPECT_EQ(Types(client_.Query(" ; -- nothing")), "IZ");

  auto messages = client_.Query("SHOW HELP");
  ASSERT_EQ(Types(messages), "NCZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "00000");
  EXPECT_EQ(ErrorField(messages[0], 'M'), "Console usage");
  EXPECT_NE(ErrorField(messages[0], 'D').find("KILL_CLIENT id"), std::string::npos);

  messages = client_.Query("SHOW POLS");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "42601");
  EXPECT_NE(ErrorField(messages[0], 'H').find("SHOW POOLS"), std::string::npos);

  for (const std::string& body : {"no zero byte"s, "more\0after"s, ""s}) {
    client_.Send('Q', body);
    messages = client_.Take();
    ASSERT_EQ(Types(messages), "EZ");
    EXPECT_EQ(ErrorField(messages[0], 'C'), "08P01");
    EXPECT_EQ(ErrorField(messages[0], 'S'), "ERROR") << "the session lives";
  }
}

// Every verb with every access, through the console itself: nothing is driven without the right.
TEST_F(ConsoleTest, NobodyDoesWhatHeMayNot) {
  using enum proxy::ConsoleAccess;
  const std::vector<std::pair<std::string, std::string>> controls = {{"RELOAD", "reload"},
                                                                     {"PAUSE shop", "pause:shop"},
                                                                     {"RESUME", "resume:"},
                                                                     {"KILL shop", "kill:shop"},
                                                                     {"KILL_CLIENT 7", "kill_client:7"},
                                                                     {"RECONNECT", "reconnect:"},
                                                                     {"WAIT_CLOSE", "wait_close:"},
                                                                     {"DISABLE shop", "disable:shop"},
                                                                     {"ENABLE shop", "enable:shop"},
                                                                     {"PAUSE TIMEOUT 5s", "pause::5000000"},
                                                                     {"SHUTDOWN", "shutdown now"},
                                                                     {"SHUTDOWN WAIT_FOR_CLIENTS", "shutdown wait_for_clients"},
                                                                     {"SHUTDOWN WAIT_FOR_SERVERS", "shutdown wait_for_servers"}};
  for (const auto& [sql, call] : controls) {
    for (const auto access : {kNone, kStats}) {
      client_.access = access;
      const auto messages = client_.Query(sql);
      ASSERT_EQ(Types(messages), "EZ") << sql;
      EXPECT_EQ(ErrorField(messages[0], 'C'), "42501");
      EXPECT_EQ(ErrorField(messages[0], 'M'), "admin access needed");
    }
    EXPECT_TRUE(control_.calls.empty()) << sql;
    client_.access = kAdmin;
    const auto messages = client_.Query(sql);
    ASSERT_EQ(Types(messages), "CZ") << sql;
    EXPECT_EQ(messages[0].body, sql.substr(0, sql.find(' ')) + '\0');
    EXPECT_EQ(std::exchange(control_.calls, {}), std::vector<std::string>{call});
  }
  client_.access = kNone;
  EXPECT_EQ(Types(client_.Query("SHOW POOLS")), "EZ");
  EXPECT_TRUE(control_.collected.empty());
  client_.access = kStats;
  EXPECT_EQ(Types(client_.Query("SHOW VERSION")), "TDCZ");
  EXPECT_EQ(Types(client_.Query("SET client_encoding TO 'UTF8'")), "CZ");
}

TEST_F(ConsoleTest, TheAdminDatabaseCannotBeDriven) {
  for (const std::string verb : {"PAUSE", "RESUME", "KILL", "RECONNECT", "DISABLE", "ENABLE", "WAIT_CLOSE"}) {
    for (const std::string name : {"pgweir", "pgbouncer"}) {
      const auto messages = client_.Query(verb + ' ' + name);
      ASSERT_EQ(Types(messages), "EZ");
      EXPECT_NE(ErrorField(messages[0], 'M').find(" admin db: " + name), std::string::npos);
    }
  }
  EXPECT_TRUE(control_.calls.empty());
}

TEST_F(ConsoleTest, ControlsErrorsAreTold) {
  control_.control_error = protocol::MakeError(protocol::ErrorCode::kConsoleNoSuchDatabase, "nowhere");
  const auto messages = client_.Query("PAUSE nowhere");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "3D000");
  EXPECT_EQ(ErrorField(messages[0], 'M'), "no such database: nowhere");
}

TEST_F(ConsoleTest, PauseAnswersWhenItIsDone) {
  client_.Send('Q', wire::Text("PAUSE"));
  EXPECT_EQ(client_.replies, 0);
  control_.RunPending();
  EXPECT_EQ(client_.replies, 1);
  EXPECT_EQ(Types(client_.Take()), "CZ");
}

TEST_F(ConsoleTest, AnAnswerAfterTheClientHasGoneIsDropped) {
  client_.Send('Q', wire::Text("PAUSE"));
  console_.OnClosed(1);
  control_.RunPending();
  EXPECT_EQ(client_.replies, 0);

  ConsoleClient extended(console_, control_, 3);
  extended.Exchange(wire::Parse("", "SHOW POOLS") + wire::Bind("", ""));
  extended.Send('E', wire::Text("") + Int32Bytes(0));
  console_.OnClosed(3);
  control_.RunPending();
  EXPECT_EQ(extended.replies, 2) << "Parse and Bind only";
}

TEST_F(ConsoleTest, AnswersThatOutliveTheConsoleAreDropped) {
  auto console = std::make_unique<Console>(control_, StatsWindow::Time{});
  ConsoleClient client(*console, control_);
  client.Send('Q', wire::Text("PAUSE"));
  client.Send('Q', wire::Text("SHOW POOLS"));
  console.reset();
  control_.RunPending();
  EXPECT_EQ(client.replies, 0);
}

TEST_F(ConsoleTest, ReloadTellsItsChanges) {
  control_.changes = {"default_pool_size: 20 -> 40", "database shop: added"};
  const auto messages = client_.Query("RELOAD");
  ASSERT_EQ(Types(messages), "NNCZ");
  EXPECT_EQ(ErrorField(messages[0], 'M'), "default_pool_size: 20 -> 40");
  EXPECT_EQ(ErrorField(messages[1], 'M'), "database shop: added");
  EXPECT_EQ(messages[2].body, "RELOAD\0"s);
}

TEST_F(ConsoleTest, ReloadTellsEveryMistakeWithItsPlace) {
  control_.mistakes = {{.file = "pgweir.toml", .line = 3, .text = "unknown key 'a'"},
                       {.file = "pgweir.toml", .line = 9, .text = "wrong type"}};
  const auto messages = client_.Query("RELOAD");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "F0000");
  EXPECT_EQ(ErrorField(messages[0], 'M'), "reload failed: 2 mistakes");
  EXPECT_EQ(ErrorField(messages[0], 'D'), "pgweir.toml:3: unknown key 'a'\npgweir.toml:9: wrong type");
}

TEST_F(ConsoleTest, ReloadTellsABoundedNumberOfLines) {
  control_.mistakes.assign(kReloadLinesMax + 1, {.file = "f", .line = 1, .text = "x"});
  EXPECT_TRUE(ErrorField(client_.Query("RELOAD")[0], 'D').ends_with("\nand 1 other"));
  control_.mistakes.clear();
  control_.changes.assign(kReloadLinesMax + 2, "a: 1 -> 2");
  const auto messages = client_.Query("RELOAD");
  ASSERT_EQ(messages.size(), kReloadLinesMax + 3);
  EXPECT_EQ(ErrorField(messages[kReloadLinesMax], 'M'), "and 2 other changes");
}

TEST_F(ConsoleTest, SetChangesAKey) {
  control_.changes = {"default_pool_size: 20 -> 40"};
  auto messages = client_.Query("SET default_pool_size = 40");
  ASSERT_EQ(Types(messages), "NCZ");
  EXPECT_EQ(ErrorField(messages[0], 'M'), "default_pool_size: 20 -> 40");
  EXPECT_EQ(messages[1].body, "SET default_pool_size=40\0"s);
  EXPECT_EQ(control_.calls, std::vector<std::string>{"set:default_pool_size=40"});
  control_.mistakes = {{.file = "SET", .line = 0, .text = "unknown key 'default_pool_sise'"}};
  messages = client_.Query("SET default_pool_sise = 40");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_NE(ErrorField(messages[0], 'D').find("unknown key"), std::string::npos);
}

TEST_F(ConsoleTest, DryRunAnswersWithTheChanges) {
  control_.changes = {"default_pool_size: 20 -> 40"};
  auto messages = client_.Query("RELOAD DRY RUN");
  ASSERT_EQ(Types(messages), "TDCZ");
  EXPECT_EQ(RowValues(messages[1]), (wire::Values{"default_pool_size: 20 -> 40"}));
  EXPECT_EQ(messages[2].body, "RELOAD\0"s);
  control_.mistakes = {{.file = "pgweir.toml", .line = 3, .text = "unknown key 'a'"}};
  EXPECT_EQ(ErrorField(client_.Query("RELOAD DRY RUN")[0], 'C'), "F0000");
  EXPECT_TRUE(control_.calls.empty());
}

TEST_F(ConsoleTest, PauseNamesWhoHoldsItUp) {
  setenv("TZ", "UTC", 1);
  tzset();
  proxy::ServerRow server;
  server.remote_pid = 4711;
  server.link_id = 17;
  proxy::ClientRow client;
  client.id = 17;
  client.user = "app";
  client.database = "shop";
  client.application_name = "bil\nling";
  client.addr = "10.0.0.5";
  client.port = 5123;
  client.state = "active";
  client.idle_in_transaction = true;
  client.held_since = proxy::WallTime(std::chrono::seconds(1'700'000'000));
  proxy::ServerRow unlinked;
  unlinked.remote_pid = 4712;
  unlinked.database = "shop";
  unlinked.state = "tested";
  control_.held = {.servers = {server, unlinked}, .clients = {client}};
  control_.control_error = protocol::MakeError(protocol::ErrorCode::kPauseTimeout, "5s");
  const auto messages = client_.Query("PAUSE shop TIMEOUT 5s");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(control_.calls, std::vector<std::string>{"pause:shop:5000000"});
  EXPECT_EQ(ErrorField(messages[0], 'C'), "55P03");
  EXPECT_EQ(ErrorField(messages[0], 'D'),
            "server process 4711: client 17 (user app, database shop, application \"bil?ling\", 10.0.0.5:5123), idle in "
            "transaction, since 2023-11-14 22:13:20 UTC\nserver process 4712: no client, database shop, state tested");
}

TEST_F(ConsoleTest, KillWhereEndsThoseThatMatchButNeverAConsole) {
  const auto add = [this](uint64_t id, const char* database, const char* state) {
    proxy::ClientRow client;
    client.id = id;
    client.database = database;
    client.state = state;
    control_.snapshot.clients.push_back(client);
  };
  add(1, "shop", "idle"), add(2, "shop", "active"), add(3, "other", "idle"), add(4, "pgweir", "idle"), add(5, "pgbouncer", "idle");
  const auto messages = client_.Query("KILL WHERE state = 'idle' OR id = 2");
  ASSERT_EQ(Types(messages), "CZ");
  EXPECT_EQ(messages[0].body, "KILL 3\0"s);
  EXPECT_EQ(control_.calls, std::vector<std::string>{"kill_clients:1,2,3,"});
}

TEST_F(ConsoleTest, WhatCannotBeSaysWhyAndWhatToUse) {
  for (const std::string sql : {"SUSPEND", "SHOW FDS"}) {
    const auto messages = client_.Query(sql);
    ASSERT_EQ(Types(messages), "EZ") << sql;
    EXPECT_EQ(ErrorField(messages[0], 'C'), "0A000");
    EXPECT_FALSE(ErrorField(messages[0], 'D').empty() || ErrorField(messages[0], 'H').empty()) << sql;
  }
}

TEST_F(ConsoleTest, SelectAnswersWithRowsAndTheirNumber) {
  auto messages = client_.Query("SELECT user, cl_waiting AS waiting FROM pools WHERE cl_waiting > 0 ORDER BY user DESC");
  ASSERT_EQ(Types(messages), "TDDCZ");
  EXPECT_EQ(RowValues(messages[1]), (wire::Values{"report", "3"}));
  EXPECT_EQ(messages[3].body, "SELECT 2\0"s);
  messages = client_.Exchange(wire::Parse("", "SELECT count(*) FROM pools") + wire::DescribeStatement("") + wire::Bind("", "") +
                              wire::Execute("") + wire::Sync());
  ASSERT_EQ(Types(messages), "1tT2DCZ");
  EXPECT_EQ(RowValues(messages[4]), (wire::Values{"3"}));
  messages = client_.Query("SELECT usr FROM pools");
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "42703");
  EXPECT_EQ(ErrorField(messages[0], 'P'), "8");
  client_.access = proxy::ConsoleAccess::kNone;
  EXPECT_EQ(ErrorField(client_.Query("SELECT 1")[0], 'C'), "42501");
}

TEST_F(ConsoleTest, TransactionsAreAcceptedWithTheirTags) {
  client_.access = proxy::ConsoleAccess::kStats;
  for (const std::string sql : {"BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK"}) {
    const auto messages = client_.Query(sql);
    ASSERT_EQ(Types(messages), "CZ");
    EXPECT_EQ(messages[0].body, sql + '\0');
    EXPECT_EQ(messages[1].body, "I");
  }
}

TEST_F(ConsoleTest, WelcomeLooksLikePgBouncersToTools) {
  const auto welcome = console_.Welcome();
  const auto has = [&](const std::string& name, const std::string& value) {
    return std::find(welcome.begin(), welcome.end(), std::pair(name, value)) != welcome.end();
  };
  EXPECT_TRUE(has("server_version", "1.25.2/pgweir"));
  EXPECT_TRUE(has("client_encoding", "UTF8"));
  EXPECT_TRUE(has("DateStyle", "ISO"));
  EXPECT_TRUE(has("standard_conforming_strings", "on"));
}

TEST_F(ConsoleTest, AveragesComeFromTheStatsPeriod) {
  using std::chrono::seconds;
  console_.OnStatsPeriod(control_.snapshot, StatsWindow::Time(seconds(10)));
  const auto row = RowValues(client_.Query("SHOW STATS_AVERAGES")[2]);
  EXPECT_EQ(row[0], "shop");
  EXPECT_EQ(row[3], "104");
}

TEST_F(ConsoleTest, ExtendedConversation) {
  const auto messages = client_.Exchange(
      wire::Parse("s", "SHOW STATE") + wire::DescribeStatement("s") + wire::Bind("p", "s") + wire::DescribePortal("p") +
      wire::Execute("p") + wire::ClosePortal("p") + wire::CloseStatement("s") + wire::Flush() + wire::Sync());
  ASSERT_EQ(Types(messages), "1tT2TDDDDC33Z");
  EXPECT_EQ(messages[1].body, Int16Bytes(0)) << "no parameters";
  EXPECT_EQ(messages[2], messages[4]);
  EXPECT_EQ(RowValues(messages[5]), (wire::Values{"active", "yes"}));
  EXPECT_EQ(messages[9].body, "SHOW\0"s);
}

TEST_F(ConsoleTest, ExtendedWithoutRowsAndEmpty) {
  EXPECT_EQ(Types(client_.Exchange(wire::Parse("", "RELOAD") + wire::DescribeStatement("") + wire::Bind("", "") +
                                   wire::DescribePortal("") + wire::Execute("", 1) + wire::Sync())),
            "1tn2nCZ");
  EXPECT_EQ(control_.calls, std::vector<std::string>{"reload"});
  EXPECT_EQ(Types(client_.Exchange(wire::Parse("", "") + wire::Bind("", "") + wire::DescribePortal("") +
                                   wire::Execute("") + wire::Sync())),
            "12nIZ");
}

TEST_F(ConsoleTest, AccessIsAskedAtExecute) {
  client_.access = proxy::ConsoleAccess::kStats;
  const auto messages =
      client_.Exchange(wire::Parse("", "KILL shop") + wire::Bind("", "") + wire::Execute("") + wire::Sync());
  ASSERT_EQ(Types(messages), "12EZ");
  EXPECT_EQ(ErrorField(messages[2], 'C'), "42501");
  EXPECT_TRUE(control_.calls.empty());
}

TEST_F(ConsoleTest, PortalsAreFetchedInParts) {
  const std::string start = wire::Parse("s", "SHOW STATE") + wire::Bind("p", "s");  // four rows
  EXPECT_EQ(Types(client_.Exchange(start + wire::Execute("p", 3) + wire::Execute("p", 3) + wire::Sync())), "12DDDsDCZ");
  EXPECT_EQ(
      Types(client_.Exchange(wire::Bind("p", "s") + wire::Execute("p", 4) + wire::Execute("p", 4) + wire::Sync())),
      "2DDDDsCZ");
  const auto messages = client_.Exchange(wire::Bind("p", "s") + wire::Execute("p") + wire::Execute("p") +
                                         wire::Bind("q", "s") + wire::Sync());
  ASSERT_EQ(Types(messages), "2DDDDCEZ") << "a finished portal runs no second time";
  EXPECT_EQ(ErrorField(messages[6], 'C'), "55000");
}

TEST_F(ConsoleTest, PortalsEndAtSyncAndAtQuery) {
  client_.Exchange(wire::Parse("s", "SHOW STATE") + wire::Bind("p", "s") + wire::Sync());
  auto messages = client_.Exchange(wire::Execute("p") + wire::Sync());
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "34000");

  messages = client_.Exchange(wire::Parse("", "SHOW STATE") + wire::Bind("p", "s") + wire::Query("SHOW VERSION") +
                              wire::DescribePortal("p") + wire::Sync() + wire::Bind("", "") + wire::Sync());
  ASSERT_EQ(Types(messages), "12TDCZEZEZ");
  EXPECT_EQ(ErrorField(messages[6], 'C'), "34000");
  EXPECT_EQ(ErrorField(messages[8], 'C'), "26000") << "the unnamed statement ends at Query";
}

TEST_F(ConsoleTest, AnErrorSkipsToTheNextSync) {
  const auto messages =
      client_.Exchange(wire::Parse("", "SHOW POLS") + wire::Bind("", "") + wire::Execute("") + wire::Query("RELOAD") +
                       Message{'F', ""}.bytes() + wire::Sync() + wire::Query("SHOW VERSION"));
  EXPECT_EQ(Types(messages), "EZTDCZ");
  EXPECT_TRUE(control_.calls.empty());
}

TEST_F(ConsoleTest, BinaryResults) {
  auto messages = client_.Exchange(wire::Parse("s", "SHOW LISTS") + BindWithFormats("", "s", {1}) +
                                   wire::DescribePortal("") + wire::Execute("") + wire::Sync());
  ASSERT_EQ(Types(messages).substr(0, 4), "12TD");
  EXPECT_EQ(messages[2].body.substr(messages[2].body.size() - 2), Int16Bytes(1));
  EXPECT_EQ(RowValues(messages[3]), (wire::Values{"databases", Int32Bytes(3)}));

  messages = client_.Exchange(BindWithFormats("", "s", {0, 1}) + wire::Execute("") + wire::Sync());
  EXPECT_EQ(RowValues(messages[1]), (wire::Values{"databases", Int32Bytes(3)}));

  messages = client_.Exchange(wire::Parse("t", "SHOW TOTALS") + BindWithFormats("", "t", {1}) + wire::Sync());
  ASSERT_EQ(Types(messages), "12Z");
}

TEST_F(ConsoleTest, AValueTooLargeForItsBinaryFormIsAnError) {
  proxy::ClientRow client;
  client.id = uint64_t{1} << 40;
  control_.snapshot.clients = {client};
  const auto messages = client_.Exchange(wire::Parse("", "SHOW CLIENTS") + BindWithFormats("", "", {1}) +
                                         wire::Execute("") + wire::Sync());
  ASSERT_EQ(Types(messages), "12EZ");
  EXPECT_EQ(ErrorField(messages[2], 'C'), "22003");
}

TEST_F(ConsoleTest, RefusalsOfTheConversation) {
  const auto code = [&](const std::string& bytes) {
    const auto messages = client_.Exchange(bytes + wire::Sync());
    EXPECT_EQ(Types(messages), "EZ");
    return messages.empty() ? "" : ErrorField(messages[0], 'C');
  };
  client_.Exchange(wire::Parse("s", "SHOW STATE") + wire::Sync());
  EXPECT_EQ(code(wire::Parse("s", "SHOW STATE")), "42P05");
  EXPECT_EQ(code(wire::Parse("x", "SHOW STATE", {23})), "0A000");
  EXPECT_EQ(code(wire::Parse("x", "PAUSE $1")), "42601");
  EXPECT_EQ(code(wire::Parse(std::string(kConsoleNameBytesMax + 1, 'x'), "SHOW STATE")), "42622");
  EXPECT_EQ(code(wire::Bind("", "nothing")), "26000");
  EXPECT_EQ(code(wire::Bind("", "s", {"1"})), "08P01");
  EXPECT_EQ(code(BindWithFormats("", "s", {0, 0, 0})), "08P01");
  EXPECT_EQ(code(BindWithFormats("", "s", {2})), "08P01");
  EXPECT_EQ(code(wire::DescribeStatement("nothing")), "26000");
  EXPECT_EQ(code(wire::DescribePortal("nothing")), "34000");
  EXPECT_EQ(code(wire::Execute("nothing")), "34000");
  EXPECT_EQ(code(Message{'?', ""}.bytes()), "08P01");
  EXPECT_EQ(code(Message{'p', "secret"}.bytes()), "08P01");

  const auto again = client_.Exchange(wire::Bind("p", "s") + wire::Bind("p", "s") + wire::Sync());
  ASSERT_EQ(Types(again), "2EZ");
  EXPECT_EQ(ErrorField(again[1], 'C'), "42P03");
  EXPECT_EQ(Types(client_.Exchange(wire::CloseStatement("nothing") + wire::ClosePortal("nothing") + wire::Sync())),
            "33Z");
  EXPECT_EQ(Types(client_.Exchange(Message{'F', ""}.bytes())), "EZ");
  EXPECT_EQ(Types(client_.Exchange(wire::CopyData("x") + wire::CopyDone() + wire::CopyFail("y") + wire::Flush())), "");
}

TEST_F(ConsoleTest, StatementsAndPortalsAreBounded) {
  std::string bytes;
  for (size_t i = 0; i < kConsoleStatementsMax; ++i) bytes += wire::Parse("s" + std::to_string(i), "SHOW STATE");
  EXPECT_EQ(Types(client_.Exchange(bytes + wire::Sync())), std::string(kConsoleStatementsMax, '1') + "Z");
  auto messages = client_.Exchange(wire::Parse("more", "SHOW STATE") + wire::Sync());
  ASSERT_EQ(Types(messages), "EZ");
  EXPECT_EQ(ErrorField(messages[0], 'C'), "54000");
  EXPECT_EQ(Types(client_.Exchange(wire::CloseStatement("s0") + wire::Parse("more", "SHOW STATE") + wire::Sync())),
            "31Z");

  bytes.clear();
  for (size_t i = 0; i <= kConsolePortalsMax; ++i) bytes += wire::Bind("p" + std::to_string(i), "s1");
  messages = client_.Exchange(bytes + wire::Sync());
  EXPECT_EQ(Types(messages), std::string(kConsolePortalsMax, '2') + "EZ");
}

TEST_F(ConsoleTest, ClientsDoNotShareStatements) {
  client_.Exchange(wire::Parse("s", "SHOW STATE") + wire::Sync());
  ConsoleClient other(console_, control_, 2);
  EXPECT_EQ(Types(other.Exchange(wire::Bind("", "s") + wire::Sync())), "EZ");
  console_.OnClosed(1);
  EXPECT_EQ(Types(client_.Exchange(wire::Bind("", "s") + wire::Sync())), "EZ") << "forgotten with the client";
}

// Each message cut at each byte: exactly one reply, and the session lives on.
TEST_F(ConsoleTest, EveryMessageCutAtEveryByte) {
  client_.Exchange(wire::Parse("s", "SHOW STATE") + wire::Sync());
  const std::string all = wire::Query("SHOW STATE") + wire::Parse("x", "SHOW STATE", {23, 25}) +
                          wire::Bind("p", "s", {"1", std::nullopt}) + BindWithFormats("q", "s", {0, 1}) +
                          wire::DescribePortal("p") + wire::Execute("p", 1) + wire::CloseStatement("x");
  for (const Message& message : admin_test::Cut(all)) {
    for (size_t length = 0; length < message.body.size(); ++length) {
      const int before = client_.replies;
      client_.Send(message.type, message.body.substr(0, length));
      control_.RunPending();
      EXPECT_EQ(client_.replies, before + 1) << message.type << length;
      EXPECT_EQ(Types(client_.Take())[0], 'E') << message.type << length;
      ASSERT_EQ(Types(client_.Exchange(wire::Sync())), "Z");
    }
  }
  EXPECT_EQ(Types(client_.Query("SHOW VERSION")), "TDCZ");
}

TEST_F(ConsoleTest, LengthsThatLieAreRefused) {
  client_.Exchange(wire::Parse("s", "SHOW STATE") + wire::Sync());
  const std::string head = wire::Text("") + wire::Text("s");
  for (const std::string& body :
       {head + Int16Bytes(-1) + Int16Bytes(0) + Int16Bytes(0), head + Int16Bytes(0) + Int16Bytes(-1) + Int16Bytes(0),
        head + Int16Bytes(0) + Int16Bytes(1) + Int32Bytes(0x7fffffff) + Int16Bytes(0),
        head + Int16Bytes(0) + Int16Bytes(1) + Int32Bytes(-2) + Int16Bytes(0),
        head + Int16Bytes(0) + Int16Bytes(0) + Int16Bytes(-1),
        head + Int16Bytes(0) + Int16Bytes(0) + Int16Bytes(0) + "x"}) {
    const auto messages = client_.Exchange(Message{'B', body}.bytes() + wire::Sync());
    ASSERT_EQ(Types(messages), "EZ");
    EXPECT_EQ(ErrorField(messages[0], 'M'), "malformed Bind message");
  }
}

}  // namespace
}  // namespace admin
