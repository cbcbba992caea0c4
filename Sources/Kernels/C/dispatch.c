// Chooses the kernels for this CPU. Memory of the process.
#define _GNU_SOURCE
#include "kernels.h"
#include <link.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

extern const slm_kernels slm_kernels_plain;
#if defined(__x86_64__)
#include <cpuid.h>
extern const slm_kernels slm_kernels_avx512amx, slm_kernels_avx512bf16, slm_kernels_avx512, slm_kernels_avx2vnni, slm_kernels_avx2;
static const slm_kernels *const best_first[] = {
    &slm_kernels_avx512amx, &slm_kernels_avx512bf16, &slm_kernels_avx512, &slm_kernels_avx2vnni, &slm_kernels_avx2, &slm_kernels_plain,
};

// CPUID leaf 7, subleaf 1: not every compiler's runtime knows the feature.
static bool has_avxvnni(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1) && __builtin_cpu_supports("avx2");
}

// Whether the CPU has a feature of AMX, bit `bit` of EDX, and Linux lets this process use tiles, for which a process asks once.
static bool has_amx(int bit) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(edx >> bit & 1)) return false;
    enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };               // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
}

bool slm_cpu_has(void *unused, const char *feature) {
    (void)unused;
    __builtin_cpu_init();
#define HAS(name) if (strcmp(feature, name) == 0) return __builtin_cpu_supports(name)
    HAS("avx2"); HAS("fma"); HAS("f16c"); HAS("bmi2");
    HAS("avx512f"); HAS("avx512bw"); HAS("avx512dq"); HAS("avx512vl"); HAS("avx512cd"); HAS("avx512bf16"); HAS("avx512vnni");
    if (strcmp(feature, "amx-bf16") == 0) return has_amx(22);
    if (strcmp(feature, "amx-tile") == 0) return has_amx(24);
    if (strcmp(feature, "amx-int8") == 0) return has_amx(25);
    return strcmp(feature, "avxvnni") == 0 && has_avxvnni();
}
#elif defined(__aarch64__)
extern const slm_kernels slm_kernels_neonbf16, slm_kernels_neondotprod, slm_kernels_neon;
static const slm_kernels *const best_first[] = {&slm_kernels_neonbf16, &slm_kernels_neondotprod, &slm_kernels_neon, &slm_kernels_plain};

bool slm_cpu_has(void *unused, const char *feature) {
    (void)unused;
#if defined(__linux__)
    if (strcmp(feature, "dotprod") == 0) return getauxval(AT_HWCAP) >> 20 & 1;       // HWCAP_ASIMDDP
    if (strcmp(feature, "bf16") == 0) return getauxval(AT_HWCAP2) >> 14 & 1;         // HWCAP2_BF16
#endif
    return false;
}
#else
static const slm_kernels *const best_first[] = {&slm_kernels_plain};

bool slm_cpu_has(void *unused, const char *feature) { (void)unused, (void)feature; return false; }
#endif

enum { TABLES = sizeof best_first / sizeof *best_first };

// Whether a CPU has every feature that the kernels are compiled for.
static bool is_supported(const slm_kernels *k, slm_feature_test has, void *context) {
    for (const char *next = k->features; *next;) {
        char feature[16];
        const size_t length = strcspn(next, ",");
        if (length >= sizeof feature) return false;
        memcpy(feature, next, length);
        feature[length] = 0;
        if (!has(context, feature)) return false;
        next += length + (next[length] == ',');
    }
    return true;
}

const slm_kernels *slm_kernels_for(const char *name, slm_feature_test has, void *context) {
    for (int i = 0; i < TABLES; i++)
        if ((!name || strcmp(best_first[i]->name, name) == 0) && is_supported(best_first[i], has, context)) return best_first[i];
    return NULL;
}

const char *slm_kernels_name(int i) { return i < TABLES ? best_first[i]->name : NULL; }

const slm_kernels *slm_kernels_named(const char *name) { return slm_kernels_for(name, slm_cpu_has, NULL); }

const slm_kernels *slm_kernels_best(void) { return slm_kernels_for(NULL, slm_cpu_has, NULL); }

// Pages of segments that are never written, not even by the dynamic linker, are loaded again from the page cache when they are used.
static int release_code(struct dl_phdr_info *module, size_t size, void *context) {
    (void)size;
    const uintptr_t page = *(const uintptr_t *)context;
    for (size_t i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        const uintptr_t from = (module->dlpi_addr + segment->p_vaddr + page - 1) / page * page;
        const uintptr_t to = (module->dlpi_addr + segment->p_vaddr + segment->p_filesz) / page * page;
        if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);        // an error only costs memory
    }
    return 0;
}

void slm_return_large_blocks(void) {
#if defined(__GLIBC__)
    // glibc's first threshold, which otherwise rises to the largest block that was freed.
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

void slm_trim_process(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    dl_iterate_phdr(release_code, &page);
#endif
}
