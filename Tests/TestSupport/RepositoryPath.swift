import Foundation

/// The path of a file or folder of this repository, such as "Documentation/Reference/openapi.yaml".
package func repositoryPath(_ path: String) -> String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: path).path
}
