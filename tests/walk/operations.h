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
};

enum class Who { kAll, kWithLiterals, kWithoutLiterals };  // see Pair::PreparesLiterals

struct Operation {
  const char* group;
  unsigned weight;
  Keeps keeps;
  Who who;
  Action (*make)(Draw&);
};

std::vector<Operation> SettingOperations();      // settings, roles, searchpath, discard
std::vector<Operation> TransactionOperations();  // transactions, errors, queries
std::vector<Operation> StatementOperations();    // prepared, literals, sqlprepared, ddl, mixed
std::vector<Operation> StateOperations();        // temp, cursors, locks, sequences
std::vector<Operation> ListenOperations();       // listen
std::vector<Operation> StreamOperations();       // pipelines, copy, reconnect

// By simple or extended protocol, as the dice fall.
Action Ask(Draw& draw, const std::string& sql);
// Startup packet of a client that comes (back): user and database, and now and then settings of its own.
test_support::Names DrawStartup(Dice& dice, const Pair& pair, const std::string& database);
std::string DrawLetters(Dice& dice, size_t count);

}  // namespace walk
