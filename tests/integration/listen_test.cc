// LISTEN in transaction pooling: what of it stands when its transaction has ended, whatever else happened there.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

class ListenTest : public StateTest {
 protected:
  void SetUp() override {}
  void Start() { StartPgweir("pool_mode = \"transaction\"\nworkers = 1\ndefault_pool_size = 1\n"); }
  // Runs the statements, then has somebody notify, and returns what was heard by the next answer.
  std::string Heard(const std::vector<std::string>& statements) {
    Connection mine = Connect(), other = Connect();
    for (const std::string& sql : statements) {
      const Result result = mine.Query(sql);
      EXPECT_TRUE(result.ok()) << sql << ": " << result.error();
    }
    EXPECT_TRUE(other.Query("NOTIFY one, 'n'; NOTIFY two, 'n'; NOTIFY last, 'n'").ok());
    // Everybody who asks listens to `last`, which was sent last.
    std::string heard;
    EXPECT_TRUE(Eventually([&] {
      PQconsumeInput(mine.get());
      while (PGnotify* notification = PQnotifies(mine.get())) {
        heard += std::string(notification->relname) + " ";
        PQfreemem(notification);
      }
      return heard.ends_with("last ");
    })) << heard;
    return heard;
  }
};

TEST_F(ListenTest, WhatStandsIsHeard) {
  Start();
  EXPECT_EQ(Heard({"LISTEN one", "LISTEN last"}), "one last ");
  EXPECT_EQ(Heard({"LISTEN last", "BEGIN", "LISTEN one", "SAVEPOINT s", "LISTEN two", "ROLLBACK TO s", "COMMIT"}), "one last ");
  EXPECT_EQ(Heard({"LISTEN last", "BEGIN", "LISTEN one", "ROLLBACK"}), "last ");
  EXPECT_EQ(Heard({"LISTEN last; LISTEN one; LISTEN two; UNLISTEN one"}), "two last ");
}

// The settings that stand for it go with RESET ALL: they are put back.
TEST_F(ListenTest, AResetAllBehindItTakesNothing) {
  Start();
  EXPECT_EQ(Heard({"LISTEN last", "BEGIN", "LISTEN one", "RESET ALL", "COMMIT"}), "one last ");
  EXPECT_EQ(Heard({"LISTEN one", "LISTEN last", "BEGIN", "UNLISTEN one", "RESET ALL", "LISTEN two", "COMMIT"}), "two last ");
  EXPECT_EQ(Heard({"LISTEN last", "BEGIN", "SAVEPOINT s", "LISTEN one", "RESET ALL", "ROLLBACK TO s", "LISTEN two", "COMMIT"}), "two last ");
}

}  // namespace
}  // namespace integration
