// Settings: said in every way there is, read back in every way there is; roles; DISCARD.
#include "tests/walk/operations.h"

namespace walk {
namespace {

struct Setting {
  const char* name;
  std::vector<const char*> values;  // the last one is refused
};

const std::vector<Setting>& Settings() {
  static const std::vector<Setting> settings = {
      {"work_mem", {"1MB", "5MB", "64kB", "2GB", "12XB"}},
      {"statement_timeout", {"100s", "3min", "1h", "-5"}},
      {"lock_timeout", {"200s", "4min", "0", "soon"}},
      {"idle_in_transaction_session_timeout", {"1h", "0", "x"}},
      {"TimeZone", {"Asia/Tokyo", "America/New_York", "UTC", "+03:30", "Nowhere/Land"}},
      {"DateStyle", {"ISO, DMY", "SQL, MDY", "German", "Postgres, DMY", "ISO, YMD", "Klingon"}},
      {"IntervalStyle", {"postgres", "postgres_verbose", "sql_standard", "iso_8601", "brief"}},
      {"client_min_messages", {"notice", "warning", "error", "log", "shout"}},
      {"extra_float_digits", {"0", "1", "3", "-15", "99"}},
      {"bytea_output", {"hex", "escape", "octal"}},
      {"default_transaction_read_only", {"on", "off", "off", "perhaps"}},
      // Never with default_transaction_deferrable: a deferrable transaction waits for others to end.
      {"default_transaction_isolation", {"read committed", "repeatable read", "serializable", "none"}},
      {"application_name", {"walker", "it's mine", "", "a b c"}},
      {"client_encoding", {"UTF8", "LATIN1", "SQL_ASCII", "EBCDIC"}},
      {"standard_conforming_strings", {"on", "on", "off", "sometimes"}},
      {"enable_seqscan", {"on", "off", "2"}},
      {"no_such_setting", {"1"}},
      {"app.x", {"small", "", "it's", "back\\slash", "{\"json\": 1}"}},
      {"app.y", {"why", "0", "\"quoted\""}},
  };
  return settings;
}

const std::vector<std::string>& SearchPaths() {
  static const std::vector<std::string> paths = {
      "one", "two", "one, two", "two, public", "public", "\"$user\", public", "pg_catalog, one", "nowhere, two", ""};
  return paths;
}

constexpr size_t kLongValueBytesMax = 5000;

std::string Literal(const std::string& value) {
  std::string quoted = "'";
  bool has_backslash = false;
  for (const char c : value) {
    has_backslash |= c == '\\';
    quoted += c == '\'' || c == '\\' ? std::string(2, c) : std::string(1, c);
  }
  return (has_backslash ? " E" : "") + quoted + "'";
}

std::string DrawValue(Draw& draw, const Setting& setting) {
  if (std::string(setting.name) == "app.x" && draw.dice.Percent(50)) {
    return DrawLetters(draw.dice, 1 + draw.dice.Below(kLongValueBytesMax));
  }
  const size_t valid = std::max<size_t>(setting.values.size() - 1, 1);
  return draw.dice.Percent(5) ? setting.values.back() : setting.values[draw.dice.Below(valid)];
}

Action SetTo(Draw& draw, const std::string& name, const std::string& value) {
  switch (draw.dice.Below(8)) {
    case 0:
      return Ask(draw, "SET SESSION " + name + " TO " + Literal(value));
    case 1:
      return Ask(draw, "set /* a comment; */ " + name + "=" + Literal(value));
    case 2:
      return Ask(draw, "SET LOCAL " + name + " = " + Literal(value));
    case 3:
      return Ask(draw, "SELECT set_config('" + name + "', " + Literal(value) + ", false)");
    case 4:
      return Ask(draw, "SELECT set_config('" + name + "', " + Literal(value) + ", true)");
    case 5:
      return Extended("SELECT set_config($1, $2, $3::bool)", {name, value, draw.dice.Percent(70) ? "false" : "true"});
    default:
      return Ask(draw, "SET " + name + " = " + Literal(value));
  }
}

Action Set(Draw& draw) {
  const Setting& setting = draw.OneOf(Settings());
  return SetTo(draw, setting.name, DrawValue(draw, setting));
}

Action SetOtherwise(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SET TIME ZONE 'Europe/Berlin'",
      "SET TIME ZONE 5",
      "SET TIME ZONE LOCAL",
      "SET TIME ZONE INTERVAL '-08:30' HOUR TO MINUTE",
      "SET LOCAL TIME ZONE 'Asia/Kolkata'",
      "SET NAMES 'LATIN1'",
      "SET NAMES DEFAULT",
      "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
      "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
      "SET work_mem TO DEFAULT",
      "SET TimeZone TO DEFAULT",
      "SET DateStyle TO ISO, DMY",
      "SET \"WORK_MEM\" TO '7MB'",
      "SET Work_Mem = 8192",
      "SET app.x TO one, two",
      "SET work_mem = '9MB'; SET app.x = 'second'",
      "SET work_mem = '11MB'; SELECT 1/0; SET app.x = 'never'",
      "SELECT set_config('work_mem', '13MB', false), set_config('app.x', 'same statement', false)",
      "SELECT set_config('app.x', v, false) FROM (VALUES ('first'), ('last')) AS t(v)",
      "WITH quiet AS (SELECT set_config('app.y', 'from a CTE', false)) SELECT length(set_config) FROM quiet",
  };
  return Simple(draw.OneOf(kStatements));
}

// Nobody can ask a server for a custom setting without its name: this pins.
Action SetComputedName(Draw& draw) { return Ask(draw, "SELECT set_config('app.' || 'x', 'computed name', false)"); }

Action Reset(Draw& draw) {
  const Setting& setting = draw.OneOf(Settings());
  if (draw.dice.Percent(20)) return Ask(draw, std::string("SET ") + setting.name + " TO DEFAULT");
  return Ask(draw, std::string("RESET ") + setting.name);
}

Action ResetAll(Draw& draw) { return Ask(draw, "RESET ALL"); }

bool IsCustom(const std::string& name) { return name.find('.') != std::string::npos; }

Action Show(Draw& draw) {
  const std::string name = draw.OneOf(Settings()).name;
  // PostgreSQL cannot unset a custom setting again, so absent and empty count as equal.
  if (IsCustom(name)) return Ask(draw, "SELECT coalesce(current_setting('" + name + "', true), '')");
  if (draw.dice.Percent(30)) return Extended("SELECT current_setting($1, true)", {name});
  return Ask(draw, "SHOW " + name);
}

Action ShowAllAtOnce(Draw& draw) {
  std::string columns;
  for (const Setting& setting : Settings()) {
    columns += std::string(columns.empty() ? "" : ", ") + "coalesce(current_setting('" + setting.name + "', true), '')";
  }
  return Ask(draw, "SELECT " + columns + ", current_setting('transaction_isolation')");
}

Action ReadFormats(Draw& draw) {
  static constexpr const char* kQueries[] = {
      "SELECT '2003-02-01'::date, '2020-01-01 00:00+00'::timestamptz, '1 day 02:03:04'::interval",
      "SELECT '01/02/03'::date",
      "SELECT '2020-07-01 12:00'::timestamptz AT TIME ZONE 'UTC'",
      "SELECT 1::float8 / 3, 0.1::float4, '\\x00ff7f'::bytea",
      "SELECT 'a\\nb', length('a\\\\b')",
      "DO $$ BEGIN RAISE NOTICE 'heard'; RAISE WARNING 'heard too'; END $$",
      "SELECT extract(epoch FROM '2000-01-01 00:00'::timestamptz)",
  };
  return Ask(draw, draw.OneOf(kQueries));
}

Action SetSearchPath(Draw& draw) {
  const std::string path = draw.OneOf(SearchPaths());
  if (draw.dice.Percent(30)) return SetTo(draw, "search_path", path);
  if (draw.dice.Percent(15)) return Ask(draw, "RESET search_path");
  return Ask(draw, std::string(draw.dice.Percent(20) ? "SET LOCAL" : "SET") + " search_path TO " +
                       (path.empty() ? "''" : path));
}

Action ReadPlace(Draw& draw) {
  static constexpr const char* kQueries[] = {"SELECT * FROM place", "SELECT what FROM place", "SHOW search_path",
                                             "SELECT current_schema(), current_schemas(false)", "SELECT answer('x')"};
  return Ask(draw, draw.OneOf(kQueries));
}

Action SetRole(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SET ROLE reader",
      "SET ROLE writer",
      "SET ROLE 'reader'",
      "SET LOCAL ROLE writer",
      "SET SESSION ROLE NONE",
      "SET ROLE NONE",
      "RESET ROLE",
      "SET ROLE stranger",
      "SET ROLE nobody_at_all",
      "SELECT set_config('role', 'reader', false)",
      "SET SESSION AUTHORIZATION reader",
      "SET SESSION AUTHORIZATION DEFAULT",
      "SET LOCAL SESSION AUTHORIZATION writer",
      "RESET SESSION AUTHORIZATION",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

Action ReadRole(Draw& draw) {
  static constexpr const char* kQueries[] = {"SELECT current_user, session_user",
                                             "SHOW role",
                                             "SHOW is_superuser",
                                             "SHOW session_authorization",
                                             "SELECT * FROM of_reader",
                                             "SELECT * FROM of_stranger"};
  return Ask(draw, draw.OneOf(kQueries));
}

Action DiscardAll(Draw& draw) {
  Action action = Ask(draw, "DISCARD ALL");
  action.cleans_session = true;
  return action;
}

Action Discard(Draw& draw) {
  static constexpr const char* kStatements[] = {"DISCARD TEMP", "DISCARD SEQUENCES", "DISCARD PLANS"};
  return Ask(draw, draw.OneOf(kStatements));
}

// What no reading of the words can see: a setting that a function or a DO block leaves behind.
Action SetInFunction(Draw& draw) {
  static constexpr const char* kStatements[] = {
      "SELECT quiet_set('work_mem', '17MB')",
      "SELECT quiet_set('app.x', 'hidden')",
      "SELECT quiet_set('TimeZone', 'Asia/Dubai')",
      "DO $$ BEGIN SET work_mem = '19MB'; END $$",
      "DO $$ BEGIN PERFORM set_config('statement_timeout', '55s', false); END $$",
  };
  return Ask(draw, draw.OneOf(kStatements));
}

}  // namespace

std::vector<Operation> SettingOperations() {
  return {
      {"settings", 60, Keeps::kNothing, Who::kAll, Set},
      {"settings", 15, Keeps::kNothing, Who::kAll, SetOtherwise},
      {"settings", 2, Keeps::kSession, Who::kAll, SetComputedName},
      {"settings", 15, Keeps::kNothing, Who::kAll, Reset},
      {"settings", 3, Keeps::kNothing, Who::kAll, ResetAll},
      {"settings", 40, Keeps::kNothing, Who::kAll, Show},
      {"settings", 15, Keeps::kNothing, Who::kAll, ShowAllAtOnce},
      {"settings", 25, Keeps::kNothing, Who::kAll, ReadFormats},
      {"searchpath", 15, Keeps::kNothing, Who::kWithoutLiterals, SetSearchPath},
      {"searchpath", 30, Keeps::kNothing, Who::kAll, ReadPlace},
      {"roles", 15, Keeps::kNothing, Who::kAll, SetRole},
      {"roles", 15, Keeps::kNothing, Who::kAll, ReadRole},
      {"discard", 8, Keeps::kNothing, Who::kAll, DiscardAll},
      {"discard", 5, Keeps::kNothing, Who::kWithoutLiterals, Discard},
      {kHiddenGroup, 15, Keeps::kNothing, Who::kAll, SetInFunction},
  };
}

}  // namespace walk
