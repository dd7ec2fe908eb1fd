#include "admin/select.h"

#include <gtest/gtest.h>

#include "admin/show_tables.h"

namespace admin {
namespace {

// The rows of SHOW CLIENTS that the tests pick from: user, state, wait, and an application that may be NULL.
std::vector<Row> Clients(const Columns& columns) {
  struct Client {
    const char *user, *state, *wait, *application;
  };
  constexpr Client kClients[] = {{"ann", "idle", "0", "psql"},        {"bob", "waiting", "12", "billing_1"}, {"cy", "active", "9", nullptr},
                                 {"Dan", "waiting", "3", "billing%"}, {"eve", "idle", "100", "bill\xc3\xa4"}};
  std::vector<Row> rows;
  for (const Client& client : kClients) {
    Row row(columns.size(), std::string("0"));
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].name == "user") row[i] = client.user;
      if (columns[i].name == "state") row[i] = client.state;
      if (columns[i].name == "wait") row[i] = client.wait;
      if (columns[i].name == "application_name") row[i] = client.application == nullptr ? std::nullopt : std::optional<std::string>(client.application);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string Answer(const std::string& sql) {
  const auto command = ParseCommand(sql);
  if (!command) return command.error().sqlstate + ' ' + command.error().message + " @" + std::to_string(command.error().position);
  if (command->select == nullptr) return "not a SELECT";
  const Select& select = *command->select;
  Table table;
  if (select.table != nullptr) table.columns = ColumnsOf(Command{.verb = select.table});
  table.rows = select.table != nullptr ? Clients(table.columns) : std::vector<Row>();
  const Table picked = select.table != nullptr ? Pick(select, table) : Table{select.columns, {select.values}};
  std::string out;
  for (const Row& row : picked.rows) {
    for (const auto& value : row) out += (&value == &row.front() ? "" : ",") + value.value_or("~");
    out += ' ';
  }
  return out;
}

std::string UsersWhere(const std::string& condition) { return Answer("SELECT user FROM clients WHERE " + condition); }

struct Case {
  std::string text, answer;
};

TEST(Select, Conditions) {
  const Case cases[] = {
      {"state = 'idle'", "ann eve "},
      {"state <> 'idle' AND wait > 5", "bob cy "},
      {"state != 'idle' and wait >= 9 or user='ann'", "ann bob cy "},
      {"user = 'ann' OR user = 'bob' AND wait < 5", "ann "},
      {"(user = 'ann' OR user = 'bob') AND wait < 5", "ann "},
      {"(user = 'ann' OR user = 'bob') AND wait <= 12", "ann bob "},
      {"wait > '9'", "bob eve "},
      {"wait = 9.0", "cy "},
      {"wait < 9223372036854775807 AND wait > 11.5 AND wait < 18446744073709551616", "bob eve "},
      {"wait > -1 AND wait < 9.5", "ann cy Dan "},
      {"NOT state IN ('idle', 'active')", "bob Dan "},
      {"state NOT IN ('idle', 'active')", "bob Dan "},
      {"wait IN (9, 12, '100')", "bob cy eve "},
      {"wait NOT IN (9, NULL)", ""},
      {"application_name IS NULL", "cy "},
      {"application_name IS NOT NULL AND NOT (wait = 0)", "bob Dan eve "},
      {"application_name = NULL", ""},
      {"NOT application_name = 'psql'", "bob Dan eve "},
      {"application_name = 'psql' OR application_name IS NULL", "ann cy "},
      {"application_name LIKE 'billing%'", "bob Dan "},
      {"application_name LIKE '%\\%'", "Dan "},
      {"application_name LIKE 'bill_'", "eve "},
      {"application_name NOT LIKE '%i%g%'", "ann eve "},
      {"application_name LIKE NULL", ""},
      {"application_name LIKE '%%l%_%'", "bob Dan eve "},
      {"user > 'D' AND user < 'b'", "ann Dan "},
      {"\"user\" = 'bob' -- the end", "bob "},
      {"user = 'it''s'", ""},
  };
  for (const Case& each : cases) EXPECT_EQ(UsersWhere(each.text), each.answer) << each.text;
}

TEST(Select, ColumnsOrderAndLimit) {
  const Case cases[] = {
      {"select USER, wait from CLIENTS order by wait desc limit 2;", "eve,100 bob,12 "},
      {"SELECT wait AS w, user FROM clients ORDER BY w LIMIT 3", "0,ann 3,Dan 9,cy "},
      {"SELECT state, user FROM clients ORDER BY 1, 2 DESC", "active,cy idle,eve idle,ann waiting,bob waiting,Dan "},
      {"SELECT application_name FROM clients ORDER BY application_name DESC LIMIT 2", "~ psql "},
      {"SELECT application_name FROM clients ORDER BY application_name LIMIT 1", "billing% "},
      {"SELECT count(*) FROM clients WHERE state = 'idle'", "2 "},
      {"SELECT count(*) AS n FROM clients LIMIT 0", ""},
      {"SELECT user FROM clients LIMIT 0", ""},
      {"SELECT 1", "1 "},
      {"SELECT 'it''s', 5000000000, -2 AS x, NULL", "it's,5000000000,-2,~ "},
      {"SELECT version()", "pgweir " PGWEIR_VERSION " "},
      {"select pg_catalog.version()", "pgweir " PGWEIR_VERSION " "},
      {"SELECT current_database(), current_setting('TimeZone')", "pgweir,GMT "},
  };
  for (const Case& each : cases) EXPECT_EQ(Answer(each.text), each.answer) << each.text;
  EXPECT_EQ(ParseCommand("SELECT * FROM clients")->select->columns, ColumnsOf(*ParseCommand("SHOW CLIENTS")));
  EXPECT_EQ(ParseCommand("SELECT count(*) FROM clients")->select->columns, (Columns{{"count", ColumnType::kInt8}}));
}

TEST(Select, ErrorsHavePostgresCodeAndPlace) {
  const Case cases[] = {
      {"SELECT", "42601 syntax error at end of input @7"},
      {"SELECT FROM clients", "42601 syntax error at or near \"FROM\" @8"},
      {"SELECT user FROM", "42601 syntax error at end of input @17"},
      {"SELECT user FROM clientz", "42P01 relation \"clientz\" does not exist @18"},
      {"SELECT user FROM fds", "42P01 relation \"fds\" does not exist @18"},
      {"SELECT usr FROM clients", "42703 column \"usr\" does not exist @8"},
      {"SELECT user", "42703 column \"user\" does not exist @8"},
      {"SELECT user FROM clients WHERE wat > 1", "42703 column \"wat\" does not exist @32"},
      {"SELECT user FROM clients WHERE \"User\" = 'x'", "42703 column \"User\" does not exist @32"},
      {"SELECT user FROM clients ORDER BY nothing", "42703 column \"nothing\" does not exist @35"},
      {"SELECT user FROM clients ORDER BY 2", "42P10 ORDER BY position 2 is not in select list @35"},
      {"SELECT user FROM clients ORDER user", "42601 syntax error at or near \"user\" @32"},
      {"SELECT user FROM clients WHERE user", "42601 syntax error at end of input @36"},
      {"SELECT user FROM clients WHERE user = ", "42601 syntax error at end of input @39"},
      {"SELECT user FROM clients WHERE user = 5", "42883 operator does not exist: text = numeric @37"},
      {"SELECT user FROM clients WHERE wait = 'x'", "22P02 invalid input syntax for type integer: \"x\" @37"},
      {"SELECT user FROM clients WHERE wait = 'nan'", "22P02 invalid input syntax for type integer: \"nan\" @37"},
      {"SELECT user FROM clients WHERE wait LIKE '1%'", "42883 LIKE compares texts, not integer @37"},
      {"SELECT user FROM clients WHERE user LIKE 'a\\'", "22025 LIKE pattern must not end with escape character @42"},
      {"SELECT user FROM clients WHERE user NOT NOT LIKE 'a'", "42601 syntax error at or near \"NOT\" @41"},
      {"SELECT user FROM clients WHERE user IN ()", "42601 syntax error at or near \")\" @41"},
      {"SELECT user FROM clients WHERE (user = 'a'", "42601 syntax error at end of input @43"},
      {"SELECT user FROM clients LIMIT -1", "42601 syntax error at or near \"-\" @32"},
      {"SELECT user FROM clients; SHOW POOLS", "42601 syntax error at or near \"SHOW\" @27"},
      {"SELECT 'open", "42601 unterminated quoted string at or near \"'open\" @8"},
      {"SELECT \"open", "42601 unterminated quoted identifier at or near \"\"open\" @8"},
      {"SELECT /* open", "42601 unterminated comment at or near \"/* open\" @8"},
      {"SELECT 1.2.3", "42601 syntax error at or near \"1.2.3\" @8"},
      {"SELECT pg_sleep(1)", "42883 function pg_sleep() does not exist @8"},
      {"SELECT now()", "42883 function now() does not exist @8"},
      {"SELECT current_setting('x')", "42704 unrecognized configuration parameter \"x\" @24"},
      {"SELECT *", "42601 SELECT * with no tables specified is not valid @8"},
      {"SELECT count(*), user FROM clients", "42803 count(*) stands alone: there is no GROUP BY @8"},
      {"SELECT count(*) FROM clients ORDER BY user", "42803 count(*) has one row: there is nothing to sort @30"},
      {"SELECT '\xc3\xa4', usr FROM clients", "0A000 only columns and count(*) can be selected from a table @8"},
      {"SELECT user /* \xc3\xa4 */ FRM clients", "42601 syntax error at or near \"FRM\" @21"},
      {"KILL WHERE", "42601 syntax error at end of input @11"},
      {"KILL WHERE usr = 'x'", "42703 column \"usr\" does not exist @12"},
  };
  for (const Case& each : cases) EXPECT_EQ(Answer(each.text), each.answer) << each.text;
  EXPECT_EQ(ParseCommand("SELECT usr FROM clients").error().hint, "Perhaps you meant \"user\".");
  EXPECT_EQ(ParseCommand("SELECT user FROM clientz").error().hint, "Perhaps you meant \"clients\".");
}

TEST(Select, Limits) {
  const auto code = [](const std::string& sql) {
    const auto command = ParseCommand(sql);
    return command ? std::string("fine") : command.error().sqlstate;
  };
  const std::string start = "SELECT user FROM clients WHERE ";
  const auto nested = [&](size_t depth) { return start + std::string(depth, '(') + "wait = 1" + std::string(depth, ')'); };
  EXPECT_EQ(code(nested(kSelectDepthMax)), "fine");
  EXPECT_EQ(code(nested(kSelectDepthMax + 1)), "54001");
  std::string nots = start;
  for (size_t i = 0; i <= kSelectDepthMax; ++i) nots += "NOT ";
  EXPECT_EQ(code(nots + "wait = 1"), "54001");
  EXPECT_EQ(code(nots + "("), "54001");
  const std::string padded = start + "wait = 1" + std::string(kSelectBytesMax, ' ');
  EXPECT_EQ(code(padded.substr(0, kSelectBytesMax)), "fine");
  EXPECT_EQ(code(padded), "54000");
  std::string list = start + "wait IN (1", columns = "SELECT user";
  for (size_t i = 1; i < kSelectItemsMax; ++i) list += ",1", columns += ",user";
  EXPECT_EQ(code(list + ")"), "fine");
  EXPECT_EQ(code(list + ",1)"), "54000");
  EXPECT_EQ(code(columns + " FROM clients"), "fine");
  EXPECT_EQ(code(columns + ",user FROM clients"), "54011");
  EXPECT_EQ(code("SELECT *,*,*,*,*,*,*,*,*,*,*,* FROM clients"), "54011");
}

// Every cut of a long statement and every byte in every place: an answer, never a crash.
TEST(Select, SurvivesEveryCutAndEveryByte) {
  const std::string sql =
      "SELECT user AS \"u\", wait FROM clients WHERE NOT (user LIKE 'a%' OR wait IN (1, '2')) AND port IS NOT NULL ORDER BY u DESC, 2 LIMIT 5;";
  ASSERT_TRUE(ParseCommand(sql));
  for (size_t length = 0; length <= sql.size(); ++length) Answer(sql.substr(0, length));
  for (size_t at = 0; at < sql.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = sql;
      changed[at] = static_cast<char>(byte);
      Answer(changed);
    }
  }
}

}  // namespace
}  // namespace admin
