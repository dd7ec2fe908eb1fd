// Prepared statements over shared servers as libpq sees them: by protocol and in SQL, under the same name or the same
// text, with other settings, after changes of a table, and what is kept of them.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

class PreparedStatementsTest : public StateTest {
 protected:
  void SetUp() override {}
  void StartWith(int pool_size, const std::string& more = "") {
    StartPgweir("pool_mode = \"transaction\"\nworkers = 1\ndefault_pool_size = " + std::to_string(pool_size) + "\n" +
                more);
  }
  // Keeps the one server that was used last inside a transaction, so that the others must take another.
  Connection Hold() {
    Connection holder = Connect();
    EXPECT_TRUE(holder.Query("BEGIN; SELECT 1").ok());
    return holder;
  }
  // The one of two servers that has this process id.
  Connection HoldServer(const std::string& pid) {
    Connection first = Hold();
    if (first.Value("SELECT pg_backend_pid()") == pid) return first;
    Connection second = Hold();
    EXPECT_EQ(second.Value("SELECT pg_backend_pid()"), pid);
    EXPECT_TRUE(first.Query("COMMIT").ok());
    return second;
  }
  int StatementsOnServer(Connection& client) {
    return std::stoi(client.Value("SELECT count(*) FROM pg_prepared_statements"));
  }
};

// --- PREPARE, EXECUTE, DEALLOCATE ------------------------------------------------------------------------------------

TEST_F(PreparedStatementsTest, TenClientsWithOneNameOverThreeServers) {
  StartWith(3);
  std::vector<Connection> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Connect());
    const Result made = clients.back().Query("PREPARE mine(int) AS SELECT $1 * 100 + " + std::to_string(i));
    ASSERT_TRUE(made.ok()) << made.error();
    EXPECT_EQ(made.tag(), "PREPARE");
  }
  for (int round = 0; round < 5; ++round) {
    for (auto& client : clients) client.Send("EXECUTE mine(" + std::to_string(round) + ")");
    for (size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(clients[i].Next().Value(), std::to_string(round * 100 + static_cast<int>(i)));
      EXPECT_FALSE(clients[i].Next());
    }
  }
  for (size_t i = 0; i < clients.size(); i += 2) EXPECT_EQ(clients[i].Query("DEALLOCATE mine").tag(), "DEALLOCATE");
  for (size_t i = 0; i < clients.size(); ++i) {
    const Result result = clients[i].Query("EXECUTE mine(9)");
    EXPECT_EQ(i % 2 == 0 ? result.sqlstate() : result.Value(), i % 2 == 0 ? "26000" : std::to_string(900 + i));
  }
  EXPECT_EQ(clients[1].Query("DEALLOCATE ALL").tag(), "DEALLOCATE ALL");
  EXPECT_EQ(clients[1].Query("EXECUTE mine(9)").sqlstate(), "26000");
  EXPECT_EQ(clients[3].Query("EXECUTE mine(9)").Value(), "903");
}

TEST_F(PreparedStatementsTest, EveryKindOfExecute) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(other.Query("PREPARE q(int) AS SELECT 'other', $1").ok());
  ASSERT_TRUE(mine.Query("PREPARE q(int) AS SELECT generate_series(1, $1) AS n").ok());
  const auto between = [&other] { EXPECT_EQ(other.Query("EXECUTE q(0)").Value(), "other"); };
  const char* const kExplains[] = {"EXPLAIN EXECUTE q(3)", "EXPLAIN ANALYZE EXECUTE q(3)",
                                   "EXPLAIN (COSTS OFF, VERBOSE) EXECUTE q(3)", "explain verbose execute q(3)"};
  for (const char* sql : kExplains) {
    between();
    const Result plan = mine.Query(sql);
    ASSERT_TRUE(plan.ok()) << sql << ": " << plan.error();
    EXPECT_NE(plan.Value().find("ProjectSet"), std::string::npos) << plan.Value();
  }
  between();
  ASSERT_TRUE(mine.Query("DROP TABLE IF EXISTS made; CREATE TABLE made AS EXECUTE q(4)").ok());
  EXPECT_EQ(mine.Value("SELECT count(*) FROM made"), "4");
  between();
  ASSERT_TRUE(mine.Query("BEGIN; CREATE TEMP TABLE gone ON COMMIT DROP AS EXECUTE q(5)").ok());
  EXPECT_EQ(mine.Value("SELECT count(*) FROM gone"), "5");
  ASSERT_TRUE(mine.Query("COMMIT").ok());
  between();
  EXPECT_EQ(mine.Params("EXECUTE q(6)").rows(), 6);
  between();
  EXPECT_EQ(mine.Query("BEGIN; EXECUTE q(7)").rows(), 7);
  EXPECT_EQ(mine.Query("EXECUTE q(8); COMMIT").tag(), "COMMIT");
  between();
  EXPECT_EQ(mine.Query("SELECT 1; EXECUTE q(2); EXECUTE q(3)").rows(), 3);
}

