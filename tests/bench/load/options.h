// What the load program was asked to do: its command line, read once. Plain data; times are in seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

// A stretch of the run. With a rate, requests arrive by a Poisson process and take a client that is idle; without one,
// every client asks again when it has been answered.
struct Phase {
  double seconds = 0;
  int clients = 0;
  double rate = 0;
};

struct LoadOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::string user = "bench";
  std::string database = "bench";
  std::string application = "load";
  std::vector<std::string> steps;  // the statements of one request, each sent when the one before was answered
  std::vector<Phase> phases;
  double step_pause = 0;
  double think = 0;        // closed loop: between an answer and the next request
  double patience = 0;     // after this without an answer a client closes its connection and comes again; 0 = waits
  double retry = 0;        // open arrivals: share of the unanswered requests that are asked again
  double retry_pause = 0;  // ... after a random time of up to twice this
  double error_pause = 0.1;
  double settle = 0;       // of each phase, left out of its figures
  double kill_rate = 0;    // clients per second that close in the middle of a request and come again
  int64_t requests = 0;    // ends the run after so many answers; 0 = when the phases have ended
  int logins_at_once = 0;  // clients that may be logging in at a time; 0 = all
  uint32_t seed = 1;

  bool IsOpen() const;
};

// KEY=VALUE words; ends the process with a message when one is wrong.
LoadOptions ReadLoadOptions(int argc, char** argv);

}  // namespace bench
