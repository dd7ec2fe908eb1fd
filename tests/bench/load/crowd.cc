#include "tests/bench/load/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace bench {
namespace {

constexpr int kEventsPerTurn = 512;
constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kHeaderBytes = 5;
constexpr uint32_t kProtocolVersion = 3u << 16;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

double SecondsOf(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

uint32_t ReadUint32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return ntohl(value);
}

std::string WithLength(std::string_view type, std::string_view body) {
  const uint32_t length = htonl(static_cast<uint32_t>(body.size() + 4));
  std::string message(type);
  message.append(reinterpret_cast<const char*>(&length), sizeof length);
  return message.append(body);
}

std::string StartupMessage(const LoadOptions& options) {
  const uint32_t version = htonl(kProtocolVersion);
  std::string body(reinterpret_cast<const char*>(&version), sizeof version);
  for (const std::string& word : {std::string("user"), options.user, std::string("database"), options.database,
                                  std::string("application_name"), options.application}) {
    body.append(word).push_back('\0');
  }
  body.push_back('\0');
  return WithLength("", body);
}

// A field of an ErrorResponse.
std::string_view Field(std::string_view body, char wanted) {
  while (!body.empty() && body[0] != '\0') {
    const size_t end = body.find('\0', 1);
    if (end == std::string_view::npos) return {};
    if (body[0] == wanted) return body.substr(1, end - 1);
    body.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace

Crowd::Crowd(LoadOptions options)
    : options_(std::move(options)),
      is_open_(options_.IsOpen()),
      report_(options_.settle),
      random_(options_.seed),
      buffer_(kBufferBytes),
      startup_(StartupMessage(options_)) {
  int most = 0;
  for (const Phase& phase : options_.phases) most = std::max(most, phase.clients);
  clients_.resize(static_cast<size_t>(most));
}

double Crowd::Now() const { return SecondsOf(CLOCK_MONOTONIC) - started_; }

void Crowd::At(double when, Kind kind, int client) {
  timers_.push({when, kind, client, client < 0 ? 0 : clients_[static_cast<size_t>(client)].turn});
}

void Crowd::Run() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) Fail("epoll_create1");
  started_ = SecondsOf(CLOCK_MONOTONIC);
  wall_started_ = SecondsOf(CLOCK_REALTIME);
  NextPhase(0);
  if (options_.kill_rate > 0) At(1 / options_.kill_rate, Kind::kKill);
  while (!has_ended_) {
    RunTimers(Now());
    if (!has_ended_) WaitForEvents(timers_.top().at);
  }
  report_.End(Now());
  std::printf("%s\n", report_.Json(wall_started_).c_str());
}

void Crowd::WaitForEvents(double until) {
  const double left = std::max(0.0, until - Now());
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(left);
  timeout.tv_nsec = static_cast<long>((left - static_cast<double>(timeout.tv_sec)) * 1e9);
  epoll_event events[kEventsPerTurn];
  const int count = epoll_pwait2(epoll_fd_, events, kEventsPerTurn, &timeout, nullptr);
  if (count < 0 && errno != EINTR) Fail("epoll_pwait2");
  for (int i = 0; i < count && !has_ended_; ++i) {
    const int who = static_cast<int>(events[i].data.u64 & 0xffffffffu);
    const Client& client = clients_[static_cast<size_t>(who)];
    // An earlier event of this turn may have ended that connection.
    if (client.fd >= 0 && client.connection == events[i].data.u64 >> 32) OnEvent(who, events[i].events, Now());
  }
}

void Crowd::RunTimers(double now) {
  while (!has_ended_ && !timers_.empty() && timers_.top().at <= now) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (timer.client < 0 || timer.turn == clients_[static_cast<size_t>(timer.client)].turn) OnTimer(timer, now);
  }
}

void Crowd::OnTimer(const Timer& timer, double now) {
  switch (timer.kind) {
    case Kind::kPhase: return NextPhase(now);
    case Kind::kArrival:
      if (rate_ <= 0) return;
      // From the time it was meant for, not from now: a late timer must not thin out what arrives.
      At(timer.at + std::exponential_distribution<double>(rate_)(random_), Kind::kArrival);
      return Arrive(now);
    case Kind::kRetry: return Arrive(now);
    case Kind::kKill:
      At(timer.at + 1 / options_.kill_rate, Kind::kKill);
      return KillOne(now);
    case Kind::kPatience: return LosePatience(timer.client, now);
    case Kind::kAsk: return BeginRequest(timer.client, now);
    case Kind::kStep: return SendStep(timer.client, now);
    case Kind::kConnect: return Connect(timer.client, now);
  }
}

