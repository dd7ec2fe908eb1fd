// auth_query: what is asked, and every answer that must not let anybody in.
#include "protocol/auth_query.h"

#include "protocol/error_catalog.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

using Kind = AuthQueryAnswer::Kind;
using Step = AuthQueryReader::Step;

constexpr std::string_view kNull = "\x01NULL";

std::string Columns(uint16_t count) {
  std::string body = Big32(count).substr(2);
  for (uint16_t i = 0; i < count; ++i) body += Z("column") + std::string(18, '\0');
  return body;
}

std::string Row(const std::vector<std::string_view>& values) {
  std::string body = Big32(static_cast<uint32_t>(values.size())).substr(2);
  for (const auto value : values) {
    body += value == kNull ? Big32(0xffffffff) : Big32(static_cast<uint32_t>(value.size())).append(value);
  }
  return body;
}

struct Outcome {
  Step step = Step::kContinue;
  AuthQueryAnswer answer;
};

Outcome Read(const std::vector<WrittenMessage>& messages, const std::string& user = "anna") {
  AuthQueryReader reader(user);
  Outcome outcome;
  for (const auto& message : messages) {
    const ExactCopy body(message.body);
    outcome.step = reader.OnMessage(message.type, body.view());
    if (outcome.step != Step::kContinue) break;
  }
  outcome.answer = reader.answer();
  return outcome;
}

Outcome ReadRows(const std::vector<std::vector<std::string_view>>& rows, uint16_t columns = 2) {
  std::vector<WrittenMessage> messages = {{'1', ""}, {'2', ""}, {'T', Columns(columns)}};
  for (const auto& row : rows) messages.push_back({'D', Row(row)});
  messages.push_back({'C', Z("SELECT 1")});
  messages.push_back({'Z', "I"});
  return Read(messages);
}

Outcome ReadError(std::string_view sqlstate) {
  return Read({{'E', Z("SERROR") + Z("VERROR") + Z("C" + std::string(sqlstate)) + Z("Mno") + '\0'}, {'Z', "I"}});
}

TEST(AuthQuery, TheNameIsAParameter) {
  std::string out;
  WriteAuthQuery(out, "SELECT a, b FROM c WHERE d = $1", "x'; DROP TABLE y; --");
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].type, 'P');
  EXPECT_EQ(messages[0].body, Z("") + Z("SELECT a, b FROM c WHERE d = $1") + std::string(2, '\0'));
  EXPECT_EQ(messages[1].type, 'B');
  EXPECT_EQ(messages[1].body, Z("") + Z("") + std::string("\0\0\0\1", 4) + Big32(20) + "x'; DROP TABLE y; --" + std::string(2, '\0'));
  EXPECT_EQ(messages[2].type, 'D');
  EXPECT_EQ(messages[3].type, 'E');
  EXPECT_EQ(messages[4].type, 'S');
}

TEST(AuthQuery, OneRowOfThatUserIsFound) {
  const Outcome found = ReadRows({{"anna", "SCRAM-SHA-256$..."}});
  EXPECT_EQ(found.step, Step::kDone);
  EXPECT_EQ(found.answer.kind, Kind::kFound);
  EXPECT_EQ(found.answer.secret, "SCRAM-SHA-256$...");
  EXPECT_EQ(found.answer.remark, "");
  EXPECT_EQ(ReadRows({}).answer.kind, Kind::kUnknown);
  EXPECT_EQ(ReadRows({}).step, Step::kDone);
}

TEST(AuthQuery, FurtherColumnsAreIgnored) {
  const Outcome found = ReadRows({{"anna", "s", "t", kNull}}, 4);
  EXPECT_EQ(found.answer.kind, Kind::kFound);
  EXPECT_EQ(found.answer.secret, "s");
  EXPECT_EQ(found.answer.remark, "auth_query gives 4 columns; the first two count, name and secret");
}

TEST(AuthQuery, WhoHasNoSecretIsFoundWithoutAPassword) {
  for (const std::string_view secret : {kNull, std::string_view(""), std::string_view("********")}) {
    const Outcome found = ReadRows({{"anna", secret}});
    EXPECT_EQ(found.answer.kind, Kind::kFound);
    EXPECT_EQ(found.answer.secret, "");
    EXPECT_EQ(found.answer.remark.empty(), secret.empty());
  }
}

