// State that lives in one server process: temporary tables, held cursors, advisory locks, the memory of sequences.
#include "tests/walk/operations.h"

namespace walk {
namespace {

Action MakeTemporary(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "CREATE TEMP TABLE temp_a (i int, t text)",
      "CREATE TEMPORARY TABLE temp_b (i int) ON COMMIT DELETE ROWS",
      "CREATE TEMP TABLE temp_c (i int) ON COMMIT DROP",
      "CREATE TEMP TABLE temp_a AS SELECT 1 AS i, 'made' AS t",
      "CREATE TABLE pg_temp.temp_b (i int)",
      "SELECT 2 AS i, 'into' AS t INTO TEMP temp_a",
      "CREATE TEMP TABLE IF NOT EXISTS temp_a (i int, t text)",
      "CREATE TEMP VIEW temp_v AS SELECT 'view' AS v",
      "CREATE TEMP SEQUENCE temp_s",
      "BEGIN; CREATE TEMP TABLE temp_c (i int) ON COMMIT DROP; INSERT INTO temp_c VALUES (1); COMMIT",
      "BEGIN; CREATE TEMP TABLE temp_a (i int, t text); ROLLBACK",
      "SELECT 1; CREATE TEMP TABLE temp_b (i int)",
  };
  return Simple(draw.OneOf(kStatements));
}

Action UseTemporary(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "INSERT INTO temp_a VALUES (3, 'inserted')",
      "INSERT INTO temp_b VALUES (4)",
      "INSERT INTO temp_c VALUES (5)",
      "SELECT * FROM temp_a ORDER BY i, t",
      "SELECT count(*) FROM temp_b",
      "SELECT count(*) FROM temp_c",
      "SELECT * FROM temp_v",
      "SELECT nextval('temp_s')",
      "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY relname",
      "DROP TABLE temp_a",
      "DROP TABLE IF EXISTS temp_b",
      "DROP VIEW temp_v",
      "DROP SEQUENCE temp_s",
      "TRUNCATE temp_a",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action DeclareHeld(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "DECLARE held_a CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
      "DECLARE held_b SCROLL CURSOR WITH HOLD FOR SELECT what FROM place",
      "BEGIN; DECLARE held_a CURSOR WITH HOLD FOR SELECT generate_series(1, 4); COMMIT",
      "BEGIN; DECLARE held_b CURSOR WITH HOLD FOR SELECT 1; ROLLBACK",
      "DECLARE plain CURSOR FOR SELECT generate_series(1, 3)",
  };
  return Simple(draw.OneOf(kStatements));
}

Action UseCursor(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "FETCH 2 FROM held_a",
      "FETCH ALL FROM held_b",
      "FETCH BACKWARD 1 FROM held_b",
      "MOVE 1 IN held_a",
      "CLOSE held_a",
      "CLOSE held_b",
      "CLOSE ALL",
      "FETCH FROM plain",
      "CLOSE plain",
      "SELECT name, is_holdable FROM pg_cursors WHERE name <> '' ORDER BY name",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

// Only try: a lock that another client holds must not stop the one thread that all clients share.
Action Lock(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT pg_try_advisory_lock(1)",
      "SELECT pg_try_advisory_lock(2)",
      "SELECT pg_try_advisory_lock(1, 2)",
      "SELECT pg_try_advisory_lock_shared(1)",
      "SELECT pg_try_advisory_lock_shared(3)",
      "SELECT pg_try_advisory_lock(2), pg_try_advisory_lock(2)",
      "SELECT pg_try_advisory_xact_lock(3)",
      "SELECT pg_try_advisory_lock(1), 1/0",
      "BEGIN; SELECT pg_try_advisory_lock(4); ROLLBACK",
  };
  return Simple(draw.OneOf(kStatements));
}

Action LockByParameter(Draw& draw) {
  return Extended("SELECT pg_try_advisory_lock($1::int, $2::int)", {"7", std::to_string(draw.dice.Below(3))});
}

Action Unlock(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT pg_advisory_unlock(1)",        "SELECT pg_advisory_unlock(2)",        "SELECT pg_advisory_unlock(1, 2)",
      "SELECT pg_advisory_unlock_shared(1)", "SELECT pg_advisory_unlock_shared(3)", "SELECT pg_advisory_unlock(4)",
      "SELECT pg_advisory_unlock_all()",     "SELECT pg_try_advisory_xact_lock(1)",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

// currval and lastval only where nextval stands before them in the same transaction: that is what is promised.
Action Count(Draw& draw) {
  const std::string sequence = "'" + draw.pair.Own("numbers") + "'";
  switch (draw.dice.Below(3)) {
    case 0:
      return Ask(draw, "SELECT nextval(" + sequence + ")");
    case 1:
      return Simple("SELECT nextval(" + sequence + "); SELECT currval(" + sequence + "), lastval()");
    default:
      return Simple("BEGIN; SELECT nextval(" + sequence + "); SELECT currval(" + sequence + "), lastval(); COMMIT");
  }
}

}  // namespace

std::vector<Operation> StateOperations() {
  return {
      {"temp", 10, Keeps::kSession, Who::kWithoutLiterals, MakeTemporary},
      {"temp", 30, Keeps::kNothingNew, Who::kWithoutLiterals, UseTemporary},
      {"cursors", 8, Keeps::kSession, Who::kAll, DeclareHeld},
      {"cursors", 20, Keeps::kNothingNew, Who::kAll, UseCursor},
      {"locks", 12, Keeps::kSession, Who::kAll, Lock},
      {"locks", 4, Keeps::kSession, Who::kAll, LockByParameter},
      {"locks", 20, Keeps::kNothingNew, Who::kAll, Unlock},
      {"sequences", 8, Keeps::kSession, Who::kAll, Count},
  };
}

}  // namespace walk
