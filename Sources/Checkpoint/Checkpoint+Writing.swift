import Autograd
import Files
import Kernels
import Tokenize

extension Checkpoint {
    /// Writes the checkpoint atomically: to `path.part` first, which is synced and then renamed.
    ///
    ///     try checkpoint.write(to: "checkpoints/tiny/last.h5")
    ///
    /// Makes one pass over the weights; besides them, only HDF5's descriptions are in memory. Equal checkpoints give identical files.
    package func write(to path: String) throws(CheckpointError) {
        let arrays = try contents
        checkNames(arrays.map(\.description.path))
        let layout: H5Layout
        do { layout = try H5Layout(of: arrays.map(\.description), in: Self.groups) } catch {
            throw .notWritten(path: path, reason: "a name has \(error.count) bytes, and HDF5 allows \(H5NameTooLong.limit)")
        }
        let nonempty = zip(arrays, layout.offsets).filter { array, _ in array.description.byteCount > 0 }
        do {
            var file = try ChecksummedFile(path)
            for (array, offset) in nonempty.sorted(by: { $0.1 < $1.1 }) {
                try file.write(layout.bytes(file.count..<offset).span)
                switch array.numbers {
                case .buffer(let buffer) where buffer.type == .byte:
                    try buffer.readBytes { bytes throws(FileError) in try file.write(bytes) }
                case .buffer(let buffer):
                    try buffer.read { span throws(FileError) in try span.asBytes { bytes throws(FileError) in try file.write(bytes) } }
                case .bytes(let bytes): try file.write(bytes.span)
                }
            }
            try file.write(layout.bytes(file.count..<layout.length).span)
            try file.commit()
        } catch {
            throw CheckpointError(error, needed: layout.length)
        }
    }

    /// HDF5's top-level groups, in the order in which tools list them. Arrays lie in the file in another order.
    static let groups = ["configuration", "tokenizer", "adapter", "weights", "rounded", "principals", "optimizer", "training", "metrics"]
    /// The groups whose arrays are f32 numbers of the model.
    static let floatGroups = ["weights", "rounded", "principals", "optimizer"]

    private struct Content {
        enum Numbers { case buffer(Buffer), bytes([UInt8]) }
        let description: ArrayDescription
        let numbers: Numbers
    }

    /// All arrays in the order in which they lie in the file. Weights come first: a full cache line then follows the last of them, and
    /// they can be mapped as one buffer.
    private var contents: [Content] {
        get throws(CheckpointError) {
            do throws(TokenizeError) { return contents(tokenizerJSON: try tokenizer?.json()) } catch {
                throw .notExpressible(format: "A checkpoint", reason: "its tokenizer cannot be stored: \(error)")
            }
        }
    }

    private func contents(tokenizerJSON: [UInt8]?) -> [Content] {
        var result: [Content] = []
        func add(_ arrays: OrderedDictionary<FloatArray>, in group: String) {
            for (name, array) in arrays {
                let description = ArrayDescription(path: "\(group)/\(name)", type: .float32, shape: array.shape.sizes)
                result.append(Content(description: description, numbers: .buffer(array.values)))
            }
        }
        func add(_ values: OrderedDictionary<CheckpointValue>, in group: String) {
            for (name, value) in values {
                let (type, shape, bytes) = value.encoded
                result.append(
                    Content(description: ArrayDescription(path: "\(group)/\(name)", type: type, shape: shape), numbers: .bytes(bytes))
                )
            }
        }
        add(weights, in: "weights")
        for (name, weights) in quantized {
            let shape = [weights.outputs, weights.codes.count / max(1, weights.outputs)]
            let codes = ArrayDescription(path: "rounded/\(name)/codes", type: .uint8, shape: shape)
            result.append(Content(description: codes, numbers: .buffer(weights.codes)))
            if let scales = weights.scaleArray { add(["\(name)/scales": scales], in: "rounded") }
            if let scales = weights.inputScales {
                add(["\(name)/input_scales": FloatArray(scales, shape: [weights.inputs])], in: "rounded")
            }
        }
        if let adapter { add(adapter.principals, in: "principals") }
        add(optimizer, in: "optimizer")
        if let adapter { add(adapter.values, in: "adapter") }
        add(configuration.values, in: "configuration")
        var tokenizerFields: OrderedDictionary<CheckpointValue> = [:]
        if let tokenizer, let tokenizerJSON {
            tokenizerFields["json"] = .text(String(decoding: tokenizerJSON, as: UTF8.self))
            tokenizerFields["fingerprint"] = .text(tokenizer.fingerprint)
        }
        if let chatTemplate {
            tokenizerFields["chat_template"] = .text(chatTemplate.rawValue)
            if case .jinja(let template) = chatTemplate {
                tokenizerFields["jinja"] = .text(template.source)
                tokenizerFields["jinja_settings"] = .text(template.settingsJSON)
            }
        }
        add(tokenizerFields, in: "tokenizer")
        add(training, in: "training")
        add(metrics, in: "metrics")
        return result
    }

    /// Traps on names that HDF5 cannot store: they are a mistake of the caller.
    private func checkNames(_ paths: [String]) {
        var groups: Set<String> = []
        for path in paths {
            require(ArrayName.isValidPath(path), "invalid array name '\(path)'")
            var group = path[...]
            while let separator = group.lastIndex(of: "/") {
                group = group[..<separator]
                groups.insert(String(group))
            }
        }
        for path in paths { require(!groups.contains(path), "'\(path)' is the name of both an array and a group") }
    }
}

extension Span where Element == Float {
    func asBytes<Failure: Error>(_ body: (Span<UInt8>) throws(Failure) -> Void) throws(Failure) {
        try withUnsafeBufferPointer { floats throws(Failure) in
            try body(UnsafeRawBufferPointer(floats).assumingMemoryBound(to: UInt8.self).span)
        }
    }
}
