#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace test_support {
namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kTypeA = 1, kTypeAaaa = 28;
constexpr const char* kForged = "192.0.2.66";

std::string U16(uint16_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)}; }
std::string U32(uint32_t value) { return U16(static_cast<uint16_t>(value >> 16)) + U16(static_cast<uint16_t>(value & 0xffff)); }

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Empty when it is of another family than the question.
std::string Raw(const std::string& address, uint16_t type) {
  std::array<char, 16> raw{};
  const bool is_v4 = type == kTypeA;
  if (inet_pton(is_v4 ? AF_INET : AF_INET6, address.c_str(), raw.data()) != 1) return "";
  return std::string(raw.data(), is_v4 ? 4 : 16);
}

struct Question {
  std::string name;
  uint16_t type = 0;
  size_t end = 0;
};

Question Read(const std::string& query) {
  Question question;
  size_t at = kHeader;
  while (at < query.size() && query[at] != 0) {
    const auto length = static_cast<size_t>(static_cast<unsigned char>(query[at]));
    if (!question.name.empty()) question.name += '.';
    question.name += query.substr(at + 1, length);
    at += 1 + length;
  }
  question.name = Lower(question.name);
  if (at + 5 > query.size()) throw std::runtime_error("a DNS query that is none");
  question.type = static_cast<uint16_t>(static_cast<unsigned char>(query[at + 1]) << 8 | static_cast<unsigned char>(query[at + 2]));
  question.end = at + 5;
  return question;
}

std::string Reply(const std::string& query, const Question& question, const DnsReply& reply) {
  using How = DnsReply::How;
  std::string answers;
  uint16_t count = 0;
  for (const std::string& address : reply.addresses) {
    const std::string raw = Raw(address, question.type);
    if (raw.empty() || reply.code != 0) continue;
    ++count;
    const auto here = static_cast<uint16_t>(question.end + answers.size());
    answers += U16(static_cast<uint16_t>(0xc000 | (reply.how == How::kLoopingName ? here : kHeader)));
    answers += U16(question.type) + U16(1) + U32(reply.ttl);
    answers += U16(static_cast<uint16_t>(reply.how == How::kPastItsEnd ? 0xffff : raw.size())) + raw;
  }
  if (reply.how == How::kManyClaimed) count = 0xffff;
  const uint16_t truncated = reply.how == How::kTruncated ? 0x0200 : 0;
  return query.substr(0, 2) + U16(static_cast<uint16_t>(0x8180 | truncated | reply.code)) + U16(1) + U16(count) + U16(0) + U16(0) +
         query.substr(kHeader, question.end - kHeader) + answers;
}

std::vector<std::string> Forgeries(const std::string& query, const Question& question) {
  const std::string forged = Reply(query, question, {{kForged, "2001:db8::66"}});
  std::string other_id = forged;
  other_id[0] = static_cast<char>(other_id[0] ^ 0x55);
  return {other_id, "", query.substr(0, 1), std::string(300, '\xff'), std::string(kHeader, '\0')};
}

}  // namespace

FakeDns::FakeDns() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd_ < 0 || bind(fd_, generic, length) != 0 || getsockname(fd_, generic, &length) != 0) throw std::runtime_error("no port for DNS");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

FakeDns::~FakeDns() {
  ends_ = true;
  shutdown(fd_, SHUT_RDWR);  // wakes the thread also on a socket that is not connected
  thread_.join();
  close(fd_);
}

void FakeDns::Say(const std::string& name, DnsReply reply) {
  std::lock_guard lock(mutex_);
  replies_[Lower(name)] = std::move(reply);
}

int FakeDns::Asked(const std::string& name) const {
  std::lock_guard lock(mutex_);
  const auto found = asked_.find(Lower(name));
  return found == asked_.end() ? 0 : found->second;
}

std::string FakeDns::ResolvConf(const std::string& options) const {
  return "# of a test\nnameserver 127.0.0.1:" + std::to_string(port_) + "\noptions " + options + "\n";
}

void FakeDns::Run() {
  std::array<char, 2048> buffer;
  while (!ends_) {
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t size = recvfrom(fd_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (ends_) return;
    if (size < static_cast<ssize_t>(kHeader)) continue;
    const std::string query(buffer.data(), static_cast<size_t>(size));
    const Question question = Read(query);
    DnsReply reply{.addresses = {}, .code = 3};
    {
      std::lock_guard lock(mutex_);
      if (const auto found = replies_.find(question.name); found != replies_.end()) reply = found->second;
      if (question.type == kTypeA) ++asked_[question.name];
    }
    const auto send = [&](const std::string& bytes) {
      sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&from), length);
    };
    using How = DnsReply::How;
    if (reply.how == How::kNotAtAll || (reply.how == How::kNotForIpv6 && question.type == kTypeAaaa)) continue;
    if (reply.how == How::kAfterForgeries) {
      for (const std::string& forgery : Forgeries(query, question)) send(forgery);
    }
    std::string bytes = Reply(query, question, reply);
    if (reply.how == How::kOfAnotherName) bytes[kHeader + 1] = bytes[kHeader + 1] == 'x' ? 'y' : 'x';
    send(bytes);
  }
}

}  // namespace test_support
