// The functions of libcurl that slm uses. It loads forty libraries, and few commands need it, so it is opened with dlopen on demand
// (HTTPClient/CurlLibrary.swift).
#pragma once
#include <curl/curl.h>
#include <dlfcn.h>

#define SLM_CURL_FUNCTIONS(USE) \
    USE(global_init) USE(slist_append) USE(slist_free_all) \
    USE(easy_init) USE(easy_setopt) USE(easy_strerror) USE(easy_cleanup) \
    USE(multi_init) USE(multi_add_handle) USE(multi_perform) USE(multi_poll) USE(multi_wakeup) USE(multi_info_read) \
    USE(multi_remove_handle) USE(multi_cleanup)

typedef struct {
#define USE(name) __typeof__(&curl_##name) name;
    SLM_CURL_FUNCTIONS(USE)
#undef USE
} slm_curl_functions;

/// Looks up all functions. Returns the name of the first one that is missing, or NULL.
static inline const char *slm_curl_find(void *library, slm_curl_functions *found) {
#define USE(name) if (!(found->name = (__typeof__(&curl_##name))dlsym(library, "curl_" #name))) return "curl_" #name;
    SLM_CURL_FUNCTIONS(USE)
#undef USE
    return NULL;
}

// curl_easy_setopt is variadic, and Swift cannot call variadic C functions.
static inline CURLcode slm_curl_set_long(slm_curl_functions curl, CURL *easy, CURLoption option, long value) {
    return curl.easy_setopt(easy, option, value);
}
static inline CURLcode slm_curl_set_text(slm_curl_functions curl, CURL *easy, CURLoption option, const char *text) {
    return curl.easy_setopt(easy, option, text);
}
static inline CURLcode slm_curl_set_pointer(slm_curl_functions curl, CURL *easy, CURLoption option, void *pointer) {
    return curl.easy_setopt(easy, option, pointer);
}
static inline CURLcode slm_curl_set_callback(
    slm_curl_functions curl, CURL *easy, CURLoption option, size_t (*callback)(char *, size_t, size_t, void *)
) {
    return curl.easy_setopt(easy, option, callback);
}
static inline CURLcode slm_curl_global_init(slm_curl_functions curl) { return curl.global_init(CURL_GLOBAL_DEFAULT); }
