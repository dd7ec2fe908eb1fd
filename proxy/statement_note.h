// The beginning of what a server was last asked to do: enough to tell who holds it what for.
//
// What: a copy of the first kDigestedBytes of the text, made for each query; what it means is worked out only when somebody asks.
// Threads: the worker of its server. Limits: protocol::kDigestedBytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "protocol/sql_digest.h"

namespace proxy {

class StatementNote {
 public:
  void Set(std::string_view sql) {
    size_ = static_cast<uint16_t>(std::min(sql.size(), bytes_.size()));
    std::memcpy(bytes_.data(), sql.data(), size_);
  }
  void Clear() { size_ = 0; }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  uint16_t size_ = 0;
  std::array<char, protocol::kDigestedBytes> bytes_;  // not set to anything: only the first size_ are read
};

}  // namespace proxy
