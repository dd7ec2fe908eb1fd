// SQL text of a Query or Parse: Sniff and Examine must see the same, and a statement that Examine cut out must be one.
#include "protocol/sql_lexer.h"
#include "protocol/sql_sniffer.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;

void CheckNames(const SqlStatement& statement) {
  const bool is_parameter = statement.kind == SqlKind::kSet || statement.kind == SqlKind::kReset;
  for (const std::string& name : statement.names) Require(is_parameter || name.size() <= kIdentifierBytesMax);
  Require((statement.kind == SqlKind::kOther) <= statement.names.empty());
  const bool sets_by_call =
      statement.set_config_unknown || !statement.set_config_names.empty() || !statement.set_config_parameters.empty();
  Require(!sets_by_call || (statement.flags & kSqlSet) != 0);
}

void Check(std::string_view sql, Backslash backslash) {
  const std::vector<SqlStatement> statements = Examine(sql, backslash);
  SqlFlags flags = statements.size() > 1 ? SqlFlags{kSqlSeveral} : 0;
  size_t behind = 0;
  for (const SqlStatement& statement : statements) {
    Require(behind <= statement.begin && statement.begin < statement.end && statement.end <= sql.size());
    Require((statement.flags & kSqlSeveral) == 0);
    behind = statement.end;
    flags |= statement.flags;
    Require(Sniff(sql.substr(statement.begin, statement.end - statement.begin), backslash) == statement.flags);
    CheckNames(statement);
  }
  Require(Sniff(sql, backslash) == flags);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  Check(sql, Backslash::kLiteral);
  Check(sql, Backslash::kEscapes);
  return 0;
}
