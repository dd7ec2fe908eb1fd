// The HTTP endpoint: /metrics, /livez, /readyz, /startupz and a status page at "/", over libevent's evhttp.
//
// What: GET and HEAD only (405 otherwise, 404 for other paths), one request per connection. /metrics, /livez and "/"
// are answered in a later turn, when the workers have answered. A client may hang up in between: evhttp then hands the
// request over to us (without a connection), and the late answer only frees it. Threads: the control thread. Ownership:
// the evhttp with its sockets; pending requests end with the endpoint. Limits: kHttpHeaderBytesMax, kHttpBodyBytesMax,
// kHttpTimeoutSeconds per connection, kHttpPendingMax requests that wait for the workers (more are answered 503: a
// stuck worker must not pile up memory here). Source: libevent 2.1, event2/http.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_set>

#include "proxy/control.h"

struct evhttp;
struct evhttp_request;

namespace admin {

inline constexpr int kHttpHeaderBytesMax = 16384;
inline constexpr int kHttpBodyBytesMax = 4096;
inline constexpr int kHttpTimeoutSeconds = 10;
inline constexpr size_t kHttpPendingMax = 64;
inline constexpr std::chrono::milliseconds kLivezPatience{1000};

class HttpEndpoint {
 public:
  explicit HttpEndpoint(proxy::Control& control) : control_(control) {}
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;
  ~HttpEndpoint();

  // Port 0 lets the system choose. Returns the port, or what failed and what to do. "*" listens on every IPv4 address.
  tl::expected<uint16_t, std::string> Listen(const std::string& address, uint16_t port);

  size_t pending() const { return pending_.size(); }

 private:
  struct Answer {
    int status = 200;
    std::string_view type = "application/json";
    std::string body;
  };

  void OnRequest(evhttp_request* request);
  void OnGet(evhttp_request* request, std::string_view path);
  void CollectFor(evhttp_request* request, Answer (*make)(proxy::Snapshot snapshot, const proxy::Control& control));
  void AskWorkersFor(evhttp_request* request);
  bool Hold(evhttp_request* request);
  void Finish(evhttp_request* request, const Answer& answer);
  static Answer Metrics(proxy::Snapshot snapshot, const proxy::Control& control);
  static Answer Page(proxy::Snapshot snapshot, const proxy::Control& control);
  static Answer Probe(const std::vector<std::string>& reasons);
  static void Send(evhttp_request* request, const Answer& answer);

  proxy::Control& control_;
  evhttp* http_ = nullptr;
  std::unordered_set<evhttp_request*> pending_;
  std::shared_ptr<const char> alive_ = std::make_shared<const char>('\0');  // callbacks that outlive us see it expired
};

}  // namespace admin
