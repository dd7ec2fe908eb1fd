// Messages of our own among the client's: hidden, faked and noted ones, and that the client sees what PostgreSQL would
// have said to its own messages alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>

#include "protocol/reply_tracker.h"

namespace protocol {
namespace {

using Action = ReplyTracker::Action;
using Answer = ReplyTracker::Answer;
using Note = ReplyTracker::Note;
using Reply = ReplyTracker::Reply;

// The message types of what was made here; each must be a whole message without a body.
std::string TypesOf(std::string_view fakes) {
  std::string types;
  for (; fakes.size() >= 5; fakes.remove_prefix(5)) {
    EXPECT_EQ(fakes.substr(1, 4), (std::string_view("\0\0\0\4", 4)));
    types += fakes.front();
  }
  EXPECT_TRUE(fakes.empty());
  return types;
}

class ReplyTrackerActionsTest : public testing::Test {
 protected:
  // The counts of an answer as "confirmed undone".
  static std::string Counts(const Answer& answer) {
    return std::to_string(answer.confirmed) + " " + std::to_string(answer.undone);
  }
  void Send(std::string_view types, Action action = Action::kForward, Note note = Note::kNone) {
    for (const char type : types) EXPECT_TRUE(tracker_.OnSent(type, action, note)) << type;
  }
  void Fake(std::string_view types) { Send(types, Action::kFake, Note::kNoted); }
  Answer Get(char type) { return type == 'Z' ? tracker_.OnReadyForQuery('I') : tracker_.OnReply(type); }

