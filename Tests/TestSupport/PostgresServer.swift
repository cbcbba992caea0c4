import Foundation
import Glibc
import Synchronization

/// A PostgreSQL server in its own folder, run by Tests/Peers/postgres.sh. It stops when this process ends, for whatever reason.
///
///     let url = try PostgresServer.shared.get().freshSchemaURL()
package final class PostgresServer: Sendable {
    /// Shared by all tests that do not disturb it.
    package static let shared = Result { try PostgresServer() }

    package struct NoServer: Error, CustomStringConvertible { package let description: String }

    private let address: String
    private let pipes: Mutex<(commands: FileHandle, answers: FileHandle)>
    private let used = Atomic(0)
    private let process: Process

    package init() throws {
        let (process, commands, answers) = try startProgram(repositoryPath("Tests/Peers/postgres.sh"), [])
        let handles = (commands: commands.fileHandleForWriting, answers: answers)
        address = Self.line(from: handles.answers)
        pipes = Mutex(handles)
        self.process = process
        guard address.hasPrefix("postgresql://") else { throw NoServer(description: address) }
    }

    deinit { pipes.withLock { try? $0.commands.close() } }

    /// The address of an empty schema for one test.
    package func freshSchemaURL() -> String {
        let number = used.add(1, ordering: .relaxed).newValue
        precondition(number <= 256, "postgres.sh makes 256 schemas")
        return "\(address)?options=-csearch_path%3Dt\(number)"
    }

    /// Sends a command to postgres.sh and returns what follows "done" in its reply.
    @discardableResult
    package func send(_ command: String) throws -> String {
        let answer = pipes.withLock { pipes in
            pipes.commands.write(Data((command + "\n").utf8))
            return Self.line(from: pipes.answers)
        }
        guard answer.hasPrefix("done") else { throw NoServer(description: "\(command): \(answer)") }
        return String(answer.dropFirst(5))
    }

    private static func line(from handle: FileHandle) -> String {
        var bytes: [UInt8] = [], byte: UInt8 = 0
        while read(handle.fileDescriptor, &byte, 1) == 1, byte != 0x0A { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
