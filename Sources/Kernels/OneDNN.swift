internal import CKernels
internal import COneDNN
import Glibc
import SharedLibraries
import Synchronization

/// oneDNN's matmul, loaded on demand. It runs on the calling thread: its own thread pool (libgomp's) is limited to one thread.
final class OneDNN: MatmulLibrary {
    private struct Key: Hashable {
        let M, N, K, aOuter, aInner, bOuter, bInner, cStride: Int
        let type: DataType
        let adding: Bool
    }

    /// A primitive and its memory descriptors, cached by shape: creating them takes longer than a small matmul.
    private struct Primitive: @unchecked Sendable {   // oneDNN's objects are immutable and thread-safe
        let primitive: dnnl_primitive_t
        let a, b, c: dnnl_memory_desc_t
        /// Working memory. If oneDNN managed it, only the thread that created the primitive could execute it.
        let scratchpad: dnnl_memory_desc_t
    }

    private let primitives = Mutex<[Key: Primitive]>([:])
    private let engine: dnnl_engine_t
    private let dnnl: onednn_functions
    private let multipliesBFloat16: Bool

    init(pool: WorkerPool) throws(ProcessorError) {
        let library = try SharedLibrary.open(String(cString: onednn_file()), package: "libdnnl2", for: .onednn)
        do throws(MissingLibrary) { dnnl = try library.functions(onednn_functions(), onednn_find).table } catch {
            throw .noLibrary(.onednn, error)
        }
        var engine: dnnl_engine_t?
        check(dnnl.engine_create(&engine, dnnl_cpu, 0), "engine")
        guard let engine else { fatalError("oneDNN: cannot create an engine") }
        self.engine = engine
        multipliesBFloat16 = Self.multipliesBFloat16(dnnl, engine)
        let setThreads = dnnl.omp_set_num_threads
        pool.run { _ in setThreads?(1) }      // the setting is per thread
    }

    deinit {
        for (_, p) in primitives.withLock({ $0 }) { _ = dnnl.primitive_destroy(p.primitive) }
        _ = dnnl.engine_destroy(engine)
    }

    var version: String {
        guard let v = dnnl.version()?.pointee else { return "oneDNN" }
        return "oneDNN \(v.major).\(v.minor).\(v.patch)"
    }

    /// oneDNN multiplies bf16 only with AVX-512, also where `ONEDNN_MAX_CPU_ISA` holds it to less than the CPU has.
    func supports(_ type: DataType) -> Bool { type == .float32 || (type == .bfloat16 && multipliesBFloat16) }

    /// Whether oneDNN has an implementation for a small bf16 matmul.
    private static func multipliesBFloat16(_ dnnl: onednn_functions, _ engine: dnnl_engine_t) -> Bool {
        var a = dnnl_memory_desc_t(), c = dnnl_memory_desc_t(), operation = dnnl_matmul_desc_t(), description: dnnl_primitive_desc_t?
        check(dnnl.memory_desc_init_by_strides(&a, 2, [16, 16], dnnl_bf16, [16, 1]), "A")
        check(dnnl.memory_desc_init_by_strides(&c, 2, [16, 16], dnnl_f32, [16, 1]), "C")
        var b = a
        guard dnnl.matmul_desc_init(&operation, &a, &b, nil, &c) == dnnl_success,
              dnnl.primitive_desc_create(&description, &operation, nil, engine, nil) == dnnl_success
        else { return false }
        _ = dnnl.primitive_desc_destroy(description)
        return true
    }

