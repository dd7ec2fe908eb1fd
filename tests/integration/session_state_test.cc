// What no other server can be given pins the server to its client while it lasts, is shown with its reason, and is
// never left for the next client, however the session ends.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

struct Thing {
  std::string reason, make, undo;  // undo: empty when only the end of the session takes it away
};

const std::vector<Thing>& Things() {
  static const std::vector<Thing> things = {
      {"temp_table", "CREATE TEMP TABLE scratch (i int)", "DROP TABLE scratch"},
      {"temp_table", "CREATE LOCAL TEMPORARY TABLE scratch AS SELECT 1 AS i", "DISCARD TEMP"},
      {"temp_table", "SELECT 1 AS i INTO TEMP scratch", "DROP TABLE pg_temp.scratch"},
      {"temp_table", "CREATE TABLE pg_temp.scratch (i int)", "DISCARD ALL"},
      {"temp_table", "CREATE TEMP VIEW scratch AS SELECT 1 AS i", "DROP VIEW scratch"},
      {"temp_table", "CREATE TEMP SEQUENCE scratch", "DROP SEQUENCE scratch"},
      {"temp_table", "CREATE FUNCTION pg_temp.scratch() RETURNS int LANGUAGE sql AS 'SELECT 1'",
       "DROP FUNCTION pg_temp.scratch()"},
      {"temp_table", "CREATE TYPE pg_temp.scratch AS ENUM ('one')", "DROP TYPE pg_temp.scratch"},
      {"temp_table", "CREATE DOMAIN pg_temp.scratch AS int", "DROP DOMAIN pg_temp.scratch"},
      {"temp_table", "BEGIN; CREATE TEMP TABLE scratch (i int) ON COMMIT DELETE ROWS; COMMIT",
       "BEGIN; DROP TABLE scratch; COMMIT"},
      {"hold_cursor", "DECLARE held CURSOR WITH HOLD FOR SELECT 1", "CLOSE held"},
      {"hold_cursor", "BEGIN; DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT 1; COMMIT", "CLOSE ALL"},
      {"hold_cursor", "DECLARE held BINARY CURSOR WITH HOLD FOR SELECT 1", "DISCARD ALL"},
      {"advisory_lock", "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"},
      {"advisory_lock", "SELECT pg_advisory_lock(1, 2)", "SELECT pg_advisory_unlock(1, 2)"},
      {"advisory_lock", "SELECT pg_advisory_lock_shared(7)", "SELECT pg_advisory_unlock_shared(7)"},
      {"advisory_lock", "SELECT pg_advisory_lock_shared(1, 2)", "SELECT pg_advisory_unlock_shared(1, 2)"},
      {"advisory_lock", "SELECT pg_try_advisory_lock(7)", "SELECT pg_advisory_unlock_all()"},
      {"advisory_lock", "SELECT pg_try_advisory_lock_shared(7)", "DISCARD ALL"},
      {"advisory_lock", "SELECT pg_catalog . \"pg_advisory_lock\" /* job */ (hashtext('job'))",
       "SELECT pg_advisory_unlock(hashtext('job'))"},
      {"advisory_lock", "SELECT Pg_Advisory_Lock(k * 10 + 1) FROM generate_series(1, 3) k",
       "SELECT PG_ADVISORY_UNLOCK_ALL()"},
      {"advisory_lock", "WITH locks AS (SELECT pg_try_advisory_lock(7) AS got) SELECT * FROM locks",
       "SELECT pg_advisory_unlock(7)"},
      {"advisory_lock", "BEGIN; SELECT pg_advisory_lock(7); ROLLBACK", "SELECT pg_advisory_unlock(7)"},
      {"sequence", "SELECT nextval('public.drawn'), currval('public.drawn')", "DISCARD ALL"},
      {"sequence", "SELECT nextval('public.drawn'), lastval()", "DISCARD ALL"},
  };
  return things;
}

