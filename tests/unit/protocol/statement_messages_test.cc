// The messages of prepared statements: heads cut at every byte, counts and lengths that lie, and what is written comes
// back.
#include <gtest/gtest.h>

#include "protocol/frame.h"
#include "protocol/statement_messages.h"
#include "tests/support/wire_messages.h"
#include "tests/unit/protocol/statement_fixture.h"
#include "tests/unit/protocol/wire_bytes.h"

namespace protocol {
namespace {

std::string BodyOf(const std::string& message) { return message.substr(kFrameHeaderBytes); }
std::string Count(unsigned value) { return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)}; }

// --- Parse
// -------------------------------------------------------------------------------------------------------------

TEST(ReadParseTest, NameTextAndIdentity) {
  const std::string body = BodyOf(test_support::Parse("name", "select $1", {23, 25}));
  const auto head = ReadParse(body);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->name, "name");
  EXPECT_EQ(head->text, "select $1");
  EXPECT_EQ(head->body, Z("select $1") + Count(2) + Big32(23) + Big32(25));
  const auto empty = ReadParse(std::string_view("\0\0\0\0", 4));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->name, "");
  EXPECT_EQ(empty->text, "");
}

TEST(ReadParseTest, NothingShorterOrLongerIsOne) {
  for (const std::vector<int>& types : {std::vector<int>{}, {1}, {1, 2, 3}}) {
    const std::string body = BodyOf(test_support::Parse("a", "select", types));
    for (size_t size = 0; size < body.size(); ++size) {
      EXPECT_FALSE(ReadParse(ExactCopy(std::string_view(body).substr(0, size)).view())) << size;
    }
    EXPECT_TRUE(ReadParse(ExactCopy(body).view()));
    EXPECT_FALSE(ReadParse(ExactCopy(body + '\0').view()));
  }
}

TEST(ReadParseTest, EveryCountButTheRightOneIsWrong) {
  for (unsigned count = 0; count <= 0xffff; ++count) {
    const std::string body = Z("a") + Z("select") + Count(count) + Big32(23) + Big32(25);
    ASSERT_EQ(ReadParse(body).has_value(), count == 2) << count;
  }
  const std::string most = Z("a") + Z("select") + Count(0xffff) + std::string(size_t{4} * 0xffff, '\1');
  EXPECT_TRUE(ReadParse(ExactCopy(most).view()));
  EXPECT_FALSE(ReadParse(ExactCopy(std::string_view(most).substr(0, most.size() - 1)).view()));
}

// --- Bind
// --------------------------------------------------------------------------------------------------------------

TEST(ReadBindHeadTest, WholeOnlyWithBothZeroBytes) {
  const std::string body = BodyOf(test_support::Bind("portal", "statement", {"x"}));
  const size_t head_bytes = Z("portal").size() + Z("statement").size();
  for (size_t size = 0; size <= body.size(); ++size) {
    const ExactCopy copy(std::string_view(body).substr(0, size));
    const auto head = ReadBindHead(copy.view());
    ASSERT_EQ(head.has_value(), size >= head_bytes) << size;
    if (!head) continue;
    EXPECT_EQ(head->portal, "portal");
    EXPECT_EQ(head->statement, "statement");
    EXPECT_EQ(head->bytes, head_bytes);
  }
  const auto unnamed = ReadBindHead(std::string_view("\0\0", 2));
  ASSERT_TRUE(unnamed);
  EXPECT_EQ(unnamed->portal, "");
  EXPECT_EQ(unnamed->statement, "");
  EXPECT_EQ(unnamed->bytes, 2u);
}

TEST(ReadBindParameterTest, ValuesByNumber) {
  const std::string body = BodyOf(test_support::Bind("", "s", {"one", std::nullopt, "", std::string("\0", 1)}));
  EXPECT_EQ(ReadBindParameter(body, 1), "one");
  EXPECT_EQ(ReadBindParameter(body, 2), std::nullopt);
  EXPECT_EQ(ReadBindParameter(body, 3), "");
  EXPECT_EQ(ReadBindParameter(body, 4), (std::string_view("\0", 1)));
  for (const int number : {-1, 0, 5, 0x7fffffff, -0x7fffffff}) EXPECT_EQ(ReadBindParameter(body, number), std::nullopt);
}

TEST(ReadBindParameterTest, FormatsAreSteppedOver) {
  for (unsigned formats = 0; formats < 4; ++formats) {
    std::string body = Z("p") + Z("s") + Count(formats);
    for (unsigned i = 0; i < formats; ++i) body += Count(1);
    body += Count(1) + Big32(2) + "ab" + Count(0);
    EXPECT_EQ(ReadBindParameter(body, 1), "ab") << formats;
  }
}

