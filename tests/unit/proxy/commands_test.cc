// LoadOptionsFor: what main hands to the loader.
#include "proxy/commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace proxy {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(LoadOptionsForTest, SettingsAreCutAtTheFirstEqualsSign) {
  const auto options =
      LoadOptionsFor("some.toml", {"listen_port=7000", "logfile=/tmp/a=b", "pidfile=", "verbose", "=x"});
  EXPECT_EQ(options.file, "some.toml");
  EXPECT_EQ(options.command_line,
            (Pairs{{"listen_port", "7000"}, {"logfile", "/tmp/a=b"}, {"pidfile", ""}, {"verbose", ""}, {"", "x"}}));
}

TEST(LoadOptionsForTest, TheEnvironmentIsTheProcesss) {
  ASSERT_EQ(setenv("PGWEIR_LISTEN_PORT", "7001=x", 1), 0);
  const auto options = LoadOptionsFor("", {});
  EXPECT_STREQ(options.environment("PGWEIR_LISTEN_PORT"), "7001=x");
  EXPECT_EQ(options.environment("PGWEIR_NOT_THERE"), nullptr);
  EXPECT_NE(std::find(options.environment_names.begin(), options.environment_names.end(), "PGWEIR_LISTEN_PORT"),
            options.environment_names.end());
  unsetenv("PGWEIR_LISTEN_PORT");
}

// The order through the real loader; the value is on the command line, in the environment and nowhere.
TEST(LoadOptionsForTest, TheCommandLineWinsOverTheEnvironment) {
  ASSERT_EQ(setenv("DATABASE_URL", "postgres://app:pw@db:5432/shop", 1), 0);
  ASSERT_EQ(setenv("PGWEIR_DEFAULT_POOL_SIZE", "6", 1), 0);
  const auto both = conf::Load(LoadOptionsFor("", {"default_pool_size=7"}));
  ASSERT_TRUE(both.has_value()) << both.error().at(0).ToString();
  EXPECT_EQ((*both)->global.keys.pool_size, 7);
  const auto environment = conf::Load(LoadOptionsFor("", {}));
  ASSERT_TRUE(environment.has_value());
  EXPECT_EQ((*environment)->global.keys.pool_size, 6);
  EXPECT_FALSE(conf::Load(LoadOptionsFor("", {"default_pool_size"})).has_value()) << "a setting without value";
  EXPECT_FALSE(conf::Load(LoadOptionsFor("", {"no_such_key=1"})).has_value());
  unsetenv("DATABASE_URL");
  unsetenv("PGWEIR_DEFAULT_POOL_SIZE");
}

}  // namespace
}  // namespace proxy
