import CWebFiles
import Gzip
import Secrets

/// The page's files, which are part of the program: as they are, packed, and named by what is in them.
///
///     let files = WebFiles()
///     files["/web/app.js"]?.gzip
package struct WebFiles: Sendable {
    package struct File: Sendable {
        package let bytes: [UInt8]
        /// nil where packing saves nothing.
        package let gzip: [UInt8]?
        package let contentType: String
        /// In quotes, as headers have it. The packed file is another representation and has another.
        package let etag, gzipETag: String

        fileprivate init(_ bytes: [UInt8], _ contentType: String) {
            let packed = Gzip.pack(bytes), digest = SHA256.hex(of: bytes).prefix(32)
            self.bytes = bytes
            self.contentType = contentType
            gzip = packed.count < bytes.count ? packed : nil
            etag = "\"\(digest)\""
            gzipETag = "\"\(digest)-gzip\""
        }
    }

    private let files: [String: File]

    /// Packs them all, which takes some milliseconds.
    package init() {
        var files: [String: File] = [:], place = 0
        while let file = slm_web_file_at(place)?.pointee {
            let name = String(cString: file.name), bytes = Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
            files[name == "index.html" ? "/" : "/web/" + name] = File(bytes, Self.contentType(of: name))
            place += 1
        }
        self.files = files
    }

    package subscript(path: String) -> File? { files[path] }

    package var paths: [String] { files.keys.sorted() }

    private static func contentType(of name: String) -> String {
        switch name.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        default: fatalError("no type for \(name)")
        }
    }
}
