// What follows a client over servers: names, comparing, replaying, putting back, and what nobody can know.
#include "protocol/session_settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Values = std::vector<Setting>;

ServerSettings AtLogin() {
  ServerSettings server;
  server.Begin({{"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}, {"application_name", ""}, {"server_version", "15.0"}});
  return server;
}

// Replays as the proxy does: the server reports each tracked value that changes.
void Replay(ServerSettings& server, const SettingsRef& wanted) {
  for (const auto& [name, value] : server.Compare(*wanted).set) server.OnReported(name, value);
  server.OnReplayed(wanted);
}

TEST(SettingsTest, NamesAreTheServersOrLowerCase) {
  EXPECT_EQ(TrackedName("datestyle"), "DateStyle");
  EXPECT_EQ(TrackedName("TIMEZONE"), "TimeZone");
  EXPECT_EQ(TrackedName("Application_Name"), "application_name");
  for (const char* name :
       {"", "work_mem", "server_version", "session_authorization", "role", "is_superuser", "timezon", "timezones"}) {
    EXPECT_EQ(TrackedName(name), "") << name;
  }
  const auto settings = Settings::From({{"WORK_MEM", "1MB"}, {"timezone", "UTC"}, {"work_mem", "2MB"}, {"App.X", ""}});
  EXPECT_EQ(settings->values(), (Values{{"TimeZone", "UTC"}, {"app.x", ""}, {"work_mem", "2MB"}}));
  EXPECT_EQ(*settings->Find("work_mem"), "2MB");
  EXPECT_EQ(settings->Find("WORK_MEM"), nullptr);
  EXPECT_EQ(settings->Find("other"), nullptr);
}

TEST(SettingsTest, CanonicalIsSortedAndHasEachNameOnce) {
  EXPECT_EQ(Canonical({}), Values{});
  EXPECT_EQ(Canonical({{"Application_Name", "psql"}}), (Values{{"application_name", "psql"}}));
  EXPECT_EQ(Canonical({{"a", "1"}, {"b", "2"}, {"c", "3"}}), (Values{{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  EXPECT_EQ(Canonical({{"work_mem", "1"}, {"datestyle", "2"}, {"WORK_MEM", "3"}}), (Values{{"DateStyle", "2"}, {"work_mem", "3"}}));
  EXPECT_EQ(Canonical({{"x", "1"}, {"X", "2"}}), (Values{{"x", "2"}})) << "the later one wins";
  Values values = Canonical({{"TimeZone", "UTC"}, {"work_mem", "1"}});
  PutSetting(values, "application_name", "psql");
  PutSetting(values, "TimeZone", "CET");
  EXPECT_EQ(values, (Values{{"TimeZone", "CET"}, {"application_name", "psql"}, {"work_mem", "1"}}));
}

TEST(SettingsTest, WithLeavesTheOldOneAlone) {
  const auto before = Settings::From({{"TimeZone", "UTC"}});
  const auto after = before->With("timezone", "Asia/Tokyo");
  EXPECT_EQ(*before->Find("TimeZone"), "UTC");
  EXPECT_EQ(*after->Find("TimeZone"), "Asia/Tokyo");
  EXPECT_EQ(after->values().size(), 1u);
  EXPECT_FALSE(*before == *after);
  EXPECT_TRUE(*before == *after->With("TimeZone", "UTC"));
}

TEST(ServerSettingsTest, WhatTheServerHasAlreadyNeedsNoReplay) {
  const ServerSettings server = AtLogin();
  EXPECT_TRUE(server.Compare(*Settings::From({})).empty());
  EXPECT_TRUE(server.Compare(*Settings::From({{"timezone", "UTC"}})).empty());
  EXPECT_EQ(*server.Reported("TimeZone"), "UTC");
  EXPECT_EQ(server.Reported("server_version"), nullptr);
}

TEST(ServerSettingsTest, SetsWhatDiffersAndPutsBackWhatTheNextDoesNotWant) {
  ServerSettings server = AtLogin();
  const auto tokyo = Settings::From({{"TimeZone", "Asia/Tokyo"}});
  EXPECT_EQ(server.Compare(*tokyo).set, (Values{{"TimeZone", "Asia/Tokyo"}}));
  Replay(server, tokyo);
  EXPECT_TRUE(server.IsSynced(tokyo));
  EXPECT_TRUE(server.Compare(*tokyo).empty());
  const auto plain = Settings::From({});
  EXPECT_FALSE(server.IsSynced(plain));
  EXPECT_EQ(server.Compare(*plain).set, (Values{{"TimeZone", "UTC"}}));  // the value at login
  EXPECT_TRUE(server.Compare(*plain).reset.empty());
}

// --- what connect_query has set ------------------------------------------------------------------------------------------

ServerSettings AfterConnectQuery() {
  ServerSettings server;
  server.Begin({{"TimeZone", "Asia/Tokyo"}, {"application_name", ""}});
  server.SetAtConnect({{"timezone", "Asia/Tokyo"}, {"statement_timeout", "5s"}, {"role", "lesser"}});
  return server;
}

TEST(AtConnectTest, ItIsThereAndNeedsNoReplay) {
  const ServerSettings server = AfterConnectQuery();
  EXPECT_TRUE(server.Compare(*Settings::From({})).empty());
  EXPECT_EQ(*server.AtConnect("TimeZone"), "Asia/Tokyo");
  EXPECT_EQ(server.AtConnect("work_mem"), nullptr);
}

TEST(AtConnectTest, ItTakesThePlaceOfWhatAClientHad) {
  ServerSettings server = AfterConnectQuery();
  Replay(server, Settings::From({{"statement_timeout", "1s"}, {"work_mem", "1GB"}}));
  const auto plain = Settings::From({});
  EXPECT_EQ(server.Compare(*plain).set, (Values{{"statement_timeout", "5s"}})) << "RESET would leave the server's own";
  EXPECT_EQ(server.Compare(*plain).reset, (std::vector<std::string>{"work_mem"}));
  Replay(server, plain);
  EXPECT_TRUE(server.IsSynced(plain));
  EXPECT_TRUE(server.Compare(*plain).empty());
}

TEST(AtConnectTest, ItIsBackAfterEveryReset) {
  const auto plain = Settings::From({});
  const Values all = {{"role", "lesser"}, {"statement_timeout", "5s"}};
  ServerSettings server = AfterConnectQuery();
  Replay(server, plain);
  server.OnDiscardAll();
  server.OnReported("TimeZone", "UTC");
  EXPECT_FALSE(server.IsSynced(plain));
  EXPECT_EQ(server.Compare(*plain).set, (Values{{"TimeZone", "Asia/Tokyo"}, all[0], all[1]}));
  EXPECT_TRUE(server.Compare(*plain).MustBeAwaited()) << "the role decides what the session may do";
  Replay(server, plain);
  EXPECT_TRUE(server.Compare(*plain).empty());
  server.OnFoundDefault("statement_timeout");
  EXPECT_EQ(server.Compare(*plain).set, (Values{all[1]}));
  Replay(server, plain);
  server.OnForeignReset();
  EXPECT_FALSE(server.IsSynced(plain));
  EXPECT_EQ(server.Compare(*plain).set, all);
}

TEST(AtConnectTest, TheRoleComesBackWithTheSessionAuthorization) {
  ServerSettings server = AfterConnectQuery();
  Replay(server, Settings::From({{"session_authorization", "other"}}));
  const auto difference = server.Compare(*Settings::From({}));
  EXPECT_EQ(difference.reset, (std::vector<std::string>{"session_authorization"}));
  EXPECT_EQ(difference.set, (Values{{"role", "lesser"}}));
}

TEST(AtConnectTest, AForeignResetChangesNothingWhereNothingWasSet) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}});
  Replay(server, wide);
  server.OnForeignReset();
  EXPECT_TRUE(server.IsSynced(wide));
}

TEST(ServerSettingsTest, UnreportedOnesAreSetOnceAndReset) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}, {"app.x", ""}});
  EXPECT_EQ(server.Compare(*wide).set, (Values{{"app.x", ""}, {"work_mem", "1GB"}}));
  Replay(server, wide);
  EXPECT_TRUE(server.Compare(*wide).empty());
  const auto other = Settings::From({{"work_mem", "2GB"}});
  EXPECT_EQ(server.Compare(*other).set, (Values{{"work_mem", "2GB"}}));
  EXPECT_EQ(server.Compare(*other).reset, (std::vector<std::string>{"app.x"}));
  Replay(server, other);
  EXPECT_EQ(server.Compare(*Settings::From({})).reset, (std::vector<std::string>{"work_mem"}));
}