class SessionStateTest : public StateTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    AsSuperuser("CREATE SEQUENCE IF NOT EXISTS public.drawn; GRANT ALL ON SEQUENCE public.drawn TO PUBLIC");
  }
  // What any session of the pool has: nothing of it may be there when no client is pinned.
  static std::string Leftovers(Connection& client) {
    return client.Value(
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) || ' ' ||"
        "(SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()) || ' ' ||"
        "(SELECT count(*) FROM pg_type WHERE typnamespace = pg_my_temp_schema()) || ' ' ||"
        "(SELECT count(*) FROM pg_collation WHERE collnamespace = pg_my_temp_schema()) || ' ' ||"
        "(SELECT count(*) FROM pg_cursors WHERE is_holdable) || ' ' ||"
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())");
  }
  static constexpr const char* kNothing = "0 0 0 0 0 0";
  static bool WaitRunning(const std::string& like) {
    Connection superuser(SharedCluster().SuperuserString());
    return Eventually([&] {
      return superuser.Value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '" + like +
                             "' AND pid <> pg_backend_pid()") == "1";
    });
  }
  static bool IsOneStatement(const std::string& sql) { return sql.find(';') == std::string::npos; }
};

TEST_F(SessionStateTest, EachPinsIsShownAndUnpinsWhenItIsGone) {
  StartWithOneServer();
  Connection admin = Admin(), next = Connect();
  for (const Thing& thing : Things()) {
    for (const bool is_extended : {false, true}) {
      if (is_extended && !IsOneStatement(thing.make)) continue;
      SCOPED_TRACE(thing.make + (is_extended ? " (extended)" : ""));
      Connection mine = Connect("app", "app", "application_name=holder");
      const double pins = Metric("pgweir_pins_total", {"reason=\"" + thing.reason + "\""});
      const Result made = is_extended ? mine.Params(thing.make) : mine.Query(thing.make);
      ASSERT_TRUE(made.ok()) << made.error();
      EXPECT_EQ(Pins(admin), std::vector<std::string>{thing.reason});
      EXPECT_NE(ClientColumn(admin, "holder", "link"), "");
      EXPECT_EQ(Metric("pgweir_pinned_clients", {"database=\"app\"", "user=\"app\""}), 1);
      EXPECT_EQ(Metric("pgweir_pins_total", {"reason=\"" + thing.reason + "\""}), pins + 1);
      const std::string pid = mine.Value("SELECT pg_backend_pid()");
      EXPECT_EQ(mine.Value("SELECT pg_backend_pid()"), pid);
      const Result undone = is_extended ? mine.Params(thing.undo) : mine.Query(thing.undo);
      ASSERT_TRUE(undone.ok()) << thing.undo << ": " << undone.error();
      EXPECT_TRUE(Pins(admin).empty()) << thing.undo;
      EXPECT_EQ(Metric("pgweir_pinned_clients", {"database=\"app\"", "user=\"app\""}), 0);
      EXPECT_EQ(ClientColumn(admin, "holder", "link"), "");
      if (HasFailure()) mine.Close();  // so that the next one finds a server
      EXPECT_EQ(Leftovers(next), kNothing);
      EXPECT_EQ(next.Query("SELECT currval('public.drawn')").sqlstate(), "55000");
      ASSERT_TRUE(next.Query("DISCARD ALL").ok());
      if (HasFailure()) return;
    }
  }
  for (const char* reason : {"temp_table", "hold_cursor", "advisory_lock", "sequence"}) {
    EXPECT_TRUE(pgweir().WaitForLog("client_pinned.*user=app reason=" + std::string(reason))) << reason;
  }
}

TEST_F(SessionStateTest, SeveralReasonsAtOnceGoOneByOne) {
  StartWithOneServer();
  Connection admin = Admin(), next = Connect(), mine = Connect();
  using Reasons = std::vector<std::string>;
  ASSERT_TRUE(mine.Query("CREATE TEMP TABLE scratch (i int); SELECT pg_advisory_lock(1)").ok());
  EXPECT_EQ(Pins(admin), (Reasons{"advisory_lock", "temp_table"}));
  ASSERT_TRUE(mine.Query("DECLARE held CURSOR WITH HOLD FOR SELECT 1").ok());
  EXPECT_EQ(Pins(admin), (Reasons{"advisory_lock", "hold_cursor", "temp_table"}));
  EXPECT_EQ(Metric("pgweir_pinned_clients"), 1);
  ASSERT_TRUE(mine.Query("DROP TABLE scratch").ok());
  EXPECT_EQ(Pins(admin), (Reasons{"advisory_lock", "hold_cursor"}));
  ASSERT_TRUE(mine.Query("CLOSE held").ok());
  EXPECT_EQ(Pins(admin), Reasons{"advisory_lock"});
  ASSERT_TRUE(mine.Query("SELECT pg_advisory_unlock(1)").ok());
  EXPECT_TRUE(Pins(admin).empty());
  EXPECT_EQ(Leftovers(next), kNothing);
}

