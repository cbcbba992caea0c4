// What the norms of heads share. Rows are C wide and begin with heads of D. A workgroup has 8 heads, or rests of rows, with 32 lanes for
// each.
layout(local_size_x = 32, local_size_y = 8) in;
shared float lanes[8][32];

struct Head {
    bool is_normed;           // not the rest of a row
    uint at, width;           // its first element, and how many it has: 0 beyond the last row
    uint of_rstd, weights;    // the index of its rstd, and of its weights
    uint lane;
};

Head own_head() {
    const uint N = n[0], C = n[1], H = n[2], queries = n[3], D = n[4];
    const uint item = workgroup() * 8 + gl_LocalInvocationID.y, row = item / (H + 1), h = item % (H + 1);
    const uint width = row >= N ? 0 : h < H ? D : C - H * D;
    return Head(h < H && row < N, row * C + h * D, width, row * H + h, h < queries ? 0 : D, gl_LocalInvocationID.x);
}

float sum_of_lanes(float value) {
    const uint lane = gl_LocalInvocationID.x, own = gl_LocalInvocationID.y;
    lanes[own][lane] = value;
    barrier();
    for (uint half_ = 16; half_ > 0; half_ /= 2) {
        if (lane < half_) lanes[own][lane] += lanes[own][lane + half_];
        barrier();
    }
    return lanes[own][0];
}
