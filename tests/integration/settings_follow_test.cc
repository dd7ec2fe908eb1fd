// What a client sets for its session, in whatever spelling, follows it over shared servers, goes back to what it began
// with, and is never seen by anybody else.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

// "" for what is not set: a custom setting that another client had is empty afterwards, as RESET leaves it in
// PostgreSQL.
std::string Shown(Connection& client, const std::string& name) {
  return client.Value("SELECT coalesce(current_setting('" + name + "', true), '')");
}

enum class Protocol { kSimple, kExtended };

class SettingsFollowTest : public StateTest {
 protected:
  void SetUp() override { StartWithOneServer(); }
  static void Run(Connection& client, const std::string& sql, Protocol protocol) {
    const Result result = protocol == Protocol::kSimple ? client.Query(sql) : client.Params(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.error();
  }
  // `mine` keeps seeing `value`, `other` what it saw before.
  static void ExpectOwn(Connection& mine, Connection& other, const std::string& name, const std::string& value,
                        const std::string& others_value) {
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(Shown(other, name), others_value) << name;
      EXPECT_EQ(Shown(mine, name), value) << name;
    }
  }
};

struct Spelling {
  std::string sql, name, value;
};

const std::vector<Spelling>& Spellings() {
  static const std::vector<Spelling> spellings = {
      {"SET work_mem = '11MB'", "work_mem", "11MB"},
      {"SET SESSION work_mem TO '12MB'", "work_mem", "12MB"},
      {"set Session \"work_mem\" = 13312", "work_mem", "13MB"},
      {"/* one */ SET -- two\n work_mem/**/=/**/'14MB'", "work_mem", "14MB"},
      {"SELECT set_config('work_mem', '15MB', false)", "work_mem", "15MB"},
      {"SELECT pg_catalog.set_config('WORK_MEM', '16MB', false)", "work_mem", "16MB"},
      {"SELECT set_config('work_mem', '17MB', 1 = 2)", "work_mem", "17MB"},
      {"SELECT set_config('app.user', set_config('app.tenant', 'inner', false), false)", "app.tenant", "inner"},
      {"SELECT set_config('app.user', set_config('app.tenant', 'outer', false), false)", "app.user", "outer"},
      {"SET TIME ZONE 'Asia/Tokyo'", "TimeZone", "Asia/Tokyo"},
      {"SET TIME ZONE -7", "TimeZone", "<-07>+07"},
      {"SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE", "TimeZone", "<+02>-02"},
      {"SET timezone TO 'Europe/Riga'", "TimeZone", "Europe/Riga"},
      {"SET NAMES 'LATIN1'", "client_encoding", "LATIN1"},
      {"SET client_encoding TO latin9", "client_encoding", "LATIN9"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, DEFERRABLE",
       "default_transaction_isolation", "serializable"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE", "default_transaction_deferrable", "on"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "default_transaction_read_only", "on"},
      {"SET search_path = pg_catalog, public", "search_path", "pg_catalog, public"},
      {"SET SCHEMA 'pg_catalog'", "search_path", "pg_catalog"},
      {"SET search_path TO \"Odd, Name\", \"it''s\"", "search_path", "\"Odd, Name\", \"it''s\""},
      {"SET XML OPTION DOCUMENT", "xmloption", "document"},
      {"SET app.tenant = 'a tenant'", "app.tenant", "a tenant"},
      {"SET App.Tenant TO 5", "app.tenant", "5"},
      {"SET app.tenant.of.many = 'deep'", "app.tenant.of.many", "deep"},
      {"SET app.tenant = 'it''s \"quoted\", \\back'", "app.tenant", "it's \"quoted\", \\back"},
      {"SET app.tenant = U&'\\00e9t\\00e9'", "app.tenant", "\xc3\xa9t\xc3\xa9"},
      {"SET DateStyle = German", "DateStyle", "German, DMY"},
      {"SET IntervalStyle = iso_8601", "IntervalStyle", "iso_8601"},
      {"SET extra_float_digits = 0", "extra_float_digits", "0"},
      {"SET statement_timeout = '54321s'", "statement_timeout", "54321s"},
      {"SET standard_conforming_strings = off", "standard_conforming_strings", "off"},
      {"SET bytea_output = 'escape'", "bytea_output", "escape"},
  };
  return spellings;
}

TEST_F(SettingsFollowTest, EverySpellingFollowsAndIsNobodyElses) {
  Connection other = Connect();
  for (const Spelling& spelling : Spellings()) {
    const std::string before = Shown(other, spelling.name);
    ASSERT_NE(before, spelling.value) << spelling.sql << " proves nothing";
    for (const Protocol protocol : {Protocol::kSimple, Protocol::kExtended}) {
      SCOPED_TRACE(spelling.sql);
      Connection mine = Connect();
      Run(mine, spelling.sql, protocol);
      ExpectOwn(mine, other, spelling.name, spelling.value, before);
    }
  }
}

// Whoever does not understand such a name may keep the server for its client, and must not pass it on.
TEST_F(SettingsFollowTest, OddSpellingsAreNobodyElses) {
  NEEDS_PGWEIR();
  const char* const kOdd[] = {
      "SET U&\"work\\005fmem\" = '47MB'",
      "SET U&\"work!005fmem\" UESCAPE '!' = '47MB'",
      "SELECT U&\"set\\005fconfig\"('work_mem', '47MB', false)",
      "SELECT set_config(E'work\\x5fmem', '47MB', false)",
      "SELECT set_config(U&'work\\005fmem', '47MB', false)",
      "SELECT set_config('work_'\n'mem', '47MB', false)",
      "SELECT set_config($$work_mem$$, '47MB', false)",
      "SELECT set_config('work_mem'::text, '47MB', false)",
      "SELECT set_config(text 'work_mem', '47MB', false)",
      "SELECT set_config(('work_mem'), '47MB', false)",
      "SELECT set_config('work_mem', '47MB', CASE WHEN true THEN false END)",
      "SELECT set_config(n, '47MB', false) FROM (VALUES ('work_mem')) v(n)",
      "SELECT * FROM set_config('work_mem', '47MB', false)",
      "VALUES (set_config('work_mem', '47MB', false))",
      "SELECT 1 WHERE set_config('work_mem', '47MB', false) = ''",
  };
  Connection admin = Admin(), other = Connect();
  const std::string before = Shown(other, "work_mem");
  for (const char* sql : kOdd) {
    SCOPED_TRACE(sql);
    Connection mine = Connect();
    const Result set = mine.Query(sql);
    ASSERT_TRUE(set.ok()) << set.error();
    if (Pins(admin).empty()) {
      ExpectOwn(mine, other, "work_mem", "47MB", before);
    } else {
      EXPECT_EQ(Pins(admin), std::vector<std::string>{"settings"});
      EXPECT_EQ(Shown(mine, "work_mem"), "47MB");
    }
    mine.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
    EXPECT_EQ(Shown(other, "work_mem"), before);
    ASSERT_TRUE(other.Query("DISCARD ALL").ok());
  }
}

TEST_F(SettingsFollowTest, ResetInEverySpellingGoesBackToTheDefault) {
  const char* const kResets[] = {
      "RESET work_mem",     "SET work_mem TO DEFAULT", "SET SESSION work_mem = DEFAULT", "RESET ALL", "DISCARD ALL",
      "RESET \"work_mem\"", "reset\nwork_mem ; ",      "BEGIN; RESET work_mem; COMMIT"};
  Connection other = Connect();
  const std::string before = Shown(other, "work_mem");
  for (const char* reset : kResets) {
    SCOPED_TRACE(reset);
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query("SET work_mem = '23MB'").ok());
    ExpectOwn(mine, other, "work_mem", "23MB", before);
    ASSERT_TRUE(mine.Query(reset).ok());
    ExpectOwn(mine, other, "work_mem", before, before);
  }
}