TEST_F(SessionStateTest, AReentrantLockPinsUntilItsLastUnlock) {
  StartWithOneServer();
  Connection admin = Admin(), mine = Connect(), next = Connect();
  ASSERT_TRUE(
      mine.Query("SELECT pg_advisory_lock(5); SELECT pg_advisory_lock(5); SELECT pg_advisory_lock_shared(5)").ok());
  for (const char* unlock : {"SELECT pg_advisory_unlock(5)", "SELECT pg_advisory_unlock(5)"}) {
    ASSERT_EQ(mine.Value(unlock), "t");
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"advisory_lock"});
  }
  ASSERT_EQ(mine.Value("SELECT pg_advisory_unlock_shared(5)"), "t");
  EXPECT_TRUE(Pins(admin).empty());
  EXPECT_EQ(Leftovers(next), kNothing);
}

TEST_F(SessionStateTest, WhatItsTransactionTakesAwayPinsNothing) {
  StartWithOneServer();
  Connection admin = Admin(), mine = Connect(), next = Connect();
  const char* const kGone[] = {
      "BEGIN; CREATE TEMP TABLE scratch (i int) ON COMMIT DROP; COMMIT",
      "BEGIN; CREATE TEMP TABLE scratch (i int); ROLLBACK",
      "BEGIN; CREATE TEMP TABLE scratch (i int); DROP TABLE scratch; COMMIT",
      "BEGIN; SAVEPOINT s; CREATE TEMP TABLE scratch (i int); ROLLBACK TO s; COMMIT",
      "BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT 1; ROLLBACK",
      "BEGIN; DECLARE held CURSOR FOR SELECT 1; COMMIT",
      "SELECT pg_advisory_xact_lock(7)",
      "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
      "SELECT pg_advisory_lock(7); SELECT pg_advisory_unlock(7)",
      "SELECT 'CREATE TEMP TABLE scratch', 'pg_advisory_lock(7)'",
      "CREATE TEMP TABLE scratch (i no_such_type)",
  };
  for (const char* sql : kGone) {
    mine.Query(sql);
    EXPECT_TRUE(Pins(admin).empty()) << sql;
    EXPECT_EQ(Leftovers(next), kNothing) << sql;
  }
  EXPECT_EQ(Metric("pgweir_pins_total", {"database=\"app\""}), 0);
}

// Words that say nothing of it: the session's own path makes the table a temporary one.
TEST_F(SessionStateTest, ATableInASearchPathOfPgTempIsATemporaryOne) {
  StartWithOneServer();
  Connection next = Connect();
  EXPECT_EQ(Leftovers(next), kNothing);
  {
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query("SET search_path = pg_temp, public").ok());
    ASSERT_TRUE(mine.Query("CREATE TABLE scratch (i int)").ok());
    EXPECT_TRUE(mine.Query("SELECT * FROM scratch").ok());
    Connection admin = Admin();
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"temp_table"});
  }
  EXPECT_EQ(Leftovers(next), kNothing);
}

// A temporary schema may hold any kind of object, not only what is in pg_class, pg_proc and pg_type.
TEST_F(SessionStateTest, RareTemporaryObjectsPinToo) {
  StartWithOneServer();
  Connection admin = Admin(), next = Connect();
  for (const char* object :
       {"COLLATION pg_temp.rare FROM \"C\"", "TEXT SEARCH CONFIGURATION pg_temp.rare (COPY = simple)",
        "TEXT SEARCH DICTIONARY pg_temp.rare (TEMPLATE = simple)",
        "OPERATOR pg_temp.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
        "CONVERSION pg_temp.rare FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"}) {
    Connection mine = Connect();
    const Result made = mine.Query("CREATE " + std::string(object));
    ASSERT_TRUE(made.ok()) << made.error();
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"temp_table"}) << object;
  }
  EXPECT_EQ(Leftovers(next), kNothing);
}

