// Queries of every kind pass unchanged, in session and in transaction mode.
#include "tests/integration/environment.h"

namespace integration {
namespace {

class QueryTest : public IntegrationTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    StartPgweir("pool_mode = \"" + GetParam() + "\"\ndefault_pool_size = 3\n");
    connection_ = Connect();
  }
  Connection connection_;
};
INSTANTIATE_TEST_SUITE_P(Modes, QueryTest, testing::Values("session", "transaction"),
                         [](const auto& test) { return test.param; });

TEST_P(QueryTest, SimpleQueryReturnsRowsAndTag) {
  const Result result = connection_.Query("SELECT i, i * 2 AS twice FROM generate_series(1, 3) i");
  ASSERT_TRUE(result.ok()) << result.error();
  EXPECT_EQ(result.rows(), 3);
  EXPECT_EQ(result.Value(2, "twice"), "6");
  EXPECT_EQ(result.tag(), "SELECT 3");
}

TEST_P(QueryTest, ExtendedQueryWithParametersAndNull) {
  const Result result = connection_.Params("SELECT $1::int + 1, $2::text IS NULL, $3::text", {"41", std::nullopt, ""});
  ASSERT_TRUE(result.ok()) << result.error();
  EXPECT_EQ(result.Value(0, 0), "42");
  EXPECT_EQ(result.Value(0, 1), "t");
  EXPECT_FALSE(result.IsNull(0, 2));
  EXPECT_EQ(result.Value(0, 2), "");
}

TEST_P(QueryTest, ErrorKeepsTheSession) {
  const Result failed = connection_.Query("SELECT 1/0");
  EXPECT_EQ(failed.sqlstate(), "22012");
  EXPECT_EQ(connection_.Value("SELECT 7"), "7");
  const Result extended = connection_.Params("SELECT * FROM no_such_table_here", {});
  EXPECT_EQ(extended.sqlstate(), "42P01");
  EXPECT_EQ(connection_.Value("SELECT 8"), "8");
}

TEST_P(QueryTest, ErrorFieldsArriveWhole) {
  const std::string sql =
      "DO $$ BEGIN RAISE EXCEPTION 'the message' USING DETAIL = 'the detail', HINT = 'the hint', ERRCODE = 'XX123'; "
      "END $$";
  const Result failed = connection_.Query(sql);
  EXPECT_EQ(failed.sqlstate(), "XX123");
  EXPECT_EQ(failed.message(), "the message");
  EXPECT_EQ(failed.detail(), "the detail");
  EXPECT_EQ(failed.hint(), "the hint");
}

TEST_P(QueryTest, LongErrorIsNotCut) {
  const Result failed = connection_.Query("DO $$ BEGIN RAISE EXCEPTION '%', repeat('e', 50000); END $$");
  EXPECT_EQ(failed.message(), std::string(50000, 'e'));
}

TEST_P(QueryTest, NoticesArrive) {
  ASSERT_TRUE(connection_.Query("DO $$ BEGIN RAISE NOTICE 'first'; RAISE NOTICE 'second'; END $$").ok());
  EXPECT_EQ(connection_.TakeNotices(), (std::vector<std::string>{"first", "second"}));
}

TEST_P(QueryTest, SeveralStatementsInOneQuery) {
  const auto results = connection_.QueryAll("SELECT 1; SELECT 2, 3; SET LOCAL work_mem = '5MB'; SELECT 4");
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[1].columns(), 2);
  EXPECT_EQ(results[3].Value(), "4");
}

TEST_P(QueryTest, ErrorInSeveralStatementsStopsThere) {
  const auto results = connection_.QueryAll("SELECT 1; SELECT 1/0; SELECT 3");
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1].sqlstate(), "22012");
  EXPECT_EQ(connection_.Value("SELECT 5"), "5");
}

TEST_P(QueryTest, EmptyQueries) {
  const auto simple = connection_.QueryAll("");
  ASSERT_EQ(simple.size(), 1u);
  EXPECT_EQ(simple[0].status(), PGRES_EMPTY_QUERY);
  EXPECT_EQ(connection_.Params("", {}).status(), PGRES_EMPTY_QUERY);
  EXPECT_EQ(connection_.Query(" -- nothing\n").status(), PGRES_EMPTY_QUERY);
}

TEST_P(QueryTest, BigRowAndManyRows) {
  EXPECT_EQ(connection_.Value("SELECT repeat('x', 20000000)").size(), 20'000'000u);
  const Result rows = connection_.Query("SELECT i, repeat(chr(65 + i % 26), i % 300) FROM generate_series(1, 30000) i");
  ASSERT_EQ(rows.rows(), 30000);
  for (int row = 0; row < 30000; row += 997) {
    const int i = row + 1;
    ASSERT_EQ(rows.Value(row, 1), std::string(static_cast<size_t>(i % 300), static_cast<char>('A' + i % 26)));
  }
}