TEST_F(SettingsFollowTest, TimeZoneAndNamesGoBackInTheirOwnWords) {
  Connection other = Connect();
  for (const char* reset : {"SET TIME ZONE LOCAL", "SET TIME ZONE DEFAULT", "RESET TIME ZONE", "RESET timezone"}) {
    Connection mine = Connect("app", "app", "options='-c TimeZone=Asia/Tokyo'");
    ASSERT_TRUE(mine.Query("SET TIME ZONE 'Europe/Riga'").ok());
    EXPECT_EQ(mine.StatusOf("TimeZone"), "Europe/Riga");
    EXPECT_NE(Shown(other, "TimeZone"), "Europe/Riga");
    ASSERT_TRUE(mine.Query(reset).ok()) << reset;
    EXPECT_EQ(mine.StatusOf("TimeZone"), "Asia/Tokyo") << reset;
    ExpectOwn(mine, other, "TimeZone", "Asia/Tokyo", Shown(other, "TimeZone"));
  }
  for (const char* reset : {"SET NAMES DEFAULT", "SET NAMES", "RESET client_encoding"}) {
    Connection mine = Connect("app", "app", "client_encoding=LATIN1");
    ASSERT_TRUE(mine.Query("SET NAMES 'UTF8'").ok());
    ASSERT_TRUE(mine.Query(reset).ok()) << reset;
    EXPECT_EQ(mine.StatusOf("client_encoding"), "LATIN1") << reset;
    ExpectOwn(mine, other, "client_encoding", "LATIN1", Shown(other, "client_encoding"));
  }
}