    func multiply(_ p: MatmulOperands, rows: Range<Int>, into c: UnsafeMutablePointer<Float>, stride: Int, adding: Bool) {
        let key = Key(
            M: rows.count, N: p.N, K: p.K, aOuter: p.a.outer, aInner: p.a.inner, bOuter: p.b.outer, bInner: p.b.inner, cStride: stride,
            type: p.type, adding: adding)
        let primitive = primitives.withLock { all in
            if let cached = all[key] { return cached }
            let new = make(key)
            all[key] = new
            return new
        }
        var stream: dnnl_stream_t?
        check(dnnl.stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "stream")
        let a = p.a.data + rows.lowerBound * p.a.outer * p.type.size
        let allocated = UnsafeMutableRawPointer(bitPattern: -1)      // DNNL_MEMORY_ALLOCATE: allocated for this call only
        var memoryObjects: [dnnl_memory_t?] = [nil, nil, nil, nil]
        for (i, (description, data)) in [
            (primitive.a, UnsafeMutableRawPointer(mutating: a)), (primitive.b, UnsafeMutableRawPointer(mutating: p.b.data)),
            (primitive.c, UnsafeMutableRawPointer(c)), (primitive.scratchpad, allocated),
        ].enumerated() {
            withUnsafePointer(to: description) { check(dnnl.memory_create(&memoryObjects[i], $0, engine, data), "memory") }
        }
        let arguments = [
            dnnl_exec_arg_t(arg: onednn_source, memory: memoryObjects[0]),
            dnnl_exec_arg_t(arg: onednn_weights, memory: memoryObjects[1]),
            dnnl_exec_arg_t(arg: onednn_destination, memory: memoryObjects[2]),
            dnnl_exec_arg_t(arg: onednn_scratchpad, memory: memoryObjects[3]),
        ]
        check(dnnl.primitive_execute(primitive.primitive, stream, 4, arguments), "execute")
        check(dnnl.stream_wait(stream), "wait")
        for object in memoryObjects { _ = dnnl.memory_destroy(object) }
        _ = dnnl.stream_destroy(stream)
    }

    private func make(_ key: Key) -> Primitive {
        let type = key.type == .float32 ? dnnl_f32 : dnnl_bf16
        var a = dnnl_memory_desc_t(), b = dnnl_memory_desc_t(), c = dnnl_memory_desc_t()
        check(dnnl.memory_desc_init_by_strides(&a, 2, [Int64(key.M), Int64(key.K)], type, [Int64(key.aOuter), Int64(key.aInner)]), "A")
        check(dnnl.memory_desc_init_by_strides(&b, 2, [Int64(key.K), Int64(key.N)], type, [Int64(key.bInner), Int64(key.bOuter)]), "B")
        check(dnnl.memory_desc_init_by_strides(&c, 2, [Int64(key.M), Int64(key.N)], dnnl_f32, [Int64(key.cStride), 1]), "C")
        var attributes: dnnl_primitive_attr_t?, operations: dnnl_post_ops_t?
        check(dnnl.primitive_attr_create(&attributes), "attributes")
        check(dnnl.primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratchpad")
        if key.adding {
            check(dnnl.post_ops_create(&operations), "post-operations")
            check(dnnl.post_ops_append_sum(operations, 1), "sum")
            check(dnnl.primitive_attr_set_post_ops(attributes, operations), "attributes")
        }
        var operation = dnnl_matmul_desc_t()
        check(dnnl.matmul_desc_init(&operation, &a, &b, nil, &c), "matmul")
        var description: dnnl_primitive_desc_t?, primitive: dnnl_primitive_t?
        check(dnnl.primitive_desc_create(&description, &operation, attributes, engine, nil), "description")
        check(dnnl.primitive_create(&primitive, description), "primitive")
        let scratchpad = dnnl.primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)?.pointee ?? dnnl_memory_desc_t()
        _ = dnnl.primitive_desc_destroy(description)
        if let operations { _ = dnnl.post_ops_destroy(operations) }
        if let attributes { _ = dnnl.primitive_attr_destroy(attributes) }
        guard let primitive else { fatalError("oneDNN: cannot create a primitive") }
        return Primitive(primitive: primitive, a: a, b: b, c: c, scratchpad: scratchpad)
    }
}

/// Traps if oneDNN rejects a call: the arguments do not depend on input.
private func check(_ status: dnnl_status_t, _ what: StaticString) {
    require(status == dnnl_success, "oneDNN rejected \(what): status \(status.rawValue)")
}
