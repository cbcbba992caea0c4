#define _DEFAULT_SOURCE
#include "check.h"
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

const slm_kernels *kernels;
static int failed;
static long compared;

static void report(const char *format, va_list arguments) {
    if (++failed > 40) return;
    printf("%s: ", kernels ? kernels->name : "");
    vprintf(format, arguments);
}

void expect_close(const float *found, const double *expected, size_t n, tolerance t, double terms, const char *format, ...) {
    double largest = terms, worst = 1;
    for (size_t i = 0; i < n; i++) if (isfinite(expected[i])) largest = fmax(largest, fabs(expected[i]));
    size_t count = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        const double a = found[i], b = expected[i];
        if (a == b || (isnan(a) && isnan(b))) continue;
        const double error = fabs(a - b), allowed = t.absolute + t.relative * fabs(b) + t.scale * largest;
        const double excess = isfinite(error) && isfinite(allowed) ? error / allowed : INFINITY;
        if (!(excess <= 1)) count++;
        if (!(excess <= worst)) worst = excess, at = i;
    }
    compared += (long)n;
    if (count == 0) return;
    va_list arguments;
    va_start(arguments, format);
    report(format, arguments);
    va_end(arguments);
    if (failed <= 40) printf(": %zu of %zu differ; [%zu] is %.9g, expected %.9g\n", count, n, at, found[at], expected[at]);
}

void expect_same(const float *found, const float *expected, size_t n, const char *format, ...) {
    compared += (long)n;
    for (size_t i = 0; i < n; i++) {
        if (memcmp(found + i, expected + i, 4) == 0 || found[i] == expected[i] || (isnan(found[i]) && isnan(expected[i]))) continue;
        va_list arguments;
        va_start(arguments, format);
        report(format, arguments);
        va_end(arguments);
        if (failed <= 40) printf(": [%zu] is %.9g, expected the bits of %.9g\n", i, found[i], expected[i]);
        return;
    }
}

void expect(bool condition, const char *format, ...) {
    compared++;
    if (condition) return;
    va_list arguments;
    va_start(arguments, format);
    report(format, arguments);
    va_end(arguments);
    if (failed <= 40) printf("\n");
}

int failures(void) { return failed; }
long comparisons(void) { return compared; }

#if __has_feature(address_sanitizer)

// AddressSanitizer checks both ends of each buffer.
static void *buffers[4096];
static size_t buffer_count;

void *make_bytes(size_t bytes, size_t alignment) {
    void *p;
    if (buffer_count == sizeof buffers / sizeof *buffers) puts("too many buffers"), abort();
    if (posix_memalign(&p, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes ? bytes : 1) != 0) puts("no memory"), abort();
    memset(p, 0xff, bytes);                                  // NaN in every type
    return buffers[buffer_count++] = p;
}
void release_all(void) { while (buffer_count > 0) free(buffers[--buffer_count]); }

#else

// A range of pages with one behind it that cannot be accessed. Ranges are reused.
typedef struct { char *begin; size_t size; bool used; } page_range;
static page_range ranges[4096];
static size_t range_count;

void *make_bytes(size_t bytes, size_t alignment) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), needed = (bytes + alignment + page - 1) / page * page;
    size_t i = 0;
    while (i < range_count && (ranges[i].used || ranges[i].size < needed || ranges[i].size > 2 * needed)) i++;
    if (i == range_count) {
        if (range_count == sizeof ranges / sizeof *ranges) puts("too many buffers"), abort();
        char *p = mmap(NULL, needed + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p + needed, page, PROT_NONE) != 0) puts("no memory"), abort();
        ranges[range_count++] = (page_range){p, needed, false};
    }
    ranges[i].used = true;
    char *end = ranges[i].begin + ranges[i].size, *p = (char *)((uintptr_t)(end - bytes) / alignment * alignment);
    memset(p, 0xff, bytes);                                  // NaN in every type
    return p;
}
void release_all(void) { for (size_t i = 0; i < range_count; i++) ranges[i].used = false; }

#endif

float rounded(float x) {
    if (isnan(x)) return NAN;
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t low = bits & 0xffff, high = bits >> 16;
    bits = (high + (low > 0x8000 || (low == 0x8000 && (high & 1)))) << 16;
    memcpy(&x, &bits, 4);
    return x;
}

float *numbers(size_t n, unsigned seed) {
    float *x = make_bytes(4 * n, 4);
    uint32_t state = seed * 2654435761u + 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

void *blank(int type, size_t n) { return make_bytes(n * (type == SLM_F32 ? 4 : 2), type == SLM_F32 ? 4 : 2); }

void *stored(int type, const float *x, size_t n) {
    char *p = blank(type, n);
    for (size_t i = 0; i < n; i++) {
        const float value = type == SLM_F32 ? x[i] : rounded(x[i]);
        if (type == SLM_F32) memcpy(p + 4 * i, &value, 4); else memcpy(p + 2 * i, (const char *)&value + 2, 2);
    }
    return p;
}

float *loaded(const void *x, int type, size_t n) {
    float *p = make_bytes(4 * n, 4);
    if (type == SLM_F32) return memcpy(p, x, 4 * n);
    memset(p, 0, 4 * n);
    for (size_t i = 0; i < n; i++) memcpy((char *)(p + i) + 2, (const char *)x + 2 * i, 2);
    return p;
}

float *rounded_to(int type, const float *x, size_t n) {
    float *p = make_bytes(4 * n, 4);
    for (size_t i = 0; i < n; i++) p[i] = type == SLM_F32 ? x[i] : rounded(x[i]);
    return p;
}

double *doubles(const float *x, size_t n) {
    double *p = make_bytes(8 * n, 8);
    for (size_t i = 0; i < n; i++) p[i] = x[i];
    return p;
}
double *zeros(size_t n) { return memset(make_bytes(8 * n, 8), 0, 8 * n); }
int32_t *integers(size_t n) { return memset(make_bytes(4 * n, 4), 0, 4 * n); }
