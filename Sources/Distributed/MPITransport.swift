import CMPI
import Glibc
import SharedLibraries
import Threads

/// Open MPI, opened by a process that `mpirun` started.
///
/// Its functions are called by one thread at a time: by the one that opens it, then by that of ``RankGroup``.
package final class MPITransport: Transport {
    package let rank, count: Int
    private let mpi: slm_mpi_functions
    private let whenLost: @Sendable (RankError) -> Never

    /// MPI returns from its first and its last function when all ranks have called it. Programs start one after the other on many machines.
    private static let startSeconds = 30, endSeconds = 8

    /// More than the slices of a piece of gradients, with a header.
    private static let maxEagerBytes = 4 * RankGroup.pieceLength / 2 + 4_096

    /// Whether mpirun, or srun with PMIx, started this process.
    package static func isStarted(in environment: [String: String]) -> Bool {
        environment["OMPI_COMM_WORLD_SIZE"] != nil || environment["PMIX_RANK"] != nil
    }

    /// - Parameter whenLost: Called on another thread if a rank does not start, or does not end, while the others wait for it.
    package init(whenLost: @escaping @Sendable (RankError) -> Never) throws(RankError) {
        self.whenLost = whenLost
        do throws(MissingLibrary) {
            // Open MPI's own plugins look up its symbols.
            let library = try SharedLibrary("libmpi.so.40", package: "openmpi-bin", isGlobal: true)
            mpi = try library.functions(slm_mpi_functions(), slm_mpi_find).table
        } catch {
            throw .noLibrary("\(error)")
        }
        // Larger messages begin over TCP with a handshake, which waits behind the data of other messages.
        setenv("OMPI_MCA_btl_tcp_eager_limit", "\(Self.maxEagerBytes)", 0)
        var provided: CInt = 0
        let serialized: CInt = 2
        let started = Self.watch(.notStarted(seconds: Self.startSeconds), after: Self.startSeconds, whenLost)
        _ = mpi.Init_thread(nil, nil, serialized, &provided)
        started.put(())
        if provided < serialized { throw .mpi(function: "Init_thread", reason: "this MPI library does not support threads") }
        _ = mpi.Comm_set_errhandler(mpi.world, mpi.errors_return)
        var number: CInt = 0
        _ = mpi.Comm_rank(mpi.world, &number)
        rank = Int(number)
        _ = mpi.Comm_size(mpi.world, &number)
        count = Int(number)
    }

    package func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, tag: Int) throws(RankError) -> any TransportRequest {
        let request = MPIRequest(self)
        try check(mpi.Isend(bytes.baseAddress, CInt(bytes.count), mpi.byte, CInt(rank), CInt(tag), mpi.world, &request.handle), "Isend")
        return request
    }

    package func receive(_ bytes: UnsafeMutableRawBufferPointer, from rank: Int, tag: Int) throws(RankError) -> any TransportRequest {
        let request = MPIRequest(self)
        try check(mpi.Irecv(bytes.baseAddress, CInt(bytes.count), mpi.byte, CInt(rank), CInt(tag), mpi.world, &request.handle), "Irecv")
        return request
    }

    package func close(_ pending: [any TransportRequest]) {
        for request in pending.compactMap({ $0 as? MPIRequest }) {
            _ = mpi.Cancel(&request.handle)
            _ = mpi.Request_free(&request.handle)
        }
        let ended = Self.watch(.notEnded(seconds: Self.endSeconds), after: Self.endSeconds, whenLost)
        _ = mpi.Finalize()
        ended.put(())
    }

    /// Calls `whenLost` unless the mailbox receives something in time.
    private static func watch(
        _ error: RankError, after seconds: Int, _ whenLost: @escaping @Sendable (RankError) -> Never
    ) -> Mailbox<Void> {
        let done = Mailbox<Void>()
        // Without a thread, MPI's functions wait without a limit.
        try? BackgroundThread.run {
            if done.take(within: .seconds(seconds)) == nil { whenLost(error) }
        }
        return done
    }

    fileprivate func isDone(_ handle: inout slm_mpi_request?) throws(RankError) -> Bool {
        var isDone: CInt = 0
        try check(mpi.Test(&handle, &isDone, nil), "Test")
        return isDone != 0
    }

    private func check(_ status: CInt, _ function: String) throws(RankError) {
        if status == 0 { return }
        var text = [CChar](repeating: 0, count: 512)       // MPI_MAX_ERROR_STRING is 256
        var length: CInt = 0
        _ = mpi.Error_string(status, &text, &length)
        throw .mpi(function: function, reason: String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}

private final class MPIRequest: TransportRequest {
    var handle: slm_mpi_request?
    private let transport: MPITransport

    init(_ transport: MPITransport) { self.transport = transport }

    func isDone() throws(RankError) -> Bool { try transport.isDone(&handle) }
}