// What pgweir asks the server is read under the client's own search_path, too.
TEST_F(SessionStateTest, TheQuestionIsNotFooledByOperatorsOfTheClient) {
  StartWithOneServer();
  AsSuperuser(
      "DROP SCHEMA IF EXISTS fooled CASCADE; CREATE SCHEMA fooled; GRANT USAGE ON SCHEMA fooled TO PUBLIC;"
      "CREATE FUNCTION fooled.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';"
      "CREATE FUNCTION fooled.never(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';"
      "CREATE FUNCTION fooled.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';"
      "CREATE OPERATOR fooled.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = fooled.never);"
      "CREATE OPERATOR fooled.= (LEFTARG = text, RIGHTARG = text, FUNCTION = fooled.never);"
      "CREATE OPERATOR fooled.= (LEFTARG = int, RIGHTARG = int, FUNCTION = fooled.never)");
  const AfterTest undo("DROP SCHEMA fooled CASCADE");
  Connection admin = Admin(), next = Connect();
  for (const Thing& thing : {Things()[0], Things()[14]}) {
    SCOPED_TRACE(thing.make);
    Connection mine = Connect("app", "app", "options='-c search_path=fooled,pg_catalog,public'");
    ASSERT_TRUE(mine.Query(thing.make).ok());
    EXPECT_EQ(Pins(admin), std::vector<std::string>{thing.reason});
    mine.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
    EXPECT_EQ(Leftovers(next), kNothing);
  }
  Connection mine = Connect("app", "app", "options='-c search_path=fooled,pg_catalog,public'");
  const std::string before = next.Value("SHOW work_mem");
  ASSERT_TRUE(mine.Query("SET work_mem = '29MB'").ok());
  EXPECT_EQ(next.Value("SHOW work_mem"), before);
  EXPECT_EQ(mine.Value("SHOW work_mem"), "29MB");
  ASSERT_TRUE(mine.Query("RESET work_mem").ok());
  EXPECT_EQ(mine.Value("SHOW work_mem"), before);
}

// The text that takes the lock was sent before; what is sent now only names it.
TEST_F(SessionStateTest, StatementsThatAreNamedDoWhatTheirTextSays) {
  StartWithOneServer();
  Connection admin = Admin();
  const auto expect_pin = [&](const std::string& how, auto&& prepare, auto&& run) {
    SCOPED_TRACE(how);
    Connection mine = Connect(), next = Connect();
    ASSERT_TRUE(prepare(mine).ok());
    EXPECT_EQ(next.Value("SELECT 1"), "1");
    const Result result = run(mine);
    ASSERT_TRUE(result.ok()) << result.error();
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"advisory_lock"});
    if (Pins(admin).empty()) {
      EXPECT_EQ(Leftovers(next), kNothing) << "not pinned";
    }
    mine.Query("SELECT pg_advisory_unlock_all()");
    EXPECT_TRUE(Pins(admin).empty());
    EXPECT_EQ(Leftovers(next), kNothing);
  };
  const auto sql = [](const std::string& text) { return [text](Connection& client) { return client.Query(text); }; };
  const auto params = [](const std::string& text) {
    return [text](Connection& client) { return client.Params(text); };
  };
  const auto parse = [](Connection& client) { return client.Prepare("takes", "SELECT pg_advisory_lock(9)"); };
  expect_pin("Parse, Bind", parse, [](Connection& client) { return client.Execute("takes"); });
  expect_pin("PREPARE, EXECUTE", sql("PREPARE takes AS SELECT pg_advisory_lock(9)"), sql("EXECUTE takes"));
  expect_pin("PREPARE, EXECUTE (extended)", sql("PREPARE takes AS SELECT pg_advisory_lock(9)"),
             params("EXECUTE takes"));
  expect_pin("Parse, EXECUTE", parse, sql("EXECUTE takes"));
  expect_pin("PREPARE, Bind", sql("PREPARE takes AS SELECT pg_advisory_lock(9)"),
             [](Connection& client) { return client.Execute("takes"); });
  expect_pin("cursor", sql("SELECT 1"), sql("BEGIN; DECLARE c CURSOR FOR SELECT pg_advisory_lock(9); FETCH c; COMMIT"));
}