TEST(AuthQuery, TheRowOfAnotherUserDoesNotCount) {
  for (const std::string_view name : {std::string_view("Anna"), std::string_view("ann"), std::string_view("anna "), std::string_view(""), kNull}) {
    const Outcome other = ReadRows({{name, "s"}});
    EXPECT_EQ(other.step, Step::kDone);
    EXPECT_EQ(other.answer.kind, Kind::kUnknown) << name;
    EXPECT_EQ(other.answer.secret, "");
    EXPECT_NE(other.answer.remark, "");
  }
}

TEST(AuthQuery, WhatIsNoAnswerIsAFailure) {
  EXPECT_EQ(ReadRows({{"anna", "s"}, {"bert", "t"}}).answer.kind, Kind::kFailed);
  EXPECT_EQ(ReadRows({{"bert", "s"}, {"anna", "t"}}).answer.kind, Kind::kFailed);
  EXPECT_EQ(ReadRows({{"anna", "s"}, {"bert", "t"}}).answer.secret, "");
  EXPECT_EQ(ReadRows({{"anna"}}, 1).answer.kind, Kind::kFailed);
  EXPECT_EQ(ReadRows({{"anna", std::string(kLookedUpSecretBytesMax + 1, 'x')}}).answer.kind, Kind::kFailed);
  EXPECT_EQ(Read({{'1', ""}, {'2', ""}, {'n', ""}, {'C', Z("UPDATE 1")}, {'Z', "I"}}).answer.kind, Kind::kFailed);
  EXPECT_EQ(Read({{'1', ""}, {'2', ""}, {'I', ""}, {'Z', "I"}}).answer.kind, Kind::kFailed);
}

TEST(AuthQuery, AnErrorIsAFailureUnlessTheNameItselfIsImpossible) {
  EXPECT_EQ(ReadError("42501").answer.kind, Kind::kFailed);
  EXPECT_EQ(ReadError("42501").answer.remark, "auth_query failed: no (42501)");
  EXPECT_EQ(ReadError("42501").step, Step::kDone);
  EXPECT_EQ(ReadError("22021").answer.kind, Kind::kUnknown);
  EXPECT_EQ(ReadError("22P05").answer.kind, Kind::kUnknown);
  // after the row: nothing of it counts
  const Outcome late = Read({{'T', Columns(2)}, {'D', Row({"anna", "s"})}, {'E', Z("C22021") + '\0'}, {'Z', "I"}});
  EXPECT_EQ(late.answer.kind, Kind::kFailed);
  EXPECT_EQ(late.answer.secret, "");
}

TEST(AuthQuery, MalformedMessagesBreakIt) {
  const std::string row = Row({"anna", "s"});
  for (size_t size = 0; size < row.size(); ++size) {
    const Outcome cut = Read({{'T', Columns(2)}, {'D', row.substr(0, size)}});
    EXPECT_EQ(cut.step, Step::kBroken) << size;
    EXPECT_EQ(cut.answer.kind, Kind::kFailed) << size;
  }
  EXPECT_EQ(Read({{'D', row}}).step, Step::kBroken) << "not described";
  EXPECT_EQ(Read({{'T', Columns(3)}, {'D', row}}).step, Step::kBroken);
  EXPECT_EQ(Read({{'T', "\0"}}).step, Step::kBroken);
  EXPECT_EQ(Read({{'T', Columns(2)}, {'T', Columns(2)}}).step, Step::kBroken);
  EXPECT_EQ(Read({{'T', Columns(2)}, {'D', std::string("\0\2", 2) + Big32(0x80000000) + "anna"}}).step, Step::kBroken);
  for (const char type : {'G', 'H', 'W', 'd', 'R', 'K', 't', 'v', '3', '\0'}) EXPECT_EQ(Read({{type, ""}}).step, Step::kBroken) << type;
  for (const char* status : {"T", "E", "", "II"}) EXPECT_EQ(Read({{'Z', status}}).step, Step::kBroken) << status;
}

}  // namespace
}  // namespace protocol
