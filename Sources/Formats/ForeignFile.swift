import Checkpoint
import Files
import JSON

/// A file of another program, with its path for its errors.
///
///     let file = ForeignFile("gpt2/config.json"), root = try file.json()
///     let layers = try file.ask { () throws(JSONError) in try root.integer("n_layer") }
struct ForeignFile {
    let path: String

    init(_ path: String) { self.path = path }

    func wrong(_ place: String, _ expected: String, _ found: String) -> CheckpointError {
        .mismatch(path: path, name: place, expected: expected, found: found)
    }

    /// The whole file as JSON.
    func json() throws(CheckpointError) -> JSONElement {
        let bytes: [UInt8]
        do { bytes = try InputFile.contents(of: path) } catch { throw CheckpointError(error) }
        return try json(bytes.span)
    }

    func json(_ text: Span<UInt8>) throws(CheckpointError) -> JSONElement {
        var parser = JSONParser()
        do { return try parser.parse(text) } catch {
            guard case .malformed(let offset, let expected, let found) = error else { throw wrong("its JSON", "JSON", "\(error)") }
            throw wrong("byte \(offset) of its JSON", expected, found)
        }
    }

    /// What JSON is asked for, with the place in front of the key where something else is there.
    func ask<Result>(_ place: String = "", _ body: () throws(JSONError) -> Result) throws(CheckpointError) -> Result {
        do { return try body() } catch {
            guard case .mismatch(let key, let expected, let found) = error else { throw wrong(place, "JSON", "\(error)") }
            throw wrong([place, key].filter { !$0.isEmpty }.joined(separator: "."), expected, found)
        }
    }
}
