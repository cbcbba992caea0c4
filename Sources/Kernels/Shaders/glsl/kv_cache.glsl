// The KV caches of a batch. SEQUENCES has three words for each row: the address of its sequence's cache, and its position. A cache holds
// [layer, head, keys or values, capacity, D] in f32, or in bf16 if n[6].
uint64_t cache_of(uint sequences, uint row) {
    return uint64_t(uint(get_int(sequences, 3 * row))) | uint64_t(uint(get_int(sequences, 3 * row + 1))) << 32;
}
uint position_of(uint sequences, uint row) { return get_int(sequences, 3 * row + 2); }

float get_cached(uint64_t cache, uint64_t i) {
    if (n[6] != 0) return uintBitsToFloat(uint(Halves(cache + 2 * i).v[0]) << 16);
    return Floats(cache + 4 * i).v[0];
}

void put_cached(uint64_t cache, uint64_t i, float value) {
    if (n[6] != 0) Halves(cache + 2 * i).v[0] = to_bf16(value);
    else Floats(cache + 4 * i).v[0] = value;
}
