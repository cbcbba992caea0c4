import Glibc

/// A path relative to a folder, so that both can be moved together.
///
///     try RelativePath.of("checkpoints/first/best.h5", from: "checkpoints/finetuned")      // ../first/best.h5
///     RelativePath.resolve("../first/best.h5", from: "checkpoints/finetuned")              // checkpoints/finetuned/../first/best.h5
package enum RelativePath {
    /// Both must exist.
    package static func of(_ path: String, from folder: String) throws(FileError) -> String {
        let target = try parts(of: path)
        let start = try parts(of: folder)
        let common = zip(target, start).prefix { $0 == $1 }.count
        return (Array(repeating: "..", count: start.count - common) + target[common...]).joined(separator: "/")
    }

    package static func resolve(_ path: String, from folder: String) -> String { path.hasPrefix("/") ? path : folder + "/" + path }

    /// The folder that contains a file.
    package static func folder(ofFileAt path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The name of a file without its folders.
    package static func fileName(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The absolute path of a file that exists, without symbolic links.
    package static func absolute(_ path: String) throws(FileError) -> String {
        guard let real = realpath(path, nil) else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        defer { free(real) }
        return String(cString: real)
    }

    private static func parts(of path: String) throws(FileError) -> [String] {
        try absolute(path).split(separator: "/").map(String.init)
    }
}
