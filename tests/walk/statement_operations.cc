// Prepared statements by protocol and by SQL, under names that meet again, on tables whose columns change.
#include "tests/walk/operations.h"

namespace walk {
namespace {

constexpr const char* kNames[] = {"s0", "s1", "s2", "s3", ""};
constexpr const char* kLiteralNames[] = {"l0", "l1", "l2", ""};
constexpr const char* kDdlNames[] = {"d0", "d1"};
constexpr const char* kSqlNames[] = {"p0", "p1", "p2"};
constexpr int kWrongCountPercent = 3;
constexpr int kCloseFirstPercent = 70;
constexpr int kKnownNamePercent = 85;

struct Text {
  const char* sql;  // OWN stands for the client's number
  int parameters;
};

const std::vector<Text>& Texts() {
  static const std::vector<Text> texts = {
      {"SELECT $1::int + 1", 1},
      {"SELECT $1::int + 1", 1},
      {"SELECT $1::text AS word, current_setting('work_mem')", 1},
      {"SELECT count(*) FROM rows_OWN", 0},
      {"SELECT count(*) FROM rows_OWN WHERE i > $1", 1},
      {"INSERT INTO rows_OWN VALUES ($1::int, 'prepared') RETURNING i", 1},
      {"UPDATE rows_OWN SET t = 'updated' WHERE i = $1", 1},
      {"SELECT * FROM place", 0},
      {"SELECT current_user, session_user", 0},
      {"SELECT g FROM generate_series(1, $1::int) g", 1},
      {"SELECT 10 / $1::int", 1},
      {"SELECT $1::int + $2::int", 2},
      {"SELECT $1", 1},
      {"SHOW TimeZone", 0},
      {"SET work_mem = '31MB'", 0},
      {"SELECT set_config('app.x', coalesce($1, ''), false)", 1},
      {"BEGIN", 0},
      {"COMMIT", 0},
      {"ROLLBACK", 0},
      {"", 0},
      {"SELEKT", 0},
      {"SELECT * FROM no_such_table", 0},
      {"SELECT 1; SELECT 2", 0},
  };
  return texts;
}

const std::vector<Text>& LiteralTexts() {
  static const std::vector<Text> texts = {
      {"SELECT '01/02/2003'::date", 0},
      {"SELECT '01/02/2003'::date - $1::int", 1},
      {"SELECT '2020-01-01 00:00'::timestamptz AT TIME ZONE 'UTC'", 0},
      {"SELECT '2020-01-01 00:00'::timestamptz", 0},
      {"SELECT '-1 2:03'::interval", 0},
  };
  return texts;
}

std::string ForClient(const Draw& draw, std::string sql) {
  const std::string mark = "OWN";
  for (size_t at = 0; (at = sql.find(mark, at)) != std::string::npos;) {
    sql.replace(at, mark.size(), std::to_string(draw.pair.number()));
  }
  return sql;
}

test_support::Values DrawValues(Draw& draw, const std::string& name) {
  int count = draw.pair.ParametersOf(name);
  if (draw.dice.Percent(kWrongCountPercent)) ++count;
  test_support::Values values;
  for (int i = 0; i < count; ++i) {
    if (draw.dice.Percent(8)) {
      values.push_back(std::nullopt);
    } else if (draw.dice.Percent(4)) {
      values.push_back("no number");
    } else {
      values.push_back(std::to_string(draw.dice.Below(9)));
    }
  }
  return values;
}

Action ParseText(Draw& draw, const std::string& name, const Text& text) {
  Action action;
  // Often closed before, as drivers do that give a name to another text.
  if (!name.empty() && draw.dice.Percent(kCloseFirstPercent)) action += ClosePart(name);
  draw.pair.NoteStatement(name, text.parameters);
  return action += ParsePart(name, ForClient(draw, text.sql));
}

Action Parse(Draw& draw) {
  Action action = ParseText(draw, draw.OneOf(kNames), draw.OneOf(Texts()));
  return action += SyncPart();
}

Action ParseTyped(Draw& draw) {
  constexpr int kIntegerOid = 23, kTextOid = 25;
  const std::string name = draw.OneOf(kNames);
  const int type = draw.dice.Percent(50) ? kIntegerOid : kTextOid;
  draw.pair.NoteStatement(name, 1);
  Action action = ClosePart(name);
  action += Raw("Parse " + name + " of type " + std::to_string(type) + ": SELECT $1",
                test_support::Parse(name, "SELECT $1", {type}));
  action += DescribePart(name);
  return action += SyncPart();
}

Action ParseLiteral(Draw& draw) {
  Action action = ParseText(draw, draw.OneOf(kLiteralNames), draw.OneOf(LiteralTexts()));
  return action += SyncPart();
}

Action ExecuteNamed(Draw& draw, const std::string& name) {
  Action action = ExecutePart(name, DrawValues(draw, name));
  return action += SyncPart();
}

// Mostly a name that the client has given to something.
template <size_t kSize>
std::string DrawKnown(Draw& draw, const char* const (&names)[kSize]) {
  std::string name = draw.OneOf(names);
  const bool must_be_known = draw.dice.Percent(kKnownNamePercent);
  for (size_t i = 0; i < kSize && must_be_known && !draw.pair.HasStatement(name); ++i) name = names[i];
  return name;
}

Action Execute(Draw& draw) { return ExecuteNamed(draw, DrawKnown(draw, kNames)); }
Action ExecuteLiteral(Draw& draw) { return ExecuteNamed(draw, DrawKnown(draw, kLiteralNames)); }

Action ParseAndExecute(Draw& draw) {
  const std::string name = draw.OneOf(kNames);
  Action action = ParseText(draw, name, draw.OneOf(Texts()));
  action += DescribePart(name);
  action += ExecutePart(name, DrawValues(draw, name));
  return action += SyncPart();
}

// In a transaction, not without a query: another server has to parse the statement for it, which counts as the first one for
// SET TRANSACTION.
Action Describe(Draw& draw) {
  Action action = draw.pair.status() == 'T' ? ExtendedPart("SELECT 1") : Action();
  action += DescribePart(DrawKnown(draw, kNames));
  return action += SyncPart();
}

Action Close(Draw& draw) {
  Action action = ClosePart(draw.OneOf(kNames));
  return action += SyncPart();
}

Action Deallocate(Draw& draw) {
  if (draw.dice.Percent(20)) return Ask(draw, draw.dice.Percent(50) ? "DEALLOCATE ALL" : "DEALLOCATE PREPARE ALL");
  return Ask(draw, std::string("DEALLOCATE ") + draw.OneOf(kNames));
}

// A portal that lives over several Syncs of a transaction.
Action Portal(Draw& draw) {
  using namespace test_support;
  switch (draw.dice.Below(3)) {
    case 0: {
      Action action =
          Raw("portal c: 6 rows", test_support::Parse("", "SELECT g FROM generate_series(1, 6) g") + Bind("c", ""));
      return action += SyncPart();
    }
    case 1: {
      Action action = Raw("Execute portal c, 2 rows", test_support::Execute("c", 2));
      return action += SyncPart();
    }
    default: {
      Action action = Raw("Close portal c", ClosePortal("c"));
      return action += SyncPart();
    }
  }
}

Action SqlPrepare(Draw& draw) {
  static constexpr const char* kBodies[] = {
      "(int) AS SELECT $1 + 100",          " AS SELECT current_setting('work_mem')",
      " AS SELECT count(*) FROM rows_OWN", "(text) AS SELECT $1 || '!'",
      " AS SELECT * FROM place",
  };
  const std::string name = draw.OneOf(kSqlNames);
  draw.pair.NoteStatement(name, 1);
  return Ask(draw, "PREPARE " + name + ForClient(draw, draw.OneOf(kBodies)));
}

Action SqlExecute(Draw& draw) {
  static constexpr const char* kArguments[] = {"", "", "(1)", "('2')"};
  switch (draw.dice.Below(6)) {
    case 0:
      return Ask(draw, std::string("DEALLOCATE ") + draw.OneOf(kSqlNames));
    case 1:
      return Ask(draw, std::string("EXPLAIN (COSTS OFF) EXECUTE ") + draw.OneOf(kSqlNames) + draw.OneOf(kArguments));
    default:
      return Ask(draw, "EXECUTE " + DrawKnown(draw, kSqlNames) + draw.OneOf(kArguments));
  }
}

// Names cross from one way of preparing to the other: PostgreSQL keeps them in one table.
Action Mix(Draw& draw) {
  switch (draw.dice.Below(4)) {
    case 0:
      return Ask(draw, std::string("EXECUTE ") + draw.OneOf(kNames) + "(3)");
    case 1:
      return Ask(draw, std::string("PREPARE ") + draw.OneOf(kNames) + " AS SELECT 'by SQL'");
    case 2: {
      Action action = ClosePart(draw.OneOf(kSqlNames));
      return action += SyncPart();
    }
    default:
      return ExecuteNamed(draw, draw.OneOf(kSqlNames));
  }
}

Action ChangeColumns(Draw& draw) {
  static constexpr const char* kChanges[] = {"ADD COLUMN a int DEFAULT 1",
                                             "ADD COLUMN b text DEFAULT 'b'",
                                             "DROP COLUMN a",
                                             "DROP COLUMN b",
                                             "ALTER COLUMN base TYPE bigint",
                                             "ALTER COLUMN base TYPE int",
                                             "RENAME COLUMN a TO b",
                                             "ALTER COLUMN base SET DEFAULT 7"};
  return Ask(draw, "ALTER TABLE " + draw.pair.Own("shape") + " " + draw.OneOf(kChanges));
}

Action UseColumns(Draw& draw) {
  const std::string name = draw.OneOf(kDdlNames), table = draw.pair.Own("shape");
  switch (draw.dice.Below(4)) {
    case 0: {
      Action action = ClosePart(name);
      action += ParsePart(name, "SELECT * FROM " + table);
      return action += SyncPart();
    }
    case 1:
      return Ask(draw, "SELECT * FROM " + table);
    default:
      return ExecuteNamed(draw, name);
  }
}

}  // namespace

std::vector<Operation> StatementOperations() {
  return {
      {"prepared", 40, Keeps::kTransaction, Who::kAll, Parse},
      {"prepared", 10, Keeps::kNothing, Who::kAll, ParseTyped},
      {"prepared", 70, Keeps::kTransaction, Who::kAll, Execute},
      {"prepared", 20, Keeps::kTransaction, Who::kAll, ParseAndExecute},
      {"prepared", 15, Keeps::kNothing, Who::kAll, Describe},
      {"prepared", 10, Keeps::kNothing, Who::kAll, Close},
      {"prepared", 6, Keeps::kNothing, Who::kAll, Deallocate},
      {"portals", 12, Keeps::kNothing, Who::kAll, Portal},
      {"literals", 25, Keeps::kNothing, Who::kWithLiterals, ParseLiteral},
      {"literals", 60, Keeps::kTransaction, Who::kWithLiterals, ExecuteLiteral},
      {"sqlprepared", 15, Keeps::kNothing, Who::kAll, SqlPrepare},
      {"sqlprepared", 25, Keeps::kNothing, Who::kAll, SqlExecute},
      {"mixed", 10, Keeps::kTransaction, Who::kAll, Mix},
      {"ddl", 10, Keeps::kNothing, Who::kAll, ChangeColumns},
      {"ddl", 25, Keeps::kNothing, Who::kAll, UseColumns},
  };
}

}  // namespace walk
