// NEON: the tiles of a matmul in bf16. A tile has 24 vectors of sums, of 32 registers.
//
// bfmmla multiplies a matrix of 2 rows with one of 2 columns, with 4 elements of k each, and adds the 2 × 2 results to a vector. So
// panels hold both units of the four k of a row next to each other, [units / 2][P][2], and their units are padded to an even number. A
// vector of sums is {row 0 column 0, row 0 column 1, row 1 column 0, row 1 column 1}.

// Puts both units of four k of a row next to each other, in a panel of [units][P].
static void pair_units(unit *panel, size_t P, size_t units) {
    for (size_t u = 0; u < units; u += 2, panel += 2 * P) {
        uint32x4_t first[NV], second[NV];
        for (size_t p = 0; p < P / W; p++) first[p] = vld1q_u32(panel + p * W), second[p] = vld1q_u32(panel + P + p * W);
        for (size_t p = 0; p < P / W; p++) {
            vst1q_u32(panel + 2 * p * W, vzip1q_u32(first[p], second[p]));
            vst1q_u32(panel + 2 * p * W + W, vzip2q_u32(first[p], second[p]));
        }
    }
}

// Rows 2·pair and 2·pair + 1 of the left operand at four k, in one of three layouts: a panel, units of a row next to each other, or
// [units][rows].
INLINE bfloat16x8_t left_pair(const unit *a, size_t row, size_t step, int pair) {
    uint32x4_t x;
    if (row == 1 && step == MR) {
        x = vld1q_u32(a + 4 * pair);
    } else if (row == 1) {
        const uint32x4_t first = vld1q_u32(a + pair / 2 * 4), second = vld1q_u32(a + step + pair / 2 * 4);
        x = pair % 2 == 0 ? vzip1q_u32(first, second) : vzip2q_u32(first, second);
    } else {
        x = vcombine_u32(vld1_u32(a + 2 * (size_t)pair * row), vld1_u32(a + (2 * (size_t)pair + 1) * row));
    }
    return vreinterpretq_bf16_u32(x);
}

INLINE void tile_bf16(int vectors, size_t units, const unit *restrict a, size_t row, size_t step, const unit *restrict b,
                      float *restrict tile, size_t stride, bool add) {
    float32x4_t sum[MR / 2][2 * NV];
#pragma clang loop unroll(full)
    for (int i = 0; i < MR / 2; i++)
        for (int j = 0; j < vectors; j++) {
            const float *at = tile + 2 * (size_t)i * stride + j * W;
            const float64x2_t upper = vreinterpretq_f64_f32(add ? vld1q_f32(at) : vdupq_n_f32(0));
            const float64x2_t lower = vreinterpretq_f64_f32(add ? vld1q_f32(at + stride) : vdupq_n_f32(0));
            sum[i][2 * j] = vreinterpretq_f32_f64(vzip1q_f64(upper, lower));
            sum[i][2 * j + 1] = vreinterpretq_f32_f64(vzip2q_f64(upper, lower));
        }
    for (size_t k = 0; k < units; k += 2, a += 2 * step, b += 2 * NR) {
        bfloat16x8_t left[MR / 2];
#pragma clang loop unroll(full)
        for (int i = 0; i < MR / 2; i++) left[i] = left_pair(a, row, step, i);
#pragma clang loop unroll(full)
        for (int j = 0; j < 2 * vectors; j++) {
            const bfloat16x8_t right = vreinterpretq_bf16_u32(vld1q_u32(b + j * W));
#pragma clang loop unroll(full)
            for (int i = 0; i < MR / 2; i++) sum[i][j] = vbfmmlaq_f32(sum[i][j], left[i], right);
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < MR / 2; i++)
        for (int j = 0; j < vectors; j++) {
            const float64x2_t even = vreinterpretq_f64_f32(sum[i][2 * j]), odd = vreinterpretq_f64_f32(sum[i][2 * j + 1]);
            float *at = tile + 2 * (size_t)i * stride + j * W;
            vst1q_f32(at, vreinterpretq_f32_f64(vzip1q_f64(even, odd)));
            vst1q_f32(at + stride, vreinterpretq_f32_f64(vzip2q_f64(even, odd)));
        }
}
