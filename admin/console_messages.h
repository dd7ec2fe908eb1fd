// The extended protocol's messages as the console reads them: every length checked, nothing believed.
//
// Threads: pure functions. A view points into the body given. nullopt: malformed (short, trailing bytes, bad counts).
// Source: PostgreSQL documentation, "Message Formats": Parse, Bind, Describe, Execute, Close.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "admin/table.h"

namespace admin {

struct ParseMessage {
  std::string_view statement, sql;
  uint16_t parameter_types = 0;
};
struct BindMessage {
  std::string_view portal, statement;
  uint16_t parameters = 0;
  std::vector<Format> result_formats;
};
struct NamedMessage {  // Describe and Close
  char kind = 0;       // 'S' or 'P'
  std::string_view name;
};
struct ExecuteMessage {
  std::string_view portal;
  uint32_t rows_max = 0;  // 0 = all
};

std::optional<std::string_view> ReadQuery(std::string_view body);
std::optional<ParseMessage> ReadParse(std::string_view body);
std::optional<BindMessage> ReadBind(std::string_view body);
std::optional<NamedMessage> ReadNamed(std::string_view body);
std::optional<ExecuteMessage> ReadExecute(std::string_view body);

}  // namespace admin
