// session_state: what is rejected is refused in its place and the session lives; what is only pinned is not followed;
// each kind, user and database has a policy of its own.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

struct Kind {
  std::string name, words, sql;
};

// Each as one statement that any role may send.
const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = {
      {"settings", "setting", "SET work_mem = '51MB'"},
      {"settings", "setting", "SELECT set_config('work_mem', '51MB', false)"},
      {"temp_table", "temporary", "CREATE TEMP TABLE scratch (i int)"},
      {"hold_cursor", "WITH HOLD", "DECLARE held CURSOR WITH HOLD FOR SELECT 1"},
      {"advisory_lock", "advisory lock", "SELECT pg_advisory_lock(7)"},
      {"load", "LOAD", "LOAD '$libdir/plugins/none'"},
      {"sequence", "currval", "SELECT currval('public.drawn')"},
  };
  return kinds;
}

class SessionPolicyTest : public StateTest {
 protected:
  void SetUp() override {
    NEEDS_PGWEIR();
    AsSuperuser("CREATE SEQUENCE IF NOT EXISTS public.drawn; GRANT ALL ON SEQUENCE public.drawn TO PUBLIC");
  }
  static void ExpectRefused(const Result& result, const Kind& kind) {
    EXPECT_EQ(result.sqlstate(), "0A000") << kind.sql << ": " << result.error();
    EXPECT_EQ(result.severity(), "ERROR");
    EXPECT_NE(result.message().find(kind.words), std::string::npos) << result.message();
    EXPECT_NE(result.hint().find("session_state"), std::string::npos) << result.hint();
  }
  static std::vector<std::string> States(const std::vector<Message>& messages) {
    std::vector<std::string> states;
    for (const Message& message : messages) {
      if (message.type == 'E') states.push_back(ErrorField(message, 'C'));
      if (message.type == 'D') states.push_back(RowValues(message)[0].value());
      if (message.type == 'Z') states.push_back(message.body);
    }
    return states;
  }
};