TEST(ServerSettingsTest, AReportedChangeEndsTheSync) {
  ServerSettings server = AtLogin();
  const auto plain = Settings::From({});
  Replay(server, plain);
  EXPECT_TRUE(server.IsSynced(plain));
  EXPECT_FALSE(server.OnReported("in_hot_standby", "on"));
  EXPECT_TRUE(server.OnReported("TimeZone", "UTC"));  // no change
  EXPECT_TRUE(server.IsSynced(plain));
  EXPECT_TRUE(server.OnReported("TimeZone", "Asia/Tokyo"));
  EXPECT_FALSE(server.IsSynced(plain));
  EXPECT_EQ(server.Compare(*plain).set, (Values{{"TimeZone", "UTC"}}));
}

// What a client had set by SQL belongs to that client, which is what OnFollowed says; to everyone else the server has
// changed.
TEST(ServerSettingsTest, FollowingIsForThatClientOnly) {
  ServerSettings server = AtLogin();
  const auto first = Settings::From({});
  Replay(server, first);
  server.OnReported("TimeZone", "Asia/Tokyo");
  const auto followed = first->With("TimeZone", "Asia/Tokyo");
  server.OnFollowed(followed);
  EXPECT_TRUE(server.Compare(*followed).empty());
  EXPECT_FALSE(server.IsSynced(first));
  EXPECT_EQ(server.Compare(*first).set, (Values{{"TimeZone", "UTC"}}));
}

