// The names of one client, and what one server has: LRU order, what is stale, what is only believed until it is
// answered.
#include "protocol/prepared_statements.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/protocol/statement_fixture.h"

namespace protocol {
namespace {

using Has = ServerStatements::Has;

// --- Batches
// -----------------------------------------------------------------------------------------------------------

TEST(BatchesTest, OnlyAnEarlierBatchThatIsNotAnsweredIsUncertain) {
  const Batches now{.current = 5, .answered = 2};
  for (const uint64_t batch : {0u, 1u, 2u}) EXPECT_FALSE(now.IsUncertain(batch)) << batch;
  for (const uint64_t batch : {3u, 4u}) EXPECT_TRUE(now.IsUncertain(batch)) << batch;
  EXPECT_FALSE(now.IsUncertain(5)) << "what is sent in order behind it fails with it";
  EXPECT_FALSE((Batches{.current = 6, .answered = 5}).IsUncertain(5));
}

// --- one client
// --------------------------------------------------------------------------------------------------------

TEST(ClientStatementsTest, FindsWhatWasPutAndForgetsWhatWasErased) {
  ClientStatements client;
  EXPECT_EQ(client.Find("a"), nullptr);
  client.Erase("a");  // nothing there
  const auto statement = MakeStatement(1);
  client.Put("a", Entry(statement, 7));
  ASSERT_NE(client.Find("a"), nullptr);
  EXPECT_EQ(client.Find("a")->statement, statement);
  EXPECT_EQ(client.Find("a")->batch, 7u);
  EXPECT_EQ(client.Find("A"), nullptr) << "names are told apart by every byte";
  EXPECT_TRUE(client.Has(statement, {}));
  EXPECT_EQ(client.size(), 1u);
  client.Erase("a");
  EXPECT_EQ(client.Find("a"), nullptr);
  EXPECT_FALSE(client.Has(statement, {}));
  EXPECT_EQ(client.size(), 0u);
}

// PostgreSQL cuts names at 63 bytes, with a notice: two long names that begin alike are one.
TEST(ClientStatementsTest, NamesAreCutAsPostgresqlDoes) {
  ClientStatements client;
  const std::string fits(kStatementNameBytes, 'x');
  client.Put(fits + "one", Entry(MakeStatement(1)));
  EXPECT_EQ(client.Find(fits)->statement->id, 1u);
  EXPECT_EQ(client.Find(fits + "two")->statement->id, 1u);
  EXPECT_EQ(client.Find(std::string_view(fits).substr(1)), nullptr);
  client.Put(fits + "two", Entry(MakeStatement(2)));
  EXPECT_EQ(client.size(), 1u);
  EXPECT_EQ(client.NameOf("pgweir_2"), fits);
  client.Erase(fits + "three");
  EXPECT_EQ(client.size(), 0u);
}

TEST(ClientStatementsTest, AnotherStatementTakesTheName) {
  ClientStatements client;
  const auto first = MakeStatement(1), second = MakeStatement(2);
  client.Put("a", Entry(first));
  client.Put("a", Entry(second));
  EXPECT_EQ(client.size(), 1u);
  EXPECT_FALSE(client.Has(first, {}));
  EXPECT_TRUE(client.Has(second, {}));
  EXPECT_EQ(client.NameOf("pgweir_1"), "");
  EXPECT_EQ(client.NameOf("pgweir_2"), "a");
  EXPECT_EQ(client.NameOf(""), "");
}

// The name it had last may go first, or stay.
TEST(ClientStatementsTest, AStatementThatMovesToAnotherName) {
  const auto statement = MakeStatement(1);
  for (const char* goes_first : {"a", "b"}) {
    ClientStatements client;
    client.Put("a", Entry(statement));
    client.Put("b", Entry(statement));
    client.Erase(goes_first);
    const std::string_view left = *goes_first == 'a' ? "b" : "a";
    ASSERT_NE(client.Find(left), nullptr);
    EXPECT_EQ(client.NameOf("pgweir_1"), *goes_first == 'a' ? "b" : "") << "never a name that is gone";
    client.Erase(left);
    EXPECT_FALSE(client.Has(statement, {}));
  }
}

TEST(ClientStatementsTest, ClearKeepsTheUnnamedOne) {
  ClientStatements client;
  client.Put("a", Entry(MakeStatement(1)));
  client.unnamed.Put("text", 1);
  client.Clear();
  EXPECT_EQ(client.size(), 0u);
  EXPECT_EQ(client.Find("a"), nullptr);
  EXPECT_EQ(client.NameOf("pgweir_1"), "");
  EXPECT_EQ(client.unnamed.newest().serial, 1u) << "DEALLOCATE ALL leaves it to PostgreSQL";
}

TEST(ClientStatementsTest, BytesGrowWithNamesAndComeBackToNothing) {
  ClientStatements client;
  const size_t empty = client.bytes();
  std::map<std::string, uint64_t> model;
  std::mt19937 dice(1);
  for (int turn = 0; turn < 2'000; ++turn) {
    const std::string name(1 + dice() % 70, static_cast<char>('a' + dice() % 3));
    const std::string key = name.substr(0, kStatementNameBytes);
    if (dice() % 3 == 0) {
      client.Erase(name);
      model.erase(key);
    } else {
      const uint64_t id = 1 + dice() % 50;
      client.Put(name, Entry(MakeStatement(id)));
      model[key] = id;
    }
    ASSERT_EQ(client.size(), model.size());
    size_t text = 0;
    for (const auto& [known, id] : model) {
      ASSERT_EQ(client.Find(known)->statement->id, id);
      text += known.size();
    }
    ASSERT_GE(client.bytes(), empty + text);
  }
  for (const auto& [name, id] : model) client.Erase(name);
  EXPECT_EQ(client.bytes(), empty);
  for (uint64_t id = 1; id <= 50; ++id) EXPECT_FALSE(client.Has(MakeStatement(id), {})) << id;
}

// --- one server
// --------------------------------------------------------------------------------------------------------

TEST(ServerStatementsTest, TheLeastRecentlyUsedIsTheOldest) {
  ServerStatements server;
  EXPECT_EQ(server.Oldest(), nullptr);
  const auto one = MakeStatement(1), two = MakeStatement(2), three = MakeStatement(3);
  for (const auto& statement : {one, two, three}) server.Add(statement, 1);
  EXPECT_EQ(server.size(), 3u);
  EXPECT_EQ(server.Oldest(), one);
  EXPECT_EQ(server.Use(one, {}), Has::kYes);
  EXPECT_EQ(server.Oldest(), two);
  EXPECT_EQ(server.Use(one, {}), Has::kYes);  // already the first
  EXPECT_EQ(server.Use(MakeStatement(9), {}), Has::kNo);
  server.Add(two, 1);  // parsed anew
  EXPECT_EQ(server.size(), 3u);
  EXPECT_EQ(TakeIds(server), "3 1 2");
}

TEST(ServerStatementsTest, AHigherGenerationMakesItStaleUntilItIsParsedAnew) {
  ServerStatements server;
  const auto statement = MakeStatement(1), other = MakeStatement(2);
  server.Add(statement, 1);
  server.Add(other, 1);
  ++statement->generation;
  EXPECT_EQ(server.Use(statement, {}), Has::kStale);
  EXPECT_EQ(server.Use(other, {}), Has::kYes);
  server.Add(statement, 1);
  EXPECT_EQ(server.Use(statement, {}), Has::kYes);
  server.MarkAllStale();
  EXPECT_EQ(server.Use(statement, {}), Has::kStale);
  EXPECT_EQ(server.Use(other, {}), Has::kStale);
  ++other->generation;
  EXPECT_EQ(server.Use(other, {}), Has::kStale) << "no number of changes makes it fit";
  server.Add(other, 1);
  EXPECT_EQ(server.Use(other, {}), Has::kYes);
}

TEST(ServerStatementsTest, AParseOfAnEarlierBatchIsPendingUntilItIsConfirmedOrAnswered) {
  ServerStatements server;
  const auto statement = MakeStatement(1);
  server.Add(statement, 3);
  EXPECT_EQ(server.Use(statement, {.current = 3, .answered = 2}), Has::kYes)
      << "in its own batch it is behind its Parse";
  EXPECT_EQ(server.Use(statement, {.current = 4, .answered = 2}), Has::kPending);
  ++statement->generation;
  EXPECT_EQ(server.Use(statement, {.current = 4, .answered = 2}), Has::kPending) << "whether it is there comes first";
  EXPECT_EQ(server.Use(statement, {.current = 4, .answered = 3}), Has::kStale);
  const uint64_t parse = server.Add(statement, 3);
  server.Confirm(1, parse);
  server.Confirm(2, parse);  // nobody
  EXPECT_EQ(server.Use(statement, {.current = 4, .answered = 2}), Has::kYes);
}

TEST(ClientStatementsTest, AStatementHasItsNameUntilTheCloseIsKnown) {
  ClientStatements client;
  const auto first = MakeStatement(1), second = MakeStatement(2);
  client.Put("a", Entry(first));
  client.BeginClose("a", 5);
  client.Put("a", Entry(second));
  client.BeginClose("a", 5);
  for (const auto& statement : {first, second}) {
    EXPECT_FALSE(client.Has(statement, {.current = 5, .answered = 4})) << "what follows in the batch fails with the Close";
    EXPECT_TRUE(client.Has(statement, {.current = 6, .answered = 4}));
    EXPECT_FALSE(client.Has(statement, {.current = 6, .answered = 5}));
  }
}

TEST(ServerStatementsTest, AnAnswerIsThatOfItsOwnParse) {
  ServerStatements server;
  const auto statement = MakeStatement(1);
  const uint64_t first = server.Add(statement, 3);
  server.BeginClose(statement, 4);
  const uint64_t second = server.Add(statement, 4);
  const Batches next{.current = 5, .answered = 4};
  server.Undo(1, first);
  EXPECT_EQ(server.Use(statement, next), Has::kYes) << "it is there by another Parse";
  server.Confirm(1, first);
  server.EndClose(statement);
  EXPECT_EQ(server.Use(statement, {.current = 5, .answered = 3}), Has::kPending) << "that one is not answered yet";
  server.Undo(1, second);
  EXPECT_EQ(server.Use(statement, next), Has::kNo);
}

TEST(ServerStatementsTest, NamesArePendingForWhoChangedOneUntilThatIsAnswered) {
  ServerStatements server;
  EXPECT_FALSE(server.NamesArePending(1, {.current = 5, .answered = 3}));
  server.named_change = {1, 4};
  EXPECT_FALSE(server.NamesArePending(1, {.current = 4, .answered = 3})) << "what follows in its batch fails with it";
  EXPECT_TRUE(server.NamesArePending(1, {.current = 5, .answered = 3}));
  EXPECT_FALSE(server.NamesArePending(1, {.current = 5, .answered = 4}));
  EXPECT_FALSE(server.NamesArePending(2, {.current = 5, .answered = 3})) << "who gets the server when all is answered";
}

TEST(ServerStatementsTest, AClosedOneIsGoneForItsBatchAndUncertainForTheNext) {
  ServerStatements server;
  const auto statement = MakeStatement(1);
  server.Add(statement, 0);
  server.BeginClose(statement, 5);
  EXPECT_EQ(server.size(), 0u);
  EXPECT_EQ(server.Use(statement, {.current = 5, .answered = 4}), Has::kNo);
  EXPECT_EQ(server.Use(statement, {.current = 6, .answered = 4}), Has::kPending);
  EXPECT_EQ(server.Use(statement, {.current = 6, .answered = 5}), Has::kNo);
  server.EndClose(statement);
  server.EndClose(statement);  // nothing is closing any more
  EXPECT_EQ(server.Use(statement, {.current = 6, .answered = 4}), Has::kNo);
}

TEST(ServerStatementsTest, AnUndoneCloseComesBackAsTheOldestAndStale) {
  ServerStatements server;
  const auto statement = MakeStatement(1), other = MakeStatement(2);
  server.Add(other, 0);
  server.Add(statement, 0);
  server.BeginClose(statement, 5);
  server.UndoClose(statement);
  EXPECT_EQ(server.size(), 2u);
  EXPECT_EQ(server.Oldest(), statement) << "the next that has to go";
  EXPECT_EQ(server.Use(statement, {.current = 6, .answered = 4}), Has::kStale) << "nobody waits for it any more";
  EXPECT_EQ(server.Oldest(), other);
}

TEST(ServerStatementsTest, AnUndoneCloseOfOneThatIsThereAgainChangesNothing) {
  ServerStatements server;
  const auto statement = MakeStatement(1);
  server.Add(statement, 0);
  server.BeginClose(statement, 5);
  server.Add(statement, 5);
  server.UndoClose(statement);
  EXPECT_EQ(server.size(), 1u);
  EXPECT_EQ(server.Use(statement, {.current = 6, .answered = 5}), Has::kYes);
}

TEST(ServerStatementsTest, TwoClosesOfOneStatementEndOneByOne) {
  ServerStatements server;
  const auto statement = MakeStatement(1);
  for (const uint64_t batch : {5u, 5u}) {
    server.Add(statement, batch);
    server.BeginClose(statement, batch);
  }
  const Batches next{.current = 6, .answered = 4};
  server.EndClose(statement);
  EXPECT_EQ(server.Use(statement, next), Has::kPending);
  server.EndClose(statement);
  EXPECT_EQ(server.Use(statement, next), Has::kNo);
}

TEST(ServerStatementsTest, NamesOfTheClientsOwn) {
  ServerStatements server;
  EXPECT_EQ(server.AnyNamed(), std::nullopt);
  server.PutNamed("a", {1, MakeStatement(1)});
  server.PutNamed("b", {2, MakeStatement(2)});
  server.PutNamed("c", {0, nullptr});  // in nobody's view
  EXPECT_EQ(server.named_count(), 3u);
  EXPECT_EQ(server.FindNamed("a")->client, 1u);
  EXPECT_EQ(server.FindNamed("d"), nullptr);
  EXPECT_EQ(server.NamesOfOthers(1), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(server.NamesOfOthers(9).size(), 3u);
  server.PutNamed("a", {2, nullptr});
  EXPECT_EQ(server.named_count(), 3u);
  EXPECT_EQ(server.FindNamed("a")->client, 2u);
  while (const auto name = server.AnyNamed()) server.EraseNamed(*name);
  EXPECT_EQ(server.named_count(), 0u);
}

TEST(ServerStatementsTest, ClearForgetsEverything) {
  ServerStatements server;
  const auto kept = MakeStatement(1), closing = MakeStatement(2);
  server.Add(kept, 1);
  server.Add(closing, 1);
  server.BeginClose(closing, 1);
  server.PutNamed("a", {1, kept});
  server.unnamed = {1, 2, 3};
  server.Clear();
  EXPECT_EQ(server.size(), 0u);
  EXPECT_EQ(server.named_count(), 0u);
  EXPECT_EQ(server.unnamed.client, 0u);
  const Batches later{.current = 9, .answered = 0};
  EXPECT_EQ(server.Use(kept, later), Has::kNo);
  EXPECT_EQ(server.Use(closing, later), Has::kNo);
}

// The list and its index against a plain vector.
TEST(ServerStatementsTest, RandomUseKeepsTheOrderOfAPlainList) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 dice(seed);
    ServerStatements server;
    std::vector<StatementRef> all, model;  // model: oldest first
    for (uint64_t id = 1; id <= 8; ++id) all.push_back(MakeStatement(id));
    for (int turn = 0; turn < 400; ++turn) {
      const StatementRef& statement = all[dice() % all.size()];
      const bool is_there = std::erase(model, statement) > 0;
      switch (dice() % 4) {
        case 0:
          server.Add(statement, 0);
          model.push_back(statement);
          break;
        case 1:
          server.BeginClose(statement, 1);
          server.EndClose(statement);
          break;
        case 2:
          server.BeginClose(statement, 1);
          server.UndoClose(statement);
          model.insert(model.begin(), statement);
          break;
        default:
          ASSERT_EQ(server.Use(statement, {}) != Has::kNo, is_there) << "seed " << seed;
          if (is_there) model.push_back(statement);
      }
      ASSERT_EQ(server.size(), model.size()) << "seed " << seed;
      ASSERT_EQ(server.Oldest(), model.empty() ? nullptr : model.front()) << "seed " << seed << ", turn " << turn;
    }
    std::string ids;
    for (const auto& statement : model) ids += (ids.empty() ? "" : " ") + std::to_string(statement->id);
    EXPECT_EQ(TakeIds(server), ids);
  }
}

}  // namespace
}  // namespace protocol
