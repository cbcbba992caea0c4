/// Whose a file is that is not ours, told by its first bytes, so that a message can say so.
enum FileKind {
    static func name(of bytes: Span<UInt8>) -> String {
        func begins(with prefix: [UInt8], at place: Int = 0) -> Bool {
            bytes.count >= place + prefix.count && prefix.indices.allSatisfy { bytes[place + $0] == prefix[$0] }
        }
        if bytes.isEmpty { return "an empty file" }
        if begins(with: Array("\u{89}HDF\r\n\u{1A}\n".unicodeScalars.map { UInt8($0.value) })) { return "an HDF5 file that slm did not write" }
        if begins(with: Array("GGUF".utf8)) { return "a GGUF file" }
        if begins(with: Array("PK".utf8)) { return "a zip archive, as PyTorch's .pt files are" }
        if begins(with: Array("{".utf8), at: 8) { return "a safetensors file" }
        if begins(with: Array("{".utf8)) { return "JSON" }
        return "something else"
    }
}
