import Checkpoint
import Files
import Formats

/// A tensor of a safetensors file.
package struct TensorBytes {
    package var name, type: String
    package var shape: [Int]
    package var bytes: [UInt8]

    package init(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }
}

extension TemporaryFolder {
    /// Writes the model.safetensors of a folder in this one anew, with the tensors that `change` makes of each one.
    package func rewriteTensors(in path: String = "", _ change: (TensorBytes) -> [TensorBytes]) throws {
        let name = path.isEmpty ? "model.safetensors" : "\(path)/model.safetensors"
        let file = try InputFile.contents(of: self(name)), header = try SafeTensorsHeader(of: file.span, path: name)
        var entries: [String] = [], data: [UInt8] = []
        for (name, tensor) in header.tensors {
            for new in change(TensorBytes(name, tensor.type, tensor.shape, Array(file[tensor.range]))) {
                let offsets = [data.count, data.count + new.bytes.count]
                entries.append(#""\#(new.name)":{"dtype":"\#(new.type)","shape":\#(new.shape),"data_offsets":\#(offsets)}"#)
                data += new.bytes
            }
        }
        let text = Array("{\(entries.joined(separator: ","))}".utf8)
        write(text.count.littleEndianBytes + text + data, to: name)
    }
}
