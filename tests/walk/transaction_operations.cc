// Transactions with all their modes and savepoints, errors in and out of them, and plain queries between.
#include "tests/walk/operations.h"

namespace walk {
namespace {

Action Begin(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "BEGIN",
      "begin work",
      "START TRANSACTION",
      "BEGIN ISOLATION LEVEL REPEATABLE READ",
      "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
      "START TRANSACTION READ ONLY",
      "BEGIN READ WRITE",
      "/* first */ BEGIN -- last",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action BeginWithMore(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "BEGIN; SELECT 1",
      "BEGIN; SET LOCAL work_mem = '21MB'; SHOW work_mem",
      "BEGIN; SET work_mem = '23MB'",
      "BEGIN; SELECT 1/0",
      "SELECT 1; BEGIN; SELECT 2",
      "BEGIN; SAVEPOINT a; SET app.x = 'in a savepoint'",
  };
  return Simple(draw.OneOf(kStatements));
}

Action End(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "COMMIT", "COMMIT", "END", "ROLLBACK", "ROLLBACK", "ABORT", "COMMIT AND NO CHAIN", "COMMIT WORK",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action EndWithMore(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "COMMIT; SELECT 1", "ROLLBACK; SHOW work_mem",     "COMMIT AND CHAIN",           "ROLLBACK AND CHAIN",
      "COMMIT; BEGIN",    "PREPARE TRANSACTION 'never'", "SET work_mem = '25MB'; END",
  };
  return Simple(draw.OneOf(kStatements));
}

Action InTransaction(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SAVEPOINT a",
      "SAVEPOINT a",
      "SAVEPOINT b",
      "ROLLBACK TO a",
      "ROLLBACK TO SAVEPOINT b",
      "RELEASE a",
      "RELEASE SAVEPOINT b",
      "SET TRANSACTION READ ONLY",
      "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
      "SHOW transaction_isolation",
      "SHOW transaction_read_only",
      "SET CONSTRAINTS ALL DEFERRED",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action Fail(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT 1/0",
      "SELECT * FROM no_such_table",
      "SELEKT 1",
      "SELECT 'abc'::int",
      "SELECT no_such_function(1)",
      "INSERT INTO checked VALUES (-1)",
      "DO $$ BEGIN RAISE EXCEPTION 'own words' USING ERRCODE = 'P0W01', DETAIL = 'd', HINT = 'h'; END $$",
      "SELECT 1; SELECT 1/0; SELECT 2",
      "SELECT 'unterminated",
      "SET work_mem = ",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action Read(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT 1",
      "",
      ";",
      "-- nothing",
      "SELECT",
      "SELECT NULL, '', 'x'",
      "SELECT g, g * g FROM generate_series(1, 5) g",
      "SELECT repeat('wide', 3000)",
      "VALUES (1, 'a'), (2, NULL)",
      "EXPLAIN (COSTS OFF) SELECT 1",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action ReadSeveral(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT 1; SELECT 2",
      "SELECT 1;; SELECT 'two;'; -- end",
      "SHOW work_mem; SHOW TimeZone",
      "BEGIN; SELECT 1; COMMIT",
      "BEGIN; SELECT 1/0; COMMIT",
      "BEGIN; SET LOCAL app.x = 'gone'; COMMIT; SELECT coalesce(current_setting('app.x', true), '')",
      "BEGIN; SET app.x = 'rolled back'; ROLLBACK; SELECT coalesce(current_setting('app.x', true), '')",
  };
  return Simple(draw.OneOf(kStatements));
}

Action Write(Draw& draw) {
  const std::string table = draw.pair.Own("rows");
  const std::string number = std::to_string(draw.dice.Below(20));
  switch (draw.dice.Below(5)) {
    case 0:
      return Ask(draw, "INSERT INTO " + table + " VALUES (" + number + ", 'from walk') RETURNING i, t");
    case 1:
      return Ask(draw, "UPDATE " + table + " SET t = t || '+' WHERE i = " + number);
    case 2:
      return Ask(draw, "DELETE FROM " + table + " WHERE i >= " + number);
    case 3:
      return Ask(draw, "TRUNCATE " + table);
    default:
      return Ask(draw, "SELECT i, length(t) FROM " + table + " ORDER BY i, t");
  }
}

}  // namespace

std::vector<Operation> TransactionOperations() {
  return {
      {"transactions", 40, Keeps::kTransaction, Who::kAll, Begin},
      {"transactions", 8, Keeps::kTransaction, Who::kAll, BeginWithMore},
      {kAlwaysGroup, 60, Keeps::kNothing, Who::kAll, End},
      {"transactions", 6, Keeps::kTransaction, Who::kAll, EndWithMore},
      {"transactions", 45, Keeps::kNothing, Who::kAll, InTransaction},
      {"errors", 20, Keeps::kNothing, Who::kAll, Fail},
      {"queries", 20, Keeps::kNothing, Who::kAll, Read},
      {"queries", 10, Keeps::kTransaction, Who::kAll, ReadSeveral},
      {"queries", 25, Keeps::kNothing, Who::kAll, Write},
  };
}

}  // namespace walk
