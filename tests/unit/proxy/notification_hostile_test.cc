// NotificationHub against a scripted server: every way in which the stream may be split, late, wrong or too much.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "tests/support/fake_server.h"
#include "tests/unit/proxy/notification_rig.h"

namespace proxy {
namespace {

using test_support::CommandComplete;
using test_support::Eventually;
using test_support::FakeConnection;
using test_support::FakeServer;
using test_support::Message;
using test_support::ReadyForQuery;
using test_support::Text;
using Strings = std::vector<std::string>;

constexpr Subscriber kAnna{0, 1}, kBert{1, 2};

std::string Notification(const std::string& channel, const std::string& payload) {
  return Message{'A', test_support::Int32Bytes(77) + Text(channel) + Text(payload)}.bytes();
}

std::string SqlOf(const Message& message) { return message.body.substr(0, message.body.size() - 1); }

std::string AnswerTo(const Message& message) {
  return CommandComplete(SqlOf(message).starts_with("LISTEN") ? "LISTEN" : "UNLISTEN") + ReadyForQuery('I');
}

// Answers as PostgreSQL does until the end.
void Serve(FakeConnection& connection) {
  while (const auto message = connection.Receive()) {
    if (message->type == 'Q') connection.Send(AnswerTo(*message));
  }
}

TEST(NotificationHostileTest, WhatLiesBetweenTheTwoAnswersBelongsToWhoJoined) {
  FakeServer server([](FakeConnection& connection) {
    if (!connection.Receive()) return;
    connection.Send(Notification("a", "before") + CommandComplete("LISTEN") + Notification("a", "between") +
                    ReadyForQuery('I') + Notification("a", "after"));
    if (!connection.Receive()) return;
    connection.Send(Notification("a", "before the end") + CommandComplete("UNLISTEN") + Notification("a", "between") +
                    ReadyForQuery('I') + Notification("a", "late"));
    Serve(connection);
  });
  NotificationRig rig(server.port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 2));
  rig.Subscribe(kBert, {"b"});  // keeps the connection
  ASSERT_EQ(rig.Unlisten(kAnna, {"a"}), "");
  EXPECT_EQ(rig.Notified(kAnna).front(), "a=between");
}

TEST(NotificationHostileTest, TheStreamMayBeSplitAtEveryByte) {
  const std::string notified = Notification("a", "x") + test_support::NoticeResponse("beware") +
                               test_support::ParameterStatus("TimeZone", "UTC") + Notification("other", "y") +
                               Notification("a", std::string(8000, 'z'));
  const std::string answer = CommandComplete("LISTEN") + ReadyForQuery('I');
  for (size_t at = 1; at < answer.size() + 80; ++at) {
    FakeServer server([&](FakeConnection& connection) {
      if (!connection.Receive()) return;
      connection.SendSplit(answer + notified, at);
      Serve(connection);
    });
    NotificationRig rig(server.port());
    ASSERT_EQ(rig.Listen(kBert, {"a"}), "") << "split at " << at;
    ASSERT_TRUE(rig.AwaitNotified(kBert, 2)) << "split at " << at;
    EXPECT_EQ(rig.Notified(kBert), (Strings{"a=x", "a=" + std::string(8000, 'z')})) << "split at " << at;
  }
}

TEST(NotificationHostileTest, ByteByByte) {
  FakeServer server([](FakeConnection& connection) {
    while (const auto message = connection.Receive()) {
      if (message->type == 'Q') connection.SendByteByByte(AnswerTo(*message) + Notification("a", "1"));
    }
  });
  NotificationRig rig(server.port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 1));
  ASSERT_EQ(rig.Listen(kBert, {"b"}), "");
  ASSERT_TRUE(rig.AwaitNotified(kAnna, 2));
}