TEST_F(PreparedStatementsTest, SeveralStatementsInOneText) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(other.Query("PREPARE a AS SELECT 'other a'; PREPARE b AS SELECT 'other b'").ok());
  EXPECT_EQ(mine.Query("PREPARE a AS SELECT 'a'; PREPARE b AS SELECT 'b'; EXECUTE a").Value(), "a");
  EXPECT_EQ(other.Query("EXECUTE b").Value(), "other b");
  EXPECT_EQ(mine.Query("EXECUTE b").Value(), "b");
  EXPECT_EQ(mine.Query("DEALLOCATE a; PREPARE a AS SELECT 'new a'; EXECUTE a").Value(), "new a");
  EXPECT_EQ(other.Query("EXECUTE a").Value(), "other a");
  EXPECT_EQ(mine.Query("EXECUTE a").Value(), "new a");
  // What comes before the error stays, as names know of no transaction.
  EXPECT_EQ(mine.Query("PREPARE c AS SELECT 'c'; SELECT 1/0; PREPARE d AS SELECT 'd'").sqlstate(), "22012");
  EXPECT_EQ(other.Value("SELECT 1"), "1");
  EXPECT_EQ(mine.Query("EXECUTE c").Value(), "c");
  EXPECT_EQ(mine.Query("EXECUTE d").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("DEALLOCATE ALL; PREPARE a AS SELECT 'last'").tag(), "PREPARE");
  EXPECT_EQ(other.Query("EXECUTE a").Value(), "other a");
  EXPECT_EQ(mine.Query("EXECUTE a").Value(), "last");
  EXPECT_EQ(mine.Query("EXECUTE b").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("PREPARE a AS SELECT 1").sqlstate(), "42P05");
  EXPECT_EQ(mine.Query("PREPARE e AS SELEKT 1").sqlstate(), "42601");
  EXPECT_EQ(mine.Query("EXECUTE e").sqlstate(), "26000");
}

TEST_F(PreparedStatementsTest, PrepareByExtendedProtocol) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(mine.Params("PREPARE via AS SELECT 'mine'").ok());
  EXPECT_EQ(other.Query("EXECUTE via").sqlstate(), "26000");
  ASSERT_TRUE(other.Params("PREPARE via AS SELECT 'other'").ok());
  EXPECT_EQ(mine.Params("EXECUTE via").Value(), "mine");
  EXPECT_EQ(mine.Params("PREPARE via AS SELECT 1").sqlstate(), "42P05");
  ASSERT_TRUE(mine.Params("DEALLOCATE via").ok());
  EXPECT_EQ(mine.Query("EXECUTE via").sqlstate(), "26000");
  EXPECT_EQ(other.Query("EXECUTE via").Value(), "other");
  // A named statement that prepares, run twice.
  ASSERT_TRUE(mine.Prepare("maker", "PREPARE made AS SELECT 'made'").ok());
  ASSERT_TRUE(mine.Execute("maker").ok());
  EXPECT_EQ(other.Query("EXECUTE made").sqlstate(), "26000");
  EXPECT_EQ(mine.Execute("maker").sqlstate(), "42P05");
  EXPECT_EQ(mine.Query("EXECUTE made").Value(), "made");
  // In one pipeline with what needs it.
  WireClient wire = ConnectWire();
  const auto run = [](const std::string& sql) { return Parse("", sql) + Bind("", "") + Execute(""); };
  std::vector<std::string> values;
  const std::string batch = run("PREPARE piped AS SELECT 'one'") + run("EXECUTE piped") + run("DEALLOCATE piped") +
                            run("PREPARE piped AS SELECT 'two'") + run("EXECUTE piped") + Bind("", "piped") +
                            Execute("");
  for (const Message& message : wire.Ask(batch + Sync())) {
    EXPECT_NE(message.type, 'E') << (message.type == 'E' ? ErrorField(message, 'M') : "");
    if (message.type == 'D') values.push_back(RowValues(message)[0].value());
  }
  EXPECT_EQ(values, (std::vector<std::string>{"one", "two", "two"}));
}

TEST_F(PreparedStatementsTest, NamesKnowOfNoTransaction) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(mine.Query("BEGIN; PREPARE stays AS SELECT 'stays'").ok());
  ASSERT_TRUE(mine.Query("ROLLBACK").ok());
  EXPECT_EQ(other.Query("EXECUTE stays").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("EXECUTE stays").Value(), "stays");
  ASSERT_TRUE(mine.Query("BEGIN; DEALLOCATE stays; ROLLBACK").ok());
  EXPECT_EQ(mine.Query("EXECUTE stays").sqlstate(), "26000");
  ASSERT_TRUE(mine.Query("BEGIN").ok());
  EXPECT_EQ(mine.Query("SELECT 1/0").sqlstate(), "22012");
  EXPECT_EQ(mine.Query("PREPARE never AS SELECT 1").sqlstate(), "25P02");
  ASSERT_TRUE(mine.Query("ROLLBACK").ok());
  EXPECT_EQ(mine.Query("EXECUTE never").sqlstate(), "26000");
}