// What set_config calls its parameter may come in a Bind, be cast, or be computed.
TEST_F(SettingsFollowTest, TheNameMayBeABindParameter) {
  Connection mine = Connect(), other = Connect();
  const std::string before = Shown(other, "work_mem");
  ASSERT_TRUE(mine.Params("SELECT set_config($1, $2, false)", {"work_mem", "31MB"}).ok());
  ExpectOwn(mine, other, "work_mem", "31MB", before);
  ASSERT_TRUE(mine.Params("SELECT set_config($2::text, $1, $3)", {"32MB", "Work_Mem", "false"}).ok());
  ExpectOwn(mine, other, "work_mem", "32MB", before);
  ASSERT_TRUE(mine.Prepare("sets", "SELECT set_config($1, $2, false)").ok());
  for (const char* value : {"one", "two"}) {
    ASSERT_TRUE(mine.Execute("sets", {"app.bound", value}).ok());
    ExpectOwn(mine, other, "app.bound", value, "");
  }
}

TEST_F(SettingsFollowTest, SqlLevelStatementsSetToo) {
  Connection mine = Connect(), other = Connect();
  const std::string before = Shown(other, "work_mem");
  ASSERT_TRUE(mine.Query("PREPARE sets AS SELECT set_config('work_mem', '33MB', false)").ok());
  EXPECT_EQ(Shown(mine, "work_mem"), before);
  ASSERT_TRUE(mine.Query("EXECUTE sets").ok());
  ExpectOwn(mine, other, "work_mem", "33MB", before);
}

TEST_F(SettingsFollowTest, TransactionsDecideWhatStays) {
  struct Case {
    std::string sql, value;
  };
  const Case cases[] = {
      {"BEGIN; SET work_mem = '41MB'; COMMIT", "41MB"},
      {"BEGIN; SET work_mem = '42MB'; ROLLBACK", "40MB"},
      {"BEGIN; SAVEPOINT s; SET work_mem = '43MB'; ROLLBACK TO s; COMMIT", "40MB"},
      {"BEGIN; SAVEPOINT s; SET work_mem = '44MB'; RELEASE s; COMMIT", "44MB"},
      {"BEGIN; SET work_mem = '45MB'; SAVEPOINT s; SET work_mem = '46MB'; ROLLBACK TO s; COMMIT", "45MB"},
      {"BEGIN; SET work_mem = '47MB'; SET LOCAL work_mem = '48MB'; COMMIT", "47MB"},
      {"BEGIN; SET LOCAL work_mem = '49MB'; COMMIT", "40MB"},
      {"BEGIN; SELECT set_config('work_mem', '50MB', true); COMMIT", "40MB"},
      {"SET work_mem = '51MB'; SELECT 1", "51MB"},
      {"SET work_mem = '52MB'; SELECT 1/0", "40MB"},
      {"BEGIN; SET work_mem = '53MB'; SELECT 1/0; COMMIT", "40MB"},
      {"BEGIN; SET work_mem = '54MB'; COMMIT AND CHAIN; SET work_mem = '55MB'; ROLLBACK", "54MB"},
      {"SET work_mem = '56MB'; SET work_mem = '57MB'", "57MB"},
  };
  Connection other = Connect();
  const std::string before = Shown(other, "work_mem");
  for (const Case& one : cases) {
    SCOPED_TRACE(one.sql);
    Connection together = Connect(), apart = Connect();
    for (Connection* mine : {&together, &apart}) ASSERT_TRUE(mine->Query("SET work_mem = '40MB'").ok());
    together.Query(one.sql);
    together.Query("ROLLBACK");  // of what an error has left open
    ExpectOwn(together, other, "work_mem", one.value, before);
    if (one.sql.find("1/0") != std::string::npos || one.sql.find("BEGIN") == std::string::npos) continue;
    for (size_t at = 0; at < one.sql.size();) {
      const size_t end = std::min(one.sql.find("; ", at), one.sql.size());
      ASSERT_TRUE(apart.Query(one.sql.substr(at, end - at)).ok());
      at = end + 2;
    }
    ExpectOwn(apart, other, "work_mem", one.value, before);
  }
}

