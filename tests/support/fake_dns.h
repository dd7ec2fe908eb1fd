// A scripted name server for tests: UDP on a free port of 127.0.0.1, says what it was told to say, well or badly.
//
// What: Say gives the answer for a name from now on; what it was not told of does not exist (NXDOMAIN). Asked counts the
// questions for a name's IPv4 addresses. ResolvConf is the text of a resolv.conf that leads here, and gives up after a second unless told otherwise.
// Threads: one of its own; every call from any. Names are the same in any case of letters.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace test_support {

struct DnsReply {
  std::vector<std::string> addresses;  // IPv4 and IPv6; each kind answers its own question
  uint32_t ttl = 60;
  int code = 0;  // RCODE: 2 = SERVFAIL, 3 = NXDOMAIN, 5 = REFUSED
  enum class How : uint8_t {
    kWell,
    kNotAtAll,
    kNotForIpv6,       // only questions for IPv4 are answered
    kTruncated,        // TC is set
    kAfterForgeries,   // before the answer: one with another id that says 192.0.2.66, ones too short, and noise
    kOfAnotherName,    // the answer is to another question
    kLoopingName,      // the name of the answer points to itself
    kPastItsEnd,       // the address claims more bytes than there are
    kManyClaimed,      // 65535 answers are claimed
  } how = How::kWell;
};

class FakeDns {
 public:
  FakeDns();
  ~FakeDns();
  FakeDns(const FakeDns&) = delete;
  FakeDns& operator=(const FakeDns&) = delete;

  void Say(const std::string& name, DnsReply reply);
  int Asked(const std::string& name) const;
  int port() const { return port_; }
  std::string ResolvConf(const std::string& options = "timeout:1 attempts:1") const;

 private:
  void Run();

  int fd_ = -1, port_ = 0;
  std::atomic<bool> ends_{false};
  mutable std::mutex mutex_;  // guards the two below
  std::map<std::string, DnsReply> replies_;
  std::map<std::string, int> asked_;
  std::thread thread_;
};

}  // namespace test_support