TEST(ServerSettingsTest, AParameterReportedLaterGetsADefault) {
  ServerSettings server = AtLogin();
  server.OnReported("search_path", "public");
  EXPECT_TRUE(server.Compare(*Settings::From({})).empty());
  server.OnReported("search_path", "other");
  EXPECT_EQ(server.Compare(*Settings::From({})).set, (Values{{"search_path", "public"}}));
}

TEST(ServerSettingsTest, WhatIsFoundIsSetAnewOrReset) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}});
  Replay(server, wide);
  server.OnFound("work_mem", "1GB");  // as it was believed
  EXPECT_TRUE(server.IsSynced(wide));
  server.OnFound("work_mem", "2GB");
  EXPECT_FALSE(server.IsSynced(wide));
  EXPECT_EQ(server.Compare(*wide).set, (Values{{"work_mem", "1GB"}}));
  server.OnFound("app.x", "");
  EXPECT_EQ(server.Compare(*wide).reset, (std::vector<std::string>{"app.x"}));
  EXPECT_EQ(server.ExtraNames(), (std::vector<std::string>{"app.x", "work_mem"}));
  Replay(server, wide);
  EXPECT_TRUE(server.IsSynced(wide));
  EXPECT_TRUE(server.Compare(*wide).empty());
}

TEST(ServerSettingsTest, WhatIsFoundAtItsDefaultIsSetAnew) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}});
  Replay(server, wide);
  server.OnFoundDefault("app.x");  // nobody believed anything else
  EXPECT_TRUE(server.IsSynced(wide));
  server.OnFoundDefault("work_mem");
  EXPECT_FALSE(server.IsSynced(wide));
  EXPECT_EQ(server.Compare(*wide).set, (Values{{"work_mem", "1GB"}}));
  EXPECT_TRUE(server.Compare(*Settings::From({})).empty());
}

// ParameterStatus knows better, and comes at once; but only of what this server reports.
TEST(ServerSettingsTest, WhatIsReportedIsNotFound) {
  ServerSettings server = AtLogin();
  const auto plain = Settings::From({});
  Replay(server, plain);
  server.OnFound("timezone", "Asia/Tokyo");
  EXPECT_TRUE(server.IsSynced(plain));
  EXPECT_TRUE(server.Compare(*plain).empty());
  server.OnFound("search_path", "other");  // PostgreSQL 18 reports it, this one did not
  EXPECT_EQ(server.Compare(*plain).reset, (std::vector<std::string>{"search_path"}));
}

