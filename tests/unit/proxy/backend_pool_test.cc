// BackendPool: which secret goes to a server, when servers must be renewed, what is remembered of startup values.
#include "proxy/backend_pool.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/config_fixture.h"

namespace proxy {
namespace {

constexpr char kVerifier[] =
    "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

class BackendPoolTest : public testing::Test {
 protected:
  static std::shared_ptr<const conf::Config> Config(const std::string& section, const std::string& users = "",
                                                    const std::string& global = "") {
    return ConfigOf(
        "[pgweir]\nauth_file = \"users\"\n" + global + "\n[databases.shop]\nhost = \"10.0.0.1\"\n" + section, users);
  }
  static std::shared_ptr<BackendPool> Make(const conf::Config& config, const std::string& user = "app") {
    const conf::Database& section = *config.FindDatabase("shop");
    return std::make_shared<BackendPool>(PoolKey{"shop", section.user.empty() ? user : section.user}, config, section,
                                         2, pool::Budgets{}, 1);
  }
  static bool Configure(BackendPool& pool, const std::shared_ptr<const conf::Config>& config) {
    return pool.Configure(*config, *config->FindDatabase("shop"));
  }
  using Proof = BackendPool::Proof;
  static std::optional<BackendPool::Greeting> Greet(BackendPool& pool, const std::vector<protocol::Setting>& wanted) {
    return pool.Greet(wanted, Proof::kNeeded);
  }
  // With what a client that wants only this is greeted; nullopt: a server must be asked.
  static std::optional<std::string> Verified(BackendPool& pool, const protocol::Setting& wanted) {
    if (!pool.welcome()) pool.SetWelcome({{"server_version", "15"}});
    const auto greeting = Greet(pool, {wanted});
    if (!greeting) return std::nullopt;
    EXPECT_EQ(greeting->settings->values().size(), 1u);
    return *greeting->settings->Find(wanted.first);
  }
  static protocol::ScramKeys Keys(char fill) {
    protocol::ScramKeys keys;
    keys.iterations = 4096;
    keys.salt = "salt";
    keys.client_key = std::string(32, fill);
    keys.server_key = std::string(32, fill);
    return keys;
  }
};

TEST_F(BackendPoolTest, EachServerBeginsAtTheNextHostWhenTheyTakeTurns) {
  const auto names = [](const ServerTarget& target) {
    std::string text;
    for (const conf::Host& host : target.hosts) text += host.name;
    return text;
  };
  const auto in_order = Make(*Config("", "\"app\" \"x\"\n"));
  EXPECT_EQ(names(in_order->Target()), names(in_order->Target()));
  const auto config = ConfigOf("[pgweir]\nauth_file = \"users\"\n[databases.shop]\nhost = \"a,b,c\"\nload_balance_hosts = \"round-robin\"\n", "\"app\" \"x\"\n");
  const auto in_turn = Make(*config);
  EXPECT_EQ(names(in_turn->Target()), "abc");
  EXPECT_EQ(names(in_turn->Target()), "bca");
  EXPECT_EQ(names(in_turn->Target()), "cab");
  EXPECT_EQ(names(in_turn->Target()), "abc");
}

TEST_F(BackendPoolTest, PlainAndMd5SecretsOfTheUserListGoToTheServer) {
  for (const std::string secret : {"plain", "md5d41d8cd98f00b204e9800998ecf8427e"}) {
    const auto pool = Make(*Config("", "\"app\" \"" + secret + "\"\n"));
    EXPECT_EQ(pool->Target().credentials.user, "app");
    EXPECT_EQ(pool->Target().credentials.secret, secret);
  }
}

TEST_F(BackendPoolTest, TheSecretOfAnotherUserIsNotTaken) {
  const auto pool = Make(*Config("", "\"other\" \"plain\"\n"));
  EXPECT_FALSE(pool->Target().credentials.secret.has_value());
}

TEST_F(BackendPoolTest, ForcedUserWithItsOwnPasswordComesFirst) {
  const auto pool =
      Make(*Config("user = \"service\"\npassword = \"forced\"\n", "\"service\" \"listed\"\n\"app\" \"x\"\n"));
  EXPECT_EQ(pool->Target().credentials.user, "service");
  EXPECT_EQ(pool->Target().credentials.secret, "forced");
}

TEST_F(BackendPoolTest, ForcedUserWithoutPasswordTakesTheUserList) {
  const auto pool = Make(*Config("user = \"service\"\n", "\"service\" \"listed\"\n"));
  EXPECT_EQ(pool->Target().credentials.secret, "listed");
}

TEST_F(BackendPoolTest, AVerifierAloneIsNoSecretButTheClientsKeysAre) {
  const auto pool = Make(*Config("", std::string("\"app\" \"") + kVerifier + "\"\n"));
  EXPECT_FALSE(pool->Target().credentials.secret.has_value());
  EXPECT_FALSE(pool->Target().credentials.keys.has_value());
  pool->OfferCredentials(Keys('a'), "");
  EXPECT_FALSE(pool->Target().credentials.secret.has_value());
  ASSERT_TRUE(pool->Target().credentials.keys.has_value());
  EXPECT_EQ(pool->Target().credentials.keys->client_key, std::string(32, 'a'));
}

TEST_F(BackendPoolTest, CleartextOfTheClientIsUsedWhenNothingIsConfigured) {
  const auto pool = Make(*Config("", std::string("\"app\" \"") + kVerifier + "\"\n"));
  pool->OfferCredentials(std::nullopt, "typed");
  EXPECT_EQ(pool->Target().credentials.secret, "typed");
}

TEST_F(BackendPoolTest, TheLatestProofReplacesTheOneBefore) {
  const auto pool = Make(*Config("", std::string("\"app\" \"") + kVerifier + "\"\n"));
  pool->OfferCredentials(std::nullopt, "old password");
  pool->OfferCredentials(Keys('b'), "");
  EXPECT_FALSE(pool->Target().credentials.secret.has_value()) << "an old password stands before newer keys";
  ASSERT_TRUE(pool->Target().credentials.keys.has_value());
  pool->OfferCredentials(std::nullopt, "new password");
  EXPECT_EQ(pool->Target().credentials.secret, "new password");
}

TEST_F(BackendPoolTest, AnOfferOfNothingChangesNothing) {
  const auto pool = Make(*Config(""));
  pool->OfferCredentials(std::nullopt, "typed");
  pool->OfferCredentials(std::nullopt, "");
  EXPECT_EQ(pool->Target().credentials.secret, "typed");
}

TEST_F(BackendPoolTest, ConfiguredStandsBeforeOffered) {
  const auto pool = Make(*Config("", "\"app\" \"configured\"\n"));
  pool->OfferCredentials(Keys('c'), "typed");
  EXPECT_EQ(pool->Target().credentials.secret, "configured");
  EXPECT_FALSE(pool->Target().credentials.keys.has_value()) << "keys of another secret";
  pool->RememberDerivedKeys(Keys('d'));
  ASSERT_TRUE(pool->Target().credentials.keys.has_value());
  EXPECT_EQ(pool->Target().credentials.keys->client_key, std::string(32, 'd'));
}

TEST_F(BackendPoolTest, DerivedKeysDoNotOutliveTheirSecret) {
  const auto pool = Make(*Config("", "\"app\" \"one\"\n"));
  pool->RememberDerivedKeys(Keys('d'));
  EXPECT_TRUE(Configure(*pool, Config("", "\"app\" \"two\"\n")));
  EXPECT_FALSE(pool->Target().credentials.keys.has_value());
}

TEST_F(BackendPoolTest, TargetNamesDatabaseHostsAndStartup) {
  const auto renamed =
      Make(*Config("dbname = \"shop_v2\"\nport = 6000\nclient_encoding = \"LATIN1\"\ntimezone = \"UTC\"\n"));
  const ServerTarget target = renamed->Target();
  EXPECT_EQ(target.dbname, "shop_v2");
  ASSERT_EQ(target.hosts.size(), 1u);
  EXPECT_EQ(target.hosts[0].name, "10.0.0.1");
  EXPECT_EQ(target.hosts[0].port, 6000);
  EXPECT_EQ(target.startup, (std::vector<protocol::Setting>{{"client_encoding", "LATIN1"}, {"TimeZone", "UTC"}}));
  EXPECT_EQ(Make(*Config(""))->Target().dbname, "shop") << "the name the client asked for";
}

TEST_F(BackendPoolTest, ConfigureTellsWhenServersMustBeRenewed) {
  const std::string users = "\"app\" \"x\"\n";
  const auto pool = Make(*Config("", users));
  EXPECT_FALSE(Configure(*pool, Config("", users))) << "nothing changed";
  EXPECT_FALSE(Configure(*pool, Config("pool_size = 7\nquery_timeout = \"3s\"\npool_mode = \"session\"\n", users)));
  EXPECT_EQ(pool->settings().pool_size, 7);
  EXPECT_EQ(pool->query_timeout(), pool::Duration(3'000'000));
  EXPECT_EQ(pool->mode(), conf::PoolMode::kSession);
  EXPECT_EQ(pool->queue_flow(), conf::QueueFlow::kUser);
  EXPECT_FALSE(Configure(*pool, Config("pool_size = 7\nqueue_flow = \"address\"\n", users)));
  EXPECT_EQ(pool->queue_flow(), conf::QueueFlow::kAddress);
  EXPECT_FALSE(Configure(*pool, Config("", users + "\"other\" \"y\"\n"))) << "somebody else's secret";
  for (const std::string changed :
       {"port = 5433\n", "dbname = \"b\"\n", "client_encoding = \"LATIN1\"\n", "datestyle = \"German\"\n",
        "timezone = \"UTC\"\n", "application_name = \"weir\"\n",
        "connect_query = \"SELECT 1\"\n"}) {
    EXPECT_TRUE(Configure(*pool, Config(changed, users))) << changed;
    EXPECT_FALSE(Configure(*pool, Config(changed, users))) << "the second time it is no change: " << changed;
    EXPECT_TRUE(Configure(*pool, Config("", users))) << "and back: " << changed;
  }
  EXPECT_TRUE(Configure(*pool, Config("", "\"app\" \"changed\"\n")));
}

TEST_F(BackendPoolTest, RenewalForgetsWhatTheOldServersSaid) {
  const auto pool = Make(*Config(""));
  pool->SetWelcome({{"server_version", "15"}});
  pool->RememberVerified({"search_path", "a"}, "a");
  EXPECT_FALSE(Configure(*pool, Config("pool_size = 3\n")));
  EXPECT_NE(pool->welcome(), nullptr);
  EXPECT_TRUE(Greet(*pool, {{"search_path", "a"}}).has_value());
  EXPECT_TRUE(Configure(*pool, Config("port = 6000\n")));
  EXPECT_EQ(pool->welcome(), nullptr);
  EXPECT_FALSE(Greet(*pool, {}).has_value()) << "no server has said what it is";
  EXPECT_TRUE(pool->Greet({{"search_path", "a"}}, Proof::kGiven).has_value()) << "one of the old ones had been asked";
  pool->SetWelcome({{"server_version", "15"}});
  EXPECT_TRUE(Greet(*pool, {}).has_value());
  EXPECT_FALSE(Greet(*pool, {{"search_path", "a"}}).has_value()) << "the new ones have accepted nothing yet";
}

TEST_F(BackendPoolTest, EqualGreetingsAreShared) {
  const auto pool = Make(*Config(""));
  pool->SetWelcome({{"server_version", "15"}});
  pool->RememberVerified({"DateStyle", "iso"}, "ISO, MDY");
  pool->RememberVerified({"TimeZone", "utc"}, "UTC");
  const std::vector<protocol::Setting> wanted = {{"DateStyle", "iso"}, {"TimeZone", "utc"}, {"application_name", "psql"}};
  const auto greeting = Greet(*pool, wanted);
  ASSERT_TRUE(greeting.has_value());
  EXPECT_EQ(greeting->welcome, pool->welcome());
  const std::vector<protocol::Setting> expected = {{"DateStyle", "ISO, MDY"}, {"TimeZone", "UTC"}, {"application_name", "psql"}};
  EXPECT_EQ(greeting->settings->values(), expected);
  EXPECT_EQ(Greet(*pool, wanted)->settings, greeting->settings);
  EXPECT_EQ(pool->Share(protocol::Settings::From(expected)), greeting->settings);
  EXPECT_FALSE(Greet(*pool, {{"DateStyle", "iso"}, {"search_path", "x"}}).has_value()) << "one that is not known is enough";
  pool->RememberVerified({"DateStyle", "ISO, MDY"}, "ISO, MDY");
  EXPECT_EQ(Greet(*pool, {{"DateStyle", "ISO, MDY"}, {"TimeZone", "utc"}, {"application_name", "psql"}})->settings, greeting->settings);
}

TEST_F(BackendPoolTest, WhatAServerHasJustAcceptedNeedsNoMemory) {
  const auto pool = Make(*Config(""));
  EXPECT_FALSE(pool->Greet({}, Proof::kGiven).has_value());
  pool->SetWelcome({{"server_version", "15"}});
  pool->RememberVerified({"DateStyle", "iso"}, "ISO, MDY");
  const auto greeting = pool->Greet({{"DateStyle", "iso"}, {"search_path", "x"}}, Proof::kGiven);
  ASSERT_TRUE(greeting.has_value());
  EXPECT_EQ(greeting->settings->values(), (std::vector<protocol::Setting>{{"DateStyle", "ISO, MDY"}, {"search_path", "x"}}));
  const auto told = pool->welcome();
  ASSERT_TRUE(Configure(*pool, Config("port = 6000\n")));
  EXPECT_EQ(pool->Greet({}, Proof::kGiven)->welcome, told) << "a reload between its answer and the welcome";
  pool->SetWelcome({{"server_version", "16"}});
  EXPECT_NE(pool->Greet({}, Proof::kGiven)->welcome, told);
  EXPECT_EQ(pool->Greet({}, Proof::kGiven)->welcome, pool->welcome());
}

TEST_F(BackendPoolTest, SharedSettingsAreBounded) {
  const auto pool = Make(*Config(""));
  pool->SetWelcome({{"server_version", "15"}});
  std::vector<protocol::SettingsRef> kept;
  const auto greet = [&](size_t i) { return Greet(*pool, {{"application_name", std::to_string(i)}})->settings; };
  for (size_t i = 0; i < kSharedSettingsMax; ++i) kept.push_back(greet(i));
  EXPECT_EQ(greet(0), kept[0]);
  kept.push_back(greet(kSharedSettingsMax));
  EXPECT_NE(greet(0), kept[0]) << "forgotten, with all the others";
  EXPECT_EQ(*greet(0), *kept[0]);
}

TEST_F(BackendPoolTest, AnEqualWelcomeIsShared) {
  const auto pool = Make(*Config(""));
  EXPECT_EQ(pool->welcome(), nullptr);
  pool->SetWelcome({{"a", "1"}});
  const auto first = pool->welcome();
  pool->SetWelcome({{"a", "1"}});
  EXPECT_EQ(pool->welcome(), first);
  pool->SetWelcome({{"a", "2"}});
  EXPECT_NE(pool->welcome(), first);
}

TEST_F(BackendPoolTest, VerifiedValuesKeepTheServersSpelling) {
  const auto pool = Make(*Config(""));
  EXPECT_FALSE(Verified(*pool, {"DateStyle", "iso"}).has_value());
  pool->RememberVerified({"DateStyle", "iso"}, "ISO, MDY");
  EXPECT_EQ(Verified(*pool, {"DateStyle", "iso"}), "ISO, MDY");
  EXPECT_FALSE(Verified(*pool, {"DateStyle", "ISO"}).has_value()) << "values that differ in case only are different";
  EXPECT_FALSE(Verified(*pool, {"IntervalStyle", "iso"}).has_value());
}

TEST_F(BackendPoolTest, ApplicationNameNeedsNoProofWhenPostgresKeepsItAsItIs) {
  const auto pool = Make(*Config(""));
  EXPECT_EQ(Verified(*pool, {"application_name", "psql"}), "psql");
  EXPECT_EQ(Verified(*pool, {"application_name", ""}), "") << "an empty name is a value";
  EXPECT_EQ(Verified(*pool, {"application_name", std::string(63, 'x')}), std::string(63, 'x'));
  EXPECT_FALSE(Verified(*pool, {"application_name", std::string(64, 'x')}).has_value()) << "PostgreSQL cuts it";
  EXPECT_FALSE(Verified(*pool, {"application_name", "caf\xc3\xa9"}).has_value()) << "PostgreSQL replaces it";
  EXPECT_FALSE(Verified(*pool, {"application_name", "a\nb"}).has_value());
  EXPECT_FALSE(Verified(*pool, {"application_name", "a\x7f"}).has_value());
}

TEST_F(BackendPoolTest, VerifiedValuesAreBounded) {
  const auto pool = Make(*Config(""));
  const auto value = [](size_t i) { return protocol::Setting{"search_path", std::to_string(i)}; };
  const auto known = [&](size_t most) {
    size_t count = 0;
    for (size_t i = 0; i < most; ++i) count += Verified(*pool, value(i)).has_value() ? 1 : 0;
    return count;
  };
  for (size_t i = 0; i < kVerifiedMax; ++i) pool->RememberVerified(value(i), "x");
  EXPECT_EQ(known(kVerifiedMax), kVerifiedMax);
  pool->RememberVerified(value(kVerifiedMax), "x");
  EXPECT_LE(known(kVerifiedMax + 1), kVerifiedMax);
  EXPECT_TRUE(Verified(*pool, value(kVerifiedMax)).has_value()) << "the newest is there";
}

TEST_F(BackendPoolTest, LimitsFollowTheSettings) {
  const auto pool = Make(*Config(
      "pool_size = 9\nmin_pool_size = 2\nreserve_pool_size = 3\nmax_waiting = 11\nqueue_target = \"70ms\"\nqueue_interval = \"2s\"\nserver_check_query = \"\"\n"));
  const pool::PoolLimits limits = pool->limits();
  EXPECT_EQ(limits.size, 9);
  EXPECT_EQ(limits.min_size, 2);
  EXPECT_EQ(limits.reserve_size, 3);
  EXPECT_EQ(limits.max_waiting, 11);
  EXPECT_EQ(limits.overload.target, pool::Duration(70'000));
  EXPECT_EQ(limits.overload.interval, pool::Duration(2'000'000));
  EXPECT_EQ(limits.check_delay, pool::Duration::max()) << "no query, no check";
}

TEST_F(BackendPoolTest, TotalsAndClientsAreSumsOverTheWorkers) {
  const auto pool = Make(*Config(""));
  pool->counters(0).queries.Add(2);
  pool->counters(1).queries.Add(3);
  pool->counters(0).clients.Add(1);
  pool->counters(1).clients.Add(4);
  pool->counters(0).pinned.Add(2);
  pool->counters(1).pinned.Add(1);
  EXPECT_EQ(pool->Totals().queries, 5u);
  EXPECT_EQ(pool->Clients(), 5u);
  EXPECT_EQ(pool->Pinned(), 3u);
}

}  // namespace
}  // namespace proxy
