// Thousands of clients on one epoll: who is connected, who has asked what, who loses patience. One thread; everything of
// one client happens in the order of its events. Level-triggered; a client's request fits into any empty socket.
//
// Timers are never removed: each carries its client's `turn`, which moves on whenever what the timer was for has ended.
#pragma once

#include <cstdint>
#include <deque>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/load/options.h"
#include "tests/bench/load/report.h"

namespace bench {

class Crowd {
 public:
  explicit Crowd(LoadOptions options);
  void Run();

 private:
  enum class State { kClosed, kQueued, kConnecting, kLogin, kIdle, kAsking };
  enum class Kind { kPhase, kArrival, kRetry, kKill, kPatience, kAsk, kStep, kConnect };

  struct Client {
    int fd = -1;
    State state = State::kClosed;
    uint32_t turn = 0;
    uint32_t connection = 0;  // how many it has had: an event of an older one is not its own
    bool is_wanted = false;
    bool has_request = false;
    size_t step = 0;
    double asked = 0;  // when the request came, whether connected or not
    double connecting_since = 0;
    std::string input;
    std::string error;  // severity and SQLSTATE
    std::string error_text;
  };

  struct Timer {
    double at;
    Kind kind;
    int client;
    uint32_t turn;
    bool operator>(const Timer& other) const { return at > other.at; }
  };

  double Now() const;
  void At(double when, Kind kind, int client = -1);
  void RunTimers(double now);
  void OnTimer(const Timer& timer, double now);
  void NextPhase(double now);
  void WaitForEvents(double until);

  void Arrive(double now);
  void KillOne(double now);
  void BeginRequest(int who, double now);
  void SendStep(int who, double now);
  void EndRequest(int who, double now);  // answered, or refused by a session that lives
  void AskAgainMaybe(double now);
  void LosePatience(int who, double now);

  void Connect(int who, double now);
  void StartConnecting(int who, double now);
  void Watch(int who, int how, uint32_t events) const;
  void Connected(int who, double now);
  void LoggedIn(int who, double now);
  void Close(int who);
  void Reconnect(int who, double now, double pause);
  void Lost(int who, double now);

  void OnEvent(int who, uint32_t events, double now);
  void OnMessage(int who, char type, std::string_view body, double now);
  void Send(int who, std::string_view bytes, double now);

  const LoadOptions options_;
  const bool is_open_;
  Report report_;
  std::mt19937 random_;
  std::vector<Client> clients_;
  std::vector<int> idle_;  // open arrivals: perhaps idle clients, the last one first
  std::deque<int> login_queue_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<char> buffer_;
  std::string startup_;
  int epoll_fd_ = -1;
  int logins_ = 0;
  int wanted_ = 0;
  int first_new_ = 0;  // open arrivals: the first client that has never been connected
  size_t next_phase_ = 0;
  double rate_ = 0;
  bool has_ended_ = false;
  double started_ = 0;       // monotonic
  double wall_started_ = 0;
};

}  // namespace bench
