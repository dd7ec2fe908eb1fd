#include "tests/support/wire_barrier.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace test_support {
namespace {

constexpr int kYieldsBeforeSleep = 50;

class Diagnosis {
 public:
  Diagnosis() : fd_(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {}
  ~Diagnosis() {
    if (fd_ >= 0) close(fd_);
  }
  Diagnosis(const Diagnosis&) = delete;
  Diagnosis& operator=(const Diagnosis&) = delete;

  // True when the socket with these ends has received so many bytes and read them all, or is not there.
  bool HasRead(const sockaddr_in& source, const sockaddr_in& destination, uint64_t bytes) const {
    struct {
      nlmsghdr header;
      inet_diag_req_v2 body;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.body.sdiag_family = AF_INET;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0u;
    request.body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
    request.body.id.idiag_sport = source.sin_port;
    request.body.id.idiag_dport = destination.sin_port;
    request.body.id.idiag_src[0] = source.sin_addr.s_addr;
    request.body.id.idiag_dst[0] = destination.sin_addr.s_addr;
    request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (fd_ < 0 || send(fd_, &request, sizeof request, 0) != sizeof request) return true;
    alignas(nlmsghdr) char answer[8192];
    const ssize_t got = recv(fd_, answer, sizeof answer, 0);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return true;
    nlmsghdr header;
    std::memcpy(&header, answer, sizeof header);
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return true;
    inet_diag_msg found;
    std::memcpy(&found, answer + NLMSG_HDRLEN, sizeof found);
    if (found.idiag_rqueue != 0) return false;
    const auto end = static_cast<size_t>(got);
    rtattr attribute;
    for (size_t at = NLMSG_LENGTH(sizeof found); at + sizeof attribute <= end; at += RTA_ALIGN(attribute.rta_len)) {
      std::memcpy(&attribute, answer + at, sizeof attribute);
      if (attribute.rta_len < sizeof attribute) break;
      if (attribute.rta_type != INET_DIAG_INFO) continue;
      tcp_info info{};
      std::memcpy(&info, answer + at + RTA_LENGTH(0), std::min(sizeof info, attribute.rta_len - RTA_LENGTH(0)));
      return info.tcpi_bytes_received >= bytes;
    }
    return true;
  }

 private:
  const int fd_;
};

}  // namespace

bool WaitUntilRead(int fd, Milliseconds patience) {
  thread_local const Diagnosis diagnosis;
  sockaddr_in mine{}, theirs{};
  socklen_t length = sizeof mine;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&mine), &length) != 0) return true;
  length = sizeof theirs;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&theirs), &length) != 0) return true;
  const Deadline deadline(patience);
  for (int turns = 0; !deadline.passed(); ++turns) {
    // Not SIOCOUTQ: that waits for an acknowledgement, which the kernel may delay by 40 ms.
    tcp_info info{};
    length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return true;
    if (info.tcpi_notsent_bytes == 0 && diagnosis.HasRead(theirs, mine, info.tcpi_bytes_sent - info.tcpi_bytes_retrans))
      return true;
    if (turns < kYieldsBeforeSleep)
      sched_yield();
    else
      usleep(100);
  }
  return false;
}

}  // namespace test_support
