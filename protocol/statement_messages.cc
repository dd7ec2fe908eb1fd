#include "protocol/statement_messages.h"

#include "protocol/message_writer.h"
#include "protocol/wire_value.h"

namespace protocol {

std::optional<ParseHead> ReadParse(std::string_view message_body) {
  const size_t name_end = message_body.find('\0');
  if (name_end == std::string_view::npos) return std::nullopt;
  ParseHead head;
  head.name = message_body.substr(0, name_end);
  head.body = message_body.substr(name_end + 1);
  const size_t text_end = head.body.find('\0');
  if (text_end == std::string_view::npos || head.body.size() < text_end + 3) return std::nullopt;
  head.text = head.body.substr(0, text_end);
  const size_t types = ReadUint16(head.body.data() + text_end + 1);
  if (head.body.size() != text_end + 3 + 4 * types) return std::nullopt;
  return head;
}

std::optional<BindHead> ReadBindHead(std::string_view body_so_far) {
  const size_t portal_end = body_so_far.find('\0');
  if (portal_end == std::string_view::npos) return std::nullopt;
  const size_t statement_end = body_so_far.find('\0', portal_end + 1);
  if (statement_end == std::string_view::npos) return std::nullopt;
  return BindHead{body_so_far.substr(0, portal_end), body_so_far.substr(portal_end + 1, statement_end - portal_end - 1),
                  statement_end + 1};
}

std::optional<std::string_view> ReadBindParameter(std::string_view message_body, int number) {
  const auto head = ReadBindHead(message_body);
  if (!head || number < 1) return std::nullopt;
  std::string_view rest = message_body.substr(head->bytes);
  if (rest.size() < 2) return std::nullopt;
  const size_t formats = ReadUint16(rest.data());
  if (rest.size() < 2 + 2 * formats + 2) return std::nullopt;
  rest.remove_prefix(2 + 2 * formats);
  const size_t count = ReadUint16(rest.data());
  rest.remove_prefix(2);
  for (size_t i = 1; i <= count; ++i) {
    const auto value = TakeValue(rest);
    if (!value) return std::nullopt;
    if (i == static_cast<size_t>(number)) return value->is_null ? std::nullopt : std::optional(value->text);
  }
  return std::nullopt;
}

void WriteStalePlanError(std::string& out) {
  MessageWriter(out)
      .Begin('E')
      .Byte('S').Text("ERROR").Byte('V').Text("ERROR").Byte('C').Text("0A000")
      .Byte('M').Text("cached plan must not change result type")
      .Byte('R').Text(kStalePlanRoutine)
      .Byte(0)
      .End();
}

void WriteParse(std::string& out, std::string_view name, std::string_view body) {
  MessageWriter(out).Begin('P').Text(name).Bytes(body).End();
}

void WriteClose(std::string& out, std::string_view name) { MessageWriter(out).Begin('C').Byte('S').Text(name).End(); }

void WriteDescribe(std::string& out, std::string_view name) {
  MessageWriter(out).Begin('D').Byte('S').Text(name).End();
}

void WriteBindHead(std::string& out, std::string_view portal, std::string_view statement, size_t rest_bytes) {
  const auto length = static_cast<uint32_t>(4 + portal.size() + 1 + statement.size() + 1 + rest_bytes);
  out += 'B';
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xff);
  out.append(portal).append(1, '\0').append(statement).append(1, '\0');
}

}  // namespace protocol