TEST_F(SessionStateTest, ALoadedLibraryPinsUntilTheSessionEndsAndItsServerGoes) {
  StartWithOneServer();
  Connection admin = Admin();
  Connection mine = Connect("postgres");
  ASSERT_TRUE(mine.Query("LOAD 'auto_explain'").ok());
  EXPECT_EQ(Pins(admin), std::vector<std::string>{"load"});
  const std::string pid = mine.Value("SELECT pg_backend_pid()");
  ASSERT_TRUE(mine.Query("DISCARD ALL").ok());
  EXPECT_EQ(Pins(admin), std::vector<std::string>{"load"}) << "DISCARD ALL does not unload";
  EXPECT_NE(mine.Value("SHOW auto_explain.log_min_duration"), "");
  EXPECT_TRUE(pgweir().WaitForLog("client_pinned.*user=postgres reason=load"));
  mine.Close();
  Connection next = Connect("postgres");
  EXPECT_NE(next.Value("SELECT pg_backend_pid()"), pid);
  EXPECT_EQ(next.Query("SHOW auto_explain.log_min_duration").sqlstate(), "42704");
  EXPECT_TRUE(Eventually([&] { return Pins(admin).empty(); }));
}

// --- sequences -------------------------------------------------------------------------------------------------------

TEST_F(SessionStateTest, WhatOthersDrewIsNeverTakenForOnesOwn) {
  StartWithOneServer();
  Connection other = Connect();
  for (const char* ask : {"SELECT currval('public.drawn')", "SELECT lastval()"}) {
    SCOPED_TRACE(ask);
    Connection mine = Connect();
    EXPECT_EQ(mine.Value("SELECT 'here before'"), "here before");
    ASSERT_TRUE(other.Query("SELECT nextval('public.drawn')").ok());
    EXPECT_EQ(mine.Query(ask).sqlstate(), "55000");
  }
}

// The last who had this server is oneself, and still what its session knows was drawn by somebody else.
TEST_F(SessionStateTest, WhatOthersDrewLongerAgoIsNeverTakenForOnesOwn) {
  StartWithOneServer();
  Connection other = Connect();
  for (const char* ask : {"SELECT currval('public.drawn')", "SELECT lastval()"}) {
    SCOPED_TRACE(ask);
    Connection mine = Connect();
    ASSERT_TRUE(other.Query("SELECT nextval('public.drawn')").ok());
    EXPECT_EQ(mine.Value("SELECT 'a transaction without any sequence'"), "a transaction without any sequence");
    const Result result = mine.Query(ask);
    EXPECT_EQ(result.sqlstate(), "55000") << "it was told " << result.Value();
  }
}

TEST_F(SessionStateTest, OnesOwnSequencesAreKeptOnceAskedFor) {
  StartWithOneServer();
  Connection mine = Connect();
  const std::string drawn = mine.Value("SELECT nextval('public.drawn')");
  const std::string together = mine.Value("SELECT nextval('public.drawn'), 1");
  EXPECT_NE(drawn, together);
  ASSERT_TRUE(mine.Query("SELECT nextval('public.drawn'), lastval()").ok());
  const std::string last = mine.Value("SELECT nextval('public.drawn')");
  EXPECT_EQ(mine.Value("SELECT currval('public.drawn')"), last);
  EXPECT_EQ(mine.Value("SELECT lastval()"), last);
}

// --- however the session ends ----------------------------------------------------------------------------------------

TEST_F(SessionStateTest, NothingIsLeftWhenTheClientCloses) {
  StartWithOneServer();
  Connection admin = Admin();
  for (const Thing& thing : Things()) {
    SCOPED_TRACE(thing.make);
    {
      Connection mine = Connect();
      ASSERT_TRUE(mine.Query(thing.make).ok());
    }
    Connection next = Connect();
    EXPECT_EQ(Leftovers(next), kNothing);
    EXPECT_EQ(next.Query("SELECT currval('public.drawn')").sqlstate(), "55000");
    next.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
    EXPECT_EQ(Metric("pgweir_pinned_clients"), 0);
  }
}

