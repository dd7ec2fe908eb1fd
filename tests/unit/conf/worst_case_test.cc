// What one pgweir may open at each server at worst: the arithmetic of many configurations.
#include "conf/worst_case.h"

#include "tests/unit/conf/load_fixture.h"

namespace conf {
namespace {

// Pools of session mode have no listening connection, so that the sizes are plain to see.
constexpr char kPlain[] = "auth_type = \"trust\"\nauth_file = \"users\"\npool_mode = \"session\"\n";

class WorstCaseTest : public testing::Test {
 protected:
  std::vector<HostCase> Cases(const std::string& global, const std::string& sections, const std::set<std::string>& names = {}) {
    loading_.files["users"] = users_;
    const auto result = loading_.Text("[pgweir]\n" + std::string(kPlain) + global + "\n" + sections);
    EXPECT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
    return result ? WorstCases(**result, names) : std::vector<HostCase>();
  }
  HostCase Only(const std::string& global, const std::string& sections, const std::set<std::string>& names = {}) {
    const auto cases = Cases(global, sections, names);
    EXPECT_EQ(cases.size(), 1u);
    return cases.empty() ? HostCase() : cases[0];
  }
  static std::string Section(const std::string& name, const std::string& more = "") {
    return "[databases.\"" + name + "\"]\nhost = \"db\"\n" + more + "\n";
  }
  static int64_t ShareOf(const std::vector<Share>& shares, const std::string& name) {
    for (const Share& share : shares) {
      if (share.name == name) return share.connections;
    }
    return -1;
  }

