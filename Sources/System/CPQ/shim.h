#pragma once
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>            // where Debian keeps it
#endif

// Letters of PG_DIAG_…, which are character constants that Swift does not take for integers.
static const int slm_pq_sqlstate = PG_DIAG_SQLSTATE;
static const int slm_pq_primary = PG_DIAG_MESSAGE_PRIMARY;

// A receiver of notices that says nothing: by default libpq writes them to standard error.
static inline void slm_pq_no_notice(void *context, const PGresult *result) { (void)context; (void)result; }
static inline void slm_pq_silence(PGconn *connection) { PQsetNoticeReceiver(connection, slm_pq_no_notice, 0); }