TEST_F(PreparedStatementsTest, NamesQuotedFoldedAndCut) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  const std::string long_name(70, 'n');
  struct Case {
    std::string made, used, dropped;
  };
  const Case cases[] = {
      {"UPPER", "upper", "Upper"},
      {"\"Mixed Case\"", "\"Mixed Case\"", "\"Mixed Case\""},
      {"\"quo\"\"te\"", "\"quo\"\"te\"", "\"quo\"\"te\""},
      {"\xc3\xa4\xc3\xb6", "\"\xc3\xa4\xc3\xb6\"", "\xc3\xa4\xc3\xb6"},
      {long_name, long_name.substr(0, 63), long_name + "x"},
      {"pgweir_1", "pgweir_1", "pgweir_1"},
      {"\"\"\"\"", "\"\"\"\"", "\"\"\"\""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.made);
    ASSERT_TRUE(mine.Query("PREPARE " + one.made + " AS SELECT 'mine'").ok());
    ASSERT_TRUE(other.Query("PREPARE " + one.made + " AS SELECT 'other'").ok());
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(mine.Query("EXECUTE " + one.used).Value(), "mine");
      EXPECT_EQ(other.Query("EXECUTE " + one.used).Value(), "other");
    }
    ASSERT_TRUE(mine.Query("DEALLOCATE PREPARE " + one.dropped).ok());
    EXPECT_EQ(mine.Query("EXECUTE " + one.used).sqlstate(), "26000");
    EXPECT_EQ(other.Query("EXECUTE " + one.used).Value(), "other");
  }
  ASSERT_TRUE(mine.Query("PREPARE \"Mixed\" AS SELECT 1").ok());
  EXPECT_EQ(mine.Query("EXECUTE Mixed").sqlstate(), "26000");
}

// They are the names that they stand for.
TEST_F(PreparedStatementsTest, NamesInUnicodeEscapes) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(mine.Query("PREPARE U&\"\\0061bc\" AS SELECT 'mine'").ok());
  EXPECT_EQ(other.Query("EXECUTE abc").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("EXECUTE abc").Value(), "mine");
  EXPECT_EQ(other.Query("EXECUTE U&\"!0061bc\" UESCAPE '!'").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("EXECUTE U&\"!0061bc\" UESCAPE '!'").Value(), "mine");
  ASSERT_TRUE(mine.Query("DEALLOCATE U&\"ab\\0063\"").ok());
  EXPECT_EQ(mine.Query("EXECUTE abc").sqlstate(), "26000");
}

// --- one name, both languages ----------------------------------------------------------------------------------------

TEST_F(PreparedStatementsTest, SqlNamesWhatTheProtocolPrepared) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(other.Prepare("twin", "SELECT 'other' || $1::text").ok());
  ASSERT_TRUE(mine.Prepare("twin", "SELECT 'mine' || $1::text").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(other.Query("EXECUTE twin(1)").Value(), "other1");
    EXPECT_EQ(mine.Query("EXECUTE twin('x')").Value(), "minex");
    EXPECT_EQ(mine.Execute("twin", {"y"}).Value(), "miney");
    EXPECT_EQ(other.Execute("twin", {"z"}).Value(), "otherz");
  }
  EXPECT_EQ(mine.Query("PREPARE twin AS SELECT 1").sqlstate(), "42P05");
  EXPECT_EQ(mine.Query("DEALLOCATE twin").tag(), "DEALLOCATE");
  const Result gone = mine.Execute("twin", {"y"});
  EXPECT_EQ(gone.sqlstate(), "26000");
  EXPECT_EQ(gone.message(), "prepared statement \"twin\" does not exist");
  EXPECT_EQ(mine.Query("EXECUTE twin(1)").sqlstate(), "26000");
  EXPECT_EQ(mine.Query("DEALLOCATE twin").sqlstate(), "26000");
  EXPECT_EQ(other.Execute("twin", {"z"}).Value(), "otherz");
}

TEST_F(PreparedStatementsTest, TheProtocolNamesWhatSqlPrepared) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  ASSERT_TRUE(other.Query("PREPARE twin(text) AS SELECT 'other' || $1").ok());
  ASSERT_TRUE(mine.Query("PREPARE twin(text) AS SELECT 'mine' || $1").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(other.Execute("twin", {"1"}).Value(), "other1");
    EXPECT_EQ(mine.Execute("twin", {"2"}).Value(), "mine2");
    EXPECT_EQ(mine.Query("EXECUTE twin('3')").Value(), "mine3");
  }
  const Result twice = mine.Prepare("twin", "SELECT 1");
  EXPECT_EQ(twice.sqlstate(), "42P05");
  EXPECT_EQ(twice.message(), "prepared statement \"twin\" already exists");
  WireClient wire = ConnectWire();
  wire.Ask(Query("PREPARE twin AS SELECT 'wire'"));
  EXPECT_EQ(other.Value("SELECT 1"), "1");
  const auto described = wire.Ask(DescribeStatement("twin") + CloseStatement("twin") + Sync());
  ASSERT_EQ(described.size(), 4u);
  EXPECT_EQ(described[0].type, 't');
  EXPECT_EQ(described[1].type, 'T');
  EXPECT_EQ(described[2].type, '3');
  EXPECT_EQ(ErrorField(wire.Ask(Query("EXECUTE twin"))[0], 'C'), "26000");
  EXPECT_EQ(mine.Execute("twin", {"2"}).Value(), "mine2");
}

// --- the same text is not the same statement -------------------------------------------------------------------------

