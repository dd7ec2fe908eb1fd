// What became of the requests of one run, and the JSON object that says so. One thread. Times are seconds since the start.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/load/options.h"

namespace bench {

class Report {
 public:
  explicit Report(double settle) : settle_(settle) {}

  void StartPhase(const Phase& phase, double now);
  void End(double now) { end_ = now; }

  void Answered(double asked, double now);
  // `what` is severity and SQLSTATE, or words of our own where no message came. `since`: of the request, or of the login.
  void Failed(const std::string& what, std::string_view message, double since, double now);
  void GaveUp(double now);
  void LoggedIn(double connecting_since, double now) { logins_.push_back(now - connecting_since); }
  void CouldNotConnect(const char* why) { ++connect_failures_[why]; }
  void Killed() { ++killed_; }
  // An arrival found every client busy: the load was less than asked for.
  void NobodyFree() { ++nobody_free_; }

  int64_t answers() const { return static_cast<int64_t>(answers_.size()); }
  // `started`: the wall clock's time of second 0.
  std::string Json(double started) const;

 private:
  struct Answer {
    double at;
    double took;
  };
  struct Failure {
    int64_t count = 0;
    std::vector<double> took;
  };
  struct Stretch {
    Phase phase;
    double from;
    int64_t gave_up = 0;
    std::map<std::string, int64_t> errors;
  };

  std::string PhaseJson(size_t index) const;
  std::string SeriesJson() const;

  double settle_;
  double end_ = 0;
  std::vector<Stretch> stretches_;
  std::vector<Answer> answers_;
  std::vector<double> failed_at_;
  std::vector<double> logins_;
  std::map<std::pair<std::string, std::string>, Failure> failures_;  // by what and message
  std::map<std::string, int64_t> connect_failures_;
  int64_t gave_up_ = 0;
  int64_t killed_ = 0;
  int64_t nobody_free_ = 0;
};

}  // namespace bench