TEST_F(SessionStateTest, NothingIsLeftWhenTheClientGoesInTheMiddle) {
  StartWithOneServer();
  Connection admin = Admin();
  enum class Leaving { kAtOnce, kWhileItRuns, kTerminate, kHalfAMessage };
  for (const Thing& thing : Things()) {
    for (const Leaving leaving :
         {Leaving::kAtOnce, Leaving::kWhileItRuns, Leaving::kTerminate, Leaving::kHalfAMessage}) {
      SCOPED_TRACE(thing.make + " " + std::to_string(static_cast<int>(leaving)));
      WireClient mine = ConnectWire();
      const std::string asked = Query(thing.make);
      if (leaving == Leaving::kAtOnce) {
        mine.Send(asked + Query("SELECT 1"));
        mine.Reset();
      } else if (leaving == Leaving::kWhileItRuns) {
        mine.Send(Query("BEGIN") + asked + Query("SELECT pg_sleep(60)"));
        ASSERT_TRUE(WaitRunning("SELECT pg_sleep%"));
        mine.Reset();
      } else if (leaving == Leaving::kTerminate) {
        mine.Send(Query("BEGIN") + asked + Terminate());
        mine.ReadToEnd();
      } else {
        mine.Ask(asked);
        mine.Send(Query("SELECT 1").substr(0, 8));
        mine.Close();
      }
      Connection next = Connect();
      EXPECT_EQ(Leftovers(next), kNothing);
      EXPECT_EQ(next.Query("SELECT currval('public.drawn')").sqlstate(), "55000");
      next.Close();
      ASSERT_TRUE(WaitUntilFree(admin));
    }
  }
}

TEST_F(SessionStateTest, NothingIsLeftWhenTheClientIsKilled) {
  StartWithOneServer();
  Connection admin = Admin();
  for (const Thing& thing : Things()) {
    SCOPED_TRACE(thing.make);
    Connection mine = Connect("app", "app", "application_name=victim");
    ASSERT_TRUE(mine.Query(thing.make).ok());
    ASSERT_TRUE(admin.Query("KILL_CLIENT " + ClientColumn(admin, "victim", "id")).ok());
    EXPECT_EQ(mine.Query("SELECT 1").sqlstate(), "57P01");
    Connection next = Connect();
    EXPECT_EQ(Leftovers(next), kNothing);
    next.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
  }
}

TEST_F(SessionStateTest, NothingIsLeftWhenAnIdleTransactionIsEnded) {
  StartWithOneServer("idle_transaction_timeout = \"100ms\"\n");
  Connection admin = Admin();
  for (const Thing& thing : Things()) {
    if (!IsOneStatement(thing.make)) continue;
    SCOPED_TRACE(thing.make);
    WireClient mine = ConnectWire();
    mine.Ask(Query(thing.make));
    mine.Ask(Query("BEGIN"));
    const auto messages = mine.ReadToEnd();
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(ErrorField(messages.front(), 'C'), "25P03");
    Connection next = Connect();
    EXPECT_EQ(Leftovers(next), kNothing);
    next.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
  }
}

// The server goes: what it had is lost, and the client must not go on as if it had it.
TEST_F(SessionStateTest, APinnedClientEndsWithItsServer) {
  StartWithOneServer();
  Connection admin = Admin(), mine = Connect();
  ASSERT_TRUE(mine.Query("CREATE TEMP TABLE scratch (i int)").ok());
  const std::string pid = mine.Value("SELECT pg_backend_pid()");
  AsSuperuser("SELECT pg_terminate_backend(" + pid + ")");
  const Result result = mine.Query("SELECT 1");
  EXPECT_EQ(result.severity(), "FATAL") << result.error();
  EXPECT_TRUE(Eventually([&] { return Pins(admin).empty(); }));
  EXPECT_EQ(Connect().Value("SELECT 'served'"), "served");
  EXPECT_EQ(Metric("pgweir_pinned_clients"), 0);
}

