// Several messages in one write: pipelines, COPY; and the end of a connection.
#include "tests/walk/operations.h"

namespace walk {
namespace {

using namespace test_support;

Action PipelinePart(Draw& draw) {
  static constexpr const char* kPlain[] = {
      "SELECT 1",
      "SET work_mem = '41MB'",
      "SHOW work_mem",
      "RESET work_mem",
      "SET LOCAL app.x = 'in the pipeline'",
      "SELECT coalesce(current_setting('app.x', true), '')",
      "SELECT 1/0",
      "SELEKT",
      "SHOW TimeZone",
      "SELECT set_config('app.x', 'by pipeline', false)",
  };
  switch (draw.dice.Below(6)) {
    case 0:
      return ExtendedPart("SELECT $1::int * 2", {draw.dice.Percent(90) ? std::to_string(draw.step % 100) : "x"});
    case 1:
      return ExecutePart("q", {"5"});
    case 2: {
      Action action = ClosePart("q");
      return action += ParsePart("q", draw.dice.Percent(50) ? "SELECT $1::int + 7" : "SELECT $1::text || '?'");
    }
    case 3:
      return DescribePart("q");
    default:
      return ExtendedPart(draw.OneOf(kPlain));
  }
}

Action Pipeline(Draw& draw) {
  Action action;
  for (int parts = draw.dice.Between(2, 7); parts > 0; --parts) {
    action += PipelinePart(draw);
    if (draw.dice.Percent(40)) action += SyncPart();
  }
  return action += SyncPart();
}

Action PipelineOfTransaction(Draw& draw) {
  Action action = ExtendedPart("BEGIN");
  for (int parts = draw.dice.Between(1, 4); parts > 0; --parts) {
    action += PipelinePart(draw);
    if (draw.dice.Percent(30)) action += SyncPart();
  }
  action += SyncPart();
  Action end = Extended(draw.dice.Percent(60) ? "COMMIT" : "ROLLBACK");
  return action += end;
}

Action SeveralQueries(Draw& draw) {
  Action action = Simple("SELECT " + std::to_string(draw.step));
  action += Simple(draw.dice.Percent(50) ? "SET app.y = 'one of several'" : "SELECT 1/0");
  return action += Simple("SELECT coalesce(current_setting('app.y', true), '')");
}

Action CopyIn(Draw& draw) {
  const std::string table = draw.pair.Own("rows");
  Action action = Simple("COPY " + table + " FROM STDIN");
  switch (draw.dice.Below(4)) {
    case 0:
      return action += Raw("copy fails", CopyData("1\tone\n") + CopyFail("no more"));
    case 1:
      return action += Raw("bad data", CopyData("one\t1\n") + CopyDone());
    default:
      return action += Raw("two rows", CopyData("21\tcopied\n2") + CopyData("2\tcopied\n") + CopyDone());
  }
}

Action CopyOut(Draw& draw) {
  const std::string table = draw.pair.Own("rows");
  static constexpr const char* kOptions[] = {"", " (FORMAT csv, HEADER)"};
  return Ask(draw, "COPY (SELECT i, length(t) FROM " + table + " ORDER BY i, t) TO STDOUT" + draw.OneOf(kOptions));
}

Action Reconnect(Draw& draw) {
  Action action;
  action.ending = draw.dice.Percent(70) ? Ending::kTerminate : Ending::kVanish;
  action.text = action.ending == Ending::kTerminate ? "says goodbye and connects again" : "vanishes and connects again";
  return action;
}

}  // namespace

std::vector<Operation> StreamOperations() {
  return {
      {"pipelines", 20, Keeps::kNothing, Who::kAll, Pipeline},
      {"pipelines", 8, Keeps::kTransaction, Who::kAll, PipelineOfTransaction},
      {"pipelines", 5, Keeps::kNothing, Who::kAll, SeveralQueries},
      {"copy", 8, Keeps::kNothing, Who::kAll, CopyIn},
      {"copy", 8, Keeps::kNothing, Who::kAll, CopyOut},
      {kAlwaysGroup, 12, Keeps::kNothing, Who::kAll, Reconnect},
  };
}

}  // namespace walk
