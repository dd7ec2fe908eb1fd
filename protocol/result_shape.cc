#include "protocol/result_shape.h"

namespace protocol {
namespace {

constexpr uint64_t kBasis = 0xcbf29ce484222325u, kPrime = 0x100000001b3u;  // FNV-1a: enough to tell two descriptions apart

void Mix(uint64_t& sum, char byte) { sum = (sum ^ static_cast<unsigned char>(byte)) * kPrime; }

// A column is its name, a zero byte, and: table 4, number 2, type 4, length 2, modifier 4, format 2.
constexpr int kCountBytes = 2, kColumnBytes = 18, kTypeFrom = 6, kTypeTo = 16;

}  // namespace

void ResultShape::Begin(char type) {
  type_ = type;
  at_ = kColumnBytes - kCountBytes;  // the number of columns, which they say themselves
  in_name_ = false;
  (type == 't' ? parameters_ : columns_) = kBasis;
}

void ResultShape::Eat(std::string_view part) {
  if (type_ == 'T') return EatColumns(part);
  if (type_ != 't') return;
  for (const char byte : part) Mix(parameters_, byte);
}

void ResultShape::EatColumns(std::string_view part) {
  for (const char byte : part) {
    if (in_name_) {
      Mix(columns_, byte);
      if (byte == '\0') in_name_ = false, at_ = 0;
      continue;
    }
    const int place = at_++;
    if (place >= kTypeFrom && place < kTypeTo) Mix(columns_, byte);
    if (at_ == kColumnBytes) in_name_ = true;
  }
}

}  // namespace protocol
