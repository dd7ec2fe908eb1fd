#include "admin/console_messages.h"

#include "protocol/message_writer.h"

namespace admin {
namespace {

// Takes fields from the front; once something was missing, everything after it is too.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  std::string_view Text() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return Fail();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string_view Bytes(size_t count) {
    if (count > rest_.size()) return Fail();
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  uint16_t Uint16() {
    const std::string_view bytes = Bytes(2);
    return is_sound_ ? protocol::ReadUint16(bytes.data()) : uint16_t{0};
  }
  uint32_t Uint32() {
    const std::string_view bytes = Bytes(4);
    return is_sound_ ? protocol::ReadUint32(bytes.data()) : 0;
  }
  bool is_sound() const { return is_sound_; }
  bool IsAtEnd() const { return is_sound_ && rest_.empty(); }

 private:
  std::string_view Fail() {
    is_sound_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool is_sound_ = true;
};

}  // namespace

std::optional<std::string_view> ReadQuery(std::string_view body) {
  Reader reader(body);
  const std::string_view sql = reader.Text();
  return reader.IsAtEnd() ? std::optional(sql) : std::nullopt;
}

std::optional<ParseMessage> ReadParse(std::string_view body) {
  Reader reader(body);
  ParseMessage message;
  message.statement = reader.Text();
  message.sql = reader.Text();
  message.parameter_types = reader.Uint16();
  reader.Bytes(size_t{message.parameter_types} * 4);
  return reader.IsAtEnd() ? std::optional(message) : std::nullopt;
}

std::optional<BindMessage> ReadBind(std::string_view body) {
  constexpr uint32_t kNull = 0xffffffff;
  Reader reader(body);
  BindMessage message;
  message.portal = reader.Text();
  message.statement = reader.Text();
  const uint16_t parameter_formats = reader.Uint16();
  reader.Bytes(size_t{parameter_formats} * 2);
  message.parameters = reader.Uint16();
  for (uint16_t i = 0; i < message.parameters && reader.is_sound(); ++i) {
    const uint32_t bytes = reader.Uint32();
    if (bytes != kNull) reader.Bytes(bytes);
  }
  const uint16_t formats = reader.Uint16();
  for (uint16_t i = 0; i < formats && reader.is_sound(); ++i) {
    const uint16_t format = reader.Uint16();
    if (format > 1) return std::nullopt;
    message.result_formats.push_back(static_cast<Format>(format));
  }
  if (!reader.IsAtEnd()) return std::nullopt;
  return message;
}

std::optional<NamedMessage> ReadNamed(std::string_view body) {
  Reader reader(body);
  NamedMessage message;
  const std::string_view kind = reader.Bytes(1);
  message.name = reader.Text();
  if (!reader.IsAtEnd() || (kind[0] != 'S' && kind[0] != 'P')) return std::nullopt;
  message.kind = kind[0];
  return message;
}

std::optional<ExecuteMessage> ReadExecute(std::string_view body) {
  Reader reader(body);
  ExecuteMessage message;
  message.portal = reader.Text();
  message.rows_max = reader.Uint32();
  if (!reader.IsAtEnd()) return std::nullopt;
  if (message.rows_max > 0x7fffffff) message.rows_max = 0;  // negative: all, as PostgreSQL does
  return message;
}

}  // namespace admin
