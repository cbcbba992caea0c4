// Runs every kernel of every instruction set that this CPU supports, and compares the results with loops in f64. It needs no Swift,
// so that it also runs where there is only a C compiler for the CPU: `make test-neon` runs it in QEMU.
//
//     kernel-checks [--first] [NAME …]       the instruction sets that the CPU must have, best first; --first runs only the best
#include "check.h"
#include "pool.h"

// A matmul whose blocks of rows are computed by a pool of threads.
typedef struct { const slm_matmul *p; const void *right; char *left; } shared_matmul;
static void compute_block(void *context, long block, int thread) {
    const shared_matmul *s = context;
    kernels->matmul_rows(s->p, (size_t)block * s->p->m_block, 0, 0, s->right, s->left + (size_t)thread * s->p->left_bytes);
}

static void check_threads(int precision) {
    enum { M = 203, N = 70, K = 129, THREADS = 3 };
    const float *a = numbers(M * K, 1), *b = numbers(N * K, 2);
    slm_matmul p = {.M = M, .N = N, .K = K, .precision = precision, .a = {a, SLM_F32, K, 1}, .b = {b, SLM_F32, K, 1},
                    .c = blank(SLM_F32, M * N), .c_type = SLM_F32, .c_stride = N, .scale = 1};
    run_matmul(&p, 1);
    const float *alone = p.c;
    slm_pool *pool = slm_pool_create(THREADS, THREADS);
    if (!pool) { expect(false, "no threads"); return; }
    for (int round = 0; round < 20; round++) {
        p.c = blank(SLM_F32, M * N);
        kernels->matmul_plan(&p, THREADS, &caches);
        shared_matmul s = {&p, make_bytes(p.right_bytes, 64), make_bytes(THREADS * p.left_bytes, 64)};
        kernels->matmul_pack(&p, 0, N, 0, (void *)s.right);
        slm_pool_for(pool, (long)((M + p.m_block - 1) / p.m_block), compute_block, &s);
        expect_same(p.c, alone, M * N, "a matmul in %s by three threads", name_of(precision));
    }
    slm_pool_destroy(pool);
    release_all();
}

#define RUN_CHECK(name) check_##name();
int main(int count, char **names) {
    static const char *const all[] = {"avx512amx", "avx512bf16", "avx512", "avx2vnni", "avx2", "neonbf16", "neondotprod", "neon", "plain"};
    const bool only_first = count > 1 && strcmp(names[1], "--first") == 0;
    count -= only_first, names += only_first;
    int found = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!(kernels = slm_kernels_named(all[i]))) continue;
        found++;
        if (count > 1) expect(found < count && strcmp(names[found], all[i]) == 0, "expected %s", found < count ? names[found] : "no more");
        if (only_first && found > 1) continue;
        const long before = comparisons();
        CHECKS(RUN_CHECK)
        for (int precision = SLM_F32; precision <= (kernels->has_native_bf16 ? SLM_BF16 : SLM_F32); precision++) check_threads(precision);
        printf("%-12s %ld comparisons\n", all[i], comparisons() - before);
        fflush(stdout);
    }
    kernels = NULL;
    if (count > 1) expect(found == count - 1, "expected %d instruction sets, found %d", count - 1, found);
    if (failures() > 0) printf("%d checks failed\n", failures());
    return failures() > 0;
}