// A parameter is there when all its bytes are; what follows it does not count.
TEST(ReadBindParameterTest, CutAtEveryByte) {
  const std::string front = Z("p") + Z("s") + Count(2) + Count(0) + Count(1) + Count(3) + Big32(3) + "abc";
  const std::string body = front + Big32(0xffffffff) + Big32(2) + "de" + Count(0);
  const size_t third = body.size() - 2;
  for (size_t size = 0; size <= body.size(); ++size) {
    const ExactCopy copy(std::string_view(body).substr(0, size));
    EXPECT_EQ(ReadBindParameter(copy.view(), 1).has_value(), size >= front.size()) << size;
    EXPECT_EQ(ReadBindParameter(copy.view(), 2), std::nullopt) << size;
    EXPECT_EQ(ReadBindParameter(copy.view(), 3).has_value(), size >= third) << size;
  }
}

TEST(ReadBindParameterTest, CountsAndLengthsThatLie) {
  const std::string head = Z("") + Z("");
  for (const unsigned formats : {1u, 3u, 0x7fffu, 0x8000u, 0xffffu}) {
    const ExactCopy copy(head + Count(formats) + Count(1));
    EXPECT_EQ(ReadBindParameter(copy.view(), 1), std::nullopt) << formats;
  }
  for (const uint32_t length : {2u, 0x7fffffffu, 0x80000000u, 0xfffffffeu}) {
    const ExactCopy copy(head + Count(0) + Count(2) + Big32(length) + "a");
    EXPECT_EQ(ReadBindParameter(copy.view(), 1), std::nullopt) << length;
    EXPECT_EQ(ReadBindParameter(copy.view(), 2), std::nullopt) << length;
  }
  const ExactCopy nulls(head + Count(0) + Count(0xffff) + Big32(0xffffffff) + Big32(1) + "a");
  EXPECT_EQ(ReadBindParameter(nulls.view(), 2), "a");
  EXPECT_EQ(ReadBindParameter(nulls.view(), 3), std::nullopt);
  EXPECT_EQ(ReadBindParameter(nulls.view(), 0xffff), std::nullopt);
}

// --- written messages
// --------------------------------------------------------------------------------------------------

TEST(WriteStatementMessagesTest, WhatIsWrittenIsReadBack) {
  const auto statement = MakeStatement(7, "select 7");
  std::string out;
  WriteParse(out, statement->server_name, statement->body);
  WriteDescribe(out, statement->server_name);
  WriteClose(out, statement->server_name);
  const std::string rest = Count(0) + Count(1) + Big32(1) + "x" + Count(0);
  WriteBindHead(out, "portal", statement->server_name, rest.size());
  out += rest;
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 4u);
  const auto parse = ReadParse(messages[0].body);
  ASSERT_TRUE(parse);
  EXPECT_EQ(parse->name, "pgweir_7");
  EXPECT_EQ(parse->text, statement->text());
  EXPECT_EQ(parse->body, statement->body);
  EXPECT_EQ(out.substr(0, messages[0].body.size() + kFrameHeaderBytes), test_support::Parse("pgweir_7", "select 7"));
  EXPECT_EQ(messages[1].type, 'D');
  EXPECT_EQ(messages[1].body, "S" + Z("pgweir_7"));
  EXPECT_EQ(messages[2].type, 'C');
  EXPECT_EQ(messages[2].body, "S" + Z("pgweir_7"));
  EXPECT_EQ(messages[3].type, 'B');
  const auto bind = ReadBindHead(messages[3].body);
  ASSERT_TRUE(bind);
  EXPECT_EQ(bind->portal, "portal");
  EXPECT_EQ(bind->statement, "pgweir_7");
  EXPECT_EQ(ReadBindParameter(messages[3].body, 1), "x");
}

TEST(WriteStatementMessagesTest, TheLengthOfABindCountsWhatFollows) {
  for (const size_t rest : {size_t{0}, size_t{250}, size_t{0x10000}, size_t{0x3fff0000}}) {
    std::string out;
    WriteBindHead(out, "", "s", rest);
    Frame frame;
    ASSERT_EQ(ReadClientFrame(out, frame), FrameStatus::kFrame) << rest;
    EXPECT_EQ(frame.total, out.size() + rest);
  }
}

TEST(WriteStatementMessagesTest, TheErrorOfAStalePlanIsPostgresqls) {
  std::string out;
  WriteStalePlanError(out);
  const auto messages = Split(out);
  ASSERT_EQ(messages.size(), 1u);
  const test_support::Message error{messages[0].type, messages[0].body};
  EXPECT_EQ(error.type, 'E');
  EXPECT_EQ(test_support::ErrorField(error, 'S'), "ERROR");
  EXPECT_EQ(test_support::ErrorField(error, 'C'), "0A000");
  EXPECT_EQ(test_support::ErrorField(error, 'M'), "cached plan must not change result type");
  EXPECT_EQ(test_support::ErrorField(error, 'R'), "RevalidateCachedQuery");
  EXPECT_EQ(error.body.back(), '\0');
}

}  // namespace
}  // namespace protocol