// After any surprise the connection is closed and opened anew, and those who listened are told.
TEST(NotificationHostileTest, AfterASurpriseNothingIsBelieved) {
  const std::string head = std::string("A") + test_support::Int32Bytes(4 + 4 + 2 + 2);
  const std::pair<const char*, std::string> surprises[] = {
      {"the end", ""},
      {"an unknown type", Message{'?', ""}.bytes()},
      {"a length below its own", std::string("A") + test_support::Int32Bytes(3)},
      {"a negative length", std::string("A") + test_support::Int32Bytes(-1)},
      {"too long", std::string("A") + test_support::Int32Bytes(static_cast<int64_t>(kListeningMessageBytesMax))},
      {"a long error", std::string("E") + test_support::Int32Bytes(0x3ffffff0)},
      {"a notification without its process id", Message{'A', "ab"}.bytes()},
      {"a notification without payload", Message{'A', test_support::Int32Bytes(1) + Text("a")}.bytes()},
      {"an unterminated payload", Message{'A', test_support::Int32Bytes(1) + Text("a") + "x"}.bytes()},
      {"more than a payload", Message{'A', test_support::Int32Bytes(1) + Text("a") + Text("x") + "y"}.bytes()},
      {"an unasked answer", CommandComplete("LISTEN")},
      {"an unasked ready", ReadyForQuery('I')},
      {"rows", test_support::RowDescription({"c"})},
      {"a copy", Message{'G', std::string("\0\0\0", 3)}.bytes()},
      {"another login", test_support::AuthenticationOk()},
      {"an unasked error", test_support::ErrorResponse("ERROR", "XX000", "unasked")},
      {"an end by the administrator", test_support::ErrorResponse("FATAL", "57P01", "terminating connection")},
      {"an error without fields", Message{'E', ""}.bytes()},
  };
  for (const auto& [name, bytes] : surprises) {
    FakeServer server([&, &bytes = bytes](FakeConnection& connection) {
      const auto message = connection.Receive();
      if (!message) return;
      connection.Send(AnswerTo(*message) + Notification("a", "1"));
      if (connection.number() > 0) return Serve(connection);
      connection.Send(bytes);
      if (!bytes.empty()) while (connection.Receive()) continue;
    });
    NotificationRig rig(server.port());
    ASSERT_EQ(rig.Listen(kBert, {"a"}), "") << name;
    ASSERT_TRUE(rig.AwaitCount(kBert, Heard::Kind::kGap, 1)) << name;
    ASSERT_TRUE(rig.AwaitNotified(kBert, 2)) << name;
    EXPECT_EQ(server.accepted(), 2) << name;
    EXPECT_EQ(rig.Count(kBert, Heard::Kind::kGap), 1u) << name;
    EXPECT_EQ(rig.database_budget().used(), 1) << name;
  }
}

// The first LISTEN is answered so that nothing can be believed: the Subscribe fails, and nothing is left of it.
TEST(NotificationHostileTest, AWrongAnswerToTheFirstListenFailsTheSubscribe) {
  const std::pair<const char*, std::string> answers[] = {
      {"the end", ""},
      {"another tag", CommandComplete("UNLISTEN") + ReadyForQuery('I')},
      {"a tag without its end", Message{'C', "LISTEN"}.bytes() + ReadyForQuery('I')},
      {"a longer tag", CommandComplete("LISTEN 1") + ReadyForQuery('I')},
      {"ready without an answer", ReadyForQuery('I')},
      {"a fatal error", test_support::ErrorResponse("FATAL", "XX000", "no")},
      {"nothing that PostgreSQL says", "HTTP/1.1 400 Bad Request\r\n\r\n"},
  };
  for (const auto& [name, bytes] : answers) {
    FakeServer server([&, &bytes = bytes](FakeConnection& connection) {
      if (!connection.Receive()) return;
      connection.Send(bytes);
      if (!bytes.empty()) while (connection.Receive()) continue;
    });
    NotificationRig rig(server.port());
    EXPECT_NE(rig.Listen(kAnna, {"a"}), "") << name;
    EXPECT_TRUE(rig.AwaitNoConnection()) << name;
    EXPECT_EQ(server.accepted(), 1) << name << ": nobody wants it any more";
  }
}

TEST(NotificationHostileTest, ATransactionThatNobodyBeganIsASurprise) {
  for (const char status : {'T', 'E', '?'}) {
    FakeServer server([&](FakeConnection& connection) {
      if (!connection.Receive()) return;
      connection.Send(CommandComplete("LISTEN") + ReadyForQuery(connection.number() == 0 ? status : 'I'));
      Serve(connection);
    });
    NotificationRig rig(server.port());
    ASSERT_EQ(rig.Listen(kAnna, {"a"}), "") << "CommandComplete had confirmed it";
    ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, 1));
  }
}

