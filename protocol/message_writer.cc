#include "protocol/message_writer.h"

#include <cstdlib>

#include "protocol/startup.h"

namespace protocol {
namespace {

void PutUint32(char* to, uint32_t value) {  // network order
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift & 0xff);
}

}  // namespace

MessageWriter& MessageWriter::Begin(char type) {
  const char head[5] = {type};
  length_at_ = out_.size() + 1;
  out_.append(head, sizeof head);
  return *this;
}

MessageWriter& MessageWriter::BeginUntyped() {
  length_at_ = out_.size();
  out_.append(4, '\0');
  return *this;
}

MessageWriter& MessageWriter::Byte(uint8_t value) {
  out_.push_back(static_cast<char>(value));
  return *this;
}

MessageWriter& MessageWriter::Int16(int16_t value) {
  const auto bits = static_cast<uint16_t>(value);
  out_.push_back(static_cast<char>(bits >> 8));
  out_.push_back(static_cast<char>(bits & 0xff));
  return *this;
}

MessageWriter& MessageWriter::Int32(int32_t value) {
  char bytes[4];
  PutUint32(bytes, static_cast<uint32_t>(value));
  out_.append(bytes, sizeof bytes);
  return *this;
}

MessageWriter& MessageWriter::Bytes(std::string_view value) {
  out_.append(value);
  return *this;
}

MessageWriter& MessageWriter::Text(std::string_view value) {
  out_.append(value.substr(0, value.find('\0')));
  out_.push_back('\0');
  return *this;
}

void MessageWriter::End() {
  const size_t length = out_.size() - length_at_;
  if (length > kMessageBytesMax) std::abort();
  PutUint32(out_.data() + length_at_, static_cast<uint32_t>(length));
}

uint16_t ReadUint16(const char* bytes) {
  const auto* b = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<uint16_t>((b[0] << 8) | b[1]);
}

void WriteQuery(std::string& out, std::string_view sql) { MessageWriter(out).Begin('Q').Text(sql).End(); }

void WriteReadyForQuery(std::string& out, char status) {
  MessageWriter(out).Begin('Z').Byte(static_cast<uint8_t>(status)).End();
}

void WriteParameterStatus(std::string& out, std::string_view name, std::string_view value) {
  MessageWriter(out).Begin('S').Text(name).Text(value).End();
}

void WriteCommandComplete(std::string& out, std::string_view tag) { MessageWriter(out).Begin('C').Text(tag).End(); }

void WriteTerminate(std::string& out) { MessageWriter(out).Begin('X').End(); }

void WriteSync(std::string& out) { MessageWriter(out).Begin('S').End(); }

void WriteSslRequest(std::string& out) { MessageWriter(out).BeginUntyped().Int32(kSslRequestCode).End(); }

void WriteCancelRequest(std::string& out, uint32_t process_id, std::string_view key) {
  MessageWriter(out).BeginUntyped().Int32(kCancelRequestCode).Int32(static_cast<int32_t>(process_id)).Bytes(key).End();
}

void WriteBackendKeyData(std::string& out, uint32_t process_id, std::string_view key) {
  MessageWriter(out).Begin('K').Int32(static_cast<int32_t>(process_id)).Bytes(key).End();
}

}  // namespace protocol
