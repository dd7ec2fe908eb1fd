// A table of the console: typed columns, rows of text or NULL, and its form on the wire.
//
// What: RowDescription, DataRows and CommandComplete as PostgreSQL's protocol has them. Values are kept as text, which
// is what the console sends unless a Bind asks for binary. Threads: values, used on the control thread. Limits: none of
// its own; who fills it bounds the rows. Source: PostgreSQL documentation, "Message Formats"; oids from pg_type.dat.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace admin {

enum class ColumnType : uint32_t { kText = 25, kInt4 = 23, kInt8 = 20, kNumeric = 1700 };

struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
  friend bool operator==(const Column&, const Column&) = default;
};

using Columns = std::vector<Column>;
using Row = std::vector<std::optional<std::string>>;

struct Table {
  Columns columns;
  std::vector<Row> rows;
};

enum class Format : int16_t { kText = 0, kBinary = 1 };

// `formats`: none (all text), one for all columns, or one for each.
Format FormatOf(std::span<const Format> formats, size_t column);

void WriteRowDescription(std::string& out, const Columns& columns, std::span<const Format> formats = {});

// False, with nothing written, when a value does not fit the binary form of its column.
[[nodiscard]] bool WriteDataRow(std::string& out, const Columns& columns, const Row& row,
                                std::span<const Format> formats = {});

// The whole answer to a simple query: RowDescription, DataRows, CommandComplete.
void WriteTable(std::string& out, const Table& table, std::string_view tag);

}  // namespace admin
