import Checkpoint
import Files
import JSON

/// A file of another program, with its path for error messages.
///
///     let file = ImportedFile("gpt2/config.json"), root = try file.json()
///     let layers = try file.read { () throws(JSONError) in try root.integer("n_layer") }
struct ImportedFile {
    let path: String

    init(_ path: String) { self.path = path }

    func mismatch(_ field: String, _ expected: String, _ found: String) -> CheckpointError {
        .mismatch(path: path, name: field, expected: expected, found: found)
    }

    /// Parses the whole file as JSON.
    func mapped(writable: Bool = false, staysOpen: Bool = false) throws(CheckpointError) -> MappedFile {
        do { return try MappedFile(path, writable: writable, staysOpen: staysOpen) } catch { throw CheckpointError(error) }
    }

    func json() throws(CheckpointError) -> JSONElement {
        let bytes: [UInt8]
        do { bytes = try InputFile.contents(of: path) } catch { throw CheckpointError(error) }
        return try json(bytes.span)
    }

    /// Parses a part of the file as JSON.
    func json(_ text: Span<UInt8>) throws(CheckpointError) -> JSONElement {
        do { return try JSONElement(parsing: text) } catch {
            guard case .malformed(let offset, let expected, let found) = error else { throw mismatch("JSON", "valid JSON", "\(error)") }
            throw mismatch("byte \(offset) of the JSON", expected, found)
        }
    }

    /// Reads JSON fields and turns a `JSONError` into a `CheckpointError` that names the file and the field.
    ///
    /// - Parameter prefix: what contains the field, such as a tensor.
    func read<Result>(_ prefix: String = "", _ body: () throws(JSONError) -> Result) throws(CheckpointError) -> Result {
        do { return try body() } catch {
            guard case .mismatch(let key, let expected, let found) = error else { throw mismatch(prefix, "valid JSON", "\(error)") }
            throw mismatch([prefix, key].filter { !$0.isEmpty }.joined(separator: "."), expected, found)
        }
    }
}
