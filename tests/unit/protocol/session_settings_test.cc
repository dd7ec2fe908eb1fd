// What follows a client over servers: names, comparing, replaying, putting back, and what nobody can know.
#include "protocol/session_settings.h"

#include <gtest/gtest.h>

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

TEST(ServerSettingsTest, AfterAnUnreportedChangeExtrasAreSetAnew) {
  ServerSettings server = AtLogin();
  const auto wide = Settings::From({{"work_mem", "1GB"}});
  Replay(server, wide);
  server.OnUnreportedChange();
  EXPECT_FALSE(server.IsSynced(wide));
  EXPECT_EQ(server.Compare(*wide).set, (Values{{"work_mem", "1GB"}}));
  Replay(server, wide);
  EXPECT_TRUE(server.IsSynced(wide));
  EXPECT_TRUE(server.Compare(*wide).empty());
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
      if (dice() % 8 == 0) {  // and one that is not reported, that it had given
        if (wanted->Find("work_mem") != nullptr) real["work_mem"] = "w";
        server.OnUnreportedChange();
      }
    }
  }
}

// --- the messages
// --------------------------------------------------------------------------------------------------------

TEST(WriteReplayTest, NothingToDoWritesNothing) {
  std::string out;
  EXPECT_EQ(WriteReplay(out, {}), 0);
  EXPECT_EQ(out, "");
}

TEST(WriteReplayTest, ValuesAreBoundAndNeverInTheText) {
  std::string out;
  const std::string hostile = "'; drop table t; --";
  EXPECT_EQ(WriteReplay(out, {{}, {{"TimeZone", hostile}, {"app.x", ""}}}), 1);
  const auto messages = Split(out);
  std::string types;
  for (const auto& message : messages) types += message.type;
  ASSERT_EQ(types, "PBES");
  EXPECT_EQ(messages[0].body,
            Z("") + Z("SELECT pg_catalog.set_config($1, $2, false), pg_catalog.set_config($3, $4, false)") +
                std::string(2, '\0'));
  EXPECT_EQ(messages[1].body, Z("") + Z("") + std::string("\0\0\0\4", 4) + Big32(8) + "TimeZone" +
                                  Big32(static_cast<uint32_t>(hostile.size())) + hostile + Big32(5) + "app.x" +
                                  Big32(0) + std::string(2, '\0'));
}

TEST(WriteReplayTest, NamesToResetAreQuotedPartByPart) {
  std::string out;
  EXPECT_EQ(WriteReplay(out, {{"app.x", "wo\"rk"}, {{"a", "b"}}}), 2);
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].type, 'Q');
  EXPECT_EQ(messages[0].body, Z("RESET \"app\".\"x\";RESET \"wo\"\"rk\";"));
}

TEST(WriteReplayTest, AsManyAsAClientMayHave) {
  SettingsDifference difference;
  for (size_t i = 0; i < kSettingsMax; ++i) difference.set.emplace_back("app.v" + std::to_string(i), "v");
  std::string out;
  EXPECT_EQ(WriteReplay(out, difference), 1);
  EXPECT_EQ(Split(out).size(), 4u);
}

}  // namespace
}  // namespace protocol
