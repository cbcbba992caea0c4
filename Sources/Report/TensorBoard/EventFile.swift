package import Files
import Glibc

/// A TensorBoard event file: `tensorboard --logdir checkpoints`.
///
///     let events = try EventFile(in: "checkpoints/first", at: now, resumingAfter: 0)
///     try events.add([("train/loss", 2.5)], step: 1, at: now)
///
/// Each start of a run writes its own file, which says from which step it resumes: TensorBoard drops later steps of older files.
///
/// The file is a TFRecord. A record is a length, its checksum, an `Event` of TensorFlow's event.proto, and its checksum.
package struct EventFile: ~Copyable {
    private let file: AppendOnlyFile

    /// - Parameters:
    ///   - time: seconds since 1970.
    ///   - step: the step after which training resumes; 0 for a new run.
    package init(in folder: String, at time: Double, resumingAfter step: Int) throws(FileError) {
        let file = try AppendOnlyFile("\(folder)/events.out.tfevents.\(Int(time)).\(getpid()).slm")
        try file.append(Self.event(step: 0, at: time) { $0.add(3, "brain.Event:2") })
        try file.append(Self.event(step: step + 1, at: time) { $0.add(7) { $0.add(1, 1) } })        // session_log: START
        self.file = file
    }

    /// Adds the scalars of a step.
    package func add(_ scalars: [(tag: String, value: Double)], step: Int, at time: Double) throws(FileError) {
        try file.append(Self.event(step: step, at: time) { event in
            event.add(5) { summary in                                                            // summary
                for (tag, value) in scalars {
                    summary.add(1) {                                                             // value
                        $0.add(1, tag)
                        $0.add(2, Float(value))                                                  // simple_value
                    }
                }
            }
        })
    }

    /// Adds a text, which TensorBoard renders as Markdown.
    package func add(_ text: String, tag: String, step: Int, at time: Double) throws(FileError) {
        try file.append(Self.event(step: step, at: time) {
            $0.add(5) {
                $0.add(1) { value in
                    value.add(1, tag)
                    value.add(9) {                                                               // metadata
                        $0.add(1) { $0.add(1, "text") }                                          // plugin_data: plugin_name
                        $0.add(4, 2)                                                             // data_class: tensor
                    }
                    value.add(8) {                                                               // tensor
                        $0.add(1, 7)                                                             // dtype: string
                        $0.add(2) { $0.add(2) { $0.add(1, 1) } }                                 // shape [1]
                        $0.add(8, text)                                                          // string_val
                    }
                }
            }
        })
    }

    private static func event(step: Int, at time: Double, _ body: (inout ProtobufMessage) -> Void) -> [UInt8] {
        var event = ProtobufMessage()
        event.add(1, time)                                                                       // wall_time
        event.add(2, step)
        body(&event)
        return record(event.bytes)
    }

    /// Encodes a record of a TFRecord file.
    package static func record(_ content: [UInt8]) -> [UInt8] {
        let length = UInt64(content.count).littleEndianBytes
        return length + CRC32C.masked(length).littleEndianBytes + content + CRC32C.masked(content).littleEndianBytes
    }
}
