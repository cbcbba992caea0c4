#pragma once
#include <curl/curl.h>

// curl_easy_setopt is variadic, and Swift cannot call variadic C functions.
static inline CURLcode slm_curl_set_long(CURL *easy, CURLoption option, long value) { return curl_easy_setopt(easy, option, value); }
static inline CURLcode slm_curl_set_text(CURL *easy, CURLoption option, const char *text) { return curl_easy_setopt(easy, option, text); }
static inline CURLcode slm_curl_set_pointer(CURL *easy, CURLoption option, void *pointer) {
    return curl_easy_setopt(easy, option, pointer);
}
static inline CURLcode slm_curl_set_callback(CURL *easy, CURLoption option, size_t (*callback)(char *, size_t, size_t, void *)) {
    return curl_easy_setopt(easy, option, callback);
}
static inline CURLcode slm_curl_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