  ReplyTracker tracker_;
};

TEST_F(ReplyTrackerActionsTest, AnAnswerHasTheActionOfItsMessage) {
  Send("P", Action::kSkip);
  Send("BE");
  Send("C", Action::kOwn);
  Send("S", Action::kOwn);
  EXPECT_EQ(tracker_.head_action(), Action::kSkip);
  EXPECT_EQ(Get('1').action, Action::kSkip);
  EXPECT_EQ(Get('2').action, Action::kForward);
  EXPECT_EQ(Get('D').action, Action::kForward);
  EXPECT_EQ(Get('C').action, Action::kForward);
  EXPECT_TRUE(tracker_.HeadIsOwn());
  EXPECT_EQ(Get('3').action, Action::kOwn);
  const Answer ready = Get('Z');
  EXPECT_EQ(ready.reply, Reply::kReady);
  EXPECT_EQ(ready.action, Action::kOwn);
  EXPECT_FALSE(tracker_.HeadIsOwn());
  EXPECT_EQ(tracker_.head_action(), Action::kForward) << "of nothing";
  EXPECT_TRUE(tracker_.IsFree());
}

TEST_F(ReplyTrackerActionsTest, OnlyTheClientsUnitsAreCounted) {
  Send("Q", Action::kOwn);
  Send("CS", Action::kOwn);
  EXPECT_EQ(tracker_.units_owed(), 0u);
  Send("PBESQ");
  EXPECT_EQ(tracker_.units_owed(), 2u);
  EXPECT_EQ(tracker_.owed(), 8u);
  for (const char reply : std::string("CZ3Z12C")) EXPECT_NE(Get(reply).reply, Reply::kBroken) << reply;
  EXPECT_EQ(tracker_.units_owed(), 2u);
  Get('Z');
  EXPECT_EQ(tracker_.units_owed(), 1u);
}

TEST_F(ReplyTrackerActionsTest, RowsAreTheClientsOnlyAtItsOwnExecuteOrQuery) {
  EXPECT_FALSE(tracker_.HeadTakesRows());
  for (const char type : std::string("PBCDESQF")) {
    for (const Action action : {Action::kForward, Action::kSkip, Action::kOwn}) {
      ReplyTracker tracker;
      tracker.OnSent(type, action);
      EXPECT_EQ(tracker.HeadTakesRows(), action == Action::kForward && (type == 'E' || type == 'Q')) << type;
    }
  }
}

TEST_F(ReplyTrackerActionsTest, AHiddenHeadIsTheClientsNoMore) {
  Send("SQ");
  EXPECT_EQ(tracker_.units_owed(), 2u);
  tracker_.HideHead();
  EXPECT_TRUE(tracker_.HeadIsOwn());
  EXPECT_EQ(tracker_.units_owed(), 1u);
  EXPECT_EQ(Get('Z').action, Action::kOwn);
  EXPECT_TRUE(tracker_.HeadTakesRows()) << "the next is";
}

// --- fakes
// -------------------------------------------------------------------------------------------------------------

TEST_F(ReplyTrackerActionsTest, FakesComeBeforeTheAnswerBehindThem) {
  Fake("P");
  Send("B");
  Fake("CP");
  Send("ES");
  const Answer bound = Get('2');
  EXPECT_EQ(TypesOf(bound.before), "1");
  EXPECT_EQ(bound.behind, "");
  EXPECT_EQ(Counts(bound), "1 0");
  const Answer row = Get('D');
  EXPECT_EQ(TypesOf(row.before), "31");
  EXPECT_EQ(Counts(row), "2 0");
  EXPECT_EQ(Get('C').before, "");
  EXPECT_EQ(Get('Z').before, "");
  EXPECT_TRUE(tracker_.IsFree());
}

TEST_F(ReplyTrackerActionsTest, ASyncBehindFakesAnswersThem) {
  Fake("PC");
  Send("S");
  EXPECT_EQ(tracker_.head_action(), Action::kFake);
  const Answer ready = Get('Z');
  EXPECT_EQ(ready.reply, Reply::kReady);
  EXPECT_EQ(ready.action, Action::kForward);
  EXPECT_EQ(TypesOf(ready.before), "13");
}

TEST_F(ReplyTrackerActionsTest, WhatIsNotAskedForWaits) {
  Send("P");
  Fake("C");
  const Answer parsed = Get('1');
  EXPECT_EQ(parsed.before, "");
  EXPECT_EQ(parsed.behind, "");
  EXPECT_EQ(tracker_.owed(), 1u);
  EXPECT_FALSE(tracker_.IsFree()) << "the client still waits for a CloseComplete";
  EXPECT_EQ(Get('3').reply, Reply::kBroken) << "a fake was never sent";
}

TEST_F(ReplyTrackerActionsTest, AFlushAsksForTheFakesBeforeIt) {
  Send("P");
  Fake("CC");
  Send("H");
  EXPECT_EQ(tracker_.TakeFakes().before, "") << "the Parse is not answered yet";
  Fake("P");
  const Answer parsed = Get('1');
  EXPECT_EQ(parsed.before, "");
  EXPECT_EQ(TypesOf(parsed.behind), "33") << "and not the Parse behind the Flush";
  EXPECT_EQ(Counts(parsed), "2 0");
  EXPECT_EQ(tracker_.owed(), 1u);
  Send("H");
  const Answer taken = tracker_.TakeFakes();
  EXPECT_EQ(TypesOf(taken.before), "1");
  EXPECT_EQ(Counts(taken), "1 0");
  EXPECT_EQ(tracker_.owed(), 0u);
  EXPECT_EQ(tracker_.TakeFakes(), Answer{});
}

TEST_F(ReplyTrackerActionsTest, AFlushReachesOverTheEndOfAUnit) {
  Send("S");
  Fake("C");
  Send("H");
  const Answer ready = Get('Z');
  EXPECT_EQ(ready.reply, Reply::kReady);
  EXPECT_EQ(TypesOf(ready.behind), "3");
  EXPECT_TRUE(tracker_.IsFree());
}

TEST_F(ReplyTrackerActionsTest, AFlushDoesNotCountWhatIsAlreadyAnswered) {
  Send("PH");
  Get('1');
  Fake("C");
  Send("D");
  EXPECT_EQ(TypesOf(Get('n').before), "3");
  Fake("C");
  Send("B");
  Fake("C");
  EXPECT_EQ(TypesOf(Get('2').before), "3");
  EXPECT_EQ(tracker_.owed(), 1u) << "the Flush was for the Parse";
}

TEST_F(ReplyTrackerActionsTest, ASwallowedSyncLeavesTheFlushRight) {
  Send("EcS");
  Fake("C");
  Send("H");
  Fake("C");
  EXPECT_EQ(Get('G').reply, Reply::kOk);
  EXPECT_EQ(tracker_.owed(), 4u) << "its own Sync is not swallowed: the copy was ended ahead of it";
  EXPECT_EQ(Get('C').reply, Reply::kOk);
  EXPECT_EQ(TypesOf(Get('Z').behind), "3");
  EXPECT_EQ(tracker_.owed(), 1u);
}

TEST_F(ReplyTrackerActionsTest, AFakeBehindAnErrorIsNeverAnswered) {
  Fake("P");
  Send("B");
  Fake("PC");
  Send("E");
  Send("P", Action::kSkip, Note::kNoted);
  Send("S");
  const Answer failed = Get('E');
  EXPECT_EQ(TypesOf(failed.before), "1") << "PostgreSQL would have answered it before the message that failed";
  EXPECT_EQ(Counts(failed), "1 3");
  const Answer ready = Get('Z');
  EXPECT_EQ(ready.before, "");
  EXPECT_EQ(Counts(ready), "0 0");
  EXPECT_TRUE(tracker_.IsFree());
}

// --- notes
// -------------------------------------------------------------------------------------------------------------

TEST_F(ReplyTrackerActionsTest, ANotedMessageIsConfirmedWhenItsLastAnswerCame) {
  Send("D", Action::kForward, Note::kNoted);
  EXPECT_TRUE(tracker_.HeadIsNoted());
  EXPECT_EQ(Counts(Get('t')), "0 0");
  EXPECT_EQ(Counts(Get('T')), "1 0");
  EXPECT_FALSE(tracker_.HeadIsNoted());
  Send("E", Action::kSkip, Note::kNoted);
  EXPECT_EQ(Counts(Get('D')), "0 0");
  EXPECT_EQ(Counts(Get('C')), "1 0");
}

TEST_F(ReplyTrackerActionsTest, AnErrorUndoesUpToTheSyncAndNoFurther) {
  for (int batch = 0; batch < 2; ++batch) {
    Send("CP", Action::kSkip, Note::kNoted);
    Send("BES");
  }
  EXPECT_EQ(Counts(Get('3')), "1 0");
  EXPECT_EQ(Counts(Get('E')), "0 1");
  Get('Z');
  EXPECT_EQ(Counts(Get('3')), "1 0");
  EXPECT_EQ(Counts(Get('1')), "1 0");
}

TEST_F(ReplyTrackerActionsTest, AnErrorInAnExchangeOfOursStopsAtItsOwnSync) {
  Send("CC", Action::kOwn, Note::kNoted);
  Send("S", Action::kOwn);
  Send("PBES");
  const Answer failed = Get('E');
  EXPECT_EQ(failed.action, Action::kOwn);
  EXPECT_EQ(Counts(failed), "0 2");
  EXPECT_EQ(Get('Z').action, Action::kOwn);
  for (const char reply : std::string("12C")) EXPECT_EQ(Get(reply).action, Action::kForward);
  EXPECT_EQ(Get('Z').action, Action::kForward);
}

TEST_F(ReplyTrackerActionsTest, TheUnnamedStatementIsCountedByItself) {
  Send("P", Action::kForward, Note::kUnnamed);
  Send("B");
  Send("C", Action::kForward, Note::kUnnamed);
  Send("P", Action::kSkip);
  Send("P", Action::kForward, Note::kUnnamed);
  Send("S");
  Send("P", Action::kForward, Note::kUnnamed);
  Send("S");
  EXPECT_EQ(Get('1').unnamed_confirmed, 1u);
  const Answer failed = Get('E');
  EXPECT_EQ(failed.unnamed_undone, 2u) << "and not the one behind the Sync";
  EXPECT_FALSE(failed.unnamed_failed) << "a Bind did";
  EXPECT_EQ(Counts(failed), "0 0");
  Get('Z');
  const Answer parse = Get('E');
  EXPECT_EQ(parse.unnamed_undone, 1u);
  EXPECT_TRUE(parse.unnamed_failed);
}

// Its error is shown to the client, who takes its own Parse for failed: that has dropped the unnamed statement before.
TEST_F(ReplyTrackerActionsTest, AMessageOfOursFailsForTheClientsBehindIt) {
  Send("CP", Action::kSkip, Note::kNoted);
  Send("P", Action::kForward, Note::kUnnamed);
  Send("S");
  EXPECT_EQ(Get('3').action, Action::kSkip);
  EXPECT_TRUE(Get('E').unnamed_failed);
  Get('Z');
  Send("P", Action::kSkip);
  Send("B");
  Send("P", Action::kForward, Note::kUnnamed);
  Send("S");
  EXPECT_FALSE(Get('E').unnamed_failed) << "the Bind is what it failed for";
}

TEST_F(ReplyTrackerActionsTest, WhileSkippingNothingIsTakenOn) {
  Send("P", Action::kSkip, Note::kNoted);
  const Answer failed = Get('E');
  EXPECT_EQ(failed.action, Action::kSkip);
  EXPECT_EQ(Counts(failed), "0 1");
  EXPECT_TRUE(tracker_.skipping());
  for (const Action action : {Action::kForward, Action::kSkip, Action::kFake}) {
    for (const char type : std::string("PBDECQF")) EXPECT_FALSE(tracker_.OnSent(type, action, Note::kNoted)) << type;
  }
  EXPECT_EQ(tracker_.owed(), 0u);
  Send("S", Action::kOwn);
  EXPECT_EQ(Get('Z').action, Action::kOwn);
  EXPECT_TRUE(tracker_.IsFree());
}

// --- a model
// -----------------------------------------------------------------------------------------------------------

// What was sent, as a server would take it that had really been given the fakes. It writes down what the client must
// see, and what must become of each noted message.
class Reference {
 public:
  struct Message {
    char type;
    Action action = Action::kForward;
    Note note = Note::kNone;
    bool is_taken_on = true;  // the tracker did not say that it will be ignored
  };
  explicit Reference(std::mt19937& dice) : dice_(dice) {}

