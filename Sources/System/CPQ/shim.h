// The functions of libpq that slm uses. It loads OpenSSL, Kerberos and LDAP, and only servers with PostgreSQL need it, so it is opened with
// dlopen on demand (Store/PostgreSQL/PostgresLibrary.swift).
#pragma once
#include <dlfcn.h>
#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>            // the path on Debian
#endif

#define SLM_PQ_FUNCTIONS(USE) \
    USE(connectdbParams) USE(finish) USE(status) USE(errorMessage) USE(pingParams) USE(socket) \
    USE(conninfoParse) USE(conninfoFree) USE(setnonblocking) USE(setNoticeReceiver) USE(notifies) USE(freemem) \
    USE(sendPrepare) USE(sendQueryPrepared) USE(setSingleRowMode) USE(flush) USE(consumeInput) USE(isBusy) USE(getResult) \
    USE(getCancel) USE(cancel) USE(freeCancel) USE(resultStatus) USE(resultErrorField) USE(clear) \
    USE(nfields) USE(ntuples) USE(fname) USE(ftype) USE(getisnull) USE(getvalue) USE(getlength)

typedef struct {
#define USE(name) __typeof__(&PQ##name) name;
    SLM_PQ_FUNCTIONS(USE)
#undef USE
} slm_pq_functions;

/// Looks up all functions. Returns the name of the first one that is missing, or NULL.
static inline const char *slm_pq_find(void *library, slm_pq_functions *found) {
#define USE(name) if (!(found->name = (__typeof__(&PQ##name))dlsym(library, "PQ" #name))) return "PQ" #name;
    SLM_PQ_FUNCTIONS(USE)
#undef USE
    return NULL;
}

// PG_DIAG_… are character constants, which Swift does not import as integers.
static const int slm_pq_sqlstate = PG_DIAG_SQLSTATE;
static const int slm_pq_primary = PG_DIAG_MESSAGE_PRIMARY;

// Discards notices. By default, libpq prints them to standard error.
static inline void slm_pq_no_notice(void *context, const PGresult *result) { (void)context; (void)result; }
static inline void slm_pq_silence(slm_pq_functions pq, PGconn *connection) {
    pq.setNoticeReceiver(connection, slm_pq_no_notice, 0);
}