TEST_F(PreparedStatementsTest, LiteralsMeanWhatTheSettingsOfTheirClientSay) {
  StartWith(1);
  const std::string text = "SELECT to_char('01/02/2024 00:00'::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')";
  Connection dmy = Connect("app", "app", "options='-c DateStyle=SQL,DMY -c TimeZone=UTC'"),
             mdy = Connect("app", "app", "options='-c DateStyle=SQL,MDY -c TimeZone=UTC'"),
             tokyo = Connect("app", "app", "options='-c DateStyle=SQL,MDY -c TimeZone=Asia/Tokyo'");
  for (Connection* client : {&dmy, &mdy, &tokyo}) {
    ASSERT_TRUE(client->Prepare("p", text).ok());
    ASSERT_TRUE(client->Query("PREPARE s AS " + text).ok());
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(dmy.Execute("p").Value(), "2024-02-01 00");
    EXPECT_EQ(mdy.Execute("p").Value(), "2024-01-02 00");
    EXPECT_EQ(tokyo.Execute("p").Value(), "2024-01-01 15");
    EXPECT_EQ(dmy.Query("EXECUTE s").Value(), "2024-02-01 00");
    EXPECT_EQ(mdy.Query("EXECUTE s").Value(), "2024-01-02 00");
    EXPECT_EQ(tokyo.Query("EXECUTE s").Value(), "2024-01-01 15");
  }
}

// A literal is read once, when its text is prepared: what is set later does not change it, and neither does another
// server.
TEST_F(PreparedStatementsTest, LiteralsKeepTheirMeaningWhenSettingsChange) {
  StartWith(2);
  const std::string text = "SELECT to_char(date '01/02/2024', 'YYYY-MM-DD')";
  Connection mine = Connect("app", "app", "options='-c DateStyle=SQL,DMY'");
  ASSERT_TRUE(mine.Prepare("p", text).ok());
  ASSERT_TRUE(mine.Query("PREPARE s AS " + text).ok());
  ASSERT_TRUE(mine.Query("SET DateStyle = 'SQL, MDY'").ok());
  EXPECT_EQ(mine.Execute("p").Value(), "2024-02-01");
  EXPECT_EQ(mine.Query("EXECUTE s").Value(), "2024-02-01");
  const Connection holder = Hold();
  EXPECT_EQ(mine.Execute("p").Value(), "2024-02-01") << "on another server";
  EXPECT_EQ(mine.Query("EXECUTE s").Value(), "2024-02-01") << "on another server";
}

// A query of ours before it would be part of its transaction, and SET TRANSACTION be refused.
TEST_F(PreparedStatementsTest, NothingIsAskedBeforeABeginThatIsPreparedAnew) {
  StartWith(2);
  Connection mine = Connect("app", "app", "options='-c DateStyle=SQL,DMY'");
  ASSERT_TRUE(mine.Prepare("b", "BEGIN").ok());
  ASSERT_TRUE(mine.Prepare("t", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").ok());
  ASSERT_TRUE(mine.Query("SET DateStyle = 'SQL, MDY'").ok());
  const Connection holder = Hold();
  ASSERT_TRUE(mine.Execute("b").ok()) << "on another server";
  const Result set = mine.Execute("t");
  EXPECT_TRUE(set.ok()) << set.error();
  EXPECT_EQ(mine.Value("SHOW transaction_isolation"), "serializable");
  EXPECT_TRUE(mine.Query("COMMIT").ok());
}

// Nor may another client, whose settings have not changed, get what was read under those of this one.
TEST_F(PreparedStatementsTest, LiteralsOfOthersAreNotReadUnderMySettings) {
  StartWith(2);
  const std::string text = "SELECT to_char(date '01/02/2024', 'YYYY-MM-DD')";
  Connection mine = Connect("app", "app", "options='-c DateStyle=SQL,DMY'"),
             other = Connect("app", "app", "options='-c DateStyle=SQL,DMY'");
  ASSERT_TRUE(mine.Prepare("p", text).ok());
  ASSERT_TRUE(other.Prepare("p", text).ok());
  ASSERT_TRUE(mine.Query("SET DateStyle = 'SQL, MDY'").ok());
  const Connection holder = Hold();
  mine.Execute("p");
  EXPECT_EQ(other.Execute("p").Value(), "2024-02-01");
}

TEST_F(PreparedStatementsTest, LiteralsOfOthersAreNotReadUnderWhatIsLocalToATransaction) {
  StartWith(2);
  const std::string text = "SELECT to_char(date '01/02/2024', 'YYYY-MM-DD')";
  Connection mine = Connect("app", "app", "options='-c DateStyle=SQL,DMY'"),
             other = Connect("app", "app", "options='-c DateStyle=SQL,DMY'");
  ASSERT_TRUE(mine.Prepare("p", text).ok());
  ASSERT_TRUE(other.Prepare("p", text).ok());
  const Connection holder = Hold();
  ASSERT_TRUE(mine.Query("BEGIN; SET LOCAL DateStyle = 'SQL, MDY'").ok());
  mine.Execute("p");
  ASSERT_TRUE(mine.Query("COMMIT").ok());
  EXPECT_EQ(other.Execute("p").Value(), "2024-02-01");
  EXPECT_EQ(mine.Execute("p").Value(), "2024-02-01");
}

TEST_F(PreparedStatementsTest, TablesAreThoseOfTheClientsSearchPath) {
  StartWith(1);
  AsSuperuser(
      "DROP SCHEMA IF EXISTS one CASCADE; DROP SCHEMA IF EXISTS two CASCADE; CREATE SCHEMA one; CREATE SCHEMA two;"
      "CREATE TABLE one.who AS SELECT 'one' AS name; CREATE TABLE two.who AS SELECT 'two' AS name;"
      "GRANT USAGE ON SCHEMA one, two TO PUBLIC; GRANT SELECT ON one.who, two.who TO PUBLIC");
  const AfterTest undo("DROP SCHEMA one CASCADE; DROP SCHEMA two CASCADE");
  Connection one = Connect("app", "app", "options='-c search_path=one'"),
             two = Connect("app", "app", "options='-c search_path=two'"), plain = Connect();
  for (Connection* client : {&one, &two}) {
    ASSERT_TRUE(client->Prepare("p", "SELECT name FROM who").ok());
    ASSERT_TRUE(client->Query("PREPARE s AS SELECT name FROM who").ok());
  }
  EXPECT_EQ(plain.Prepare("p", "SELECT name FROM who").sqlstate(), "42P01");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(one.Execute("p").Value(), "one");
    EXPECT_EQ(two.Execute("p").Value(), "two");
    EXPECT_EQ(one.Query("EXECUTE s").Value(), "one");
    EXPECT_EQ(two.Query("EXECUTE s").Value(), "two");
    EXPECT_EQ(one.Params("SELECT name FROM who").Value(), "one");
    EXPECT_EQ(two.Params("SELECT name FROM who").Value(), "two");
  }
  // A statement follows the path of its session: PostgreSQL plans it anew.
  ASSERT_TRUE(one.Query("SET search_path = two").ok());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(two.Value("SELECT 1"), "1");
    EXPECT_EQ(one.Execute("p").Value(), "two");
    EXPECT_EQ(one.Query("EXECUTE s").Value(), "two");
  }
}

