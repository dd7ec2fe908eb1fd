// A client of the console in a test: sends messages, collects the answers as messages.
#pragma once

#include <gtest/gtest.h>

#include "admin/console.h"
#include "tests/support/wire_messages.h"
#include "tests/unit/admin/fake_control.h"

namespace admin_test {

// Cuts complete messages; what is left over fails the test.
inline std::vector<test_support::Message> Cut(std::string_view bytes) {
  std::vector<test_support::Message> messages;
  while (bytes.size() >= 5) {
    const uint32_t length = test_support::Int32At(bytes, 1);
    if (length < 4 || length + 1 > bytes.size()) break;
    messages.push_back({bytes[0], std::string(bytes.substr(5, length - 4))});
    bytes.remove_prefix(length + 1);
  }
  EXPECT_TRUE(bytes.empty()) << "an incomplete message";
  return messages;
}

inline std::string Types(const std::vector<test_support::Message>& messages) {
  std::string types;
  for (const auto& message : messages) types.push_back(message.type);
  return types;
}

class ConsoleClient {
 public:
  ConsoleClient(admin::Console& console, FakeControl& control, uint64_t id = 1)
      : console_(console), control_(control), id_(id) {}

  // Sends without answering what Control was asked.
  void Send(char type, std::string body) {
    proxy::ConsoleRequest request;
    request.client_id = id_;
    request.user = "ops";
    request.access = access;
    request.type = type;
    request.body = std::move(body);
    console_.OnMessage(std::move(request), [this](std::string bytes) {
      ++replies;
      answer_ += bytes;
    });
  }
  std::vector<test_support::Message> Take() { return Cut(std::exchange(answer_, {})); }

  // Sends complete messages one after the other, each answered before the next.
  std::vector<test_support::Message> Exchange(std::string_view bytes) {
    for (const auto& message : Cut(bytes)) {
      Send(message.type, message.body);
      control_.RunPending();
    }
    return Take();
  }
  std::vector<test_support::Message> Query(std::string_view sql) { return Exchange(test_support::Query(sql)); }

  proxy::ConsoleAccess access = proxy::ConsoleAccess::kAdmin;
  int replies = 0;

 private:
  admin::Console& console_;
  FakeControl& control_;
  uint64_t id_;
  std::string answer_;
};

}  // namespace admin_test
