// SHOW LISTS, CONFIG, STATE, ERRORS, MEM, VERSION, HOSTS, DNS_HOSTS, DNS_ZONES, PEERS and PEER_POOLS: what the process itself is.
//
// What: PgBouncer 1.25's columns, ours at the end. ERRORS is ours: what pgweir has said to clients since its start, by the
// stable name of protocol/error_catalog.h; the console's own errors are not counted. MEM counts objects of a kind at the size of
// the object itself; what they point to (buffers, settings) comes on top, statement texts have a row of their own. A connection to
// a peer carries one cancel request and needs no login, so sv_active_cancel is cl_active_cancel_req and sv_login is 0. There are
// no zones, so that table is empty. Threads: pure functions. Source: PgBouncer's documentation, "Admin console".
#pragma once

#include "admin/show_tables.h"
#include "admin/table.h"

namespace admin {

Columns ListColumns();
Columns ConfigColumns();
Columns StateColumns();
Columns ErrorColumns();
Columns MemColumns();
Columns VersionColumns();
Columns DnsHostColumns();
Columns HostColumns();
Columns DnsZoneColumns();
Columns PeerColumns();
Columns PeerPoolColumns();

std::vector<Row> ListRows(const Facts& facts);
std::vector<Row> ConfigRows(const Facts& facts);
std::vector<Row> StateRows(const Facts& facts);
std::vector<Row> ErrorRows(const proxy::Snapshot& snapshot);
std::vector<Row> MemRows(const proxy::Snapshot& snapshot);
std::vector<Row> DnsHostRows(const proxy::Snapshot& snapshot);
std::vector<Row> HostRows(const proxy::Snapshot& snapshot);
std::vector<Row> PeerRows(const Facts& facts);
std::vector<Row> PeerPoolRows(const Facts& facts);

}  // namespace admin
