// Welcome: the messages that are copied are those that would have been written one by one.
#include "protocol/welcome.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Values = std::vector<Setting>;

const Values kTold = {{"application_name", ""}, {"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"}, {"server_version", "15.18"},
                      {"TimeZone", "UTC"},      {"is_superuser", "off"}};

std::string Written(const Welcome& welcome, const Values& own) {
  std::string out = "before";
  welcome.Write(out, *Settings::From(own));
  EXPECT_EQ(out.substr(0, 6), "before");
  return out.substr(6);
}

// As it was written before there was a Welcome.
std::string OneByOne(const Values& told, const Values& own) {
  const auto settings = Settings::From(own);
  std::string out;
  for (const auto& [name, value] : told) {
    const std::string_view tracked = TrackedName(name);
    const std::string* mine = tracked.empty() ? nullptr : settings->Find(tracked);
    WriteParameterStatus(out, name, mine != nullptr ? *mine : value);
  }
  return out;
}

TEST(WelcomeTest, OwnValuesStandInTheirPlaces) {
  const Welcome welcome(kTold);
  const auto messages = Split(Written(welcome, {{"timezone", "Asia/Tokyo"}, {"application_name", "psql"}, {"work_mem", "1GB"}}));
  ASSERT_EQ(messages.size(), kTold.size());
  const std::vector<std::string> expected = {Z("application_name") + Z("psql"),      Z("client_encoding") + Z("UTF8"),
                                             Z("DateStyle") + Z("ISO, MDY"),         Z("server_version") + Z("15.18"),
                                             Z("TimeZone") + Z("Asia/Tokyo"),        Z("is_superuser") + Z("off")};
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].type, 'S');
    EXPECT_EQ(messages[i].body, expected[i]);
  }
}

TEST(WelcomeTest, WhatIsNotTrackedIsTheServersWhateverTheClientWants) {
  const Welcome welcome(kTold);
  EXPECT_EQ(Written(welcome, {{"server_version", "1"}, {"is_superuser", "on"}}), OneByOne(kTold, {}));
}

TEST(WelcomeTest, TheNameIsSpelledAsTheServerDoes) {
  const Welcome welcome(Values{{"timezone", "UTC"}});
  const auto messages = Split(Written(welcome, {{"TimeZone", "CET"}}));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].body, Z("timezone") + Z("CET"));
}

TEST(WelcomeTest, OfNothingIsNothing) {
  const Welcome welcome(Values{});
  EXPECT_EQ(Written(welcome, {{"TimeZone", "CET"}}), "");
  EXPECT_TRUE(welcome.parameters().empty());
}

TEST(WelcomeTest, AnyServerAndAnyClient) {
  const std::vector<std::string> names = {"application_name", "client_encoding", "DateStyle", "IntervalStyle", "search_path",
                                          "TimeZone",         "server_version",  "session_authorization", "integer_datetimes"};
  std::mt19937 random(7);
  const auto some = [&] {
    Values values;
    for (size_t i = random() % 8; i > 0; --i) values.emplace_back(names[random() % names.size()], std::string(random() % 300, 'v'));
    return values;
  };
  for (int round = 0; round < 2000; ++round) {
    const Values told = some(), own = some();
    const Welcome welcome(told);
    ASSERT_EQ(Written(welcome, own), OneByOne(told, own)) << round;
    ASSERT_EQ(welcome.parameters(), told);
  }
}

}  // namespace
}  // namespace protocol