  void Take(const Message& message) {
    if (is_skipping_ && message.type != 'S') {
      if (message.is_taken_on) Count(message, 'n');
      return;
    }
    EXPECT_TRUE(message.is_taken_on) << "the tracker thinks that the server ignores this";
    if (message.type == 'H') return MustBeSeen();
    if (message.action != Action::kFake) {
      if (message.type != 'S' && dice_() % 7 == 0) return Fail(message);
      Say(AnswersTo(message.type), message.action);
      is_skipping_ = false;
    } else {
      visible += message.type == 'P' ? '1' : '3';
    }
    Count(message, 'y');
  }

  std::string replies;  // not yet given to the tracker
  std::string visible;  // all of it, and how much of it must be seen without a further message
  size_t must_be_seen = 0;
  std::string verdicts, of_unnamed;  // of what is noted, y: confirmed, n: undone

 private:
  std::string_view AnswersTo(char type) {
    const auto one_of = [this](std::string_view a, std::string_view b) { return dice_() % 2 == 0 ? a : b; };
    switch (type) {
      case 'P':
        return "1";
      case 'B':
        return "2";
      case 'C':
        return "3";
      case 'D':
        return one_of("tT", "n");
      case 'E':
        return one_of("DDC", "s");
      case 'Q':
        return one_of("TDCZ", "IZ");
      case 'F':
        return "VZ";
      default:
        return "Z";
    }
  }
  void Fail(const Message& message) {
    const bool ends_unit = message.type == 'Q' || message.type == 'F';
    // An error of a message of ours among the client's is the client's.
    Say("E", message.action == Action::kSkip ? Action::kForward : message.action);
    if (ends_unit) return Say("Z", message.action);
    is_skipping_ = true;
    Count(message, 'n');
  }
  void Say(std::string_view types, Action action) {
    replies += types;
    if (action == Action::kForward) visible += types;
    MustBeSeen();
  }
  void Count(const Message& message, char verdict) {
    if (message.note == Note::kNoted) verdicts += verdict;
    if (message.note == Note::kUnnamed) of_unnamed += verdict;
  }
  void MustBeSeen() { must_be_seen = visible.size(); }