TEST(NotificationHostileTest, ARefusedListenFailsThoseWhoAskedForItOnly) {
  FakeServer server([](FakeConnection& connection) {
    while (const auto message = connection.Receive()) {
      if (message->type != 'Q') continue;
      const bool is_bad = SqlOf(*message) == "LISTEN \"bad\"";
      connection.Send(is_bad ? test_support::ErrorResponse("ERROR", "25006", "not on a standby") + ReadyForQuery('I')
                             : AnswerTo(*message) + Notification("a", SqlOf(*message)));
    }
  });
  NotificationRig rig(server.port());
  EXPECT_EQ(rig.Listen(kBert, {"bad"}), "cannot listen: not on a standby");
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  EXPECT_EQ(rig.Listen(kBert, {"also", "bad"}), "cannot listen: not on a standby");
  ASSERT_TRUE(Eventually([&] {
    const Strings heard = rig.Notified(kAnna);
    return std::find(heard.begin(), heard.end(), "a=UNLISTEN \"also\"") != heard.end();
  })) << "what the failed call had begun is undone";
  EXPECT_EQ(rig.Count(kAnna, Heard::Kind::kGap), 0u);
  ASSERT_EQ(rig.Listen(kBert, {"also"}), "");
}

// A channel that was in force is refused after a reconnect: tried again until it works, and only then is the gap told.
TEST(NotificationHostileTest, ARefusalOfWhatWasInForceIsTriedAgain) {
  FakeServer server([](FakeConnection& connection) {
    const bool refuses = connection.number() == 1 || connection.number() == 2;
    while (const auto message = connection.Receive()) {
      if (message->type != 'Q') continue;
      if (refuses) connection.Send(test_support::ErrorResponse("ERROR", "XX000", "not now") + ReadyForQuery('I'));
      else connection.Send(AnswerTo(*message));
      if (connection.number() == 0) return;
    }
  });
  NotificationRig rig(server.port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_TRUE(rig.AwaitCount(kAnna, Heard::Kind::kGap, 1));
  EXPECT_EQ(server.accepted(), 4);
  EXPECT_EQ(rig.Count(kAnna, Heard::Kind::kGap), 1u);
}

// A worker that takes nothing holds the stream back: what waits for it is bounded, nothing is lost, the order stays.
TEST(NotificationHostileTest, ABusyWorkerPausesTheReading) {
  constexpr int kMessages = 4000;
  const std::string padding(7900, '.');
  FakeServer server([&](FakeConnection& connection) {
    const auto message = connection.Receive();
    if (!message) return;
    connection.Send(AnswerTo(*message));
    for (int n = 0; n < kMessages; ++n) connection.Send(Notification("a", std::to_string(n) + padding));
    Serve(connection);
  });
  NotificationRig rig(server.port());
  std::promise<void> is_free;
  rig.worker(1).loop().Post([&] { is_free.get_future().wait(); });
  rig.Subscribe(kBert, {"a"});
  const size_t most = kOutboxBytesMax / (kDeliveryBytes + padding.size());          // counted without the head
  const size_t least = kOutboxBytesMax / (kDeliveryBytes + padding.size() + 20);  // with more than the head
  EXPECT_TRUE(Eventually([&] { return rig.most_on_the_way() > least; }));
  is_free.set_value();
  ASSERT_TRUE(rig.AwaitNotified(kBert, kMessages));
  EXPECT_LE(rig.most_on_the_way(), most + 2) << "the answer, and the one that passes the limit";
  const Strings heard = rig.Notified(kBert);
  ASSERT_EQ(heard.size(), static_cast<size_t>(kMessages));
  for (size_t n = 0; n < heard.size(); ++n) ASSERT_EQ(std::atoi(heard[n].c_str() + 2), static_cast<int>(n));
}

TEST(NotificationHostileTest, NobodyWaitsForAServerThatDoesNotEndItsConnection) {
  std::promise<void> end;
  FakeServer server([&](FakeConnection& connection) {
    for (int i = 0; i < 2; ++i) {
      if (const auto message = connection.Receive()) connection.Send(AnswerTo(*message));
    }
    connection.Receive();  // Terminate
    if (connection.number() == 0) end.get_future().wait();
  });
  NotificationRig rig(server.port());
  ASSERT_EQ(rig.Listen(kAnna, {"a"}), "");
  ASSERT_EQ(rig.Unlisten(kAnna, {"a"}), "");
  rig.Subscribe(kBert, {"a"});
  rig.EndHub();  // while it closes
  EXPECT_TRUE(rig.AwaitNoConnection());
  end.set_value();
}

}  // namespace
}  // namespace proxy
