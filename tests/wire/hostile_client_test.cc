// Clients that lie about lengths, send garbage, or dawdle: only their own connection ends, and memory stays bounded.
#include <gtest/gtest.h>

#include "tests/support/wire_barrier.h"
#include "tests/wire/rig.h"

namespace wire {
namespace {

using namespace test_support;

constexpr size_t kMemoryGrowthMax = 32 << 20;  // a sanitizer keeps some of what was freed

class HostileClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { rig_ = new Rig(); }
  static void TearDownTestSuite() { delete std::exchange(rig_, nullptr); }

  void SetUp() override { memory_before_ = rig_->pgweir().process().ResidentBytes(); }
  void TearDown() override {
    EXPECT_TRUE(rig_->ObserverIsServed());
    EXPECT_LT(rig_->pgweir().process().ResidentBytes(), memory_before_ + kMemoryGrowthMax);
  }

  WireClient Fresh() { return WireClient(rig_->pgweir().port()); }

  // The connection ends; anything said before is one error, or an answer before it.
  static void ExpectEnd(WireSocket& client, const std::string& what) {
    try {
      for (const Message& message : client.ReadToEnd()) {
        EXPECT_TRUE(message.type != 'E' || ErrorField(message, 'C') == "08P01")
            << what << ": " << ErrorField(message, 'M');
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  }

  // The same before the startup message: an SSLRequest among it may be answered with N.
  static void ExpectStartupEnd(WireSocket& client, int64_t length) {
    try {
      std::string heard, more;
      while (!(more = client.ReadBytes(1).value_or("")).empty()) heard += more;
      EXPECT_TRUE(heard.empty() || heard[0] == 'N' || heard[0] == 'E') << length << ": " << heard;
    } catch (const TimedOut&) {
      ADD_FAILURE() << "a startup packet with length " << length << " keeps its connection open";
    }
  }

  static Rig* rig_;
  size_t memory_before_ = 0;
};

Rig* HostileClientTest::rig_ = nullptr;

constexpr std::string_view kFrontendTypes = "QPBDECSHFXdcfp";

bool MayBeLong(char type) { return std::string_view("QPBFdf").find(type) != std::string_view::npos; }

TEST_F(HostileClientTest, UnlawfulLengthsForEveryTypeWhileIdleAndInATransaction) {
  for (const bool in_transaction : {false, true}) {
    for (const char type : kFrontendTypes) {
      if (type == 'X') continue;  // ends the connection anyway
      for (const int64_t length : {0LL, 1LL, 3LL, 0x3fffffffLL, 0x7fffffffLL, 0x80000000LL, 0xffffffffLL}) {
        WireClient client = rig_->Client();
        if (in_transaction) client.Ask(Query("begin"));
        client.Send(std::string(1, type) + Int32Bytes(length) + std::string(64, 'x'));
        ExpectEnd(client, std::string(1, type) + " with length " + std::to_string(length));
      }
    }
  }
}

TEST_F(HostileClientTest, SmallMessagesThatAreLong) {
  for (const char type : kFrontendTypes) {
    if (MayBeLong(type) || type == 'X') continue;
    WireClient client = rig_->Client();
    client.Send(std::string(1, type) + Int32Bytes(20'000));
    ExpectEnd(client, std::string(1, type));
  }
}

TEST_F(HostileClientTest, UnknownTypes) {
  for (int type = 0; type < 256; ++type) {
    if (kFrontendTypes.find(static_cast<char>(type)) != std::string_view::npos && type != 'p') continue;
    WireClient client = rig_->Client();
    client.Send(std::string(1, static_cast<char>(type)) + Int32Bytes(4));
    ExpectEnd(client, std::to_string(type));
  }
}

// A length that covers the next message: the server waits for the rest, alone.
TEST_F(HostileClientTest, OverlappingLengthHoldsUpNobodyOnceItsClientIsGone) {
  WireClient client = rig_->Client();
  const std::string query = Query("echo a");
  client.Send("Q" + Int32Bytes(100) + query.substr(5) + Query("echo b"));
  EXPECT_EQ(client.ReadAvailable(Milliseconds(20)), "");
  client.Close();
}

TEST_F(HostileClientTest, TenMegabytesOfGarbage) {
  std::string garbage(10 << 20, '\0');
  uint32_t dice = 12345;
  for (char& byte : garbage) byte = static_cast<char>((dice = dice * 1664525 + 1013904223) >> 24);
  for (const bool logged_in : {false, true}) {
    WireClient client = logged_in ? rig_->Client() : Fresh();
    client.Send(garbage);
    ExpectEnd(client, "garbage");
  }
}

TEST_F(HostileClientTest, AHugeMessageOfAUnitThatNeverEnds) {
  WireClient client = rig_->Client();
  client.set_patience(Milliseconds(100));
  const std::string part(1 << 20, 'x');
  client.Send("Q" + Int32Bytes(0x3ffffff0));
  for (int i = 0; i < 100; ++i) {  // three times what may be kept
    try {
      if (!client.Send(part)) break;
    } catch (const TimedOut&) {
      break;  // paused: the server does not read that fast
    }
  }
  client.Close();
}

TEST_F(HostileClientTest, StartupPacketsOfEveryLength) {
  for (int64_t length = 0; length <= 20; ++length) {
    for (const int64_t code : {int64_t{kVersion30}, int64_t{80877102}, int64_t{80877103}, int64_t{80877104},
                               int64_t{0x00020000}, int64_t{0xffffffff}}) {
      WireClient client = Fresh();
      client.Send(Int32Bytes(length) + Int32Bytes(code) + std::string(32, '\0'));
      client.ShutdownWrite();
      ExpectStartupEnd(client, length);
    }
  }
  for (const int64_t length : {10'001LL, 100'000LL, 0x7fffffffLL, 0x80000000LL, 0xffffffffLL}) {
    WireClient client = Fresh();
    client.Send(Int32Bytes(length) + Int32Bytes(kVersion30) + std::string(32, 'x'));
    ExpectStartupEnd(client, length);
  }
}

TEST_F(HostileClientTest, StartupPacketsThatAreMalformed) {
  const std::string version = Int32Bytes(kVersion30);
  for (const std::string& body :
       {version, version + "user", version + Text("user"), version + Text("user") + Text("app"),
        version + Text("") + Text("") + '\0', version + Text("user") + Text("app") + '\0' + "more",
        version + std::string(9000, 'x'), version + std::string(9000, '\0')}) {
    WireClient client = Fresh();
    client.Send(Message{0, body}.bytes());
    client.ShutdownWrite();
    ExpectStartupEnd(client, static_cast<int64_t>(body.size()));
  }
}

// Nobody would understand an error in the clear.
TEST_F(HostileClientTest, DirectTlsWhereThereIsNoneEndsWithoutAWord) {
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  for (const std::string& bytes : {hello.substr(0, 1), hello, hello + std::string(600, 'h')}) {
    for (const bool asks_first : {false, true}) {
      WireClient client = Fresh();
      if (asks_first) {
        ASSERT_TRUE(client.Send(SslRequestBytes()));
        ASSERT_EQ(client.ReadBytes(1), "N");
      }
      ASSERT_TRUE(client.Send(bytes));
      EXPECT_FALSE(client.ReadBytes(1).has_value()) << bytes.size();
    }
  }
}

TEST_F(HostileClientTest, SslRequestAgainAndAgain) {
  WireClient client = Fresh();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.Send(i % 2 == 0 ? SslRequestBytes() : GssRequestBytes()));
    const auto answer = client.ReadBytes(1);
    if (!answer) return;  // ended it: lawful too
    EXPECT_EQ(*answer, "N");
  }
  EXPECT_TRUE(client.Login(kApp));
}

TEST_F(HostileClientTest, PasswordsThatNobodyAskedFor) {
  WireClient client = rig_->Client();
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += Password(Text("secret"));
  client.Send(flood);
  ExpectEnd(client, "passwords");
}

TEST_F(HostileClientTest, WhatBelongsToACopyOutsideOfOneIsDropped) {
  WireClient client = rig_->Client();
  ASSERT_TRUE(client.Send(CopyData("nobody asked") + CopyDone() + CopyFail("x") + CopyData(std::string(100'000, 'x')) +
                          Flush()));
  EXPECT_TRUE(GetsItsAnswer(client, "after"));
}

TEST_F(HostileClientTest, TerminateInTheMiddle) {
  for (const std::string& before :
       {Query("begin"), Parse("", "echo a"), Parse("", "echo a") + Bind("", ""), Query("copyin"), Query("echo a"),
        Query("copyin") + CopyData("x"), std::string("Q")}) {
    WireClient client = rig_->Client();
    client.Send(before + Terminate());
    client.ShutdownWrite();
    client.ReadToEnd();
    EXPECT_TRUE(rig_->ObserverIsServed());
  }
}

// One byte at a time, with others served in between.
TEST_F(HostileClientTest, SlowLoris) {
  WireClient slow = Fresh();
  const std::string startup = StartupBytes(kApp);
  for (const char& byte : startup) {
    ASSERT_TRUE(slow.Send({&byte, 1}));
    ASSERT_TRUE(WaitUntilRead(slow.fd()));
    ASSERT_TRUE(rig_->ObserverIsServed());
  }
  ASSERT_TRUE(slow.FinishLogin("app", ""));
  // Its header alone may take the server; a whole head has not come yet, so others are served.
  const std::string query = Query("echo slow");
  for (const char& byte : query.substr(0, 4)) {
    ASSERT_TRUE(slow.Send({&byte, 1}));
    ASSERT_TRUE(WaitUntilRead(slow.fd()));
    ASSERT_TRUE(rig_->ObserverIsServed());
  }
  ASSERT_TRUE(slow.Send(query.substr(4)));
  EXPECT_EQ(slow.ReadUntil('Z').size(), 4u);
}

// --- before the login is over
// ----------------------------------------------------------------------------------------------

TEST(HostileLogin, OnlyTheirOwnConnectionEnds) {
  SimulatedPostgres postgres;
  PgweirConfig config = ConfigFor(postgres.port(), "auth_type = \"scram-sha-256\"\n");
  config.users = {{"app", "secret"}};
  PgweirProcess pgweir(config);
  WireClient good(pgweir.port());
  ASSERT_TRUE(good.Login(kApp, "secret"));
  const std::string flood_of_passwords = [] {
    std::string flood;
    for (int i = 0; i < 10'000; ++i) flood += Password(Text("guess"));
    return flood;
  }();
  const std::string scram = Text("SCRAM-SHA-256");
  for (const std::string& hostile :
       {Query("echo a"), CopyData("x"), Sync(), flood_of_passwords, Password(std::string(70'000, 'p')), Password(""),
        "p" + Int32Bytes(-1), "p" + Int32Bytes(0), Password(scram), Password(scram + Int32Bytes(-1)),
        Password(scram + Int32Bytes(5) + "n"), Password(scram + Int32Bytes(0x7fffffff) + "n,,n=,r="),
        Password(Text("SCRAM-SHA-256-PLUS") + Int32Bytes(-1)), Password(scram + Int32Bytes(8) + "n,,n=,r="),
        Password(std::string(1000, '\0')), std::string(1000, '\xff')}) {
    WireClient client(pgweir.port());
    ASSERT_TRUE(client.Send(StartupBytes(kApp) + hostile));
    const std::vector<Message> heard = client.ReadToEnd();
    for (const Message& message : heard) {
      EXPECT_TRUE(message.type == 'R' || message.type == 'E') << message.type;
      EXPECT_FALSE(message.type == 'R' && Int32At(message.body, 0) == 0) << "let in";
    }
    EXPECT_TRUE(GetsItsAnswer(good, "good"));
  }
}

}  // namespace
}  // namespace wire
