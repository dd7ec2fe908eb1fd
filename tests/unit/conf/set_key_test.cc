// SET of the console: one key on top of a configuration that is in force.
#include "tests/unit/conf/ini_fixture.h"

namespace conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SetKey, ChangesOneKeyAndTellsItsSource) {
  const Loading loading;
  const auto before = loading.Text(With("query_wait_timeout = \"9s\"\nreserve_pool_timeout = \"8s\""));
  ASSERT_TRUE(before) << Mistakes(before)[0];
  const auto after = WithKey(**before, "default_pool_size", "40", loading.Options());
  ASSERT_TRUE(after) << Mistakes(after)[0];
  EXPECT_THAT(Differences(**before, **after), ElementsAre("default_pool_size: 20 -> 40"));
  EXPECT_EQ(SourceOf(**after, "default_pool_size"), "40 from SET");
  EXPECT_EQ(SourceOf(**after, "query_wait_timeout"), "9s from pgweir.toml:2") << "the others keep theirs";
  const auto both = WithKey(**after, "query_wait_timeout", "10", loading.Options());
  ASSERT_TRUE(both) << Mistakes(both)[0];
  EXPECT_EQ(SourceOf(**both, "default_pool_size"), "40 from SET");
  EXPECT_EQ(SourceOf(**both, "query_wait_timeout"), "10s from SET") << "seconds, as PgBouncer has them";
}

TEST(SetKey, RefusesWhatTheFileCouldNotSayEither) {
  const Loading loading;
  const auto before = loading.Text(With(""));
  ASSERT_TRUE(before);
  const auto refusal = [&](const char* key, const char* value) {
    const auto lines = Mistakes(WithKey(**before, key, value, loading.Options()));
    return lines.empty() ? "accepted" : lines[0];
  };
  EXPECT_THAT(refusal("default_pool_sise", "4"), HasSubstr("SET: unknown key 'default_pool_sise'; did you mean 'default_pool_size'?"));
  EXPECT_THAT(refusal("default_pool_size", "many"), HasSubstr("SET: default_pool_size must be a whole number"));
  EXPECT_THAT(refusal("listen_port", "7000"), HasSubstr("SET: listen_port takes effect after a restart only"));
  EXPECT_THAT(refusal("tcp_defer_accept", "2"), HasSubstr("SET: tcp_defer_accept takes effect after a restart only"));
  EXPECT_THAT(refusal("min_pool_size", "21"), HasSubstr("min_pool_size (21) is larger than the pool size (20)"));
  EXPECT_THAT(refusal("auth_file", "missing.txt"), HasSubstr("cannot read 'missing.txt'"));
  EXPECT_THAT(refusal("client_tls_sslmode", "require"), HasSubstr("needs client_tls_key_file"));
}

TEST(SetKey, AnotherAuthFileIsAnotherUserList) {
  Loading loading;
  loading.files["/users.txt"] = "\"new\" \"secret\"\n";
  loading.environment["PGWEIR_ADMIN_PASSWORD"] = "admins";
  const auto before = loading.Text(With(""));
  ASSERT_TRUE(before);
  const auto after = WithKey(**before, "auth_file", "/users.txt", loading.Options());
  ASSERT_TRUE(after) << Mistakes(after)[0];
  for (const char* user : {"app", "new", "admin"}) EXPECT_NE((*after)->FindSecret(user), nullptr) << user;
  EXPECT_EQ((*after)->FindSecret("app")->Reveal(), "hunter2") << "the section's password wins";
}

TEST(SetKey, HasPgBouncersNamesAndUnitsWhenTheFileIsPgBouncers) {
  const Loading loading = LoadingIni();
  const auto before = loading.Text(Ini(""));
  ASSERT_TRUE(before) << Mistakes(before)[0];
  const auto after = WithKey(**before, "tcp_user_timeout", "1500", loading.Options());
  ASSERT_TRUE(after) << Mistakes(after)[0];
  EXPECT_EQ((*after)->global.tcp_user_timeout, std::chrono::milliseconds(1500)) << "milliseconds there";
  const auto refused = Mistakes(WithKey(**before, "log_connections", "yes", loading.Options()));
  ASSERT_EQ(refused.size(), 1U) << "0 or 1 there";
  EXPECT_THAT(Mistakes(WithKey(**before, "pkt_buf", "8192", loading.Options())), ElementsAre(HasSubstr("unknown key 'pkt_buf'")));
}

}  // namespace
}  // namespace conf
