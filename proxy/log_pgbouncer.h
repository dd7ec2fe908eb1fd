// PgBouncer's log lines for our events (log_format = "pgbouncer"), so that alerts and parsers that people have go on working.
//
// What: one event becomes the lines that PgBouncer 1.25 would have written at that moment: none, one, or several. Each has
// PgBouncer's word for the level in front: LOG, WARNING, ERROR, FATAL or DEBUG. A client is "C-0xID: db/user@host:port", a server
// "S-0xID: ..."; ID is the column id of SHOW CLIENTS and SHOW SERVERS. An event that PgBouncer does not know is written as
// "event field=value ...", so that nothing is lost. What differs from PgBouncer's lines, and why, stands in
// tests/integration/log_beside_test.cc.
// Values come from strangers: control characters are escaped, as in the other formats. Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/log.h"

namespace proxy {

struct PgBouncerLine {
  Level level;       // against log_level
  std::string text;  // "LOG C-0x2a: shop/app@127.0.0.1:50000 closing because: client close request (age=3s)"
};

std::vector<PgBouncerLine> RenderForPgBouncer(Level level, std::string_view event, LogFields fields);

// PgBouncer's words for the end of a connection or a refusal: `reason` is a name of the error catalogue or a sentence of ours,
// `message` what the client was told. PgBouncer's words where it has them, else the message, else the reason.
std::string PgBouncerReason(std::string_view reason, std::string_view message);

}  // namespace proxy
