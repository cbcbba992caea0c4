import Files
import Glibc
package import Kernels
import Synchronization

extension CorpusBlocks {
    /// Transforms the blocks on all threads of a pool, and consumes the results in the order of the corpus, whatever the number of threads.
    ///
    ///     try blocks.forEach(on: pool, transform: { block, thread in counts(of: block) }, consume: { sum.add($0) })
    ///
    /// Threads take turns reading a block and transform their blocks in parallel. The thread with the next result in order consumes it and
    /// any results waiting behind it. No thread gets more than `maxAhead` blocks ahead of the slowest, so memory stays bounded.
    package mutating func forEach<Output: Sendable>(
        on pool: WorkerPool,
        transform: (CorpusBlock, _ thread: Int) -> Output,
        consume: (Output) throws(CorpusError) -> Void
    ) throws(CorpusError) {
        let reading = Mutex(0)
        let results = Mutex(OrderedResults<Output>())
        pool.run { thread in
            while true {
                let read = reading.withLock { index -> (index: Int, block: Result<CorpusBlock?, CorpusError>) in
                    while results.withLock({ !$0.isFinished && index - $0.next >= Self.maxAhead }) { sched_yield() }
                    defer { index += 1 }
                    if results.withLock({ $0.isFinished }) { return (index, .success(nil)) }
                    return (index, Result { () throws(CorpusError) in try next() })
                }
                let output = read.block.map { block in block.map { transform($0, thread) } }
                let isFinished = results.withLock { results in
                    results.waiting[read.index] = output
                    results.advance(consume)
                    return results.isFinished
                }
                if isFinished { return }
            }
        }
        if let failure = results.withLock({ $0.failure }) { throw failure }
    }

    private static var maxAhead: Int { 32 }
}

/// Results that wait to be consumed in order.
private struct OrderedResults<Output: Sendable> {
    /// By block index; nil is the end of the corpus.
    var waiting: [Int: Result<Output?, CorpusError>] = [:]
    /// The index of the next result to consume.
    var next = 0
    private(set) var isFinished = false
    private(set) var failure: CorpusError?

    mutating func advance(_ consume: (Output) throws(CorpusError) -> Void) {
        while !isFinished, let output = waiting.removeValue(forKey: next) {
            next += 1
            do throws(CorpusError) {
                if let value = try output.get() { try consume(value) } else { isFinished = true }
            } catch {
                isFinished = true
                failure = error
            }
        }
    }
}
