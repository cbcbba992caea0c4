internal import CKernels
import Glibc

/// What carries out all arithmetic: an instruction set, a pool of threads, a library for large products,
/// and the memory they work in.
///
///     let processor = try Processor()                                // the best of this machine
///     let reference = try Processor(threads: 1, instructionSet: "plain")
///
/// It belongs to one thread at a time. Two processors share nothing.
package final class Processor {
    package let arena: Arena
    /// Name of the instruction set that the kernels use.
    package var instructionSet: String { String(cString: table.name) }
    /// Floats in one vector.
    package var vectorWidth: Int { Int(table.width) }
    /// Whether products of bf16 are carried out by instructions of their own. Elsewhere they are not offered.
    package var hasBFloat16: Bool { table.bf16_products }
    package var threads: Int { pool.size }
    package let blas: BLAS
    /// What was measured since profiling was switched on; nil switches it off.
    package var profile: Profile?

    let table: slm_kernels
    package let pool: WorkerPool
    let library: (any MatmulLibrary)?
    private var scratch: [Buffer?]
    private var shared: Buffer?

    /// - Parameters:
    ///   - threads: nil takes every core that the process may use.
    ///   - path: "avx512bf16", "avx512", "avx2" or "plain"; nil takes the best that the CPU has.
    ///   - blas: nil takes our own kernels.
    package init(threads: Int? = nil, instructionSet: String? = nil, blas: BLAS? = nil) throws(ProcessorError) {
        let count = threads ?? min(CPU.availableCores, 1_024)
        guard (1...1_024).contains(count) else { throw .badThreads(count) }
        guard let table = instructionSet.map({ slm_kernels_named($0) }) ?? slm_kernels_best() else {
            throw .unknownInstructionSet(instructionSet ?? "", known: Self.instructionSets)
        }
        self.table = table.pointee
        arena = try Arena()
        pool = try WorkerPool(threads: count)
        scratch = Array(repeating: nil, count: count)
        self.blas = blas ?? .slm
        library = try self.blas.open(for: String(cString: table.pointee.name), pool: pool)
    }

    /// The paths that this CPU can run, best first.
    package static var instructionSets: [String] { ["avx512bf16", "avx512", "avx2", "plain"].filter { slm_kernels_named($0) != nil } }

    /// `count` elements with whatever the memory holds.
    package func buffer(of count: Int, _ type: DataType) -> Buffer {
        Buffer(arena.allocate(bytes: count * type.size), count: count, type: type)
    }

    /// `count` elements of 0.
    package func zeros(_ count: Int, _ type: DataType = .float32) -> Buffer {
        let result = buffer(of: count, type)
        clear(result)
        return result
    }

    package func clear(_ buffer: Buffer) {
        split(buffer.count, atLeast: 1 << 16) { range in
            _ = memset(buffer.pointer + range.lowerBound * buffer.type.size, 0, range.count * buffer.type.size)
        }
    }

    /// At least `bytes` of memory for each thread to work in, the same every time.
    func scratch(_ bytes: Int) -> [UnsafeMutableRawPointer] {
        scratch.indices.map { i in
            if let there = scratch[i], there.count * 4 >= bytes { return there.pointer }
            scratch[i] = nil
            let room = buffer(of: (bytes + 3) / 4, .float32)
            scratch[i] = room
            return room.pointer
        }
    }

    /// At least `bytes` of memory for all threads together.
    func sharedScratch(_ bytes: Int) -> UnsafeMutableRawPointer {
        if let there = shared, there.count * 4 >= bytes { return there.pointer }
        shared = nil
        let room = buffer(of: (bytes + 3) / 4, .float32)
        shared = room
        return room.pointer
    }

    /// Parts of 0 ..< count, one a thread, none smaller than `atLeast` where that can be helped.
    func split(_ count: Int, atLeast: Int = 1, _ body: (Range<Int>) -> Void) {
        if count < 2 * atLeast || threads == 1 { return body(0..<count) }
        let parts = min(threads, count / atLeast)
        pool.run { thread in
            if thread < parts { body(count * thread / parts..<count * (thread + 1) / parts) }
        }
    }

    /// The same for items that differ in size: each thread takes the next when it is done with one.
    package func parallelFor(_ count: Int, _ body: (_ item: Int, _ thread: Int) -> Void) {
        if count <= 1 || threads == 1 {
            for item in 0..<count { body(item, 0) }
            return
        }
        var next = 0
        withUnsafeMutablePointer(to: &next) { next in
            pool.run { thread in
                while true {
                    let item = slm_next(next)
                    if item >= count { return }
                    body(item, thread)
                }
            }
        }
    }
}

/// Why there is no processor of the kind that was asked for.
package enum ProcessorError: Error, Equatable, CustomStringConvertible {
    case badThreads(Int)
    case noThreads(wanted: Int)
    case noAddresses(megabytes: Int)
    case unknownInstructionSet(String, known: [String])
    case noLibrary(BLAS, because: String)

    package var description: String {
        switch self {
        case .badThreads(let count): "\(count) threads: expected 1 to 1,024."
        case .noThreads(let wanted): "the system gives no \(wanted) threads. Ask for fewer: --threads 1"
        case .noAddresses(let megabytes): "not even \(megabytes) MB of addresses are to be had. Raise `ulimit -v`."
        case .unknownInstructionSet(let name, let known): "this CPU has no kernels '\(name)'. It runs: \(known.joined(separator: ", "))."
        case .noLibrary(let blas, let because):
            "\(blas.rawValue) cannot be used: \(because). Install it with `make deps`, or leave --blas away."
        }
    }
}