// Who may see what depends on who asks.
TEST_F(PreparedStatementsTest, TheSameTextUnderAnotherRole) {
  StartWith(1);
  AsSuperuser(
      "GRANT other TO app; DROP TABLE IF EXISTS secret; CREATE TABLE secret AS SELECT 1 AS i; GRANT SELECT ON secret "
      "TO other");
  const AfterTest undo("DROP TABLE secret; REVOKE other FROM app");
  AsSuperuser("ALTER ROLE app NOINHERIT");
  const AfterTest inherit("ALTER ROLE app INHERIT");
  Connection as_other = Connect(), as_app = Connect();
  ASSERT_TRUE(as_other.Query("SET ROLE other").ok());
  for (Connection* client : {&as_other, &as_app})
    ASSERT_TRUE(client->Prepare("p", "SELECT current_user, i FROM secret").ok());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(as_other.Execute("p").Value(), "other");
    EXPECT_EQ(as_app.Execute("p").sqlstate(), "42501");
  }
}

// --- plans that do not fit any more ----------------------------------------------------------------------------------

class StalePlanTest : public PreparedStatementsTest {
 protected:
  void SetUp() override {
    AsSuperuser(
        "DROP TABLE IF EXISTS shape; CREATE TABLE shape (a int); INSERT INTO shape VALUES (1);"
        "ALTER TABLE shape OWNER TO app");
  }
  static std::vector<std::string> Told(const std::vector<Message>& messages) {
    std::vector<std::string> told;
    for (const Message& message : messages) {
      if (message.type == 'E')
        told.push_back(ErrorField(message, 'C'));
      else if (message.type == 'D')
        told.push_back(std::to_string(RowValues(message).size()) + " columns");
      else
        told.emplace_back(1, message.type);
    }
    return told;
  }
  using Words = std::vector<std::string>;
  static std::string Run() { return Bind("", "p") + Execute("") + Sync(); }
  static std::string RunDescribed() { return Bind("", "p") + DescribePortal("") + Execute("") + Sync(); }
};

// PostgreSQL refuses them all; a client that was never told the shape, or is told the new one in the same batch, loses nothing by
// being served.
TEST_F(StalePlanTest, HealedWhenTheBatchIsToldTheTypePassedOnWhenNot) {
  NEEDS_PGWEIR();
  StartWith(1);
  WireClient mine = ConnectWire();
  mine.Ask(Parse("p", "SELECT * FROM shape") + Sync());
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "1 columns", "C", "Z"}));
  AsSuperuser("ALTER TABLE shape ADD COLUMN z int");
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "2 columns", "C", "Z"}));
  EXPECT_EQ(Metric("pgweir_statement_heals_total"), 1);
  AsSuperuser("ALTER TABLE shape DROP COLUMN z");
  EXPECT_EQ(Told(mine.Ask(RunDescribed())), (Words{"2", "T", "1 columns", "C", "Z"}));
  AsSuperuser("ALTER TABLE shape ADD COLUMN b int");
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"0A000", "Z"}));
  const auto described = Told(mine.Ask(DescribeStatement("p") + RunDescribed()));
  EXPECT_EQ(described, (Words{"t", "T", "2", "T", "2 columns", "C", "Z"}));
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "2 columns", "C", "Z"}));
  AsSuperuser("ALTER TABLE shape ADD COLUMN c int");
  EXPECT_EQ(Told(mine.Ask(DescribeStatement("p") + Run())), (Words{"t", "T", "2", "3 columns", "C", "Z"}));
  EXPECT_GT(Metric("pgweir_statement_heals_total"), 0);
}

