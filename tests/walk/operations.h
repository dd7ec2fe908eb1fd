// What clients can do: each operation has a group, a weight among all, and says what it may keep of the pool.
//
// An operation is a function that draws an Action; it needs no knowledge of what the client has done before, because
// PostgreSQL's own answer says what is right, errors included. Names come from small sets, so that they meet again.
// Groups are the words of PGWEIR_WALK_ONLY. Threads: pure but for the dice.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/walk/action.h"
#include "tests/walk/pair.h"

namespace walk {

using sim::Dice;

struct Draw {
  Dice& dice;
  Pair& pair;
  uint64_t step;

  template <size_t kSize>
  const char* OneOf(const char* const (&words)[kSize]) {
    return words[dice.Below(kSize)];
  }
  template <class Thing>
  const Thing& OneOf(const std::vector<Thing>& things) {
    return things[dice.Below(things.size())];
  }
};

enum class Keeps {
  kNothing,      // the server is free again after the step
  kTransaction,  // may begin a transaction
  kSession,      // may make state that only this server process has
  kNothingNew,   // uses such state: a client that has none seldom asks for it
};

enum class Who { kAll, kWithLiterals, kWithoutLiterals };  // see Pair::PreparesLiterals

struct Operation {
  const char* group;
  unsigned weight;
  Keeps keeps;
  Who who;
  Action (*make)(Draw&);
};

// Taken in every run: without the ends of transactions and connections the pool would be held for ever.
inline constexpr char kAlwaysGroup[] = "ends";
// After these, and after transactions, the listeners are asked what they have heard.
inline constexpr char kListenGroup[] = "listen";
// No operation: whether startup packets carry settings.
inline constexpr char kStartupGroup[] = "startup";
// Only taken when it is named: what no proxy can see.
inline constexpr char kHiddenGroup[] = "hidden";

std::vector<Operation> SettingOperations();      // settings, searchpath, roles, discard, hidden
std::vector<Operation> TransactionOperations();  // transactions, errors, queries, ends
std::vector<Operation> StatementOperations();    // prepared, portals, literals, sqlprepared, mixed, ddl
std::vector<Operation> StateOperations();        // temp, cursors, locks, sequences
std::vector<Operation> ListenOperations();       // listen
std::vector<Operation> StreamOperations();       // pipelines, copy, ends

// By simple or extended protocol, as the dice fall.
Action Ask(Draw& draw, const std::string& sql);
// What the startup packet of a client says beside user and database.
test_support::Names DrawStartupSettings(Dice& dice, const Pair& pair);
std::string DrawLetters(Dice& dice, size_t count);

}  // namespace walk
