// libpq's pipeline mode: many requests before the first answer, errors in the middle, in session and transaction mode.
#include "tests/integration/environment.h"

namespace integration {
namespace {

class PipelineTest : public IntegrationTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    StartPgweir("pool_mode = \"" + GetParam() + "\"\ndefault_pool_size = 2\n");
    connection_ = Connect();
    ASSERT_EQ(PQenterPipelineMode(connection_.get()), 1);
  }
  void Sync() { ASSERT_EQ(PQpipelineSync(connection_.get()), 1); }
  // The results of the next request: "row:..." , "error:SQLSTATE", "aborted", "sync" joined.
  std::string NextAnswer() {
    std::string answer;
    while (true) {
      const Result result = connection_.Next();
      if (!result) return answer;
      switch (result.status()) {
        case PGRES_TUPLES_OK:
          answer += "row:" + result.Value();
          break;
        case PGRES_COMMAND_OK:
          answer += "command:" + result.tag();
          break;
        case PGRES_FATAL_ERROR:
          answer += "error:" + result.sqlstate();
          break;
        case PGRES_PIPELINE_ABORTED:
          answer += "aborted";
          break;
        case PGRES_PIPELINE_SYNC:
          return "sync";
        default:
          answer += "?";
      }
    }
  }
  Connection connection_;
};
INSTANTIATE_TEST_SUITE_P(Modes, PipelineTest, testing::Values("session", "transaction"),
                         [](const auto& test) { return test.param; });

TEST_P(PipelineTest, ManyQueriesBeforeTheFirstAnswer) {
  for (int i = 0; i < 500; ++i) {
    connection_.SendParams("SELECT $1::int", {std::to_string(i)});
    if (i % 50 == 49) Sync();
  }
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(NextAnswer(), "row:" + std::to_string(i));
    if (i % 50 == 49) {
      ASSERT_EQ(NextAnswer(), "sync");
    }
  }
}

TEST_P(PipelineTest, ErrorInTheMiddleAbortsUpToSync) {
  connection_.SendParams("SELECT 1");
  connection_.SendParams("SELECT 1/0");
  connection_.SendParams("SELECT 3");
  Sync();
  connection_.SendParams("SELECT 4");
  Sync();
  EXPECT_EQ(NextAnswer(), "row:1");
  EXPECT_EQ(NextAnswer(), "error:22012");
  EXPECT_EQ(NextAnswer(), "aborted");
  EXPECT_EQ(NextAnswer(), "sync");
  EXPECT_EQ(NextAnswer(), "row:4");
  EXPECT_EQ(NextAnswer(), "sync");
}

TEST_P(PipelineTest, OneSyncIsOneTransaction) {
  connection_.SendParams("CREATE TABLE IF NOT EXISTS pipeline_rows (i int)");
  connection_.SendParams("TRUNCATE pipeline_rows");
  Sync();
  connection_.SendParams("INSERT INTO pipeline_rows VALUES (1)");
  connection_.SendParams("INSERT INTO pipeline_rows VALUES (1/0)");
  Sync();
  connection_.SendParams("SELECT count(*) FROM pipeline_rows");
  Sync();
  std::vector<std::string> answers;
  for (int i = 0; i < 8; ++i) answers.push_back(NextAnswer());
  EXPECT_EQ(answers[2], "sync");
  EXPECT_EQ(answers[3], "command:INSERT 0 1");
  EXPECT_EQ(answers[4], "error:22012");
  EXPECT_EQ(answers[6], "row:0");
}

TEST_P(PipelineTest, ExplicitTransactionAcrossSyncs) {
  connection_.SendParams("BEGIN");
  Sync();
  connection_.SendParams("SELECT pg_backend_pid()");
  Sync();
  connection_.SendParams("SELECT pg_backend_pid()");
  connection_.SendParams("COMMIT");
  Sync();
  EXPECT_EQ(NextAnswer(), "command:BEGIN");
  EXPECT_EQ(NextAnswer(), "sync");
  const std::string pid = NextAnswer();
  EXPECT_EQ(NextAnswer(), "sync");
  EXPECT_EQ(NextAnswer(), pid);
  EXPECT_EQ(NextAnswer(), "command:COMMIT");
  EXPECT_EQ(NextAnswer(), "sync");
}

TEST_P(PipelineTest, BigAnswersWhileStillSending) {
  // More than the socket buffers hold in both directions at once: whoever stops reading while writing hangs here.
  const std::string big(200'000, 'b');
  constexpr int kCount = 60;
  for (int i = 0; i < kCount; ++i) connection_.SendParams("SELECT $1 || $2", {std::to_string(i), big});
  Sync();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(NextAnswer(), "row:" + std::to_string(i) + big);
  EXPECT_EQ(NextAnswer(), "sync");
}

}  // namespace
}  // namespace integration
