// Writes protocol messages into a std::string (PostgreSQL documentation, "Message Formats").
//
// What: a thin builder: Begin a message, add fields, End patches the length. Several messages may follow one another in one
// buffer, which is how one turn's answers leave in one write.
// Threads: a value, used by one thread. Limits: a message of more than kMessageBytesMax is a broken invariant (CHECK).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace protocol {

inline constexpr size_t kMessageBytesMax = 0x3fffffff;

class MessageWriter {
 public:
  explicit MessageWriter(std::string& out) : out_(out) {}
  MessageWriter& Begin(char type);   // a typed message
  MessageWriter& BeginUntyped();     // startup, SSLRequest, CancelRequest
  MessageWriter& Byte(uint8_t value);
  MessageWriter& Int16(int16_t value);
  MessageWriter& Int32(int32_t value);
  MessageWriter& Bytes(std::string_view value);
  MessageWriter& Text(std::string_view value);  // followed by a zero byte; embedded zero bytes are cut there
  void End();

 private:
  std::string& out_;
  size_t length_at_ = 0;
};

inline uint32_t ReadUint32(const char* bytes) {  // network order
  const auto at = [bytes](int i) { return uint32_t{static_cast<unsigned char>(bytes[i])}; };
  return at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3);
}
uint16_t ReadUint16(const char* bytes);

// Complete messages, appended to out.
void WriteQuery(std::string& out, std::string_view sql);
void WriteReadyForQuery(std::string& out, char status);
void WriteParameterStatus(std::string& out, std::string_view name, std::string_view value);
void WriteCommandComplete(std::string& out, std::string_view tag);
void WriteTerminate(std::string& out);
void WriteSync(std::string& out);
void WriteSslRequest(std::string& out);
void WriteCancelRequest(std::string& out, uint32_t process_id, std::string_view key);
void WriteBackendKeyData(std::string& out, uint32_t process_id, std::string_view key);

}  // namespace protocol
