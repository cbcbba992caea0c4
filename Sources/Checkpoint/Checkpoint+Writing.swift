import Autograd
import Files
import Kernels
import Tokenize

extension Checkpoint {
    /// Puts the file into its place, whole, or leaves what was there: it grows as `path.part`, is synced, then renamed.
    ///
    ///     try checkpoint.write(to: "checkpoints/tiny/last.h5")
    ///
    /// One pass over the weights; no more memory than the descriptions of the arrays take. The same checkpoint gives the same bytes.
    package func write(to path: String) throws(CheckpointError) {
        let arrays = contents
        checkNames(arrays.map(\.description.path))
        let layout: H5Layout
        do { layout = try H5Layout(of: arrays.map(\.description), in: Self.groups) } catch {
            throw .notWritten(path: path, reason: "HDF5 does not lay it out (\(error.function))")
        }
        do {
            var file = try SealedFile(path)
            for (array, place) in zip(arrays, layout.places).filter({ $0.0.description.byteCount > 0 }).sorted(by: { $0.1 < $1.1 }) {
                try file.write(layout.bytes(file.count..<place).span)
                switch array.numbers {
                case .buffer(let buffer) where buffer.type == .byte: try buffer.readBytes { bytes throws(FileError) in try file.write(bytes) }
                case .buffer(let buffer): try buffer.read { span throws(FileError) in try span.asBytes { bytes throws(FileError) in try file.write(bytes) } }
                case .bytes(let bytes): try file.write(bytes.span)
                }
            }
            try file.write(layout.bytes(file.count..<layout.length).span)
            try file.commit()
        } catch {
            throw CheckpointError(error, needed: layout.length)
        }
    }

    /// As they are listed. Where they stand in the file is another matter.
    static let groups = ["configuration", "tokenizer", "adapter", "weights", "rounded", "principals", "optimizer", "training", "metrics"]
    /// Those whose arrays are numbers of a model.
    static let floatGroups = ["weights", "rounded", "principals", "optimizer"]

    private struct Content {
        enum Numbers { case buffer(Buffer), bytes([UInt8]) }
        let description: ArrayDescription
        let numbers: Numbers
    }

    /// In the order in which they stand in the file. Weights come first, so that a whole cache line follows the last of them and they can be mapped as one buffer.
    private var contents: [Content] {
        var result: [Content] = []
        func add(_ arrays: Named<FloatArray>, in group: String) {
            for (name, array) in arrays {
                result.append(Content(description: ArrayDescription(path: "\(group)/\(name)", type: .float32, shape: array.shape.sizes), numbers: .buffer(array.values)))
            }
        }
        func add(_ values: Named<Value>, in group: String) {
            for (name, value) in values {
                let (type, shape, bytes) = value.content
                result.append(Content(description: ArrayDescription(path: "\(group)/\(name)", type: type, shape: shape), numbers: .bytes(bytes)))
            }
        }
        add(weights, in: "weights")
        for (name, weights) in rounded {
            let codes = ArrayDescription(path: "rounded/\(name)/codes", type: .uint8, shape: [weights.outputs, weights.codes.count / max(1, weights.outputs)])
            result.append(Content(description: codes, numbers: .buffer(weights.codes)))
            add(["\(name)/scales": weights.scaleArray], in: "rounded")
        }
        if let adapter { add(adapter.principals, in: "principals") }
        add(optimizer, in: "optimizer")
        if let adapter { add(adapter.values, in: "adapter") }
        add(configuration.values, in: "configuration")
        var words: Named<Value> = [:]
        if let tokenizer { words = ["json": .text(String(decoding: tokenizer.json, as: UTF8.self)), "fingerprint": .text(tokenizer.fingerprint)] }
        if let chatTemplate { words["chat_form"] = .text(chatTemplate.rawValue) }
        add(words, in: "tokenizer")
        add(training, in: "training")
        add(metrics, in: "metrics")
        return result
    }

    private func checkNames(_ paths: [String]) {
        var folders: Set<String> = []
        for path in paths {
            require(ArrayName.isPath(path), "an array cannot be named '\(path)'")
            var folder = path[...]
            while let border = folder.lastIndex(of: "/") {
                folder = folder[..<border]
                folders.insert(String(folder))
            }
        }
        for path in paths { require(!folders.contains(path), "'\(path)' is the name of an array and of a folder") }
    }
}

extension Span where Element == Float {
    func asBytes<Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Void) throws(Failure) {
        try withUnsafeBufferPointer { floats throws(Failure) in
            try body(UnsafeRawBufferPointer(floats).assumingMemoryBound(to: UInt8.self).span)
        }
    }
}