TEST_F(StalePlanTest, RefusedAgainAndAgainUntilTheClientIsTold) {
  StartWith(1);
  WireClient mine = ConnectWire();
  mine.Ask(Parse("p", "SELECT * FROM shape") + DescribeStatement("p") + Sync());
  mine.Ask(Run());
  AsSuperuser("ALTER TABLE shape ADD COLUMN b int");
  for (int again = 0; again < 3; ++again) EXPECT_EQ(Told(mine.Ask(Run())), (Words{"0A000", "Z"}));
  EXPECT_EQ(Told(mine.Ask(CloseStatement("p") + Parse("p", "SELECT * FROM shape") + Run())),
            (Words{"3", "1", "2", "2 columns", "C", "Z"}));
}

TEST_F(StalePlanTest, ANewClientNeverSeesAnOldPlan) {
  StartWith(2);
  WireClient first = ConnectWire();
  first.Ask(Parse("p", "SELECT * FROM shape") + Sync());
  first.Ask(Run());
  const Connection holder = Hold();
  first.Ask(Run());  // now it is on both servers
  for (int columns = 2; columns < 5; ++columns) {
    AsSuperuser("ALTER TABLE shape ADD COLUMN c" + std::to_string(columns) + " int");
    for (int client = 0; client < 2; ++client) {
      WireClient fresh = ConnectWire();
      const std::string wanted = std::to_string(columns) + " columns";
      EXPECT_EQ(Told(fresh.Ask(Parse("p", "SELECT * FROM shape") + DescribeStatement("p") + RunDescribed())),
                (Words{"1", "t", "T", "2", "T", wanted, "C", "Z"}));
      EXPECT_EQ(Told(fresh.Ask(Run())), (Words{"2", wanted, "C", "Z"}));
      WireClient plain = ConnectWire();
      EXPECT_EQ(Told(plain.Ask(Parse("p", "SELECT * FROM shape") + Run())), (Words{"1", "2", wanted, "C", "Z"}));
    }
  }
}

TEST_F(StalePlanTest, OtherServersAreHealedToo) {
  NEEDS_PGWEIR();
  StartWith(2);
  WireClient mine = ConnectWire();
  mine.Ask(Parse("p", "SELECT * FROM shape") + DescribeStatement("p") + Sync());
  const std::string pid = mine.Value("SELECT pg_backend_pid()");
  Connection holder = HoldServer(pid);
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "1 columns", "C", "Z"}));
  const std::string other_pid = mine.Value("SELECT pg_backend_pid()");
  EXPECT_NE(other_pid, pid);
  AsSuperuser("ALTER TABLE shape ADD COLUMN b int");
  EXPECT_EQ(Told(mine.Ask(DescribeStatement("p") + Run())), (Words{"t", "T", "2", "2 columns", "C", "Z"}));
  ASSERT_TRUE(holder.Query("COMMIT").ok());
  const Connection other_holder = HoldServer(other_pid);
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "2 columns", "C", "Z"}));
  EXPECT_EQ(mine.Value("SELECT pg_backend_pid()"), pid);
}

TEST_F(StalePlanTest, InATransactionTheErrorIsPostgresqls) {
  StartWith(1);
  WireClient mine = ConnectWire();
  mine.Ask(Parse("p", "SELECT * FROM shape") + Sync());
  mine.Ask(Run());
  mine.Ask(Query("BEGIN"));
  EXPECT_EQ(Told(mine.Ask(Query("ALTER TABLE shape ADD COLUMN b int"))), (Words{"C", "Z"}));
  const auto messages = mine.Ask(RunDescribed());
  EXPECT_EQ(Told(messages), (Words{"0A000", "Z"}));
  EXPECT_EQ(ErrorField(messages[0], 'M'), "cached plan must not change result type");
  EXPECT_EQ(messages[1].body, "E");
  EXPECT_EQ(Told(mine.Ask(Query("ROLLBACK"))), (Words{"C", "Z"}));
  EXPECT_EQ(Told(mine.Ask(Run())), (Words{"2", "1 columns", "C", "Z"}));
}

TEST_F(StalePlanTest, SqlExecuteOfAStalePlan) {
  StartWith(1);
  Connection mine = Connect();
  ASSERT_TRUE(mine.Query("PREPARE s AS SELECT * FROM shape").ok());
  EXPECT_EQ(mine.Query("EXECUTE s").columns(), 1);
  AsSuperuser("ALTER TABLE shape ADD COLUMN b int");
  EXPECT_EQ(mine.Query("EXECUTE s").sqlstate(), "0A000");
  ASSERT_TRUE(mine.Query("DEALLOCATE s; PREPARE s AS SELECT * FROM shape").ok());
  EXPECT_EQ(mine.Query("EXECUTE s").columns(), 2);
}

// --- how many
// ---------------------------------------------------------------------------------------------------------

