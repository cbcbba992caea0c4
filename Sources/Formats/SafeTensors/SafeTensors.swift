import Checkpoint
import Files
import Kernels

/// The tensors of a safetensors file, or of several that together are one model. The numbers stay in the files, which are mapped, until they are copied.
///
///     var tensors = SafeTensors()
///     try tensors.add(fileAt: "gpt2/model.safetensors")
///     try tensors.copy("wte.weight", into: buffer)
struct SafeTensors {
    struct Place {
        let file: MappedFile
        let tensor: SafeTensorsHeader.Tensor
    }

    private(set) var places: Named<Place> = [:]

    mutating func add(fileAt path: String) throws(CheckpointError) {
        let file: MappedFile
        do { file = try MappedFile(path) } catch { throw CheckpointError(error) }
        let header = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in try SafeTensorsHeader(of: bytes, path: path) }
        for (name, tensor) in header.tensors {
            if let other = places[name] { throw ForeignFile(path).wrong(SafeTensorsHeader.place(name), "each tensor in one file", "it in \(other.file.path), too") }
            places[name] = Place(file: file, tensor: tensor)
        }
    }

    /// Throws unless there are numbers of that shape under the name.
    func check(_ name: String, _ shape: [Int], in folder: String) throws(CheckpointError) {
        guard let place = places[name] else { throw ForeignFile(folder).wrong(SafeTensorsHeader.place(name), "numbers \(shape)", "nothing") }
        let tensor = place.tensor, file = ForeignFile(place.file.path)
        guard WeightFormat(rawValue: tensor.type.lowercased()) != nil else { throw file.wrong("\(SafeTensorsHeader.place(name)).dtype", "F32, F16 or BF16", tensor.type) }
        guard tensor.shape == shape else { throw file.wrong("\(SafeTensorsHeader.place(name)).shape", "\(shape)", "\(tensor.shape.prefix(8))") }
    }

    /// Copies a tensor that was checked into an f32 buffer, a matrix turned around if asked for.
    func copy(_ name: String, into buffer: Buffer, isTransposed: Bool = false) {
        guard let (place, format) = numbers(name) else { return }
        let shape = place.tensor.shape, isMatrix = isTransposed && shape.count == 2
        let (rows, columns) = isMatrix ? (shape[0], shape[1]) : (1, buffer.count)              // of the file
        place.file.read(as: UInt8.self) { bytes in
            bytes.extracting(place.tensor.range).withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                buffer.write { target in
                    // As many columns at a time as share the cache lines of a row.
                    for first in stride(from: 0, to: columns, by: isMatrix ? 16 : max(1, columns)) {
                        let end = isMatrix ? min(first + 16, columns) : columns
                        for row in 0..<rows {
                            for column in first..<end { target[column * rows + row] = format.number(at: start, row * columns + column) }
                        }
                    }
                }
            }
        }
    }

    /// Whether two tensors that were checked hold the same bytes.
    func areSame(_ a: String, _ b: String) -> Bool {
        guard let (a, _) = numbers(a), let (b, _) = numbers(b), a.tensor.type == b.tensor.type, a.tensor.range.count == b.tensor.range.count else { return false }
        return a.file.read(as: UInt8.self) { first in
            b.file.read(as: UInt8.self) { second in
                let (first, second) = (first.extracting(a.tensor.range), second.extracting(b.tensor.range))
                return first.indices.allSatisfy { first[$0] == second[$0] }
            }
        }
    }

    private func numbers(_ name: String) -> (Place, WeightFormat)? {
        guard let place = places[name], let format = WeightFormat(rawValue: place.tensor.type.lowercased()) else { return nil }
        return (place, format)
    }
}