// It ends the role of the session, also one that both clients want.
TEST(ServerSettingsTest, WhoChangesTheAuthorizationTakesItsRoleAgain) {
  ServerSettings server;
  const auto role = Settings::From({{"role", "r"}});
  const auto both = Settings::From({{"session_authorization", "a"}, {"role", "r"}});
  Replay(server, role);
  const auto to_both = server.Compare(*both);
  EXPECT_EQ(to_both.set, (Values{{"session_authorization", "a"}, {"role", "r"}}));
  EXPECT_TRUE(to_both.reset.empty());
  Replay(server, both);
  const auto back = server.Compare(*role);
  EXPECT_EQ(back.set, (Values{{"role", "r"}}));
  EXPECT_EQ(back.reset, (std::vector<std::string>{"session_authorization"}));
}

TEST(ServerSettingsTest, DiscardAllForgetsTheExtras) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}});
  Replay(server, wide);
  server.OnDiscardAll();
  EXPECT_FALSE(server.IsSynced(wide));
  EXPECT_EQ(server.Compare(*wide).set, (Values{{"work_mem", "1GB"}}));
  EXPECT_TRUE(server.Compare(*Settings::From({})).empty());
}

// A made-up server that does what a replay says; after each the values must be the client's, whoever was there before.
TEST(ServerSettingsTest, RandomClientsOnOneServer) {
  static constexpr const char* kNames[] = {"TimeZone", "DateStyle", "application_name", "work_mem", "app.x", "app.y"};
  const std::map<std::string, std::string> defaults = {
      {"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}, {"application_name", ""}, {"work_mem", "4MB"}, {"app.x", ""},
      {"app.y", ""}};
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 dice(seed);
    ServerSettings server = AtLogin();
    auto real = defaults;
    for (int turn = 0; turn < 100; ++turn) {
      Values given;
      for (const char* name : kNames) {
        if (dice() % 2 == 0) given.emplace_back(name, std::string(1, static_cast<char>('a' + dice() % 3)));
      }
      const auto wanted = Settings::From(given);
      const SettingsDifference difference = server.Compare(*wanted);
      for (const std::string& name : difference.reset) real[name] = defaults.at(name);
      for (const auto& [name, value] : difference.set) {
        if (real[name] != value) server.OnReported(name, value);
        real[name] = value;
      }
      server.OnReplayed(wanted);
      for (const char* name : kNames) {
        const std::string* own = wanted->Find(name);
        ASSERT_EQ(real[name], own != nullptr ? *own : defaults.at(name))
            << "seed " << seed << ", turn " << turn << ", " << name;
      }
      if (dice() % 4 == 0) {  // the client changes a reported one by SQL
        real["TimeZone"] = "z";
        server.OnReported("TimeZone", "z");
      }
      if (dice() % 8 == 0) {  // and one that is not reported: the server was asked
        real["work_mem"] = "w";
        server.OnFound("work_mem", "w");
      }
      if (dice() % 8 == 0) {
        real["app.x"] = defaults.at("app.x");
        server.OnFoundDefault("app.x");
      }
    }
  }
}

TEST(SettingsTest, WithoutForgetsAValueWhateverItsSpelling) {
  const auto before = Settings::From({{"TimeZone", "UTC"}, {"work_mem", "1GB"}});
  EXPECT_EQ(before->Without("TIMEZONE")->values(), (Values{{"work_mem", "1GB"}}));
  EXPECT_EQ(before->Without("Work_Mem")->values(), (Values{{"TimeZone", "UTC"}}));
  EXPECT_EQ(before->Without("timezone")->reading_key(), "");
  EXPECT_TRUE(*before->Without("other") == *before);
  EXPECT_EQ(before->values().size(), 2u);
}