// No answer is waited for between the batches.
TEST_F(SettingsFollowTest, PipelinedBatchesSeeWhatWasSetBefore) {
  WireClient mine = ConnectWire();
  Connection other = Connect();
  const std::string before = Shown(other, "work_mem");
  const auto run = [](const std::string& sql) { return Parse("", sql) + Bind("", "") + Execute(""); };
  mine.Send(run("SET work_mem = '61MB'") + Sync() + run("SHOW work_mem") + Sync() + run("SET app.piped = 'x'") +
            run("SET work_mem = '62MB'") + run("SHOW work_mem") + Sync() + Query("SHOW app.piped") +
            Query("SET work_mem = '63MB'") + Query("SHOW work_mem"));
  std::vector<std::string> shown;
  for (int batch = 0; batch < 6; ++batch) {
    for (const Message& message : mine.ReadUntil('Z')) {
      ASSERT_NE(message.type, 'E') << ErrorField(message, 'M');
      if (message.type == 'D') shown.push_back(RowValues(message)[0].value());
    }
  }
  EXPECT_EQ(shown, (std::vector<std::string>{"61MB", "62MB", "x", "63MB"}));
  EXPECT_EQ(Shown(other, "work_mem"), before);
  EXPECT_EQ(mine.Value("SHOW work_mem"), "63MB");
}

// Sync in the middle of a transaction, and a batch that fails behind the SET.
TEST_F(SettingsFollowTest, ABatchThatFailsTakesItsSettingsBack) {
  WireClient mine = ConnectWire();
  Connection other = Connect();
  const std::string before = Shown(other, "work_mem");
  const auto run = [](const std::string& sql) { return Parse("", sql) + Bind("", "") + Execute(""); };
  mine.Ask(run("SET work_mem = '64MB'") + run("SELECT 1/0") + Sync());
  EXPECT_EQ(Shown(other, "work_mem"), before);
  EXPECT_EQ(mine.Value("SHOW work_mem"), before);
  mine.Send(run("BEGIN") + Sync() + run("SET work_mem = '65MB'") + Sync() + run("COMMIT") + Sync());
  for (int batch = 0; batch < 3; ++batch) mine.ReadUntil('Z');
  EXPECT_EQ(Shown(other, "work_mem"), before);
  EXPECT_EQ(mine.Value("SHOW work_mem"), "65MB");
}

TEST_F(SettingsFollowTest, LongValuesFollow) {
  Connection other = Connect();
  for (const size_t bytes : {size_t{3'000}, size_t{20'000}, size_t{100'000}, size_t{300'000}}) {
    SCOPED_TRACE(bytes);
    const std::string value(bytes, 'v');
    Connection mine = Connect(), extended = Connect();
    ASSERT_TRUE(mine.Query("SET app.long = '" + value + "'").ok());
    EXPECT_EQ(Shown(other, "app.long"), "");
    EXPECT_EQ(Shown(mine, "app.long").size(), bytes);
    ASSERT_TRUE(extended.Params("SELECT set_config('app.longer', $1, false)", {value}).ok());
    EXPECT_EQ(Shown(other, "app.longer"), "");
    EXPECT_EQ(Shown(extended, "app.longer").size(), bytes);
  }
}

// More than one transaction's names, and more than are said to be the limit (protocol::kSettingsMax).
TEST_F(SettingsFollowTest, ManySettingsFollow) {
  Connection mine = Connect(), other = Connect();
  std::string many;
  for (int i = 0; i < 200; ++i) many += "SET app.s" + std::to_string(i) + " = 'v" + std::to_string(i) + "';";
  ASSERT_TRUE(mine.Query(many).ok());
  for (const int i : {0, 63, 64, 127, 199}) {
    ExpectOwn(mine, other, "app.s" + std::to_string(i), "v" + std::to_string(i), "");
  }
}

// A text that is longer than what pgweir keeps of it may set something at its end.
TEST_F(SettingsFollowTest, ASetAtTheEndOfALongTextIsSeen) {
  Connection other = Connect();
  const std::string before = Shown(other, "work_mem");
  for (const size_t bytes : {size_t{20'000}, size_t{100'000}, size_t{300'000}, size_t{2'000'000}}) {
    SCOPED_TRACE(bytes);
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query("SELECT '" + std::string(bytes, 'x') + "'; SET work_mem = '71MB'").ok());
    ExpectOwn(mine, other, "work_mem", "71MB", before);
    Connection extended = Connect();
    ASSERT_TRUE(extended.Params("/*" + std::string(bytes, 'x') + "*/ SET work_mem = '72MB'").ok());
    ExpectOwn(extended, other, "work_mem", "72MB", before);
  }
}

// Bytes of a value are those of the client's encoding, not of the one whose server it gets.
TEST_F(SettingsFollowTest, ValuesKeepTheirLettersBetweenEncodings) {
  Connection latin = Connect("app", "app", "client_encoding=LATIN1"),
             other = Connect("app", "app", "client_encoding=UTF8");
  ASSERT_TRUE(latin.Query("SET app.letter = '\xe4'").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Shown(other, "app.letter"), "");
    EXPECT_EQ(Shown(latin, "app.letter"), "\xe4");
    EXPECT_EQ(latin.Value("SELECT ascii(current_setting('app.letter'))"), "228");
  }
  ASSERT_TRUE(other.Query("SET app.letter = '\xc3\xb6'").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Shown(latin, "app.letter"), "\xe4");
    EXPECT_EQ(Shown(other, "app.letter"), "\xc3\xb6");
  }
  ASSERT_TRUE(latin.Query("SET client_encoding = 'UTF8'").ok());
  EXPECT_EQ(Shown(other, "app.letter"), "\xc3\xb6");
  EXPECT_EQ(Shown(latin, "app.letter"), "\xc3\xa4");
}

