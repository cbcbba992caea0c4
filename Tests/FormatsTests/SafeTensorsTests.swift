import Checkpoint
import Files
import Testing
import TestSupport
import Formats

/// Headers of safetensors files.
@Suite struct SafeTensorsTests {
    private static func file(_ header: String, numbers: Int = 24) -> [UInt8] {
        let text = Array(header.utf8)
        return text.count.littleEndianBytes + text + [UInt8](repeating: 1, count: numbers)
    }

    private static let right =
        #"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"#
        + #""a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"#
        + #""none":{"dtype":"I64","shape":[7,0],"data_offsets":[12,12]},"c":{"dtype":"BF16","shape":[4],"data_offsets":[16,24]}}  "#

    private func refusal(_ bytes: [UInt8]) -> String? {
        do throws(CheckpointError) { _ = try SafeTensorsHeader(of: bytes.span, path: "a.safetensors") } catch { return "\(error)" }
        return nil
    }

    @Test func `tensors are read with type, shape and range`() throws {
        let bytes = Self.file(Self.right), header = try SafeTensorsHeader(of: bytes.span, path: "a"), start = bytes.count - 24
        #expect(header.tensors.names == ["b", "a", "none", "c"])
        let a = try #require(header.tensors["a"]), b = try #require(header.tensors["b"])
        #expect(a.type == "F16" && a.shape == [2, 3] && a.range == start..<start + 12)
        #expect(b.type == "F32" && b.shape == [] && b.range == start + 12..<start + 16)
        let none = Self.file("{}", numbers: 0)
        #expect(try SafeTensorsHeader(of: none.span, path: "a").tensors.count == 0)
    }

    @Test(
        arguments: [
            ("", 24, "byte 0 of the JSON"), ("[]", 0, "header: expected an object, found an array"),
            ("{}", 1, "data: expected 0 bytes, as in the header, found 1"),
            (#"{"a":1}"#, 0, "expected an object with \"dtype\", found a number"),
            (#"{"a":{}}"#, 0, "tensor 'a'.dtype: expected a string, found nothing"),
            (#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor 'a'.dtype: expected one of BF16, BOOL, F16"),
            (
                #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4,
                "tensor 'a'.shape: expected non-negative whole numbers, found -1"
            ),
            (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "expected non-negative whole numbers, found 1.5"),
            (#"{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#, 4, "expected non-negative whole numbers, found a string"),
            (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, 4, "expected sizes that fit into the file"),
            (
                #"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, 4,
                "tensor 'a'.data_offsets: expected the bytes of"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8, "expected the bytes of 1 F32, found 8 bytes"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3,
                "expected a start and an end within the 3 data bytes, found [0, 4]"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "expected a start and an end"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4,
                "tensor 'a'.data_offsets: expected non-negative whole numbers, found -4"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4, "expected a start and an end"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}"#, 4, "expected non-negative whole numbers"),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#, 8,
                "expected each tensor once, found a duplicate"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}}"#, 7,
                "tensor 'b'.data_offsets: expected the start 4, the end of the previous tensor"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 4,
                "expected the start 4, the end of the previous tensor"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}"#, 9,
                "expected the start 4, the end of the previous tensor"
            ),
            ("{\"a\u{1B}\\u001b[31m\":1}", 0, "byte 3 of the JSON"), (#"{"\u001b[31m":{}}"#, 0, "tensor '\u{FFFD}[31m'.dtype"),
        ] as [(String, Int, String)])
    func `errors name the tensor and the field`(header: String, numbers: Int, message: String) {
        let said = refusal(Self.file(header, numbers: numbers)) ?? "accepted"
        #expect(said.contains(message) && said.hasPrefix("a.safetensors: ") && said.utf8.count < 300, "\(said)")
    }

    @Test func `header length and JSON nesting are limited`() {
        for count in 0..<8 {
            #expect(
                refusal([UInt8](repeating: 0, count: count))
                    == "a.safetensors: header length: expected 8 bytes, found \(count).")
        }
        for length in [UInt64.max, 1 << 63, 1 << 40, 25] {
            let bytes = length.littleEndianBytes + Self.file("", numbers: 24).dropFirst(8)
            #expect(
                refusal(bytes) == "a.safetensors: header length: expected at most 24 bytes in a file of this size, found \(length).")
        }
        let deep = #"{"a":"# + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        #expect(refusal(Self.file(deep))?.contains("of the JSON") == true)
        let whole = Self.file(Self.right)
        let undetected = whole.indices.filter { refusal(Array(whole[..<$0])) == nil }
        #expect(undetected.isEmpty, "truncated to \(undetected.prefix(5))")
    }
}
