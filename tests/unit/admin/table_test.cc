#include "admin/table.h"

#include <gtest/gtest.h>

#include "tests/support/wire_messages.h"
#include "tests/unit/admin/console_client.h"

namespace admin {
namespace {

using namespace std::string_literals;
using test_support::Int16Bytes;
using test_support::Int32Bytes;

const Columns kColumns = {{"name", ColumnType::kText},
                          {"items", ColumnType::kInt4},
                          {"serial", ColumnType::kInt8},
                          {"value", ColumnType::kNumeric}};

std::string Described(const std::string& name, int oid, int bytes, int format) {
  return name + '\0' + Int32Bytes(0) + Int16Bytes(0) + Int32Bytes(oid) + Int16Bytes(bytes) + Int32Bytes(-1) +
         Int16Bytes(format);
}

TEST(Table, RowDescriptionHasOidsSizesAndFormats) {
  std::string out;
  WriteRowDescription(out, kColumns);
  auto messages = admin_test::Cut(out);
  ASSERT_EQ(admin_test::Types(messages), "T");
  EXPECT_EQ(messages[0].body, Int16Bytes(4) + Described("name", 25, -1, 0) + Described("items", 23, 4, 0) +
                                  Described("serial", 20, 8, 0) + Described("value", 1700, -1, 0));

  out.clear();
  const Format formats[] = {Format::kText, Format::kBinary, Format::kBinary, Format::kText};
  WriteRowDescription(out, kColumns, formats);
  messages = admin_test::Cut(out);
  EXPECT_EQ(messages[0].body, Int16Bytes(4) + Described("name", 25, -1, 0) + Described("items", 23, 4, 1) +
                                  Described("serial", 20, 8, 1) + Described("value", 1700, -1, 0));
}

TEST(Table, WritesTextNullAndCompletion) {
  std::string out;
  WriteTable(out, {.columns = kColumns, .rows = {{"a", "1", std::nullopt, ""}}}, "SHOW");
  const auto messages = admin_test::Cut(out);
  ASSERT_EQ(admin_test::Types(messages), "TDC");
  EXPECT_EQ(test_support::RowValues(messages[1]), (test_support::Values{"a", "1", std::nullopt, ""}));
  EXPECT_EQ(messages[2].body, "SHOW\0"s);
}

TEST(Table, WritesIntegersInBinary) {
  const Format all[] = {Format::kBinary};
  const Columns columns(kColumns.begin(), kColumns.begin() + 3);
  std::string out;
  ASSERT_TRUE(WriteDataRow(out, columns, {"a", "-2147483648", "-2"}, all));
  const auto messages = admin_test::Cut(out);
  EXPECT_EQ(test_support::RowValues(messages[0]),
            (test_support::Values{"a", "\x80\0\0\0"s, "\xff\xff\xff\xff\xff\xff\xff\xfe"s}));
  out.clear();
  ASSERT_TRUE(WriteDataRow(out, columns, {"a", std::nullopt, "4294967297"}, all));
  EXPECT_EQ(test_support::RowValues(admin_test::Cut(out)[0]),
            (test_support::Values{"a", std::nullopt, "\0\0\0\1\0\0\0\1"s}));
}

// PostgreSQL, numeric_send: how many digits of base 10,000, weight of the first, sign, scale, the digits.
TEST(Table, WritesNumericsInBinary) {
  const Format all[] = {Format::kBinary};
  const auto digits = [](std::initializer_list<int> values) {
    std::string bytes;
    for (const int value : values) bytes += Int16Bytes(value);
    return bytes;
  };
  const std::pair<const char*, std::string> cases[] = {{"0", digits({0, 0, 0, 0})},
                                                       {"7", digits({1, 0, 0, 0, 7})},
                                                       {"-12345", digits({2, 1, 0x4000, 0, 1, 2345})},
                                                       {"10000", digits({1, 1, 0, 0, 1})},
                                                       {"120000009999", digits({3, 2, 0, 0, 1200, 0, 9999})},
                                                       {"18446744073709551615", digits({5, 4, 0, 0, 1844, 6744, 737, 955, 1615})},
                                                       {"1.5", digits({2, 0, 0, 1, 1, 5000})},
                                                       {"0.005", digits({1, -1, 0, 3, 50})},
                                                       {"0.000", digits({0, 0, 0, 3})},
                                                       {"20000.000", digits({1, 1, 0, 3, 2})},
                                                       {"-123.45678", digits({3, 0, 0x4000, 5, 123, 4567, 8000})}};
  for (const auto& [text, bytes] : cases) {
    std::string out;
    ASSERT_TRUE(WriteDataRow(out, {{"n", ColumnType::kNumeric}}, {text}, all));
    EXPECT_EQ(test_support::RowValues(admin_test::Cut(out)[0]), test_support::Values{bytes}) << text;
  }
}

TEST(Table, RefusesWhatDoesNotFitInBinary) {
  const Format all[] = {Format::kBinary};
  std::string out = "before";
  EXPECT_FALSE(WriteDataRow(out, {{"i", ColumnType::kInt4}}, {"2147483648"}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"i", ColumnType::kInt4}}, {"x"}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"q", ColumnType::kInt8}}, {"9223372036854775808"}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"n", ColumnType::kNumeric}}, {"1."}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"n", ColumnType::kNumeric}}, {".5"}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"n", ColumnType::kNumeric}}, {"1.5.5"}, all));
  EXPECT_FALSE(WriteDataRow(out, {{"n", ColumnType::kNumeric}}, {"-"}, all));
  EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace admin
