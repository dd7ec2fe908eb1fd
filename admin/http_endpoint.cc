#include "admin/http_endpoint.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "admin/metrics.h"
#include "admin/status_page.h"

namespace admin {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";

uint16_t PortOf(evutil_socket_t fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

}  // namespace

HttpEndpoint::~HttpEndpoint() {
  alive_.reset();
  for (evhttp_request* request : pending_) {
    // Those still on a connection are freed with it.
    if (evhttp_request_get_connection(request) == nullptr) evhttp_request_free(request);
  }
  if (http_ != nullptr) evhttp_free(http_);
}

tl::expected<uint16_t, std::string> HttpEndpoint::Listen(const std::string& address, uint16_t port) {
  const auto fail = [&](const std::string& why) {
    return tl::unexpected("cannot listen for HTTP on " + address + ':' + std::to_string(port) + ": " + why +
                          "; check http_listen_addr and http_listen_port");
  };
  if (http_ == nullptr) {
    http_ = evhttp_new(control_.base());
    if (http_ == nullptr) return fail("out of memory");
    evhttp_set_max_headers_size(http_, kHttpHeaderBytesMax);
    evhttp_set_max_body_size(http_, kHttpBodyBytesMax);
    evhttp_set_timeout(http_, kHttpTimeoutSeconds);
    // Every method reaches us, so that the answer is 405 and not evhttp's 501.
    evhttp_set_allowed_methods(http_, 0xffff);
    const auto on_request = [](evhttp_request* request, void* self) {
      static_cast<HttpEndpoint*>(self)->OnRequest(request);
    };
    evhttp_set_gencb(http_, on_request, this);
  }
  errno = 0;
  evhttp_bound_socket* bound =
      evhttp_bind_socket_with_handle(http_, address == "*" ? "0.0.0.0" : address.c_str(), port);
  if (bound == nullptr) return fail(errno == 0 ? "not an address of this machine" : std::strerror(errno));
  return PortOf(evhttp_bound_socket_get_fd(bound));
}

void HttpEndpoint::OnRequest(evhttp_request* request) {
  // Nothing after the request is read, so nothing of it may pile up while the workers are asked.
  bufferevent* connection = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
  bufferevent_setwatermark(connection, EV_READ, 0, kHttpHeaderBytesMax);

  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  if (path == nullptr) return Send(request, {.status = 400, .type = kPlain, .body = "bad request\n"});
  const auto method = evhttp_request_get_command(request);
  if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
    return Send(request, {.status = 405, .type = kPlain, .body = "only GET and HEAD are allowed\n"});
  }
  OnGet(request, path);
}

void HttpEndpoint::OnGet(evhttp_request* request, std::string_view path) {
  if (path == "/metrics") return CollectFor(request, Metrics);
  if (path == "/" || path.empty()) return CollectFor(request, Page);
  if (path == "/livez") return AskWorkersFor(request);
  if (path == "/readyz") return Send(request, Probe(ReasonsAgainstReady(FactsOf(control_))));
  if (path == "/startupz") {
    std::vector<std::string> reasons;
    if (!control_.HasStarted()) reasons.emplace_back("not started: the listeners are not open yet");
    return Send(request, Probe(reasons));
  }
  Send(request, {.status = 404, .type = kPlain, .body = "not found; there are / /metrics /livez /readyz /startupz\n"});
}

bool HttpEndpoint::Hold(evhttp_request* request) {
  if (pending_.size() >= kHttpPendingMax) {
    Send(request, Probe({"busy: " + std::to_string(kHttpPendingMax) + " requests wait for the workers"}));
    return false;
  }
  pending_.insert(request);
  return true;
}

void HttpEndpoint::CollectFor(evhttp_request* request, Answer (*make)(proxy::Snapshot, const proxy::Control&)) {
  if (!Hold(request)) return;
  const auto answer = [this, alive = std::weak_ptr(alive_), request, make](proxy::Snapshot snapshot) {
    if (!alive.expired()) Finish(request, make(std::move(snapshot), control_));
  };
  control_.Collect(proxy::Collecting::kTotals, answer);
}

void HttpEndpoint::AskWorkersFor(evhttp_request* request) {
  if (!Hold(request)) return;
  control_.AskWorkers(kLivezPatience, [this, alive = std::weak_ptr(alive_), request](bool all_turned) {
    if (alive.expired()) return;
    std::vector<std::string> reasons;
    if (!all_turned) reasons.emplace_back("stuck: a worker has not turned its loop within 1 s");
    Finish(request, Probe(reasons));
  });
}

void HttpEndpoint::Finish(evhttp_request* request, const Answer& answer) {
  if (pending_.erase(request) > 0) Send(request, answer);
}

HttpEndpoint::Answer HttpEndpoint::Metrics(proxy::Snapshot snapshot, const proxy::Control& control) {
  return {.type = "text/plain; version=0.0.4; charset=utf-8",
          .body = MetricsText(SnapshotMetrics(std::move(snapshot), FactsOf(control)))};
}

HttpEndpoint::Answer HttpEndpoint::Page(proxy::Snapshot snapshot, const proxy::Control& control) {
  return {.type = "text/html; charset=utf-8",
          .body = StatusPage(snapshot, FactsOf(control), std::chrono::system_clock::now())};
}

HttpEndpoint::Answer HttpEndpoint::Probe(const std::vector<std::string>& reasons) {
  return {.status = reasons.empty() ? 200 : 503, .body = ProbeJson(reasons)};
}

// Frees the request, also when its client has gone.
void HttpEndpoint::Send(evhttp_request* request, const Answer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", std::string(answer.type).c_str());
  evhttp_add_header(headers, "Content-Length", std::to_string(answer.body.size()).c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Connection", "close");
  if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
    evbuffer_add(evhttp_request_get_output_buffer(request), answer.body.data(), answer.body.size());
  }
  evhttp_send_reply(request, answer.status, ReasonPhrase(answer.status), nullptr);
}

}  // namespace admin
