// LISTEN, UNLISTEN, NOTIFY on channels that all clients share.
//
// LISTEN takes no server of the pool for good: session_state = track listens on a connection of its own, which is also
// why nobody is asked what pg_listening_channels() says.
#include "tests/walk/operations.h"

namespace walk {
namespace {

constexpr const char* kChannels[] = {"news", "jobs", "\"Odd Name\"", "quiet"};

Action ListenTo(Draw& draw) {
  const std::string channel = draw.OneOf(kChannels);
  if (draw.dice.Percent(10)) return Simple("BEGIN; LISTEN " + channel + "; ROLLBACK");
  if (draw.dice.Percent(10)) return Simple("LISTEN news; LISTEN jobs");
  return Ask(draw, "LISTEN " + channel);
}

Action Listen(Draw& draw) {
  Action action = ListenTo(draw);
  action.listens = true;
  return action;
}

Action Unlisten(Draw& draw) {
  if (draw.dice.Percent(25)) return Ask(draw, "UNLISTEN *");
  return Ask(draw, std::string("UNLISTEN ") + draw.OneOf(kChannels));
}

Action ReadChannels(Draw& draw) { return Ask(draw, "SELECT c FROM pg_listening_channels() c ORDER BY c"); }

Action Notify(Draw& draw) {
  const std::string channel = draw.OneOf(kChannels);
  const std::string payload = "'" + std::to_string(draw.pair.number()) + " at " + std::to_string(draw.step) + "'";
  switch (draw.dice.Below(8)) {
    case 0:
      return Simple("BEGIN; NOTIFY " + channel + ", " + payload + "; ROLLBACK");
    case 1:
      return Simple("NOTIFY news, " + payload + "; NOTIFY jobs, " + payload + "; NOTIFY news, " + payload + "; NOTIFY news");
    case 2:
      return Extended("SELECT pg_notify($1, $2)", {"news", "by function " + std::to_string(draw.step)});
    case 3:
      return Simple("BEGIN; NOTIFY jobs, " + payload + "; SAVEPOINT a; NOTIFY jobs, 'lost'; ROLLBACK TO a; COMMIT");
    case 4:
      return Ask(draw, "NOTIFY " + channel);
    default:
      return Ask(draw, "NOTIFY " + channel + ", " + payload);
  }
}

}  // namespace

std::vector<Operation> ListenOperations() {
  return {
      {kListenGroup, 12, Keeps::kTransaction, Who::kAll, Listen},
      {kListenGroup, 5, Keeps::kNothing, Who::kAll, Unlisten},
      {kHiddenGroup, 10, Keeps::kNothing, Who::kAll, ReadChannels},
      {kListenGroup, 30, Keeps::kNothing, Who::kAll, Notify},
  };
}

}  // namespace walk
