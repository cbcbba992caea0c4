import Corpus
import Files
import Foundation
import Kernels
import Testing
import Tokenize
import Train

/// A folder that is gone afterwards.
private final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "slm-examples-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
