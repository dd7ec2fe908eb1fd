#include "tests/support/wire_messages.h"

#include <stdexcept>

namespace test_support {
namespace {
std::string Typed(char type, std::string body) { return Message{type, std::move(body)}.bytes(); }
}  // namespace

std::string Int16Bytes(int value) { return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)}; }

std::string Int32Bytes(int64_t value) {
  return Int16Bytes(static_cast<int>(value >> 16 & 0xffff)) + Int16Bytes(static_cast<int>(value & 0xffff));
}

uint32_t Int32At(std::string_view body, size_t at) {
  if (body.size() < at + 4) throw std::runtime_error("message too short");
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(body[at + i]);
  return value;
}

std::string Text(std::string_view value) { return std::string(value) + '\0'; }

std::string Message::bytes() const {
  std::string out;
  if (type != 0) out += type;
  return out + Int32Bytes(static_cast<int64_t>(body.size()) + 4) + body;
}

std::string StartupBytes(const Names& parameters, uint32_t version) {
  std::string body = Int32Bytes(version);
  for (const auto& [name, value] : parameters) body += Text(name) + Text(value);
  return Typed(0, body + '\0');
}

std::string SslRequestBytes() { return Typed(0, Int32Bytes(80877103)); }
std::string GssRequestBytes() { return Typed(0, Int32Bytes(80877104)); }
std::string CancelBytes(uint32_t process_id, std::string_view key) {
  return Typed(0, Int32Bytes(80877102) + Int32Bytes(process_id) + std::string(key));
}

std::string Query(std::string_view sql) { return Typed('Q', Text(sql)); }

std::string Parse(std::string_view name, std::string_view sql, const std::vector<int>& types) {
  std::string body = Text(name) + Text(sql) + Int16Bytes(static_cast<int>(types.size()));
  for (const int type : types) body += Int32Bytes(type);
  return Typed('P', body);
}

std::string DataRow(const Values& values) {
  std::string body = Int16Bytes(static_cast<int>(values.size()));
  for (const auto& value : values) {
    body += value ? Int32Bytes(static_cast<int64_t>(value->size())) + *value : Int32Bytes(-1);
  }
  return Typed('D', body);
}

std::string Bind(std::string_view portal, std::string_view statement, const Values& values) {
  // The parameters have the layout of a DataRow's columns.
  const std::string row = DataRow(values).substr(5);
  return Typed('B', Text(portal) + Text(statement) + Int16Bytes(0) + row + Int16Bytes(0));
}

std::string DescribeStatement(std::string_view name) { return Typed('D', "S" + Text(name)); }
std::string DescribePortal(std::string_view name) { return Typed('D', "P" + Text(name)); }
std::string Execute(std::string_view portal, int rows_max) { return Typed('E', Text(portal) + Int32Bytes(rows_max)); }
std::string CloseStatement(std::string_view name) { return Typed('C', "S" + Text(name)); }
std::string ClosePortal(std::string_view name) { return Typed('C', "P" + Text(name)); }
std::string Sync() { return Typed('S', ""); }
std::string Flush() { return Typed('H', ""); }
std::string Terminate() { return Typed('X', ""); }
std::string Password(std::string_view bytes) { return Typed('p', std::string(bytes)); }
std::string CopyData(std::string_view bytes) { return Typed('d', std::string(bytes)); }
std::string CopyDone() { return Typed('c', ""); }
std::string CopyFail(std::string_view why) { return Typed('f', Text(why)); }

std::string AuthenticationOk() { return Typed('R', Int32Bytes(0)); }
std::string ParameterStatus(std::string_view name, std::string_view value) {
  return Typed('S', Text(name) + Text(value));
}
std::string BackendKeyData(uint32_t process_id, std::string_view key) {
  return Typed('K', Int32Bytes(process_id) + std::string(key));
}
std::string ReadyForQuery(char status) { return Typed('Z', {status}); }
std::string CommandComplete(std::string_view tag) { return Typed('C', Text(tag)); }

std::string RowDescription(const std::vector<std::string>& names) {
  std::string body = Int16Bytes(static_cast<int>(names.size()));
  for (const std::string& name : names) {
    body +=
        Text(name) + Int32Bytes(0) + Int16Bytes(0) + Int32Bytes(25) + Int16Bytes(-1) + Int32Bytes(-1) + Int16Bytes(0);
  }
  return Typed('T', body);
}

std::string ErrorResponse(std::string_view severity, std::string_view sqlstate, std::string_view message,
                          std::string_view routine) {
  std::string body = "S" + Text(severity) + "V" + Text(severity) + "C" + Text(sqlstate) + "M" + Text(message);
  if (!routine.empty()) body += "R" + Text(routine);
  return Typed('E', body + '\0');
}

std::string NoticeResponse(std::string_view message) {
  return Typed('N', "S" + Text("NOTICE") + "V" + Text("NOTICE") + "C" + Text("00000") + "M" + Text(message) + '\0');
}

std::string ErrorField(const Message& message, char field) {
  const std::string& body = message.body;
  for (size_t at = 0; at < body.size() && body[at] != '\0';) {
    const size_t end = body.find('\0', at + 1);
    if (end == std::string::npos) throw std::runtime_error("error field without its end");
    if (body[at] == field) return body.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  return "";
}

Values RowValues(const Message& message) {
  const std::string& body = message.body;
  if (body.size() < 2) throw std::runtime_error("DataRow too short");
  const int count = static_cast<uint8_t>(body[0]) << 8 | static_cast<uint8_t>(body[1]);
  Values values;
  size_t at = 2;
  for (int i = 0; i < count; ++i) {
    const auto length = static_cast<int32_t>(Int32At(body, at));
    at += 4;
    if (length < 0) {
      values.emplace_back(std::nullopt);
      continue;
    }
    if (body.size() - at < static_cast<size_t>(length)) throw std::runtime_error("DataRow too short");
    values.emplace_back(body.substr(at, static_cast<size_t>(length)));
    at += static_cast<size_t>(length);
  }
  return values;
}

}  // namespace test_support
