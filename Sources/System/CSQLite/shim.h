#pragma once
#include <sqlite3.h>

// SQLITE_TRANSIENT, the pointer value -1, cannot be imported by Swift. It makes SQLite copy the text before the call returns.
static inline int slm_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, long long count) {
    return sqlite3_bind_blob64(statement, index, bytes, (sqlite3_uint64)count, SQLITE_TRANSIENT);
}
static inline int slm_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text, long long count) {
    return sqlite3_bind_text64(statement, index, text, (sqlite3_uint64)count, SQLITE_TRANSIENT, SQLITE_UTF8);
}
