#include "protocol/sql_digest.h"

#include <gtest/gtest.h>

namespace protocol {
namespace {

std::string Of(std::string_view sql) { return WithoutValues(sql, Backslash::kLiteral); }

TEST(SqlDigest, ValuesCommentsAndCaseAreLeftOut) {
  EXPECT_EQ(Of("SELECT  *\n FROM T -- password is x\n WHERE a = 'secret' AND b=42"), "select * from t where a = ? and b=?");
  EXPECT_EQ(Of("select /* 'x' */ $$secret$$, E'a\\'b', U&'x', b'1', $1"), "select ?, $1");
  EXPECT_EQ(Of("alter role app password 'secret'"), "alter role app password ?");
  EXPECT_EQ(Of("select \"Odd Name\" from s.t"), "select \"Odd Name\" from s.t");
  EXPECT_EQ(Of(""), "");
}

TEST(SqlDigest, AListIsOneValueHoweverLong) {
  EXPECT_EQ(Of("select 1 where a in (1, 2, 3)"), "select ? where a in (?)");
  EXPECT_EQ(Of("select 1 where a in (1,2,'x')"), "select ? where a in (?)");
  EXPECT_EQ(Of("insert into t values (1, 'a'), (2, 'b')"), "insert into t values (?), (?)");
}

TEST(SqlDigest, ANumberIsOneValueHoweverWritten) {
  for (const char* number : {"1", "1.5", "1e10", "1.5e10", "1.", "00.1", "1.5E3"}) EXPECT_EQ(Of("select " + std::string(number) + " x"), "select ? x") << number;
  EXPECT_EQ(Of("select a1, t.c2 from e1"), "select a1, t.c2 from e1");
}

TEST(SqlDigest, EqualForTextsThatDifferInValuesAlone) {
  EXPECT_EQ(DigestOf(Of("select * from t where id = 1")), DigestOf(Of("SELECT *  FROM t WHERE id = 77")));
  EXPECT_NE(DigestOf(Of("select * from t where id = 1")), DigestOf(Of("select * from u where id = 1")));
  EXPECT_EQ(DigestOf("").size(), 16u);
}

TEST(SqlDigest, ALiteralThatIsCutShowsNothing) {
  const std::string text = "select '" + std::string(2 * kDigestedBytes, 'x') + "'";
  EXPECT_EQ(Of(text), "select ?");
  EXPECT_LE(Of("select " + std::string(2 * kDigestedBytes, 'a')).size(), kDigestedBytes);
}

}  // namespace
}  // namespace protocol
