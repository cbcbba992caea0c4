/// Messages between the ranks of a run. All calls come from one thread.
///
/// Messages from one rank to another with the same tag arrive in the order in which they were sent. The bytes must stay valid, and those of
/// a message that is sent must not change, until the request is done.
package protocol Transport: AnyObject {
    var rank: Int { get }
    /// The number of ranks.
    var count: Int { get }

    func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws(RankError) -> any TransportRequest
    /// - Parameter bytes: As long as the message.
    func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws(RankError) -> any TransportRequest
    /// Ends the communication of this rank. All its requests are done, except for receives, which are given up.
    func close(_ pending: [any TransportRequest])
}

/// A message that is on its way.
package protocol TransportRequest: AnyObject {
    func isDone() throws(RankError) -> Bool
}

/// Why the ranks of a run cannot continue.
package enum RankError: Error, Equatable, CustomStringConvertible {
    case noLibrary(String)
    case mpi(function: String, reason: String)
    /// Another rank has sent nothing for some seconds: its process or its machine does not respond, or the network is down.
    case silent(rank: Int, host: String, seconds: Int)
    /// A rank does not call MPI's first function, or its last one.
    case notStarted(seconds: Int)
    case notEnded(seconds: Int)
    /// mpirun ends all ranks, because these have ended without an error message.
    case ended(ranks: [Int], hosts: [String])
    /// Another rank has ended with an error.
    case failed(rank: Int, host: String, reason: String)
    case different(name: String, rank: Int, host: String, found: String, expected: String)
    case tooManyRanks(Int, groups: Int)

    package var description: String {
        switch self {
        case .noLibrary(let reason): reason
        case .mpi(let function, let reason): "MPI's \(function) failed: \(reason)"
        case .silent(let rank, let host, let seconds):
            "rank \(rank) on \(host) has not responded for \(seconds) seconds. Its process has ended or was stopped, or the network is "
                + "down. Start all ranks again with --resume."
        case .notStarted(let seconds): "the other processes have not started within \(seconds) seconds."
        case .notEnded(let seconds):
            "another process has not ended within \(seconds) seconds. The results are complete: it had nothing more to do."
        case .ended(let ranks, let hosts):
            zip(ranks, hosts).map { "rank \($0) on \($1)" }.joined(separator: ", ")
                + " \(ranks.count == 1 ? "has" : "have") ended without a message: killed, crashed or out of memory. mpirun ends all ranks. "
                + "The last checkpoint is whole: start all ranks again with --resume."
        case .failed(let rank, let host, let reason): "rank \(rank) on \(host) has ended: \(reason)"
        case .different(let name, let rank, let host, let found, let expected):
            "all ranks need the same \(name): rank 0 has \(expected), rank \(rank) on \(host) has \(found)."
        case .tooManyRanks(let count, let groups):
            "\(count) ranks cannot share a batch whose gradients are summed in \(groups) groups: start at most \(groups) ranks, or set "
                + "--gradient-groups \(count) or more, and --batch at least as high."
        }
    }
}
