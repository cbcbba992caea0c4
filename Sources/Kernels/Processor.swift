internal import CKernels
import Glibc
package import SharedLibraries

/// Runs all arithmetic: the kernels of an instruction set, a worker pool, a matmul library, and the memory that they work in.
///
///     let processor = try Processor()                                          // the best kernels for this CPU, all cores
///     let reference = try Processor(threads: 1, instructionSet: "plain")
///
/// Only one thread at a time may use a processor. Two processors share nothing.
package final class Processor {
    /// The CPU's memory.
    package let arena: Arena
    /// The device that computes what it has shaders for; nil: the CPU computes everything.
    package let gpu: GPU?
    /// The device's memory, and the CPU's memory that the device accesses.
    private let deviceArena, sharedArena: Arena?
    /// The instruction set of the kernels, such as "avx512amx" or "neon"; see ``instructionSets``.
    package var instructionSet: String { String(cString: table.name) }
    /// Floats in one vector.
    var vectorWidth: Int { Int(table.width) }
    /// Whether matmuls multiply bf16. Without that, they multiply in f32; packed bf16 weights are widened to f32.
    package var hasBFloat16: Bool { gpu != nil || table.has_native_bf16 }

    package var threads: Int { pool.size }
    /// The threads that compute: fewer than ``threads`` if more are asked for than the CPU can run at once.
    var concurrency: Int { pool.concurrency }
    /// Rows of activations that a training step should work on at a time: a device needs many to be busy, while those of a CPU should stay
    /// in its cache.
    ///
    /// - Parameter width: The elements of a row of the largest buffer, of which a device should have at most 512 MB.
    package func rowsAtOnce(_ rows: Int, width: Int = 1) -> Int { gpu == nil ? rows : max(rows, min(16_384, (1 << 27) / max(1, width))) }
    package let blas: BLAS
    /// Measurements since profiling was enabled; nil while profiling is disabled.
    package var profile: Profile?

    let table: slm_kernels
    let caches: slm_caches
    package let pool: WorkerPool
    let library: (any MatmulLibrary)?
    private var scratch: [Buffer?]
    private var shared: Buffer?

    /// - Parameters:
    ///   - threads: nil uses every core that is available to the process.
    ///   - cores: At most this many of the threads compute; nil: as many as the process has hardware threads.
    ///   - instructionSet: One of ``instructionSets``; nil uses the best that the CPU has.
    ///   - blas: nil uses slm's own kernels.
    ///   - gpu: Computes what it has shaders for.
    package init(
        threads: Int? = nil, cores: Int? = nil, instructionSet: String? = nil, blas: BLAS? = nil, gpu: GPU? = nil
    ) throws(ProcessorError) {
        let count = threads ?? min(CPU.availableCores, 1_024)
        guard (1...1_024).contains(count) else { throw .badThreads(count) }
        guard let table = instructionSet.map({ slm_kernels_named($0) }) ?? slm_kernels_best() else {
            throw .unknownInstructionSet(instructionSet ?? "", known: Self.instructionSets)
        }
        self.table = table.pointee
        caches = CPU.caches.forBlocks
        arena = Arena(try CPUMemory())
        self.gpu = gpu
        let sharedArena = gpu.map { Arena($0.hostMemory, on: $0, delaysReuse: true) }
        self.sharedArena = sharedArena
        deviceArena = gpu.map { Arena($0.memory, on: $0, staging: $0.memory.isUncached ? sharedArena : nil) }
        pool = try WorkerPool(threads: count, cores: cores)
        scratch = Array(repeating: nil, count: pool.concurrency)
        self.blas = blas ?? .slm
        library = try self.blas.open(for: String(cString: table.pointee.name), pool: pool)
    }

    /// The instruction sets with kernels that this CPU supports, best first.
    package static var instructionSets: [String] {
        var names: [String] = [], index: Int32 = 0
        while let name = slm_kernels_name(index) {
            if slm_kernels_named(name) != nil { names.append(String(cString: name)) }
            index += 1
        }
        return names
    }

    /// Whether the kernels of an instruction set multiply bf16; false if this CPU does not support them.
    package static func multipliesBFloat16(_ instructionSet: String) -> Bool {
        slm_kernels_named(instructionSet)?.pointee.has_native_bf16 ?? false
    }

    /// A buffer of `count` uninitialized elements.
    package func buffer(of count: Int, _ type: DataType) -> Buffer {
        let bytes = count * type.size, isShared = type == .int32 && bytes <= 4 << 20 || bytes <= 1 << 10
        return Buffer(((isShared ? sharedArena : deviceArena) ?? arena).allocate(bytes: bytes), count: count, type: type)
    }

    /// Bytes of the device's memory that buffers take; 0 without a device.
    var deviceBytesInUse: Int { deviceArena?.used ?? 0 }

    /// A buffer in the CPU's memory.
    private func cpuBuffer(bytes: Int) -> Buffer {
        Buffer(arena.allocate(bytes: (bytes + 3) / 4 * 4), count: (bytes + 3) / 4, type: .float32)
    }

    /// A buffer of `count` elements that are 0.
    package func zeros(_ count: Int, _ type: DataType = .float32) -> Buffer {
        let result = buffer(of: count, type)
        clear(result)
        return result
    }

    /// Sets all elements to 0.
    package func clear(_ buffer: Buffer) {
        if let gpu, gpu.clear(buffer) { return }
        split(buffer.count, atLeast: 1 << 16) { range in
            _ = memset(buffer.pointer + range.lowerBound * buffer.type.size, 0, range.count * buffer.type.size)
        }
    }

    /// Returns memory that is not needed to the system: in the arena, in the heap, and code that was used only once. To be called before
    /// and after a model is loaded.
    package func trim() {
        scratch = Array(repeating: nil, count: concurrency)
        shared = nil
        arena.trim()
        slm_trim_process()
    }

    /// From now on, large blocks of the heap are returned to the system when they are freed. To be called before a model is loaded that
    /// will answer; training and tokenizing, which use the same sizes again, are faster without it.
    package static func returnLargeBlocks() { slm_return_large_blocks() }

    /// Uses small pages for memory that was not touched yet: after a model of a few tens of MB was loaded.
    package func useSmallPages() { arena.useSmallPages() }

    /// At least `bytes` of working memory for each thread that computes. Calls return the same memory until it must grow.
    func scratch(_ bytes: Int) -> [UnsafeMutableRawPointer] {
        scratch.indices.map { i in
            if let existing = scratch[i], existing.count * 4 >= bytes { return existing.pointer }
            scratch[i] = nil
            let new = cpuBuffer(bytes: bytes)
            scratch[i] = new
            return new.pointer
        }
    }

    /// At least `bytes` of working memory that all threads share.
    func sharedScratch(_ bytes: Int) -> UnsafeMutableRawPointer {
        if let existing = shared, existing.count * 4 >= bytes { return existing.pointer }
        shared = nil
        let new = cpuBuffer(bytes: bytes)
        shared = new
        return new.pointer
    }

    /// Splits 0 ..< count into a few ranges per thread that computes, of at least `atLeast` elements where possible, and calls `body` for
    /// each in parallel. More than one per thread, so that a thread that gets less of the CPU than the others takes fewer.
    ///
    /// - Parameters:
    ///   - perThread: The number of ranges per thread.
    ///   - unit: Ranges begin at multiples of it. Kernels that work on vectors along the split axis need the vector width: the compiler
    ///     may fuse a product and a sum in its code for whole vectors, but not in that for the last elements.
    package func split(_ count: Int, atLeast: Int = 1, perThread: Int = 2, multipleOf unit: Int = 1, _ body: (Range<Int>) -> Void) {
        let units = (count + unit - 1) / unit, parts = min(perThread * concurrency, count / atLeast, units)
        if parts < 2 || concurrency == 1 { return body(0..<count) }
        pool.forEach(parts) { part, _ in body(units * part / parts * unit..<min(units * (part + 1) / parts * unit, count)) }
    }

    /// Calls `body` for each item of 0 ..< count, in parallel. Each thread takes the next item when it has finished one, which balances
    /// items of different size.
    package func parallelFor(_ count: Int, _ body: (_ item: Int, _ thread: Int) -> Void) { pool.forEach(count, body) }
}

/// Why a processor could not be created.
package enum ProcessorError: Error, Equatable, CustomStringConvertible {
    case badThreads(Int)
    case noThreads(requested: Int)
    case noAddresses(megabytes: Int)
    case unknownInstructionSet(String, known: [String])
    case noLibrary(BLAS, MissingLibrary)

    package var description: String {
        switch self {
        case .badThreads(let count):
            "expected 1 to 1,024 threads, found \(count)."
        case .noThreads(let requested):
            "the system cannot create \(requested) threads. Use fewer."
        case .noAddresses(let megabytes):
            "cannot reserve \(megabytes) MB of address space. Raise `ulimit -v`."
        case .unknownInstructionSet(let name, let known):
            "this CPU has no kernels '\(name)'. It supports: \(known.joined(separator: ", "))."
        case .noLibrary(let blas, let library):
            "cannot use \(blas.rawValue): \(library). slm's own kernels need no library."
        }
    }
}