void Crowd::NextPhase(double now) {
  if (next_phase_ == options_.phases.size()) {
    has_ended_ = true;
    return;
  }
  const Phase& phase = options_.phases[next_phase_];
  std::printf("phase %zu %.6f\n", next_phase_, wall_started_ + now);
  std::fflush(stdout);
  ++next_phase_;
  report_.StartPhase(phase, now);
  At(now + phase.seconds, Kind::kPhase);
  wanted_ = phase.clients;
  for (int who = 0; who < static_cast<int>(clients_.size()); ++who) {
    Client& client = clients_[static_cast<size_t>(who)];
    const bool was_wanted = std::exchange(client.is_wanted, who < wanted_);
    if (was_wanted && !client.is_wanted) Close(who);
    if (!was_wanted && client.is_wanted && !is_open_) Connect(who, now);
  }
  const bool must_begin = rate_ <= 0 && phase.rate > 0;
  rate_ = phase.rate;
  if (must_begin) At(now, Kind::kArrival);
}

void Crowd::Arrive(double now) {
  while (!idle_.empty()) {
    const int who = idle_.back();
    idle_.pop_back();
    if (clients_[static_cast<size_t>(who)].state == State::kIdle) return BeginRequest(who, now);
  }
  if (first_new_ >= wanted_) return report_.NobodyFree();  // who has come once comes again by itself
  const int who = first_new_++;
  BeginRequest(who, now);
  Connect(who, now);
}

void Crowd::KillOne(double now) {
  constexpr int kTries = 50;
  for (int i = 0; i < kTries && wanted_ > 0; ++i) {
    const int who = std::uniform_int_distribution<int>(0, wanted_ - 1)(random_);
    if (clients_[static_cast<size_t>(who)].state != State::kAsking) continue;
    report_.Killed();
    Close(who);
    return Connect(who, now);
  }
}

void Crowd::BeginRequest(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  ++client.turn;
  client.has_request = true;
  client.asked = now;
  client.step = 0;
  if (options_.patience > 0) At(now + options_.patience, Kind::kPatience, who);
  if (client.state == State::kIdle) SendStep(who, now);
}

void Crowd::SendStep(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  client.state = State::kAsking;
  std::string sql = options_.steps[client.step];
  sql.push_back('\0');
  Send(who, WithLength("Q", sql), now);
}

void Crowd::EndRequest(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  ++client.turn;
  client.has_request = false;
  client.state = State::kIdle;
  const bool was_refused = !client.error.empty();
  if (was_refused) {
    report_.Failed(client.error, client.error_text, client.asked, now);
    client.error.clear();
    client.error_text.clear();
    AskAgainMaybe(now);
  } else {
    report_.Answered(client.asked, now);
    if (options_.requests > 0 && report_.answers() >= options_.requests) has_ended_ = true;
  }
  if (is_open_) {
    idle_.push_back(who);
  } else if (const double pause = was_refused ? options_.error_pause : options_.think; pause > 0) {
    At(now + pause, Kind::kAsk, who);
  } else {
    BeginRequest(who, now);
  }
}

void Crowd::AskAgainMaybe(double now) {
  if (!is_open_ || std::uniform_real_distribution<double>()(random_) >= options_.retry) return;
  At(now + std::uniform_real_distribution<double>(0, 2 * options_.retry_pause)(random_), Kind::kRetry);
}

void Crowd::LosePatience(int who, double now) {
  report_.GaveUp(now);
  AskAgainMaybe(now);
  Reconnect(who, now, 0);
}

void Crowd::Connect(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  if (client.state != State::kClosed) return;
  if (options_.logins_at_once > 0 && logins_ >= options_.logins_at_once) {
    client.state = State::kQueued;
    login_queue_.push_back(who);
    return;
  }
  StartConnecting(who, now);
}

void Crowd::Watch(int who, int how, uint32_t events) const {
  const Client& client = clients_[static_cast<size_t>(who)];
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<uint64_t>(client.connection) << 32 | static_cast<uint32_t>(who);
  if (epoll_ctl(epoll_fd_, how, client.fd, &event) != 0) Fail("epoll_ctl");
}