  std::mt19937& dice_;
  bool is_skipping_ = false;
};

// The tracker, the messages on their way, and what the client has seen.
class Conversation {
 public:
  explicit Conversation(unsigned seed) : dice_(seed), reference_(dice_) {}

  void Run() {
    for (int step = 0; step < 20 && !testing::Test::HasFailure(); ++step) {
      SendSomething();
      for (auto turns = dice_() % 10; turns > 0; --turns) Turn();
    }
    Drain();
    CheckAtRest();
    Send({'S'});
    Drain();
    EXPECT_EQ(seen_, reference_.visible) << history_;
    EXPECT_EQ(verdicts_, reference_.verdicts) << history_;
    EXPECT_EQ(of_unnamed_, reference_.of_unnamed) << history_;
    EXPECT_TRUE(tracker_.IsFree()) << history_;
    EXPECT_EQ(tracker_.units_owed(), 0u) << history_;
  }
  size_t fakes_seen() const { return fakes_seen_; }
  size_t undone() const { return static_cast<size_t>(std::count(verdicts_.begin(), verdicts_.end(), 'n')); }

 private:
  void Send(Reference::Message message) {
    message.is_taken_on = tracker_.OnSent(message.type, message.action, message.note);
    history_ += message.type;
    history_ += message.action == Action::kFake ? "f" : message.action == Action::kSkip ? "s" : "";
    wire_.push_back(message);
    if (message.type == 'H') See(tracker_.TakeFakes(), '\0');
  }
  void SendSomething() {
    const Note note = dice_() % 2 == 0 ? Note::kNoted : dice_() % 2 == 0 ? Note::kUnnamed : Note::kNone;
    const char small = dice_() % 2 == 0 ? 'P' : 'C';
    switch (dice_() % 10) {
      case 0:
        return Send({'S'});
      case 1:
        return Send({dice_() % 4 == 0 ? 'F' : 'Q'});
      case 2:
        return Send({'H'});
      case 3:
        return Send({small, Action::kSkip, note});
      case 4:
      case 5:
      case 6:
        return Send({small, Action::kFake, note});
      case 7:
        // An exchange of ours stands between the client's batches.
        if (tracker_.NeedsSync()) return Send({'B'});
        Send({'C', Action::kOwn, note});
        return Send({'S', Action::kOwn});
      default:
        return Send({"PBDEC"[dice_() % 5], Action::kForward, note});
    }
  }
  void Turn() {
    if (dice_() % 2 == 0 && !reference_.replies.empty()) return Reply();
    if (wire_.empty()) return;
    reference_.Take(wire_.front());
    wire_.pop_front();
  }
  void Reply() {
    const char type = reference_.replies.front();
    reference_.replies.erase(0, 1);
    history_ += std::string(">") + type;
    See(type == 'Z' ? tracker_.OnReadyForQuery('I') : tracker_.OnReply(type), type);
  }
  void See(const Answer& answer, char type) {
    EXPECT_NE(answer.reply, Reply::kBroken) << history_;
    const bool is_visible = answer.action == Action::kForward || (answer.action == Action::kSkip && type == 'E');
    const std::string before = TypesOf(answer.before), behind = TypesOf(answer.behind);
    seen_ += before;
    if (type != '\0' && is_visible) seen_ += type;
    seen_ += behind;
    fakes_seen_ += before.size() + behind.size();
    verdicts_ += std::string(answer.confirmed, 'y') + std::string(answer.undone, 'n');
    of_unnamed_ += std::string(answer.unnamed_confirmed, 'y') + std::string(answer.unnamed_undone, 'n');
  }
  void Drain() {
    while (!wire_.empty() || !reference_.replies.empty()) Turn();
  }
  // Nothing is on its way. Fakes that nobody asked for may be missing, and nothing else.
  void CheckAtRest() {
    EXPECT_GE(seen_.size(), reference_.must_be_seen) << history_;
    EXPECT_TRUE(reference_.visible.starts_with(seen_)) << history_ << ": " << seen_ << " of " << reference_.visible;
    EXPECT_TRUE(reference_.verdicts.starts_with(verdicts_)) << history_;
    EXPECT_TRUE(reference_.of_unnamed.starts_with(of_unnamed_)) << history_;
    EXPECT_EQ(tracker_.owed(), reference_.visible.size() - seen_.size()) << history_;
    EXPECT_EQ(tracker_.units_owed(), 0u) << history_;
  }

  std::mt19937 dice_;
  Reference reference_;
  ReplyTracker tracker_;
  std::deque<Reference::Message> wire_;
  std::string seen_, verdicts_, of_unnamed_, history_;
  size_t fakes_seen_ = 0;
};

TEST(ReplyTrackerReferenceTest, RandomConversationsShowTheClientWhatPostgresqlWouldHaveSaid) {
  size_t fakes_seen = 0, undone = 0;
  for (unsigned seed = 1; seed <= 20'000; ++seed) {
    Conversation conversation(seed);
    conversation.Run();
    fakes_seen += conversation.fakes_seen();
    undone += conversation.undone();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(fakes_seen, 10'000u);
  EXPECT_GT(undone, 10'000u);
}

}  // namespace
}  // namespace protocol
