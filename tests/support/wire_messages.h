// Protocol messages as bytes, for tests that speak the wire themselves.
//
// Own writer and reader, not protocol/'s: a test must not share the mistakes of what it tests.
// Source: PostgreSQL documentation, "Message Formats".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test_support {

struct Message {
  char type = 0;  // 0: an untyped one (startup)
  std::string body;
  std::string bytes() const;  // with header
  bool operator==(const Message&) const = default;
};

using Values = std::vector<std::optional<std::string>>;
using Names = std::vector<std::pair<std::string, std::string>>;

inline constexpr uint32_t kVersion30 = 0x00030000;
inline constexpr uint32_t kVersion32 = 0x00030002;

std::string Int16Bytes(int value);
std::string Int32Bytes(int64_t value);
uint32_t Int32At(std::string_view body, size_t at);  // throws when it is not there
std::string Text(std::string_view value);            // with its terminating zero

// From a client.
std::string StartupBytes(const Names& parameters, uint32_t version = kVersion30);
std::string SslRequestBytes();
std::string GssRequestBytes();
std::string CancelBytes(uint32_t process_id, std::string_view key);
std::string Query(std::string_view sql);
std::string Parse(std::string_view name, std::string_view sql, const std::vector<int>& types = {});
std::string Bind(std::string_view portal, std::string_view statement, const Values& values = {});
std::string DescribeStatement(std::string_view name);
std::string DescribePortal(std::string_view name);
std::string Execute(std::string_view portal, int rows_max = 0);
std::string CloseStatement(std::string_view name);
std::string ClosePortal(std::string_view name);
std::string Sync();
std::string Flush();
std::string Terminate();
std::string Password(std::string_view bytes);
std::string CopyData(std::string_view bytes);
std::string CopyDone();
std::string CopyFail(std::string_view why);

// From a server.
std::string AuthenticationOk();
std::string ParameterStatus(std::string_view name, std::string_view value);
std::string BackendKeyData(uint32_t process_id, std::string_view key);
std::string ReadyForQuery(char status);
std::string CommandComplete(std::string_view tag);
std::string RowDescription(const std::vector<std::string>& names);  // all text
std::string DataRow(const Values& values);
std::string ErrorResponse(std::string_view severity, std::string_view sqlstate, std::string_view message,
                          std::string_view routine = "");
std::string NoticeResponse(std::string_view message);

// A field of an ErrorResponse or NoticeResponse ('C' SQLSTATE, 'M' message, 'S' severity, 'D' detail, 'H' hint).
std::string ErrorField(const Message& message, char field);
// The values of a DataRow; NULL is nullopt. Throws on a malformed one.
Values RowValues(const Message& message);

}  // namespace test_support
