// pgbench through pgweir: no error, and the books balance.
#include "tests/integration/environment.h"
#include "tests/support/temporary_folder.h"

namespace integration {
namespace {

using test_support::FinishedProcess;
using test_support::RunProgram;

class LoadTest : public IntegrationTest {
 protected:
  static void SetUpTestSuite() {
    // Straight at PostgreSQL: filling the tables is not what is tested.
    const FinishedProcess made = Pgbench(SharedCluster().port(), {"-i", "-q", "-s", "5"});
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  static FinishedProcess Pgbench(int port, std::vector<std::string> words) {
    std::vector<std::string> arguments = {
        PostgresCluster::BinaryFolder() + "/pgbench", "-n", "-h", "127.0.0.1", "-U", "app", "-p", std::to_string(port)};
    arguments.insert(arguments.end(), words.begin(), words.end());
    arguments.push_back("app");
    return RunProgram({.arguments = arguments, .environment = {"PGSSLMODE=disable", "PGGSSENCMODE=disable"}});
  }
  // Runs for some seconds and checks that all went well.
  void Run(std::vector<std::string> words) {
    words.insert(words.end(), {"-T", "3", "-j", "2"});
    const FinishedProcess done = Pgbench(target_port(), words);
    EXPECT_EQ(done.exit_code, 0) << done.output;
    EXPECT_NE(done.output.find("number of failed transactions: 0"), std::string::npos) << done.output;
    EXPECT_EQ(done.output.find("number of transactions actually processed: 0\n"), std::string::npos) << done.output;
    EXPECT_EQ(done.output.find("error"), std::string::npos) << done.output;
  }
  void ExpectBalanced() {
    Connection direct = Direct("app");
    EXPECT_EQ(
        direct.Value(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches) "
            "AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers) "
            "AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"),
        "t");
  }
  static constexpr const char* kSmallPool = "default_pool_size = 5\nquery_wait_timeout = \"60s\"\n";
};

TEST_F(LoadTest, TpcbSimple) {
  StartPgweir(kSmallPool);
  Run({"-c", "100", "-M", "simple"});
  ExpectBalanced();
  if (!IsDirect()) {
    EXPECT_LE(ServersOf("app"), 5);
  }
}

TEST_F(LoadTest, TpcbExtended) {
  StartPgweir(kSmallPool);
  Run({"-c", "100", "-M", "extended"});
  ExpectBalanced();
}

TEST_F(LoadTest, SelectSimpleAndExtended) {
  StartPgweir(kSmallPool);
  Run({"-S", "-c", "100", "-M", "simple"});
  Run({"-S", "-c", "100", "-M", "extended"});
}

TEST_F(LoadTest, PreparedInSessionModeWithAServerEach) {
  StartPgweir("pool_mode = \"session\"\ndefault_pool_size = 60\n");
  Run({"-c", "60", "-M", "prepared"});
  Run({"-S", "-c", "60", "-M", "prepared"});
  ExpectBalanced();
}

TEST_F(LoadTest, ConnectionForEachTransaction) {
  StartPgweir(kSmallPool);
  Run({"-S", "-C", "-c", "20"});
}

}  // namespace
}  // namespace integration