TEST_F(SettingsFollowTest, DefaultsOfRoleAndDatabaseAreHonoured) {
  StopPgweir();
  const AfterTest undo(
      "ALTER ROLE app RESET ALL; ALTER DATABASE app RESET ALL; ALTER ROLE app IN DATABASE app RESET ALL");
  AsSuperuser(
      "ALTER ROLE app SET work_mem = '81MB'; ALTER ROLE app SET app.of_role = 'role''s';"
      "ALTER DATABASE app SET statement_timeout = '8181s'; ALTER ROLE app IN DATABASE app SET DateStyle = 'German'");
  StartWithOneServer();
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(mine.Query("SET work_mem = '82MB'; SET statement_timeout = '8282s'").ok());
  ASSERT_TRUE(mine.Query("SET DateStyle = 'SQL, MDY'; SET app.of_role = 'mine'").ok());
  ExpectOwn(mine, other, "work_mem", "82MB", "81MB");
  ExpectOwn(mine, other, "statement_timeout", "8282s", "8181s");
  ExpectOwn(mine, other, "DateStyle", "SQL, MDY", "German, DMY");
  ExpectOwn(mine, other, "app.of_role", "mine", "role's");
  ASSERT_TRUE(mine.Query("RESET work_mem; RESET statement_timeout").ok());
  ASSERT_TRUE(mine.Query("RESET DateStyle; RESET app.of_role").ok());
  ExpectOwn(mine, other, "work_mem", "81MB", "81MB");
  ExpectOwn(mine, other, "statement_timeout", "8181s", "8181s");
  ExpectOwn(mine, other, "DateStyle", "German, DMY", "German, DMY");
  ExpectOwn(mine, other, "app.of_role", "role's", "role's");
}

class OwnDefaultsTest : public StateTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {}
};

// What a client gave at startup is what RESET means for it, in PostgreSQL and so here.
TEST_P(OwnDefaultsTest, ResetGoesBackToTheStartupValues) {
  const bool is_session = std::string(GetParam()) == "session";
  StartPgweir("pool_mode = \"" + std::string(GetParam()) + "\"\ndefault_pool_size = " + (is_session ? "2" : "1") +
              "\n");
  Connection other = Connect();
  for (const char* reset : {"RESET ALL", "DISCARD ALL", "each", "DEFAULT"}) {
    SCOPED_TRACE(reset);
    Connection mine = Connect("app", "app",
                              "application_name=began options='-c work_mem=91MB -c DateStyle=German "
                              "-c search_path=pg_catalog'");
    ASSERT_TRUE(mine.Query("SET work_mem = '92MB'; SET DateStyle = ISO").ok());
    ASSERT_TRUE(
        mine.Query("SET application_name = 'changed'; SET search_path = public; SET lock_timeout = '93s'").ok());
    EXPECT_EQ(other.Value("SELECT 1"), "1");
    EXPECT_EQ(Shown(mine, "work_mem"), "92MB");
    for (const char* name : {"work_mem", "DateStyle", "application_name", "search_path", "lock_timeout"}) {
      const std::string one = reset == std::string("each")      ? std::string("RESET ") + name
                              : reset == std::string("DEFAULT") ? std::string("SET ") + name + " TO DEFAULT"
                                                                : reset;
      ASSERT_TRUE(mine.Query(one).ok());
    }
    EXPECT_EQ(mine.StatusOf("application_name"), "began");
    EXPECT_EQ(mine.StatusOf("DateStyle"), "German, DMY");
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(other.Value("SELECT 1"), "1");
      EXPECT_EQ(Shown(mine, "work_mem"), "91MB");
      EXPECT_EQ(Shown(mine, "DateStyle"), "German, DMY");
      EXPECT_EQ(Shown(mine, "application_name"), "began");
      EXPECT_EQ(Shown(mine, "search_path"), "pg_catalog");
      EXPECT_EQ(Shown(mine, "lock_timeout"), "0");
    }
  }
}

