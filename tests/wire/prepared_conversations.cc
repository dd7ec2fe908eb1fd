#include "tests/wire/prepared_conversations.h"

namespace wire {

using namespace test_support;

namespace {

using List = std::vector<Conversation>;

constexpr size_t kLargeBytes = 1 << 20;

std::string Fresh(std::string_view name, std::string_view sql) { return CloseStatement(name) + Parse(name, sql); }

std::string Run(std::string_view name, const Values& values = {}) { return Bind("", name, values) + Execute(""); }

void AddLives(List& all) {
  all.push_back({"prepared, described and executed in turn",
                 {{Fresh("s", "echo $1") + Sync(), "31Z"},
                  {DescribeStatement("s") + Sync(), "tTZ"},
                  {Bind("", "s", {"one"}) + DescribePortal("") + Execute("") + Sync(), "2TDCZ"},
                  {Run("s", {"two"}) + Run("s", {std::nullopt}) + Sync(), "2DC2DCZ"},
                  {CloseStatement("s") + Sync(), "3Z"}}});
  all.push_back({"prepared in a pipeline",
                 {{Fresh("s", "echo s") + Sync() + Run("s") + Sync() + Run("s") + CloseStatement("s") + Sync() +
                       Fresh("s", "echo t") + Run("s") + Sync() + CloseStatement("s") + Sync(),
                   "31Z2DCZ2DC3Z312DCZ3Z"}}});
  all.push_back(
      {"one text under two names",
       {{Fresh("a", "echo $1") + Fresh("b", "echo $1") + Run("a", {"1"}) + Run("b", {"2"}) + Sync(), "31312DC2DCZ"},
        {CloseStatement("a") + Run("b", {"3"}) + Run("a", {"4"}) + Sync(), "32DCEZ"},
        {Run("b", {"5"}) + CloseStatement("b") + Sync(), "2DC3Z"}}});
  all.push_back({"one text with two lists of types",
                 {{CloseStatement("a") + CloseStatement("b") + Parse("a", "echo $1", {25}) + Parse("b", "echo $1") +
                       Run("a", {"1"}) + Run("b", {"2"}) + CloseStatement("a") + CloseStatement("b") + Sync(),
                   "33112DC2DC33Z"}}});
  all.push_back({"empty statement with a name",
                 {{Fresh("e", "") + DescribeStatement("e") + Run("e") + Sync(), "31tn2IZ"},
                  {Run("e") + CloseStatement("e") + Sync(), "2I3Z"}}});
  all.push_back({"statements outlive transactions",
                 {{Query("begin") + Fresh("a", "echo a") + Sync() + Query("rollback"), "CZ31ZCZ"},
                  {Run("a") + Sync(), "2DCZ"},
                  {Query("begin") + CloseStatement("a") + Sync() + Query("rollback"), "CZ3ZCZ"},
                  {Run("a") + Sync(), "EZ"}}});
  all.push_back({"a transaction of prepared statements",
                 {{Fresh("b", "begin") + Fresh("s", "echo $1") + Fresh("c", "commit") + Sync(), "313131Z"},
                  {Run("b") + Run("s", {"in"}) + Sync() + Run("s", {"still"}) + Run("c") + Sync(), "2C2DCZ2DC2CZ"},
                  {CloseStatement("b") + CloseStatement("s") + CloseStatement("c") + Sync(), "333Z"}}});
  std::string parses, runs, closes, parsed, ran, closed;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "s" + std::to_string(i);
    parses += Fresh(name, "echo " + name);
    runs += Run(name);
    closes += CloseStatement(name);
    parsed += "31";
    ran += "2DC";
    closed += "3";
  }
  all.push_back({"forty statements in a pipeline",
                 {{parses + runs + Sync() + closes + Sync(), parsed + ran + "Z" + closed + "Z"}}});
}

void AddNames(List& all) {
  all.push_back(
      {"a name that is taken",
       {{Fresh("s", "echo first") + Parse("s", "echo first") + Run("s") + Sync(), "31EZ"},
        {Parse("s", "echo second") + Sync() + Run("s") + Sync(), "EZ2DCZ"},
        {CloseStatement("s") + Parse("s", "echo second") + Run("s") + CloseStatement("s") + Sync(), "312DC3Z"}}});
  all.push_back(
      {"names that are unknown",
       {{Bind("", "nope") + Sync(), "EZ"},
        {DescribeStatement("nope") + Sync(), "EZ"},
        {CloseStatement("nope") + Sync(), "3Z"},
        {Batch("echo a") + Run("nope") + Batch("echo b") + Sync() + Batch("echo c") + Sync(), "12TDCEZ12TDCZ"},
        {Batch("echo a") + DescribeStatement("nope") + Batch("echo b") + Sync() + Batch("echo c") + Sync(),
         "12TDCEZ12TDCZ"}}});
  all.push_back(
      {"a name closed and used in one pipeline",
       {{Fresh("s", "echo s") + Run("s") + CloseStatement("s") + Run("s") + Parse("s", "echo t") + Sync(), "312DC3EZ"},
        {Run("s") + Sync() + Parse("s", "echo u") + Run("s") + CloseStatement("s") + Sync(), "EZ12DC3Z"}}});
  all.push_back({"a name closed and taken again in one pipeline",
                 {{Fresh("s", "echo s") + Run("s") + Fresh("s", "echo t") + Run("s") + Fresh("s", "echo s") + Run("s") +
                       CloseStatement("s") + Sync(),
                   "312DC312DC312DC3Z"}}});
  for (const std::string& name :
       {std::string("pgweir_1"), std::string(" spaced  out "), std::string("Case"), std::string("we\"ird'\t\n\\"),
        std::string("d\xc3\xa9j\xc3\xa0 vu"), std::string(63, 'n'), std::string(300, 'n')}) {
    all.push_back(
        {"name number " + std::to_string(all.size()),
         {{Fresh(name, "echo $1") + DescribeStatement(name) + Parse(name, "echo") + Sync(), "31tTEZ"},
          {Bind("p", name, {"x"}) + Execute("p") + Sync() + CloseStatement(name) + Run(name) + Sync(), "2DCZ3EZ"}}});
  }
  all.push_back({"names that differ in letter case",
                 {{Fresh("S", "echo upper") + Fresh("s", "echo lower") + Run("S") + Run("s") + CloseStatement("S") +
                       Run("s") + CloseStatement("s") + Sync(),
                   "31312DC2DC32DC3Z"}}});
  all.push_back(
      {"names that agree in 63 bytes are one",
       {{Fresh(std::string(63, 'n') + "a", "echo a") + Sync() + Parse(std::string(63, 'n') + "b", "echo b") + Sync(),
         "31ZEZ"},
        {Run(std::string(63, 'n')) + CloseStatement(std::string(70, 'n')) + Sync(), "2DC3Z"}}});
}

void AddErrors(List& all) {
  const std::string failing = Fresh("f", "fail f") + Sync();
  all.push_back({"Parse that fails, then Bind in the same pipeline and in the next",
                 {{Fresh("s", "bad") + Run("s") + Sync() + Run("s") + Sync() + Parse("s", "echo s") + Run("s") + Sync(),
                   "3EZEZ12DCZ"},
                  {CloseStatement("s") + Parse("s", "bad") + Sync() + Run("s") + Sync(), "3EZEZ"}}});
  all.push_back({"a Parse that was skipped has not happened",
                 {{CloseStatement("s") + Batch("fail") + Parse("s", "echo s") + Run("s") + Sync() + Run("s") + Sync(),
                   "312nEZEZ"},
                  {Parse("s", "echo t") + Run("s") + CloseStatement("s") + Sync(), "12DC3Z"}}});
  all.push_back(
      {"a Close that was skipped has not happened",
       {{Fresh("s", "echo s") + Sync(), "31Z"},
        {Batch("fail") + CloseStatement("s") + Parse("s", "echo t") + Sync() + Run("s") + Sync(), "12nEZ2DCZ"},
        {CloseStatement("s") + Sync(), "3Z"}}});
  all.push_back({"what was skipped, in several pipelines without waiting",
                 {{failing + CloseStatement("s") + Run("f") + Parse("s", "echo a") + Sync() + Parse("s", "echo b") +
                       Run("s") + Sync() + Run("f") + CloseStatement("s") + Sync() + Run("s") + CloseStatement("s") +
                       CloseStatement("f") + Sync(),
                   "31Z32EZ12DCZ2EZ2DC33Z"}}});
  all.push_back({"a Parse of a failed pipeline leaves what came before it",
                 {{Fresh("a", "echo a") + Fresh("f", "fail f") + Run("f") + Fresh("b", "echo b") + Sync(), "31312EZ"},
                  {Run("a") + CloseStatement("a") + CloseStatement("f") + Run("b") + Sync(), "2DC33EZ"}}});
  const std::string known =
      Fresh("s", "echo s") + Fresh("r", "rollback") + CloseStatement("t") + CloseStatement("e") + Sync();
  all.push_back(
      {"in an aborted transaction",
       {{known + Query("begin;fail x"), "313133ZCEZ"},
        {Parse("s", "echo s") + Sync(), "EZ"},
        {Parse("t", "echo s") + Sync(), "EZ"},
        {Parse("t", "bad") + Sync(), "EZ"},
        {Parse("s", "") + Sync() + Parse("s", "rollback") + Sync(), "EZEZ"},
        {Parse("e", "") + Run("e") + Sync(), "1EZ"},
        {Bind("", "s") + Sync() + DescribeStatement("s") + Sync(), "EZEZ"},
        {DescribeStatement("r") + DescribeStatement("e") + Sync(), "tntnZ"},
        {Bind("", "t") + Sync() + DescribeStatement("t") + Sync(), "EZEZ"},
        {CloseStatement("s") + CloseStatement("t") + Bind("", "s") + Sync(), "33EZ"},
        {Run("r") + Sync() + Run("s") + Sync() + Run("e") + CloseStatement("e") + CloseStatement("r") + Sync(),
         "2CZEZ2I33Z"}}});
  all.push_back({"aborted and rolled back in one pipeline",
                 {{Fresh("s", "echo s") + Batch("begin") + Batch("fail x") + Sync() + Parse("t", "echo s") + Sync() +
                       Query("rollback") + Parse("t", "echo s") + Run("t") + Run("s") + CloseStatement("s") +
                       CloseStatement("t") + Sync(),
                   "3112nC12nEZEZCZ12DC2DC33Z"}}});
  all.push_back({"a name that is taken aborts its transaction",
                 {{Fresh("s", "echo s") + Sync() + Query("begin"), "31ZCZ"},
                  {Parse("s", "echo s") + Sync() + Run("s") + Sync(), "EZEZ"},
                  {Query("commit") + Run("s") + CloseStatement("s") + Sync(), "CZ2DC3Z"}}});
  all.push_back({"a name that is unknown aborts its transaction",
                 {{Query("begin") + Bind("", "nope") + Sync() + Query("echo a") + Query("rollback"), "CZEZEZCZ"}}});
}

void AddUnnamed(List& all) {
  const std::string unnamed = Parse("", "echo $1") + Sync();
  const std::string use = Run("", {"x"}) + Sync();
  all.push_back({"unnamed statement across Sync",
                 {{unnamed, "1Z"},
                  {use + use, "2DCZ2DCZ"},
                  {DescribeStatement("") + Sync() + use, "tTZ2DCZ"},
                  {Parse("", "echo other") + Sync() + Run("") + Sync(), "1Z2DCZ"}}});
  all.push_back({"unnamed statement and simple queries",
                 {{unnamed + Query("echo q") + use, "1ZTDCZEZ"},
                  {unnamed + Query("") + use, "1ZIZEZ"},
                  {unnamed + Query("bad") + use, "1ZEZEZ"}}});
  all.push_back({"unnamed statement and a function call", {{unnamed + FunctionCall(5) + use, "1ZVZ2DCZ"}}});
  all.push_back({"unnamed statement that is closed", {{unnamed + CloseStatement("") + Sync() + use, "1Z3ZEZ"}}});
  all.push_back({"unnamed statement and a Parse that fails",
                 {{unnamed + Parse("", "bad") + Sync() + use, "1ZEZEZ"},
                  {unnamed + Query("begin") + Parse("", "fail x") + Sync() + Run("") + Sync(), "1ZCZ1Z2EZ"},
                  {Parse("", "echo no") + Sync() + Bind("", "") + Sync() + Query("rollback"), "EZEZCZ"}}});
  all.push_back({"unnamed statement and a Parse that was skipped",
                 {{Fresh("f", "fail f") + Parse("", "echo kept") + Sync(), "311Z"},
                  {Run("f") + Parse("", "echo skipped") + Sync() + Run("") + Sync(), "2EZ2DCZ"},
                  {Run("f") + CloseStatement("") + Sync() + Run("") + CloseStatement("f") + Sync(), "2EZ2DC3Z"}}});
  all.push_back(
      {"unnamed statement between named ones",
       {{Fresh("s", "echo s") + Parse("", "echo unnamed") + Run("s") + Run("") + Run("s") + Sync(), "3112DC2DC2DCZ"},
        {Run("") + Run("s") + CloseStatement("s") + Run("") + Sync(), "2DC2DC32DCZ"}}});
}

void AddSql(List& all) {
  const std::string two = Fresh("a", "echo a") + Fresh("b", "echo b") + Sync();
  all.push_back({"DEALLOCATE ALL in a pipeline",
                 {{two, "3131Z"},
                  {Batch("deallocate all") + Parse("b", "echo new") + Run("b") + Run("a") + Sync(), "12nC12DCEZ"},
                  {Run("b") + Sync() + Query("DEALLOCATE ALL") + Run("b") + Sync(), "2DCZCZEZ"}}});
  all.push_back({"DEALLOCATE ALL between Parses of one pipeline",
                 {{CloseStatement("a") + Parse("a", "echo a") + Batch("deallocate all") + Parse("a", "echo b") +
                       Run("a") + Batch("deallocate prepare all") + Run("a") + Sync(),
                   "3112nC12DC12nCEZ"}}});
  all.push_back(
      {"DEALLOCATE that was skipped",
       {{two + Batch("fail") + Batch("deallocate all") + Sync() + Run("a") + Run("b") + Sync(), "3131Z12nEZ2DC2DCZ"},
        {Query("fail x;deallocate all") + Run("a") + Sync() + Query("deallocate a;fail x") + Run("a") + Sync(),
         "EZ2DCZCEZEZ"},
        {Query("begin;fail x") + Query("deallocate all") + Query("rollback") + Run("b") + Sync(), "CEZEZCZ2DCZ"},
        {CloseStatement("b") + Sync(), "3Z"}}});
  all.push_back(
      {"DEALLOCATE of a name",
       {{two + Batch("deallocate a") + Run("b") + Run("a") + Sync(), "3131Z12nC2DCEZ"},
        {Query("deallocate a") + Query("deallocate B") + Run("b") + Sync(), "EZCZEZ"},
        {Fresh("S", "echo s") + Sync() + Query("deallocate S") + Query("deallocate prepare \"S\""), "31ZEZCZ"},
        {Fresh("a", "echo a") + Batch("deallocate a") + Parse("a", "echo b") + Run("a") + Sync(), "3112nC12DCZ"},
        {Batch("deallocate nope") + Run("a") + Sync() + Run("a") + CloseStatement("a") + Sync(), "12nEZ2DC3Z"}}});
  all.push_back(
      {"DEALLOCATE in a transaction that is rolled back",
       {{two + Query("begin;deallocate a") + Query("rollback") + Run("b") + Run("a") + Sync(), "3131ZCCZCZ2DCEZ"},
        {CloseStatement("b") + Sync(), "3Z"}}});
  all.push_back(
      {"a prepared DEALLOCATE",
       {{Fresh("d", "deallocate all") + Fresh("s", "echo s") + Run("s") + Run("d") + Run("s") + Sync(), "31312DC2CEZ"},
        {Run("d") + Sync(), "EZ"}}});
  all.push_back({"DISCARD ALL in a pipeline",
                 {{two, "3131Z"},
                  {Parse("c", "echo c") + Batch("discard all") + Parse("b", "echo new") + Run("b") + Run("a") + Sync(),
                   "112nC12DCEZ"},
                  {Run("b") + Run("c") + Sync() + Query("DISCARD ALL") + Run("b") + Sync(), "2DCEZCZEZ"}}});
  all.push_back({"DISCARD ALL where it may not be",
                 {{two + Run("a") + Batch("discard all") + Sync() + Run("a") + Sync(), "3131Z2DC12nEZ2DCZ"},
                  {Query("begin") + Query("discard all") + Query("rollback") + Run("a") + Sync(), "CZEZCZ2DCZ"},
                  {Query("echo x;discard all") + Run("b") + Sync(), "TDCEZ2DCZ"},
                  {CloseStatement("a") + CloseStatement("b") + Sync(), "33Z"}}});
  all.push_back({"PREPARE, EXECUTE and DEALLOCATE in one query",
                 {{Query("prepare sql as echo x;execute sql;deallocate sql") + Query("echo on"), "CTDCCZTDCZ"}}});
}

void AddFlow(List& all) {
  all.push_back({"Flush after each message",
                 {{Fresh("s", "echo $1") + Flush(), "31"},
                  {DescribeStatement("s") + Flush(), "tT"},
                  {Bind("", "s", {"x"}) + Flush(), "2"},
                  {Execute("") + Flush(), "DC"},
                  {CloseStatement("s") + Flush(), "3"},
                  {Sync(), "Z"}}});
  all.push_back({"Parse, Describe and Flush, then Bind",
                 {{Fresh("s", "echo $1") + DescribeStatement("s") + Flush(), "31tT"},
                  {Run("s", {"x"}) + Sync() + CloseStatement("s") + Sync(), "2DCZ3Z"}}});
  all.push_back({"Parse that nothing asks for yet",
                 {{Fresh("s", "echo s"), ""},
                  {Sync(), "31Z"},
                  {Run("s") + Flush(), "2DC"},
                  {Sync(), "Z"},
                  {CloseStatement("s"), ""},
                  {Flush(), "3"},
                  {Sync(), "Z"}}});
  all.push_back({"Flush after an error about a name",
                 {{CloseStatement("s") + Bind("", "s") + Flush(), "3E"},
                  {Parse("s", "echo s") + Flush() + Sync(), "Z"},
                  {Run("s") + Flush(), "E"},
                  {Sync() + Run("s") + Sync(), "ZEZ"}}});
  all.push_back(
      {"portals of named statements",
       {{Query("begin") + Fresh("s", "rows 5") + Fresh("t", "echo $1") + Sync(), "CZ3131Z"},
        {Bind("p", "s") + Bind("q", "t", {"x"}) + Execute("p", 2) + DescribePortal("q") + Execute("q") + Flush(),
         "22DDsTDC"},
        {CloseStatement("s") + Execute("p", 2) + ClosePortal("q") + Sync() + Execute("p") + Sync(), "3DDs3ZDCZ"},
        {Bind("p", "t", {"y"}) + Sync() + Query("rollback"), "EZCZ"},
        {Bind("p", "t", {"y"}) + Execute("p") + Sync() + Execute("p") + Sync(), "2DCZEZ"},
        {CloseStatement("t") + Sync(), "3Z"}}});
  all.push_back({"queries and function calls between",
                 {{Fresh("s", "echo $1") + Sync() + Query("echo a;echo b") + Run("s", {"1"}) + Sync() +
                       FunctionCall(7) + Run("s", {"2"}) + Sync() + Query("fail") + FunctionCall(0) + Run("s", {"3"}) +
                       CloseStatement("s") + Sync(),
                   "31ZTDCTDCZ2DCZVZ2DCZEZEZ2DC3Z"}}});
  all.push_back({"COPY by a named statement",
                 {{Fresh("c", "copyin") + Sync(), "31Z"},
                  {Run("c") + Flush(), "2G"},
                  {CopyData("a\n") + CopyDone() + Sync(), "CZ"},
                  {Run("c") + Flush(), "2G"},
                  {CopyData("a\n") + CopyFail("no more") + CloseStatement("c") + Sync(), "EZ"},
                  {CloseStatement("c") + Sync(), "3Z"}}});
  all.push_back({"a parameter of 1 MB",
                 {{Fresh("s", "echo small /* $1 */") + Sync(), "31Z"},
                  {Run("s", {std::string(kLargeBytes, 'p')}) + CloseStatement("s") + Sync(), "2DC3Z"}}});
  all.push_back({"a statement of 100 kB",
                 {{Fresh("s", "echo small /*" + std::string(100'000, 'c') + "*/") + Sync(), "31Z"},
                  {Run("s") + CloseStatement("s") + Sync(), "2DC3Z"}}});
}

}  // namespace

std::vector<Conversation> PreparedConversations() {
  List all;
  AddLives(all);
  AddNames(all);
  AddErrors(all);
  AddUnnamed(all);
  AddSql(all);
  AddFlow(all);
  for (Conversation& conversation : all) {
    conversation.name = "prepared: " + conversation.name;
    conversation.server_sees = ServerSees::kWhatItMust;
  }
  return all;
}

}  // namespace wire