TEST(SettingsTest, TheReadingKeyLeavesOutOnlyWhatNeverMatters) {
  const auto key = [](const Values& given) { return Settings::From(given)->reading_key(); };
  const std::string plain = key({});
  EXPECT_EQ(plain, "");
  for (const char* name : {"application_name", "statement_timeout", "work_mem", "jit", "extra_float_digits"}) {
    EXPECT_EQ(key({{name, "1"}}), plain) << name;
  }
  for (const char* name : {"datestyle", "search_path", "role", "standard_conforming_strings", "app.x", "work_memory"}) {
    EXPECT_NE(key({{name, "1"}}), plain) << name;
    EXPECT_NE(key({{name, "1"}}), key({{name, "2"}})) << name;
  }
  // The same settings give the same key, however they came about; where a name ends and a value begins is seen.
  EXPECT_EQ(key({{"role", "a"}, {"app.x", "b"}}), Settings::From({{"app.x", "b"}})->With("ROLE", "a")->reading_key());
  EXPECT_NE(key({{"app.x", "ab"}}), key({{"app.xa", "b"}}));
  EXPECT_NE(key({{"app.x", "a"}, {"app.y", ""}}), key({{"app.x", ""}, {"app.y", "a"}}));
}

TEST(SettingsDifferenceTest, OnlyWhatDecidesIsAwaited) {
  EXPECT_FALSE(SettingsDifference{}.MustBeAwaited());
  EXPECT_FALSE((SettingsDifference{{"work_mem"}, {{"TimeZone", "UTC"}, {"app.role", "x"}}}).MustBeAwaited());
  for (const char* name : {"role", "row_security", "session_authorization", "session_replication_role"}) {
    EXPECT_TRUE((SettingsDifference{{"work_mem", name}, {}}).MustBeAwaited()) << name;
    EXPECT_TRUE((SettingsDifference{{}, {{"work_mem", "1"}, {name, "x"}}}).MustBeAwaited()) << name;
  }
}

// --- the messages --------------------------------------------------------------------------------------------------

std::string TypesOf(const std::vector<WrittenMessage>& messages) {
  std::string types;
  for (const WrittenMessage& message : messages) types += message.type;
  return types;
}

// The names that the Bind of a replay sets, in order.
std::vector<std::string> BoundNames(std::string_view bind) {
  std::vector<std::string> names;
  bind.remove_prefix(4);  // portal, statement, no formats
  const size_t count = ReadUint16(bind.data());
  bind.remove_prefix(2);
  for (size_t i = 0; i < count; ++i) {
    const size_t length = ReadUint32(bind.data());
    if (i % 2 == 0) names.emplace_back(bind.substr(4, length));
    bind.remove_prefix(4 + length);
  }
  EXPECT_EQ(bind, (std::string_view("\0\0", 2)));
  return names;
}

TEST(WriteReplayTest, NothingToDoWritesNothing) {
  std::string out, types;
  EXPECT_EQ(WriteReplay(out, {}, types), 0);
  EXPECT_EQ(out + types, "");
}

TEST(WriteReplayTest, ValuesAreBoundAndNeverInTheText) {
  std::string out, types;
  const std::string hostile = "'; drop table t; --";
  EXPECT_EQ(WriteReplay(out, {{}, {{"TimeZone", hostile}, {"app.x", ""}}}, types), 1);
  const auto messages = Split(out);
  ASSERT_EQ(TypesOf(messages), "PBECCS");
  EXPECT_EQ(messages[0].body,
            Z("") + Z("SELECT pg_catalog.set_config($1, $2, false), pg_catalog.set_config($3, $4, false)") +
                std::string(2, '\0'));
  EXPECT_EQ(messages[1].body, Z("") + Z("") + std::string("\0\0\0\4", 4) + Big32(8) + "TimeZone" +
                                  Big32(static_cast<uint32_t>(hostile.size())) + hostile + Big32(5) + "app.x" +
                                  Big32(0) + std::string(2, '\0'));
  EXPECT_EQ(messages[3].body, "P" + Z(""));  // neither the unnamed portal is left behind
  EXPECT_EQ(messages[4].body, "S" + Z(""));  // nor the unnamed statement
}

TEST(WriteReplayTest, NamesToResetAreQuotedPartByPart) {
  std::string out, types;
  EXPECT_EQ(WriteReplay(out, {{"app.x", "wo\"rk"}, {{"a", "b"}}}, types), 2);
  const auto messages = Split(out);
  ASSERT_EQ(TypesOf(messages), "QPBECCS");
  EXPECT_EQ(messages[0].body, Z("RESET \"app\".\"x\";RESET \"wo\"\"rk\";"));
}