TEST_F(PreparedStatementsTest, OneOrTwoOnAServerAreEnough) {
  for (const int limit : {1, 2}) {
    StartWith(1, "max_prepared_statements = " + std::to_string(limit) + "\n");
    Connection mine = Connect(), other = Connect();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(mine.Prepare("p" + std::to_string(i), "SELECT 'mine', " + std::to_string(i)).ok());
      ASSERT_TRUE(other.Prepare("p" + std::to_string(i), "SELECT 'other', " + std::to_string(i)).ok());
    }
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(mine.Execute("p" + std::to_string(i)).Value(0, 1), std::to_string(i));
        EXPECT_EQ(other.Execute("p" + std::to_string(i)).Value(), "other");
        EXPECT_LE(StatementsOnServer(other), IsDirect() ? 5 : limit);
      }
    }
    // In SQL too, all in one transaction, and more in one batch than there is room for.
    for (int i = 0; i < 4; ++i) {
      const std::string name = "s" + std::to_string(i);
      ASSERT_TRUE(mine.Query("PREPARE " + name + " AS SELECT " + std::to_string(i)).ok());
    }
    ASSERT_TRUE(mine.Query("BEGIN").ok());
    for (int i = 3; i >= 0; --i) EXPECT_EQ(mine.Query("EXECUTE s" + std::to_string(i)).Value(), std::to_string(i));
    for (int i = 4; i >= 0; --i) EXPECT_EQ(mine.Execute("p" + std::to_string(i)).Value(0, 1), std::to_string(i));
    ASSERT_TRUE(mine.Query("COMMIT").ok());
    EXPECT_EQ(mine.Query("EXECUTE s0; EXECUTE s1; EXECUTE s2; EXECUTE s3").Value(), "3");
    WireClient wire = ConnectWire();
    std::string batch;
    for (int i = 0; i < 4; ++i) batch += Parse("w" + std::to_string(i), "SELECT 'w" + std::to_string(i) + "'");
    for (int i = 0; i < 4; ++i) batch += Bind("", "w" + std::to_string(i)) + Execute("");
    std::vector<std::string> values;
    for (const Message& message : wire.Ask(batch + Sync())) {
      if (message.type == 'D') values.push_back(RowValues(message)[0].value());
      EXPECT_NE(message.type, 'E');
    }
    EXPECT_EQ(values, (std::vector<std::string>{"w0", "w1", "w2", "w3"}));
  }
}

// Unchanged: the names are the server's own, in a transaction as without pgweir.
TEST_F(PreparedStatementsTest, NoneMeansUnchanged) {
  StartWith(1, "max_prepared_statements = 0\n");
  Connection mine = Connect();
  ASSERT_TRUE(mine.Query("BEGIN").ok());
  ASSERT_TRUE(mine.Prepare("own_name", "SELECT $1::int + 1").ok());
  EXPECT_EQ(mine.Execute("own_name", {"4"}).Value(), "5");
  EXPECT_EQ(mine.Value("SELECT string_agg(name, ',') FROM pg_prepared_statements"), "own_name");
  EXPECT_EQ(mine.Query("EXECUTE own_name(5)").Value(), "6");
  ASSERT_TRUE(mine.Query("DEALLOCATE own_name").ok());
  EXPECT_EQ(mine.Execute("own_name", {"4"}).sqlstate(), "26000");
  ASSERT_TRUE(mine.Query("ROLLBACK").ok());
  EXPECT_EQ(mine.Params("SELECT $1::int", {"7"}).Value(), "7");
}