  std::string users_ = "\"a\" \"\"\n\"b\" \"\"\n";
  Loading loading_;
};

TEST_F(WorstCaseTest, APoolForEachDatabaseAndUserAndOneThatAsks) {
  const HostCase one = Only("default_pool_size = 10", Section("shop"));
  EXPECT_EQ(one.host, (Host{"db", 5432}));
  EXPECT_EQ(one.pools, 2u);
  EXPECT_EQ(one.connections, 21);
  EXPECT_EQ(one.unbounded, "");
  EXPECT_EQ(one.databases, std::vector<std::string>{"shop"});
  EXPECT_EQ(one.users, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Only("default_pool_size = 10", Section("shop") + Section("books")).connections, 41);
}

TEST_F(WorstCaseTest, TheReserveCountsAndSoDoesAConnectionThatListens) {
  EXPECT_EQ(Only("default_pool_size = 10\nreserve_pool_size = 3", Section("shop")).connections, 2 * 13 + 1);
  EXPECT_EQ(Only("default_pool_size = 10", Section("shop", "pool_mode = \"transaction\"")).connections, 2 * 11 + 1);
  EXPECT_EQ(Only("default_pool_size = 10", Section("shop", "pool_mode = \"transaction\"\nsession_state = \"track, listen=pin\"")).connections, 21);
}

TEST_F(WorstCaseTest, TheKeysOfDatabasesAndUsersCount) {
  const HostCase one = Only("default_pool_size = 10", Section("shop", "pool_size = 4") + "[users.a]\npool_size = 7\n");
  EXPECT_EQ(one.connections, 7 + 4 + 1);
  EXPECT_EQ(ShareOf(one.roles, "a"), 8) << "any of them may be the one that asks";
  EXPECT_EQ(ShareOf(one.roles, "b"), 5);
  EXPECT_EQ(ShareOf(one.dbnames, "shop"), 12);
}

TEST_F(WorstCaseTest, AForcedUserIsOnePoolForEverybody) {
  const HostCase one = Only("default_pool_size = 10", Section("shop", "user = \"app\""));
  EXPECT_EQ(one.pools, 1u);
  EXPECT_EQ(one.connections, 11);
  EXPECT_EQ(one.users, std::vector<std::string>{"app"});
}

TEST_F(WorstCaseTest, WhoIsRejectedHasNoPool) {
  EXPECT_EQ(Only("default_pool_size = 10\nreject_users = [\"a\"]", Section("shop")).connections, 11);
}

TEST_F(WorstCaseTest, NobodyWhoMayLogInIsNoConnectionAtAll) {
  users_.clear();
  const HostCase one = Only("default_pool_size = 10", Section("shop"));
  EXPECT_EQ(one.pools, 0u);
  EXPECT_EQ(one.connections, 0);
}

TEST_F(WorstCaseTest, EachHostOfAListMayGetThemAll) {
  const auto cases = Cases("default_pool_size = 10", "[databases.shop]\nhost = \"two, one:5433\"\n[databases.books]\nhost = \"one\"\nport = 5433\n");
  ASSERT_EQ(cases.size(), 2u);
  EXPECT_EQ(cases[0].host, (Host{"one", 5433}));
  EXPECT_EQ(cases[0].connections, 41);
  EXPECT_EQ(cases[1].connections, 21);
}

TEST_F(WorstCaseTest, CapsOfDatabases) {
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 15", Section("shop")).connections, 15) << "who asks is under the cap, too";
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 20", Section("shop")).connections, 20);
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 21", Section("shop")).connections, 21);
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 22", Section("shop")).connections, 21);
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 15", Section("shop") + Section("books", "max_db_connections = 0")).connections, 15 + 21);
}

TEST_F(WorstCaseTest, CapsOfUsers) {
  const std::string two = Section("shop") + Section("books");
  EXPECT_EQ(Only("default_pool_size = 10\nmax_user_connections = 12", two).connections, 24);
  const HostCase one = Only("default_pool_size = 10", two + "[users.a]\nmax_user_connections = 5\n");
  EXPECT_EQ(one.connections, 5 + 20 + 1);
  EXPECT_EQ(ShareOf(one.roles, "a"), 5);
  EXPECT_EQ(ShareOf(one.roles, "b"), 21);
}

TEST_F(WorstCaseTest, TheCapOfAHostBoundsEverything) {
  const HostCase one = Only("default_pool_size = 10\nmax_host_connections = 12", Section("shop") + Section("books"));
  EXPECT_EQ(one.connections, 12);
  EXPECT_EQ(ShareOf(one.dbnames, "shop"), 12);
  EXPECT_EQ(Only("default_pool_size = 10\nmax_host_connections = 100", Section("shop")).connections, 21);
  const HostCase any = Only("default_pool_size = 10\nmax_host_connections = 12", Section("*"));
  EXPECT_EQ(any.connections, 12);
  EXPECT_EQ(any.unbounded, "");
}

// Neither cap alone says it: a has 10 + 10 under 12, b 10 + 10, shop 15, books 20: 12 of a leave room for 20 of b, but shop has 15.
TEST_F(WorstCaseTest, CapsOfBothKindsTogether) {
  const auto most = [&](const std::string& shop, const std::string& books, const std::string& of_a, const std::string& of_b) {
    return Only("default_pool_size = 10", Section("shop", "max_db_connections = " + shop) + Section("books", "max_db_connections = " + books) +
                                              "[users.a]\nmax_user_connections = " + of_a + "\n[users.b]\nmax_user_connections = " + of_b + "\n")
        .connections;
  };
  EXPECT_EQ(most("15", "20", "12", "30"), 33) << "12 of a, 20 of b, and the one that asks";
  EXPECT_EQ(most("5", "20", "12", "30"), 5 + 20);
  EXPECT_EQ(most("5", "40", "1", "40"), 1 + 5 + 10 + 1) << "a 1, b 5 in shop and 10 in books, and one that asks";
  EXPECT_EQ(most("3", "3", "1", "1"), 2);
}

// The flow against the definition, by trying every way to fill small pools.
TEST(MostAtOnce, IsTheGreatestOfAllWaysToFillThePools) {
  uint64_t state = 7;
  const auto roll = [&state](uint64_t bound) { return static_cast<int64_t>((state = state * 6364136223846793005u + 1442695040888963407u) >> 33) % static_cast<int64_t>(bound); };
  for (int round = 0; round < 300; ++round) {
    std::vector<PoolCase> pools;
    int64_t databases[2], users[2];
    for (int64_t& cap : databases) cap = roll(6);
    for (int64_t& cap : users) cap = roll(6);
    for (size_t d = 0; d < 2; ++d) {
      for (size_t u = 0; u < 2; ++u) {
        if (roll(5) > 0) pools.push_back({std::to_string(d), std::to_string(u), "", 1 + roll(4), databases[d], users[u]});
      }
    }
    int64_t best = 0;
    std::vector<int64_t> filled(pools.size(), 0);
    for (;;) {
      int64_t by_database[2] = {}, by_user[2] = {}, sum = 0;
      for (size_t i = 0; i < pools.size(); ++i) {
        by_database[pools[i].database == "1"] += filled[i];
        by_user[pools[i].user == "1"] += filled[i];
        sum += filled[i];
      }
      bool fits = true;
      for (int i = 0; i < 2; ++i) {
        fits = fits && (databases[i] == 0 || by_database[i] <= databases[i]) && (users[i] == 0 || by_user[i] <= users[i]);
      }
      if (fits) best = std::max(best, sum);
      size_t at = 0;
      while (at < pools.size() && filled[at] == pools[at].most) filled[at++] = 0;
      if (at == pools.size()) break;
      ++filled[at];
    }
    EXPECT_EQ(MostAtOnce(pools, 0), best) << "round " << round;
    EXPECT_GE(MostAtOnce(pools, 1), best);
    EXPECT_LE(MostAtOnce(pools, 1), best + 1);
  }
}

TEST_F(WorstCaseTest, TheFallbackIsUnboundedAndCountsTheNamesThatAreKnown) {
  const HostCase one = Only("default_pool_size = 10", Section("*"));
  EXPECT_NE(one.unbounded.find("\"*\""), std::string::npos);
  EXPECT_EQ(one.connections, 21) << "one name at least";
  EXPECT_EQ(Only("default_pool_size = 10", Section("*"), {"x", "y"}).connections, 41);
  EXPECT_EQ(Only("default_pool_size = 10", Section("*") + Section("shop"), {"shop", "y"}).connections, 41) << "shop has a section";
  EXPECT_EQ(Only("default_pool_size = 10\nmax_db_connections = 3", Section("*"), {"x", "y"}).connections, 6);
}

TEST_F(WorstCaseTest, TheFallbackIsBoundedByItsUsersCaps) {
  const HostCase one = Only("default_pool_size = 10", Section("*", "user = \"app\"") + "[users.app]\nmax_user_connections = 30\npassword = \"x\"\n");
  EXPECT_EQ(one.unbounded, "");
  EXPECT_EQ(one.connections, 30) << "many names come to the cap";
  EXPECT_EQ(Only("default_pool_size = 10\nmax_user_connections = 12", Section("*") + Section("shop")).connections, 24);
  const HostCase half = Only("default_pool_size = 10", Section("*") + "[users.a]\nmax_user_connections = 30\n");
  EXPECT_NE(half.unbounded.find("\"b\""), std::string::npos);
  EXPECT_EQ(half.connections, 30 + 10 + 1);
}

TEST_F(WorstCaseTest, TwoNamesOfOneDatabaseShareItsLimit) {
  const HostCase one = Only("default_pool_size = 10", Section("shop", "user = \"app\"") + Section("store", "dbname = \"shop\"\nuser = \"app\""));
  EXPECT_EQ(ShareOf(one.dbnames, "shop"), 21);
  EXPECT_EQ(one.dbnames.size(), 1u);
}

TEST_F(WorstCaseTest, MorePoolsThanAProcessHasAreNotCounted) {
  users_.clear();
  for (size_t i = 0; i < kCountedPoolsMax / 2 + 1; ++i) users_ += "\"u" + std::to_string(i) + "\" \"\"\n";
  const HostCase one = Only("default_pool_size = 1", Section("shop") + Section("books"));
  EXPECT_EQ(one.pools, kCountedPoolsMax);
  EXPECT_NE(one.unbounded.find("pools"), std::string::npos);
}

// auth_query, PAM and LDAP find users whom nobody has listed.
TEST_F(WorstCaseTest, UsersWhoAreNotListedAreBoundedByTheDatabaseAlone) {
  const std::string lookup = "auth_user = \"asker\"\ndefault_pool_size = 10";
  EXPECT_EQ(Only(lookup, Section("shop")).unbounded, "users who are not listed may log in to database \"shop\", which has no max_db_connections");
  EXPECT_EQ(Only(lookup, Section("*", "max_db_connections = 70")).unbounded, "users who are not listed may log in to database \"*\", which stands for any name");
  const HostCase capped = Only(lookup, Section("shop", "max_db_connections = 70"));
  EXPECT_EQ(capped.unbounded, "");
  EXPECT_EQ(capped.connections, 70) << "more than the two users of the list come to";
  EXPECT_EQ(capped.users, (std::vector<std::string>{"a", "b"})) << "no role is asked about that nobody knows";
  EXPECT_EQ(Only(lookup, Section("shop", "user = \"a\"")).unbounded, "") << "whoever comes is this one user";
  loading_.files["hba"] = "local all all pam\n";
  loading_.files["users"] = users_;
  const auto hba = loading_.Text("[pgweir]\nauth_type = \"hba\"\nauth_hba_file = \"hba\"\nauth_file = \"users\"\n" + Section("shop"));
  ASSERT_TRUE(hba.has_value()) << testing::PrintToString(Mistakes(hba));
  EXPECT_NE(WorstCases(**hba, {}).at(0).unbounded, "");
}

}  // namespace
}  // namespace conf
