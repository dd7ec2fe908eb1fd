// The comparison sees what it must see: a walk that finds nothing would else prove nothing.
#include "tests/walk/comparison.h"

#include <gtest/gtest.h>

namespace walk {
namespace {

Observation Seen(std::vector<std::string> lines) {
  Observation observation;
  observation.lines = std::move(lines);
  return observation;
}

Observation StalePlan() {
  Observation observation = Seen({"error C=0A000 M=cached plan must not change result type", "ready I"});
  observation.has_failed = observation.has_stale_plan = true;
  return observation;
}

TEST(ComparisonTest, EqualAnswersAreTheSame) {
  EXPECT_EQ(CompareAnswers(Seen({"row | 1", "ready I"}), Seen({"row | 1", "ready I"})).verdict, Verdict::kSame);
}

TEST(ComparisonTest, AnyLineMoreOrLessOrOtherIsDifferent) {
  const Observation direct = Seen({"row | 1", "done SELECT 1", "ready I"});
  for (const auto& lines : std::vector<std::vector<std::string>>{{},
                                                                 {"row | 1", "done SELECT 1"},
                                                                 {"row | 2", "done SELECT 1", "ready I"},
                                                                 {"row | 1", "done SELECT 1", "ready T"},
                                                                 {"row | 1", "done SELECT 1", "ready I", "notice"}}) {
    const Comparison comparison = CompareAnswers(direct, Seen(lines));
    EXPECT_EQ(comparison.verdict, Verdict::kDifferent);
    EXPECT_NE(comparison.difference, "");
  }
}

TEST(ComparisonTest, AStalePlanMaySucceedThroughThePoolAndOnlyThere) {
  const Observation success = Seen({"row | 1", "done SELECT 1", "ready I"});
  EXPECT_EQ(CompareAnswers(StalePlan(), success).verdict, Verdict::kAllowed);
  EXPECT_EQ(CompareAnswers(StalePlan(), StalePlan()).verdict, Verdict::kSame);
  EXPECT_EQ(CompareAnswers(success, StalePlan()).verdict, Verdict::kDifferent);
  Observation other_error = Seen({"error C=26000", "ready I"});
  other_error.has_failed = true;
  EXPECT_EQ(CompareAnswers(StalePlan(), other_error).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, SilenceOnBothSidesIsNoAgreement) {
  Observation silent = Seen({"no answer: timed out: read"});
  silent.is_cut_short = true;
  EXPECT_EQ(CompareAnswers(silent, silent).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareAnswers(StalePlan(), silent).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, NotificationsCountInTheirOrder) {
  EXPECT_EQ(CompareNotifications({"a:1", "b:2"}, {"a:1", "b:2"}).verdict, Verdict::kSame);
  EXPECT_EQ(CompareNotifications({"a:1", "b:2"}, {"b:2", "a:1"}).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareNotifications({"a:1"}, {"a:1", "a:1"}).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareNotifications({"a:1"}, {}).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, AnErrorAboutTheNumberOfValuesMayBeAnotherError) {
  const auto answer = [](const std::string& error, const std::string& status) {
    Observation observation;
    observation.lines = {"closed", error, "ready " + status};
    return observation;
  };
  const auto direct = answer("error V=ERROR C=08P01 M=bind message supplies 1 parameters, but", "I");
  const auto other = answer("error V=ERROR C=42P01 M=relation", "I");
  EXPECT_EQ(CompareAnswers(direct, other).verdict, Verdict::kAllowed);
  EXPECT_EQ(CompareAnswers(other, direct).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareAnswers(direct, answer("bound", "I")).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareAnswers(direct, answer("error V=ERROR C=42P01 M=relation", "E")).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, TheSameErrorMayComeBeforeTheDescription) {
  Observation direct, through;
  direct.lines = {"parsed", "bound", "columns a:0.0:25", "error V=ERROR C=42P01 M=relation", "ready I"};
  through.lines = {"parsed", "bound", "error V=ERROR C=42P01 M=relation", "ready I"};
  EXPECT_EQ(CompareAnswers(direct, through).verdict, Verdict::kAllowed);
  EXPECT_EQ(CompareAnswers(through, direct).verdict, Verdict::kDifferent);
  through.lines[2] = "error V=ERROR C=42601 M=other";
  EXPECT_EQ(CompareAnswers(direct, through).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, AnAbortedTransactionMayBeToldThatItIs) {
  Observation direct, through;
  direct.lines = {"closed", "parameters", "no data", "ready E"};
  through.lines = {"closed", "error V=ERROR C=25P02 M=current transaction is aborted", "ready E"};
  EXPECT_EQ(CompareAnswers(direct, through).verdict, Verdict::kAllowed);
  EXPECT_EQ(CompareAnswers(through, direct).verdict, Verdict::kDifferent);
  direct.lines.back() = "ready T";
  EXPECT_EQ(CompareAnswers(direct, through).verdict, Verdict::kDifferent);
}

TEST(ComparisonTest, WhatWasSentBeforeAListenWasCommittedMayBeHeardOrNot) {
  const std::vector<std::string> early = {"news:1 at 5", "news:2 at 9"}, late = {"news:2 at 9"};
  EXPECT_EQ(CompareNotifications(early, late).verdict, Verdict::kDifferent);
  EXPECT_EQ(CompareNotifications(early, late, {5, 8}).verdict, Verdict::kSame);
  EXPECT_EQ(CompareNotifications(early, {"news:3 at 4"}, {5, 8}).verdict, Verdict::kDifferent);
}

}  // namespace
}  // namespace walk
