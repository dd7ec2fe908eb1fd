#include "admin/command.h"

#include <gtest/gtest.h>

#include <set>

namespace admin {
namespace {

using proxy::ConsoleAccess;
using ShutdownKind = proxy::Control::ShutdownKind;

// Every verb that a stats user may use; all others are for administrators. Written here a second time on purpose.
const std::set<VerbId> kStatsVerbs = {
    VerbId::kShowPools,   VerbId::kShowClients, VerbId::kShowServers,       VerbId::kShowDatabases,
    VerbId::kShowUsers,   VerbId::kShowStats,   VerbId::kShowStatsTotals,   VerbId::kShowStatsAverages,
    VerbId::kShowTotals,  VerbId::kShowLists,   VerbId::kShowConfig,        VerbId::kShowState,
    VerbId::kShowVersion, VerbId::kShowHelp,    VerbId::kShowDriverSetting, VerbId::kSetDriverSetting,
    VerbId::kShowPins,    VerbId::kShowSockets, VerbId::kShowActiveSockets, VerbId::kShowHolders,
    VerbId::kShowWaiters, VerbId::kShowErrors,  VerbId::kShowMem,           VerbId::kShowDnsHosts, VerbId::kShowHosts,
    VerbId::kShowDnsZones, VerbId::kShowPeers,  VerbId::kShowPeerPools,     VerbId::kSelect,
    VerbId::kTransaction, VerbId::kShowCapacity, VerbId::kShowAdvice};

TEST(Verbs, EveryVerbHasOneRowAndAnAccess) {
  EXPECT_EQ(Verbs().size(), static_cast<size_t>(VerbId::kCount_));
  for (size_t i = 0; i < static_cast<size_t>(VerbId::kCount_); ++i) {
    const Verb* verb = FindVerb(static_cast<VerbId>(i));
    ASSERT_NE(verb, nullptr) << i;
    EXPECT_NE(verb->access, ConsoleAccess::kNone) << verb->words;
    EXPECT_FALSE(verb->usage.empty() || verb->tag.empty()) << verb->words;
  }
}

TEST(Verbs, AccessMatrix) {
  for (const Verb& verb : Verbs()) {
    EXPECT_FALSE(IsAllowed(&verb, ConsoleAccess::kNone)) << verb.words;
    EXPECT_EQ(IsAllowed(&verb, ConsoleAccess::kStats), kStatsVerbs.contains(verb.id)) << verb.words;
    EXPECT_TRUE(IsAllowed(&verb, ConsoleAccess::kAdmin)) << verb.words;
  }
}

TEST(Verbs, WithoutARowOrAnAccessItIsNobodys) {
  EXPECT_FALSE(IsAllowed(nullptr, ConsoleAccess::kAdmin));
  Verb forgotten = *FindVerb(VerbId::kKill);
  forgotten.access = ConsoleAccess::kNone;
  EXPECT_FALSE(IsAllowed(&forgotten, ConsoleAccess::kAdmin));
}

struct Good {
  const char* sql;
  VerbId verb;
  const char* argument = "";
  const char* value = "";
};

class GoodCommand : public testing::TestWithParam<Good> {};

TEST_P(GoodCommand, IsParsed) {
  const auto command = ParseCommand(GetParam().sql);
  ASSERT_TRUE(command) << command.error().message;
  ASSERT_NE(command->verb, nullptr);
  EXPECT_EQ(command->verb->id, GetParam().verb);
  EXPECT_EQ(command->argument, GetParam().argument);
  EXPECT_EQ(command->value, GetParam().value);
}

INSTANTIATE_TEST_SUITE_P(
    Statements, GoodCommand,
    testing::Values(Good{"SHOW POOLS", VerbId::kShowPools}, Good{"show pools;", VerbId::kShowPools},
                    Good{"  ShOw\n\tpools ; ; ", VerbId::kShowPools},
                    Good{"/* a /* nested */ one */ SHOW--x\nPOOLS", VerbId::kShowPools},
                    Good{"SHOW \"pools\"", VerbId::kShowPools}, Good{"show Pins;", VerbId::kShowPins},
                    Good{"SHOW STATS_TOTALS -- end", VerbId::kShowStatsTotals},
                    Good{"SHOW Client_Encoding", VerbId::kShowDriverSetting, "client_encoding"},
                    Good{"SHOW \"DateStyle\"", VerbId::kShowDriverSetting, "datestyle"}, Good{"PAUSE", VerbId::kPause},
                    Good{"pause Shop", VerbId::kPause, "Shop"}, Good{"PAUSE \"a;b \"\"c\"", VerbId::kPause, "a;b \"c"},
                    Good{"KILL 'it''s'", VerbId::kKill, "it's"}, Good{"RESUME my-db.1", VerbId::kResume, "my-db.1"},
                    Good{"RECONNECT shop/* c */", VerbId::kReconnect, "shop"}, Good{"RELOAD", VerbId::kReload},
                    Good{"SET client_encoding TO 'UTF8'", VerbId::kSetDriverSetting, "client_encoding", "UTF8"},
                    Good{"SET extra_float_digits=3", VerbId::kSetDriverSetting, "extra_float_digits", "3"},
                    Good{"SET SESSION DateStyle = ISO, DMY", VerbId::kSetDriverSetting, "datestyle", "ISO, DMY"},
                    Good{"set default_pool_size = 40", VerbId::kSetKey, "default_pool_size", "40"},
                    Good{"set session = 40", VerbId::kSetKey, "session", "40"},
                    Good{"SET application_name = ''", VerbId::kSetDriverSetting, "application_name", ""},
                    Good{"BEGIN", VerbId::kTransaction, "", "BEGIN"}, Good{"begin work;", VerbId::kTransaction, "", "BEGIN"},
                    Good{"START TRANSACTION READ ONLY", VerbId::kTransaction, "", "START TRANSACTION"},
                    Good{"BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY", VerbId::kTransaction, "", "BEGIN"},
                    Good{"END", VerbId::kTransaction, "", "COMMIT"}, Good{"abort", VerbId::kTransaction, "", "ROLLBACK"},
                    Good{"SHOW TRANSACTION ISOLATION LEVEL", VerbId::kShowDriverSetting, "transaction_isolation"},
                    Good{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", VerbId::kSetDriverSetting},
                    Good{"SET TRANSACTION READ WRITE", VerbId::kSetDriverSetting},
                    Good{"reload dry run;", VerbId::kReloadDryRun}, Good{"SELECT pools", VerbId::kShowPools},
                    Good{"DISABLE shop", VerbId::kDisable, "shop"}, Good{"ENABLE shop", VerbId::kEnable, "shop"},
                    Good{"WAIT_CLOSE", VerbId::kWaitClose}, Good{"SUSPEND", VerbId::kSuspend},
                    Good{"SHOW FDS", VerbId::kShowFds}, Good{"KILL \"where\"", VerbId::kKill, "where"},
                    Good{"PAUSE timeout", VerbId::kPause, "timeout"}, Good{"SHUTDOWN", VerbId::kShutdown}));

TEST(ParseCommand, TimeoutsOfPause) {
  using std::chrono::milliseconds;
  EXPECT_EQ(ParseCommand("PAUSE TIMEOUT 5s")->timeout, milliseconds(5000));
  EXPECT_EQ(ParseCommand("PAUSE TIMEOUT 5s")->argument, "");
  EXPECT_EQ(ParseCommand("pause shop timeout '250ms'")->timeout, milliseconds(250));
  EXPECT_EQ(ParseCommand("pause shop timeout '250ms'")->argument, "shop");
  EXPECT_FALSE(ParseCommand("PAUSE shop")->timeout);
  for (const char* sql : {"PAUSE TIMEOUT 0s", "PAUSE a TIMEOUT 25h", "PAUSE a b TIMEOUT 5s", "PAUSE a TIMEOUT -1s", "PAUSE a TIMEOUT x"}) {
    EXPECT_FALSE(ParseCommand(sql)) << sql;
  }
}

TEST(ParseCommand, EmptyStatements) {
  for (const char* sql : {"", " ", ";", ";;", "-- nothing", "/* nothing */;"}) {
    const auto command = ParseCommand(sql);
    ASSERT_TRUE(command) << sql;
    EXPECT_EQ(command->verb, nullptr) << sql;
  }
}

TEST(ParseCommand, IdsOfClients) {
  EXPECT_EQ(ParseCommand("KILL_CLIENT 42")->client_id, 42U);
  EXPECT_EQ(ParseCommand("KILL_CLIENT '42'")->client_id, 42U);
  EXPECT_EQ(ParseCommand("KILL_CLIENT 0x2A")->client_id, 42U);
  EXPECT_EQ(ParseCommand("KILL_CLIENT 18446744073709551615")->client_id, UINT64_MAX);
}

TEST(ParseCommand, KindsOfShutdown) {
  EXPECT_EQ(ParseCommand("SHUTDOWN")->shutdown, ShutdownKind::kNow);
  EXPECT_EQ(ParseCommand("SHUTDOWN WAIT_FOR_SERVERS")->shutdown, ShutdownKind::kWaitForServers);
  EXPECT_EQ(ParseCommand("shutdown wait_for_clients;")->shutdown, ShutdownKind::kWaitForClients);
}

struct Bad {
  std::string sql, message, hint;
};

class BadCommand : public testing::TestWithParam<Bad> {};

TEST_P(BadCommand, IsRefusedWithPlaceAndRemedy) {
  const auto command = ParseCommand(GetParam().sql);
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().code, protocol::ErrorCode::kConsoleSyntax);
  EXPECT_EQ(command.error().sqlstate, "42601");
  EXPECT_EQ(command.error().message, "invalid command: " + GetParam().message);
  EXPECT_NE(command.error().hint.find("SHOW HELP"), std::string::npos);
  EXPECT_NE(command.error().hint.find(GetParam().hint), std::string::npos) << command.error().hint;
}

INSTANTIATE_TEST_SUITE_P(
    Statements, BadCommand,
    testing::Values(
        Bad{"SHOW POLS", "\"SHOW POLS\"", "Did you mean SHOW POOLS?"}, Bad{"PAUZE", "\"PAUZE\"", "Did you mean PAUSE?"},
        Bad{"SHOW", "SHOW needs to know what", ""},
        Bad{"SHOW ;", "SHOW needs to know what", ""}, Bad{"SHOW *", "\"SHOW *\"", ""},
        Bad{"SET *", "SET needs a name and a value", ""},
        Bad{"SHOW POOLS x", "unexpected \"x\" after SHOW POOLS", "Usage: SHOW POOLS."},
        Bad{"SHOW timezone x", "unexpected \"x\"", "Usage"},
        Bad{"PAUSE a b", "unexpected \"b\" after PAUSE", "PAUSE [database]"},
        Bad{"PAUSE \"\"", "an empty database name", ""}, Bad{"PAUSE; RESUME", "more than one statement in a query", ""},
        Bad{"DISABLE", "a database is required", "Usage: DISABLE database."}, Bad{"BEGIN x", "unexpected \"x\" after BEGIN", ""},
        Bad{"RELOAD DRY", "unexpected \"DRY\" after RELOAD", ""},
        Bad{"KILL_CLIENT", "KILL_CLIENT needs an argument", "Usage: KILL_CLIENT id."},
        Bad{"KILL_CLIENT x", "\"x\" is not the id of a client", ""},
        Bad{"KILL_CLIENT -1", "\"-1\" is not the id of a client", ""},
        Bad{"KILL_CLIENT 0x", "\"0x\" is not the id of a client", ""},
        Bad{"KILL_CLIENT 18446744073709551616", "\"18446744073709551616\" is not the id of a client", ""},
        Bad{"SHUTDOWN NOW", "unknown way of SHUTDOWN \"NOW\"", "WAIT_FOR_SERVERS"},
        Bad{"SET", "SET needs a name and a value", ""}, Bad{"SET x", "SET needs a name and a value", ""},
        Bad{"SET x =", "SET needs a name and a value", ""}, Bad{"SET x y z", "SET needs a name and a value", ""},
        Bad{"SET x = a b", "unexpected \"b\" in the value of SET", ""},
        Bad{"SET x = a,", "unexpected \"\" in the value of SET", ""},
        Bad{"SET x = ,", "unexpected \"\" in the value of SET", ""},
        Bad{"PAUSE $1", "the console takes no parameters (\"$1\")", ""},
        Bad{"KILL 'open", "unterminated quoted text", ""}, Bad{"KILL \"open\"\"", "unterminated quoted text", ""},
        Bad{"PAUSE /* open /* */", "unterminated comment", ""}, Bad{"\"PAUSE\"", "\"PAUSE\"", ""},
        Bad{"= 1", "\"\"", ""}, Bad{"\x01\xff", "\"??\"", ""},
        Bad{"KILL " + std::string(kWordBytesMax + 1, 'x'), "a word of more than 255 bytes", ""}));

TEST(ParseCommand, LimitsOfWords) {
  EXPECT_EQ(ParseCommand("KILL " + std::string(kWordBytesMax, 'x'))->argument.size(), kWordBytesMax);
  std::string sql = "SET datestyle = a";  // 4 words
  for (size_t words = 4; words + 2 <= kTokensMax; words += 2) sql += ",a";
  EXPECT_TRUE(ParseCommand(sql));
  const auto command = ParseCommand(sql + ",a");
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().message, "invalid command: more than 32 words");
}

TEST(ParseCommand, NeverQuotesMoreThanAGlimpseOfHostileInput) {
  const auto command = ParseCommand(std::string(200, 'A'));
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().message, "invalid command: \"" + std::string(63, 'A') + "...\"");
}

// Every cut of a long statement and every byte in every place: an answer, never a crash.
TEST(ParseCommand, SurvivesEveryCutAndEveryByte) {
  const std::string sql = "/* c */ SET SESSION \"DateStyle\" TO 'it''s', x -- end\n;";
  for (size_t length = 0; length <= sql.size(); ++length) static_cast<void>(ParseCommand(sql.substr(0, length)));
  size_t parsed = 0;
  for (size_t at = 0; at < sql.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = sql;
      changed[at] = static_cast<char>(byte);
      if (ParseCommand(changed)) ++parsed;
    }
  }
  EXPECT_GT(parsed, 0U);
}

}  // namespace
}  // namespace admin