TEST_F(SessionPolicyTest, RejectedOutsideOfATransactionTheSessionLives) {
  StartWithOneServer("session_state = \"reject\"\n");
  Connection admin = Admin(), mine = Connect();
  for (const Kind& kind : Kinds()) {
    SCOPED_TRACE(kind.sql);
    ExpectRefused(mine.Query(kind.sql), kind);
    EXPECT_EQ(PQtransactionStatus(mine.get()), PQTRANS_IDLE);
    EXPECT_EQ(mine.Value("SELECT 'lives'"), "lives");
    ExpectRefused(mine.Params(kind.sql), kind);
    EXPECT_EQ(PQtransactionStatus(mine.get()), PQTRANS_IDLE);
    ASSERT_TRUE(mine.Prepare("named", kind.sql).ok());
    ExpectRefused(mine.Execute("named"), kind);
    ExpectRefused(mine.Execute("named"), kind);
    ASSERT_TRUE(mine.Query("DEALLOCATE named").ok());
    EXPECT_TRUE(Pins(admin).empty());
  }
  EXPECT_EQ(mine.Value("SELECT count(*) FROM pg_class WHERE relname = 'scratch'"), "0");
  EXPECT_EQ(mine.Value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
  EXPECT_NE(mine.Value("SHOW work_mem"), "51MB");
}

TEST_F(SessionPolicyTest, RejectedInsideOfATransactionItIsAborted) {
  StartWithOneServer("session_state = \"reject\"\n");
  Connection mine = Connect();
  ASSERT_TRUE(mine.Query("DROP TABLE IF EXISTS kept; CREATE TABLE kept (i int)").ok());
  for (const Kind& kind : Kinds()) {
    for (const bool is_extended : {false, true}) {
      SCOPED_TRACE(kind.sql);
      ASSERT_TRUE(mine.Query("BEGIN").ok());
      ASSERT_TRUE(mine.Query("INSERT INTO kept VALUES (1)").ok());
      ExpectRefused(is_extended ? mine.Params(kind.sql) : mine.Query(kind.sql), kind);
      EXPECT_EQ(PQtransactionStatus(mine.get()), PQTRANS_INERROR);
      EXPECT_EQ(mine.Query("SELECT 1").sqlstate(), "25P02");
      EXPECT_EQ(mine.Params("SELECT 1").sqlstate(), "25P02");
      EXPECT_EQ(mine.Query("COMMIT").tag(), "ROLLBACK");
      EXPECT_EQ(mine.Value("SELECT count(*) FROM kept"), "0");
      // A savepoint takes the refusal back.
      ASSERT_TRUE(mine.Query("BEGIN; SAVEPOINT s").ok());
      ExpectRefused(is_extended ? mine.Params(kind.sql) : mine.Query(kind.sql), kind);
      ASSERT_TRUE(mine.Query("ROLLBACK TO s").ok());
      EXPECT_EQ(mine.Value("SELECT 'goes on'"), "goes on");
      ASSERT_TRUE(mine.Query("COMMIT").ok());
    }
  }
  // In a transaction that has failed before, PostgreSQL's own error comes first.
  ASSERT_TRUE(mine.Query("BEGIN").ok());
  EXPECT_EQ(mine.Query("SELECT 1/0").sqlstate(), "22012");
  const Result later = mine.Query("SET work_mem = '51MB'");
  EXPECT_FALSE(later.ok());
  ASSERT_TRUE(mine.Query("ROLLBACK").ok());
}

// One text is refused as a whole, and before anything of it runs.
TEST_F(SessionPolicyTest, ATextOfSeveralStatementsIsRefusedAsAWhole) {
  StartWithOneServer("session_state = \"reject\"\n");
  Connection mine = Connect();
  for (const Kind& kind : Kinds()) {
    ExpectRefused(mine.Query("CREATE TABLE half_done (i int); " + kind.sql), kind);
    EXPECT_EQ(mine.Value("SELECT to_regclass('half_done') IS NULL"), "t") << kind.sql;
  }
}

TEST_F(SessionPolicyTest, RejectedInAPipelineInItsPlace) {
  StartWithOneServer("session_state = \"reject\"\n");
  const auto run = [](const std::string& sql) { return Parse("", sql) + Bind("", "") + Execute(""); };
  for (const Kind& kind : Kinds()) {
    SCOPED_TRACE(kind.sql);
    WireClient mine = ConnectWire();
    // Within one batch, in the next, and in simple queries that were sent ahead.
    mine.Send(run("SELECT 'one'") + run(kind.sql) + run("SELECT 'two'") + Sync() + run("SELECT 'three'") + Sync() +
              Query("SELECT 'four'") + Query(kind.sql) + Query("SELECT 'five'") + run("BEGIN") + Sync() +
              run(kind.sql) + run("SELECT 'six'") + Sync() + Query("SELECT 'seven'") + Query("ROLLBACK") +
              Query("SELECT 'eight'"));
    std::vector<Message> messages;
    for (int ready = 0; ready < 10; ++ready) {
      for (Message& message : mine.ReadUntil('Z')) messages.push_back(std::move(message));
    }
    EXPECT_EQ(States(messages),
              (std::vector<std::string>{"one", "0A000", "I", "three", "I", "four", "I", "0A000", "I", "five", "I", "T",
                                        "0A000", "E", "25P02", "E", "I", "eight", "I"}));
  }
}

// What belongs to a transaction alone, or undoes, is no state.
TEST_F(SessionPolicyTest, RejectLeavesTheRestAlone) {
  StartWithOneServer("session_state = \"reject\"\n");
  Connection mine = Connect("app", "app", "options='-c work_mem=52MB'"), other = Connect();
  for (const char* sql : {"BEGIN; SET LOCAL work_mem = '53MB'; COMMIT", "SELECT set_config('work_mem', '53MB', true)",
                          "SELECT pg_advisory_xact_lock(7)", "BEGIN; DECLARE c CURSOR FOR SELECT 1; COMMIT",
                          "SELECT nextval('public.drawn')",
                          "SELECT 'CREATE TEMP TABLE scratch; LOAD; SET work_mem = 1'", "PREPARE p AS SELECT 1",
                          "EXECUTE p", "DEALLOCATE ALL", "BEGIN; SET TRANSACTION READ ONLY; COMMIT", "SHOW work_mem"}) {
    const Result result = mine.Query(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << result.error();
  }
  EXPECT_NE(other.Value("SHOW work_mem"), "52MB");
  EXPECT_EQ(mine.Value("SHOW work_mem"), "52MB");
}

TEST_F(SessionPolicyTest, OneKindRejectedTheOthersLive) {
  for (const Kind& kind : Kinds()) {
    if (kind.name == "load") continue;  // nothing that every role may load
    SCOPED_TRACE(kind.name);
    StartWithOneServer("session_state = \"track, " + kind.name + "=reject\"\n");
    Connection admin = Admin();
    for (const Kind& one : Kinds()) {
      if (one.name == "load") continue;
      Connection mine = Connect();
      const Result result = mine.Query("SELECT nextval('public.drawn')").ok() ? mine.Query(one.sql) : Result();
      if (one.name == kind.name)
        ExpectRefused(result, one);
      else
        EXPECT_TRUE(result.ok() || result.sqlstate() == "55000") << one.sql << ": " << result.error();
      mine.Close();
      ASSERT_TRUE(WaitUntilFree(admin));
    }
  }
}

TEST_F(SessionPolicyTest, PinnedSettingsStayUntilReset) {
  StartWithOneServer("session_state = \"settings=pin\"\n");
  Connection admin = Admin(), mine = Connect(), other = Connect();
  const std::string before = other.Value("SHOW work_mem");
  for (const char* set : {"SET work_mem = '54MB'", "SELECT set_config('work_mem', '54MB', false)",
                          "BEGIN; SET work_mem = '54MB'; COMMIT"}) {
    SCOPED_TRACE(set);
    ASSERT_TRUE(mine.Query(set).ok());
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"settings"});
    ASSERT_TRUE(mine.Query("DISCARD ALL").ok());
    EXPECT_TRUE(Pins(admin).empty());
    EXPECT_EQ(other.Value("SHOW work_mem"), before);
  }
  ASSERT_TRUE(mine.Query("SET work_mem = '55MB'").ok());
  ASSERT_TRUE(mine.Query("RESET work_mem").ok());
  EXPECT_TRUE(Pins(admin).empty());
  ASSERT_TRUE(mine.Query("BEGIN; SET work_mem = '56MB'; ROLLBACK").ok());
  EXPECT_TRUE(Pins(admin).empty());
}

