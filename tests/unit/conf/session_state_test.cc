// The key session_state and its neighbours: spellings, refusals, precedence, the way through SHOW CONFIG's text.
#include "conf/session_state.h"

#include "conf/codecs.h"
#include "conf/keys.h"
#include "tests/unit/conf/load_fixture.h"

namespace conf {
namespace {

using enum StateKind;
using enum StatePolicy;
using testing::ElementsAre;
using testing::HasSubstr;

SessionState Filled(StatePolicy policy) {
  SessionState state;
  state.policies.fill(policy);
  return state;
}

SessionState Except(SessionState state, StateKind kind, StatePolicy policy) {
  state.policies[static_cast<size_t>(kind)] = policy;
  return state;
}

TEST(SessionStateNames, EachKindAndPolicyHasItsOwn) {
  std::vector<std::string_view> kinds;
  for (size_t i = 0; i < kStateKinds; ++i) kinds.push_back(Name(static_cast<StateKind>(i)));
  EXPECT_THAT(kinds, ElementsAre("settings", "temp_table", "hold_cursor", "advisory_lock", "listen", "load", "sequence"));
  EXPECT_EQ(Name(kTrack), "track");
  EXPECT_EQ(Name(kPin), "pin");
  EXPECT_EQ(Name(kReject), "reject");
}

TEST(SessionStateValue, Spellings) {
  struct Case {
    const char* text;
    SessionState state;
    const char* canonical;
  };
  const SessionState tracked = Filled(kTrack), rejected = Filled(kReject);
  const Case cases[] = {
      {"track", tracked, "track"},
      {"pin", Filled(kPin), "pin"},
      {" reject ", rejected, "reject"},
      {"listen=pin", Except(tracked, kListen, kPin), "track, listen=pin"},
      {"track, listen=pin, temp_table=reject", Except(Except(tracked, kListen, kPin), kTempTable, kReject),
       "track, temp_table=reject, listen=pin"},
      {"reject,settings = track", Except(rejected, kSettings, kTrack), "reject, settings=track"},
      {"track,listen=track", tracked, "track"},
      {"settings=pin,temp_table=pin,hold_cursor=pin,advisory_lock=pin,listen=pin,load=pin,sequence=pin", Filled(kPin), "pin"},
  };
  for (const Case& c : cases) {
    const auto parsed = SessionStateCodec{}.Parse(PlainText{c.text});
    ASSERT_TRUE(parsed.has_value()) << c.text << ": " << parsed.error();
    EXPECT_EQ(*parsed, c.state) << c.text;
    EXPECT_EQ(SessionStateCodec{}.Format(c.state), c.canonical);
  }
  EXPECT_EQ(SessionStateCodec{}.Parse(std::vector<std::string>{"pin", "load=reject"}), Except(Filled(kPin), kLoad, kReject));
}

// Each of the 3^7 values, as SHOW CONFIG prints it and the environment may give it back.
TEST(SessionStateValue, EveryValueIsReadBack) {
  size_t values = 1;
  for (size_t i = 0; i < kStateKinds; ++i) values *= 3;
  for (size_t value = 0; value < values; ++value) {
    SessionState state;
    size_t rest = value;
    for (StatePolicy& policy : state.policies) {
      policy = static_cast<StatePolicy>(rest % 3);
      rest /= 3;
    }
    const std::string text = SessionStateCodec{}.Format(state);
    EXPECT_EQ(SessionStateCodec{}.Parse(PlainText{text}), state) << text;
  }
}

TEST(SessionStateValue, Refusals) {
  struct Case {
    const char* line;
    const char* expected;
  };
  const Case cases[] = {
      {"session_state = \"trak\"", "session_state must be made of track, pin or reject and of kind=policy, not 'trak'; did you mean 'track'?"},
      {"session_state = \"track, liste\"", "not 'liste'; did you mean 'listen'?"},
      {"session_state = \"listen\"", "must give a policy to 'listen', such as listen=pin"},
      {"session_state = \"track, pin\"", "must have the policy of all kinds, 'pin', before those of single kinds, and only one"},
      {"session_state = \"listen=pin, reject\"", "must have the policy of all kinds, 'reject', before"},
      {"session_state = \"temp_tabel=pin\"", "must name a kind before =: settings, temp_table, hold_cursor, advisory_lock, listen, load "
                                             "or sequence, not 'temp_tabel'; did you mean 'temp_table'?"},
      {"session_state = \"=pin\"", "must name a kind before =: "},
      {"session_state = \"load=rejct\"", "must give load a policy: track, pin or reject, not 'rejct'; did you mean 'reject'?"},
      {"session_state = \"load=\"", "must give load a policy: track, pin or reject, not ''"},
      {"session_state = \"load=pin=pin\"", "must give load a policy: track, pin or reject, not 'pin=pin'"},
      {"session_state = \"load=pin, load=pin\"", "must name load only once"},
      {"session_state = \"Track\"", "not 'Track'; did you mean 'track'?"},
      {"session_state = \"\"", "must be track, pin or reject, for single kinds also kind=policy, not empty"},
      {"session_state = true", "session_state must be track, pin or reject"},
      {"sesion_state = \"track\"", "unknown key 'sesion_state' in [pgweir]; did you mean 'session_state'?"},
      {"session_state_verify = 1", "session_state_verify must be true or false, not 1"},
      {"max_prepared_statements = -1", "max_prepared_statements must be a whole number from 0 to 100000, not -1"},
      {"max_prepared_statements = 100001", "max_prepared_statements must be a whole number from 0 to 100000, not 100001"},
      {"deferred_begin = \"yes\"", "deferred_begin must be true or false"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(Mistakes(Loading().Text(With(c.line))), ElementsAre(HasSubstr(c.expected))) << c.line;
  }
}

TEST(SessionStateKeys, DefaultsAndTheEndsOfTheRange) {
  const auto result = Loading().Text(With(""));
  ASSERT_TRUE(result.has_value());
  const Config& config = **result;
  EXPECT_EQ(config.ResolvePool(*config.FindDatabase("shop"), "app"), config.ResolvePool(Database{}, "nobody"));
  const PoolSettings settings = config.ResolvePool(Database{}, "nobody"), plain;
  EXPECT_EQ(settings.session_state, Filled(kTrack));
  EXPECT_FALSE(settings.session_state_verify);
  EXPECT_EQ(settings.max_prepared_statements, 200);
  EXPECT_TRUE(settings.deferred_begin);
  EXPECT_TRUE(plain.session_state == settings.session_state && plain.session_state_verify == settings.session_state_verify &&
              plain.max_prepared_statements == settings.max_prepared_statements && plain.deferred_begin == settings.deferred_begin);
  EXPECT_EQ(SourceOf(config, "session_state"), "track from default");
  EXPECT_EQ(SourceOf(config, "session_state_verify"), "false from default");
  EXPECT_EQ(SourceOf(config, "max_prepared_statements"), "200 from default");
  EXPECT_EQ(SourceOf(config, "deferred_begin"), "true from default");
  for (const char* number : {"0", "100000"}) {
    const auto at_end = Loading().Text(With(std::string("max_prepared_statements = ") + number));
    ASSERT_TRUE(at_end.has_value()) << number;
    EXPECT_EQ(SourceOf(**at_end, "max_prepared_statements"), std::string(number) + " from pgweir.toml:2");
  }
}

TEST(SessionStateKeys, FromTheEnvironment) {
  Loading loading;
  loading.environment = {{"PGWEIR_SESSION_STATE", "track,listen=reject"}, {"PGWEIR_DEFERRED_BEGIN", "off"}};
  const auto result = loading.Text(With("session_state = \"pin\""));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  EXPECT_EQ(SourceOf(**result, "session_state"), "track, listen=reject from PGWEIR_SESSION_STATE");
  EXPECT_EQ(SourceOf(**result, "deferred_begin"), "false from PGWEIR_DEFERRED_BEGIN");
}

TEST(SessionStateKeys, UserThenDatabaseThenGlobal) {
  const auto result = Loading().Text(With(
      "session_state = \"reject\"\nsession_state_verify = true\nmax_prepared_statements = 1\ndeferred_begin = false",
      "[databases.d]\nsession_state = [\"pin\", \"load=track\"]\nmax_prepared_statements = 2\ndeferred_begin = true\n"
      "[users.u]\nsession_state = \"listen=pin\"\nmax_prepared_statements = 0\nsession_state_verify = false\n"));
  ASSERT_TRUE(result.has_value()) << testing::PrintToString(Mistakes(result));
  const Config& config = **result;
  const Database &d = *config.FindDatabase("d"), &shop = *config.FindDatabase("shop");
  const auto resolve = [&config](const Database& database, const char* user) { return config.ResolvePool(database, user); };
  EXPECT_EQ(resolve(shop, "app").session_state, Filled(kReject));
  EXPECT_EQ(resolve(d, "app").session_state, Except(Filled(kPin), kLoad, kTrack));
  EXPECT_EQ(resolve(d, "u").session_state, Except(Filled(kTrack), kListen, kPin)) << "one level's value as a whole";
  EXPECT_TRUE(resolve(d, "app").session_state_verify);
  EXPECT_FALSE(resolve(d, "u").session_state_verify);
  EXPECT_EQ(resolve(shop, "app").max_prepared_statements, 1);
  EXPECT_EQ(resolve(d, "app").max_prepared_statements, 2);
  EXPECT_EQ(resolve(d, "u").max_prepared_statements, 0);
  EXPECT_FALSE(resolve(shop, "u").deferred_begin);
  EXPECT_TRUE(resolve(d, "u").deferred_begin);
}

TEST(SessionStateKeys, DifferencesInCanonicalText) {
  const auto before = *Loading().Text(With("", "[databases.d]\nsession_state = \"track, load=track\"\n"));
  const auto after = *Loading().Text(With("session_state = \"track,load=pin\"\ndeferred_begin = false",
                                          "[databases.d]\nsession_state = \"track\"\nmax_prepared_statements = 0\n"
                                          "[users.app2]\npassword = \"x\"\n"));
  EXPECT_THAT(Differences(*before, *after),
              testing::UnorderedElementsAre("session_state: track -> track, load=pin", "deferred_begin: true -> false",
                                            "database d: max_prepared_statements: (not set) -> 0", "user app2: added",
                                            "secret of user app2: added"));
  EXPECT_TRUE(NeedsRestart(*before, *after).empty());
}

}  // namespace
}  // namespace conf
