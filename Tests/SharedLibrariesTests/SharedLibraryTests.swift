import SharedLibraries
import Testing

@Suite struct SharedLibraryTests {
    @Test func `a library is opened, and its functions are found`() throws {
        let library = try SharedLibrary("libm.so.6", package: "libc6")
        typealias Function = @convention(c) (Double) -> Double
        #expect(unsafeBitCast(try library.address(of: "floor"), to: Function.self)(3.5) == 3)
    }

    @Test func `a missing library is an error that says what to install`() throws {
        let error = #expect(throws: MissingLibrary.self) { try SharedLibrary("libslm-none.so.7", package: "libslm7") }
        #expect(error?.package == "libslm7")
        #expect("\(try #require(error))" == "libslm-none.so.7: cannot open shared object file: No such file or directory. "
            + "Install it: sudo apt-get install libslm7")
    }

    @Test func `a function that a library lacks is an error`() throws {
        let library = try SharedLibrary("libm.so.6", package: "libc6")
        let expected = MissingLibrary(package: "libc6", reason: "libm.so.6 has no function slm_none")
        #expect(throws: expected) { try library.address(of: "slm_none") }
        let found = try library.functions(0) { _, table in
            table?.pointee = 5
            return nil
        }
        #expect(found.table == 5)
    }
}
