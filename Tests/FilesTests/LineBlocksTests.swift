import Files
import Glibc
import TestSupport
import Testing

@Suite struct LineBlocksTests {
    let folder = TemporaryFolder()

    private func lines(_ text: [UInt8], size: Int, limit: Int = 1_000) throws -> [String] {
        var blocks = try LineBlocks(folder.write(text, to: "text"), size: size, limit: limit), lines: [String] = [], bytes: [UInt8] = []
        while true {
            do throws(FileError) {
                guard let block = try blocks.next() else { break }
                #expect(block.offset == bytes.count)
                bytes += block.bytes
                block.forEachLine { line, number in
                    lines.append("\(number) " + String(decoding: line.indices.map { line[$0] }, as: UTF8.self))
                }
            } catch {
                guard case .lineTooLong(_, let line, limit) = error else { throw error }
                lines.append("\(line) too long")
                bytes += [UInt8](repeating: 0, count: limit)        // offsets are only checked if no line is skipped
                break
            }
        }
        return lines
    }

    @Test func `blocks of any size have the same lines`() throws {
        let text = Array("one\n\ntwo\r\nthree and a half\r\r\n\n\nfour".utf8)
        for size in 1...text.count + 2 {
            #expect(try lines(text, size: size) == ["1 one", "2 ", "3 two", "4 three and a half\r", "5 ", "6 ", "7 four"], "size \(size)")
        }
    }

    @Test func `a byte-order mark is skipped only at the start`() throws {
        for size in 1...12 {
            var blocks = try LineBlocks(folder.write([0xEF, 0xBB, 0xBF, 97, 10, 0xEF, 0xBB, 0xBF, 98], to: "mark"), size: size)
            var bytes: [UInt8] = []
            while let block = try blocks.next() {
                #expect(block.offset == bytes.count + 3)
                bytes += block.bytes
            }
            #expect(bytes == [97, 10, 0xEF, 0xBB, 0xBF, 98], "size \(size)")
            var nothing = try LineBlocks(folder.write([0xEF, 0xBB, 0xBF], to: "only a mark"), size: size)
            #expect(try nothing.next()?.bytes == nil, "size \(size)")
        }
    }

    @Test func `an empty file has no lines`() throws {
        #expect(try lines([], size: 4) == [])
        #expect(try lines([10], size: 4) == ["1 "])
    }

    @Test(arguments: [1, 2, 3, 7, 100]) func `a line as long as the limit is read and a longer one is an error`(_ size: Int) throws {
        #expect(try lines(Array("a\n1234567\nb\n".utf8), size: size, limit: 7) == ["1 a", "2 1234567", "3 b"])
        for text in ["a\n12345678\nb\n", "a\n12345678", "a\n1234567890123456789\nb\n"] {
            let found = try lines(Array(text.utf8), size: size, limit: 7)
            #expect(found == ["1 a", "2 too long"], "\(text.debugDescription)")
        }
    }

    @Test(arguments: [1, 3, 7]) func `reading continues after a line that is too long`(_ size: Int) throws {
        var blocks = try LineBlocks(folder.write("123456789012345\nb\n12345678\n\nc", to: "long"), size: size, limit: 7),
            seen: [String] = []
        for _ in 0..<20 {
            do throws(FileError) {
                guard let block = try blocks.next() else { break }
                block.forEachLine { line, number in seen.append("\(number):\(line.count)") }
            } catch { seen.append(error.description) }
        }
        let path = folder("long")
        #expect(seen == ["\(path):1: a line longer than 7 bytes.", "2:1", "\(path):3: a line longer than 7 bytes.", "4:0", "5:1"])
    }

    @Test func `a missing file and a folder are errors`() throws {
        #expect(throws: FileError.unreadable(path: folder("no"), reason: "No such file or directory")) { _ = try LineBlocks(folder("no")) }
        #expect(throws: FileError.unreadable(path: folder.path, reason: "Is a directory")) {
            var blocks = try LineBlocks(folder.path)
            _ = try blocks.next()
        }
    }

    @Test func `contents returns the whole file`() throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try InputFile.contents(of: folder.write(bytes, to: "whole")) == bytes)
        #expect(try InputFile.contents(of: folder.write("", to: "nothing")) == [])
        #expect(try InputFile.contents(of: "/proc/self/status").isEmpty == false)
    }
}

@Suite struct PipeTests {
    @Test func `a pipe gives the same blocks as a file`() throws {
        let folder = TemporaryFolder(), text = (0..<3_000).map { "line \($0)\n" }.joined(), pipe = folder("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        try InputFile.check(pipe)
        var writer = pthread_t()
        let job = Job(path: pipe, text: Array(text.utf8))
        pthread_create(&writer, nil, { argument in
            let job = Unmanaged<Job>.fromOpaque(argument!).takeUnretainedValue()
            let descriptor = open(job.path, O_WRONLY)
            for start in stride(from: 0, to: job.text.count, by: 777) {
                _ = job.text[start..<min(start + 777, job.text.count)].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            }
            close(descriptor)
            return nil
        }, Unmanaged.passUnretained(job).toOpaque())
        var piped = try LineBlocks(pipe, size: 5_000), filed = try LineBlocks(folder.write(text, to: "file"), size: 5_000)
        #expect(piped.fileSize == nil && filed.fileSize == text.utf8.count)
        while let block = try piped.next() { #expect(try filed.next()?.bytes == block.bytes) }
        #expect(try filed.next()?.bytes == nil)
        pthread_join(writer, nil)
    }

    private final class Job: Sendable {
        let path: String, text: [UInt8]

        init(path: String, text: [UInt8]) {
            self.path = path
            self.text = text
        }
    }
}