// A custom setting has no row in pg_settings: RESET leaves it empty on the server, which is not its default then.
TEST_P(OwnDefaultsTest, ResetOfACustomSettingGoesBackToItsStartupValue) {
  const bool is_session = std::string(GetParam()) == "session";
  StartPgweir("pool_mode = \"" + std::string(GetParam()) + "\"\ndefault_pool_size = " + (is_session ? "2" : "1") +
              "\n");
  Connection other = Connect();
  for (const char* reset : {"RESET app.own", "SET app.own TO DEFAULT", "RESET ALL", "DISCARD ALL"}) {
    SCOPED_TRACE(reset);
    Connection mine = Connect("app", "app", "options='-c app.own=began'");
    ASSERT_TRUE(mine.Query("SET app.own = 'changed'").ok());
    EXPECT_EQ(Shown(other, "app.own"), "");
    EXPECT_EQ(Shown(mine, "app.own"), "changed");
    ASSERT_TRUE(mine.Query(reset).ok());
    EXPECT_EQ(Shown(other, "app.own"), "");
    EXPECT_EQ(Shown(mine, "app.own"), "began");
  }
}

// Inside of the transaction, and behind it in the same text, the startup value is there at once.
TEST_P(OwnDefaultsTest, ResetIsSeenInsideOfItsTransaction) {
  StartPgweir("pool_mode = \"" + std::string(GetParam()) + "\"\ndefault_pool_size = 1\n");
  Connection mine = Connect("app", "app", "options='-c work_mem=94MB -c DateStyle=German'");
  ASSERT_TRUE(mine.Query("SET work_mem = '95MB'; SET DateStyle = ISO").ok());
  ASSERT_TRUE(mine.Query("BEGIN; RESET work_mem; RESET DateStyle").ok());
  EXPECT_EQ(Shown(mine, "work_mem"), "94MB");
  EXPECT_EQ(Shown(mine, "DateStyle"), "German, DMY");
  ASSERT_TRUE(mine.Query("ROLLBACK").ok());
  EXPECT_EQ(Shown(mine, "work_mem"), "95MB");
}

INSTANTIATE_TEST_SUITE_P(Modes, OwnDefaultsTest, testing::Values("transaction", "session"),
                         [](const auto& mode) { return std::string(mode.param); });

// --- who the session is ----------------------------------------------------------------------------------------------

TEST_F(SettingsFollowTest, RoleFollows) {
  AsSuperuser("GRANT other TO app");
  const AfterTest undo("REVOKE other FROM app");
  const char* const kSets[] = {"SET ROLE other", "SET SESSION ROLE 'other'", "SET role = other",
                               "SELECT set_config('role', 'other', false)", "BEGIN; SET ROLE other; COMMIT"};
  const char* const kResets[] = {"RESET ROLE", "SET ROLE NONE", "SET ROLE TO DEFAULT", "SET ROLE app", "DISCARD ALL"};
  Connection other = Connect();
  for (size_t i = 0; i < std::size(kSets); ++i) {
    SCOPED_TRACE(kSets[i]);
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query(kSets[i]).ok());
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(other.Value("SELECT current_user"), "app");
      EXPECT_EQ(mine.Value("SELECT current_user || ' ' || session_user"), "other app");
    }
    const Result reset = mine.Query(kResets[i]);
    ASSERT_TRUE(reset.ok()) << kResets[i] << ": " << reset.error();
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(other.Value("SELECT current_user"), "app");
      EXPECT_EQ(mine.Value("SELECT current_user"), "app") << kResets[i];
    }
  }
  Connection local = Connect();
  ASSERT_TRUE(local.Query("BEGIN; SET LOCAL ROLE other; COMMIT").ok());
  EXPECT_EQ(local.Value("SELECT current_user"), "app");
}

TEST_F(SettingsFollowTest, ARoleGivenAtStartupFollowsAndIsWhatResetMeans) {
  AsSuperuser("GRANT other TO app");
  const AfterTest undo("REVOKE other FROM app");
  Connection plain = Connect(), mine = Connect("app", "app", "options='-c role=other'");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(plain.Value("SELECT current_user"), "app");
    EXPECT_EQ(mine.Value("SELECT current_user"), "other");
  }
  ASSERT_TRUE(mine.Query("SET ROLE NONE").ok());
  EXPECT_EQ(plain.Value("SELECT current_user"), "app");
  EXPECT_EQ(mine.Value("SELECT current_user"), "app");
  ASSERT_TRUE(mine.Query("RESET ROLE").ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(plain.Value("SELECT current_user"), "app");
    EXPECT_EQ(mine.Value("SELECT current_user"), "other");
  }
}

