// What one client carries from server to server beyond its settings.
//
// What: its prepared statements and, while a transaction runs, what of its session that transaction may have changed. Made when
// first needed: most clients that only send simple queries never have one.
// Threads: the worker of its client. Limits: those of protocol/prepared_statements.h.
#pragma once

#include "protocol/prepared_statements.h"

namespace proxy {

struct Session {
  protocol::ClientStatements statements;
};

}  // namespace proxy
