// connect_query on a new connection: what it leaves is found, and what it must not do ends it, however the bytes are cut.
#include "protocol/connect_query.h"

#include <gtest/gtest.h>

#include "tests/support/wire_messages.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

namespace server = test_support;
using Step = ConnectQuery::Step;
using Values = std::vector<Setting>;

struct Outcome {
  Step step = Step::kContinue;
  std::string said;  // all that was sent
  Values parameters, settings;
  std::string error, why;
};

// Each answer comes when the query before it has gone out, in pieces of `piece` bytes.
Outcome Ask(const std::string& sql, const std::vector<std::string>& answers, size_t piece) {
  ConnectQuery query(sql, "app", {{"TimeZone", "UTC"}, {"server_version", "15.0"}});
  Outcome outcome;
  query.Begin(outcome.said);
  for (const std::string& answer : answers) {
    for (size_t at = 0; at < answer.size() && outcome.step == Step::kContinue; at += piece) {
      const ExactCopy part(std::string_view(answer).substr(at, piece));
      outcome.step = query.OnBytes(part.view(), outcome.said);
    }
  }
  outcome.parameters = query.parameters();
  outcome.settings = query.settings();
  outcome.error = query.server_error();
  outcome.why = query.why();
  return outcome;
}

std::string Complete() { return server::CommandComplete("SET") + server::ReadyForQuery('I'); }
std::string Row(const std::string& name, const std::string& value) {
  return server::DataRow({"set", name, value, "session"});
}

TEST(ConnectQueryTest, WhatItLeavesIsFoundHoweverTheBytesAreCut) {
  const std::string result = server::RowDescription({"x"}) + server::DataRow({std::string(3000, 'x')}) + server::CommandComplete("SELECT 1") +
                             server::NoticeResponse("careful") + server::ParameterStatus("TimeZone", "Asia/Tokyo") + Complete();
  const std::string found = server::RowDescription({"a", "b", "c", "d"}) + Row("statement_timeout", "5s") +
                            server::DataRow({"set", "role", "none", std::nullopt}) + server::CommandComplete("SELECT 2") + server::ReadyForQuery('I');
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{64}, size_t{1} << 20}) {
    const Outcome outcome = Ask("SELECT x; SET TimeZone TO 'Asia/Tokyo'", {result, found}, piece);
    EXPECT_EQ(outcome.step, Step::kReady) << piece;
    EXPECT_EQ(outcome.parameters, (Values{{"TimeZone", "Asia/Tokyo"}, {"server_version", "15.0"}}));
    EXPECT_EQ(outcome.settings, (Values{{"statement_timeout", "5s"}}));
    const auto said = Split(outcome.said);
    ASSERT_EQ(said.size(), 2u);
    EXPECT_EQ(said[0].body, Z("SELECT x; SET TimeZone TO 'Asia/Tokyo'"));
    EXPECT_EQ(said[1].type, 'Q');
  }
}

TEST(ConnectQueryTest, SettingsInNoCatalogueAreAskedForByName) {
  const auto asked = [](const std::string& sql) { return Split(Ask(sql, {Complete()}, 100).said).at(1).body; };
  const std::string question = asked("SET App.Tenant = 'x'; SELECT set_config('app.user', 'y', false); SET LOCAL app.local = 1");
  EXPECT_NE(question.find("\"role\",\"session_authorization\",\"app.tenant\",\"app.user\""), std::string::npos) << question;
  EXPECT_EQ(question.find("app.local"), std::string::npos);
  EXPECT_EQ(asked("SET \"app.it's\" = 'x'").find("it's"), std::string::npos) << "a name that would end the literal";
}

TEST(ConnectQueryTest, AnErrorIsTheServersOwn) {
  const std::string error = server::ErrorResponse("ERROR", "42501", "permission denied");
  const Outcome outcome = Ask("x", {server::CommandComplete("SET") + error + server::ReadyForQuery('I')}, 7);
  EXPECT_EQ(outcome.step, Step::kRefused);
  EXPECT_EQ(outcome.error, error.substr(5));
  EXPECT_EQ(Ask("x", {Complete(), error}, 7).step, Step::kRefused) << "of the question";
}

TEST(ConnectQueryTest, WhatItMustNotDoEndsIt) {
  const auto why = [](const std::string& answer) {
    const Outcome outcome = Ask("x", {answer}, 2);
    EXPECT_EQ(outcome.step, Step::kMalformed);
    return outcome.why;
  };
  EXPECT_EQ(why(server::CommandComplete("BEGIN") + server::ReadyForQuery('T')), "it left a transaction open");
  EXPECT_EQ(why(server::Message{'G', std::string("\0\0\0", 3)}.bytes()), "it started a COPY that waits for data");
  EXPECT_EQ(why(server::Message{'W', std::string("\0\0\0", 3)}.bytes()), "it started a COPY that waits for data");
  EXPECT_EQ(why(server::AuthenticationOk()), "the server sent something that nobody asked for");
  EXPECT_EQ(why(server::Message{'S', "TimeZone"}.bytes()), "the server sent a malformed ParameterStatus");
  EXPECT_EQ(why(std::string("E\x7f\0\0\0", 5)), "the server sent a malformed message");
  EXPECT_EQ(why(std::string("S\0\x20\0\0", 5)), "the server sent a message that is too long");
}

TEST(ConnectQueryTest, AnAnswerToTheQuestionIsReadAsOne) {
  EXPECT_EQ(Ask("x", {Complete(), server::DataRow({"nonsense"})}, 4).why, "the server sent a malformed row about its settings");
  EXPECT_EQ(Ask("x", {Complete(), Complete() + server::NoticeResponse("more")}, 1000).why, "the server sent more than an answer");
}

}  // namespace
}  // namespace protocol
