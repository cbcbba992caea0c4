/// The format of a file, determined from its first bytes. Raw values complete the sentence "it is …".
package enum FileKind: String {
    case empty = "an empty file"
    case hdf5 = "an HDF5 file that slm did not write"
    case gguf = "a GGUF file"
    case zip = "a zip archive, such as PyTorch's .pt files"
    case safetensors = "a safetensors file"
    case json = "JSON"
    case lfsPointer = "a Git LFS pointer instead of the file; to download it: git lfs pull"
    case webPage = "a web page, perhaps the error of a download"
    case unknown = "a file of unknown format"

    package init(of bytes: Span<UInt8>) {
        func hasBytes(_ prefix: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + prefix.count && prefix.indices.allSatisfy { bytes[offset + $0] == prefix[$0] }
        }
        if bytes.isEmpty { self = .empty }
        else if hasBytes(Array("\u{89}HDF\r\n\u{1A}\n".unicodeScalars.map { UInt8($0.value) })) { self = .hdf5 }
        else if hasBytes(Array("GGUF".utf8)) { self = .gguf }
        else if hasBytes(Array("PK".utf8)) { self = .zip }
        else if hasBytes(Array("{".utf8), at: 8) { self = .safetensors }
        else if hasBytes(Array("{".utf8)) { self = .json }
        else if hasBytes(Array("version https://git-lfs".utf8)) { self = .lfsPointer }
        else if ["<!DOCTYPE", "<!doctype", "<html"].contains(where: { hasBytes(Array($0.utf8)) }) { self = .webPage }
        else { self = .unknown }
    }
}
