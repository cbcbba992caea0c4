import CWebFiles
import Glibc
import Gzip
import Secrets

/// The files of the web page, which are embedded in the binary, with gzip versions and ETags.
///
///     let files = WebFiles()
///     files["/web/chat/message.js"]?.gzip
package struct WebFiles: Sendable {
    package struct File: Sendable {
        package let bytes: [UInt8]
        /// nil if compression saves nothing.
        package let gzip: [UInt8]?
        package let contentType: String
        /// In quotes. The gzip version is another representation and has its own.
        package let etag: String
        package let gzipETag: String

        fileprivate init(_ bytes: [UInt8], _ contentType: String) {
            let compressed = Gzip.compress(bytes)
            let digest = SHA256.hex(of: bytes).prefix(32)
            self.bytes = bytes
            self.contentType = contentType
            gzip = compressed.count < bytes.count ? compressed : nil
            etag = "\"\(digest)\""
            gzipETag = "\"\(digest)-gzip\""
        }
    }

    private let files: [String: File]

    /// Compresses all files, which takes a few milliseconds.
    package init() {
        var files: [String: File] = [:]
        var index = 0
        while let file = slm_web_file_at(index)?.pointee {
            let path = String(cString: file.path)
            let bytes = Array(UnsafeBufferPointer(start: file.bytes, count: strlen(file.bytes)))
            files[path == "index.html" ? "/" : "/web/" + path] = File(bytes, Self.contentType(of: path))
            index += 1
        }
        self.files = files
    }

    package subscript(path: String) -> File? { files[path] }

    package var paths: [String] { files.keys.sorted() }

    private static func contentType(of path: String) -> String {
        switch path.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        default: fatalError("unknown content type of \(path)")
        }
    }
}
