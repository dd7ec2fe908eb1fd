#include "admin/table.h"

#include <algorithm>
#include <charconv>

#include "protocol/message_writer.h"

namespace admin {
namespace {

using protocol::MessageWriter;

// pg_type.typlen; -1 = of varying length.
int16_t TypeBytes(ColumnType type) {
  switch (type) {
    case ColumnType::kInt4:
      return 4;
    case ColumnType::kInt8:
      return 8;
    case ColumnType::kText:
    case ColumnType::kNumeric:
      break;
  }
  return -1;
}

template <typename Integer>
std::optional<Integer> ParseInteger(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Digits of base 10,000, the most significant first; what is behind the point is filled up to whole ones.
bool WriteBinaryNumeric(MessageWriter& writer, std::string_view text) {
  constexpr int16_t kPositive = 0, kNegative = 0x4000;
  constexpr size_t kDigitLetters = 4;
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  const size_t decimals = point == text.size() ? 0 : text.size() - point - 1;
  std::string all(text.substr(0, point));
  if (all.empty() || (point < text.size() && decimals == 0)) return false;
  if (decimals > 0) all.append(text.substr(point + 1)).append((kDigitLetters - decimals % kDigitLetters) % kDigitLetters, '0');
  const auto behind = static_cast<int>((decimals + kDigitLetters - 1) / kDigitLetters);
  std::string_view value = all;
  if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) return false;
  value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
  std::vector<int16_t> digits;
  for (size_t end = value.size(), taken = (end + kDigitLetters - 1) % kDigitLetters + 1; !value.empty(); taken = kDigitLetters) {
    digits.push_back(*ParseInteger<int16_t>(value.substr(0, taken)));
    value.remove_prefix(taken);
  }
  const auto weight = static_cast<int16_t>(static_cast<int>(digits.size()) - 1 - behind);
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
  writer.Int32(static_cast<int32_t>(8 + 2 * digits.size())).Int16(static_cast<int16_t>(digits.size()));
  writer.Int16(digits.empty() ? int16_t{0} : weight).Int16(is_negative ? kNegative : kPositive).Int16(static_cast<int16_t>(decimals));
  for (const int16_t digit : digits) writer.Int16(digit);
  return true;
}

bool WriteBinary(MessageWriter& writer, ColumnType type, const std::string& value) {
  if (type == ColumnType::kInt4) {
    const auto number = ParseInteger<int32_t>(value);
    if (!number) return false;
    writer.Int32(4).Int32(*number);
    return true;
  }
  if (type == ColumnType::kInt8) {
    const auto number = ParseInteger<int64_t>(value);
    if (!number) return false;
    writer.Int32(8).Int32(static_cast<int32_t>(*number >> 32)).Int32(static_cast<int32_t>(*number & 0xffffffff));
    return true;
  }
  if (type == ColumnType::kNumeric) return WriteBinaryNumeric(writer, value);
  writer.Int32(static_cast<int32_t>(value.size())).Bytes(value);  // the binary form of text is the text
  return true;
}

}  // namespace

Format FormatOf(std::span<const Format> formats, size_t column) {
  if (formats.empty()) return Format::kText;
  return formats.size() == 1 ? formats[0] : formats[column];
}

void WriteRowDescription(std::string& out, const Columns& columns, std::span<const Format> formats) {
  MessageWriter writer(out);
  writer.Begin('T').Int16(static_cast<int16_t>(columns.size()));
  for (size_t i = 0; i < columns.size(); ++i) {
    writer.Text(columns[i].name).Int32(0).Int16(0);  // of no table in a catalog
    writer.Int32(static_cast<int32_t>(columns[i].type)).Int16(TypeBytes(columns[i].type)).Int32(-1);
    writer.Int16(static_cast<int16_t>(FormatOf(formats, i)));
  }
  writer.End();
}

bool WriteDataRow(std::string& out, const Columns& columns, const Row& row, std::span<const Format> formats) {
  const size_t start = out.size();
  MessageWriter writer(out);
  writer.Begin('D').Int16(static_cast<int16_t>(row.size()));
  for (size_t i = 0; i < row.size(); ++i) {
    if (!row[i]) {
      writer.Int32(-1);
    } else if (FormatOf(formats, i) == Format::kText) {
      writer.Int32(static_cast<int32_t>(row[i]->size())).Bytes(*row[i]);
    } else if (!WriteBinary(writer, columns[i].type, *row[i])) {
      out.resize(start);
      return false;
    }
  }
  writer.End();
  return true;
}

void WriteTable(std::string& out, const Table& table, std::string_view tag) {
  WriteRowDescription(out, table.columns);
  const size_t start = out.size();
  for (const Row& row : table.rows) {
    static_cast<void>(WriteDataRow(out, table.columns, row));  // text always fits
    // The first row tells how much the others take: megabytes are not moved again and again while they grow.
    if (&row == &table.rows.front()) out.reserve(start + (out.size() - start) * table.rows.size() * 9 / 8);
  }
  protocol::WriteCommandComplete(out, tag);
}

}  // namespace admin
