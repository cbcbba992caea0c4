import Files
import Foundation
import Gzip
import Serve
import Store
import TestSupport
import Testing

@Suite struct WebFilesTests {
    let folder = TemporaryFolder()
    let files = WebFiles()
    static let web = repositoryPath("Sources/Serve/Web")

    /// Decompresses with the gzip program.
    private func decompressed(_ bytes: [UInt8]) throws -> [UInt8] {
        let (process, _, output) = try startProgram("/usr/bin/env", ["gzip", "-dc", folder.write(bytes, to: "compressed.gz")])
        let bytes = [UInt8](output.readDataToEndOfFile())
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return bytes
    }

    @Test func `every file of the web page is embedded unchanged`() throws {
        let names = try FileManager.default.subpathsOfDirectory(atPath: Self.web).filter { $0.contains(".") }
        #expect(Set(files.paths) == Set(names.map { $0 == "index.html" ? "/" : "/web/" + $0 }))
        for name in names {
            let isSame = try files[name == "index.html" ? "/" : "/web/" + name]?.bytes == InputFile.contents(of: "\(Self.web)/\(name)")
            #expect(isSame, "\(name) was embedded before it was changed: rebuild")
        }
        for path in ["", "/web/", "/web/index.html", "/web/../index.html", "/index.html", "/web/chat", "/web/chat/MESSAGE.js"] {
            #expect(files[path] == nil)
        }
    }

    @Test func `the page has the filter's parameters with their choices`() throws {
        let file = try #require(files["/web/training/filter.js"]), script = String(decoding: file.bytes, as: UTF8.self)
        let start = try #require(script.firstRange(of: "FILTERS = {\n")).upperBound
        let table = script[start...].prefix(upTo: try #require(script[start...].firstRange(of: "\n};")).lowerBound)
        let parameters = ("\n" + table).split(separator: "\n  ").reduce(into: [Substring]()) { all, line in
            if line.first?.isLetter ?? false { all.append(line) } else { all[all.count - 1] += line }       // choices on lines of their own
        }
        let texts = Dictionary(uniqueKeysWithValues: parameters.map { ($0.prefix { $0 != ":" }, $0) })
        #expect(Set(texts.keys.map(String.init)) == Set(TrainingFilter.members.map(\.name)))
        for member in TrainingFilter.members where member.name != "state" {                  // the state has tabs instead
            guard case .choice(let choices, _) = member.kind else { continue }
            #expect(texts[member.name[...]]?.matches(of: /\["(\w*)", "/).map { String($0.1) } == [""] + choices)
        }
    }

    @Test func `the page and openapi.yaml have the ranges of the numbers of a training run`() throws {
        let page = String(decoding: try #require(files["/web/training/settings.js"]).bytes, as: UTF8.self)
        let description = try String(contentsOfFile: repositoryPath("Documentation/Reference/openapi.yaml"), encoding: .utf8)
        let schema = description[try #require(description.firstRange(of: "    TrainingRunSettings:\n")).upperBound...]
        func range(_ pattern: String, in text: some StringProtocol) throws -> [Double?] {
            let match = try #require(try Regex(pattern).firstMatch(in: String(text)), "\(pattern)")
            return [1, 2].map { match[$0].substring.flatMap { Double($0.replacing("_", with: "")) } }
        }
        for number in RunNumber.all {
            let expected: [Double?] = [number.range.lowerBound, number.range.upperBound], name = number.name
            #expect(try range(#"\b\#(name): \[([0-9._]+), ([0-9._]+)\]"#, in: page) == expected, "\(name) of the page")
            #expect(
                try range(#"\n +\#(name): \{.* minimum: ([0-9.]+), maximum: ([0-9.]+)"#, in: schema) == expected,
                "\(name) of openapi.yaml")
        }
    }

    @Test func `each file has a content type and ETags`() throws {
        #expect(
            files["/"]?.contentType == "text/html; charset=utf-8" && files["/web/main.js"]?.contentType == "text/javascript; charset=utf-8")
        #expect(files["/web/common/style.css"]?.contentType == "text/css; charset=utf-8")
        #expect(files["/web/common/icon.svg"]?.contentType == "image/svg+xml")
        let all = files.paths.compactMap { files[$0] }
        let etags = all.map(\.etag) + all.map(\.gzipETag)
        #expect(
            Set(etags).count == 2 * files.paths.count && etags.allSatisfy { $0.hasPrefix("\"") && $0.hasSuffix("\"") && $0.utf8.count > 32 }
        )
        #expect(WebFiles()["/web/main.js"]?.etag == files["/web/main.js"]?.etag)
    }

    @Test func `compressed files are at most 40 % of the size and decompress to the same bytes`() throws {
        // The training area and libraries are loaded when they are opened.
        let area = files.paths.filter { $0.hasPrefix("/web/training/") }
        let libraries = files.paths.filter { $0.hasPrefix("/web/libraries/") }
        let page = files.paths.filter { !area.contains($0) && !libraries.contains($0) }
        for (paths, limit) in [(page, 100_000), (area, 60_000), (libraries, 20_000)] {
            let all = paths.compactMap { files[$0] }
            let packed = all.reduce(0) { $0 + ($1.gzip?.count ?? $1.bytes.count) }
            let whole = all.reduce(0) { $0 + $1.bytes.count }
            #expect(packed < whole * 2 / 5 && packed < limit)
        }
        for path in ["/", "/web/common/style.css", "/web/page.js"] {
            let file = try #require(files[path])
            let gzip = try #require(file.gzip)
            let isSame = try decompressed(gzip) == file.bytes
            #expect(isSame)
        }
    }

    @Test(arguments: [0, 1, 100, 65_536, 1_000_000]) func `any bytes can be compressed and decompressed`(_ count: Int) throws {
        var random = TestRandom(UInt64(count))
        for bytes in [[UInt8](repeating: 7, count: count), (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }] {
            let packed = Gzip.compress(bytes), isSame = try decompressed(packed) == bytes
            #expect(isSame && packed == Gzip.compress(bytes) && packed.starts(with: [0x1F, 0x8B]))
        }
    }
}
