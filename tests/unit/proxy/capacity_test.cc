// What a server's answer means beside the worst case of a configuration, and whom one may ask.
#include "proxy/capacity.h"

#include <gtest/gtest.h>

#include "proxy/capacity_watch.h"
#include "tests/unit/proxy/config_fixture.h"

namespace proxy {
namespace {

using Rows = std::vector<std::vector<std::string>>;
using Verdict = CapacityRow::Verdict;

conf::HostCase Case(int64_t connections, std::vector<std::string> databases = {"shop"}) {
  conf::HostCase at_worst;
  at_worst.host = {"db", 5432};
  at_worst.databases = std::move(databases);
  at_worst.connections = connections;
  at_worst.roles = {{"app", connections}, {"other", 3}};
  at_worst.dbnames = {{"shop", connections}};
  return at_worst;
}

ServerLimits Limits(int most, int reserved) {
  ServerLimits limits;
  limits.allowed = {most, reserved};
  return limits;
}

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(ReadLimitsTest, AddsWhatIsReservedAndKeepsWhatIsLimited) {
  const auto limits = ReadLimits({{"setting", "max_connections", "100"},
                                  {"setting", "reserved_connections", "5"},
                                  {"setting", "superuser_reserved_connections", "3"},
                                  {"role", "app", "7"},
                                  {"database", "shop", "0"}});
  ASSERT_TRUE(limits);
  EXPECT_EQ(limits->allowed.max_connections, 100);
  EXPECT_EQ(limits->allowed.reserved, 8);
  EXPECT_EQ(limits->allowed.available(), 92);
  EXPECT_EQ(limits->roles.at("app"), 7);
  EXPECT_EQ(limits->databases.at("shop"), 0);
}

TEST(ReadLimitsTest, WhatIsNoPostgresqlHasNoLimits) {
  EXPECT_FALSE(ReadLimits({}));
  EXPECT_FALSE(ReadLimits({{"setting", "superuser_reserved_connections", "3"}}));
  EXPECT_FALSE(ReadLimits({{"setting", "max_connections", "many"}}));
  EXPECT_FALSE(ReadLimits({{"setting", "max_connections", "99999999999"}}));
  EXPECT_FALSE(ReadLimits({{"max_connections"}}));
  EXPECT_FALSE(ReadLimits(Rows{{}}));
}

TEST(CapacityRowTest, EnoughUpToTheLast) {
  const ServerLimits limits = Limits(100, 3);
  const CapacityRow fits = MakeCapacityRow(Case(97), 1, &limits, WallTime(), "");
  EXPECT_EQ(fits.verdict, Verdict::kEnough);
  EXPECT_EQ(fits.remedy, "");
  const CapacityRow over = MakeCapacityRow(Case(98), 1, &limits, WallTime(), "");
  EXPECT_EQ(over.verdict, Verdict::kTooMany);
  EXPECT_TRUE(Has(over.remedy, "max_db_connections of database shop to at most 97, or")) << over.remedy;
  EXPECT_TRUE(Has(over.remedy, "max_connections of the server to 101")) << over.remedy;
  EXPECT_TRUE(Has(over.remedy, "default_pool_size")) << over.remedy;
}

TEST(CapacityRowTest, InstancesMultiply) {
  const ServerLimits limits = Limits(100, 3);
  const CapacityRow fits = MakeCapacityRow(Case(48, {"books", "shop"}), 2, &limits, WallTime(), "");
  EXPECT_EQ(fits.total, 96);
  EXPECT_EQ(fits.verdict, Verdict::kEnough);
  const CapacityRow over = MakeCapacityRow(Case(49, {"books", "shop"}), 2, &limits, WallTime(), "");
  EXPECT_EQ(over.total, 98);
  EXPECT_EQ(over.verdict, Verdict::kTooMany);
  EXPECT_TRUE(Has(over.remedy, "books, shop so that they come to at most 48 in each of the instances together")) << over.remedy;
}

TEST(CapacityRowTest, ALimitOfARoleOrADatabaseIsALimit) {
  ServerLimits limits = Limits(100, 3);
  limits.roles = {{"app", 5}, {"stranger", 1}, {"other", 3}};
  const CapacityRow role = MakeCapacityRow(Case(21), 2, &limits, WallTime(), "");
  EXPECT_EQ(role.verdict, Verdict::kTooMany);
  ASSERT_EQ(role.roles.size(), 2u) << "of ours alone";
  EXPECT_EQ(role.roles[0].name, "app");
  EXPECT_EQ(role.roles[0].wanted, 42);
  EXPECT_EQ(role.roles[0].limit, 5);
  EXPECT_TRUE(Has(role.remedy, "role app may want 42 of its CONNECTION LIMIT 5: set its max_user_connections to at most 2")) << role.remedy;
  EXPECT_TRUE(Has(role.remedy, "role other")) << "6 of 3";
  limits.roles.clear();
  limits.databases = {{"shop", 41}};
  const CapacityRow database = MakeCapacityRow(Case(21), 2, &limits, WallTime(), "");
  EXPECT_EQ(database.verdict, Verdict::kTooMany);
  EXPECT_TRUE(Has(database.remedy, "database shop of the server may be wanted 42 times, and has CONNECTION LIMIT 41")) << database.remedy;
  limits.databases = {{"shop", 42}};
  EXPECT_EQ(MakeCapacityRow(Case(21), 2, &limits, WallTime(), "").verdict, Verdict::kEnough);
}

TEST(CapacityRowTest, WhatIsNotKnownIsNotSaid) {
  const CapacityRow unknown = MakeCapacityRow(Case(21), 1, nullptr, WallTime(), "connection refused");
  EXPECT_EQ(unknown.verdict, Verdict::kUnknown);
  EXPECT_FALSE(unknown.allowed);
  EXPECT_EQ(unknown.trouble, "connection refused");
  conf::HostCase endless = Case(21);
  endless.unbounded = "database \"*\"";
  const ServerLimits limits = Limits(100, 3), few = Limits(10, 3);
  EXPECT_EQ(MakeCapacityRow(endless, 1, nullptr, WallTime(), "").verdict, Verdict::kUnbounded);
  EXPECT_EQ(MakeCapacityRow(endless, 1, &limits, WallTime(), "").verdict, Verdict::kUnbounded);
  const CapacityRow over = MakeCapacityRow(endless, 1, &few, WallTime(), "");
  EXPECT_EQ(over.verdict, Verdict::kTooMany) << "what is known is already too much";
  EXPECT_TRUE(Has(over.remedy, "max_user_connections")) << over.remedy;
}

TEST(CapacityRowTest, AnOldAnswerStaysBesideANewTrouble) {
  const ServerLimits limits = Limits(100, 3);
  const CapacityRow row = MakeCapacityRow(Case(21), 1, &limits, WallTime(std::chrono::seconds(1)), "no answer in time");
  EXPECT_EQ(row.verdict, Verdict::kEnough);
  EXPECT_EQ(row.asked, WallTime(std::chrono::seconds(1)));
  EXPECT_EQ(row.trouble, "no answer in time");
}

// --- whom one may ask ------------------------------------------------------------------------------------------------------

std::string VisitorText(const std::string& toml, const std::string& users, const conf::Host& host = {"db", 5432}) {
  std::string text;
  const auto config = ConfigOf("[pgweir]\nauth_type = \"trust\"\nauth_file = \"users\"\nadmin_users = [\"admin\"]\n" + toml, users);
  for (const Visitor& visitor : VisitorsFor(*config, host)) text += visitor.user + "@" + visitor.database + " ";
  return text;
}

const char kScram[] =
    "\"SCRAM-SHA-256$4096:uFcDbTh+g8Gu5lxmxBLLmA==$Irar/7peIPO0nLT9wr8F6RV7IPvz8CK0RkWoxxYcvLA=:zbG54uWGTUD+4i7fJij9jFKiE3PatPovYurQc66Jsvc=\"\n";

TEST(VisitorsTest, TheUserOfASectionThenWhosePasswordIsKnownThoseOfTheConsoleLast) {
  const std::string shop = "[databases.shop]\nhost = \"db\"\n", forced = "[databases.books]\nhost = \"db\"\nuser = \"book\"\npassword = \"x\"\n";
  EXPECT_EQ(VisitorText(forced + shop, "\"admin\" \"x\"\n\"zoe\" \"y\"\n"), "book@books zoe@shop admin@shop ");
  EXPECT_EQ(VisitorText(shop, "\"a\" \"\"\n\"b\" " + std::string(kScram)), "") << "a has none, and a verifier is no password";
  EXPECT_EQ(VisitorText(shop, "\"a\" \"x\"\n", {"elsewhere", 5432}), "");
}

TEST(VisitorsTest, UnderTheFallbackEveryServersOwnDatabase) {
  EXPECT_EQ(VisitorText("[databases.\"*\"]\nhost = \"db\"\n", "\"a\" \"x\"\n"), "a@postgres ");
  EXPECT_EQ(VisitorText("[databases.\"*\"]\nhost = \"db\"\n[databases.shop]\nhost = \"db\"\n", "\"a\" \"x\"\n"), "a@shop ");
}

TEST(VisitorsTest, NotMoreThanAFew) {
  std::string users;
  for (int i = 0; i < 20; ++i) users += "\"u" + std::to_string(i) + "\" \"x\"\n";
  EXPECT_EQ(VisitorText("[databases.shop]\nhost = \"db\"\n", users), "u0@shop u1@shop u10@shop ");
}

}  // namespace
}  // namespace proxy
