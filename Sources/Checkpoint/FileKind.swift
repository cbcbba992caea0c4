/// Whose a file is that is not ours, told by its first bytes.
package enum FileKind: String {
    case empty = "an empty file"
    case hdf5 = "an HDF5 file that slm did not write"
    case gguf = "a GGUF file"
    case zip = "a zip archive, as PyTorch's .pt files are"
    case safetensors = "a safetensors file"
    case json = "JSON"
    case other = "something else"

    package init(of bytes: Span<UInt8>) {
        func begins(with prefix: [UInt8], at place: Int = 0) -> Bool {
            bytes.count >= place + prefix.count && prefix.indices.allSatisfy { bytes[place + $0] == prefix[$0] }
        }
        if bytes.isEmpty { self = .empty }
        else if begins(with: Array("\u{89}HDF\r\n\u{1A}\n".unicodeScalars.map { UInt8($0.value) })) { self = .hdf5 }
        else if begins(with: Array("GGUF".utf8)) { self = .gguf }
        else if begins(with: Array("PK".utf8)) { self = .zip }
        else if begins(with: Array("{".utf8), at: 8) { self = .safetensors }
        else if begins(with: Array("{".utf8)) { self = .json }
        else { self = .other }
    }
}
