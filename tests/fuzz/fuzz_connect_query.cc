// A hostile server answers connect_query: ConnectQuery is fed a stream in pieces of any size, and the same stream at once.
// Input: one byte is the size of the pieces, then the stream.
#include "protocol/connect_query.h"
#include "tests/fuzz/require.h"

namespace {

using namespace protocol;
using Step = ConnectQuery::Step;

struct Run {
  ConnectQuery query{"SET app.x = 'y'", "anna", {{"TimeZone", "UTC"}}};
  std::string said;
  Step step = Step::kContinue;
  bool has_more = false;  // behind what ended it

  Run(std::string_view stream, size_t piece) {
    while (!stream.empty() && step == Step::kContinue) {
      const std::string part(stream.substr(0, piece));  // of its exact size
      stream.remove_prefix(part.size());
      step = query.OnBytes(part, said);
    }
    has_more = !stream.empty();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Run pieces(stream, data[0] + 1u), whole(stream, stream.size());
  // What follows a whole answer is seen in the same read only.
  const bool is_cut = pieces.step == Step::kReady && pieces.has_more;
  Require(is_cut ? whole.step == Step::kMalformed : pieces.step == whole.step);
  Require(pieces.said == whole.said);
  Require(pieces.query.settings() == whole.query.settings());
  Require((whole.step == Step::kMalformed) == !whole.query.why().empty());
  Require(pieces.query.parameters().size() == 1);
  return 0;
}