// PostgreSQL has no way to forget a custom setting: empty is what is left of it.
TEST_F(SessionPolicyTest, APinnedCustomSettingStaysUntilReset) {
  StartWithOneServer("session_state = \"settings=pin\"\n");
  Connection admin = Admin(), mine = Connect();
  for (const char* reset : {"RESET app.own", "RESET ALL", "DISCARD ALL"}) {
    ASSERT_TRUE(mine.Query("SET app.own = 'x'").ok());
    EXPECT_EQ(Pins(admin), std::vector<std::string>{"settings"});
    ASSERT_TRUE(mine.Query(reset).ok());
    EXPECT_TRUE(Pins(admin).empty()) << reset;
  }
}

TEST_F(SessionPolicyTest, UsersAndDatabasesHaveTheirOwn) {
  StartPgweir("pool_mode = \"transaction\"\nsession_state = \"track\"\nworkers = 1\n",
              DatabaseSection("*") + DatabaseSection("second", "session_state = \"temp_table=reject\"\n") +
                  "[users.other]\nsession_state = \"advisory_lock=reject, settings=reject\"\n");
  const Kind table{"", "temporary", "CREATE TEMP TABLE scratch (i int)"},
      lock{"", "advisory", "SELECT pg_advisory_lock(7)"};
  Connection plain = Connect("app", "app"), second = Connect("app", "second"), other = Connect("other", "app");
  EXPECT_TRUE(plain.Query(table.sql).ok());
  EXPECT_TRUE(plain.Query(lock.sql).ok());
  EXPECT_TRUE(plain.Query("SELECT pg_advisory_unlock_all()").ok());
  ExpectRefused(second.Query(table.sql), table);
  EXPECT_TRUE(second.Query(lock.sql).ok());
  EXPECT_TRUE(second.Query("SELECT pg_advisory_unlock_all()").ok());
  EXPECT_TRUE(other.Query(table.sql).ok());
  ExpectRefused(other.Query(lock.sql), lock);
  ExpectRefused(other.Query("SET work_mem = '57MB'"), {"", "setting", "SET"});
}

// A session of its own keeps what it likes.
TEST_F(SessionPolicyTest, SessionModeRejectsNothing) {
  StartPgweir("pool_mode = \"session\"\nsession_state = \"reject\"\n");
  Connection admin = Admin(), mine = Connect();
  for (const Kind& kind : Kinds()) {
    const Result result = mine.Query(kind.sql);
    EXPECT_NE(result.sqlstate(), "0A000") << kind.sql;
  }
  EXPECT_EQ(mine.Value("SHOW work_mem"), "51MB");
  EXPECT_TRUE(Pins(admin).empty());
}

TEST_F(SessionPolicyTest, StatementModeRejectsToo) {
  StartPgweir("pool_mode = \"statement\"\nsession_state = \"reject\"\ndefault_pool_size = 1\n");
  Connection mine = Connect();
  for (const Kind& kind : Kinds()) {
    ExpectRefused(mine.Query(kind.sql), kind);
    ExpectRefused(mine.Params(kind.sql), kind);
    EXPECT_EQ(mine.Value("SELECT 'lives'"), "lives");
  }
}

TEST_F(SessionPolicyTest, RefusalsAreCounted) {
  StartWithOneServer("session_state = \"reject\"\n");
  Connection mine = Connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(mine.Query("CREATE TEMP TABLE scratch (i int)").sqlstate(), "0A000");
  EXPECT_EQ(Metric("pgweir_errors_total", {"state_rejected"}), 3);
}

}  // namespace
}  // namespace integration
