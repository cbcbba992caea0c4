import Files
package import Kernels
import Synchronization

extension CorpusBlocks {
    /// Has all threads of a team make something of the blocks, and takes it in the order of the corpus, which does not depend on their number.
    ///
    ///     try blocks.forEach(on: team, make: { block, thread in counts(of: block) }, take: { sum.add($0) })
    ///
    /// Some 4 MB are read, then worked on, then taken: what lies between a thread's last block and the others' is a small part of that.
    package mutating func forEach<Made: Sendable>(
        on team: Team, make: (CorpusBlock, _ thread: Int) -> Made, take: (Made) throws(CorpusError) -> Void
    ) throws(CorpusError) {
        while true {
            var round: [CorpusBlock] = [], bytes = 0
            while bytes < 4 << 20, round.count < 128, let block = try next() {
                if case .lines(let lines, _) = block.content { bytes += lines.bytes.count }
                round.append(block)
            }
            if round.isEmpty { return }
            let claimed = Atomic(0), made = Mutex([Made?](repeating: nil, count: round.count))
            team.run { thread in
                while true {
                    let i = claimed.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard i < round.count else { return }
                    let value = make(round[i], thread)
                    made.withLock { $0[i] = value }
                }
            }
            for case let value? in made.withLock({ $0 }) { try take(value) }
        }
    }
}
