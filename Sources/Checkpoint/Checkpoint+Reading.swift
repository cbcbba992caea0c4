import Autograd
import Files
import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Reads a file once, to see that it is whole; the numbers of its arrays then stay there until they are asked for.
    ///
    ///     let checkpoint = try Checkpoint(reading: "checkpoints/tiny/best.h5")
    ///
    /// The file may be replaced meanwhile, as training does, but must not be shortened. Whatever is wrong with it is an error and no crash.
    package init(reading path: String) throws(CheckpointError) {
        let file: MappedFile
        do { file = try MappedFile(path, writable: true) } catch { throw Folder.contains(".", in: path) ? .folder(path) : CheckpointError(error) }
        self = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            try Seal.check(bytes, path: path, forgetting: file.forget)
            return try Checkpoint(try H5Reader.arrays(in: bytes, path: path), of: bytes, in: file)
        }
    }

    private init(_ arrays: [StoredArray], of bytes: borrowing Span<UInt8>, in file: MappedFile) throws(CheckpointError) {
        let path = file.path
        var floats: [String: Named<FloatArray>] = [:], values: [String: Named<Value>] = [:], codes: [(name: String, shape: [Int], values: Buffer)] = []
        for array in arrays {
            let parts = array.path.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2, Self.groups.contains(parts[0]) else {
                throw .mismatch(path: path, name: array.path, expected: "nothing of that name in version \(Seal.version)", found: array.kind)
            }
            if parts[0] == "rounded", array.type == .uint8 {
                guard parts[1].hasSuffix("/codes") else { throw .mismatch(path: path, name: array.path, expected: "codes and scales", found: array.kind) }
                codes.append((String(parts[1].dropLast(6)), array.shape, Buffer(in: file, at: array.range.lowerBound, count: array.range.count, .byte)))
            } else if Self.floatGroups.contains(parts[0]) {
                guard array.type == .float32 else { throw .mismatch(path: path, name: array.path, expected: "f32", found: array.kind) }
                floats[parts[0], default: [:]][parts[1]] = FloatArray(array.range.isEmpty ? Buffer(in: file, at: 0, count: 0, .float32)
                    : Buffer(in: file, at: array.range.lowerBound, count: array.range.count / 4, .float32), shape: Shape(array.shape))
            } else {
                guard let value = Value(array.type, shape: array.shape, bytes: bytes.extracting(array.range)) else {
                    throw .mismatch(path: path, name: array.path, expected: "a number, a text or a row of numbers", found: array.kind)
                }
                values[parts[0], default: [:]][parts[1]] = value
            }
        }
        self.init(path: path, byteCount: bytes.count, configuration: try GPTConfiguration(values["configuration"] ?? [:], path: path))
        weights = floats["weights"] ?? [:]
        optimizer = floats["optimizer"] ?? [:]
        rounded = try roundedWeights(codes, scales: floats["rounded"] ?? [:])
        training = values["training"] ?? [:]
        metrics = values["metrics"] ?? [:]
        if values["adapter"] == nil, floats["principals"] != nil {
            throw .mismatch(path: path, name: "principals", expected: "nothing of that name where there is no adapter", found: "arrays")
        }
        adapter = try values["adapter"].map { values throws(CheckpointError) in try Adapter(values, principals: floats["principals"] ?? [:], path: path) }
        try readTokenizer(values["tokenizer"] ?? [:], path: path)
    }

    /// Codes and scales that belong together, each of a matrix of the model.
    private func roundedWeights(_ codes: [(name: String, shape: [Int], values: Buffer)], scales: Named<FloatArray>) throws(CheckpointError) -> Named<RoundedWeights> {
        var result: Named<RoundedWeights> = [:]
        if codes.isEmpty, scales.count == 0 { return result }
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        for (name, shape, values) in codes {
            let found = "u8 \(Shape(shape))", parameter = list.parameters.first { $0.name == name }
            guard let parameter, parameter.shape.rank == 2, shape.count == 2, shape[0] == parameter.shape[0] else {
                throw .mismatch(path: self.name, name: "rounded/\(name)", expected: parameter.map { "codes of \($0.shape)" } ?? "nothing of that name in such a model", found: found)
            }
            guard let array = scales[name + "/scales"], let weights = RoundedWeights(codes: (shape, values), scales: array, inputs: parameter.shape[1]) else {
                throw .mismatch(path: self.name, name: "rounded/\(name)", expected: "codes and scales of \(parameter.shape)", found: found)
            }
            result[name] = weights
        }
        for name in scales.names where !name.hasSuffix("/scales") || result[String(name.dropLast(7))] == nil {
            throw .mismatch(path: self.name, name: "rounded/\(name)", expected: "the scales of codes", found: "f32 \(scales[name]?.shape ?? [])")
        }
        return result
    }

    private mutating func readTokenizer(_ values: Named<Value>, path: String) throws(CheckpointError) {
        func text(_ name: String) throws(CheckpointError) -> String? {
            switch values[name] {
            case nil: nil
            case .text(let text): text
            case let value?: throw .mismatch(path: path, name: "tokenizer/\(name)", expected: "a text", found: value.kind)
            }
        }
        if let name = try text("chat_form") {
            chatTemplate = ChatTemplate(rawValue: name)
            guard chatTemplate != nil else {
                let known = ChatTemplate.allCases.map(\.rawValue).joined(separator: ", ")
                throw .mismatch(path: path, name: "tokenizer/chat_form", expected: "one of \(known)", found: Value.text(name).shown)
            }
        }
        if let json = try text("json") {
            guard let fingerprint = try text("fingerprint") else {
                throw .mismatch(path: path, name: "tokenizer/fingerprint", expected: "a text", found: "nothing")
            }
            tokenizer = StoredTokenizer(json: Array(json.utf8), fingerprint: fingerprint)
        }
        for name in values.names where !["json", "fingerprint", "chat_form"].contains(name) {
            throw .mismatch(path: path, name: "tokenizer/\(name)", expected: "nothing of that name in version \(Seal.version)", found: "an array")
        }
    }
}