TEST_F(SettingsFollowTest, SessionAuthorizationFollows) {
  Connection other = Connect("postgres");
  for (const char* set : {"SET SESSION AUTHORIZATION other", "SET SESSION SESSION AUTHORIZATION 'other'"}) {
    SCOPED_TRACE(set);
    Connection mine = Connect("postgres");
    ASSERT_TRUE(mine.Query(set).ok());
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(other.Value("SELECT session_user"), "postgres");
      EXPECT_EQ(mine.Value("SELECT session_user || ' ' || current_user"), "other other");
      EXPECT_EQ(mine.Query("SELECT pg_reload_conf()").sqlstate(), "42501");
    }
    EXPECT_EQ(mine.StatusOf("session_authorization"), "other");
    EXPECT_EQ(mine.StatusOf("is_superuser"), "off");
    EXPECT_EQ(other.StatusOf("session_authorization"), "postgres");
    ASSERT_TRUE(mine.Query("RESET SESSION AUTHORIZATION").ok());
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(other.Value("SELECT session_user"), "postgres");
      EXPECT_EQ(mine.Value("SELECT session_user"), "postgres");
    }
  }
}

// The role of one client must not end with the session authorization of the one before it on that server.
TEST_F(SettingsFollowTest, ARoleOutlastsTheAuthorizationOfOthers) {
  Connection careful = Connect("postgres"), other_role = Connect("postgres");
  ASSERT_TRUE(careful.Query("SET ROLE other").ok());
  ASSERT_TRUE(other_role.Query("SET SESSION AUTHORIZATION other").ok());
  ASSERT_TRUE(other_role.Query("SET ROLE other").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(careful.Value("SELECT session_user || ' ' || current_user"), "postgres other");
    EXPECT_EQ(other_role.Value("SELECT session_user || ' ' || current_user"), "other other");
  }
}

// SET SESSION AUTHORIZATION needs what the session began with, so it must come before the role and go behind it.
TEST_F(SettingsFollowTest, AuthorizationAndRoleTogether) {
  AsSuperuser("GRANT client TO other");
  const AfterTest undo("REVOKE client FROM other");
  Connection mine = Connect("postgres"), other = Connect("postgres");
  ASSERT_TRUE(mine.Query("SET SESSION AUTHORIZATION other").ok());
  ASSERT_TRUE(mine.Query("SET ROLE client").ok());
  ASSERT_TRUE(mine.Query("SET work_mem = '96MB'").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(other.Value("SELECT session_user || ' ' || current_user"), "postgres postgres");
    EXPECT_EQ(mine.Value("SELECT session_user || ' ' || current_user"), "other client");
    EXPECT_EQ(Shown(mine, "work_mem"), "96MB");
  }
}

// A role that cannot be taken any more: to run its query as somebody else would be worse than to end the client.
TEST_F(SettingsFollowTest, ARevokedRoleEndsTheClientAndItsQueryDoesNotRun) {
  NEEDS_PGWEIR();
  AsSuperuser(
      "GRANT other TO app; CREATE TABLE IF NOT EXISTS ran (who text); GRANT ALL ON ran TO PUBLIC; TRUNCATE ran");
  const AfterTest undo("DROP TABLE ran");
  Connection other = Connect();
  WireClient simple = ConnectWire(), extended = ConnectWire();
  for (WireClient* mine : {&simple, &extended}) {
    mine->Ask(Query("SET ROLE other"));
    EXPECT_EQ(mine->Value("SELECT current_user"), "other");
  }
  EXPECT_EQ(other.Value("SELECT current_user"), "app");
  AsSuperuser("REVOKE other FROM app");
  const std::string insert = "INSERT INTO ran VALUES (current_user)";
  simple.Send(Query(insert));
  extended.Send(Parse("", insert) + Bind("", "") + Execute("") + Sync());
  for (WireClient* mine : {&simple, &extended}) {
    const auto messages = mine->ReadToEnd();
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(messages.back().type, 'E');
    EXPECT_EQ(ErrorField(messages.back(), 'S'), "FATAL");
    EXPECT_EQ(ErrorField(messages.back(), 'C'), "42501") << ErrorField(messages.back(), 'M');
  }
  EXPECT_EQ(other.Value("SELECT count(*) FROM ran"), "0");
  EXPECT_EQ(other.Value("SELECT current_user"), "app");
}

