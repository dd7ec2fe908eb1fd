#include "tests/bench/load/options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>

namespace bench {
namespace {

constexpr char kUsage[] =
    "usage: load port=N query=SQL... phase=SECONDS,CLIENTS[,RATE]... [KEY=VALUE...]\n"
    "  host user database application   where to, and as whom (trust)\n"
    "  query (several: one after another, one request), step_pause, think, requests\n"
    "  patience, retry, retry_pause, error_pause, kill_rate, logins_at_once, settle, seed\n"
    "Times are in seconds. Prints \"phase N TIME\" as each phase begins, and one JSON object at the end.\n";

[[noreturn]] void Refuse(std::string_view what) {
  std::fprintf(stderr, "load: %.*s\n%s", static_cast<int>(what.size()), what.data(), kUsage);
  std::exit(2);
}

double ToNumber(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || value < 0) Refuse("not a number: " + text);
  return value;
}

Phase ToPhase(const std::string& text) {
  std::vector<double> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(ToNumber(text.substr(at, comma - at)));
    at = comma + 1;
  }
  if (parts.size() < 2 || parts.size() > 3) Refuse("not SECONDS,CLIENTS[,RATE]: " + text);
  return {.seconds = parts[0], .clients = static_cast<int>(parts[1]), .rate = parts.size() == 3 ? parts[2] : 0};
}

}  // namespace

bool LoadOptions::IsOpen() const {
  return std::any_of(phases.begin(), phases.end(), [](const Phase& phase) { return phase.rate > 0; });
}

LoadOptions ReadLoadOptions(int argc, char** argv) {
  LoadOptions options;
  using Setter = std::function<void(const std::string&)>;
  const auto text = [](std::string& to) -> Setter { return [&to](const std::string& value) { to = value; }; };
  const auto number = [](auto& to) -> Setter {
    return [&to](const std::string& value) { to = static_cast<std::remove_reference_t<decltype(to)>>(ToNumber(value)); };
  };
  const std::map<std::string_view, Setter> setters = {
      {"host", text(options.host)},
      {"port", number(options.port)},
      {"user", text(options.user)},
      {"database", text(options.database)},
      {"application", text(options.application)},
      {"query", [&](const std::string& value) { options.steps.push_back(value); }},
      {"phase", [&](const std::string& value) { options.phases.push_back(ToPhase(value)); }},
      {"step_pause", number(options.step_pause)},
      {"think", number(options.think)},
      {"patience", number(options.patience)},
      {"retry", number(options.retry)},
      {"retry_pause", number(options.retry_pause)},
      {"error_pause", number(options.error_pause)},
      {"settle", number(options.settle)},
      {"kill_rate", number(options.kill_rate)},
      {"requests", number(options.requests)},
      {"logins_at_once", number(options.logins_at_once)},
      {"seed", number(options.seed)},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const size_t equals = word.find('=');
    const auto setter = setters.find(word.substr(0, equals));
    if (equals == std::string_view::npos || setter == setters.end()) Refuse("what is " + std::string(word) + "?");
    setter->second(std::string(word.substr(equals + 1)));
  }
  if (options.port == 0 || options.steps.empty() || options.phases.empty()) Refuse("port, query and phase are needed");
  return options;
}

}  // namespace bench