TEST(WriteReplayTest, TheTypesAreThoseOfTheMessages) {
  const std::vector<SettingsDifference> differences = {
      {}, {{"app.x"}, {}}, {{}, {{"a", "b"}}}, {{"app.x", "role"}, {{"a", "b"}, {"c", "d"}}}};
  std::string all_types, all;
  for (const SettingsDifference& difference : differences) {
    std::string out, types;
    const int ready = WriteReplay(out, difference, types);
    const auto messages = Split(out);
    EXPECT_EQ(TypesOf(messages), types);
    EXPECT_EQ(ready, std::count_if(types.begin(), types.end(), [](char type) { return type == 'Q' || type == 'S'; }));
    WriteReplay(all, difference, all_types);  // behind what is there
  }
  EXPECT_EQ(TypesOf(Split(all)), all_types);
}

// A lesser role may not be allowed to set or reset the rest: who the session is goes back first and is set last.
TEST(WriteReplayTest, WhoTheSessionIsGoesBackFirstAndIsSetLast) {
  std::string out, types;
  const SettingsDifference difference = {
      {"app.x", "role", "session_authorization", "work_mem"},
      {{"role", "r"}, {"session_authorization", "s"}, {"app.y", "1"}, {"TimeZone", "UTC"}}};
  EXPECT_EQ(WriteReplay(out, difference, types), 2);
  const auto messages = Split(out);
  ASSERT_EQ(types, "QPBECCS");
  EXPECT_EQ(messages[0].body, Z("RESET \"role\";RESET SESSION AUTHORIZATION;RESET \"app\".\"x\";RESET \"work_mem\";"));
  EXPECT_EQ(BoundNames(messages[2].body),
            (std::vector<std::string>{"app.y", "TimeZone", "session_authorization", "role"}));
}

TEST(SetCommandTest, OnlyWhatATextCanSaySafely) {
  EXPECT_EQ(SetCommand({"work_mem", "3MB"}), "SET \"work_mem\" TO E'3MB'");
  EXPECT_EQ(SetCommand({"app.x", ""}), "SET \"app\".\"x\" TO E''");
  EXPECT_EQ(SetCommand({"app.x", "it's \\ back"}), "SET \"app\".\"x\" TO E'it''s \\\\ back'");
  EXPECT_EQ(SetCommand({"search_path", "a,b"}), std::nullopt);
  EXPECT_EQ(SetCommand({"app.x", "\xe4"}), std::nullopt);
  EXPECT_EQ(SetCommand({"app.x", "two\nlines"}), std::nullopt);
}

TEST(WriteReplayTest, AsManyAsAClientMayHave) {
  SettingsDifference difference;
  for (size_t i = 0; i < kSettingsMax; ++i) difference.set.emplace_back("app.v" + std::to_string(i), "v");
  std::string out, types;
  EXPECT_EQ(WriteReplay(out, difference, types), 1);
  const auto messages = Split(out);
  ASSERT_EQ(TypesOf(messages), "PBECCS");
  EXPECT_EQ(BoundNames(messages[1].body).size(), kSettingsMax);
}

TEST(SettingsTest, WhetherBackslashesEscapeIsKnownWithoutLooking) {
  EXPECT_EQ(Settings().escapes(), std::nullopt);
  EXPECT_EQ(Settings::From({{"work_mem", "1MB"}})->escapes(), std::nullopt);
  const auto off = Settings::From({{"Standard_Conforming_Strings", "off"}});
  EXPECT_EQ(off->escapes(), true);
  EXPECT_EQ(off->With("standard_conforming_strings", "on")->escapes(), false);
  EXPECT_EQ(off->Without("standard_conforming_strings")->escapes(), std::nullopt);
}

TEST(ServerSettingsTest, WhetherBackslashesEscapeFollowsWhatIsReported) {
  ServerSettings server;
  EXPECT_FALSE(server.escapes());
  server.Begin({{"standard_conforming_strings", "off"}});
  EXPECT_TRUE(server.escapes());
  server.OnReported("standard_conforming_strings", "on");
  EXPECT_FALSE(server.escapes());
  server.OnReported("standard_conforming_strings", "off");
  EXPECT_TRUE(server.escapes());
  server.Begin({{"standard_conforming_strings", "on"}});
  EXPECT_FALSE(server.escapes());
}

}  // namespace
}  // namespace protocol
