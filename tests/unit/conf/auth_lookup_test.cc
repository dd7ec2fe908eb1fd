// auth_user, auth_query and auth_dbname: whose count where, what is refused, and what an ini makes of them.
#include "conf/auth_lookup.h"

#include "conf/convert.h"
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "user@place: query" for the clients of a database.
std::string Lookup(const Config& config, std::string_view database) {
  const auto lookup = FindLookup(config, database);
  if (!lookup) return "nobody";
  EXPECT_EQ(lookup->section, config.FindDatabase(lookup->place));
  return lookup->user + "@" + lookup->place + ": " + lookup->query;
}

std::string Lookup(const LoadResult& result, std::string_view database) {
  EXPECT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  return result ? Lookup(**result, database) : "not loaded";
}

const std::string kDefault = ": " + std::string(kAuthQuery);

TEST(AuthLookup, WithoutAuthUserNobodyIsLookedUp) {
  EXPECT_EQ(Lookup(Loading().Text(With("")), "shop"), "nobody");
  EXPECT_EQ(Lookup(Loading().Text(With("auth_query = \"SELECT $1\"")), "shop"), "nobody");
}

TEST(AuthLookup, TheDatabaseCountsBeforeTheGlobalKey) {
  const auto result = Loading().Text(With("auth_user = \"asker\"", "[databases.own]\nauth_user = \"own_asker\"\nauth_query = \"SELECT $1, 2\"\n"
                                          "[databases.elsewhere]\nauth_dbname = \"shop\"\n[databases.\"*\"]\n"));
  EXPECT_EQ(Lookup(result, "shop"), "asker@shop" + kDefault);
  EXPECT_EQ(Lookup(result, "own"), "own_asker@own: SELECT $1, 2");
  EXPECT_EQ(Lookup(result, "elsewhere"), "asker@shop" + kDefault);
  EXPECT_EQ(Lookup(result, "made up"), "asker@made up" + kDefault);
  EXPECT_EQ(Lookup(result, "pgbouncer"), "nobody") << "the console has no users";
}

TEST(AuthLookup, AuthDbnameIsForUnknownDatabasesAndTheConsoleToo) {
  const auto result = Loading().Text(With("auth_user = \"asker\"\nauth_dbname = \"shop\""));
  for (const char* database : {"shop", "unknown", "pgweir", "pgbouncer"}) EXPECT_EQ(Lookup(result, database), "asker@shop" + kDefault);
  EXPECT_EQ(Lookup(Loading().Text(With("auth_user = \"asker\"")), "unknown"), "nobody");
}

TEST(AuthLookup, WhatCannotWorkIsAMistake) {
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_dbname = \"nowhere\""))), ElementsAre(HasSubstr("pgweir.toml:2: auth_dbname 'nowhere' is not a database")));
  EXPECT_THAT(Mistakes(Loading().Text(With("", "[databases.a]\nauth_dbname = \"b\"\n"))), ElementsAre(HasSubstr("auth_dbname 'b' is not a database")));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_dbname = \"pgbouncer\""))), ElementsAre(HasSubstr("is the console")));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_query = \"SELECT usename, passwd FROM pg_shadow\""))), ElementsAre(HasSubstr("$1 stands for the name")));
  EXPECT_THAT(Mistakes(Loading().Text(With("auth_user = \"" + std::string(64, 'x') + "\""))), ElementsAre(HasSubstr("63 bytes")));
}

TEST(AuthLookup, IsAWayToLogIn) {
  const std::string text = "[pgweir]\nauth_user = \"asker\"\n[databases.a]\n";
  EXPECT_THAT(Mistakes(Loading().Text(text)), IsEmpty());
  EXPECT_THAT(Mistakes(Loading().Text("[pgweir]\n[databases.a]\nauth_user = \"asker\"\n")), IsEmpty());
  EXPECT_THAT(Mistakes(Loading().Text("[pgweir]\n[databases.a]\n")), ElementsAre(HasSubstr("nobody could log in")));
}

TEST(AuthLookup, AnIniMeansWhatPgBouncerMeans) {
  const auto loading = LoadingIni();
  const auto result = loading.Text(
      "[databases]\nshop = host=10.0.0.5\nown = host=10.0.0.5 auth_user=x auth_query='SELECT a, b FROM c WHERE a = $1' auth_dbname=shop\n"
      "[pgbouncer]\nauth_file = /etc/pgbouncer/userlist.txt\nauth_user = asker\n");
  EXPECT_EQ(Lookup(result, "shop"), "asker@shop" + kDefault);
  EXPECT_EQ(Lookup(result, "own"), "x@shop: SELECT a, b FROM c WHERE a = $1");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ((*result)->global.auth_query_cache_age, Duration(0)) << "each login asks, as there";
  const auto toml = ToToml(**result, loading.Options());
  ASSERT_TRUE(toml.has_value()) << toml.error();
  EXPECT_THAT(*toml, HasSubstr("auth_user = \"asker\"\n"));
  EXPECT_THAT(*toml, HasSubstr("auth_query_cache_age = "));
  EXPECT_THAT(*toml, HasSubstr("auth_query = \"SELECT a, b FROM c WHERE a = $1\"\n"));
}

TEST(AuthLookup, ChangesAreTold) {
  const auto before = Loading().Text(With("")), after = Loading().Text(With("auth_user = \"asker\"\nauth_query_cache_age = \"5s\""));
  ASSERT_TRUE(before && after);
  EXPECT_THAT(Differences(**before, **after), ElementsAre("auth_query_cache_age: 1min -> 5s", "auth_user:  -> asker"));
}

}  // namespace
}  // namespace conf
