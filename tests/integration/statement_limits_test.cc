// The memory of a client's statements has an end: the client is told so, and nobody else notices.
#include "tests/integration/state_fixture.h"

namespace integration {
namespace {

using namespace test_support;

class StatementLimitsTest : public StateTest {};

TEST_F(StatementLimitsTest, OneNameTooManyEndsItsClient) {
  StartWithOneServer("max_prepared_statements = 10\n");
  Connection other = Connect();
  WireClient mine = ConnectWire();
  for (int first = 0; first < 10'000; first += 1000) {
    std::string batch;
    for (int i = first; i < first + 1000; ++i) batch += Parse("p" + std::to_string(i), "SELECT 1");
    for (const Message& message : mine.Ask(batch + Sync())) ASSERT_NE(message.type, 'E') << ErrorField(message, 'M');
  }
  mine.Send(Parse("one_more", "SELECT 1") + Sync());
  const auto error = mine.ReadMessage();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(ErrorField(*error, 'S') + " " + ErrorField(*error, 'C'), "FATAL 54000");
  EXPECT_TRUE(mine.AtEnd());
  EXPECT_EQ(other.Value("SELECT 'served'"), "served");
}

}  // namespace
}  // namespace integration