// --- what it costs ---------------------------------------------------------------------------------------------------

TEST_F(SettingsFollowTest, WhatIsLocalToATransactionAsksTheServerNothing) {
  NEEDS_PGWEIR();
  PostgresCluster cluster({.settings = {"log_statement=all"}});
  MakeRolesAndDatabases(cluster);
  StartWithOneServer("", DatabaseSection("*", cluster));
  Connection mine = Connect();
  const auto questions = [&cluster] {
    const std::string log = cluster.log();
    size_t count = 0;
    for (size_t at = 0; (at = log.find("pg_catalog.", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  EXPECT_EQ(mine.Value("SELECT 1"), "1");
  const size_t before = questions();
  for (const char* sql :
       {"BEGIN; SET LOCAL work_mem = '97MB'; COMMIT", "SELECT set_config('work_mem', '98MB', true)",
        "BEGIN; SET TRANSACTION READ ONLY; COMMIT", "BEGIN; SET CONSTRAINTS ALL DEFERRED; COMMIT", "SELECT 1",
        "SELECT 'SET work_mem = 1'", "SET application_name = 'reported'",
        "BEGIN; LOCK TABLE pg_class IN ACCESS SHARE MODE; COMMIT", "SELECT pg_advisory_xact_lock(1)"}) {
    ASSERT_TRUE(mine.Query(sql).ok()) << sql;
    ASSERT_TRUE(sql == std::string("SELECT 1") || questions() == before || HasFailure()) << sql;
  }
  EXPECT_EQ(questions(), before);
  ASSERT_TRUE(mine.Query("SET work_mem = '99MB'").ok());
  EXPECT_GT(questions(), before) << "the log would not show a question";
}

TEST_F(SettingsFollowTest, ReplaysAreCountedOnlyWhenValuesDiffer) {
  NEEDS_PGWEIR();
  Connection one = Connect(), two = Connect();
  const auto replays = [this] { return Metric("pgweir_settings_replays_total", {"database=\"app\"", "user=\"app\""}); };
  const auto alternate = [&] {
    for (int round = 0; round < 5; ++round) {
      EXPECT_EQ(one.Value("SELECT 1"), "1");
      EXPECT_EQ(two.Value("SELECT 2"), "2");
    }
  };
  alternate();
  double before = replays();
  ASSERT_GE(before, 0);
  alternate();
  EXPECT_EQ(replays(), before) << "neither has set anything";
  for (Connection* client : {&one, &two}) ASSERT_TRUE(client->Query("SET work_mem = '19MB'").ok());
  alternate();
  before = replays();
  alternate();
  EXPECT_EQ(replays(), before) << "both have set the same";
  ASSERT_TRUE(two.Query("SET work_mem = '20MB'").ok());
  before = replays();
  alternate();
  EXPECT_EQ(replays(), before + 10);
  ASSERT_TRUE(two.Query("SET work_mem = '19MB'").ok());
  alternate();
  before = replays();
  alternate();
  EXPECT_EQ(replays(), before) << "the same again";
}

// --- what cannot be followed -----------------------------------------------------------------------------------------

TEST_F(SettingsFollowTest, ANameThatWasComputedPins) {
  NEEDS_PGWEIR();
  Connection admin = Admin(), other = Connect();
  {
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query("SELECT set_config('app.' || 'computed', 'mine', false)").ok());
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"settings"});
    EXPECT_EQ(Shown(mine, "app.computed"), "mine");
    ASSERT_TRUE(mine.Query("DISCARD ALL").ok());
    EXPECT_TRUE(Pins(admin).empty());
    EXPECT_EQ(Shown(other, "app.computed"), "");
    ASSERT_TRUE(mine.Query("SELECT set_config('app.' || 'computed', 'mine', false)").ok());
  }
  ASSERT_TRUE(WaitUntilFree(admin));
  EXPECT_EQ(Shown(other, "app.computed"), "");
}

TEST_F(SettingsFollowTest, WhatTheClientLeavesIsNobodyElses) {
  for (const Spelling& spelling : Spellings()) {
    Connection other = Connect();
    const std::string before = Shown(other, spelling.name);
    {
      Connection mine = Connect();
      mine.Query(spelling.sql);
    }
    EXPECT_EQ(Shown(other, spelling.name), before) << spelling.sql;
    WireClient torn = ConnectWire();
    torn.Send(Query(spelling.sql) + Query("SELECT 1"));
    torn.Reset();
    EXPECT_EQ(Shown(other, spelling.name), before) << spelling.sql;
  }
}

}  // namespace
}  // namespace integration