TEST_F(PreparedStatementsTest, LongTexts) {
  StartWith(1);
  Connection mine = Connect(), other = Connect();
  for (const size_t bytes : {size_t{60'000}, size_t{70'000}, size_t{300'000}, size_t{3'000'000}}) {
    SCOPED_TRACE(bytes);
    const std::string name = "p" + std::to_string(bytes), padding(bytes, 'x');
    const std::string text = "SELECT length('" + padding + "') + $1::int";
    ASSERT_TRUE(mine.Prepare(name, text).ok());
    ASSERT_TRUE(other.Prepare(name, text + " * 2").ok());
    ASSERT_TRUE(mine.Query("PREPARE s" + name + "(int) AS " + text).ok());
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(mine.Execute(name, {"5"}).Value(), std::to_string(bytes + 5));
      EXPECT_EQ(other.Execute(name, {"5"}).Value(), std::to_string(bytes + 10));
      EXPECT_EQ(mine.Query("EXECUTE s" + name + "(7)").Value(), std::to_string(bytes + 7));
    }
    EXPECT_EQ(other.Query("EXECUTE s" + name + "(7)").sqlstate(), "26000");
  }
}

// The name stands behind more text than is kept.
TEST_F(PreparedStatementsTest, APrepareAtTheEndOfALongTextIsNobodyElses) {
  StartWith(1);
  for (const size_t bytes : {size_t{20'000}, size_t{100'000}, size_t{300'000}, size_t{2'000'000}}) {
    SCOPED_TRACE(bytes);
    Connection mine = Connect(), other = Connect();
    ASSERT_TRUE(mine.Query("SELECT '" + std::string(bytes, 'x') + "'; PREPARE late AS SELECT 'late'").ok());
    EXPECT_EQ(other.Query("EXECUTE late").sqlstate(), "26000");
    EXPECT_EQ(mine.Query("EXECUTE late").Value(), "late");
    ASSERT_TRUE(mine.Query("/*" + std::string(bytes, 'x') + "*/ DEALLOCATE late").ok());
    EXPECT_EQ(mine.Query("EXECUTE late").sqlstate(), "26000");
    EXPECT_EQ(other.Query("EXECUTE late").sqlstate(), "26000");
  }
}

// A text that is not read to its end may have said anything: its client keeps the server, and nobody else sees what it did.
TEST_F(PreparedStatementsTest, ATextThatIsTooLongToBeReadPins) {
  StartWith(2);
  Connection other = Connect();
  {
    Connection mine = Connect();
    const std::string before = "SELECT '" + std::string(20'000'000, 'x') + "'; ";
    ASSERT_TRUE(mine.Query(before + "PREPARE late AS SELECT 'late'; SET work_mem = '71MB'; SET app.late = 'yes'").ok());
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(other.Query("EXECUTE late").sqlstate(), "26000");
      EXPECT_NE(other.Value("SHOW work_mem"), "71MB");
      EXPECT_EQ(other.Value("SELECT coalesce(current_setting('app.late', true), '')"), "");
      EXPECT_EQ(mine.Query("EXECUTE late").Value(), "late");
      EXPECT_EQ(mine.Value("SHOW work_mem"), "71MB");
      EXPECT_EQ(mine.Value("SHOW app.late"), "yes");
    }
  }
  for (int round = 0; round < 6; ++round) {  // on both servers
    EXPECT_EQ(other.Query("BEGIN; EXECUTE late").sqlstate(), "26000");
    Connection next = Connect();
    EXPECT_EQ(next.Query("EXECUTE late").sqlstate(), "26000");
    EXPECT_NE(next.Value("SHOW work_mem"), "71MB");
    ASSERT_TRUE(other.Query("ROLLBACK").ok());
  }
}

TEST_F(PreparedStatementsTest, WhatIsClosedIsForgotten) {
  NEEDS_PGWEIR();
  StartWith(1, "max_prepared_statements = 10\n");
  Connection keeper = Connect(), admin = Admin();
  ASSERT_TRUE(keeper.Prepare("kept", "SELECT 'kept'").ok());
  const auto statements = [this] { return Metric("pgweir_prepared_statements", {"user=\"app\""}); };
  const auto bytes = [this] { return Metric("pgweir_prepared_statement_bytes", {"user=\"app\""}); };
  EXPECT_EQ(statements(), 1);
  const double bytes_of_one = bytes();
  {
    WireClient mine = ConnectWire();
    for (int first = 0; first < 5000; first += 500) {
      std::string batch;
      for (int i = first; i < first + 500; ++i)
        batch += Parse("p" + std::to_string(i), "SELECT " + std::to_string(i) + ", 'some text'");
      for (const Message& message : mine.Ask(batch + Sync())) ASSERT_NE(message.type, 'E') << ErrorField(message, 'M');
    }
    EXPECT_GE(statements(), 5001);
    EXPECT_GT(bytes(), bytes_of_one + 5000 * 20);
    for (int first = 0; first < 5000; first += 500) {
      std::string batch;
      for (int i = first; i < first + 500; ++i) batch += CloseStatement("p" + std::to_string(i));
      mine.Ask(batch + Sync());
    }
    EXPECT_LE(statements(), 1 + 10) << "only the server still has some";
  }
  ASSERT_TRUE(keeper.Query("DISCARD ALL").ok());
  EXPECT_EQ(statements(), 0);
  EXPECT_EQ(bytes(), 0);
  // A client that goes without a word closes them too.
  {
    Connection gone = Connect();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(gone.Prepare("p" + std::to_string(i), "SELECT " + std::to_string(i)).ok());
    EXPECT_EQ(statements(), 50);
  }
  EXPECT_TRUE(Eventually([&] { return statements() <= 10; }));
  ASSERT_TRUE(keeper.Query("DEALLOCATE ALL").ok());
  EXPECT_EQ(statements(), 0);
  EXPECT_EQ(bytes(), 0);
}

TEST_F(PreparedStatementsTest, TheConsoleKnowsHowMany) {
  NEEDS_PGWEIR();
  StartWith(1);
  Connection admin = Admin(), mine = Connect("app", "app", "application_name=counted");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(mine.Prepare("p" + std::to_string(i), "SELECT " + std::to_string(i)).ok());
  EXPECT_EQ(ClientColumn(admin, "counted", "prepared_statements"), "3");
  EXPECT_EQ(admin.Query("SHOW SERVERS").Value(0, "prepared_statements"), "3");
  ASSERT_TRUE(mine.Query("DEALLOCATE p1").ok());
  EXPECT_EQ(ClientColumn(admin, "counted", "prepared_statements"), "2");
  ASSERT_TRUE(mine.Query("DEALLOCATE ALL").ok());
  EXPECT_EQ(ClientColumn(admin, "counted", "prepared_statements"), "0");
  EXPECT_EQ(admin.Query("SHOW SERVERS").Value(0, "prepared_statements"), "0");
}

}  // namespace
}  // namespace integration