void Crowd::StartConnecting(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client.fd < 0) Fail("socket");
  const int one = 1;
  setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) Fail("host is no IPv4 address");
  client.state = State::kConnecting;
  client.connecting_since = now;
  client.input.clear();
  client.error.clear();
  client.error_text.clear();
  ++client.connection;
  ++logins_;
  if (options_.patience > 0 && !client.has_request) At(now + options_.patience, Kind::kPatience, who);
  if (connect(client.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) {
    report_.CouldNotConnect(strerrorname_np(errno));
    return Reconnect(who, now, options_.error_pause);
  }
  Watch(who, EPOLL_CTL_ADD, EPOLLOUT);
}

void Crowd::Connected(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    report_.CouldNotConnect(strerrorname_np(error));
    return Reconnect(who, now, options_.error_pause);
  }
  Watch(who, EPOLL_CTL_MOD, EPOLLIN);
  client.state = State::kLogin;
  Send(who, startup_, now);
}

void Crowd::LoggedIn(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  --logins_;
  report_.LoggedIn(client.connecting_since, now);
  client.state = State::kIdle;
  while (!login_queue_.empty() && logins_ < options_.logins_at_once) {
    const int next = login_queue_.front();
    login_queue_.pop_front();
    if (clients_[static_cast<size_t>(next)].state == State::kQueued) StartConnecting(next, now);
  }
  if (client.has_request) return SendStep(who, now);
  if (!is_open_) return BeginRequest(who, now);
  ++client.turn;  // its patience was for the login
  idle_.push_back(who);
}

void Crowd::Close(int who) {
  Client& client = clients_[static_cast<size_t>(who)];
  if (client.state == State::kConnecting || client.state == State::kLogin) --logins_;
  if (client.fd >= 0) close(client.fd);
  client.fd = -1;
  client.state = State::kClosed;
  client.has_request = false;
  ++client.turn;
}

void Crowd::Reconnect(int who, double now, double pause) {
  Close(who);
  if (!clients_[static_cast<size_t>(who)].is_wanted) return;
  At(now + pause, Kind::kConnect, who);
}

// The connection has ended: with an error message before, or without a word.
void Crowd::Lost(int who, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  const bool is_login = client.state == State::kLogin;
  if (client.has_request || is_login || !client.error.empty()) {
    report_.Failed(client.error.empty() ? "connection lost" : client.error, client.error_text,
                   client.has_request ? client.asked : is_login ? client.connecting_since : now, now);
    if (client.has_request) AskAgainMaybe(now);
  }
  Reconnect(who, now, options_.error_pause);
}

void Crowd::Send(int who, std::string_view bytes, double now) {
  const Client& client = clients_[static_cast<size_t>(who)];
  if (send(client.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) Lost(who, now);
}

void Crowd::OnEvent(int who, uint32_t events, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  if (client.state == State::kConnecting) return Connected(who, now);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  const ssize_t got = recv(client.fd, buffer_.data(), buffer_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return Lost(who, now);
  client.input.append(buffer_.data(), static_cast<size_t>(got));
  const uint32_t connection = client.connection;
  size_t at = 0;
  while (client.input.size() - at >= kHeaderBytes) {
    const size_t length = ReadUint32(client.input.data() + at + 1) + size_t{1};
    if (client.input.size() - at < length) break;
    const std::string_view body(client.input.data() + at + kHeaderBytes, length - kHeaderBytes);
    OnMessage(who, client.input[at], body, now);
    if (client.fd < 0 || client.connection != connection) return;
    at += length;
  }
  client.input.erase(0, at);
}

void Crowd::OnMessage(int who, char type, std::string_view body, double now) {
  Client& client = clients_[static_cast<size_t>(who)];
  if (type == 'E') {
    client.error = std::string(Field(body, 'S')) + ' ' + std::string(Field(body, 'C'));
    client.error_text = Field(body, 'M');
    return;
  }
  if (type == 'R' && body != std::string_view("\0\0\0\0", 4)) {
    errno = EPROTO;
    Fail("the server asks for a password");
  }
  if (type != 'Z') return;
  if (client.state == State::kLogin) return LoggedIn(who, now);
  if (client.error.empty() && client.step + 1 < options_.steps.size()) {
    ++client.step;
    return At(now + options_.step_pause, Kind::kStep, who);
  }
  // A transaction that failed half-way is left by leaving.
  if (body != "I") return Lost(who, now);
  EndRequest(who, now);
}

}  // namespace bench
