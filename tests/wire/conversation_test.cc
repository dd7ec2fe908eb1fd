// Every conversation, whole, split at every byte and cut at every byte, in both directions, through a pool of one
// server.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/wire_barrier.h"
#include "tests/wire/rig.h"

namespace wire {
namespace {

using namespace test_support;

constexpr size_t kShownBytes = 150;

std::string OtherBytes(const std::string& got, const std::string& expected) {
  const auto at = static_cast<size_t>(std::mismatch(got.begin(), got.end(), expected.begin()).first - got.begin());
  return ": other bytes than a server's, at " + std::to_string(at) + " " +
         testing::PrintToString(got.substr(at, kShownBytes)) + " and not " +
         testing::PrintToString(expected.substr(at, kShownBytes));
}

class ConversationTest : public testing::TestWithParam<size_t> {
 protected:
  static void SetUpTestSuite() { rig_ = new Rig(); }
  static void TearDownTestSuite() { delete std::exchange(rig_, nullptr); }

  const Conversation& conversation() const { return Conversations()[GetParam()]; }

  // One whole run; the client's bytes are split at `split_at`. True when all answers came, byte for byte.
  testing::AssertionResult Run(WireClient& client, const std::vector<std::string>& answers, size_t split_at) {
    size_t sent = 0;
    for (size_t turn = 0; turn < answers.size(); ++turn) {
      const std::string& bytes = conversation().turns[turn].client;
      const bool is_split = split_at > sent && split_at < sent + bytes.size();
      const bool has_left = is_split ? client.SendSplit(bytes, split_at - sent) : client.Send(bytes);
      if (!has_left) return testing::AssertionFailure() << "turn " << turn << " could not be sent";
      sent += bytes.size();
      const auto got = client.ReadBytes(answers[turn].size());
      if (!got) return testing::AssertionFailure() << "turn " << turn << ": the connection ended";
      if (*got != answers[turn])
        return testing::AssertionFailure() << "turn " << turn << OtherBytes(*got, answers[turn]);
    }
    return testing::AssertionSuccess();
  }

  // After an error in place of an answer: a session that lives on is in step at the next Sync, and gets its own answer.
  // Before that come answers to what was waiting in pgweir and goes to another server, which is of this conversation.
  testing::AssertionResult LivesOnInStep(WireClient& client, const std::vector<std::string>& answers) {
    std::set<std::string> own_rows;
    for (const std::string& answer : answers) {
      for (const Message& message : Messages(answer)) own_rows.insert(message.body);
    }
    client.Send(Sync() + Query("echo alive"));
    std::string types;
    bool is_alive = false;
    while (const auto message = client.ReadMessage()) {
      if (message->type == 'Z' && is_alive) break;
      if (message->type != 'Z') types += message->type;
      if (message->type != 'D') continue;
      if (is_alive) return testing::AssertionFailure() << "a row behind its answer";
      is_alive = RowValues(*message) == Values{"alive"};
      // A DEALLOCATE that went down with its server has not happened: what waited for it finds the name, and gives its rows.
      const bool lost_names = conversation().name.find("DEALLOCATE") != std::string::npos;
      if (!is_alive && !lost_names && own_rows.count(message->body) == 0) return testing::AssertionFailure() << "a row of another";
    }
    if (conversation().server_sees == ServerSees::kWhatItMust || types.empty() || types == "TDC")
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << types;
  }

  // A client whose settings the server has already.
  WireClient WarmClient() {
    WireClient client = rig_->Client();
    EXPECT_TRUE(GetsItsAnswer(client, "warm"));
    rig_->postgres().TakeReceived();
    return client;
  }