// --- what functions do -----------------------------------------------------------------------------------------------

TEST_F(SessionStateTest, VerifyFindsWhatFunctionsDid) {
  StartWithOneServer("session_state_verify = true\n");
  AsSuperuser(
      "CREATE OR REPLACE FUNCTION does(what text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE what; END';"
      "GRANT EXECUTE ON FUNCTION does(text) TO PUBLIC");
  const AfterTest undo("DROP FUNCTION does(text)");
  Connection admin = Admin();
  const std::pair<const char*, const char*> kCalls[] = {
      {"CREATE TE' || 'MP TABLE scratch (i int)", "temp_table"},
      {"SELECT pg_advisory' || '_lock(7)", "advisory_lock"},
  };
  for (const auto& [what, reason] : kCalls) {
    for (const bool is_extended : {false, true}) {
      SCOPED_TRACE(what);
      Connection mine = Connect(), next = Connect();
      const std::string sql = "SELECT does('" + std::string(what) + "')";
      const Result result = is_extended ? mine.Params(sql) : mine.Query(sql);
      ASSERT_TRUE(result.ok()) << result.error();
      EXPECT_EQ(Pins(admin), std::vector<std::string>{reason});
      ASSERT_TRUE(mine.Query("SELECT does('DISCARD' || ' TEMP'), does('SELECT pg_advisory' || '_unlock_all()')").ok());
      EXPECT_TRUE(Pins(admin).empty());
      EXPECT_EQ(Leftovers(next), kNothing);
    }
  }
  Connection mine = Connect(), next = Connect();
  const std::string before = next.Value("SHOW work_mem");
  ASSERT_TRUE(mine.Query("SELECT does('SET work_' || 'mem = ''27MB''')").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(next.Value("SHOW work_mem"), before);
    EXPECT_EQ(mine.Value("SHOW work_mem"), "27MB");
  }
  ASSERT_TRUE(mine.Query("DO $$BEGIN EXECUTE 'RE' || 'SET work_mem'; END$$").ok());
  EXPECT_EQ(mine.Value("SHOW work_mem"), before);
  EXPECT_EQ(Metric("pgweir_pinned_clients"), 0);
}

TEST_F(SessionStateTest, VerifyLeavesNothingWhenTheClientGoes) {
  StartWithOneServer("session_state_verify = true\n");
  Connection admin = Admin();
  for (const char* what : {"CREATE TE' || 'MP TABLE scratch (i int)", "SELECT pg_advisory' || '_lock(7)"}) {
    WireClient mine = ConnectWire();
    mine.Send(Query("DO $$BEGIN EXECUTE '" + std::string(what) + "'; END$$"));
    mine.Reset();
    Connection next = Connect();
    EXPECT_EQ(Leftovers(next), kNothing) << what;
    next.Close();
    ASSERT_TRUE(WaitUntilFree(admin));
  }
}

TEST_F(SessionStateTest, StatementModePinsAsTransactionModeDoes) {
  StartPgweir("pool_mode = \"statement\"\ndefault_pool_size = 1\nworkers = 1\n");
  Connection admin = Admin(), next = Connect();
  for (const Thing& thing : Things()) {
    if (!IsOneStatement(thing.make)) continue;
    SCOPED_TRACE(thing.make);
    Connection mine = Connect();
    ASSERT_TRUE(mine.Query(thing.make).ok());
    EXPECT_EQ(Pins(admin), std::vector<std::string>{thing.reason});
    ASSERT_TRUE(mine.Query(thing.undo).ok());
    EXPECT_TRUE(Pins(admin).empty());
    if (HasFailure()) mine.Close();
    EXPECT_EQ(Leftovers(next), kNothing);
    ASSERT_TRUE(next.Query("DISCARD ALL").ok());
    if (HasFailure()) return;
  }
  Connection mine = Connect();
  const std::string before = next.Value("SHOW work_mem");
  ASSERT_TRUE(mine.Query("SET work_mem = '28MB'").ok());
  EXPECT_EQ(next.Value("SHOW work_mem"), before);
  EXPECT_EQ(mine.Value("SHOW work_mem"), "28MB");
}

}  // namespace
}  // namespace integration