TEST_P(QueryTest, BigParameterGoesThere) {
  const std::string big(5'000'000, 'p');
  EXPECT_EQ(connection_.Params("SELECT md5($1) = md5(repeat('p', 5000000))", {big}).Value(), "t");
  EXPECT_EQ(connection_.Value("SELECT length('" + big + "')"), "5000000");
}

TEST_P(QueryTest, WideRow) {
  std::string sql = "SELECT 0";
  for (int i = 1; i < 1600; ++i) sql += "," + std::to_string(i);
  const Result result = connection_.Query(sql);
  ASSERT_EQ(result.columns(), 1600);
  EXPECT_EQ(result.Value(0, 1599), "1599");
}

// The old fastpath interface; 177 is the oid of int4pl.
TEST_P(QueryTest, FunctionCall) {
  constexpr int kInt4Plus = 177;
  const PQArgBlock arguments[] = {{4, 1, {.integer = 40}}, {4, 1, {.integer = 2}}};
  int result = 0, length = 0;
  PQsetnonblocking(connection_.get(), 0);
  const Result called(PQfn(connection_.get(), kInt4Plus, &result, &length, 1, arguments, 2));
  EXPECT_EQ(called.status(), PGRES_COMMAND_OK) << called.error();
  EXPECT_EQ(result, 42);
  PQsetnonblocking(connection_.get(), 1);
  EXPECT_EQ(connection_.Value("SELECT 1"), "1");
}

TEST_P(QueryTest, TransactionsCommitAndRollBack) {
  ASSERT_TRUE(connection_.Query("DROP TABLE IF EXISTS transactions; CREATE TABLE transactions (i int)").ok());
  ASSERT_TRUE(connection_.Query("BEGIN").ok());
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_INTRANS);
  ASSERT_TRUE(connection_.Query("INSERT INTO transactions VALUES (1)").ok());
  const std::string pid = connection_.Value("SELECT pg_backend_pid()");
  EXPECT_EQ(connection_.Value("SELECT pg_backend_pid()"), pid);
  ASSERT_TRUE(connection_.Query("COMMIT").ok());
  ASSERT_TRUE(connection_.Query("BEGIN; INSERT INTO transactions VALUES (2)").ok());
  EXPECT_FALSE(connection_.Query("SELECT 1/0").ok());
  EXPECT_EQ(PQtransactionStatus(connection_.get()), PQTRANS_INERROR);
  EXPECT_EQ(connection_.Query("SELECT 1").sqlstate(), "25P02");
  EXPECT_EQ(connection_.Query("COMMIT").tag(), "ROLLBACK");
  EXPECT_EQ(connection_.Value("SELECT sum(i) FROM transactions"), "1");
}

TEST_P(QueryTest, SingleRowModeStreams) {
  connection_.Send("SELECT i FROM generate_series(1, 5000) i");
  ASSERT_EQ(PQsetSingleRowMode(connection_.get()), 1);
  int64_t sum = 0;
  while (Result row = connection_.Next()) {
    if (row.status() == PGRES_SINGLE_TUPLE) sum += std::stoll(row.Value());
  }
  EXPECT_EQ(sum, 5000 * 5001 / 2);
}

TEST_P(QueryTest, CursorInTransaction) {
  ASSERT_TRUE(connection_.Query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 100)").ok());
  EXPECT_EQ(connection_.Query("FETCH 10 FROM c").rows(), 10);
  EXPECT_EQ(connection_.Query("FETCH 5 FROM c").Value(4, 0), "15");
  ASSERT_TRUE(connection_.Query("COMMIT").ok());
}

class SessionQueryTest : public IntegrationTest {};

TEST_F(SessionQueryTest, NamedPreparedStatementsPassThrough) {
  StartPgweir("pool_mode = \"session\"\n");
  Connection connection = Connect();
  ASSERT_TRUE(connection.Prepare("twice", "SELECT 2 * $1::int").ok());
  EXPECT_EQ(connection.Execute("twice", {"21"}).Value(), "42");
  EXPECT_EQ(connection.Prepare("twice", "SELECT 1").sqlstate(), "42P05");
  EXPECT_EQ(connection.Execute("never", {}).sqlstate(), "26000");
  ASSERT_TRUE(connection.Query("DEALLOCATE twice").ok());
  EXPECT_EQ(connection.Execute("twice", {"1"}).sqlstate(), "26000");
}

TEST_F(SessionQueryTest, ListenAndNotify) {
  StartPgweir("pool_mode = \"session\"\n");
  Connection listener = Connect(), speaker = Connect();
  ASSERT_TRUE(listener.Query("LISTEN weir").ok());
  ASSERT_TRUE(speaker.Query("NOTIFY weir, 'water'").ok());
  PGnotify* notification = nullptr;
  // Arrives on its own, without a query from the listener.
  ASSERT_TRUE(Eventually([&] {
    PQconsumeInput(listener.get());
    notification = PQnotifies(listener.get());
    return notification != nullptr;
  }));
  EXPECT_STREQ(notification->extra, "water");
  PQfreemem(notification);
}

}  // namespace
}  // namespace integration