  static Rig* rig_;
};

Rig* ConversationTest::rig_ = nullptr;

TEST_P(ConversationTest, WholeAndWithTheClientSplitAtEveryByte) {
  const std::vector<std::string> answers = Answers(conversation());
  const std::string client_bytes = ClientBytes(conversation());
  WireClient client = WarmClient();
  for (const size_t at : Cuts(client_bytes.size())) {
    ASSERT_TRUE(Run(client, answers, at)) << "split at " << at;
    const std::string received = rig_->postgres().TakeReceived();
    const bool is_all = received == client_bytes || conversation().server_sees == ServerSees::kWhatItMust;
    ASSERT_TRUE(is_all) << "split at " << at;
  }
  EXPECT_EQ(client.ReadAvailable(Milliseconds(0)), "");
  EXPECT_TRUE(rig_->ObserverIsServed());
}

TEST_P(ConversationTest, WithTheServerSplitAtEveryByte) {
  const std::vector<std::string> answers = Answers(conversation());
  size_t answer_bytes = 0;
  for (const std::string& answer : answers) answer_bytes += answer.size();
  WireClient client = WarmClient();
  for (const size_t at : Cuts(answer_bytes)) {
    rig_->postgres().SplitAt(at);
    ASSERT_TRUE(Run(client, answers, std::string::npos)) << "split at " << at;
  }
  rig_->postgres().NoFault();
  EXPECT_EQ(client.ReadAvailable(Milliseconds(0)), "");
  EXPECT_TRUE(rig_->ObserverIsServed());
}

TEST_P(ConversationTest, WithTheClientCutAtEveryByte) {
  const std::vector<std::string> answers = Answers(conversation());
  for (const size_t at : Cuts(ClientBytes(conversation()).size())) {
    WireClient client = rig_->Client();
    size_t left = at;
    for (size_t turn = 0; turn < answers.size(); ++turn) {
      const std::string& bytes = conversation().turns[turn].client;
      if (left < bytes.size()) {
        ASSERT_TRUE(client.Send(bytes.substr(0, left)));
        break;
      }
      ASSERT_TRUE(client.Send(bytes));
      left -= bytes.size();
      if (left == 0 && turn + 1 < answers.size()) break;  // gone before it reads the answer
      const auto got = client.ReadBytes(answers[turn].size());
      ASSERT_TRUE(got.has_value() && *got == answers[turn]) << "cut at " << at << ", turn " << turn;
    }
    // Four ways to go: read or not by pgweir before, politely or not.
    ASSERT_TRUE(at % 4 < 2 || WaitUntilRead(client.fd()));
    if (at % 2 == 0)
      client.Close();
    else
      client.Reset();
    ASSERT_TRUE(rig_->ObserverIsServed()) << "after a client that was cut at " << at;
  }
}

TEST_P(ConversationTest, WithTheServerCutAtEveryByte) {
  const std::vector<std::string> answers = Answers(conversation());
  size_t answer_bytes = 0;
  for (const std::string& answer : answers) answer_bytes += answer.size();
  for (const size_t at : Cuts(answer_bytes)) {
    if (at == answer_bytes)
      continue;  // the end of an idle server meets the next query: an error is all that can be promised
    WireClient client = rig_->Client();
    ASSERT_TRUE(GetsItsAnswer(client, "before"));
    const int servers_before = rig_->postgres().accepted();
    rig_->postgres().CutAt(at, at % 2 == 0 ? End::kFin : End::kReset);
    std::optional<Message> refusal;
    bool ended = false;
    for (size_t turn = 0; turn < answers.size() && !refusal && !ended; ++turn) {
      if (!client.Send(conversation().turns[turn].client)) ended = true;
      for (const Message& expected : Messages(answers[turn])) {
        const auto got = client.ReadMessage();
        if (!got) {
          ended = true;
          break;
        }
        if (*got == expected) continue;
        ASSERT_EQ(got->type, 'E') << "cut at " << at << ": neither the answer nor an error";
        refusal = got;
        break;
      }
    }
    if (ended) {
      const std::string rest = client.ReadAvailable(Milliseconds(0));
      size_t begin = std::string::npos;
      for (const std::string& answer : answers) {
        if (rest.empty() || answer.find(rest) != std::string::npos) begin = 0;
      }
      ASSERT_EQ(begin, 0u) << "cut at " << at << ": the last bytes are of no answer of this conversation";
    }
    if (refusal) {
      ASSERT_FALSE(ErrorField(*refusal, 'C').empty());
      ASSERT_TRUE(LivesOnInStep(client, answers)) << "cut at " << at;
    }
    rig_->postgres().NoFault();
    // What the server was not told does not count: it may have been cut off behind its last byte, which this one finds
    // out.
    if (conversation().server_sees == ServerSees::kWhatItMust) rig_->Client().Ask(Query("echo any"));
    ASSERT_TRUE(rig_->ObserverIsServed()) << "after the server was cut at " << at;
    const bool is_replaced = rig_->postgres().accepted() > servers_before;
    ASSERT_TRUE(is_replaced || conversation().server_sees == ServerSees::kWhatItMust) << "cut at " << at;
  }
}

std::string NameOf(const testing::TestParamInfo<size_t>& tested) {
  std::string name = Conversations()[tested.param].name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ConversationTest, testing::Range(size_t{0}, Conversations().size()), NameOf);

}  // namespace
}  // namespace wire
