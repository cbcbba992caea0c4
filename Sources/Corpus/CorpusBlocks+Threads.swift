import Files
import Glibc
package import Kernels
import Synchronization

extension CorpusBlocks {
    /// Has all threads of a pool make something of the blocks, and takes it in the order of the corpus, which does not depend on their
    /// number.
    ///
    ///     try blocks.forEach(on: pool, make: { block, thread in counts(of: block) }, take: { sum.add($0) })
    ///
    /// A thread reads a block, one at a time, makes something of it beside the others, and whoever has the one that is next takes it, and
    /// those
    /// that wait for it. No thread gets further than `mostAhead` blocks before the slowest, so that memory stays bounded.
    package mutating func forEach<Made: Sendable>(
        on pool: WorkerPool, make: (CorpusBlock, _ thread: Int) -> Made, take: (Made) throws(CorpusError) -> Void
    ) throws(CorpusError) {
        let reading = Mutex(0), line = Mutex(Line<Made>())
        pool.run { thread in
            while true {
                let read = reading.withLock { index -> (index: Int, block: Result<CorpusBlock?, CorpusError>) in
                    while line.withLock({ !$0.isOver && index - $0.next >= Self.mostAhead }) { sched_yield() }
                    defer { index += 1 }
                    if line.withLock({ $0.isOver }) { return (index, .success(nil)) }
                    return (index, Result { () throws(CorpusError) in try next() })
                }
                let made = read.block.map { block in block.map { make($0, thread) } }
                let isOver = line.withLock { line in
                    line.waiting[read.index] = made
                    line.advance(take)
                    return line.isOver
                }
                if isOver { return }
            }
        }
        if let failure = line.withLock({ $0.failure }) { throw failure }
    }

    private static var mostAhead: Int { 32 }
}

/// What was made and waits for its turn.
private struct Line<Made: Sendable> {
    /// By place; nil is the end.
    var waiting: [Int: Result<Made?, CorpusError>] = [:]
    var next = 0
    private(set) var isOver = false
    private(set) var failure: CorpusError?

    mutating func advance(_ take: (Made) throws(CorpusError) -> Void) {
        while !isOver, let made = waiting.removeValue(forKey: next) {
            next += 1
            do throws(CorpusError) {
                if let value = try made.get() { try take(value) } else { isOver = true }
            } catch {
                isOver = true
                failure = error
            }
        }
    }
}
