import Autograd
import Files
import Kernels
import Model
import Tokenize

extension Checkpoint {
    /// Reads a checkpoint file and verifies its checksum. Arrays stay in the mapped file until they are used.
    ///
    ///     let checkpoint = try Checkpoint(reading: "checkpoints/tiny/best.h5")
    ///
    /// The file may be replaced afterwards, as training does, but must not be truncated. A damaged or malicious file throws; it
    /// never crashes.
    package init(reading path: String) throws(CheckpointError) {
        let file = try Self.map(path)
        try CheckpointHeader.check(file)
        self = try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            try Checkpoint(try H5Reader.arrays(in: bytes, path: path), of: bytes, in: file)
        }
    }

    /// Reads a checkpoint file while another thread verifies its checksum. Nothing may come of the checkpoint before the check has ended.
    ///
    ///     let (checkpoint, check) = try Checkpoint.open("checkpoints/tiny/best.h5")
    package static func open(_ path: String) throws(CheckpointError) -> (checkpoint: Checkpoint, check: ChecksumCheck) {
        let file = try map(path)
        return try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            try CheckpointHeader.checkLength(bytes, path: path)
            let check = ChecksumCheck(of: file)
            do throws(CheckpointError) {
                return (try Checkpoint(try H5Reader.arrays(in: bytes, path: path), of: bytes, in: file), check)
            } catch {
                try check.wait()                               // damage explains what cannot be parsed
                throw error
            }
        }
    }

    private static func map(_ path: String) throws(CheckpointError) -> MappedFile {
        do { return try MappedFile(path, writable: true, staysOpen: true) } catch {
            throw Folder.contains(".", in: path) ? .isFolder(path) : CheckpointError(error)
        }
    }

    /// The arrays of one matrix's int8, int6 or int4 codes: [rows, bytes per row].
    private typealias Codes = (name: String, shape: [Int], values: Buffer)

    private init(_ arrays: [StoredArray], of bytes: borrowing Span<UInt8>, in file: MappedFile) throws(CheckpointError) {
        let path = file.path
        var floats: [String: OrderedDictionary<FloatArray>] = [:]
        var values: [String: OrderedDictionary<CheckpointValue>] = [:]
        var codes: [Codes] = []
        for array in arrays {
            let parts = array.path.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2, Self.groups.contains(parts[0]) else {
                throw .mismatch(
                    path: path, name: array.path, expected: "no such array in version \(CheckpointHeader.version)",
                    found: array.typeDescription
                )
            }
            if parts[0] == "rounded", array.type == .uint8 {
                guard parts[1].hasSuffix("/codes") else {
                    throw .mismatch(path: path, name: array.path, expected: "codes and scales", found: array.typeDescription)
                }
                let buffer = Buffer(in: file, at: array.range.lowerBound, count: array.range.count, .byte)
                codes.append((String(parts[1].dropLast(6)), array.shape, buffer))
            } else if Self.floatGroups.contains(parts[0]) {
                guard array.type == .float32 else {
                    throw .mismatch(path: path, name: array.path, expected: "f32", found: array.typeDescription)
                }
                let start = array.range.isEmpty ? 0 : array.range.lowerBound
                let buffer = Buffer(in: file, at: start, count: array.range.count / 4, .float32)
                floats[parts[0], default: [:]][parts[1]] = FloatArray(buffer, shape: Shape(array.shape))
            } else {
                guard let value = CheckpointValue(array.type, shape: array.shape, bytes: bytes.extracting(array.range)) else {
                    throw .mismatch(
                        path: path, name: array.path, expected: "a number, a string or an array of numbers", found: array.typeDescription
                    )
                }
                values[parts[0], default: [:]][parts[1]] = value
            }
        }
        let configuration = try GPTConfiguration(values["configuration"] ?? [:], path: path)
        self.init(path: path, byteCount: bytes.count, configuration: configuration)
        weights = floats["weights"] ?? [:]
        optimizer = floats["optimizer"] ?? [:]
        quantized = try quantizedWeights(codes, scales: floats["rounded"] ?? [:])
        training = values["training"] ?? [:]
        metrics = values["metrics"] ?? [:]
        if values["adapter"] == nil, floats["principals"] != nil {
            throw .mismatch(path: path, name: "principals", expected: "no such arrays without a LoRA adapter", found: "arrays")
        }
        adapter = try values["adapter"].map { values throws(CheckpointError) in
            try LoRAAdapter(values, principals: floats["principals"] ?? [:], path: path)
        }
        try readTokenizer(values["tokenizer"] ?? [:], path: path)
    }

    /// Pairs the codes of each matrix with its scales, and checks both against the model's shapes.
    private func quantizedWeights(
        _ codes: [Codes], scales: OrderedDictionary<FloatArray>
    ) throws(CheckpointError) -> OrderedDictionary<QuantizedWeights> {
        var result: OrderedDictionary<QuantizedWeights> = [:]
        if codes.isEmpty, scales.count == 0 { return result }
        var list = ParameterList()
        _ = GPT(configuration, in: &list)
        func mismatch(_ name: String, _ expected: String, _ found: String) -> CheckpointError {
            .mismatch(path: self.name, name: "rounded/\(name)", expected: expected, found: found)
        }
        for (name, shape, values) in codes {
            let found = "u8 \(Shape(shape))", parameter = list.parameters.first { $0.name == name }
            guard let parameter, parameter.shape.rank == 2, shape.count == 2, shape[0] == parameter.shape[0] else {
                throw mismatch(name, parameter.map { "codes of \($0.shape)" } ?? "no such matrix in this model", found)
            }
            let inputScales = scales[name + "/input_scales"]
            let weights = QuantizedWeights(
                codes: (shape, values), scales: scales[name + "/scales"], inputScales: inputScales, inputs: parameter.shape[1])
            guard let weights else {
                throw mismatch(name, "codes and scales of \(parameter.shape)", found)
            }
            guard inputScales?.values.read({ span in span.indices.allSatisfy { span[$0] > 0 && span[$0].isFinite } }) ?? true else {
                throw mismatch(name + "/input_scales", "numbers above 0", "others")
            }
            result[name] = weights
        }
        for name in scales.names {
            let parts = name.split(separator: "/"), matrix = parts.dropLast().joined(separator: "/")
            if ["scales", "input_scales"].contains(parts.last), result[matrix] != nil { continue }
            throw mismatch(name, "scales with their codes", "f32 \(scales[name]?.shape ?? [])")
        }
        return result
    }

    private mutating func readTokenizer(_ values: OrderedDictionary<CheckpointValue>, path: String) throws(CheckpointError) {
        func mismatch(_ name: String, _ expected: String, _ found: String) -> CheckpointError {
            .mismatch(path: path, name: "tokenizer/\(name)", expected: expected, found: found)
        }
        func text(_ name: String) throws(CheckpointError) -> String? {
            switch values[name] {
            case nil: nil
            case .text(let text): text
            case let value?: throw mismatch(name, "a string", value.typeDescription)
            }
        }
        if let name = try text("chat_template") {
            chatTemplate = ChatTemplate(rawValue: name, source: try text("jinja"), settings: try text("jinja_settings"))
            guard chatTemplate != nil else {
                let names = ChatTemplate.allCases.map(\.rawValue).joined(separator: ", ")
                throw mismatch("chat_template", "one of \(names), or jinja with the fields jinja and jinja_settings", name.quoted)
            }
        }
        if let json = try text("json") {
            guard let fingerprint = try text("fingerprint") else { throw mismatch("fingerprint", "a string", "nothing") }
            tokenizer = StoredTokenizer(json: Array(json.utf8), fingerprint: fingerprint)
        }
        for name in values.names where !["json", "fingerprint", "chat_template", "jinja", "jinja_settings"].contains(name) {
            throw mismatch(name, "no such field in version \(CheckpointHeader.version)", "an array")
        }
    }
}
