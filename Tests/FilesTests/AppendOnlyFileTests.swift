import Files
import Testing

@Suite struct AppendOnlyFileTests {
    /// It promises nothing about a previous file, as an error of `AtomicFile` does: the file itself was changed.
    @Test func `a full disk says that earlier lines are kept`() throws {
        let file = try AppendOnlyFile("/dev/full")
        let error = #expect(throws: FileError.self) { try file.append(line: "{}") }
        #expect(error.map { "\($0)" }
            == "no space left for /dev/full: No space left on device. What was written before is kept.")
    }
}
