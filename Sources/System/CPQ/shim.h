#pragma once
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>            // the path on Debian
#endif

// PG_DIAG_… are character constants, which Swift does not import as integers.
static const int slm_pq_sqlstate = PG_DIAG_SQLSTATE;
static const int slm_pq_primary = PG_DIAG_MESSAGE_PRIMARY;

// Discards notices. By default, libpq prints them to standard error.
static inline void slm_pq_no_notice(void *context, const PGresult *result) { (void)context; (void)result; }
static inline void slm_pq_silence(PGconn *connection) { PQsetNoticeReceiver(connection, slm_pq_no_notice, 0); }
