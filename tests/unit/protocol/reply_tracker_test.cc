// Every cell of the table in reply_tracker.h, copies, and random conversations with a tiny model of a server.
#include "protocol/reply_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>

namespace protocol {
namespace {

using Reply = ReplyTracker::Reply;

ReplyTracker After(std::string_view sent, std::string_view replies = "") {
  ReplyTracker tracker;
  for (const char type : sent) tracker.OnSent(type);
  for (const char type : replies) {
    const Reply reply = type == 'Z' ? tracker.OnReadyForQuery('I').reply : tracker.OnReply(type).reply;
    EXPECT_NE(reply, Reply::kBroken) << sent << " / " << replies << " at " << type;
  }
  return tracker;
}

constexpr std::string_view kReplies = "123TntCIsVDdcHGWE";

// For each head of the queue (named by the message that makes it): which answers pop it, which leave it, which skip to
// the Sync. All that is not named is a broken protocol.
struct Row {
  char sent;
  std::string_view pop, stay, skip;
};
const Row kTable[] = {
    {'P', "1", "", "E"},          {'B', "2", "", "E"}, {'C', "3", "", "E"},          {'D', "Tn", "t", "E"},
    {'E', "CIs", "TnDdcHG", "E"}, {'S', "", "E", ""},  {'Q', "", "TnCIsDdcHGE", ""}, {'F', "", "VE", ""},
};

TEST(ReplyTrackerTest, EveryCellOfTheTable) {
  for (const Row& row : kTable) {
    for (const char reply : kReplies) {
      SCOPED_TRACE(std::string("head ") + row.sent + ", reply " + reply);
      ReplyTracker tracker = After(std::string(1, row.sent));
      const bool pops = row.pop.find(reply) != std::string_view::npos;
      const bool stays = row.stay.find(reply) != std::string_view::npos;
      const bool skips = row.skip.find(reply) != std::string_view::npos;
      EXPECT_EQ(tracker.OnReply(reply).reply, pops || stays || skips ? Reply::kOk : Reply::kBroken);
      EXPECT_EQ(tracker.owed(), pops || skips ? 0u : 1u);
      EXPECT_EQ(tracker.skipping(), skips);
      EXPECT_EQ(tracker.in_copy_in(), stays && reply == 'G');
    }
  }
}

TEST(ReplyTrackerTest, NothingOwedMakesEveryAnswerBroken) {
  for (const char reply : kReplies) {
    ReplyTracker tracker;
    EXPECT_EQ(tracker.OnReply(reply).reply, Reply::kBroken) << reply;
    EXPECT_TRUE(tracker.IsFree());
  }
  ReplyTracker tracker;
  EXPECT_EQ(tracker.OnReadyForQuery('I').reply, Reply::kBroken);
}

TEST(ReplyTrackerTest, UnknownRepliesAreBroken) {
  for (int type = 0; type < 256; ++type) {
    const char reply = static_cast<char>(type);
    if (kReplies.find(reply) != std::string_view::npos) continue;
    ReplyTracker tracker = After("Q");
    EXPECT_EQ(tracker.OnReply(reply).reply, Reply::kBroken) << type;
  }
}

TEST(ReplyTrackerTest, ReadyForQueryEndsAUnitAndNothingElse) {
  for (const char sent : std::string("PBCDE"))
    EXPECT_EQ(After({&sent, 1}).OnReadyForQuery('I').reply, Reply::kBroken) << sent;
  for (const char sent : std::string("SQF")) {
    for (int status = 0; status < 256; ++status) {
      ReplyTracker tracker = After({&sent, 1});
      const char c = static_cast<char>(status);
      const bool is_lawful = c == 'I' || c == 'T' || c == 'E';
      EXPECT_EQ(tracker.OnReadyForQuery(c).reply, is_lawful ? Reply::kReady : Reply::kBroken) << sent << status;
      EXPECT_EQ(tracker.owed(), is_lawful ? 0u : 1u);
      EXPECT_EQ(tracker.IsFree(), c == 'I');
      EXPECT_EQ(tracker.status(), is_lawful ? c : 'I');
    }
  }
}

TEST(ReplyTrackerTest, NotFreeInsideATransaction) {
  ReplyTracker tracker = After("Q");
  tracker.OnReadyForQuery('T');
  EXPECT_TRUE(tracker.owes_nothing());
  EXPECT_FALSE(tracker.IsFree());
  tracker.SetStatus('I');
  EXPECT_TRUE(tracker.IsFree());
}

TEST(ReplyTrackerTest, AnErrorSkipsToTheSyncThatIsThere) {
  ReplyTracker tracker = After("PBDESPBDES", "12");
  EXPECT_EQ(tracker.owed(), 8u);
  EXPECT_EQ(tracker.units_owed(), 2u);
  EXPECT_EQ(tracker.OnReply('E').reply, Reply::kOk);
  EXPECT_EQ(tracker.owed(), 6u);
  EXPECT_FALSE(tracker.skipping());
  EXPECT_EQ(tracker.OnReply('1').reply, Reply::kBroken);
  EXPECT_EQ(tracker.OnReadyForQuery('I').reply, Reply::kReady);
  for (const char reply : std::string("12TC")) EXPECT_EQ(tracker.OnReply(reply).reply, Reply::kOk);
  EXPECT_EQ(tracker.OnReadyForQuery('I').reply, Reply::kReady);
  EXPECT_TRUE(tracker.IsFree());
}

TEST(ReplyTrackerTest, AnErrorWithoutASyncForgetsWhatIsSentUntilOneComes) {
  ReplyTracker tracker = After("PBE", "1E");
  EXPECT_TRUE(tracker.skipping());
  EXPECT_TRUE(tracker.NeedsSync());
  EXPECT_FALSE(tracker.owes_nothing());
  EXPECT_FALSE(tracker.IsFree());
  for (const char type : std::string("PBDECQFdcfH")) tracker.OnSent(type);
  EXPECT_EQ(tracker.owed(), 0u);
  EXPECT_EQ(tracker.OnReply('1').reply, Reply::kBroken);
  tracker.OnSent('S');
  EXPECT_FALSE(tracker.skipping());
  EXPECT_FALSE(tracker.NeedsSync());
  EXPECT_EQ(tracker.OnReadyForQuery('I').reply, Reply::kReady);
  EXPECT_TRUE(tracker.IsFree());
}

TEST(ReplyTrackerTest, NeedsSyncOnlyAfterAnOpenBatch) {
  EXPECT_FALSE(After("").NeedsSync());
  for (const std::string_view sent : {"P", "PB", "PBDE", "PBESP", "QC", "PBEdc"})
    EXPECT_TRUE(After(sent).NeedsSync()) << sent;
  for (const std::string_view sent : {"Q", "F", "S", "PBES", "PBEQ", "Qdc"})
    EXPECT_FALSE(After(sent).NeedsSync()) << sent;
}

// --- COPY
// ----------------------------------------------------------------------------------------------------------------

struct CopyCase {
  std::string_view sent, replies, sent_then;
  bool in_copy_in, doubtful;
  std::string_view replies_then;  // and then the server is free
};
const CopyCase kCopies[] = {
    {"Q", "G", "ddc", false, false, "CZ"},       // a plain one
    {"Q", "G", "d", true, false, "EZ"},          // the server ends it
    {"Q", "G", "df", false, false, "EZ"},        // CopyFail
    {"Qddc", "G", "", false, false, "CZ"},       // sent ahead
    {"Qddc", "E", "", false, false, "Z"},        // sent ahead for nothing: the end of the copy is ignored
    {"QddcQ", "EZ", "", false, false, "Z"},      // and does not stand before what follows
    {"PBE", "12G", "dcS", false, false, "CZ"},   // extended
    {"PBES", "12G", "dcS", false, false, "CZ"},  // a Sync sent ahead is swallowed
    {"PBESdcS", "12G", "", false, false, "CZ"},  // all sent ahead
    {"PBEdcS", "12G", "", false, false, "CZ"},   // its own Sync is not
    {"PBEdcS", "12E", "", false, false, "Z"},    // failed before it began
    {"PBE", "12G", "dfS", false, false, "EZ"},   // CopyFail
    {"PBE", "12GE", "dcS", false, false, "Z"},   // the server ended it: what is left of it is ignored up to the Sync
    {"Q", "G", "S", true, true, "EZ"},           // a Sync inside: can be told apart from nothing
    {"Q", "G", "Q", true, true, "EZZ"},          // a message that aborts the copy
    {"PBEQ", "12G", "", true, true, "EZ"},       // the same sent ahead
};

TEST(ReplyTrackerTest, Copies) {
  for (const CopyCase& tested : kCopies) {
    SCOPED_TRACE(std::string(tested.sent) + " / " + std::string(tested.replies) + " / " +
                 std::string(tested.sent_then));
    ReplyTracker tracker = After(tested.sent, tested.replies);
    for (const char type : tested.sent_then) tracker.OnSent(type);
    EXPECT_EQ(tracker.in_copy_in(), tested.in_copy_in);
    EXPECT_EQ(tracker.is_doubtful(), tested.doubtful);
    if (tested.doubtful) continue;  // closed at its release, whatever comes
    for (size_t i = 0; i < tested.replies_then.size(); ++i) {
      EXPECT_FALSE(tracker.IsFree());
      const char reply = tested.replies_then[i];
      const Reply judged = reply == 'Z' ? tracker.OnReadyForQuery('I').reply : tracker.OnReply(reply).reply;
      EXPECT_EQ(judged, reply == 'Z' ? Reply::kReady : Reply::kOk) << reply;
    }
    EXPECT_TRUE(tracker.IsFree());
  }
}

TEST(ReplyTrackerTest, ManyOwedKeepTheirOrder) {
  ReplyTracker tracker;
  for (int i = 0; i < 1000; ++i) {
    for (const char type : std::string("PBDES")) tracker.OnSent(type);
  }
  EXPECT_EQ(tracker.owed(), 5000u);
  EXPECT_EQ(tracker.units_owed(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    for (const char type : std::string("12TDC")) ASSERT_EQ(tracker.OnReply(type).reply, Reply::kOk) << i;
    ASSERT_EQ(tracker.OnReadyForQuery('I').reply, Reply::kReady) << i;
  }
  EXPECT_TRUE(tracker.IsFree());
}

// --- a model
// -------------------------------------------------------------------------------------------------------------

// A server that takes messages when it likes, fails when the dice say so, and does what the documentation says about
// COPY.
class ModelServer {
 public:
  explicit ModelServer(std::mt19937& dice) : dice_(dice) {}

  void Take(char type, std::string& replies) {
    if (copy_ != 0) return TakeInCopy(type, replies);
    if (skipping_ && type != 'S') return;
    switch (type) {
      case 'S':
        skipping_ = false;
        replies += 'Z';
        return;
      case 'Q':
        if (Chance(6)) return Fail(type, replies);
        if (Chance(5)) return Copy('Q', replies);
        replies += Chance(3) ? "C" : Chance(2) ? "TDDC" : Chance(2) ? "TDCTCC" : Chance(2) ? "HddcC" : "I";
        replies += 'Z';
        return;
      case 'F':
        replies += Chance(4) ? "EZ" : "VZ";
        return;
      case 'd':
      case 'c':
      case 'f':
      case 'H':
        return;
      default:
        break;
    }
    if (Chance(8)) return Fail(type, replies);
    switch (type) {
      case 'P':
        replies += '1';
        return;
      case 'B':
        replies += '2';
        return;
      case 'C':
        replies += '3';
        return;
      case 'D':
        replies += Chance(2) ? "tT" : "n";
        return;
      case 'E':
        if (Chance(5)) return Copy('E', replies);
        replies += Chance(3) ? "DDC" : Chance(3) ? "Ds" : Chance(2) ? "I" : "HdcC";
        return;
      default:
        FAIL() << type;
    }
  }
  bool is_idle() const { return copy_ == 0 && !skipping_; }

 private:
  bool Chance(int one_in) { return dice_() % static_cast<unsigned>(one_in) == 0; }
  void Fail(char type, std::string& replies) {
    replies += 'E';
    if (type == 'Q')
      replies += 'Z';
    else
      skipping_ = true;
  }
  void Copy(char starter, std::string& replies) {
    replies += 'G';
    copy_ = starter;
  }
  void TakeInCopy(char type, std::string& replies) {
    if (type == 'H' || type == 'S') return;
    if (type == 'd' && !Chance(4)) return;
    const char starter = std::exchange(copy_, '\0');
    if (type != 'c') return Fail(starter, replies);
    replies += 'C';
    if (starter == 'Q') replies += 'Z';
  }

  std::mt19937& dice_;
  char copy_ = 0;  // the message type that started it
  bool skipping_ = false;
};

// Sends random messages, lets the server take them at random times, and feeds its answers at random times. The law: no
// answer is called broken, and the tracker is free exactly when the server has taken all, is idle, and all answers have
// been seen; unless it said that it doubts.
TEST(ReplyTrackerTest, RandomConversationsWithAModelServer) {
  int free_seen = 0, doubtful_seen = 0, copies = 0;
  for (unsigned seed = 1; seed <= 20'000; ++seed) {
    std::mt19937 dice(seed);
    ReplyTracker tracker;
    ModelServer server(dice);
    std::string replies, history;
    std::deque<char> wire;
    const auto send = [&](char type) {
      tracker.OnSent(type);
      wire.push_back(type);
      history += type;
    };
    const auto answer = [&] {
      const char reply = replies.front();
      replies.erase(0, 1);
      history += '>';
      history += reply;
      copies += reply == 'G';
      return reply == 'Z' ? tracker.OnReadyForQuery('I').reply : tracker.OnReply(reply).reply;
    };
    const auto drain_one = [&] {
      if (!replies.empty() && dice() % 2 == 0) return answer() != Reply::kBroken || tracker.is_doubtful();
      if (!wire.empty()) {
        server.Take(wire.front(), replies);
        wire.pop_front();
      }
      return true;
    };
    static constexpr std::string_view kUnits[] = {"Q",  "Q", "PBDES", "PBES",   "PBEH",   "PBE",    "S",
                                                  "CS", "F", "Qdc",   "PBEdcS", "QdddcQ", "PBESdcS"};
    for (int step = 0; step < 12 && !tracker.is_doubtful(); ++step) {
      // What a client does in a copy is end it; else it begins something.
      std::string_view unit = kUnits[dice() % std::size(kUnits)];
      if (tracker.in_copy_in())
        unit = dice() % 2 == 0 ? "dc" : "df";
      else if (tracker.NeedsSync() && dice() % 2 == 0)
        unit = "S";
      for (const char type : unit) send(type);
      for (auto turns = dice() % 12; turns > 0; --turns) {
        ASSERT_TRUE(drain_one()) << "seed " << seed << ": " << history;
        const bool quiet = wire.empty() && replies.empty() && server.is_idle();
        if (tracker.is_doubtful()) break;
        const bool only_ignored =
            std::all_of(wire.begin(), wire.end(), [](char c) { return std::strchr("dcfH", c) != nullptr; });
        const bool may_be_free = quiet || (server.is_idle() && replies.empty() && only_ignored);
        ASSERT_TRUE(!tracker.IsFree() || may_be_free) << "seed " << seed << ": free too early: " << history;
      }
    }
    // To the end: whatever is left is answered, and then the tracker is free.
    for (int turns = 0; turns < 10'000 && !tracker.is_doubtful(); ++turns) {
      if (wire.empty() && replies.empty()) {
        if (tracker.in_copy_in())
          send('f');
        else if (tracker.NeedsSync())
          send('S');
        else
          break;
      }
      ASSERT_TRUE(drain_one()) << "seed " << seed << ": " << history;
    }
    if (tracker.is_doubtful()) {
      ++doubtful_seen;
      continue;
    }
    ASSERT_TRUE(tracker.IsFree()) << "seed " << seed << ": " << history;
    ++free_seen;
  }
  // A tracker that doubts everything would be right, and useless.
  EXPECT_GT(free_seen, 10'000);
  EXPECT_GT(doubtful_seen, 0);
  EXPECT_GT(copies, 1'000);
}

}  // namespace
}  // namespace protocol
