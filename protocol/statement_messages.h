// The messages of prepared statements: what of a Parse and a Bind is looked at, and the ones that pgweir writes.
//
// Threads: pure. Limits: kNameBytesMax for the names of a Bind; every length is checked, nullopt = malformed, or not whole yet.
// Source: PostgreSQL documentation, "Message Formats": Parse, Bind, Describe, Close, ErrorResponse.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace protocol {

// The front of a Parse: name; the rest is the identity.
struct ParseHead {
  std::string_view name, text, body;  // body: text, zero byte, types
};
std::optional<ParseHead> ReadParse(std::string_view message_body);

// The names at the front of a Bind. nullopt: they are not whole yet (or never will be: see kNameBytesMax).
inline constexpr size_t kNameBytesMax = 4096;
struct BindHead {
  std::string_view portal, statement;
  size_t bytes = 0;  // of both with their zero bytes
};
std::optional<BindHead> ReadBindHead(std::string_view body_so_far);
// The n-th parameter value (from 1) of a whole Bind: nullopt = NULL or not there.
std::optional<std::string_view> ReadBindParameter(std::string_view message_body, int number);

// PostgreSQL's own words for a statement whose result type has changed; drivers look at its message and its routine.
inline constexpr std::string_view kStalePlanRoutine = "RevalidateCachedQuery";
void WriteStalePlanError(std::string& out);

void WriteParse(std::string& out, std::string_view name, std::string_view body);
void WriteClose(std::string& out, std::string_view name);
void WriteDescribe(std::string& out, std::string_view name);
// The head of a Bind whose rest (of `rest_bytes`) follows as it is.
void WriteBindHead(std::string& out, std::string_view portal, std::string_view statement, size_t rest_bytes);

}  // namespace protocol
